"""The demo: a small training in each domain, on data that is installed with the dependencies."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from . import domain, load
from .commands import output
from .core import device as devices
from .core import diagram
from .core.data import DataSpec
from .core.finalize import finalize
from .core.fit import Begun, EpochEnded, Event
from .core.format import visible
from .core.inputs import FileInput
from .core.plan import Plan
from .core.presentation import Drawable
from .core.problem import Problem
from .core.progress import TrainingProgress, duration
from .core.run import RunFolder, check_new, train

LONG = 120  # seconds
SHADES = " .:-=+*#%@"  # characters from black to white


def show_demo(quick: bool, out: str | None) -> None:
    """Trains and measures a network in each domain; of Go, shows the included network. `quick` takes fewer epochs."""
    from rich.console import Console

    out, console = out or f"runs/demo-{time.strftime('%Y%m%d-%H%M%S')}", Console(highlight=False)
    for suffix in ("", "-speech", "-text", "-go"):
        check_new(Path(out + suffix), force=False)
    vision_part(quick, out, console)
    for name, part in (("speech", speech_part), ("text", text_part), ("go", go_part)):
        try:
            part(quick, f"{out}-{name}", console)
        except Problem as problem:  # the data of an extra may not be installed
            console.print(f"\nThe {name} part is skipped: {problem}", markup=False)


def trained(plan: Plan, out: str, console: Any, introduction: str, table: bool = False) -> tuple[RunFolder, str]:
    """Trains a plan, shown as it goes on; returns the run, and its accuracy in words with {what} to fill in."""
    device, folder = devices.choose("auto"), RunFolder(out)

    def introduce(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch.epoch == 1:
            console.print(long_training(event.epoch.seconds * plan.settings.epochs), end="")
        if not isinstance(event, Begun):
            return
        counts = ", ".join(f"{count:,} {name}" for name, count in event.training.data.counts.items())
        console.print(f"{introduction} {counts}.\n")
        if table:
            console.print(diagram.table(event.training.network))
            console.print(f"\nTraining on {devices.describe(device)}")

    with devices.world(device) as world:
        train(plan, folder, [introduce, TrainingProgress()], world, device)
        summary = finalize(folder)
    low, high = summary["accuracy_interval"]
    score = f"(95% interval {low:.1%} to {high:.1%}), after {duration(summary['seconds'])} of training"
    return folder, f"\n[bold]{summary['accuracy']:.1%}[/bold] of {summary['examples']} {{what}} {score}.\n"


def long_training(seconds: float) -> str:
    """A remark on a training that takes longer than LONG; "" for a shorter one."""
    if seconds <= LONG:
        return ""
    return f"This part takes about {duration(seconds)} on this machine; neocog demo --quick takes fewer epochs.\n"


def next_steps(console: Any, *commands: str) -> None:
    console.print("\nNext:\n")
    for command in commands:
        console.print(f"  {visible(command)}", markup=False)


# --- images -------------------------------------------------------------------------------------------------------


def vision_part(quick: bool, out: str, console: Any) -> None:
    """Handwritten digits: the 1,797 of scikit-learn (UCI, 1998), with the lectures' network."""
    plan = Plan.of(domain("vision"), DataSpec("digits"), "keras-digits", changes={"epochs": 3 if quick else 12})
    introduction = "[bold]Images.[/bold] 1,797 handwritten digits of 8×8 pixels, scaled to 28×28:"
    run, score = trained(plan, out, console, introduction, table=True)
    console.print(score.format(what="test digits are classified correctly"))
    console.print("Three test digits with their predictions:\n")
    _gallery(run, console)
    console.print(visible(f"\nAll files are in {run.folder}/; open report.html."), end=" ", markup=False)
    next_steps(console, *run.next_commands(), "neocog train vision YOUR-FOLDER-OF-PHOTOS/")


