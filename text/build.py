"""Building the cache of a set of texts: cut into tokens, divided into splits, a vocabulary, ids written once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from torch import from_numpy

from ..core.data import Preprocessing
from ..core.problem import DATA, Problem
from ..core.sources.cache import Index
from ..core.sources.content import SURROGATES, Content, Unreadable, digest_of, fetched
from ..core.sources.dataset import label_counts, none_usable
from ..core.sources.decoded_rows import DecodedSamples, build_index, report_progress
from ..core.sources.encodings import EncodingIssues, decode_text
from ..core.sources.manifest import Manifest, labels_in
from . import originals
from .ngrams import select_ngrams
from .options import Cutting, Options
from .tokens import MAX_CHARACTERS, tokenize
from .vocabulary import Ids, Interned, Vocabulary

MOST_LABELS = 5000  # a confusion matrix has their square
ROOM = 8  # columns of padding behind the longest text: windows of a short text need some
MANY = 3  # labels or remarks that a message names
KNOWN = "runs"  # name of the array of known n-grams (text/ngrams.py)


@dataclass
class Texts:
    """The texts of a manifest as numbers of tokens."""

    samples: DecodedSamples = field(default_factory=DecodedSamples)
    numbers: list[Ids] = field(default_factory=list)
    excerpts: list[bytes] = field(default_factory=list)  # their beginnings as their authors wrote them
    interned: Interned = field(default_factory=Interned)
    remarks: list[str] = field(default_factory=list)

    def weight(self, preprocessing: Preprocessing | None) -> int:
        """Bytes of their ids and excerpts."""
        longest = max(map(len, self.numbers), default=0) if preprocessing is None else int(preprocessing["length"])
        return 4 * len(self.numbers) * (longest + ROOM) + sum(map(len, self.excerpts))


def cut_texts(manifest: Manifest, cutting: Cutting) -> Texts:
    """Cuts every text of a manifest into tokens. Raises Problem if none holds any."""
    texts = Texts()
    encoding_remarks: list[str] = []
    for count, (index, content) in enumerate(manifest.contents(), 1):
        name = manifest.samples[index].name
        try:
            text, issues = text_of(content)
            encoding_remarks += issues.sentences(name)
            tokens = tokenize(text, cutting.tokens, cutting.lower)
            if not tokens:
                raise Unreadable("is empty")
            digest = digest_of(" ".join(text[:MAX_CHARACTERS].split()).encode())
        except Unreadable as problem:
            texts.samples.bad.append(manifest.bad_sample(index, str(problem)))
        except UnicodeEncodeError:
            texts.samples.bad.append(manifest.bad_sample(index, SURROGATES))
        else:
            if len(text) > MAX_CHARACTERS:
                texts.remarks.append(f"{name} has {len(text):,} characters; the first {MAX_CHARACTERS:,} are taken")
            texts.numbers.append(texts.interned(tokens))
            texts.excerpts.append(originals.excerpt(text))
            texts.samples.indices.append(index)
            texts.samples.digests.append(digest)
        report_progress(manifest.spec.progress, count, len(manifest.samples))
    if not texts.numbers:
        raise none_usable(manifest, texts.samples.bad)
    texts.remarks += encoding_remarks[:MANY]
    if len(encoding_remarks) > MANY:
        texts.remarks.append(f"… and {len(encoding_remarks) - MANY:,} more files such as these")
    return texts


def text_of(content: Content) -> tuple[str, EncodingIssues]:
    """A text without blanks around it, and what was wrong with its encoding. Raises Unreadable."""
    if isinstance(content, str):
        return content.removeprefix("\ufeff").strip(), EncodingIssues()
    content = fetched(content)
    assert isinstance(content, bytes)
    text, issues = decode_text(content)
    return text.strip(), issues


def build(
    manifest: Manifest,
    texts: Texts,
    options: Options,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing | None,
    folder: Path,
) -> Index:
    """Writes ids and lengths in the order of the splits; returns their index with the preprocessing of a model."""
    index, order = build_index(manifest, texts.samples)
    training = order[: index.splits["train"] or len(order)]
    if vocabulary is None:
        vocabulary, ids = texts.interned.vocabulary([texts.numbers[row] for row in training], options.cutting.min_count)
    else:
        ids = vocabulary.ids(texts.interned.tokens)
    longest, length = shape(texts, options.cutting, preprocessing)
    inputs = open_memmap(folder / "inputs.npy", "w+", np.int32, (len(order), 1, 1, length))
    lengths = np.zeros(len(order), np.int64)
    for position, row in enumerate(order):
        ids_of_text = ids[texts.numbers[row][:longest]]
        inputs[position, 0, 0, : len(ids_of_text)] = ids_of_text
        lengths[position] = len(ids_of_text)
    inputs.flush()
    np.save(folder / "lengths.npy", lengths)
    originals.save(folder, (texts.excerpts[row] for row in order))
    index.remarks += texts.remarks
    index.remarks += truncation([len(texts.numbers[row]) for row in order], longest)
    if preprocessing is None:
        keys = select_ngrams(from_numpy(inputs[: len(training), 0, 0]), outputs(manifest, index.labels))
        np.save(folder / f"{KNOWN}.npy", keys)
        index.preprocessing = preprocessing_of(options, vocabulary, longest, length) | {"runs_known": len(keys) + 1}
    return index


def outputs(manifest: Manifest, texts: Sequence[str]) -> int:
    """The number of labels in the texts of targets, or of numbers where there are none: the columns of a network."""
    labels = {label for text in texts for label in labels_in(manifest, text)}
    return len(labels) or len(manifest.targets.columns) or 1


def shape(texts: Texts, cutting: Cutting, preprocessing: Preprocessing | None) -> tuple[int, int]:
    """The number of tokens of a text that are kept at most, and the length of all inputs."""
    if preprocessing is not None:
        return preprocessing["longest"], preprocessing["length"]
    longest = min(cutting.max_length, max(map(len, texts.numbers)))
    if cutting.length is not None:
        return cutting.max_length, cutting.length
    return longest, -(-(longest + ROOM) // ROOM) * ROOM


def preprocessing_of(options: Options, vocabulary: Vocabulary, longest: int, length: int) -> dict[str, Any]:
    """The values with which a model cuts texts as in its training and finds them in files of the same format."""
    reading = {name: value for name, value in asdict(options.reading).items() if value is not None}
    del reading["label_columns"]  # a part of the model's targets
    return {
        "tokens": options.cutting.tokens,
        "lower": options.cutting.lower,
        "longest": longest,
        "length": length,
        "vocabulary": vocabulary.tokens,
        "tokens_known": len(vocabulary),
        "reading": {name: list(value) if isinstance(value, tuple) else value for name, value in reading.items()},
    }


def truncation(lengths: Sequence[int], longest: int) -> list[str]:
    """A remark on the share of the texts that is cut off."""
    excess = [length - longest for length in lengths if length > longest]
    if not excess:
        return []
    return [
        f"{len(excess) / len(lengths):.1%} of the texts are longer than {longest:,} tokens and cut there, "
        f"{sum(excess) / sum(lengths):.1%} of all tokens (--max-length)"
    ]


def require_label_column(manifest: Manifest) -> None:
    """Refuses a column that is no label, as nearly every text would be a class of its own."""
    labels = label_counts(Counter(sample.label for sample in manifest.samples), manifest.targets)
    if len(labels) <= MOST_LABELS:
        return
    examples = ", ".join(label[:30] for label, _ in labels.most_common(MANY))
    raise Problem(
        f"{manifest.spec.data} has {len(labels):,} different labels ({examples}, …) for {len(manifest.samples):,} "
        f"texts; at most {MOST_LABELS:,} are possible: name the column with --label-column, or leave the rare ones out",
        DATA,
    )
