"""The front door of the domain's data: load (many texts), read (one), windows (a long one), gather (which ones)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Preprocessing
from ..core.inputs import Input, TextInput
from ..core.options import said
from ..core.problem import DATA, Problem
from ..core.sources import expand
from ..core.sources.cache import Arrays, Cache, Index, key_of
from ..core.sources.content import fetched, file_reason
from ..core.sources.read import named_problems, source_of
from ..core.sources.survey import Placed, divided_by
from ..core.sources.usable import data_of, surveyed
from ..core.stream import Table
from ..core.windows import Windows
from . import table
from .build import KNOWN, build, fits_labels, rows_of
from .decode import decoded
from .options import NAMES, Options, options_of, reading_of
from .roles import TABLES
from .rows import Written, joined
from .sources import TEXTS, origins
from .tokens import strings
from .vocabulary import FIRST, Ids, Vocabulary

OVERLAP = 4  # a window shares one part of so many with the one before it
VERSION = 4  # of how texts are cut and runs counted: a change of it makes every cache a stale one


def load(source: DataSpec, labels: list[str] | None = None, preprocessing: Preprocessing | None = None) -> Data:
    """Training, validation and test texts as ids, int32 (N, 1, 1, L), cut once and mapped from the disk afterwards.

    With the `labels` and `preprocessing` of a model texts are cut as in its training, and targets index its labels by
    name. Raises Problem where the data cannot be used.
    """
    options = options_of(source, preprocessing)
    placed = origins(source, options.reading)
    cache = Cache(options.cache, TEXTS)
    index, arrays = cached(source, labels, options, preprocessing, placed, cache)
    data = data_of(source, labels, placed, index, arrays, preprocessing or index.preprocessing, TEXTS, cache.remarks)
    data.extras |= {name: torch.from_numpy(arrays[name]) for name in (KNOWN,) if name in arrays}
    return data


def cached(
    source: DataSpec,
    labels: list[str] | None,
    options: Options,
    preprocessing: Preprocessing | None,
    placed: Sequence[Placed],
    cache: Cache,
) -> tuple[Index, Arrays]:
    """The texts as ids, from the cache where they lie there unchanged."""
    stamps = [(part, list(origin.stamp())) for origin, part in placed]
    strange = sorted(labels) if labels is not None and source.unknown == "skip" else source.unknown
    how = preprocessing if preprocessing is not None else asdict(options.cutting)
    key = key_of(VERSION, how, asdict(options.reading), divided_by(source), strange, stamps)
    if ready := cache.find(key):
        return ready
    found = surveyed(source, labels, placed, TEXTS)
    if labels is None:
        fits_labels(found, source.data)
    rows = rows_of(found, placed, options.cutting, source)
    vocabulary = None if preprocessing is None else Vocabulary(preprocessing["vocabulary"])
    with cache.building(rows.weight(preprocessing)) as folder:
        index = build(found, rows, options, vocabulary, preprocessing, folder)
        return cache.keep(folder, key, index)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """One text, from a file's path, its bytes or itself, as `load` would give it: int32 (1, 1, L), cut where longer."""
    return padded(
        vocabulary_of(preprocessing).ids(tokens(value, preprocessing)),
        preprocessing["length"],
        preprocessing["longest"],
    )


