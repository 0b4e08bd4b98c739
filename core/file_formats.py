"""Recognises files where a text is expected: by the name in an argument, and by the first bytes of a content."""

from __future__ import annotations

import re

SUFFIXES = frozenset(
    (
        *("txt", "text", "md", "csv", "tsv", "tab", "json", "jsonl", "ndjson", "parquet", "html", "htm", "xml", "log"),
        *("gz", "bz2", "xz", "zst", "zip", "tar", "tgz", "7z", "rar", "npy", "npz", "safetensors", "toml", "yaml"),
        *("xls", "xlsx", "ods", "odt", "doc", "docx", "rtf", "pdf", "png", "jpg", "jpeg", "gif", "bmp", "webp", "tif"),
        *("tiff", "heic", "avif", "svg", "wav", "mp3", "flac", "ogg", "opus", "m4a", "aac", "mp4", "sgf"),
    )
)  # lower case, without the dot
NAME = re.compile(r"(?<!\S)(?!\w+://)\S*[^\s./]\.(\w{2,11})$")  # the last word of a text, as a file name
FOLDERS = ("./", "../", "/", "~/")  # beginnings of paths

SIGNATURES = (  # the first bytes of formats that hold no text as it stands
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"fLaC", "a FLAC recording"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"PK\x03\x04", "a zip archive, or a document or spreadsheet of an office program"),
    (b"\xd0\xcf\x11\xe0", "a document or spreadsheet of an office program"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"%PDF-", "a PDF document"),
    (b"PAR1", "a Parquet table"),
)
CONTAINERS = {b"WAVE": "a WAV recording", b"WEBP": "a WebP picture", b"AVI ": "an AVI video"}  # of RIFF files
TAR_AT = 257  # the offset of the signature of a tar archive
EXAMINED = 4096  # characters
MOST_CONTROL = 0.1  # share of control characters from which a content is not a text
LAYOUT = frozenset("\t\n\r\f\v\x1b")  # control characters that texts contain


def looks_like_a_file(text: str) -> bool:
    """Returns True if a text looks like a file name or ends with one: `reviews.csv`, `./a`, `my reviews.csv`."""
    text = text.strip()
    if not any(character.isspace() for character in text) and text.startswith(FOLDERS) and len(text) > 2:
        return True
    match = NAME.search(text)
    return match is not None and match[1].lower() in SUFFIXES


def binary_format(content: bytes) -> str:
    """Returns the format of a content that is not a text, in words: "a PNG picture"; "" if it may be a text."""
    for signature, name in SIGNATURES:
        if content.startswith(signature):
            return name
    if content.startswith(b"RIFF") and content[8:12] in CONTAINERS:
        return CONTAINERS[content[8:12]]
    if content[4:8] == b"ftyp":
        return "an MP4 recording, or a HEIC or AVIF picture"
    return "a tar archive" if content[TAR_AT : TAR_AT + 5] == b"ustar" else ""


def is_binary(text: str) -> bool:
    """Returns True if the decoded content of a file has too many control characters to be a text."""
    head = text[:EXAMINED]
    control = sum(character < " " and character not in LAYOUT for character in head)
    return control > MOST_CONTROL * len(head)
