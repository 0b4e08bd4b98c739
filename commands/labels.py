"""The command convert-labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.files import check_folder, names_in
from ..core.problem import USAGE, Problem
from ..core.progress import say
from . import output
from .flags import FORCE, JSON, flag


def convert_labels(
    source: Annotated[str, typer.Argument(metavar="A", help="A folder, an archive or a file with boxes.")],
    folder: Annotated[Path, typer.Argument(metavar="B", help="The folder that the boxes are written to.")],
    to: Annotated[
        str,
        typer.Option(
            help="The format to write: coco, voc, yolo, csv, labelme, label-studio, cvat or open-images.",
            show_default=False,
        ),
    ],
    format_: Annotated[str | None, flag("The format to read.", None, "--format", default="what the files are")] = None,
    images: Annotated[str | None, flag("The folder of the pictures.", None, default="where the boxes lie")] = None,
    one_based: Annotated[
        bool, typer.Option("--one-based", help="The corners of Pascal VOC's files count pixels from 1.")
    ] = False,
    force: FORCE = False,
    json: JSON = False,
) -> None:
    """Convert boxes with labels between the formats of annotation programs: COCO, VOC, YOLO, Label Studio, …

    Pictures are not copied. An entry that cannot be read is named, and nothing is written.

    [bold]neocog convert-labels project-7.json boxes --to coco[/bold]
    [bold]neocog convert-labels Annotations boxes --to yolo --images JPEGImages[/bold]
    """
    from ..vision.boxes.convert import convert
    from ..vision.boxes.formats import FORMATS, BoxOptions

    check_folder(folder)
    if not force and names_in(folder):
        raise Problem(f"{folder} exists and is not empty; name another folder, or write into it with --force", USAGE)
    converted = convert(source, folder, to, BoxOptions(format_, one_based, images))
    for remark in converted.remarks:
        say(remark)
    if json:
        values = {"format": converted.source, "pictures": converted.pictures, "boxes": converted.boxes}
        output.document(values | {"labels": converted.labels, "files": list(map(str, converted.paths))})
    else:
        what = f"{converted.boxes:,} boxes of {len(converted.labels):,} labels in {converted.pictures:,} pictures"
        several = f"{len(converted.paths):,} files to {folder}"
        files = str(converted.paths[0]) if len(converted.paths) == 1 else several
        output.line(f"read {FORMATS[converted.source].title}: {what}; wrote {files}")
