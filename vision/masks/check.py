"""What `check` finds in masks: the share of each label, and what would stop training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...core.problem import Problem
from ...core.sources.check import CheckedData, Examined
from ...core.sources.content import Content, Unreadable, WithTarget, digest_of, fetched
from ...core.sources.manifest import Manifest
from ..picture import pixels
from .build import checked_mask
from .classes import MaskClasses, classes_in

RARE = 0.001  # share of the pixels below which a label is pointed out


def examine_pair(classes: MaskClasses | None, index: int, content: Content) -> Examined:
    """The digest of a picture and what its mask holds, or the reason why the pair cannot be used."""
    try:
        if not isinstance(content, WithTarget):
            raise content if isinstance(content, Unreadable) else Unreadable("has no mask")
        encoded = fetched(content.example)
        info, _ = checked_mask(content, pixels(encoded, None)[0], classes)
        return Examined(digest_of(encoded), info)
    except Unreadable as problem:
        return Examined(b"", None, str(problem))


def mask_findings(
    manifest: Manifest, checked: CheckedData, ignored: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The pixels of each label, and the reasons why training would stop."""
    values: Counter[int] = Counter()
    pictures: Counter[int] = Counter()
    trained: set[int] = set()
    for sample in checked.samples:
        values.update(sample.info.counts)
        pictures.update(sample.info.counts.keys())
        trained |= sample.info.counts.keys() if sample.split == "train" else set()
    classes, problems = MaskClasses.of(manifest.targets), list[str]()
    try:
        if classes is None:
            classes = classes_in(values, manifest.targets.label_names, ignored, manifest.spec.data)
    except Problem as problem:
        return {"masks": {}}, [str(problem)]
    raw_values = {
        name: row if classes.are_colours else int(classes.values[row]) for row, name in enumerate(classes.names)
    }
    total = sum(values[value] for value in raw_values.values())
    masks = {
        name: {"share": round(values[value] / max(1, total), 5), "pixels": values[value], "pictures": pictures[value]}
        for name, value in raw_values.items()
    }
    present = [name for name, value in raw_values.items() if value in trained]
    if len(present) < 2:
        held = f"one class, {present[0]}" if present else "no class, only ignored pixels"
        problems.append(f"the masks for training in {manifest.spec.data} hold {held}; expected two or more")
    for name, value in raw_values.items():
        if name not in present and len(present) > 1:
            problems.append(f"no mask for training has {name}: it is never learned")
        elif 0 < values[value] < RARE * total:
            problems.append(
                f"{name} has {values[value] / total:.3%} of the pixels: few are learned with --balance loss"
            )
    left_out = values.total() - total
    return {"masks": masks, "ignored pixels": left_out}, problems