def windows(value: Input, preprocessing: Preprocessing) -> Windows:
    """A text as overlapping windows of at most the longest that training saw; spans count tokens."""
    ids = vocabulary_of(preprocessing).ids(tokens(value, preprocessing))
    longest: int = preprocessing["longest"]
    starts = [0]
    while starts[-1] + longest < len(ids):
        starts.append(min(starts[-1] + longest - longest // OVERLAP, len(ids) - longest))
    inputs = np.zeros((len(starts), 1, 1, preprocessing["length"]), np.int32)
    lengths = np.array([min(longest, len(ids) - start) for start in starts], np.int64)
    for row, start, length in zip(inputs, starts, lengths, strict=True):
        row[0, 0, :length] = ids[start : start + length]
    spans = [(float(start), float(start + length)) for start, length in zip(starts, lengths, strict=True)]
    return Windows(torch.from_numpy(inputs), spans, torch.from_numpy(lengths), "tokens")


def tokens(value: Input, preprocessing: Preprocessing) -> list[str]:
    """The tokens of a text. Raises Problem if it has none."""
    strings_of_text = strings(text_of(value), preprocessing["tokens"], preprocessing["lower"])
    if not strings_of_text:
        name = repr(value.name) if value.name.strip("- ") else "the text"
        raise Problem(f"{name} is empty: it holds no {preprocessing['tokens']}; expected a text", DATA)
    return strings_of_text


def text_of(value: Input) -> str:
    """The text itself, or the decoded content of its file. Raises Problem for a file that cannot be read."""
    if isinstance(value, TextInput):
        return value.text
    with named_problems(value, "text"):
        content = fetched(source_of(value, "text"))
    assert isinstance(content, bytes)
    return decoded(content)[0].strip()


def exists(text: str) -> bool:
    """Whether a text is the path of a file or folder; a text with a null character cannot be one."""
    try:
        return os.path.lexists(text)
    except ValueError:
        return False


def padded(ids: Ids, length: int, longest: int) -> Tensor:
    """(1, 1, length) int32: the first `longest` ids, then padding."""
    row = np.zeros((1, 1, length), np.int32)
    ids = ids[:longest]
    row[0, 0, : len(ids)] = ids
    return torch.from_numpy(row)


_vocabularies: dict[int, tuple[list[str], Vocabulary]] = {}


def vocabulary_of(preprocessing: Preprocessing) -> Vocabulary:
    """The vocabulary of a model's facts, made once for each model that is at work."""
    told: list[str] = preprocessing["vocabulary"]
    kept = _vocabularies.get(id(told))
    if kept is None or kept[0] is not told:
        if len(_vocabularies) > 8:
            _vocabularies.clear()
        kept = _vocabularies[id(told)] = (told, Vocabulary(told))
    return kept[1]


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The files among paths, folders and globs; any other argument is a text itself."""
    inputs: list[Input] = []
    for argument in arguments:
        if exists(argument) or looks_like_a_path(argument):
            inputs += expand.expand_paths([argument], TEXTS)
        else:
            inputs.append(TextInput(argument))
    return inputs


def looks_like_a_path(text: str) -> bool:
    """Whether an argument was meant as a file, though there is none: no blank, and a suffix or a folder."""
    return not any(sign.isspace() for sign in text) and (
        Path(text).suffix.lower() in TEXTS.suffixes - {""} or text.startswith(("./", "../", "/", "~"))
    )


def numbers(preprocessing: Preprocessing) -> dict[str, int]:
    """What words of a network stand for: `tokens` ids and `runs` known runs; some, where there are no facts yet."""
    return {
        "tokens": int(preprocessing.get("tokens_known", 20_000)),
        "runs": int(preprocessing.get("runs_known", 200_000)),
    }


def tokens_by_id(preprocessing: Preprocessing) -> list[str]:
    """The tokens of a model by their ids; "" where an id stands for none."""
    return [*[""] * FIRST, *preprocessing["vocabulary"]]


def table_in(file: str, preprocessing: Preprocessing, options: Mapping[str, Any]) -> Table | None:
    """The rows of a CSV or TSV file with the texts in them; a row that cannot be read has an empty text."""
    if Path(file).suffix.lower() not in TABLES or not os.path.isfile(file):
        return None
    reading = reading_of({**preprocessing["reading"], **said(options, NAMES, "text"), "label_column": None})
    try:
        text, _ = decoded(Path(file).read_bytes(), reading.encoding)
    except OSError as error:
        raise Problem(f"{file} {file_reason(Path(file), error)}", DATA) from None
    written = Written(file, text)
    form = table.form_of(text)
    rows = [row for row in table.cells(written, form) if isinstance(row, table.Cells)]
    if not rows:
        raise Problem(f"{file} is empty; expected rows with a text in each", DATA)
    columns = table.columns_of(rows, reading, None, file, need_label=False)
    body = rows if columns.header is None else rows[1:]
    pairs = ((row.cells, TextInput(_joined(row.cells, columns.text))) for row in body)
    return Table(list(columns.header) if columns.header else None, pairs, form.delimiter)


def _joined(cells: Sequence[str], places: Sequence[int]) -> str:
    return joined([cells[at] for at in places if at < len(cells)])
