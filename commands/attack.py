"""The command that fools a network: attack."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core import files
from ..core.problem import USAGE, Problem
from ..core.progress import progress, say
from . import tell, typed
from .flags import (
    CACHE,
    DEVICE,
    FORCE,
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
    from ..core.data import Data, Examples
    from ..core.model import Model
    from ..core.robust.attack import Attack

DATA = Annotated[str, typer.Argument(help="As for train; its test part is used where it has one.", show_default=False)]
EPSILON = Annotated[str | None, flag("Sizes of the attack: 0.05,0.1,0.25.", "Attack")]
METHOD = Annotated[str, typer.Option(help="fgsm (one step) or pgd (many).", rich_help_panel="Attack")]
STEPS = Annotated[int, typer.Option(help="Of PGD.", rich_help_panel="Attack")]
ON = Annotated[str | None, flag("pixels; for sounds spectrogram (the default) or samples.", "Attack")]
CARD = Annotated[bool, flag("Every corruption in five strengths, and the attack.", "Corruptions", "--card")]
CORRUPT = Annotated[str | None, flag("Only these corruptions: noise,blur.", "Corruptions")]
AGAINST = Annotated[Path | None, flag("A card (.json) of another model, to compare with.", "Corruptions")]
OUT = Annotated[Path | None, flag("Write a .png or .svg with examples, or the numbers as .json.")]
WRITTEN = (".png", ".svg", ".json")


def attack(
    model: MODEL,
    data: DATA,
    epsilon: EPSILON = None,
    method: METHOD = "fgsm",
    steps: STEPS = 20,
    on: ON = None,
    card: CARD = False,
    corrupt: CORRUPT = None,
    against: AGAINST = None,
    seed: Annotated[int, typer.Option(help="The number that all chance comes from.", min=0)] = 0,
    examples: Annotated[int, typer.Option(help="How many are looked at, drawn by the seed.", min=1)] = 1000,
    part: Annotated[str | None, flag("test, valid, train or all.", "Data")] = None,
    test: TEST = None,
    unknown: UNKNOWN = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    cache: CACHE = None,
    out: OUT = None,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """How a network is fooled: by an adversary who moves every input by a little, or by noise, blur and the like.

    [bold]neocog attack runs/vision-keras-digits-… mnist --epsilon 0.1,0.25 --out fooled.png[/bold]
    [bold]neocog attack runs/speech-swift-… recordings/ --on samples --method pgd[/bold]
    [bold]neocog attack runs/text-swift-… reviews.csv --card --out card.json[/bold]

    FGSM moves each number by ε to where the loss rises: x + ε·sign ∇J. For pictures an ε of 1 is the whole range of a
    pixel, so that 0.1 is a tenth of it (25.5 of 255), and pixels stay in their range; for samples it is full scale;
    for a spectrogram the unit that the network sees, a deviation. Random signs move as far, but by chance.
    """
    from ..core.explain import sheet

    sheet.free(out, force, WRITTEN)
    other = read_card(against) if against else None
    from .. import load
    from ..core.robust.attack import Attack, sizes, surface_of
    from ..core.robust.capability import Attackable

    found = load(model, device or "auto")
    asked = card or corrupt is not None or other is not None
    plan, epsilons = None, [0.0]
    if not asked or (card and found.domain.capability(Attackable)):
        plan = Attack(surface_of(found.domain, on), method, steps, seed)
        epsilons = sizes(numbers(epsilon) if epsilon is not None else plan.space.epsilons)
    own = {"cache": cache, "pattern": pattern, "test_where": test_where}
    own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    loaded = loaded_by(found, data, own, {"test": test, "unknown": unknown}, quiet)
    some, header = drawn(found, loaded, part, examples, seed)
    header = {
        "model": model,
        "domain": found.domain.name,
        "recipe": found.card.recipe,
        "data": data,
        **header,
    }
    title = f"{found.card.recipe or found.domain.name} on {Path(data).name}"
    if asked:
        drawing = out is not None and out.suffix.lower() != ".json"
        names = [name.strip() for name in corrupt.split(",")] if corrupt else None
        told, draw = judged(found, loaded, some, names, plan, epsilons, seed, quiet, title, header, drawing)
        if other:
            from ..core.robust.card import against as compared

            told["against"] = compared(told, other)
    else:
        assert plan is not None
        told, draw = attacked(found, some, plan, epsilons, quiet, title)
        told = {**header, **told}
    if out:
        write(out, told, draw)
    tell.document(told) if json else card_table(told) if asked else attack_table(told)


Drawn = tuple[dict[str, Any], Callable[[Path], None]]  # the figures, and what draws them


def attacked(model: Model, some: Examples, plan: Attack, epsilons: list[float], quiet: bool, title: str) -> Drawn:
    """The accuracy under attack, and some of what fooled the network."""
    from ..core.robust.attack import curve
    from ..core.robust.fooled import fooled

    with progress("attacking", "examples", quiet) as shown:
        found = curve(model, some, plan, epsilons, shown)
    cases = fooled(model, some, found)

    def draw(path: Path) -> None:
        from ..core.robust import picture

        picture.sheet(path, title, model.domain, model.card.preprocessing, found, cases)

    return {**found.to_dict(), "fooled": [case.to_dict(found) for case in cases]}, draw


def judged(
    model: Model,
    data: Data,
    some: Examples,
    names: list[str] | None,
    plan: Attack | None,
    epsilons: list[float],
    seed: int,
    quiet: bool,
    title: str,
    header: Mapping[str, Any],
    drawing: bool,
) -> Drawn:
    """The robustness card."""
    from ..core.robust import card as cards
    from ..core.robust.attack import curve

    corruptions = cards.corruptions_of(model, data, names)
    if not corruptions and drawing:
        raise Problem(f"{model.domain.name} knows no corruptions that could be drawn; name a .json with --out", USAGE)
    with progress("corrupting", "corruptions", quiet) as shown:
        told = {**header, **cards.card(model, some, corruptions, seed, shown)}
    if plan:
        with progress("attacking", "examples", quiet) as shown:
            told["attack"] = curve(model, some, plan, epsilons, shown).to_dict()

    def draw(path: Path) -> None:
        from ..core.presentation import Readable
        from ..core.robust import picture

        seen = {} if model.domain.capability(Readable) else cards.shown(model, some.inputs[0], corruptions, seed)
        picture.card(path, title, model.domain, model.card.preprocessing, told, seen)

    return told, draw


def numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise Problem(f"--epsilon takes numbers with commas between them, as in 0.05,0.1; got {text}", USAGE) from None


def read_card(path: Path) -> dict[str, Any]:
    """A card that --out has written. Raises Problem where it is none."""
    try:
        told = json_format.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", USAGE) from None
    except ValueError:
        told = None
    if not isinstance(told, dict) or not {"corruptions", "accuracy", "mean"} <= told.keys():
        raise Problem(f"{path} is not a robustness card; write one with --card --out {path.stem}.json", USAGE)
    return told


def loaded_by(model: Model, data: str, own: dict[str, Any], told: dict[str, Any], quiet: bool) -> Data:
    source = typed.source(data, own, **told, **model.split_options)
    with progress("reading", "files", quiet) as reading:
        loaded = model.load(replace(source, progress=reading))
    for remark in [] if quiet else loaded.remarks:
        say(remark)
    return loaded


def drawn(model: Model, data: Data, part: str | None, most: int, seed: int) -> tuple[Examples, dict[str, Any]]:
    """At most so many examples of a part, drawn by the seed, and where from."""
    import torch

    if part not in (None, "train", "valid", "test", "all"):
        raise Problem(f"--part is test, valid, train or all; got {part}", USAGE)
    found, named = model.examples(data, part)
    whole = len(found)
    if whole > most:
        rng = torch.Generator().manual_seed(seed)
        found = found.subset(torch.randperm(whole, generator=rng)[:most].sort().values)
    return found, {"scored_on": named, "examples": len(found), "of": whole}


def write(path: Path, told: dict[str, Any], draw: Callable[[Path], None]) -> None:
    if path.suffix.lower() == ".json":
        files.write_text(path, json_format.dumps(told, indent=1, ensure_ascii=False) + "\n")
    else:
        draw(path)
    say(f"wrote {path}")


# --- tables ---------------------------------------------------------------------------------------------------------


def attack_table(told: Mapping[str, Any]) -> None:
    """A row for each size of the attack."""
    steps = f", {told['steps']} steps" if "steps" in told else ""
    print(f"{told['method'].upper()}{steps} on {told['on']}, ε in {told['unit']}")
    print(f"{counted(told)}\n")
    shown = columns("ε", "accuracy", "95% interval", "random signs", "confidence")
    for row in told["rows"]:
        low, high = row["interval"]
        rest = (f"{row['random']:.2%}", f"{row['confidence']:.2%}")
        shown.add_row(f"{row['epsilon']:g}", f"{row['accuracy']:.2%}", f"{low:.2%} to {high:.2%}", *rest)
    tell.console().print(shown)


def card_table(told: Mapping[str, Any]) -> None:
    """A row for each corruption, and what else the card says."""
    low, high = told["interval"]
    print(f"accuracy {told['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%}), {counted(told)}\n")
    above = told.get("against", {})
    shown = columns("corruption", "1", "2", "3", "4", "5", "mean", *(["against"] if above else []), "strength 5 is")
    for name, each in told["corruptions"].items():
        shares = (f"{row['accuracy']:.1%}" for row in each["rows"])
        points = [f"{100 * above[name]:+.1f}" if name in above else "–"] if above else []
        strongest = f"{each['rows'][-1]['amount']:g} {each['unit']}"
        shown.add_row(name, *shares, f"{each['mean']:.1%}", *points, strongest)
    if told["corruptions"]:
        tell.console().print(shown)
        better = f" ({100 * above['mean']:+.1f} points)" if above else ""
        print(f"\nmean of all          {told['mean']:.2%}{better}")
    if told["views"]:
        print(f"agreement of views   {sum(told['views']) / len(told['views']):.2%}")
    if "attack" in told:
        print()
        attack_table({**told, **told["attack"]})


def counted(told: Mapping[str, Any]) -> str:
    some = f" of {told['of']:,}" if told["of"] > told["examples"] else ""
    return f"{told['examples']:,}{some} examples ({told['scored_on']})"


def columns(*names: str) -> Any:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        shown.add_column(name, justify="left" if name in ("corruption", "strength 5 is") else "right")
    return shown
