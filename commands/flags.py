"""The options that several commands share: the same option has the same name and help in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def flag(help_text: str, panel: str | None = None, *names: str, default: str | bool = False) -> Any:
    """An option whose value is None if it is not given; `default` says in words what is used then."""
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=default)


MODEL = Annotated[
    str,
    typer.Argument(help="A model file, a run folder, or a model by name: go, efficientnet-lite0.", show_default=False),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
QUIET = Annotated[bool, typer.Option("--quiet", help="Print no progress and no remarks.")]
FORCE = Annotated[bool, flag("Replace existing files.", None, "--force")]
SYMMETRIES = Annotated[
    int | None,
    flag(
        "Test-time augmentation: average over this many symmetries or shifts of the input, at most 8 for boards.",
        default="as the model was trained",
    ),
]
ABSTAIN = Annotated[
    str | None,
    flag(
        'Answer "unsure" below a probability, such as 0.8, or below the one that reached an accuracy on the validation '
        "split: accuracy=0.95.",
        default="always answer",
    ),
]
LABEL_SETS = Annotated[
    float | None,
    flag("Also give label sets that hold the true label with this probability: conformal prediction.", default="none"),
]
DEVICE = Annotated[str | None, flag("auto, cpu, cuda, cuda:1 or mps.", default="auto")]

# Training
RECIPE = "by the recipe"
EPOCHS = Annotated[int | None, flag("Passes over the training data.", "Training", default=RECIPE)]
MINUTES = Annotated[
    float | None, flag("Train for about this long: epochs and schedule follow.", "Training", default="by the epochs")
]
BATCH = Annotated[int | None, flag("Batch size.", "Training", default=RECIPE)]
LR = Annotated[float | None, flag("The maximum learning rate.", "Training", default=RECIPE)]
OPTIMISER = Annotated[str | None, flag("adamw, sgd or muon.", "Training", default=RECIPE)]
AUGMENT = Annotated[
    str | None, flag('Data augmentation: "flip, crop(4), rotate(10)", or none.', "Training", default=RECIPE)
]
ADVERSARIAL = Annotated[
    float | None,
    flag(
        "Adversarial training: the size of the perturbation, such as 0.1 of a pixel's range. Takes twice the time.",
        "Training",
        default="0",
    ),
]
SEED = Annotated[int | None, flag("Seed of all random numbers.", "Training", default="0")]
KEEP = Annotated[
    str | None,
    flag(
        "Keep the first N layers of --weights, those up to a layer, or all; cut the others, and add a new head.",
        "Transfer",
        default="all with the same head, if the labels are the same",
    ),
]
FREEZE = Annotated[
    bool, flag("Freeze the kept layers: only the head is trained, on features computed once.", "Transfer", "--freeze")
]
HEAD_FIRST = Annotated[
    bool,
    flag(
        "Solve the head first, then train all layers, the first ones at a lower rate (LP-FT); the default for "
        "efficientnet-lite0.",
        "Transfer",
        "--head-first",
    ),
]
TENSORBOARD = Annotated[
    bool, flag("Write event files for TensorBoard into the run folder.", "Training", "--tensorboard")
]
MLFLOW = Annotated[
    str | None, flag("Log to MLflow: a folder such as mlruns, or the URI of a server.", "Training", "--mlflow")
]
ACCUMULATE = Annotated[
    int | None,
    flag("Batches whose gradients are summed up in a step: gradient accumulation.", "Training", default="1"),
]
BALANCE = Annotated[
    str | None,
    flag(
        "For labels with few examples: loss (weights), sample (drawn more often), logit (logit adjustment) or none.",
        "Training",
        default="none",
    ),
]
REGRESSION_LOSS = Annotated[
    str | None,
    flag("Loss of numbers: huber; squared, which counts outliers more; absolute, less.", "Training", default="huber"),
]
LOSS_WEIGHTS = Annotated[
    str | None, flag('Weights of the losses of several heads: "type=2,price=0.5".', "Training", default="1 each")
]
PATIENCE = Annotated[
    int | None,
    flag(
        "Early stopping: end after this many epochs without a better validation result.",
        "Training",
        default="train all epochs",
    ),
]
THREADS = Annotated[int | None, flag("Threads of the CPU.", "Training", default="as torch chooses")]
PRECISION = Annotated[str | None, flag("auto, float32 or bfloat16.", "Training", default="auto")]
SET = Annotated[
    list[str] | None,
    flag("Any other setting, as in --set smoothing=0.1; a wrong name lists all settings.", "Training", "--set"),
]

# Data
SET_OPTION = Annotated[
    list[str] | None,
    flag("Any other option of the domain, as in --set encoding=cp1252; a wrong name lists them.", "Data", "--set"),
]
TEST = Annotated[str | None, flag("Separate test data.", "Data", default="split from the data")]
VALID = Annotated[str | None, flag("Separate validation data.", "Data", default="split from the data")]
FOLD_BY = Annotated[
    str | None,
    flag(
        "With --folds or --fold, the folds that the data name: by a column, a field of --pattern, or a regular "
        "expression.",
        "Data",
        default="divided here",
    ),
]
GROUP_BY = Annotated[
    str | None,
    flag(
        "Keep groups in one split: by a column, a field of --pattern, or a regular expression.",
        "Data",
        default="no groups",
    ),
]
TEST_SHARE = Annotated[float | None, flag("Share of the data for the test split.", "Data", default="0.15")]
VALID_SHARE = Annotated[
    float | None, flag("Share of the rest for the validation split; 0 for none.", "Data", default="0.1")
]
SPLIT = Annotated[int | None, flag("Seed of the train/validation/test split.", "Data", default="0")]
UNKNOWN = Annotated[str | None, flag("stop at examples with an unknown label, or skip them.", "Data", default="stop")]
EXCLUDE = Annotated[
    Path | None,
    flag("Leave out the examples that a table names, as neocog clean writes it: FILE.csv.", "Data", default="none"),
]
MAX_BAD = Annotated[
    float | None, flag("Share of unusable files above which the command stops.", "Data", default="0.05")
]
CACHE = Annotated[Path | None, flag("Folder for decoded data.", "Data", default="the user's cache folder")]

LABEL_SEPARATOR = Annotated[
    str | None,
    flag(
        "What stands between several labels in a cell: a character, or comma, blank.", "Targets", default="by the data"
    ),
]
LABEL_NAMES = Annotated[
    Path | None, flag("A file with a name in each line, for labels that are numbers from 0.", "Targets", default="none")
]
SPLIT_COLUMN = Annotated[
    str | None,
    flag("The column of a table that says train, validation or test.", "Targets", default="split, part or fold"),
]
FILE_PATH = Annotated[
    str | None,
    flag(
        "The file of a row, by columns of its table: 'images/{id}.jpg'.",
        "Targets",
        "--image-path",
        "--audio-path",
        default="a column of paths",
    ),
]

# Recordings
PATTERN = Annotated[str | None, flag("How files are named: '{label}_{speaker}_{take}'.", "Data", default="by folder")]
TEST_WHERE = Annotated[
    str | None, flag("Condition for test data: speaker=theo, or 'take<5'.", "Recordings", default="a random split")
]
VALID_WHERE = Annotated[
    str | None, flag("Condition for validation data: speaker=lucas.", "Recordings", default="a random split")
]
SECONDS = Annotated[float | None, flag("Length of the input window.", "Recordings", default="by the data")]
RATE = Annotated[int | None, flag("Sampling rate in Hz.", "Recordings", default="by the data")]
LABELS = Annotated[Path | None, flag("Write the labels over time: .TextGrid (Praat) or .txt (Audacity).", "Recordings")]

# Pictures
SIZE = Annotated[
    str | None,
    flag("Side of the picture in pixels, or HEIGHTxWIDTH.", "Pictures", default="by the recipe or the data"),
]
COLOUR = Annotated[str | None, flag("auto, grey or rgb.", "Pictures", default="auto")]
FIT = Annotated[
    str | None,
    flag(
        "crop, stretch or pad to the size; keep the scale of the file.",
        "Pictures",
        default="crop; of pictures with masks keep or pad",
    ),
]

# Boards
MOVE = Annotated[int | None, flag("The position before move N.", "Boards", default="the last move")]
LIKE = Annotated[
    str | None,
    flag("Predict the moves of these players: fox, kgs, tygem, or kgs-5d to kgs-9d.", "Boards", default="all players"),
]
PLANES = Annotated[str | None, flag("Input planes: all (48), stones, or a matrix.", "Boards", default="all")]

# Points
INPUTS = Annotated[
    str | None,
    flag('Inputs of the network: x1, x2, x1^2, x2^2, x1*x2, "sin(x1)", "sin(x2)".', "Points", default="x1, x2"),
]
NOISE = Annotated[float | None, flag("Noise of the points, from 0 to 0.5.", "Points", default="0")]
POINTS = Annotated[int | None, flag("How many points are drawn.", "Points", default="500")]

# Texts
TEXT = Annotated[
    list[str] | None,
    flag("A text itself, even if it looks like a file name; may be repeated.", "Texts", "--text", default="none"),
]
TEXT_COLUMN = Annotated[
    str | None, flag("Columns with the text, by name or number: title,body.", "Texts", default="found by content")
]
TASK = Annotated[
    str | None,
    flag("classify (a label), multilabel (several), regress (numbers) or heads.", "Targets", default="by the data"),
]
LABEL_COLUMN = Annotated[
    list[str] | None,
    flag(
        "The column of a table with the label or the number, by name or position; may be repeated, and say the task: "
        "price:regress.",
        "Targets",
        "--label-column",
        default="found by content",
    ),
]
LABEL_LEVEL = Annotated[str | None, flag("coarse or fine, of labels such as DESC:manner.", "Texts", default="coarse")]
TOKENS = Annotated[str | None, flag("words, characters or bytes.", "Texts", default="words")]
MAX_LENGTH = Annotated[int | None, flag("The maximum number of tokens of a text.", "Texts", default="1024")]
VECTORS = Annotated[
    str | None, flag("Word vectors: a file of GloVe, word2vec or fastText, or glove-50d.", "Texts", default="none")
]
