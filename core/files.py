"""Files that are whole or not there: written beside their place, then moved onto it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .problem import FAILED, USAGE, Problem


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a file that replaces `path` in one step: a crash leaves the old one or the new one.

    Raises Problem where the disk is full or the folder cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill(beside)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        with suppress(OSError):  # some file systems know no modes
            beside.chmod(0o666 & ~_umask())  # safetensors gives nobody else leave to read
        os.replace(beside, path)
    except Exception as error:
        if reason := _disk(error, path):
            raise Problem(reason, FAILED) from None
        raise
    finally:
        if beside.exists():  # a read-only disk refuses to remove even what is not there
            beside.unlink()


def free(path: Path | None, force: bool) -> None:
    """Raises Problem for a file that is there already, unless `force` says to replace it."""
    if path and path.exists() and not force:
        raise Problem(f"{path} exists; name another file, or replace it with --force", USAGE)


def write_text(path: Path, text: str) -> None:
    write(path, lambda beside: beside.write_text(text, encoding="utf-8", errors="surrogateescape"))


def _umask() -> int:
    os.umask(mask := os.umask(0))  # there is no other way to read it
    return mask


def _disk(error: Exception, path: Path) -> str:
    """A sentence where the disk is at fault; safetensors tells of it in words only."""
    told, code = str(error), error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in told or "quota exceeded" in told:
        free = shutil.disk_usage(path.parent).free
        return f"the disk is full: {path} could not be written, {megabytes(free)} are free; make room and try again"
    if code in (errno.EACCES, errno.EROFS, errno.EPERM) or "Permission denied" in told or "Read-only" in told:
        return f"{path.parent} cannot be written to; choose another folder with --out"
    return ""


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"
