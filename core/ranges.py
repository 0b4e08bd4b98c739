"""The ranges of the numbers that users set, by name: one table for the command line, settings files and Python.

A name that means something else in one domain or command has its range there under `DOMAIN.name` or `COMMAND.name`: the
`size` of a picture is no `size` of a board.
"""

from __future__ import annotations

from .problem import USAGE, Problem, shortened

LARGEST = 1e9  # of a number without an entry in the table
RANGES: dict[str, tuple[float, float]] = {
    # training (core/settings.py)
    "epochs": (1, 1e6), "batch": (1, 1e7), "examples": (0, 1e12), "checked": (0, 1e12), "lr": (1e-12, 1e6),
    "adam_lr": (1e-12, 1e6), "momentum": (0, 0.9999), "weight_decay": (0, 1e3), "l1": (0, 1e3), "warmup": (0, 0.9),
    "smoothing": (0, 0.9), "dice": (0, 1), "average": (0, 0.999999), "clip": (0, 1e9), "max_norm": (0, 1e9),
    "adversarial": (0, 1e3),
    "seed": (0, 2**62), "minutes": (0.01, 1e6), "frozen": (0, 10_000), "rbm": (0, 10_000), "lr_first": (1e-6, 1),
    "accumulate": (1, 10_000), "patience": (0, 1e6), "threads": (0, 4096),
    # data
    "test_share": (0, 0.9), "valid_share": (0, 0.9), "max_bad": (0, 1), "split": (0, 2**62), "folds": (2, 1000),
    # feature visualisation and attacks: more steps take days, a wider blur than a picture fills the memory
    "steps": (1, 1e6), "penalty": (0, 1e9), "variation": (0, 1e9), "jitter": (0, 10_000), "blur": (0, 1000),
    "octaves": (1, 100), "strength": (0, 1e9),
    # export: the operator sets of torch's exporter
    "opset": (18, 23),
    # the web server: megabytes, requests
    "port": (0, 65_535), "max_body": (0.001, 2000), "queue": (1, 1e6),
    # options of domains: pixels of a side; Hz, seconds, milliseconds of frame and hop; tokens, more fill the memory
    "vision.size": (1, 4096),
    "speech.rate": (1000, 192_000), "speech.seconds": (0.05, 600), "speech.bands": (4, 256), "speech.frame": (2, 500),
    "speech.hop": (1, 500),
    "text.max_length": (1, 1_000_000), "text.length": (1, 1_000_000), "text.min_count": (1, 1_000_000),
    "playground.noise": (0, 0.5), "playground.points": (10, 100_000), "playground.starts": (1, 1000),
    "tune.trials": (1, 1e6), "tune.workers": (1, 256),
    # pictures that dream and style write: pixels of the longer side
    "dream.size": (16, 4096), "style.size": (16, 4096), "dream.rate": (0, 1e9),
    # Go
    "komi": (-1000, 1000), "timeout": (0.01, 1e6),
}  # fmt: skip


def name_in(owner: str, name: str) -> str:
    """The entry of a name in a domain or a command: `vision.size` if that has a range of its own, else `size`."""
    return f"{owner}.{name}" if f"{owner}.{name}" in RANGES else name


def check_range(name: str, value: float, title: str | None = None) -> None:
    """Raises Problem unless a number is in the range of its name; NaN is in none. `title` stands for the name."""
    low, high = RANGES.get(name, (-LARGEST, LARGEST))
    if not low <= value <= high:
        number = f"{value:g}" if isinstance(value, float) or abs(value) < 1e15 else shortened(str(value), 30)
        raise Problem(f"{title or name.rpartition('.')[2]} is from {low:g} to {high:g}; got {number}", USAGE)
