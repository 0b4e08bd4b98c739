"""Pretrained word vectors: text files of GloVe, word2vec and fastText (.vec), word2vec's binary files, and names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.problem import DATA, Problem, did_you_mean
from ..core.sources.content import file_reason
from . import named_vectors
from .named_vectors import NAMED
from .options import VectorsOrigin
from .vocabulary import FIRST

Floats = NDArray[np.float32]
MAX_BAD = 0.05  # share of invalid rows above which a file is refused
MAX_LINE = 1 << 20  # bytes of the first line that are read for the size of a vector
MAX_WORD_BYTES = 2000  # a longer word means that the file is not in this format


class Vectors(NamedTuple):
    """Vectors of the tokens of a vocabulary, and remarks about their file."""

    rows: dict[int, Floats]  # by token id
    dim: int
    remarks: list[str]


def load(source: str, tokens: Sequence[str]) -> Vectors:
    """Loads the vectors of `tokens` from a file, or those of a name (NAMED); other vectors take no memory.

    A token without a vector gets that of its capitalised or upper-case form. Raises Problem if the file is missing,
    is truncated or holds no vectors, and if the package behind a name is missing or damaged.
    """
    ids = {token: token_id for token_id, token in enumerate(tokens, FIRST)}
    if source in NAMED:
        vectors = Vectors(named_vectors.load(source, ids), NAMED[source].size, [])
    else:
        with named_file(source):
            vectors = _load_binary(source, ids) if is_binary(source) else _load_text(source, ids)
    share = len(vectors.rows) / max(1, len(tokens))
    vectors.remarks.append(
        f"{source}: vectors of {vectors.dim} numbers for {len(vectors.rows):,} of {len(tokens):,} tokens "
        f"({share:.0%}); the others are initialised at random"
    )
    return vectors


def size(source: str) -> int:
    """Returns the numbers of a vector, from the first line of a file or by name. Raises Problem as `load` does."""
    if source in NAMED:
        return NAMED[source].size
    with named_file(source), open(source, "rb") as file:
        line = file.readline(MAX_LINE).decode("utf-8", "replace")
    fields = line.rstrip().split(" ")
    return int(fields[1]) if _is_header(fields) else _vector_size(fields, source, 1)


def origin(source: Any) -> dict[str, VectorsOrigin]:
    """Returns what a model keeps of the word vectors that it begins with; {} without any. Raises Problem as `load`."""
    if source is None:
        return {}
    source = str(source)
    return {"vectors": {"name": source if source in NAMED else None, "size": size(source)}}


@contextmanager
def named_file(path: str) -> Iterator[None]:
    """Turns an OSError inside the context into a Problem that names the file, and what may have been meant."""
    try:
        yield
    except OSError as error:
        hint = ""
        if isinstance(error, FileNotFoundError):
            siblings = [file.name for file in Path(path).parent.iterdir()] if Path(path).parent.is_dir() else []
            hint = did_you_mean(Path(path).name, [*siblings, *NAMED])
        expected = f"expected a file of word vectors, or {' or '.join(NAMED)}"
        raise Problem(f"{path} {file_reason(Path(path), error)}{hint}; {expected}", DATA) from None


def is_binary(path: str) -> bool:
    """Returns True for word2vec's binary format: a line of two numbers, then bytes that are not lines of vectors."""
    with open(path, "rb") as file:
        header = file.readline(100).split()
        sample = file.read(4096)
    return len(header) == 2 and all(field.isdigit() for field in header) and not _is_text(sample)


def _is_text(sample: bytes) -> bool:
    """Returns True if every line ends with a number."""
    lines = sample.split(b"\n")[:-1] or [sample]
    try:
        return all(float(line.split()[-1]) is not None for line in lines if line.split())
    except ValueError:
        return False


# --- text ------------------------------------------------------------------------------------------------------------


