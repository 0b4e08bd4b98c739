"""Atomic writing of files, and messages for disk errors."""

import errno
import os
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from neocog.core import files
from neocog.core.problem import FAILED, Problem


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB; skips the test if it cannot be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    can_mount = sys.platform == "linux" and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    if not can_mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_writing_leaves_no_temporary_file(tmp_path):
    files.write_text(tmp_path / "größe.txt", "naïve\n")
    assert (tmp_path / "größe.txt").read_bytes() == "naïve\n".encode()
    assert os.listdir(tmp_path) == ["größe.txt"]


def test_the_new_file_replaces_the_old_one(tmp_path):
    files.write_text(tmp_path / "a.txt", "a long old text")
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_the_mode_of_a_file_follows_the_umask(tmp_path):
    """Whatever mode `fill` sets; reading the umask does not change it."""

    def private(path):
        path.write_text("x")
        path.chmod(0o600)

    before = os.umask(0o027)
    try:
        files.write(tmp_path / "a.txt", private)
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("crash", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_exception_while_writing_keeps_the_old_file(crash, tmp_path):
    def fail_halfway(path):
        path.write_text("ha")
        raise crash("here")

    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(crash, match="here"):
        files.write(tmp_path / "a.txt", fail_halfway)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_killed_process_keeps_the_old_file(tmp_path):
    """Its temporary file has another name."""
    program = (
        "import os, pathlib, sys\n"
        "from neocog.core import files\n"
        "files.write(pathlib.Path(sys.argv[1]), lambda path: (path.write_text('half'), os._exit(9)))\n"
    )
    files.write_text(tmp_path / "a.txt", "old")
    assert subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"]).returncode == 9
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_is_reported(small_disk):
    from neocog.core.checkpoint import write_tensors
    from torch import zeros

    files.write_text(small_disk / "a.txt", "old")
    with pytest.raises(Problem) as caught:
        files.write_text(small_disk / "a.txt", "x" * 200_000)
    assert str(caught.value) == (
        f"the disk is full: {small_disk}/a.txt could not be written, 0.0 MB are free; make room and try again"
    )
    assert caught.value.code == FAILED
    with pytest.raises(Problem, match=r"^the disk is full: .*/a\.safetensors could not be written, 0\.\d MB are free"):
        write_tensors(small_disk / "a.safetensors", {"a": zeros(100_000)}, {})
    assert (small_disk / "a.txt").read_text() == "old"
    assert os.listdir(small_disk) == ["a.txt"]


def test_a_read_only_disk_is_reported(small_disk):
    from neocog.core.checkpoint import write_tensors
    from torch import zeros

    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for write in (
        lambda: files.write_text(small_disk / "a.txt", "x"),
        lambda: write_tensors(small_disk / "a.safetensors", {"a": zeros(3)}, {}),
    ):
        with pytest.raises(Problem) as caught:
            write()
        assert str(caught.value) == f"{small_disk} cannot be written to; choose another folder with --out"


FULL = "the disk is full: {path} could not be written, 12 MB are free; make room and try again"
READ_ONLY = "{path.parent} cannot be written to; choose another folder with --out"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), FULL),
        (PermissionError(errno.EACCES, "Permission denied"), READ_ONLY),
        (OSError(errno.EROFS, "Read-only file system"), READ_ONLY),
        (RuntimeError("I/O error: Disk quota exceeded (os error 122)"), FULL),
        (RuntimeError("I/O error: Permission denied (os error 13)"), READ_ONLY),
        (RuntimeError("I/O error: Read-only file system (os error 30)"), READ_ONLY),
    ],
)
@pytest.mark.parametrize("stage", ["fill", "replace"])
def test_disk_errors_become_problems(stage, error, message, tmp_path, monkeypatch):
    def fail(*_):
        raise error

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=12e6))
    if stage == "replace":
        monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(Problem) as caught:
        files.write(path, fail if stage == "fill" else lambda temporary: temporary.write_text("new"))
    assert str(caught.value) == message.format(path=path)
    assert caught.value.code == FAILED
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_other_errors_are_not_caught(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_text(tmp_path / "nowhere" / "a.txt", "x")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.0 MB"), (65_536, "0.1 MB"), (9.94e6, "9.9 MB"), (1e7, "10 MB"), (1.26e7, "13 MB"), (2.5e9, "2,500 MB")],
)
def test_sizes_in_megabytes(size, text):
    assert files.megabytes(size) == text
