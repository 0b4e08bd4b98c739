"""The front door of vision's data: load (many pictures), read (one), gather (which ones)."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..core.domain import Bad, Data, Examples, Facts, Source
from ..core.problem import DATA, USAGE, Problem
from ..core.split import PARTS
from .build import SMALL, Otherwise, build, decode_all, first_form
from .cache import Cache, Index, key_of
from .folder import walk
from .listing import is_hidden, is_picture, natural
from .options import Options, options_of
from .picture import Form, Pixels, Unreadable, fetched, pixels
from .sources import KINDS, Placed, missing, origins
from .survey import NAMED, Survey, counted, full_bad, in_groups, in_labels, survey, unknown


def load(source: Source, labels: list[str] | None = None, facts: Facts | None = None) -> Data:
    """Training, validation and test pictures, uint8 (N, C, H, W), decoded once and mapped from the disk afterwards.

    With the `labels` and `facts` of a model the pictures look as it saw them in training, and targets index its
    labels by name. Raises Problem where the data cannot be used.
    """
    options = options_of(source, facts)
    placed = origins(source, options.cache)
    cache = Cache(options.cache)
    index, array = cached(source, labels, options, placed, cache)
    bad = full_bad(placed, index.bad)
    enough_good(bad, len(index.names), source.max_bad)
    known = index.labels if labels is None else labels
    targets = torch.tensor(matched(index, known))
    if labels is None:
        trainable(in_training(index), index.parts["train"], source.data)
        all_seen(index)
    names = [placed[whose].origin.full(name) for whose, name in zip(index.whose, index.names, strict=True)]
    train, valid, test = divided(torch.from_numpy(array), targets, names, index.parts)
    return Data(
        train,
        valid,
        test,
        labels=list(known),
        facts=facts or facts_of(index),
        bad=bad,
        remarks=cache.remarks + index.remarks,
        given=frozenset(index.given),
    )


def cached(
    source: Source, labels: list[str] | None, options: Options, placed: Sequence[Placed], cache: Cache
) -> tuple[Index, Pixels]:
    """The decoded pictures, from the cache where they lie there unchanged."""
    stamps = [(part, list(origin.stamp())) for origin, part in placed]
    known = sorted(labels) if labels is not None and source.unknown == "skip" else source.unknown

    def key(size: tuple[int, int] | None, colour: str) -> str:
        return key_of(size, colour, options.fit, source.group_by, known, stamps)

    asked = key(options.size, options.colour)
    if ready := cache.find(asked):
        return ready
    found = surveyed(source, labels, placed)
    form = first_form(found, placed, options)
    while True:
        try:
            ready = cache.find(key(form.size, form.colour))
            if not ready or not holds(ready[0], options):
                ready = decoded(found, source, placed, options, form, cache, key(form.size, form.colour))
        except Otherwise as other:
            form = other.form
        else:
            cache.also(asked, key(form.size, form.colour))
            return ready


def surveyed(source: Source, labels: list[str] | None, placed: Sequence[Placed]) -> Survey:
    """What there is to decode; whatever can be refused before that is refused here."""
    found = survey(placed, source)
    known = in_labels(found, labels, source)
    if labels is None:
        trainable(known, sum(item.part in (None, "train") for item in found.items), source.data)
    in_groups(found, placed, source.group_by)
    return found


def holds(index: Index, options: Options) -> bool:
    """Whether a form that was once asked for is also what the pictures themselves would have chosen."""
    size = options.size is not None or index.uniform or index.size == (SMALL, SMALL)
    return size and (options.colour != "auto" or index.grey or index.colour == "rgb")


def decoded(
    found: Survey, source: Source, placed: Sequence[Placed], options: Options, form: Form, cache: Cache, key: str
) -> tuple[Index, Pixels]:
    """Decodes all pictures into the cache."""
    weight = (1 if form.colour == "grey" else 3) * form.size[0] * form.size[1]
    with cache.building(2 * weight * len(found.items)) as folder:  # once as they come, once in their order
        rows = decode_all(found, placed, options, form, folder / "rows")
        if not rows.items:
            raise none_usable(source.data, full_bad(placed, found.bad + rows.bad))
        index = build(found, rows, folder / "pixels.npy")
        (folder / "rows").unlink()
        return cache.keep(folder, key, index)


def enough_good(bad: Sequence[Bad], good: int, most: float) -> None:
    if len(bad) > most * (len(bad) + good):
        total = counted(len(bad) + good, "file")
        raise Problem(f"{len(bad):,} of {total} cannot be used, more than --max-bad {most:.0%}: {first(bad)}", DATA)


def none_usable(where: str, bad: Sequence[Bad]) -> Problem:
    return Problem(f"not one of {counted(len(bad), 'file')} in {where} can be used: {first(bad)}", DATA)


def first(bad: Sequence[Bad]) -> str:
    """The first few bad files with their reasons."""
    return "; ".join(f"{file} {reason}" for file, reason in bad[:NAMED]) + ("; ..." if len(bad) > NAMED else "")


def matched(index: Index, known: Sequence[str]) -> list[int]:
    """The target of each example: where its label stands among those that are known."""
    place = {label: at for at, label in enumerate(known)}
    strange = Counter(index.labels[target] for target in index.targets if index.labels[target] not in place)
    if strange:
        raise Problem(unknown(strange, known, "the model"), DATA)
    return [place[index.labels[target]] for target in index.targets]


def in_training(index: Index) -> list[str]:
    return [index.labels[target] for target in sorted(set(index.targets[: index.parts["train"]]))]


def all_seen(index: Index) -> None:
    """Refuses a label whose pictures in training are all unusable, while others are to be scored on."""
    seen = in_training(index)
    strange = Counter(index.labels[target] for target in index.targets if index.labels[target] not in seen)
    if strange:
        raise Problem(unknown(strange, seen, "training"), DATA)


def trainable(labels: Sequence[str], count: int, where: str) -> None:
    """Refuses what nothing can be learnt from."""
    if not count:
        raise Problem(f"{where} holds no pictures for training; expected {KINDS}", DATA)
    if len(labels) < 2:
        raise Problem(
            f"{where} holds one class, {labels[0]} ({counted(count, 'picture')}); expected two or more to tell apart: "
            "give each class a folder (or a label) of its own",
            DATA,
        )


def divided(inputs: Tensor, targets: Tensor, names: Sequence[str], counts: Mapping[str, int]) -> list[Examples]:
    """Training, validation and test examples: ranges of the one array."""
    found, start = [], 0
    for part in PARTS:
        end = start + counts[part]
        found.append(Examples(inputs[start:end], targets[start:end], names[start:end]))
        start = end
    return found


def facts_of(index: Index) -> Facts:
    return {
        "size": list(index.size),
        "colour": index.colour,
        "fit": index.fit,
        "mean": index.mean,
        "std": index.std,
    }


def read(source: str | bytes, facts: Facts) -> Tensor:
    """One picture, from its path or its bytes, as `load` would give it: uint8 (C, H, W)."""
    form = Form((int(facts["size"][0]), int(facts["size"][1])), facts["colour"], facts["fit"])
    name = "the picture" if isinstance(source, bytes) else source
    try:
        _, array = pixels(fetched(source if isinstance(source, bytes) else Path(source)), form)
    except Unreadable as problem:
        if isinstance(source, str) and not os.path.lexists(source):
            raise missing(source) from problem
        raise Problem(f"{name} {problem}", DATA) from problem
    return torch.from_numpy(array.copy())


def gather(arguments: Sequence[str]) -> list[str]:
    """Files as they are, the pictures in folders, what globs stand for; each once, naturally sorted in its argument."""
    found: dict[str, None] = {}
    for argument in arguments:
        files = [file for path in expanded(argument) for file in pictures_at(path)]
        if not files:
            raise Problem(f"{argument} holds no pictures; expected such as .png or .jpg, or folders of them", DATA)
        found.update(dict.fromkeys(files))
    if not found:
        raise Problem("no pictures are named; expected files, folders or globs such as photos/*.jpg", USAGE)
    return list(found)


def expanded(argument: str) -> list[str]:
    """The paths that an argument stands for; a path that is there is meant as such, whatever signs it holds."""
    if os.path.lexists(argument):
        return [argument]
    if not glob.has_magic(argument):
        raise missing(argument)
    if paths := sorted(glob.glob(argument, recursive=True), key=natural):
        return paths
    raise Problem(f"{argument} matches no file", USAGE)


def pictures_at(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    names = [name for name in walk(Path(path))[0] if is_picture(name) and not is_hidden(Path(name).parts)]
    return [os.path.join(path, name) for name in sorted(names, key=natural)]
