"""What `predict` does beside files: lines as they arrive, rows of tables, label files, drawings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import files, stream
from ..core.format import without_controls
from ..core.presentation import Drawable
from ..core.problem import USAGE, Problem
from ..core.progress import say
from ..core.stdin import standard_input
from . import output, row_files

if TYPE_CHECKING:
    from ..core.domain import Domain
    from ..core.inputs import Input
    from ..core.model import Model
    from ..core.shard import Shard

PICTURES = (".svg", ".png")  # of domains whose predictions are drawn


def predict_stream(
    model: Model,
    inputs: Sequence[str],
    top: int,
    json: bool,
    options: Mapping[str, str | None],
    out: Path | None,
    shard: Shard | None = None,
) -> int | None:
    """Predicts lines of stdin, or the rows of a table, and prints the predictions or writes them to `out`.

    Of a table, only the rows of `shard`. Returns the number of lines or rows without a prediction; None if the inputs
    are neither.
    """
    from ..core.inputs import LineInputs
    from ..core.stream import Tabular

    if model.domain.capability(LineInputs) and list(inputs) == ["-"]:
        if shard:
            raise Problem("--shard divides files or the rows of a table; lines that arrive on stdin have no end", USAGE)
        return predict_lines(model, top, json, out)
    set_options = {name: value for name, value in options.items() if value is not None}
    tabular = model.domain.capability(Tabular)
    if not tabular or len(inputs) != 1:
        return None
    if (table := tabular.read(inputs[0], model.card.preprocessing, set_options)) is None:
        return None
    for remark in table.remarks:
        say(remark)
    if shard:
        table = table._replace(rows=shard.of(list(table.rows), stream.BATCH))
    if out:
        unpredicted = row_files.write_table(out, model, table, top)
        say(f"wrote {out}")
    elif json:
        rows = [row for _, row in stream.rows(model, table, top)]
        output.document(rows)
        return sum("problem" in row for row in rows)
    else:
        unpredicted = stream.write_csv(model, table)
    if unpredicted:
        say(f"{inputs[0]}: {unpredicted:,} row(s) hold no input and have no prediction")
    return unpredicted


def predict_lines(model: Model, top: int, json: bool, out: Path | None) -> int:
    """Predicts each line of stdin when it arrives; with `json`, as the items of one document.

    A line without a prediction, such as a blank one, keeps its place: an empty line, or an item with its problem.
    """
    unpredicted = 0
    items: Any = output.Items() if json else None
    rows: list[dict[str, Any]] = []
    for row in stream.lines(model, stream.arriving(standard_input()), top):
        if "problem" in row:
            unpredicted += 1
            say(f"line {row['input'][:40]!r}: {row['problem']}")
        if out:
            rows.append(row)
        if items:
            items.add(row)
        elif not out:
            print() if "problem" in row else output.predictions([row], model.task)
        sys.stdout.flush()
    if items:
        items.close()
    if out:
        row_files.write_rows(out, rows, model.task, row_files.problem_column(rows))
        say(f"wrote {out}")
    return unpredicted


def print_problem(row: Mapping[str, Any]) -> None:
    """Prints why an input has no prediction, its name once."""
    name, problem = row["input"], row["problem"]
    say(problem if problem.startswith(f"{name} ") else f"{name}: {problem}")


def write_labels(domain: Domain, row: dict[str, Any], path: Path) -> None:
    """Writes the predictions for the windows of a recording as a label file."""
    files.write_text(path, timeline_of(domain)(row, path))
    say(f"wrote {path}")


def timeline_of(domain: Domain) -> Callable[[Mapping[str, Any], Path], str]:
    """The writer of label files. Raises Problem in a domain without any."""
    from ..core.windows import Windowed

    windowed = domain.capability(Windowed)
    if windowed is None or windowed.timeline is None:
        raise Problem(f"--labels is not for {domain.name}", USAGE)
    return windowed.timeline


def check_labels(model: Model, path: Path, force: bool) -> None:
    """Raises Problem if labels cannot be written, before hours of sound are predicted."""
    timeline = timeline_of(model.domain)
    if not model.task.windows_have_label and not model.task.has_timeline:
        raise Problem(f"--labels writes a label for each window; this model's task is {model.task.name}", USAGE)
    timeline({"windows": [{"start": 0, "end": 0, "label": "", "probability": 0}]}, path)
    files.check_output(path, force)


def check_out(model: Model, path: Path, force: bool) -> None:
    """Raises Problem if --out cannot be written, before anything is computed."""
    domain, endings = model.domain, tuple[str, ...](row_files.ENDINGS)
    if is_folder(model, path):
        files.check_folder(path)
        if not force and files.names_in(path):
            raise Problem(f"{path} exists and is not empty; name another with --out, or --force", USAGE)
        return
    if domain.capability(Drawable):
        endings += PICTURES
    elif path.suffix.lower() in PICTURES:
        raise Problem(f"--out {path.name} is not for {domain.name}; expected {', '.join(endings)}", USAGE)
    files.check_output(path, force, endings)


def is_folder(model: Model, path: Path | None) -> bool:
    """Whether --out is a folder for the pictures of a task whose predictions are pictures."""
    return path is not None and bool(model.task.picture_folders) and not path.suffix


def write_pictures(model: Model, values: Sequence[Input], rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Writes the pictures of all predictions, FOLDER/mask/NAME.png and so on, and their paths into the rows."""
    from ..core.places import Placed

    placed, used = model.domain.require(Placed, "--out FOLDER"), set[str]()
    assert placed.picture is not None, "a task whose predictions are pictures has inputs that are"
    for value, row in zip(values, rows, strict=True):
        if "problem" in row:
            continue
        name = unused_name(Path(value.name).stem or "input", used)
        for kind, png in model.task.pictures(row, placed.picture(value)).items():
            path = folder / kind / f"{name}.png"
            with files.disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, partial(_write_bytes, png))
            row[kind] = str(path)


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def unused_name(stem: str, used: set[str]) -> str:
    """The stem of a file, with a number where another input has the same."""
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name


