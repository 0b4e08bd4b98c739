"""The report of a check of pictures: sizes, modes, formats, bad files, duplicates, pictures rotated by EXIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

from PIL import Image

from ..core.data import DataSpec
from ..core.problem import USAGE, Problem
from ..core.sources.check import Examined, examine_all, label_refusals, report
from ..core.sources.content import Content, Unreadable, digest_of, fetched
from ..core.sources.manifest import assign_groups, judge_targets, scan
from . import outlines
from .boxes import source as boxes
from .masks.check import examine_pair, mask_findings
from .masks.classes import MaskClasses
from .masks.sheet import mask_sheet
from .options import options_of
from .picture import PICTURES, Header, pixels
from .sources import MASKS, open_sources


def check(spec: DataSpec) -> dict[str, Any]:
    """A report of every picture, each decoded to its end. Raises Problem only if there is nothing to report on."""
    options = options_of(spec, None)
    manifest = scan(open_sources(spec, options), spec, PICTURES)
    assign_groups(manifest)
    refusals = label_refusals(manifest)
    if manifest.targets.task == MASKS:
        checked = examine_all(manifest, partial(examine_pair, MaskClasses.of(manifest.targets)), options.progress)
        findings, further = mask_findings(manifest, checked, options.ignored)
        return report(
            manifest,
            checked,
            picture_facts([pair.info.header for pair in checked.samples]) | findings,
            [*refusals, *further],
        )
    checked = examine_all(manifest, examine, options.progress)
    facts = picture_facts([picture.info for picture in checked.samples])
    facts["rotated"] = [picture.file for picture in checked.samples if picture.info.orientation != 1]
    return report(manifest, checked, facts, refusals)


def picture_facts(headers: Sequence[Header]) -> dict[str, Any]:
    """What is counted of all pictures."""
    return {
        "sizes": sizes([header.size for header in headers]),
        "modes": dict(Counter(header.mode for header in headers).most_common()),
        "formats": dict(Counter(header.format for header in headers).most_common()),
    }


def sheet(spec: DataSpec) -> Image.Image:
    """Some pictures with their boxes or masks. Raises Problem for data without either."""
    options = options_of(spec, None)
    manifest = scan(open_sources(spec, options), spec, PICTURES)
    judge_targets(manifest)
    if manifest.targets.task == MASKS:
        return mask_sheet(manifest, options.ignored)
    if manifest.targets.task != boxes.TASK:
        raise Problem(f"--sheet draws boxes and masks, and the task of {spec.data} is {manifest.targets.task}", USAGE)
    return outlines.sheet(manifest)


def examine(index: int, content: Content) -> Examined:
    """The digest and the header of a picture, or the reason why it cannot be used."""
    try:
        content = fetched(content)
        return Examined(digest_of(content), pixels(content, None)[0])
    except Unreadable as problem:
        return Examined(b"", None, str(problem))


def sizes(pictures: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Width and height in pixels of the picture with the smallest and the largest area, and the median of each."""
    if not pictures:
        return {}
    ordered = sorted(pictures, key=lambda size: size[0] * size[1])
    middle = [int(median(width for _, width in pictures)), int(median(height for height, _ in pictures))]
    return {"smallest": [*ordered[0][::-1]], "largest": [*ordered[-1][::-1]], "median": middle}
