"""A file is the old one or the new one, never a piece of it; and a disk at fault is told in a sentence."""

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
def tiny(tmp_path):
    """A disk of 64 kB, where the tests may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    if not mounted or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_what_is_written_is_there_and_nothing_beside_it(tmp_path):
    files.write_text(tmp_path / "größe.txt", "naïve\n")
    assert (tmp_path / "größe.txt").read_bytes() == "naïve\n".encode()
    assert os.listdir(tmp_path) == ["größe.txt"]


def test_the_new_file_replaces_the_old_one(tmp_path):
    files.write_text(tmp_path / "a.txt", "a long old text")
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    """Whatever the writer gave; and asking for the umask leaves it as it was."""

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
def test_a_crash_while_writing_leaves_the_old_file_and_no_leftovers(crash, tmp_path):
    def half(path):
        path.write_text("ha")
        raise crash("here")

    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(crash, match="here"):
        files.write(tmp_path / "a.txt", half)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    """What it began lies beside, under a name of its own."""
    program = (
        "import os, pathlib, sys\n"
        "from neocog.core import files\n"
        "files.write(pathlib.Path(sys.argv[1]), lambda beside: (beside.write_text('half'), os._exit(9)))\n"
    )
    files.write_text(tmp_path / "a.txt", "old")
    assert subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"]).returncode == 9
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk(tiny):
    from neocog.core.checkpoint import write_tensors
    from torch import zeros

    files.write_text(tiny / "a.txt", "old")
    with pytest.raises(Problem) as told:
        files.write_text(tiny / "a.txt", "x" * 200_000)
    assert str(told.value) == (
        f"the disk is full: {tiny}/a.txt could not be written, 0.0 MB are free; make room and try again"
    )
    assert told.value.code == FAILED
    with pytest.raises(Problem, match=r"^the disk is full: .*/a\.safetensors could not be written, 0\.\d MB are free"):
        write_tensors(tiny / "a.safetensors", {"a": zeros(100_000)}, {})
    assert (tiny / "a.txt").read_text() == "old"
    assert os.listdir(tiny) == ["a.txt"]


def test_a_read_only_disk(tiny):
    from neocog.core.checkpoint import write_tensors
    from torch import zeros

    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
    for write in (
        lambda: files.write_text(tiny / "a.txt", "x"),
        lambda: write_tensors(tiny / "a.safetensors", {"a": zeros(3)}, {}),
    ):
        with pytest.raises(Problem) as told:
            write()
        assert str(told.value) == f"{tiny} cannot be written to; choose another folder with --out"


FULL = "the disk is full: {path} could not be written, 12 MB are free; make room and try again"
SHUT = "{path.parent} cannot be written to; choose another folder with --out"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), FULL),
        (PermissionError(errno.EACCES, "Permission denied"), SHUT),
        (OSError(errno.EROFS, "Read-only file system"), SHUT),
        (RuntimeError("I/O error: Disk quota exceeded (os error 122)"), FULL),
        (RuntimeError("I/O error: Permission denied (os error 13)"), SHUT),
        (RuntimeError("I/O error: Read-only file system (os error 30)"), SHUT),
    ],
)
@pytest.mark.parametrize("where", ["fill", "replace"])
def test_a_disk_at_fault_is_told_in_a_sentence(where, error, message, tmp_path, monkeypatch):
    def fails(*_):
        raise error

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=12e6))
    if where == "replace":
        monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(Problem) as told:
        files.write(path, fails if where == "fill" else lambda beside: beside.write_text("new"))
    assert str(told.value) == message.format(path=path)
    assert told.value.code == FAILED
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_another_error_of_the_system_keeps_its_traceback(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_text(tmp_path / "nowhere" / "a.txt", "x")


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0.0 MB"), (65_536, "0.1 MB"), (9.94e6, "9.9 MB"), (1e7, "10 MB"), (1.26e7, "13 MB"), (2.5e9, "2,500 MB")],
)
def test_megabytes(size, words):
    assert files.megabytes(size) == words
