"""What every format of boxes is read to and written from, and the checks that all readers share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from xml.etree import ElementTree

from ...core.problem import DATA, Bad, Problem, shortened
from ...core.sources.read import content_bytes
from ...core.sources.source import Files, natural

LARGEST = 1e7  # of a coordinate, in pixels


class Box(NamedTuple):
    """A labelled box: its edges in pixels of the upright picture, from the left and from the top."""

    label: str
    left: float
    top: float
    right: float
    bottom: float
    crowd: bool = False  # a group of objects, in which predictions count neither way: COCO's iscrowd

    @property
    def edges(self) -> tuple[float, float, float, float]:
        return self.left, self.top, self.right, self.bottom


@dataclass
class AnnotatedPicture:
    """The boxes of one picture. Its name is the path that the file of annotations gives."""

    name: str
    where: str  # the file and the entry that describe it, for messages: "instances.json, image 12"
    boxes: list[Box] = field(default_factory=list)
    size: tuple[int, int] | None = None  # (height, width) in pixels, if the format holds it
    is_relative: bool = False  # whether the edges of the boxes are fractions of the sides of the picture
    split: str | None = None
    flaw: str = ""  # the reason why it cannot be used, worded to follow `where`


@dataclass
class Annotations:
    """The annotated pictures of a data set."""

    pictures: list[AnnotatedPicture] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)  # in their official order, if the format has one
    bad: list[Bad] = field(default_factory=list)  # entries that belong to no picture
    remarks: list[str] = field(default_factory=list)

    @property
    def label_order(self) -> list[str]:
        """All labels: those of the table of classes first, then others in natural order."""
        used = {box.label for picture in self.pictures for box in picture.boxes}
        return list(dict.fromkeys([*self.labels, *sorted(used, key=natural)]))

    @property
    def flaws(self) -> list[Bad]:
        """Everything that cannot be used, with its reason."""
        return [*self.bad, *(Bad(picture.where, picture.flaw) for picture in self.pictures if picture.flaw)]

    @classmethod
    def joined(cls, parts: Iterable[Annotations]) -> Annotations:
        """What several files of one set hold."""
        annotations = cls()
        for part in parts:
            annotations.add(part)
        return annotations

    def add(self, other: Annotations) -> None:
        """Adds what another file of the same set holds."""
        self.pictures += other.pictures
        self.labels = list(dict.fromkeys([*self.labels, *other.labels]))
        self.bad += other.bad
        self.remarks += other.remarks


class Flaw(ValueError):
    """The reason why an entry cannot be used, worded to follow its name."""


@contextmanager
def flaws_of(picture: AnnotatedPicture, entry: str = "") -> Iterator[None]:
    """Keeps the first Flaw inside the context as the reason why the picture cannot be used; `entry` names the place."""
    try:
        yield
    except Flaw as flaw:
        picture.flaw = picture.flaw or (f"{flaw}" if not entry else f"has {entry}, which {flaw}")


def number(value: Any, name: str) -> float:
    """A finite number. Raises Flaw for anything else."""
    if isinstance(value, str) and "," in value:
        raise Flaw(f"has the {name} {shortened(value)!r}; expected a number with a point, such as 12.5")
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Flaw(f"has the {name} {shortened(repr(value))}; expected a number") from None
    if not isfinite(result) or abs(result) > LARGEST:
        raise Flaw(f"has the {name} {result:g}; expected a finite number of pixels")
    return result


def numbers(values: Any, names: Sequence[str]) -> list[float]:
    """So many finite numbers. Raises Flaw."""
    if not isinstance(values, list | tuple) or len(values) != len(names):
        raise Flaw(f"has {shortened(repr(values))}; expected the {len(names)} numbers {', '.join(names)}")
    return [number(value, name) for value, name in zip(values, names, strict=True)]


def around(points: Iterable[Sequence[Any]]) -> tuple[float, float, float, float]:
    """The edges of the box around a polygon. Raises Flaw for one of fewer than three points."""
    corners = [numbers(list(point), ("x", "y")) for point in points]
    if len(corners) < 3:
        raise Flaw(f"is a polygon of {len(corners)} points; expected at least 3")
    return edges_of(corners)


def edges_of(corners: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The left, top, right and bottom of points (x, y)."""
    across, down = [x for x, _ in corners], [y for _, y in corners]
    return min(across), min(down), max(across), max(down)


def pairs(values: Any) -> list[Sequence[Any]]:
    """x, y, x, y, … as points. Raises Flaw for an odd count."""
    if not isinstance(values, list | tuple) or len(values) % 2:
        raise Flaw(f"is the polygon {shortened(repr(values))}; expected x, y, x, y, …")
    return [values[index : index + 2] for index in range(0, len(values), 2)]


def side(value: Any, name: str) -> int:
    """A side of a picture in pixels; 0 for one that is not known. Raises Flaw."""
    return round(number(value, name)) if value not in (None, "") else 0


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """(height, width); None where the file leaves them out or at 0."""
    sides = side(height, "height"), side(width, "width")
    return sides if min(sides) > 0 else None


def label_of(value: Any) -> str:
    """The text of a label. Raises Flaw for an empty one."""
    if not isinstance(value, str | int) or not str(value).strip():
        raise Flaw(f"has the label {shortened(repr(value))}; expected a text")
    return str(value).strip()


# --- files ----------------------------------------------------------------------------------------------------------


def text_of(files: Files, name: str) -> str:
    """The text of a file of annotations. Raises Problem."""
    title = files.display_name(name)
    content = content_bytes(next(content for _, content in files.read([name])), title)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(f"{title} is no text in UTF-8; expected annotations of boxes", DATA) from None


def json_of(files: Files, name: str) -> Any:
    """The value of a JSON file. Raises Problem."""
    try:
        return json.loads(text_of(files, name))
    except (ValueError, RecursionError) as error:
        raise Problem(f"{files.display_name(name)} is no JSON: {shortened(str(error), 100)}", DATA) from None


def xml_of(files: Files, name: str) -> ElementTree.Element:
    """The root of an XML file. Raises Problem, also for one with entities, which may expand endlessly."""
    text = text_of(files, name)
    if "<!ENTITY" in text:
        raise Problem(f"{files.display_name(name)} declares entities, which no annotation needs; it was not read", DATA)
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Problem(f"{files.display_name(name)} is no XML: {error}", DATA) from None


def child_text(element: ElementTree.Element, name: str) -> str:
    """The text of a child element; "" without one."""
    return (element.findtext(name) or "").strip()


def path_of(name: str) -> PurePosixPath:
    """A path of any system."""
    return PurePosixPath(str(name).replace("\\", "/"))


def counted_names(counts: Mapping[str, int], most: int = 5) -> str:
    """`3 line, 1 point`, the most frequent first."""
    return ", ".join(f"{count:,} {name}" for name, count in Counter(counts).most_common(most))


def plain(value: float) -> float | int:
    """A whole number without its point, others rounded to a millionth, for a file that is written."""
    value = round(value, 6)
    return int(value) if value == int(value) else value
