"""HEIC and AVIF, the formats of phones and of the web: recognised by their content, opened where a library can.

Pillow reads AVIF since version 11.3; HEIC needs pillow-heif (the extra `heif`).
"""

from __future__ import annotations

from functools import lru_cache

from PIL import UnidentifiedImageError

SUFFIXES = frozenset([".heic", ".heif", ".hif", ".avif"])
AVIF = frozenset([b"avif", b"avis"])
HEIC = frozenset([b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"])


def heif_format(content: bytes) -> str | None:
    """Returns "AVIF" or "HEIC" by the brands in the first box of a file; None for another format."""
    if content[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(content[:4], "big"), 256)
    brands = {content[start : start + 4] for start in (8, *range(16, end, 4))}  # the version is between them
    return "AVIF" if brands & AVIF else "HEIC" if brands & HEIC else None


@lru_cache
def pillow_formats(format: str) -> tuple[str, ...]:
    """Returns the names under which Pillow opens a format; empty if the library for it is missing."""
    try:
        if format == "AVIF":
            from PIL import AvifImagePlugin

            return ("AVIF",) if AvifImagePlugin.SUPPORTED else ()
        import pillow_heif

        pillow_heif.register_heif_opener()
        return ("HEIF",)
    except ImportError:
        return ()


def decoders() -> list[str]:
    """Returns the formats among AVIF and HEIC that can be read here: a cache depends on them."""
    return [format for format in ("AVIF", "HEIC") if pillow_formats(format)]


def heif_reason(format: str, error: Exception) -> str:
    """Returns why an AVIF or HEIC file cannot be read, and how to convert it."""
    suffix = format.lower()
    convert = f"convert it to JPEG or PNG, as in: magick x.{suffix} x.jpg"
    if pillow_formats(format):
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error or type(error).__name__})"
        return f"is {format} that cannot be decoded{reason}; {convert}"
    package = "'neocog[heif]'" if format == "HEIC" else "-U pillow"
    return f"is {format}; {convert}, or pip install {package}"
