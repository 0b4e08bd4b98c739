"""docs/gallery.md and its pictures, from the models that the demo has trained.

    neocog demo --out runs/demo && python benchmarks/gallery.py runs/demo

An entry is a function of the models that writes one picture and says what stands in it; a further one is one more
function under `@entry`. `--go RUN GAME.sgf` adds the entries of Go, whose networks the demo does not train.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neocog
import torch
from neocog.core.domain import Source
from neocog.core.explain import explained, filters, glimpse, places, responses, shown
from neocog.core.explain.sheet import Sheet
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"


@dataclass
class Models:
    """The demo's models, by domain, and inputs for them that they have not learned from."""

    run: str
    go: tuple[str, str] | None
    folder: Path  # for what is made on the way

    def model(self, name: str) -> Any:
        return neocog.load(self.run if name == "vision" else f"{self.run}-{name}", "cpu")

    def digit(self) -> str:
        """A digit of the demo's test part, as a file."""
        found = self.model("vision")
        test = found.domain.load(Source("digits"), found.labels, found.card.facts).test
        at = int((test.targets == found.labels.index("5")).nonzero()[0])
        Image.fromarray(test.inputs[at][0].numpy()).save(self.folder / "five.png")
        return str(self.folder / "five.png")

    def word(self) -> str:
        """A word that nobody in training has said, by a voice that nobody there has."""
        from neocog.speech.espeak import speak

        speak(self.folder / "words", ("stop",), ("en-us+f2",), (150,))
        return str(next((self.folder / "words").rglob("*.wav")))


@dataclass(frozen=True)
class Entry:
    name: str  # of the picture's file
    needs: str  # the domain whose model it takes
    heading: str
    command: str  # that gives the same for a reader's own model
    draw: Callable[[Models], tuple[Sheet, str]]  # the sheet, and a sentence on what is to be seen


ENTRIES: list[Entry] = []


def entry(name: str, needs: str, heading: str, command: str) -> Callable[[Any], Any]:
    """Puts a function into the gallery."""

    def kept(draw: Callable[[Models], tuple[Sheet, str]]) -> Callable[[Models], tuple[Sheet, str]]:
        ENTRIES.append(Entry(name, needs, heading, command, draw))
        return draw

    return kept


def explained_sheet(models: Models, name: str, source: str, **how: Any) -> tuple[Sheet, list[explained.Explanation]]:
    model = models.model(name)
    torch.manual_seed(0)
    told = list(explained.explain(model, [source], **how))
    return shown.sheet(model, told), told


# --- entries ---------------------------------------------------------------------------------------------------------


@entry("digit", "vision", "A digit, by nine methods", "neocog explain RUN five.png --method all --check --out five.png")
def digit(models: Models) -> tuple[Sheet, str]:
    sheet, told = explained_sheet(models, "vision", models.digit(), asked="all", check=True)
    generic = [each.method.name for each in told if each.generic]
    same = f"{', '.join(generic)} would look nearly the same with random weights" if generic else "no map is like those"
    return sheet, f"How far each can be trusted stands under it. Checked against networks with random weights: {same}."


@entry("digit-filters", "vision", "The filters of the first layer", "neocog filters RUN --out filters.png")
def digit_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    return filters.sheet(model, filters.place_of(model, None)), "Red weights want light, blue ones want dark."


@entry(
    "digit-top",
    "vision",
    "What excites a unit most",
    "neocog filters RUN --top digits --layer 3 --unit 4 --out top.png",
)
def digit_top(models: Models) -> tuple[Sheet, str]:
    model = models.model("vision")
    place = places.layer(model.network, "3")
    examples, _ = model.examples(model.domain.load(Source("digits"), model.labels, model.card.facts))
    found = responses.excited(model, examples, place, None)[:6]
    return responses.top_sheet(
        model, examples, place, found
    ), "Six units of the second convolution: strokes and corners."


@entry(
    "word",
    "speech",
    "A spoken word",
    "neocog explain RUN stop.wav --method lrp,deeplift --out word.png --listen heard.wav",
)
def word(models: Models) -> tuple[Sheet, str]:
    sheet, told = explained_sheet(models, "speech", models.word(), asked="lrp,deeplift")
    return sheet, f"“stop”, taken for “{told[0].label}”. With --listen one hears what spoke for it."


@entry("word-filters", "speech", "Patterns of a spectrogram", "neocog filters RUN --out filters.png")
def word_filters(models: Models) -> tuple[Sheet, str]:
    model = models.model("speech")
    return filters.sheet(model, filters.place_of(model, None)), "Time to the right, frequency upwards."


@entry("text", "text", "A text", 'neocog explain RUN "les îles Féroé" --method lrp,occlusion --out text.png')
def text(models: Models) -> tuple[Sheet, str]:
    sheet, told = explained_sheet(models, "text", "les îles Féroé", asked="lrp,occlusion")
    return sheet, f"Its characters, and how they speak for {told[0].label}."


@entry("go", "go", "A position", "neocog explain RUN game.sgf --move 57 --method saliency,occlusion --out go.png")
def go(models: Models) -> tuple[Sheet, str]:
    assert models.go is not None
    model = neocog.load(models.go[0], "cpu")
    told = list(explained.explain(model, [models.go[1]], asked="saliency,occlusion"))
    return shown.sheet(model, told), f"What speaks for {told[0].label}; the colour to move is black."


# --- the page --------------------------------------------------------------------------------------------------------


def write(models: Models) -> list[str]:
    """Draws every entry that there is a model for; the sections of the page."""
    (DOCS / "gallery").mkdir(exist_ok=True)
    sections = []
    for each in ENTRIES:
        if each.needs == "go" and models.go is None:
            continue
        sheet, told = each.draw(models)
        picture = DOCS / "gallery" / f"{each.name}.png"
        picture.write_bytes(glimpse.png(sheet))
        print(f"{picture.name}: {picture.stat().st_size // 1024} KB")
        sections.append(
            f"## {each.heading}\n\n{told}\n\n![{each.heading}](gallery/{picture.name})\n\n    {each.command}\n"
        )
    return sections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder given to neocog demo --out")
    parser.add_argument("--go", nargs=2, metavar=("RUN", "GAME"), help="a policy network and a game")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sections = write(Models(asked.run, tuple(asked.go) if asked.go else None, Path(folder)))
    head = (
        "# Gallery\n\nWhat the networks of `neocog demo` look at and look for. Every picture here is made by\n\n"
        "    neocog demo --out runs/demo && python benchmarks/gallery.py runs/demo\n\n"
    )
    (DOCS / "gallery.md").write_text(head + "\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
