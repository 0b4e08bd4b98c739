"""Files that are whole or not there: written beside their place, then moved onto it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .problem import FAILED, Problem


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a file that replaces `path` in one step: a crash leaves the old one or the new one.

    Raises Problem where the disk is full or the folder cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill(beside)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except Exception as error:
        if reason := _disk(error, path):
            raise Problem(reason, FAILED) from None
        raise
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def _disk(error: Exception, path: Path) -> str:
    """A sentence where the disk is at fault; safetensors tells of it in words only."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        free = shutil.disk_usage(path.parent).free
        return f"the disk is full: {path} could not be written, {megabytes(free)} are free; make room and try again"
    if code in (errno.EACCES, errno.EROFS, errno.EPERM) or "Permission denied" in str(error):
        return f"{path.parent} cannot be written to; choose another folder with --out"
    return ""


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"
