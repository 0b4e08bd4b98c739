"""Data of text: load (a set), read (one text), windows (a long one), expand_paths, table_in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Preprocessing
from ..core.file_formats import binary_format, is_binary, looks_like_a_file
from ..core.inputs import Input, TextInput, TooLarge
from ..core.options import set_options
from ..core.problem import DATA, Problem
from ..core.progress import say
from ..core.sources import expand
from ..core.sources.cache import Cache, Index, cached
from ..core.sources.columns import describe, find_columns, join_cells
from ..core.sources.content import Unreadable, fetched
from ..core.sources.dataset import scan_usable, to_data
from ..core.sources.encodings import decode_text
from ..core.sources.manifest import AssignedSource
from ..core.sources.read import named_problems, source_of, title_of
from ..core.sources.table import EXAMINED, Row, is_table, read_table
from ..core.sources.table import Table as SourceTable
from ..core.stream import Table
from ..core.windows import Windows
from . import lines, vectors
from .build import KNOWN, build, cut_texts, require_label_column
from .columns import TEXT_CELLS
from .options import NAMES, Options, Reading, options_of, reading_of
from .originals import CONTENT, ENDS, Originals
from .sources import TEXTS, open_sources
from .tokens import tokenize
from .vocabulary import FIRST, Ids, Vocabulary

MAX_BYTES = 1_000_000  # of a text of a stranger: some seconds of work
LARGEST_TEXT = 1 << 26  # bytes: a larger file is read as one text, or refused
OVERLAP = 4  # a window shares one part in four with the one before it
VERSION = 6  # of tokenisation, run counts and excerpts; a change makes all caches stale


def load(spec: DataSpec, labels: list[str] | None = None, preprocessing: Preprocessing | None = None) -> Data:
    """Training, validation and test texts as ids, int32 (N, 1, 1, L), cut once and memory-mapped from the cache.

    With the `labels` and `preprocessing` of a model texts are cut as in its training, and targets index its labels by
    name. Raises Problem if the data cannot be used.
    """
    options = options_of(spec, preprocessing)
    sources = open_sources(spec, options.reading)
    cache = Cache(options.cache, TEXTS)
    cutting = preprocessing if preprocessing is not None else asdict(options.cutting)
    entry = cached(
        cache,
        spec,
        labels,
        sources,
        (VERSION, cutting, asdict(replace(options.reading, label_columns=()))),  # the key has them from `spec`
        lambda folder: build_cache(spec, labels, options, preprocessing, sources, cache, folder),
    )
    index, arrays = entry
    preprocessing = preprocessing or {**index.preprocessing, **vectors.origin(spec.options.get("vectors"))}
    data = to_data(spec, labels, sources, entry, preprocessing, TEXTS, cache.remarks)
    texts, start = Originals(arrays[CONTENT], arrays[ENDS]), 0
    for examples in data.splits.values():
        examples.originals = texts[start : start + len(examples)]
        start += len(examples)
    data.extras |= {name: torch.from_numpy(arrays[name]) for name in (KNOWN,) if name in arrays}
    return data


def build_cache(
    spec: DataSpec,
    labels: list[str] | None,
    options: Options,
    preprocessing: Preprocessing | None,
    sources: Sequence[AssignedSource],
    cache: Cache,
    folder: Path,
) -> Index:
    """Cuts all texts and writes their ids to a folder."""
    manifest = scan_usable(sources, spec, labels, TEXTS)
    if labels is None:
        require_label_column(manifest)
    texts = cut_texts(manifest, options.cutting)
    vocabulary = None if preprocessing is None else Vocabulary(preprocessing["vocabulary"])
    cache.require(texts.weight(preprocessing))
    return build(manifest, texts, options, vocabulary, preprocessing, folder)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """One text, prepared as `load` prepares it: int32 (1, 1, L), cut if it is longer."""
    return padded(
        vocabulary_of(preprocessing).ids(tokens(value, preprocessing)),
        preprocessing["length"],
        preprocessing["longest"],
    )


def windows(value: Input, preprocessing: Preprocessing) -> Windows:
    """A text as overlapping windows, at most as long as the longest text of training; spans count tokens."""
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
    result = tokenize(text_of(value), preprocessing["tokens"], preprocessing["lower"])
    if not result:
        name = repr(value.name) if value.name.strip("- ") else "the text"
        raise Problem(f"{name} is empty: it holds no {preprocessing['tokens']}; expected a text", DATA)
    return result


def text_of(value: Input) -> str:
    """The text itself, or the decoded content of its file. Raises Problem for a file that cannot be read."""
    if isinstance(value, TextInput):
        return value.text
    with named_problems(value, "text"):
        content = fetched(source_of(value, "text"))
    assert isinstance(content, bytes)
    title = title_of(value, "content of stdin")
    if form := binary_format(content):
        raise Problem(f"{title} is {form}; expected a text", DATA)
    text = decode_text(content)[0].strip()
    if is_binary(text):
        raise Problem(f"{title} is not a text: it holds many control characters; expected a text", DATA)
    return text


def check_length(value: Input) -> None:
    """Raises TooLarge for a text of more than MAX_BYTES."""
    content = value.text.encode("utf-8", "replace") if isinstance(value, TextInput) else source_of(value, "text")
    if isinstance(content, bytes) and len(content) > MAX_BYTES:
        raise TooLarge(f"the text has {len(content):,} bytes; send at most {MAX_BYTES:,}")


def exists(text: str) -> bool:
    """Returns True if a text is the path of a file or folder; a text with a null character cannot be one."""
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
    """The vocabulary of a model, built once for each loaded model."""
    tokens: list[str] = preprocessing["vocabulary"]
    cached_entry = _vocabularies.get(id(tokens))
    if cached_entry is None or cached_entry[0] is not tokens:
        if len(_vocabularies) > 8:
            _vocabularies.clear()
        cached_entry = _vocabularies[id(tokens)] = (tokens, Vocabulary(tokens))
    return cached_entry[1]


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The files in paths, folders and globs; any other argument is a text itself.

    Raises Problem for an argument that looks like a file name where there is no such file.
    """
    inputs: list[Input] = []
    for argument in arguments:
        if exists(argument):
            inputs += expand.expand_paths([argument], TEXTS)
        elif looks_like_a_file(argument):
            try:
                inputs += expand.expand_paths([argument], TEXTS)
            except Problem as problem:
                raise Problem(f"{problem}; if it is a text itself, use --text", problem.code) from None
        else:
            inputs.append(TextInput(argument))
    return inputs


