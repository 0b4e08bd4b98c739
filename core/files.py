"""Files that are written: checked before the work, written atomically, and the disk's errors as sentences."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from .problem import DATA, FAILED, USAGE, Problem, did_you_mean, shortened

MAX_NAME = 255  # bytes, of most file systems
MAX_PATH = 4095  # bytes, of Linux
SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")  # how safetensors reports an errno
TEMPORARY = re.compile(r"\.neocog-([0-9a-f]{8})-(\d+)-")
_swept: set[Path] = set()  # folders in which this process has looked for leftovers


# --- before the work -------------------------------------------------------------------------------------------------


def check_output(path: Path | None, force: bool, endings: Sequence[str] = ()) -> None:
    """Raises Problem for a file that cannot be written; None is an option that was not given.

    That is: another ending than `endings`, a folder, a missing or read-only folder around it, a name that is too long,
    a device, or an existing file without `force`.
    """
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        raise Problem(f"{path} ends in none of {', '.join(endings)}: the ending decides the format", USAGE)
    if os.path.isdir(path):
        raise Problem(f"{path} is a folder; name a file", USAGE)
    _check_name(path)
    parent = path.parent
    if not os.path.isdir(parent):
        where = "is a file, not a folder" if os.path.exists(parent) else "does not exist"
        raise Problem(f"the folder {parent} {where}; create it, or name another file", USAGE)
    if os.path.lexists(path) and not os.path.isfile(path):
        raise Problem(f"{path} is not a regular file; name another file", USAGE)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise Problem(f"the folder {parent} cannot be written to; name a file in another folder", USAGE)
    if os.path.exists(path) and not force:
        raise Problem(f"{path} exists; name another file, or replace it with --force", USAGE)


def check_folder(path: Path) -> None:
    """Raises Problem for a folder that cannot be created: a file is in its place, or it may not be written to."""
    _check_name(path)
    existing = next(parent for parent in (path, *path.absolute().parents) if os.path.lexists(parent))
    if not os.path.isdir(existing):
        raise Problem(f"{existing} is a file; name a folder with --out", USAGE)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise Problem(f"{existing} cannot be written to; choose another folder with --out", USAGE)


def _check_name(path: Path) -> None:
    if "\0" in str(path):
        raise Problem("a file name has no null characters; name another file", USAGE)
    for name in path.parts:
        if len(os.fsencode(name)) > MAX_NAME:
            raise Problem(f"the name {shortened(name)} is too long; a name has at most {MAX_NAME} bytes", USAGE)
    if len(os.fsencode(path.absolute())) > MAX_PATH:
        raise Problem(f"the path {shortened(str(path))} is too long; a path has at most {MAX_PATH:,} bytes", USAGE)


# --- reading ---------------------------------------------------------------------------------------------------------


def require_file(path: Path, expected: str) -> None:
    """Raises Problem unless the path is a regular file: a folder, a device or a pipe is never opened."""
    if not os.path.exists(path):
        close = did_you_mean(path.name, names_in(path.parent))
        raise Problem(f"{shortened(str(path), 200)} does not exist{close}; expected {expected}", USAGE)
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise Problem(f"{path} is {kind}; expected {expected}", DATA)


def read_text(path: Path, expected: str, most: int = 10_000_000) -> str:
    """The content of a text file of up to `most` bytes. Raises Problem if it cannot be read."""
    require_file(path, expected)
    try:
        if (size := os.path.getsize(path)) > most:
            raise Problem(f"{path} has {megabytes(size)}; expected {expected}", DATA)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}", DATA) from None
    except UnicodeDecodeError:
        raise Problem(f"{path} is no text in UTF-8; expected {expected}", DATA) from None


# --- writing ---------------------------------------------------------------------------------------------------------


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Replaces `path` atomically by what `fill` writes to the path it is called with.

    Raises Problem if the disk refuses.
    """
    sweep(path.parent)
    temporary = path.with_name(f"{_prefix()}{os.getpid()}-{_beginning(path.name)}")
    try:
        with disk_errors(path):
            fill(temporary)
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            with suppress(OSError):  # some file systems have no modes
                temporary.chmod(0o666 & ~_umask())  # safetensors makes its files readable by the owner only
            os.replace(temporary, path)
    finally:
        if os.path.lexists(temporary):  # unlink(missing_ok=True) fails on a read-only disk
            with suppress(OSError):
                temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a text atomically, as UTF-8."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="surrogateescape"))


def sweep(folder: Path) -> None:
    """Removes what killed processes of this machine have left half written in a folder, once in a process."""
    if folder in _swept:
        return
    _swept.add(folder)
    for name in names_in(folder):
        match = TEMPORARY.match(name)
        if match and name.startswith(_prefix()) and not _is_running(int(match[2])):
            with suppress(OSError):
                (folder / name).unlink()


def _prefix() -> str:
    """The beginning of the names of temporary files: another machine on the same disk has another one."""
    return f".neocog-{blake2b(platform.node().encode(), digest_size=4).hexdigest()}-"


def _beginning(name: str, most: int = 180) -> str:
    """As much of a name as leaves room for the prefix."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True


def names_in(folder: Path) -> list[str]:
    """The names in a folder; none if it cannot be listed."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def _umask() -> int:
    os.umask(mask := os.umask(0))  # it cannot be read without setting it
    return mask


# --- errors ----------------------------------------------------------------------------------------------------------


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns errors of the disk while `path` is written into a Problem."""
    try:
        yield
    except Exception as error:
        if reason := _reason(error, path):
            raise Problem(reason, FAILED) from None
        raise


def _reason(error: Exception, path: Path) -> str:
    """Returns a message if the disk caused the error, else ""; safetensors reports it in the message only."""
    match = SYSTEM_ERROR.search(str(error))
    code = error.errno if isinstance(error, OSError) else int(match[1]) if match else None
    if code is None:
        return ""
    if code in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(path.parent).free
        return f"the disk is full: {path} could not be written, {megabytes(free)} are free; make room and try again"
    if code in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"{path.parent} cannot be written to; choose another folder with --out"
    if code in (errno.ENOENT, errno.ENOTDIR):
        return f"{path} cannot be written: there is no folder {path.parent} (any more); create it and try again"
    if code == errno.EISDIR:
        return f"{path} is a folder; name a file"
    if code == errno.ENAMETOOLONG:
        return f"{shortened(str(path), 200)} cannot be written: its name is too long; choose a shorter one"
    if code == errno.EFBIG:
        return f"{path} cannot be written: it is larger than the disk or a limit on file sizes (ulimit -f) allows"
    return f"{path} cannot be written: {os.strerror(code).lower()}"


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"
