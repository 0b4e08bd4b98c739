"""Atomic writing of files, and messages for disk errors."""

import errno
import os
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from neocog.core import files
from neocog.core.problem import FAILED, USAGE, Problem


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
    with pytest.raises(ZeroDivisionError):
        files.write(tmp_path / "a.txt", lambda temporary: 1 / 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/a.txt", "nowhere/a.txt cannot be written: there is no folder .*nowhere .any more.; create it"),
        ("file/a.txt", "file/a.txt cannot be written: there is no folder .*file .any more.; create it"),
        ("folder", "folder is a folder; name a file"),
        ("n" * 300, "nnn.* cannot be written: its name is too long; choose a shorter one"),
        ("ä" * 127, None),  # 254 bytes: as long as a name may be, also while it is written
    ],
)
def test_a_path_that_cannot_be_written_is_a_sentence(name, message, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    if message is None:
        files.write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"
        return
    with pytest.raises(Problem, match=message) as caught:
        files.write_text(tmp_path / name, "x")
    assert caught.value.code == FAILED


def test_a_limit_on_file_sizes_is_a_sentence(tmp_path):
    """As `ulimit -f` sets it: in a process of its own, since the limit stays."""
    program = (
        "import pathlib, resource, sys\n"
        "from neocog.core import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try:\n    files.write_text(pathlib.Path(sys.argv[1]), 'x' * 99)\n"
        "except files.Problem as problem:\n    sys.exit(str(problem))\n"
    )
    process = subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"], capture_output=True, text=True)
    assert "a.txt cannot be written: it is larger than the disk or a limit on file sizes (ulimit -f)" in process.stderr
    assert os.listdir(tmp_path) == []


def test_a_deleted_folder_is_a_sentence_also_from_safetensors(tmp_path):
    from neocog.core.checkpoint import write_tensors
    from torch import zeros

    with pytest.raises(Problem, match=r"there is no folder .*gone"):
        write_tensors(tmp_path / "gone" / "a.safetensors", {"a": zeros(3)}, {})


# --- before the work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.foo", "a.foo ends in none of .png, .svg: the ending decides the format"),
        ("folder.png", "folder.png is a folder; name a file"),
        ("nowhere/a.png", "the folder .*nowhere does not exist; create it, or name another file"),
        ("old.png/a.png", "the folder .*old.png is a file, not a folder"),
        ("old.png", "old.png exists; name another file, or replace it with --force"),
        ("n" * 300 + ".png", "the name nnn.*… is too long; a name has at most 255 bytes"),
        ("ö" * 150 + ".png", "is too long; a name has at most 255 bytes"),
        ("nul\0l.png", "a file name has no null characters"),
        ("pipe.png", "pipe.png is not a regular file; name another file"),
    ],
)
def test_an_output_is_checked_before_the_work(name, message, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "old.png").write_text("old")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Problem, match=message) as caught:
        files.check_output(tmp_path / name, False, (".png", ".svg"))
    assert caught.value.code == USAGE
    assert (tmp_path / "old.png").read_text() == "old"


def test_an_output_that_can_be_written_is_not_refused(tmp_path):
    (tmp_path / "old.png").write_text("old")
    files.check_output(None, False)
    files.check_output(tmp_path / "a.PNG", False, (".png",))
    files.check_output(tmp_path / "old.png", True, (".png",))
    files.check_output(tmp_path / "a.anything", False)


def test_a_folder_to_create_is_checked_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    files.check_folder(tmp_path / "a" / "b")
    files.check_folder(tmp_path)
    for name in ("file", "file/a/b"):
        with pytest.raises(Problem, match="file is a file; name a folder with --out"):
            files.check_folder(tmp_path / name)
    with pytest.raises(Problem, match="is too long"):
        files.check_folder(tmp_path / ("n" * 300))
    with pytest.raises(Problem, match=r"the path .*… is too long; a path has at most 4,095 bytes"):
        files.check_folder(tmp_path / ("n/" * 3000))


def test_what_a_killed_process_left_half_written_goes_with_the_next_write(tmp_path):
    """Files of processes that run, of other machines and of users stay."""
    program = (
        "import os, pathlib, sys\n"
        "from neocog.core import files\n"
        "files.write(pathlib.Path(sys.argv[1]), lambda path: (path.write_text('half'), os._exit(9)))\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"])
    (leftover,) = os.listdir(tmp_path)
    machine = leftover.split("-")[1]
    others = [f".neocog-{machine}-{os.getppid()}-b.txt", ".neocog-00000000-1-b.txt", ".b.txt.1"]
    for name in others:
        (tmp_path / name).touch()
    files.write_text(tmp_path / "c.txt", "whole")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "c.txt"])


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.0 MB"), (65_536, "0.1 MB"), (9.94e6, "9.9 MB"), (1e7, "10 MB"), (1.26e7, "13 MB"), (2.5e9, "2,500 MB")],
)
def test_sizes_in_megabytes(size, text):
    assert files.megabytes(size) == text
