"""What `predict` does beside answering files: lines as they arrive, tables beside their rows, labels in time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import files, stream
from ..core.problem import USAGE, Problem
from ..core.progress import say
from . import tell

if TYPE_CHECKING:
    from ..core.domain import Domain
    from ..core.inputs import Input
    from ..core.model import Model


def answered(
    model: Model, inputs: Sequence[str], top: int, json: bool, options: Mapping[str, str | None]
) -> int | None:
    """How many lines of stdin, or rows of a table, have no answer; None where the inputs are neither."""
    from ..core.stream import LineInputs, Tabular

    if model.domain.capability(LineInputs) and list(inputs) == ["-"]:
        return answer_lines(model, top, json)
    typed = {name: value for name, value in options.items() if value is not None}
    tabular = model.domain.capability(Tabular)
    if not tabular or len(inputs) != 1 or (table := tabular.read(inputs[0], model.card.preprocessing, typed)) is None:
        return None
    if json:
        told = [answer for _, answer in stream.rows(model, table, top)]
        tell.document(told)
        return sum("problem" in answer for answer in told)
    if failed := stream.write_csv(model, table):
        say(f"{inputs[0]}: {failed:,} row(s) hold no input and have no answer")
    return failed


def answer_lines(model: Model, top: int, json: bool) -> int:
    """Answers each line of stdin when it arrives; with `json`, as the items of one document."""
    failed = 0
    shown: Any = tell.Items() if json else None
    for answer in stream.lines(model, stream.arriving(sys.stdin.buffer), top):
        if "problem" in answer:
            failed += 1
            say(f"line {answer['input'][:40]!r}: {answer['problem']}")
        if shown:
            shown.add(answer)
        elif "problem" not in answer:
            tell.predictions([answer], model.task)
        sys.stdout.flush()
    if shown:
        shown.close()
    return failed


def tell_problem(answer: Mapping[str, Any]) -> None:
    """Why an input has no answer, its name said once."""
    name, problem = answer["input"], answer["problem"]
    say(problem if problem.startswith(f"{name} ") else f"{name}: {problem}")


def write_labels(domain: Domain, answer: dict[str, Any], path: Path) -> None:
    """A recording's answers in time, as a file that other programs show."""
    files.write_text(path, timeline_of(domain)(answer, path))
    say(f"wrote {path}")


def timeline_of(domain: Domain) -> Callable[[Mapping[str, Any], Path], str]:
    """The writer of label files. Raises Problem in a domain without any."""
    from ..core.windows import Windowed

    windowed = domain.capability(Windowed)
    if windowed is None or windowed.timeline is None:
        raise Problem(f"--labels is not for {domain.name}", USAGE)
    return windowed.timeline


def check_labels(domain: Domain, path: Path, force: bool) -> None:
    """Raises Problem where labels cannot be written, before hours are listened to."""
    timeline_of(domain)({"windows": [{"start": 0, "end": 0, "label": "", "probability": 0}]}, path)
    files.free(path, force)


def check_picture(domain: Domain, path: Path, force: bool) -> None:
    """Raises Problem where a picture cannot be written, before anything is computed."""
    from ..core.presentation import Drawable

    domain.require(Drawable, "--out")
    if path.suffix.lower() not in (".svg", ".png"):
        raise Problem(f"--out is a .svg or a .png; got {path.name}", USAGE)
    files.free(path, force)


def draw(model: Model, source: Input, answer: dict[str, Any], out: Path | None, show: bool) -> None:
    """The one input with its answer, where the domain has a drawing of it: in the terminal, and as a file."""
    from ..core.presentation import Drawable

    if (drawable := model.domain.capability(Drawable)) is None:
        return
    drawn = drawable.draw(source, answer, model.card.preprocessing)
    if show:
        tell.drawing(drawn.text)
    if out:
        svg = out.suffix.lower() == ".svg"
        files.write_text(out, drawn.svg()) if svg else files.write(out, lambda path: drawn.png().save(path, "PNG"))
        say(f"wrote {out}")
