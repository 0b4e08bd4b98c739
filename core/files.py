"""Atomic writing of files: to a temporary file in the same folder, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .problem import FAILED, USAGE, Problem


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Replaces `path` atomically by what `fill` writes to the path it is called with.

    Raises Problem if the disk is full or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        with suppress(OSError):  # some file systems have no modes
            temporary.chmod(0o666 & ~_umask())  # safetensors makes its files readable by the owner only
        os.replace(temporary, path)
    except Exception as error:
        if reason := _disk(error, path):
            raise Problem(reason, FAILED) from None
        raise
    finally:
        if temporary.exists():  # unlink(missing_ok=True) fails on a read-only disk
            temporary.unlink()


def check_overwrite(path: Path | None, force: bool) -> None:
    """Raises Problem if the file exists, unless `force` is set."""
    if path and path.exists() and not force:
        raise Problem(f"{path} exists; name another file, or replace it with --force", USAGE)


def write_text(path: Path, text: str) -> None:
    """Writes a text atomically, as UTF-8."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="surrogateescape"))


def names_in(folder: Path) -> list[str]:
    """The names in a folder, for suggestions; none if it cannot be listed."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def _umask() -> int:
    os.umask(mask := os.umask(0))  # it cannot be read without setting it
    return mask


def _disk(error: Exception, path: Path) -> str:
    """Returns a message if the disk caused the error, else ""; safetensors reports it in the message only."""
    message, code = str(error), error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in message or "quota exceeded" in message:
        free = shutil.disk_usage(path.parent).free
        return f"the disk is full: {path} could not be written, {megabytes(free)} are free; make room and try again"
    if code in (errno.EACCES, errno.EROFS, errno.EPERM) or "Permission denied" in message or "Read-only" in message:
        return f"{path.parent} cannot be written to; choose another folder with --out"
    return ""


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"