def _gallery(run: RunFolder, console: Any, count: int = 3) -> None:
    from .core import feed

    model, test = load(str(run.folder), "cpu"), run.training.data.test
    probabilities = feed.predict_proba(model, test)
    confidence = probabilities.max(1)
    indices = [int(confidence.argmax()), int(abs(confidence - 0.9).argmin()), int(confidence.argmin())]
    drawings = [_drawn(test.inputs[i]) for i in indices[:count]]
    predicted = [model.labels[int(probabilities[i].argmax())] for i in indices]
    true_labels = [model.labels[int(test.targets[i])] for i in indices]
    predictions = [f"predicted {label}, {confidence[i]:.0%}" for label, i in zip(predicted, indices, strict=True)]
    truths = [
        marked(f"true label {label}", label == guess) for label, guess in zip(true_labels, predicted, strict=True)
    ]
    width = min(26, (shutil.get_terminal_size().columns - 2) // count)
    for rows in zip(*drawings, strict=True):
        console.print("".join(f"{row:<{width}}" for row in rows), markup=False)
    for texts in (predictions, truths):
        console.print("".join(f"{text:<{width}}" for text in texts), markup=False)


def marked(text: str, correct: bool) -> str:
    """A text beside a prediction that says so if the prediction is wrong."""
    return text if correct else f"{text}: wrong"


def _drawn(picture: Any, side: int = 10) -> list[str]:
    """A picture in characters: half as many rows as columns, since characters are twice as high as wide."""
    from torch.nn import functional as F

    small = F.interpolate(picture[None].float(), size=(side, 2 * side), mode="area")[0].mean(0)
    return _lettered(small / 256)


def _lettered(shades: Any) -> list[str]:
    """Rows of numbers from 0 to 1 as rows of characters."""
    return ["".join(SHADES[min(9, int(value * 10))] for value in row) for row in shades.tolist()]


# --- recordings -----------------------------------------------------------------------------------------------------

WORDS = ("yes", "no", "left", "right", "stop")
VOICES = [
    f"{accent}+{name}" for accent in ("en-us", "en-gb-scotland") for name in ("m1", "m3", "m5", "m7", "f1", "f3", "f5")
]
TEST_VOICES = ("en-us+f2", "en-gb-scotland+f4", "en-us+m2", "en-gb-scotland+m6", "en-us+Annie", "en-gb-scotland+Andy")


def speech_part(quick: bool, out: str, console: Any) -> None:
    """Five words, spoken by a synthesiser of the extra [demo]; tested on other voices."""
    from .speech.espeak import speak

    with tempfile.TemporaryDirectory() as folder:
        for part, voices in (("train", VOICES), ("test", TEST_VOICES)):
            speak(Path(folder) / part, WORDS, voices, (130, 180) if quick else (120, 150, 180))
        options = {"pattern": "{label}_{voice}_{speed}", "cache": f"{folder}/cache"}
        source = DataSpec(f"{folder}/train", test=f"{folder}/test", options=options)
        plan = Plan.of(domain("speech"), source, "swift(width=16)", changes={"epochs": 4 if quick else 8})
        introduction = (
            f"\n[bold]Speech.[/bold] {', '.join(WORDS)}: synthetic, spoken by eSpeak NG in {len(VOICES)} voices, "
            f"tested on {len(TEST_VOICES)} others (real voices are harder):"
        )
        run, score = trained(plan, out, console, introduction)
        console.print(score.format(what="words in new voices are classified correctly"))
        console.print("\n".join(_spectrogram(run, 0)), markup=False)
    console.print("\nThe input of the network: frequency upwards, time to the right.", end=" ")
    next_steps(console, "neocog train speech YOUR-FOLDER-OF-RECORDINGS/")


def _spectrogram(run: RunFolder, index: int, rows: int = 10, columns: int = 60) -> list[str]:
    """A spectrogram in characters, high frequencies at the top."""
    from torch.nn import functional as F

    test = run.training.data.test
    maps = run.training.trainer.frontend(test.inputs[index : index + 1])
    small = F.interpolate(maps, size=(rows, columns), mode="area")[0, 0].flip(0)
    small = (small - small.min()) / (small.max() - small.min()).clamp_min(1e-6)
    return [
        *_lettered(small),
        f"({Path(test.names[index]).name}: {run.training.data.labels[int(test.targets[index])]})",
    ]


# --- texts ----------------------------------------------------------------------------------------------------------

PHRASES = {  # and their languages
    "Vereinigte Staaten von Amerika": "German",
    "les îles Féroé": "French",
    "den engelska kanalen": "Swedish",
    "lingua italiana": "Italian",
    "Keski-Afrikka": "Finnish",
}
QUICK = ("de", "en", "es", "fi", "fr", "it", "nl", "sv")


def text_part(quick: bool, out: str, console: Any) -> None:
    """The language of names of countries and languages, from their characters (Unicode CLDR)."""
    from .text import languages

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "languages.csv"
        codes = QUICK if quick else tuple(languages.LANGUAGES)
        count = languages.write(table, codes, 400)
        source = DataSpec(str(table), options={"tokens": "characters", "cache": folder})
        plan = Plan.of(domain("text"), source, "swift", changes={"epochs": 6 if quick else 12})
        introduction = f"\n[bold]Texts.[/bold] {count:,} names of countries and languages in {len(codes)} languages"
        _, score = trained(plan, out, console, f"{introduction} (Unicode CLDR):")
    console.print(score.format(what="test names are assigned to the correct language"))
    for row in load(out).predict(list(PHRASES), 2):
        best = ", ".join(f"{entry['label']} {entry['probability']:.0%}" for entry in row["predictions"])
        language = PHRASES[row["input"]]
        correct = row["predictions"][0]["label"] == language
        console.print(f"  {row['input']:<32} {best if correct else f'{best}: wrong, it is {language}'}", markup=False)
    next_steps(console, f'neocog predict {out} "Ihre eigenen Worte"', "neocog train text YOUR-TABLE.csv")


# --- Go -------------------------------------------------------------------------------------------------------------


def go_part(quick: bool, out: str, console: Any) -> None:
    """The included policy network plays an opening against itself and predicts the next move."""
    from .go.board import Board
    from .go.play.player import Player
    from .go.play.policy import Policy
    from .go.sgf_writer import sgf_bytes

    model = load("go", "cpu")
    metrics = model.card.metrics
    console.print(
        f"\n[bold]Go.[/bold] The included policy network has {model.network.parameters:,} parameters. It predicts "
        f"{metrics['accuracy']:.1%} of the moves in {metrics['examples']:,} test positions.\n"
        "Here it plays both colours, without search:\n"
    )
    player, board = Player(Policy(model), temperature=0.5, seed=1), Board()
    for _ in range(16 if quick else 40):
        board.play(player.choose(board, board.turn, komi=7.5))
    file = Path(out) / "opening.sgf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(sgf_bytes(19, board.moves, {"PB": "neocog", "PW": "neocog"}))
    (row,) = model.predict([str(file)], 5)
    drawable = model.domain.require(Drawable, "drawing")
    output.drawing(drawable.draw(FileInput(str(file)), row, model.card.preprocessing).text)
    next_steps(console, f"neocog go annotate {file}", "neocog predict YOUR-GAME.sgf --move 57", "neocog go gtp")
