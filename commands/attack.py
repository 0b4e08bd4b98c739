"""neocog attack: robustness to adversarial perturbations and corruptions."""

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
from . import output, parsing
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

DATA = Annotated[
    str, typer.Argument(help="Data as for train; the test split is used if there is one.", show_default=False)
]
EPSILON = Annotated[
    str | None, flag("Sizes of the perturbation: 0.05,0.1,0.25.", "Attack", default="by the kind of input")
]
METHOD = Annotated[str, typer.Option(help="fgsm (one step) or pgd (several).", rich_help_panel="Attack")]
STEPS = Annotated[int, typer.Option(help="Steps of PGD.", rich_help_panel="Attack")]
ON = Annotated[
    str | None,
    flag("pixels; for recordings spectrogram or samples.", "Attack", default="pixels or spectrogram"),
]
CARD = Annotated[bool, flag("Measure all corruptions in five strengths, and the attack.", "Corruptions", "--card")]
CORRUPT = Annotated[str | None, flag("Only these corruptions: noise,blur.", "Corruptions", default="all")]
AGAINST = Annotated[Path | None, flag("Compare with the card (.json) of another model.", "Corruptions")]
OUT = Annotated[Path | None, flag("Write a figure with examples, .png or .svg, or the numbers, .json.")]
ENDINGS = (".png", ".svg", ".json")
SPLITS = ("train", "valid", "test", "all")


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
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
    examples: Annotated[int, typer.Option(help="Number of examples, drawn by the seed.", min=1)] = 1000,
    part: Annotated[str | None, flag("Split: test, valid, train or all.", "Data", default="test, or all")] = None,
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
    """Measure robustness to adversarial perturbations and corruptions.

    [bold]neocog attack runs/vision-keras-digits-… mnist --epsilon 0.1,0.25 --out attack.png[/bold]
    [bold]neocog attack runs/speech-swift-… recordings/ --on samples --method pgd[/bold]
    [bold]neocog attack runs/text-swift-… reviews.csv --card --out card.json[/bold]

    FGSM changes each number by ε in the direction that increases the loss: x + ε·sign ∇J. For pictures, an ε of 1 is
    the whole range of a pixel, so that 0.1 is a tenth of it (25.5 of 255), and pixels stay in their range; for samples
    it is full scale; for a spectrogram it is a standard deviation. Random signs are as large, but without intent.
    """

    files.check_output(out, force, ENDINGS)
    second_card = read_card(against) if against else None
    from .. import load
    from ..core.robust.attack import Attack, check_task, perturbation_space, sizes
    from ..core.robust.capability import Attackable

    loaded = load(model, device or "auto")
    check_task(loaded)
    with_card = card or corrupt is not None or second_card is not None
    settings, epsilons = None, [0.0]
    if not with_card or (card and loaded.domain.capability(Attackable)):
        settings = Attack(perturbation_space(loaded.domain, on), method, steps, seed)
        epsilons = sizes(numbers(epsilon) if epsilon is not None else settings.space.epsilons)
    options = {"cache": cache, "pattern": pattern, "test_where": test_where}
    options |= {"text_column": text_column, "label_level": label_level}
    division = {"test": test, "unknown": unknown, "targets": parsing.targets(None, label_column)}
    loaded_data = load_data(loaded, data, options, division, quiet)
    sample, counts = sampled(loaded, loaded_data, part, examples, seed)
    header = {"model": model, "domain": loaded.domain.name, "recipe": loaded.card.recipe, "data": data, **counts}
    title = f"{loaded.card.recipe or loaded.domain.name} on {Path(data).name}"
    if with_card:
        has_figure = out is not None and out.suffix.lower() != ".json"
        names = [name.strip() for name in corrupt.split(",")] if corrupt else None
        result, draw = measure_card(
            loaded, loaded_data, sample, names, settings, epsilons, seed, quiet, title, header, has_figure
        )
        if second_card:
            from ..core.robust.card import differences

            result["against"] = differences(result, second_card)
    else:
        assert settings is not None
        result, draw = measure_attack(loaded, sample, settings, epsilons, quiet, title)
        result = {**header, **result}
    if out:
        write(out, result, draw)
    if json:
        output.document(result)
    else:
        print_card(result) if with_card else print_attack(result)


Measured = tuple[dict[str, Any], Callable[[Path], None]]  # the figures, and the function that draws them


def measure_attack(
    model: Model, examples: Examples, settings: Attack, epsilons: list[float], quiet: bool, title: str
) -> Measured:
    """Returns the accuracy under attack and some adversarial examples."""
    from ..core.robust.attack import curve
    from ..core.robust.examples import adversarial_examples

    with progress("attacking", "examples", quiet) as bar:
        result = curve(model, examples, settings, epsilons, bar)
    cases = adversarial_examples(model, examples, result)

    def draw(path: Path) -> None:
        from ..core.robust.draw import attack_figure

        attack_figure(path, title, model.domain, model.card.preprocessing, result, cases)

    return {**result.to_dict(), "fooled": [case.to_dict(result) for case in cases]}, draw


