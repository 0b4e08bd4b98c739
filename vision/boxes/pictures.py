"""The pictures that boxes belong to: where they lie, how large they are, and whether the boxes fit them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...core.sources.content import Unreadable, counted, fetched
from ...core.sources.layout import visible
from ...core.sources.source import Files, natural
from ..picture import PICTURES, header
from .annotations import AnnotatedPicture, Annotations, Box, path_of

NAMED = 3  # pictures that a remark names
PREFIX = 8  # hexadecimal digits that Label Studio puts in front of the name of an uploaded file, and a dash


class PictureFiles:
    """The pictures in a folder or an archive, by what annotations call them."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.names = sorted(filter(PICTURES.named, visible(files.names)), key=natural)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            self.by_name[path_of(name).name].append(name)
            self.by_stem[path_of(name).stem].append(name)
        self._known = frozenset(self.names)

    def find(self, named: str) -> str | None:
        """The file that a name means: at its path, or of that name or stem, with the longest common path.

        None if there is none, or if several match equally.
        """
        path = path_of(named)
        if str(path) in self._known:
            return str(path)
        stem = path.stem if PICTURES.named(path.name) else path.name
        bare = path.name[PREFIX + 1 :] if path.name[PREFIX : PREFIX + 1] == "-" else ""
        for matches in (self.by_name.get(path.name), self.by_stem.get(stem), self.by_name.get(bare)):
            if matches:
                return closest(matches, path.parent.parts)
        return None


def closest(names: Sequence[str], folders: Sequence[str]) -> str | None:
    """The name whose folders agree with others from the end for the longest; None for a tie."""

    def agreement(name: str) -> int:
        own = path_of(name).parent.parts
        pairs = zip(reversed(own), reversed(folders), strict=False)
        return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(own), len(folders)))

    best = max(map(agreement, names))
    matches = [name for name in names if agreement(name) == best]
    return matches[0] if len(matches) == 1 else None


@dataclass
class Located:
    """Annotated pictures whose files were looked for; their boxes are in pixels."""

    annotations: Annotations
    unlabelled: list[str] = field(default_factory=list)  # files of pictures that no annotation names
    outside: list[str] = field(default_factory=list)  # pictures with boxes beyond their border
    empty: list[str] = field(default_factory=list)  # pictures with boxes of no size, which were left out
    twice: list[str] = field(default_factory=list)  # pictures with equal boxes

    def remarks(self) -> list[str]:
        """What was changed, and what is doubtful."""
        remarks = list(self.annotations.remarks)
        for names, what in (
            (self.outside, "boxes that reach beyond the picture, which were cut off at its border"),
            (self.empty, "boxes of no size within the picture, which were left out"),
            (self.twice, "the same box twice"),
        ):
            if names:
                remarks.append(f"{named(names)}: {what}")
        if self.unlabelled:
            count = counted(len(self.unlabelled), "picture")
            remarks.append(f"left out {count} that no annotation is about: {named(self.unlabelled)}")
        return remarks


def named(names: Sequence[str]) -> str:
    """`a.jpg, b.jpg, c.jpg and 12 more`."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def locate(annotations: Annotations, files: Files, required: bool = True) -> Located:
    """Finds each picture's file, measures it, brings its boxes to pixels, and checks them.

    Without `required`, a picture whose size the annotations hold needs no file if there is no file of any picture.
    """
    pictures = PictureFiles(files)
    required = required or bool(pictures.names)
    located = Located(replace(annotations, pictures=[]))
    places = [pictures.find(picture.name) if picture.name else None for picture in annotations.pictures]
    sizes = dict(measured(files, [place for place in places if place is not None]))
    seen: Counter[str] = Counter()
    for picture, place in zip(annotations.pictures, places, strict=True):
        if place is not None and (size := sizes[place]) is not None:
            seen[place] += 1
            picture = matched(picture, place, size)
            if seen[place] > 1 and not picture.flaw:
                picture.flaw = f"is about {place}, as another entry is"
        elif not picture.flaw and (required or picture.size is None):
            picture.flaw = missing(picture, pictures, place)
        located.annotations.pictures.append(within(picture, located))
    located.unlabelled = [name for name in pictures.names if name not in seen]
    return located


def missing(picture: AnnotatedPicture, pictures: PictureFiles, place: str | None) -> str:
    """The reason why a picture's file cannot be used."""
    if place is not None:
        return f"names the picture {place}, which cannot be read"
    where = "" if pictures.names else f"; {pictures.files.location} holds no pictures"
    return f"names the picture {picture.name}, which does not exist{where}"


def measured(files: Files, names: Sequence[str]) -> list[tuple[str, tuple[int, int] | None]]:
    """The upright size (height, width) of each picture; None for one that cannot be read."""
    sizes: list[tuple[str, tuple[int, int] | None]] = []
    for name, content in files.read(list(dict.fromkeys(names))):
        try:
            sizes.append((name, header(fetched(content)).size))
        except Unreadable:
            sizes.append((name, None))
    return sizes


def matched(picture: AnnotatedPicture, place: str, size: tuple[int, int]) -> AnnotatedPicture:
    """The annotation under the name of its file, with the size of the file; a flaw if the annotation says another."""
    flaw = picture.flaw
    if not flaw and picture.size not in (None, size):
        assert picture.size is not None
        height, width = picture.size
        flaw = f"says {width}×{height} pixels, and {place} has {size[1]}×{size[0]}"
    return replace(picture, name=place, size=size, flaw=flaw)


def within(picture: AnnotatedPicture, located: Located) -> AnnotatedPicture:
    """The picture with its boxes in pixels and within its border; notes what was wrong with them."""
    if picture.size is None or picture.flaw:
        return picture
    height, width = picture.size
    boxes = []
    for box in picture.boxes:
        edges = scaled(box.edges, picture.size) if picture.is_relative else box.edges
        if edges[0] > edges[2] or edges[1] > edges[3]:
            values = "left, top, right, bottom are {:g}, {:g}, {:g}, {:g}".format(*edges)
            return replace(picture, flaw=f"has a box of {box.label} that ends before it begins: {values}")
        inner = (max(edges[0], 0.0), max(edges[1], 0.0), min(edges[2], float(width)), min(edges[3], float(height)))
        if inner[0] >= inner[2] or inner[1] >= inner[3]:
            located.empty.append(picture.name)
            continue
        if max(abs(a - b) for a, b in zip(edges, inner, strict=True)) > 0.5:  # less is a rounding
            located.outside.append(picture.name)
        boxes.append(Box(box.label, *inner, box.crowd))
    if len(set(boxes)) < len(boxes):
        located.twice.append(picture.name)
    return replace(picture, boxes=boxes, is_relative=False)


def scaled(edges: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Fractions as pixels, rounded to a thousandth: of six decimals in a file no more is certain."""
    height, width = size
    left, top, right, bottom = edges
    return round(left * width, 3), round(top * height, 3), round(right * width, 3), round(bottom * height, 3)
