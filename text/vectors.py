"""Word vectors that others have trained: GloVe's and word2vec's text, fastText's .vec, word2vec's binary files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
MAX_BAD = 0.05  # share of rows that may not fit before the file is refused
LONGEST_WORD = 2000  # bytes: no name ends within so many in what is not such a file


class Vectors(NamedTuple):
    """Vectors of the tokens of a vocabulary, by their ids; and what was remarkable."""

    rows: dict[int, Floats]
    dim: int
    remarks: list[str]


def load(path: str, tokens: Sequence[str]) -> Vectors:
    """The vectors of `tokens` in a file, read line by line: what is not asked for takes no memory.

    A token without a vector of its own gets that of its capitalised or upper-case form. Raises Problem where the file
    is not there or holds no vectors.
    """
    place = {token: at for at, token in enumerate(tokens, FIRST)}
    try:
        found = _binary(path, place) if is_binary(path) else _text(path, place)
    except OSError as error:
        near = [each.name for each in Path(path).parent.iterdir()] if Path(path).parent.is_dir() else []
        hint = did_you_mean(Path(path).name, near) if isinstance(error, FileNotFoundError) else ""
        raise Problem(f"{path} {file_reason(Path(path), error)}{hint}; expected a file of word vectors", DATA) from None
    share = len(found.rows) / max(1, len(tokens))
    found.remarks.append(
        f"{path}: vectors of {found.dim} numbers for {len(found.rows):,} of {len(tokens):,} tokens ({share:.0%}); "
        "the others begin at random"
    )
    return found


def is_binary(path: str) -> bool:
    """Whether a file is word2vec's binary form: a line of two numbers, then bytes that are no text."""
    with open(path, "rb") as file:
        head = file.readline(100).split()
        sample = file.read(4096)
    return len(head) == 2 and all(each.isdigit() for each in head) and not _is_text(sample)


def _is_text(sample: bytes) -> bool:
    lines = sample.split(b"\n")[:-1] or [sample]
    try:
        return all(float(line.split()[-1]) is not None for line in lines if line.split())
    except ValueError:
        return False


# --- text ------------------------------------------------------------------------------------------------------------


def _text(path: str, place: Mapping[str, int]) -> Vectors:
    rows: dict[int, Floats] = {}
    seconds: dict[int, Floats] = {}  # of other spellings
    dim, count, bad, first_bad = 0, 0, 0, ""
    with open(path, encoding="utf-8", errors="replace") as file:
        for at, line in enumerate(file, 1):
            pieces = line.rstrip().split(" ")
            if at == 1 and len(pieces) == 2 and all(piece.isdigit() for piece in pieces):
                dim = int(pieces[1])  # the head of word2vec and fastText
                continue
            dim = dim or _numbers_in(pieces, path, at)
            count += 1
            if (
                len(pieces) < dim + 1
                or (vector := _floats(pieces[-dim:])) is None
                or _is_float(pieces[-dim - 1], pieces)
            ):
                bad += 1
                first_bad = first_bad or f"{path}:{at} has {max(0, len(pieces) - 1)} numbers, the others have {dim}"
                continue
            _keep(" ".join(pieces[:-dim]), vector, place, rows, seconds)
    if not count or bad > MAX_BAD * count:
        reason = first_bad or f"{path} is empty"
        raise Problem(f"{reason}; expected a word and the same count of numbers in each line", DATA)
    return Vectors({**seconds, **rows}, dim, [f"{first_bad}; {bad:,} such rows are left out"] if bad else [])


def _numbers_in(pieces: Sequence[str], path: str, line: int) -> int:
    """How many numbers end a line: its width decides for the file."""
    count = 0
    while count < len(pieces) - 1 and _floats(pieces[-count - 1 :][:1]) is not None:
        count += 1
    if count < 2:
        text = " ".join(pieces)[:60]
        raise Problem(f"{path}:{line} is no word with its vector: {text!r}; expected a word, then its numbers", DATA)
    return count


def _is_float(piece: str, pieces: Sequence[str]) -> bool:
    """Whether a number stands where the word should: a row with too many. A word that is a number is one by itself."""
    return len(pieces) > 2 and "." in piece and _floats([piece]) is not None and pieces[0] != piece


def _floats(pieces: Sequence[str]) -> Floats | None:
    try:
        found = np.array(pieces, np.float32)
    except ValueError:
        return None
    return found if bool(np.isfinite(found).all()) else None


def _keep(
    word: str, vector: Floats, place: Mapping[str, int], rows: dict[int, Floats], seconds: dict[int, Floats]
) -> None:
    if (at := place.get(word)) is not None:
        rows.setdefault(at, vector)
    elif (at := place.get(word.lower())) is not None:
        seconds.setdefault(at, vector)


# --- word2vec's binary form -----------------------------------------------------------------------------------------


def _binary(path: str, place: Mapping[str, int]) -> Vectors:
    rows: dict[int, Floats] = {}
    seconds: dict[int, Floats] = {}
    with open(path, "rb") as file:
        count, dim = map(int, file.readline().split())
        for at, (word, raw) in enumerate(_entries(file.read, count, 4 * dim), 1):
            if len(raw) < 4 * dim:
                raise Problem(f"{path} breaks off in vector {at:,} of {count:,}; copy or download it again", DATA)
            _keep(word, np.frombuffer(raw, np.float32), place, rows, seconds)
    return Vectors({**seconds, **rows}, dim, [])


def _entries(read: object, count: int, size: int) -> Iterator[tuple[str, bytes]]:
    """Each word with the bytes of its vector: `word vector`, the words ended by a blank."""
    assert callable(read)
    held = b""
    for _ in range(count):
        while (end := held.find(b" ")) < 0 or len(held) < end + 1 + size:
            more: bytes = read(1 << 20)
            held += more
            if not more or (end < 0 and len(held) > LONGEST_WORD + size):
                break
        if end < 0:
            yield "", b""
            return
        yield held[:end].strip().decode("utf-8", "replace"), held[end + 1 : end + 1 + size]
        held = held[end + 1 + size :]


def fill(table: Tensor, vectors: Vectors, rng: torch.Generator) -> None:
    """A table (tokens, dim) with the vectors in it; tokens without one get the spread of those that have one.

    Kim 2014, section 2.2: unknown words are drawn so that they have the variance of the known ones.
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
        spread = float(known.std())
        table[FIRST - 1 :] = torch.randn(table[FIRST - 1 :].shape, generator=rng) * spread
        table[torch.tensor(list(vectors.rows))] = known
