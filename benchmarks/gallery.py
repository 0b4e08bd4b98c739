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


def listed(words: list[str]) -> str:
    """Joins words as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# --- entries ---------------------------------------------------------------------------------------------------------


@entry("digit", "A digit, explained by nine methods", "neocog explain RUN five.png --method all --check --out five.png")
def digit(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "vision", models.digit(), "all", check=True)
    failing = [explanation.method.name for explanation in explanations if explanation.fails_sanity_check]
    if failing:
        maps = f"{listed(failing)} fail{'s' * (len(failing) == 1)} the sanity check: "
        result = maps + "their maps are nearly the same for networks with random weights."
    else:
        result = "All methods pass the sanity check: their maps differ from those of networks with random weights."
    return sheet, f"The reliability of each map is written under it. {result}"


@entry("digit-filters", "The filters of the first layer", "neocog filters RUN --out filters.png")
def digit_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    caption = "Red weights are positive (bright input), blue weights negative (dark input)."
    return filters.sheet(model, filters.place_of(model, None)), caption


@entry(
    "digit-top",
    "Inputs with the highest activation of a unit",
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
    return sheet, f"“stop”, predicted as “{explanations[0].label}”. `--listen` writes the relevant part of the sound."


@entry("word-filters", "Filters over spectrograms", "neocog filters RUN --out filters.png")
def word_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("speech")
    caption = "The horizontal axis is time, the vertical axis frequency."
    return filters.sheet(model, filters.place_of(model, None)), caption


@entry("text", "A text", 'neocog explain RUN "les îles Féroé" --method lrp,occlusion --out text.png')
def text(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "text", "les îles Féroé", "lrp,occlusion")
    return sheet, f"The relevance of its characters for the label {explanations[0].label}."


@entry("go", "A position", "neocog explain go opening.sgf --method saliency,occlusion,lrp --out go.png")
def go(models: Models) -> tuple[Sheet, str]:
    sheet, explanations = explained_sheet(models, "go", models.game(), "saliency,occlusion,lrp")
    reply = f"{explanations[0].label}, the most probable reply to the last move"
    return sheet, f"Relevance for {reply}. The colour to move is drawn as Black."


@entry("go-filters", "Filters over boards", "neocog filters go --out filters.png")
def go_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("go")
    text = "Weights on own stones minus weights on the opponent's: red is positive, blue negative."
    return filters.sheet(model, filters.place_of(model, None)), text


# --- feature visualisation -------------------------------------------------------------------------------------------


@entry("digits-imagined", "Ten digits, imagined", "neocog imagine RUN --out digits.png")
def digits_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    result = series.of_labels(model, [], {}, None)
    caption = (
        "Without a constraint they look like noise, and are classified as digits all the same; with the L1 penalty "
        "strokes appear; with all regularisers the strokes connect."
    )
    return sheet_of(model, result), caption


@entry("words-imagined", "Words, imagined", "neocog imagine RUN --label stop --label no --label left --listen it.wav")
def words_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("speech")
    result = series.of_labels(model, ["stop", "no", "left"], {}, None)
    caption = "The probabilities are those of the sounds that the Griffin–Lim algorithm reconstructs."
    return sheet_of(model, result), caption


@entry("texts-imagined", "Names, imagined", "neocog imagine RUN --label Finnish --label French --out names.png")
def texts_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("text")
    result = series.of_labels(model, ["Finnish", "French", "Polish", "Italian"], {}, None)
    return sheet_of(model, result), "Characters are exchanged one by one while the probability of the label increases."


@entry("go-imagined", "Positions, imagined", "neocog imagine go --label D4 --label C3 --steps 20 --out positions.png")
def go_imagined(models: Models) -> tuple[Sheet, str]:
    model = models.model("go")
    result = series.of_labels(model, ["D4", "C3", "K10"], {"steps": 20}, None)
    caption = "Legal stones are placed one by one while the probability of the move increases; Black is to move."
    return sheet_of(model, result), caption


# --- robustness ------------------------------------------------------------------------------------------------------


def attack_on(
    models: Models, name: str, data: Data, epsilons: list[float], title: str, split: str | None = None
) -> tuple[Picture, dict[str, Any]]:
    model = models.model(name)
    settings = Attack(perturbation_space(model.domain, None), "fgsm")
    examples, _ = sampled(model, data, split, 500, 0)
    result, draw = measure_attack(model, examples, settings, sizes(epsilons), True, title)
    return draw, result


@entry("digit-attack", "Digits under attack", "neocog attack RUN digits --epsilon 0.05,0.1,0.25 --out fooled.png")
def digit_attack(models: Models) -> tuple[Picture, str]:
    picture, result = attack_on(models, "vision", models.digits(), [0.05, 0.1, 0.25], "keras-digits on digits")
    rows = result["rows"]
    clean, attacked = (f"{rows[index]['accuracy']:.0%}" for index in (0, 2))
    return picture, f"FGSM with ε = 0.1 of the pixel range reduces the accuracy from {clean} to {attacked}."


@entry("word-attack", "Words under attack", "neocog attack RUN words/ --epsilon 0.1,0.2,0.5 --out fooled.png")
def word_attack(models: Models) -> tuple[Picture, str]:
    title = "five words, by voices that are not in the training data"
    picture, _ = attack_on(models, "speech", models.words(), [0.1, 0.2, 0.5], title, "all")
    return picture, "The perturbation is applied to the spectrogram; `--on samples` attacks the waveform itself."


@entry("card", "Accuracy under corruptions", "neocog attack RUN digits --card --out card.png")
def card(models: Models) -> tuple[Picture, str]:
    model, data = models.model("vision"), models.digits()
    examples, counts = sampled(model, data, None, 500, 0)
    title = "keras-digits on digits"
    _, draw = measure_card(model, data, examples, None, None, [0.0], 0, True, title, counts, True)
    return draw, "Six corruptions of images at five strengths."


@entry("go-turned", "One position under eight symmetries", "neocog attack go games/ --card")
def go_turned(models: Models) -> tuple[Sheet, str]:
    """The predictions for a board under each symmetry."""
    from neocog.go.data import LABELS
    from neocog.go.planes import unpacked
    from neocog.go.symmetry import COUNT, INVERSE, moved, turned

    model = models.model("go")
    planes = unpacked(model.domain.read(FileInput(models.game()), model.card.preprocessing).numpy())
    rows = torch.stack([torch.from_numpy(np.packbits(turned(planes, s).ravel())) for s in range(COUNT)])
    with model.inference():
        best = model.logits(rows).softmax(1).max(1)
    back = [LABELS[int(moved(int(place), INVERSE[s]))] for s, place in enumerate(best.indices)]
    panels = [
        Panel(
            model.domain.show(row, None, model.card.preprocessing),
            f"{LABELS[int(place)]} {share:.0%}\nrotated back: {point}",
        )
        for row, place, share, point in zip(rows, best.indices, best.values.tolist(), back, strict=True)
    ]
    agree = sum(point == back[0] for point in back)
    caption = (
        f"Predictions for rotated and mirrored boards should agree: {agree} of the 8 do. "
        "The robustness card reports the share over many games."
    )
    return Sheet("Predictions of the Go network for one position, rotated and mirrored", panels, 4), caption


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

Figures of the networks of `neocog demo`, and of the included Go network. They are drawn by one command, in some
minutes of one CPU core:

    neocog demo --out runs/demo && python benchmarks/gallery.py runs/demo

"""
TAIL = """
## Style transfer and DeepDream

Both use the ImageNet weights of `efficientnet-lite0`; the photos are named in
[the glass box](glass-box.md).

![A cat, a stained tissue, and the cat in the style of the tissue](style.jpg)

    neocog style chelsea.png ihc.png --out style.png

![DeepDream on a photo of a pagoda](dream.jpg)

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
        (DOCS / "gallery.md").write_text(HEAD + "\n".join(sections) + TAIL, encoding="utf-8")


if __name__ == "__main__":
    main()
