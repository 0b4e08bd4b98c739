"""An index: the normalised features of a collection with their names, kept in one file that knows its model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from .. import checkpoint, schema
from ..data import DataSpec, Progress
from ..inputs import Input
from ..problem import DATA, USAGE, Problem, shortened
from .collection import Block, Collection, Files, blocks
from .features import FeatureExtractor
from .search import Neighbours, nearest, normalized

KEY = "neocog.index"  # of the JSON in the metadata of the file
FORMAT = 1
EQUAL = 1 - 1e-6  # the least cosine of equal features
TEXTS = ("names", "labels", "splits")


class Settings(TypedDict):
    """What two vectors must have in common to be compared: FeatureExtractor.settings."""

    model: str
    layer: str
    before: bool
    pool: str
    symmetries: int


class Header(TypedDict):
    """The JSON of an index file."""

    format: int
    domain: str
    settings: Settings
    source: dict[str, Any]  # the DataSpec of the collection


@dataclass
class Index:
    """Normalised features (N, D) float32 in the order of a collection, with names, labels and splits of its rows."""

    features: Tensor
    names: list[str]
    labels: list[str]
    splits: list[str]
    domain: str
    settings: dict[str, Any]
    source: DataSpec

    def __len__(self) -> int:
        return len(self.names)

    def nearest(self, queries: Tensor, count: int) -> Neighbours:
        """The most similar rows of each query (Q, D), by cosine."""
        return nearest(normalized(queries), self.features, count)


def build(
    extractor: FeatureExtractor, collection: Collection, source: DataSpec, part: str, progress: Progress | None = None
) -> Index:
    """Computes the index of a collection. Raises Problem if no input can be read."""
    rows: list[Block] = list(blocks(extractor, collection, part, progress))
    if not rows:
        bad = collection.bad[0] if isinstance(collection, Files) and collection.bad else None
        raise Problem(f"no input in {source.data} can be read" + (f": {bad.file}: {bad.reason}" if bad else ""), DATA)
    texts = {name: [text for block in rows for text in getattr(block, name)] for name in TEXTS}
    features = torch.cat([normalized(block.features) for block in rows])
    return Index(features, **texts, domain=extractor.model.domain.name, settings=extractor.settings, source=source)


def save(path: Path, index: Index) -> None:
    """Writes an index as safetensors: features, texts as bytes with their ends, and JSON in the header."""
    tensors = {"features": index.features}
    for name in TEXTS:
        content = [text.encode("utf-8", "surrogateescape") for text in getattr(index, name)]
        ends = torch.tensor([len(text) for text in content], dtype=torch.int64).cumsum(0)
        tensors |= {name: torch.frombuffer(bytearray(b"".join(content)) or bytearray(1), dtype=torch.uint8)}
        tensors |= {f"{name}.ends": ends}
    source = {name: value for name, value in asdict(replace(index.source, progress=None)).items() if value is not None}
    source["options"] = {
        name: str(value) if isinstance(value, Path) else value for name, value in source["options"].items()
    }
    header = {"format": FORMAT, "domain": index.domain, "settings": index.settings, "source": source}
    checkpoint.write_tensors(path, tensors, {KEY: json.dumps(header)})


def read(path: Path) -> Index:
    """The index in a file. Raises Problem if it is none or is damaged."""
    metadata = checkpoint.header(path)
    if KEY not in metadata:
        raise Problem(f"{path} is not an index; expected a file that neocog similar --in DATA --index FILE wrote", DATA)
    try:
        header = json.loads(metadata[KEY])
        schema.check(Header, header)
        tensors = checkpoint.read_tensors(path)
        features = tensors["features"]
        texts = {name: _texts(tensors[name], tensors[f"{name}.ends"]) for name in TEXTS}
        source = DataSpec(**header["source"])
        consistent = features.ndim == 2 and all(len(column) == len(features) for column in texts.values())
        if not consistent or not bool(torch.isfinite(features).all()):
            raise ValueError("its columns have different lengths, or its features are not finite")
    except (ValueError, LookupError, TypeError, RuntimeError, RecursionError) as error:
        raise Problem(
            f"{path} is damaged ({shortened(str(error), 200)}); build it again with --in DATA --index {path} --force",
            DATA,
        ) from None
    return Index(features.float(), **texts, domain=header["domain"], settings=header["settings"], source=source)


def _texts(content: Tensor, ends: Tensor) -> list[str]:
    data, start, texts = content.numpy().tobytes(), 0, []
    for end in ends.tolist():
        if not start <= end <= len(data):
            raise ValueError("the ends of its texts are not in order")
        texts.append(data[start:end].decode("utf-8", "surrogateescape"))
        start = end
    return texts


def require_same_features(index: Index, extractor: FeatureExtractor, path: Path) -> None:
    """Raises Problem if the features of an index cannot be compared with those of a model."""
    model = extractor.model
    if index.domain != model.domain.name:
        raise Problem(f"{path} is an index of {index.domain}; the model is of {model.domain.name}", USAGE)
    if index.settings["model"] != model.fingerprint:
        raise Problem(
            f"{path} was built with another model (fingerprint {index.settings['model'][:8]}, this model has "
            f"{model.fingerprint[:8]}): their features cannot be compared; use that model, or build the index again "
            f"with --in DATA --index {path} --force",
            USAGE,
        )
    for name, value in extractor.settings.items():
        if index.settings[name] != value:
            raise Problem(
                f"{path} holds features of {_described(index.settings)}, the query would have those of "
                f"{_described(extractor.settings)}; give the --layer, --pool and --symmetries of the index",
                USAGE,
            )


def _described(settings: dict[str, Any]) -> str:
    side = "the input" if settings["before"] else "the output"
    return f"{side} of layer {settings['layer']}, pool {settings['pool']}, symmetries {settings['symmetries']}"


class Match(TypedDict):
    """One neighbour of a query."""

    input: str
    label: str
    split: str
    similarity: float


@dataclass(frozen=True)
class Result:
    """A query with its neighbours: their positions in the index, and what the row of `--json` says of them."""

    query: Input
    positions: list[int]
    matches: list[Match]

    def to_dict(self) -> dict[str, Any]:
        """The row of `similar --json`."""
        return {"input": self.query.name, "neighbours": self.matches}


def search(index: Index, queries: Sequence[tuple[Input, Tensor]], count: int, paths: Iterable[str]) -> list[Result]:
    """The `count` most similar rows for each query; a query that is itself in the collection is left out.

    `paths` are the files of the queries, "" for one that is not a file. A part of a file, such as a position of a game,
    is left out if its name begins with that of the file and its features are equal.
    """
    neighbours = index.nearest(torch.stack([features for _, features in queries]), count + 1)
    results = []
    for (query, _), path, similarities, positions in zip(
        queries, paths, neighbours.similarities.tolist(), neighbours.indices.tolist(), strict=True
    ):
        ranked = [
            (position, similarity)
            for position, similarity in zip(positions, similarities, strict=True)
            if not is_query(index.names[position], similarity, query, path)
        ][:count]
        matches: list[Match] = [
            {
                "input": index.names[position],
                "label": index.labels[position],
                "split": index.splits[position],
                "similarity": min(1.0, max(-1.0, similarity)),
            }
            for position, similarity in ranked
        ]
        results.append(Result(query, [position for position, _ in ranked], matches))
    return results


def is_query(name: str, similarity: float, query: Input, path: str) -> bool:
    """Whether a row of a collection is the query itself."""
    if not path:
        return False
    if not query.options:
        return absolute(name) == path
    return similarity > EQUAL and absolute(name).startswith(f"{path}, ")


def absolute(path: str) -> str:
    """A path by which two names of one file are equal; a name that is no path stays apart from all paths."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a null character
        return path
