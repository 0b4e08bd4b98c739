"""The command that fools a network: attack."""

from __future__ import annotations

import json as json_format
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import tell, typed
from .core.problem import USAGE, Problem
from .core.progress import progress, say
from .flags import (
    CACHE,
    DEVICE,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    MODEL,
    PATTERN,
    QUIET,
    TEST,
    TEST_WHERE,
    TEXT_COLUMN,
    UNKNOWN,
    flag,
)

if TYPE_CHECKING:
    from .core.domain import Data, Examples
    from .core.model import Model
    from .core.robust.attack import Curve

PICTURES = (".png", ".svg")


def attack(
    model: MODEL,
    data: Annotated[
        str, typer.Argument(help="As for train; its test part is used where it has one.", show_default=False)
    ],
    epsilon: Annotated[str | None, flag("Sizes of the attack: 0.05,0.1,0.25.", "Attack")] = None,
    method: Annotated[str, typer.Option(help="fgsm (one step) or pgd (many).", rich_help_panel="Attack")] = "fgsm",
    steps: Annotated[int, typer.Option(help="Of PGD.", rich_help_panel="Attack")] = 20,
    on: Annotated[
        str | None, flag("What is moved: pixels; spectrogram (the default for sounds) or samples.", "Attack")
    ] = None,
    seed: Annotated[int, typer.Option(help="The number that all chance comes from.")] = 0,
    examples: Annotated[int, typer.Option(help="How many are attacked, drawn by the seed.", min=1)] = 1000,
    part: Annotated[str | None, flag("test, valid, train or all.", "Data")] = None,
    test: TEST = None,
    unknown: UNKNOWN = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    cache: CACHE = None,
    out: Annotated[
        Path | None, flag("Write the curve and attacked examples as .png or .svg, or the numbers as .json.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """How a network is fooled: its accuracy when every input is moved by a little, the way that hurts most.

    [bold]neocog attack runs/vision-keras-digits-… mnist --epsilon 0.1,0.25 --out fooled.png[/bold]
    [bold]neocog attack runs/speech-… recordings/ --on samples --method pgd[/bold]

    FGSM moves each number by ε: x + ε·sign ∇J. For pictures an ε of 1 is the whole range of a pixel, so 0.1 is a tenth
    of it (25.5 of 255), and pixels stay in their range; for samples it is full scale, and for a spectrogram the unit
    that the network sees, a deviation. The column of random signs moves as far, but by chance.
    """
    free(out, force)
    from . import load
    from .core.robust import attack as attacks

    found = load(model, device or "auto")
    surface = attacks.surface_of(found.domain, on)
    plan = attacks.Attack(surface, method, steps, seed)
    sizes = attacks.sizes(numbers(epsilon) if epsilon is not None else surface.epsilons)
    own = {"cache": cache, "pattern": pattern, "test_where": test_where}
    own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    loaded = loaded_by(found, data, own, {"test": test, "unknown": unknown}, quiet)
    some, whence = drawn(found, loaded, part, examples, seed)
    with progress("attacking", "examples", quiet) as shown:
        curve = attacks.curve(found, some, plan, sizes, shown)
    from .core.robust.fooled import fooled

    cases = fooled(found, some, curve)
    facts = {"model": model, "examples": len(some), **whence, **curve.facts()}
    facts["fooled"] = [case.facts(curve) for case in cases]
    if out:
        title = f"{found.card.recipe or found.domain.name} on {Path(data).name}"
        write(out, facts, lambda: draw(out, title, found, curve, cases))
    tell.document(facts) if json else table(facts)


def free(path: Path | None, force: bool) -> None:
    """Refuses a file that is there already, or of a kind that is not written."""
    if path and path.suffix.lower() not in (*PICTURES, ".json"):
        raise Problem(f"--out is a .png, .svg or .json file; got {path}", USAGE)
    if path and path.exists() and not force:
        raise Problem(f"{path} exists; name another file, or replace it with --force", USAGE)


def numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise Problem(f"--epsilon takes numbers with commas between them, as in 0.05,0.1; got {text}", USAGE) from None


def loaded_by(model: Model, data: str, own: dict[str, Any], told: dict[str, Any], quiet: bool) -> Data:
    source = typed.source(data, own, **told, **model.division)
    with progress("reading", "files", quiet) as reading:
        loaded = model.domain.load(replace(source, progress=reading), model.labels, model.card.facts)
    for remark in [] if quiet else loaded.remarks:
        say(remark)
    return loaded


def drawn(model: Model, data: Data, part: str | None, most: int, seed: int) -> tuple[Examples, dict[str, Any]]:
    """At most so many examples of a part, drawn by the seed, and where from."""
    import torch

    if part not in (None, "train", "valid", "test", "all"):
        raise Problem(f"--part is test, valid, train or all; got {part}", USAGE)
    found, named = model.examples(data, part)
    whence = {"scored_on": named, "of": len(found)}
    if len(found) > most:
        rng = torch.Generator().manual_seed(seed)
        found = found.keep(torch.randperm(len(found), generator=rng)[:most].sort().values)
    return found, whence


def write(path: Path, facts: dict[str, Any], picture: Any) -> None:
    from .core import files

    if path.suffix.lower() == ".json":
        files.write_text(path, json_format.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    else:
        picture()
    say(f"wrote {path}")


def draw(path: Path, title: str, model: Model, curve: Curve, cases: Any) -> None:
    from .core.robust import picture

    picture.sheet(path, title, model.domain, model.card.facts, curve, cases)


def table(facts: dict[str, Any]) -> None:
    """A row for each size of the attack."""
    from rich.table import Table

    steps = f", {facts['steps']} steps" if "steps" in facts else ""
    some = f"{facts['examples']:,}" + (f" of {facts['of']:,}" if facts["of"] > facts["examples"] else "")
    print(f"{facts['method'].upper()}{steps} on {facts['on']}, ε in {facts['unit']}")
    print(f"{some} examples ({facts['scored_on']})\n")
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("ε", "accuracy", "95% interval", "random signs", "confidence"):
        shown.add_column(name, justify="right")
    for row in facts["rows"]:
        low, high = row["interval"]
        figures = (
            f"{row['accuracy']:.2%}",
            f"{low:.2%} to {high:.2%}",
            f"{row['random']:.2%}",
            f"{row['confidence']:.2%}",
        )
        shown.add_row(f"{row['epsilon']:g}", *figures)
    tell.console().print(shown)