def measure_card(
    model: Model,
    data: Data,
    examples: Examples,
    names: list[str] | None,
    settings: Attack | None,
    epsilons: list[float],
    seed: int,
    quiet: bool,
    title: str,
    header: Mapping[str, Any],
    has_figure: bool,
) -> Measured:
    """Returns the robustness card."""
    from ..core.robust import card as cards
    from ..core.robust.attack import curve

    corruptions = cards.corruptions_of(model, data, names)
    if not corruptions and has_figure:
        raise Problem(f"there are no corruptions of {model.domain.name} to draw; name a .json with --out", USAGE)
    with progress("corrupting", "corruptions", quiet) as bar:
        result = {**header, **cards.card(model, examples, corruptions, seed, bar)}
    if settings:
        with progress("attacking", "examples", quiet) as bar:
            result["attack"] = curve(model, examples, settings, epsilons, bar).to_dict()

    def draw(path: Path) -> None:
        from ..core.presentation import Readable
        from ..core.robust.draw import card_figure

        is_text = model.domain.capability(Readable) is not None
        cases = {} if is_text else cards.corrupted_example(model, examples.inputs[0], corruptions, seed)
        card_figure(path, title, model.domain, model.card.preprocessing, result, cases)

    return result, draw


def numbers(text: str) -> list[float]:
    """Reads `0.05,0.1`."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Problem(f"--epsilon takes numbers separated by commas, as in 0.05,0.1; got {text}", USAGE) from None


def read_card(path: Path) -> dict[str, Any]:
    """Reads a card that --out has written. Raises Problem for another file."""
    try:
        card = json_format.loads(files.read_text(path, "a robustness card"))
    except (ValueError, RecursionError):
        card = None
    if not isinstance(card, dict) or not {"corruptions", "accuracy", "mean"} <= card.keys():
        raise Problem(f"{path} is not a robustness card; write one with --card --out {path.stem}.json", USAGE)
    return card


def load_data(model: Model, data: str, options: dict[str, Any], division: dict[str, Any], quiet: bool) -> Data:
    """Loads data with the model's labels and preprocessing, and prints remarks on it."""
    source = parsing.source(data, options, **division, **model.split_options)
    with progress("reading", "files", quiet) as bar:
        loaded = model.load(replace(source, progress=bar))
    for remark in [] if quiet else loaded.remarks:
        say(remark)
    return loaded


def sampled(model: Model, data: Data, split: str | None, count: int, seed: int) -> tuple[Examples, dict[str, Any]]:
    """Returns at most `count` examples of a split, drawn by the seed, and the counts for the output."""
    import torch

    if split is not None and split not in SPLITS:
        raise Problem(f"--part is test, valid, train or all; got {split}", USAGE)
    examples, name = model.examples(data, split)
    total = len(examples)
    if total > count:
        rng = torch.Generator().manual_seed(seed)
        examples = examples.subset(torch.randperm(total, generator=rng)[:count].sort().values)
    return examples, {"scored_on": name, "examples": len(examples), "of": total}


def write(path: Path, result: dict[str, Any], draw: Callable[[Path], None]) -> None:
    """Writes the numbers or the figure, by the file's ending."""
    if path.suffix.lower() == ".json":
        files.write_text(path, json_format.dumps(result, indent=1, ensure_ascii=False) + "\n")
    else:
        draw(path)
    say(f"wrote {path}")


# --- tables ---------------------------------------------------------------------------------------------------------


def print_attack(result: Mapping[str, Any]) -> None:
    """Prints a row for each size of the attack."""
    steps = f", {result['steps']} steps" if "steps" in result else ""
    output.line(f"{result['method'].upper()}{steps} on {result['on']}, ε in {result['unit']}")
    output.line(f"{counted(result)}\n")
    table = columns("ε", "accuracy", "95% interval", "random signs", "confidence")
    for row in result["rows"]:
        low, high = row["interval"]
        accuracy, random, confidence = (f"{row[name]:.2%}" for name in ("accuracy", "random", "confidence"))
        table.add_row(f"{row['epsilon']:g}", accuracy, f"{low:.2%} to {high:.2%}", random, confidence)
    output.console().print(table)


def print_card(card: Mapping[str, Any]) -> None:
    """Prints a row for each corruption, and the other figures of the card."""
    low, high = card["interval"]
    output.line(f"accuracy {card['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%}), {counted(card)}\n")
    against = card.get("against", {})
    headings = ["against"] if against else []
    table = columns("corruption", "1", "2", "3", "4", "5", "mean", *headings, "strength 5 is")
    for name, corruption in card["corruptions"].items():
        accuracies = (f"{row['accuracy']:.1%}" for row in corruption["rows"])
        points = [f"{100 * against[name]:+.1f}" if name in against else "–"] if against else []
        strongest = f"{corruption['rows'][-1]['amount']:g} {corruption['unit']}"
        table.add_row(name, *accuracies, f"{corruption['mean']:.1%}", *points, strongest)
    if card["corruptions"]:
        output.console().print(table)
        difference = f" ({100 * against['mean']:+.1f} points)" if against else ""
        output.line(f"\nmean of all          {card['mean']:.2%}{difference}")
    if card["views"]:
        output.line(f"agreement of views   {sum(card['views']) / len(card['views']):.2%}")
    if "attack" in card:
        output.line()
        print_attack({**card, **card["attack"]})


def counted(result: Mapping[str, Any]) -> str:
    """Returns the number of examples in words."""
    total = f" of {result['of']:,}" if result["of"] > result["examples"] else ""
    return f"{result['examples']:,}{total} examples ({result['scored_on']})"


def columns(*names: str) -> Any:
    """Returns an empty table with these columns; all but texts are aligned to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="left" if name in ("corruption", "strength 5 is") else "right")
    return table