def is_picture(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in PICTURES


def check_folder(model: Model, folder: Path, force: bool) -> None:
    """Raises Problem if drawings of boxes cannot be written to a folder, or if the model predicts none."""
    from ..core.presentation import Outlined

    if not model.task.has_places or not model.domain.capability(Outlined) or model.task.name != "detect":
        raise Problem(f"--draw is for models of boxes; this model's task is {model.task.name}", USAGE)
    files.check_folder(folder)
    if not force and files.names_in(folder):
        raise Problem(f"{folder} exists and is not empty; name another folder, or write into it with --force", USAGE)


def draw_boxes(model: Model, values: Sequence[Input], rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Writes each picture with its boxes to a folder; the names of pictures of one name are numbered."""
    from ..core.presentation import Outlined

    outlined = model.domain.require(Outlined, "--draw")
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for value, row in zip(values, rows, strict=True):
        if "problem" in row:
            continue
        stem = Path(value.name).stem.lstrip(".-") or "picture"
        counts[stem] = counts.get(stem, 0) + 1
        name = f"{stem}.png" if counts[stem] == 1 else f"{stem}-{counts[stem]}.png"
        image = outlined.draw_file(value, row["boxes"], model.labels)
        files.write(folder / name, lambda temporary, image=image: image.save(temporary, "PNG"))  # type: ignore[misc]
    say(f"wrote {sum(counts.values()):,} drawings to {folder}/")


def draw(model: Model, value: Input, row: dict[str, Any], out: Path | None, show: bool) -> None:
    """Draws an input with its prediction in the terminal and as a file, in a domain that draws."""
    if (drawable := model.domain.capability(Drawable)) is None:
        return
    drawing = drawable.draw(value, row, model.card.preprocessing)
    if show:
        output.drawing(drawing.text)
    if out:
        svg = out.suffix.lower() == ".svg"
        files.write_text(out, without_controls(drawing.svg())) if svg else files.write(
            out, lambda temporary: drawing.png().save(temporary, "PNG")
        )
        say(f"wrote {out}")
