"""The flags of the command line, each with its help once: the same flag has the same name in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def flag(help_text: str, panel: str | None = None, *names: str) -> Any:
    """An option whose default is not worth showing: what is not typed follows the recipe or the data."""
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False)


MODEL = Annotated[
    str,
    typer.Argument(help="A model file, a run's folder, go (comes with it) or efficientnet-lite0.", show_default=False),
]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
QUIET = Annotated[bool, typer.Option("--quiet", help="No progress and no remarks.")]
FORCE = Annotated[bool, flag("Replace what is there.", None, "--force")]
SYMMETRIES = Annotated[
    int | None, flag("Average over so many ways to turn, mirror or move the input; 8 for a board, 6 for a picture.")
]
DEVICE = Annotated[str | None, flag("auto, cpu, cuda, cuda:1 or mps.")]

# Training
EPOCHS = Annotated[int | None, flag("Passes over the training data.", "Training")]
BATCH = Annotated[int | None, flag("Examples in a step.", "Training")]
LR = Annotated[float | None, flag("The highest learning rate.", "Training")]
OPTIMISER = Annotated[str | None, flag("adamw, sgd or muon.", "Training")]
AUGMENT = Annotated[str | None, flag('Random changes: "flip, crop(4), rotate(10)", or none.', "Training")]
ADVERSARIAL = Annotated[
    float | None,
    flag(
        "Learn from inputs that an adversary moves by so much: 0.25 of a pixel's range, say. Twice the time.",
        "Training",
    ),
]
SEED = Annotated[int | None, flag("The number that all randomness comes from.", "Training")]
TENSORBOARD = Annotated[
    bool, flag("Write event files for TensorBoard into the run folder.", "Training", "--tensorboard")
]
PRECISION = Annotated[str | None, flag("auto, float32 or bfloat16.", "Training")]
SET = Annotated[list[str] | None, flag("Any other setting: --set smoothing=0.1", "Training", "--set")]

# Data
TEST = Annotated[str | None, flag("Test data of their own.", "Data")]
VALID = Annotated[str | None, flag("Validation data of their own.", "Data")]
GROUP_BY = Annotated[
    str | None, flag("What stays on one side: a column, a field of --pattern, or a regular expression.", "Data")
]
TEST_SHARE = Annotated[float | None, flag("Share kept for the test where none is given; 0.15.", "Data")]
VALID_SHARE = Annotated[float | None, flag("Share of the rest kept for validation; 0.1, 0 keeps none.", "Data")]
SPLIT = Annotated[int | None, flag("A number: another one divides otherwise.", "Data")]
UNKNOWN = Annotated[str | None, flag("stop (the default), or skip what has a label that is not known.", "Data")]
MAX_BAD = Annotated[float | None, flag("Share of unusable files above which nothing starts; 0.05.", "Data")]
CACHE = Annotated[Path | None, flag("Where decoded data are kept.", "Data")]

# Recordings
PATTERN = Annotated[str | None, flag("How files are named: '{label}_{speaker}_{take}'.", "Recordings")]
TEST_WHERE = Annotated[str | None, flag("What is test data: speaker=theo, or 'take<5'.", "Recordings")]
VALID_WHERE = Annotated[str | None, flag("What is validation data: speaker=lucas.", "Recordings")]
SECONDS = Annotated[float | None, flag("Length of the window that is heard at once.", "Recordings")]
RATE = Annotated[int | None, flag("Samples a second, in Hz.", "Recordings")]
LABELS = Annotated[
    Path | None, flag("A recording's labels in time: a .TextGrid (Praat) or a .txt (Audacity).", "Recordings")
]

# Pictures
SIZE = Annotated[int | None, flag("The side of the picture in pixels.", "Pictures")]
COLOUR = Annotated[str | None, flag("auto, grey or rgb.", "Pictures")]
FIT = Annotated[str | None, flag("crop, stretch or pad to a square.", "Pictures")]

# Boards
MOVE = Annotated[int | None, flag("The position in which move N was played; default: the last.", "Boards")]
PLANES = Annotated[str | None, flag("What a network is shown: all 48 planes, stones, or a matrix.", "Boards")]

# Texts
TEXT_COLUMN = Annotated[str | None, flag("Columns with the text, by name or number: title,body.", "Texts")]
LABEL_COLUMN = Annotated[str | None, flag("The column with the label, by name or number.", "Texts")]
LABEL_LEVEL = Annotated[str | None, flag("coarse or fine: DESC:manner.", "Texts")]
TOKENS = Annotated[str | None, flag("words, characters or bytes.", "Texts")]
MAX_LENGTH = Annotated[int | None, flag("The most tokens of a text; 1024.", "Texts")]
VECTORS = Annotated[Path | None, flag("Word vectors: GloVe, word2vec or fastText.", "Texts")]