def _load_text(path: str, ids: Mapping[str, int]) -> Vectors:
    rows: dict[int, Floats] = {}
    fallbacks: dict[int, Floats] = {}  # of forms in other case
    dim, count, bad, first_bad = 0, 0, 0, ""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip().split(" ")
            if number == 1 and _is_header(fields):
                dim = int(fields[1])
                continue
            dim = dim or _vector_size(fields, path, number)
            count += 1
            if (
                len(fields) < dim + 1
                or (vector := _floats(fields[-dim:])) is None
                or _is_extra_number(fields[-dim - 1], fields)
            ):
                bad += 1
                first_bad = first_bad or f"{path}:{number} has {max(0, len(fields) - 1)} numbers, the others have {dim}"
                continue
            _store(" ".join(fields[:-dim]), vector, ids, rows, fallbacks)
    if not count or bad > MAX_BAD * count:
        reason = first_bad or f"{path} is empty"
        raise Problem(f"{reason}; expected a word and the same count of numbers in each line", DATA)
    return Vectors({**fallbacks, **rows}, dim, [f"{first_bad}; {bad:,} such rows are skipped"] if bad else [])


def _is_header(fields: Sequence[str]) -> bool:
    """Returns True for the first line of word2vec and fastText: two whole numbers, of words and of a vector."""
    return len(fields) == 2 and all(field.isdigit() for field in fields)


def _vector_size(fields: Sequence[str], path: str, line: int) -> int:
    """Counts the numbers at the end of the first line. Raises Problem if there are fewer than 2."""
    count = 0
    while count < len(fields) - 1 and _floats(fields[-count - 1 :][:1]) is not None:
        count += 1
    if count < 2:
        text = " ".join(fields)[:60]
        raise Problem(f"{path}:{line} is not a word with its vector: {text!r}; expected a word, then its numbers", DATA)
    return count


def _is_extra_number(field: str, fields: Sequence[str]) -> bool:
    """Returns True if the field before the vector is a number too, and not the word itself: the row is too long."""
    return len(fields) > 2 and "." in field and _floats([field]) is not None and fields[0] != field


def _floats(fields: Sequence[str]) -> Floats | None:
    """Returns the numbers, None if one of them is not a finite number."""
    try:
        numbers = np.array(fields, np.float32)
    except ValueError:
        return None
    return numbers if bool(np.isfinite(numbers).all()) else None


def _store(
    word: str, vector: Floats, ids: Mapping[str, int], rows: dict[int, Floats], fallbacks: dict[int, Floats]
) -> None:
    """Stores a vector of a known word in `rows`, one of its form in other case in `fallbacks`; the first wins."""
    if (token_id := ids.get(word)) is not None:
        rows.setdefault(token_id, vector)
    elif (token_id := ids.get(word.lower())) is not None:
        fallbacks.setdefault(token_id, vector)


# --- word2vec's binary format ---------------------------------------------------------------------------------------


def _load_binary(path: str, ids: Mapping[str, int]) -> Vectors:
    rows: dict[int, Floats] = {}
    fallbacks: dict[int, Floats] = {}
    with open(path, "rb") as file:
        count, dim = map(int, file.readline().split())
        for number, (word, raw) in enumerate(_entries(file.read, count, 4 * dim), 1):
            if len(raw) < 4 * dim:
                raise Problem(f"{path} breaks off in vector {number:,} of {count:,}; copy or download it again", DATA)
            _store(word, np.frombuffer(raw, np.float32), ids, rows, fallbacks)
    return Vectors({**fallbacks, **rows}, dim, [])


def _entries(read: Callable[[int], bytes], count: int, size: int) -> Iterator[tuple[str, bytes]]:
    """Yields each word with the `size` bytes of its vector; a blank ends the word."""
    buffer = b""
    for _ in range(count):
        while (end := buffer.find(b" ")) < 0 or len(buffer) < end + 1 + size:
            chunk = read(1 << 20)
            buffer += chunk
            if not chunk or (end < 0 and len(buffer) > MAX_WORD_BYTES + size):
                break
        if end < 0:
            yield "", b""
            return
        yield buffer[:end].strip().decode("utf-8", "replace"), buffer[end + 1 : end + 1 + size]
        buffer = buffer[end + 1 + size :]


def fill(table: Tensor, vectors: Vectors, rng: torch.Generator) -> None:
    """Fills a table (tokens, dim) with vectors; the others are random of the same variance (Kim 2014, section 2.2)."""
    if not vectors.rows:
        return
    known = torch.from_numpy(np.stack(list(vectors.rows.values())))
    with torch.no_grad():
        std = float(known.std())
        table[FIRST - 1 :] = torch.randn(table[FIRST - 1 :].shape, generator=rng) * std
        table[torch.tensor(list(vectors.rows))] = known