def numbers(preprocessing: Preprocessing) -> dict[str, int]:
    """The constants of network texts: `tokens` ids, `runs` known n-grams, `vectors`, the numbers of a word vector.

    Without a data set they have defaults; `vectors` is 0 without --vectors.
    """
    return {
        "tokens": int(preprocessing.get("tokens_known", 20_000)),
        "runs": int(preprocessing.get("runs_known", 200_000)),
        "vectors": int(preprocessing.get("vectors", {}).get("size", 0)),
    }


def tokens_by_id(preprocessing: Preprocessing) -> list[str]:
    """The tokens of a model by their ids; "" for ids without a token."""
    return [*[""] * FIRST, *preprocessing["vocabulary"]]


def table_in(file: str, preprocessing: Preprocessing, options: Mapping[str, Any]) -> Table | None:
    """The rows of a table with the texts in them; a row that cannot be read has an empty text."""
    if not os.path.isfile(file):
        return None
    trained = {name: value for name, value in preprocessing.get("reading", {}).items() if name != "label_column"}
    reading = reading_of(DataSpec(file, options={**trained, **set_options(options, NAMES, "text")}))
    table = read_table(file, Path(file), reading.encoding) if is_table(file) else table_of_lines(file, reading)
    if table is None:
        return None
    rows = (row for row in table.rows if isinstance(row, Row))
    head = list(islice(rows, EXAMINED))
    if not head:
        raise Problem(f"{file} is empty; expected rows with a text in each", DATA)
    columns = find_columns(head, table.header, TEXT_CELLS, reading.table, None, file, need_label=False)
    header = table.header
    if header is None and columns.has_header:
        header = head.pop(0).cells
    inputs = ((row.cells, TextInput(_text_in(row.cells, columns.value))) for row in chain(head, rows))
    return Table(header, inputs, table.delimiter, [*table.remarks, f"{file}: {describe(columns, TEXT_CELLS)}"])


def table_of_lines(file: str, reading: Reading) -> SourceTable | None:
    """The table in a file of lines that hold a label beside each text; None for any other file, which is one text."""
    with suppress(Unreadable):
        content = fetched(Path(file), LARGEST_TEXT)
        assert isinstance(content, bytes)
        text = "" if binary_format(content) else decode_text(content, reading.encoding)[0]
        table = None if is_binary(text) else lines.labelled_table(file, text)
        if table is not None:
            table.remarks.append(f"{file}: each line holds a label and a text, which is predicted")
        elif not is_binary(text) and lines.may_be_labelled(text):
            say(
                f"{file}: taken as one text, though its lines may begin with labels; to predict each line, give the "
                "texts on stdin, one in each line"
            )
        return table
    return None


def _text_in(cells: Sequence[str], columns: Sequence[int]) -> str:
    return join_cells([cells[index] for index in columns if index < len(cells)])
