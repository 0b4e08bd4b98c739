"""Pretrained word vectors: text files of GloVe, word2vec and fastText (.vec), and word2vec's binary files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.problem import DATA, Problem, did_you_mean
from ..core.sources.content import file_reason
from .vocabulary import FIRST

Floats = NDArray[np.float32]
MAX_BAD = 0.05  # share of invalid rows above which a file is refused
MAX_WORD_BYTES = 2000  # a longer word means that the file is not in this format


class Vectors(NamedTuple):
    """Vectors of the tokens of a vocabulary, and remarks about their file."""

    rows: dict[int, Floats]  # by token id
    dim: int
    remarks: list[str]


def load(path: str, tokens: Sequence[str]) -> Vectors:
    """Loads the vectors of `tokens` from a file; other vectors take no memory.

    A token without a vector gets that of its capitalised or upper-case form. Raises Problem if the file is missing,
    is truncated or holds no vectors.
    """
    ids = {token: token_id for token_id, token in enumerate(tokens, FIRST)}
    try:
        vectors = _load_binary(path, ids) if is_binary(path) else _load_text(path, ids)
    except OSError as error:
        siblings = [file.name for file in Path(path).parent.iterdir()] if Path(path).parent.is_dir() else []
        hint = did_you_mean(Path(path).name, siblings) if isinstance(error, FileNotFoundError) else ""
        raise Problem(f"{path} {file_reason(Path(path), error)}{hint}; expected a file of word vectors", DATA) from None
    share = len(vectors.rows) / max(1, len(tokens))
    vectors.remarks.append(
        f"{path}: vectors of {vectors.dim} numbers for {len(vectors.rows):,} of {len(tokens):,} tokens ({share:.0%}); "
        "the others are initialised at random"
    )
    return vectors


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
            if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
                dim = int(fields[1])  # the header of word2vec and fastText
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
    """Fills a table (tokens, dim) with vectors; the others are random with the same variance (Kim 2014, section 2.2).

    Raises Problem if the vectors do not have `dim` numbers.
    """
    if vectors.dim != table.shape[1]:
        raise Problem(
            f"the vectors have {vectors.dim} numbers, the network's embed has {table.shape[1]}; "
            f'write the recipe as "kim(dim={vectors.dim})", or --network with embed(tokens, {vectors.dim})',
            DATA,
        )
    if not vectors.rows:
        return
    known = torch.from_numpy(np.stack(list(vectors.rows.values())))
    with torch.no_grad():
        std = float(known.std())
        table[FIRST - 1 :] = torch.randn(table[FIRST - 1 :].shape, generator=rng) * std
        table[torch.tensor(list(vectors.rows))] = known
