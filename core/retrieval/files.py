"""Features as files: NumPy's .npz and Parquet, written block by block, so that all vectors are never in memory."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.lib.format import write_array_header_1_0, write_array_header_2_0

from .. import files
from ..problem import USAGE, Problem
from .collection import Block

ENDINGS = (".npz", ".parquet")
TEXTS = ("names", "labels", "splits")
COPIED = 1 << 20  # bytes, or texts, that are copied at a time


def require_writer(path: Path) -> None:
    """Raises Problem if the library for a format is missing."""
    if path.suffix.lower() == ".parquet":
        _pyarrow(path)


def write(path: Path, blocks: Iterable[Block], size: int, settings: dict[str, Any]) -> int:
    """Writes blocks of features of `size` numbers; returns how many rows there are.

    An .npz file holds the arrays `features` (N, size) float32, `names`, `labels` and `splits` (N,) and `settings`, a
    JSON text; a Parquet file the columns name, label, split and features, and the settings in its metadata.
    """
    counts: list[int] = []
    fill = _fill_parquet if path.suffix.lower() == ".parquet" else _fill_npz
    files.write(path, lambda temporary: counts.append(fill(temporary, blocks, size, settings)))
    return counts[0]


def _fill_npz(path: Path, blocks: Iterable[Block], size: int, settings: dict[str, Any]) -> int:
    """Keeps rows in temporary files beside the output until their number is known, which an array begins with."""
    with ExitStack() as stack:
        spools = {name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in ("features", *TEXTS)}
        longest = dict.fromkeys(TEXTS, 1)
        rows = 0
        for block in blocks:
            spools["features"].write(block.features.contiguous().numpy().astype("<f4").tobytes())
            rows += len(block.names)
            for name, texts in zip(TEXTS, (block.names, block.labels, block.splits), strict=True):
                lines = [json.dumps(text) + "\n" for text in texts]
                spools[name].write("".join(lines).encode())
                longest[name] = max(longest[name], *map(len, texts))
        archive = stack.enter_context(zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True))
        with archive.open("features.npy", "w", force_zip64=True) as entry:
            _header(entry, "<f4", (rows, size))
            for chunk in _chunks(spools["features"]):
                entry.write(chunk)
        for name in TEXTS:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                _header(entry, f"<U{longest[name]}", (rows,))
                spools[name].seek(0)
                for line in spools[name]:
                    entry.write(_code_units(json.loads(line), longest[name]))
        with archive.open("settings.npy", "w") as entry:
            np.lib.format.write_array(entry, np.array(json.dumps(settings)), allow_pickle=False)
    return rows


def _code_units(text: str, length: int) -> bytes:
    """A text as an element of an array of texts: four bytes for each character, zeros behind the last."""
    return text.encode("utf-32-le", "surrogatepass").ljust(4 * length, b"\0")


def _header(entry: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    try:
        write_array_header_1_0(entry, header)
    except ValueError:  # a header of more than 64 kB
        write_array_header_2_0(entry, header)


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    while chunk := spool.read(COPIED):
        yield chunk


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Problem(f"{path} needs pyarrow: pip install 'neocog[parquet]'", USAGE) from None
    return pyarrow


def _fill_parquet(path: Path, blocks: Iterable[Block], size: int, settings: dict[str, Any]) -> int:
    pyarrow = _pyarrow(path)
    fields = [("name", pyarrow.string()), ("label", pyarrow.string()), ("split", pyarrow.string())]
    schema = pyarrow.schema([*fields, ("features", pyarrow.list_(pyarrow.float32(), size))])
    schema = schema.with_metadata({"neocog": json.dumps(settings)})
    rows = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for block in blocks:
            texts = [[_valid(text) for text in column] for column in (block.names, block.labels, block.splits)]
            values = pyarrow.array(block.features.contiguous().numpy().reshape(-1))
            vectors = pyarrow.FixedSizeListArray.from_arrays(values, size)
            columns = [*(pyarrow.array(column, pyarrow.string()) for column in texts), vectors]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))
            rows += len(block.names)
    return rows


def _valid(text: str) -> str:
    """A file name that is not UTF-8 as a valid text."""
    return text.encode("utf-8", "replace").decode()
