"""Whether decoded examples can be trained and scored on, and the data that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..data import Data, DataSpec, Examples, Preprocessing
from ..problem import DATA, Bad, Problem
from ..split import PARTS
from .cache import Arrays, Index
from .content import Kind, counted
from .survey import NAMED, Placed, Survey, full_bad, in_groups, in_labels, survey, unknown


def surveyed(source: DataSpec, labels: list[str] | None, placed: Sequence[Placed], kind: Kind) -> Survey:
    """What there is to decode; whatever can be refused before that is refused here."""
    found = survey(placed, source, kind)
    known = in_labels(found, labels, source)
    if labels is None:
        trainable(known, sum(item.part in (None, "train") for item in found.items), source.data, kind)
    in_groups(found, placed, source.group_by)
    return found


def data_of(
    source: DataSpec,
    labels: list[str] | None,
    placed: Sequence[Placed],
    index: Index,
    arrays: Arrays,
    preprocessing: Preprocessing,
    kind: Kind,
    remarks: Sequence[str] = (),
) -> Data:
    """The decoded examples as Data, their targets matched to `labels` by name; raises Problem where they are no use."""
    bad = full_bad(placed, index.bad)
    enough_good(bad, len(index.names), source.max_bad)
    known = index.labels if labels is None else labels
    targets = torch.tensor(matched(index, known, kind))
    if labels is None:
        trainable(in_training(index), index.parts["train"], source.data, kind)
        all_seen(index, kind)
    names = [placed[whose].origin.full(name) for whose, name in zip(index.whose, index.names, strict=True)]
    lengths = torch.from_numpy(arrays["lengths"]) if "lengths" in arrays else None
    train, valid, test = divided(torch.from_numpy(arrays["inputs"]), targets, names, index.parts, lengths)
    told = [*remarks, *index.remarks]
    return Data(train, valid, test, list(known), preprocessing, bad, told, given=frozenset(index.given))


def enough_good(bad: Sequence[Bad], good: int, most: float) -> None:
    if len(bad) > most * (len(bad) + good):
        total = counted(len(bad) + good, "file")
        raise Problem(f"{len(bad):,} of {total} cannot be used, more than --max-bad {most:.0%}: {first(bad)}", DATA)


def none_usable(where: str, bad: Sequence[Bad]) -> Problem:
    return Problem(f"not one of {counted(len(bad), 'file')} in {where} can be used: {first(bad)}", DATA)


def first(bad: Sequence[Bad]) -> str:
    """The first few bad files with their reasons."""
    return "; ".join(f"{file} {reason}" for file, reason in bad[:NAMED]) + ("; ..." if len(bad) > NAMED else "")


def matched(index: Index, known: Sequence[str], kind: Kind) -> list[int]:
    """The target of each example: where its label stands among those that are known."""
    place = {label: at for at, label in enumerate(known)}
    strange = Counter(index.labels[target] for target in index.targets if index.labels[target] not in place)
    if strange:
        raise Problem(unknown(strange, known, "the model", kind), DATA)
    return [place[index.labels[target]] for target in index.targets]


def in_training(index: Index) -> list[str]:
    return [index.labels[target] for target in sorted(set(index.targets[: index.parts["train"]]))]


def all_seen(index: Index, kind: Kind) -> None:
    """Refuses a label whose examples in training are all unusable, while others are to be scored on."""
    seen = in_training(index)
    strange = Counter(index.labels[target] for target in index.targets if index.labels[target] not in seen)
    if strange:
        raise Problem(unknown(strange, seen, "training", kind), DATA)


def trainable(labels: Sequence[str], count: int, where: str, kind: Kind) -> None:
    """Refuses what nothing can be learnt from."""
    if not count:
        raise Problem(f"{where} holds no {kind.noun}s for training; expected {kind.expected}", DATA)
    if len(labels) < 2:
        raise Problem(
            f"{where} holds one class, {labels[0]} ({kind.counted(count)}); expected two or more to tell apart: "
            "give each class a folder (or a label) of its own",
            DATA,
        )


def divided(
    inputs: Tensor, targets: Tensor, names: Sequence[str], counts: Mapping[str, int], lengths: Tensor | None = None
) -> list[Examples]:
    """Training, validation and test examples: ranges of the one array."""
    found, start = [], 0
    for part in PARTS:
        end = start + counts[part]
        own = None if lengths is None else lengths[start:end]
        found.append(Examples(inputs[start:end], targets[start:end], names[start:end], own))
        start = end
    return found
