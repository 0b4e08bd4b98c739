"""Building a cache: every text cut into tokens, divided into parts, a vocabulary chosen, ids written in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from torch import from_numpy

from ..core.data import DataSpec, Preprocessing
from ..core.problem import DATA, Problem
from ..core.sources.cache import Index
from ..core.sources.content import Unreadable, digest_of, fetched
from ..core.sources.rows import TOLD, index_of
from ..core.sources.rows import Rows as Decoded
from ..core.sources.survey import NAMED, Placed, Survey, full_bad
from ..core.sources.usable import none_usable
from .decode import decoded
from .options import Cutting, Options
from .runs import known
from .tokens import TAKEN, strings
from .vocabulary import Ids, Interned, Vocabulary

MOST_LABELS = 5000  # a table of who is mistaken for whom has their square
ROOM = 8  # columns of padding behind the longest text: windows of a short text need some
MANY = 3  # of many labels that a sentence names
KNOWN = "runs"  # the array of the runs that training holds (text/runs.py)


@dataclass
class Texts:
    """The texts of a survey as numbers of tokens, and where they came from."""

    rows: Decoded
    numbers: list[Ids] = field(default_factory=list)
    interned: Interned = field(default_factory=Interned)
    remarks: list[str] = field(default_factory=list)

    def weight(self, preprocessing: Preprocessing | None) -> int:
        """Bytes that their ids will take."""
        longest = max(map(len, self.numbers), default=0) if preprocessing is None else int(preprocessing["length"])
        return 8 * len(self.numbers) * (longest + ROOM)


def rows_of(found: Survey, placed: Sequence[Placed], cutting: Cutting, source: DataSpec) -> Texts:
    """Every text of a survey that holds tokens, cut. Raises Problem where none does."""
    texts = Texts(Decoded(Path(), 0))
    foreign: list[str] = []
    for done, (at, content) in enumerate(found.contents(placed), 1):
        name = found.items[at].name
        try:
            raw = fetched(content)
            assert isinstance(raw, bytes)
            text, trouble = decoded(raw)
            foreign += trouble.sentences(name)
            cut = strings(text.strip(), cutting.tokens, cutting.lower)
            if not cut:
                raise Unreadable("is empty")
        except Unreadable as problem:
            texts.rows.bad.append((found.whose[at], name, str(problem)))
        else:
            if len(text) > TAKEN:
                texts.remarks.append(f"{name} has {len(text):,} characters; the first {TAKEN:,} are taken")
            texts.numbers.append(texts.interned(cut))
            texts.rows.items.append(at)
            texts.rows.hashes.append(digest_of(" ".join(text[:TAKEN].split()).encode("utf-8", "surrogatepass")))
        if source.progress and (done % TOLD == 0 or done == len(found.items)):
            source.progress(done, len(found.items))
    if not texts.rows.items:
        raise none_usable(source.data, full_bad(placed, found.bad + texts.rows.bad))
    texts.remarks += foreign[:MANY] + [f"… and {len(foreign) - MANY:,} more files such as these"] * (
        len(foreign) > MANY
    )
    for origin, _ in placed:
        texts.remarks += getattr(origin, "remarks", [])
    texts.remarks += alike(found)
    return texts


def build(
    found: Survey,
    texts: Texts,
    options: Options,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing | None,
    folder: Path,
) -> Index:
    """Writes ids and lengths in the order of the parts; gives the index of them, with the facts that a model keeps."""
    index, order = index_of(found, texts.rows)
    training = order[: index.parts["train"] or len(order)]
    if vocabulary is None:
        vocabulary, ids = texts.interned.vocabulary([texts.numbers[at] for at in training], options.cutting.min_count)
    else:
        ids = vocabulary.ids(texts.interned.tokens)
    longest, length = shape(texts, options.cutting, preprocessing)
    inputs = open_memmap(folder / "inputs.npy", "w+", np.int32, (len(order), 1, 1, length))
    lengths = np.zeros(len(order), np.int64)
    for row, at in enumerate(order):
        own = ids[texts.numbers[at][:longest]]
        inputs[row, 0, 0, : len(own)] = own
        lengths[row] = len(own)
    inputs.flush()
    np.save(folder / "lengths.npy", lengths)
    index.remarks += texts.remarks + cut([len(texts.numbers[at]) for at in order], longest)
    if preprocessing is None:
        keys = known(from_numpy(inputs[: len(training), 0, 0]), len(index.labels))
        np.save(folder / f"{KNOWN}.npy", keys)
        index.preprocessing = facts_of(options, vocabulary, longest, length) | {"runs_known": len(keys) + 1}
    return index


def shape(texts: Texts, cutting: Cutting, preprocessing: Preprocessing | None) -> tuple[int, int]:
    """The most tokens of a text that are kept, and the length of all inputs."""
    if preprocessing is not None:
        return preprocessing["longest"], preprocessing["length"]
    longest = min(cutting.max_length, max(map(len, texts.numbers)))
    if cutting.length is not None:
        return cutting.max_length, cutting.length
    return longest, -(-(longest + ROOM) // ROOM) * ROOM


def facts_of(options: Options, vocabulary: Vocabulary, longest: int, length: int) -> dict[str, Any]:
    """What a model must know to cut a text as in its training, and to find texts in files of the same form."""
    reading = {name: value for name, value in asdict(options.reading).items() if value is not None}
    return {
        "tokens": options.cutting.tokens,
        "lower": options.cutting.lower,
        "longest": longest,
        "length": length,
        "vocabulary": vocabulary.tokens,
        "tokens_known": len(vocabulary),
        "reading": {name: list(value) if isinstance(value, tuple) else value for name, value in reading.items()},
    }


def cut(lengths: Sequence[int], longest: int) -> list[str]:
    """How much of the texts is beyond the longest that is kept."""
    beyond = [length - longest for length in lengths if length > longest]
    if not beyond:
        return []
    return [
        f"{len(beyond) / len(lengths):.1%} of the texts are longer than {longest:,} tokens and cut there, "
        f"{sum(beyond) / sum(lengths):.1%} of all tokens (--max-length)"
    ]


def alike(found: Survey) -> list[str]:
    """Labels that differ by case alone, which are labels of their own."""
    by_look: dict[str, list[str]] = {}
    for label in sorted({item.label for item in found.items}):
        by_look.setdefault(" ".join(label.casefold().split()), []).append(label)
    same = [each for each in by_look.values() if len(each) > 1]
    return [
        f"the labels {' and '.join(map(repr, each))} differ by case or blanks alone and are told apart; "
        "write them alike where they mean the same"
        for each in same[:NAMED]
    ]


def fits_labels(found: Survey, where: str) -> None:
    """Refuses a column that is no label: nearly every text would be a class of its own."""
    labels = Counter(item.label for item in found.items)
    if len(labels) <= MOST_LABELS:
        return
    some = ", ".join(label[:30] for label, _ in labels.most_common(MANY))
    raise Problem(
        f"{where} has {len(labels):,} different labels ({some}, …) for {len(found.items):,} texts; text can tell "
        f"{MOST_LABELS:,} apart: name the column with --label-column, or leave the rare ones out",
        DATA,
    )
