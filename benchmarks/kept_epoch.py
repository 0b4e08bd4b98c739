"""Compares rules for the epoch whose weights a training keeps, by the metrics of these weights on the test split.

    python benchmarks/kept_epoch.py measure DATA OUT [--rows NAME...] [--seeds 0 1 2]
    python benchmarks/kept_epoch.py table OUT

`measure` trains every row with every seed as `neocog train` does, and writes the log-probabilities of the validation
and test examples after each epoch to OUT/ROW-SEED.npz, with OUT/ROW-SEED.json. It skips results that exist, so that it
can be interrupted. DATA is the folder of the data sets.

`table` applies the rules to these files and prints Markdown. It also replays each training through core/selection.py
and reports in how many it keeps the epoch of rule f9.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine
from neocog import domain
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.feed import predict_proba
from neocog.core.fit import EpochEnded, Event, fit
from neocog.core.fit import run as deliver
from neocog.core.model import Model
from neocog.core.plan import Plan
from neocog.core.run import RunFolder, load_data
from neocog.core.selection import Selection
from neocog.core.settings import Settings
from neocog.core.tasks.classify import Classify
from neocog.core.train import Epoch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Array = NDArray[Any]
MIN_PROBABILITY = 1e-12  # as in core/metrics.py


@dataclass(frozen=True)
class Row:
    """A training to measure: the arguments of `neocog train`."""

    domain: str
    data: str  # relative to DATA
    recipe: str | None = None  # None is the domain's default
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # of the domain
    test_share: float | None = None  # for data without an official test split: the seed is that of the split as well


ESC10 = {"pattern": "{label}/{fold}-{clip}-{take}", "test_where": "fold=4"}
FSDD = {"pattern": "{label}_{speaker}_{take}", "test_where": "take<5"}
CONSTANT = {"schedule": "constant"}

ROWS: dict[str, Row] = {
    "sms": Row("text", "text/sms_spam", test_share=0.1),
    "trec": Row("text", "text/trec"),
    "cr": Row("text", "text/cr", test_share=0.1),
    "mpqa": Row("text", "text/mpqa", test_share=0.1),
    "mr": Row("text", "text/mr", test_share=0.1),
    "sst2": Row("text", "text/sst/stsa.binary"),
    "sst5": Row("text", "text/sst/stsa.fine"),
    "commands": Row("speech", "speech/speech-commands-small"),
    "keywords": Row("speech", "speech/keywords"),
    "notes": Row("speech", "sound/orchestra-notes", test_share=0.15),
    "esc10": Row("speech", "sound/esc10", options=ESC10),
    "fsdd": Row("speech", "speech/fsdd", options=FSDD),
    "signs-keras": Row("vision", "vision/sign-digits", "keras-digits"),
    "signs-small": Row("vision", "vision/sign-digits", options={"size": 32}),
    "mnist-keras": Row("vision", "vision/mnist", "keras-digits"),
    "fashion-keras": Row("vision", "vision/fashion-mnist", "keras-digits"),
    # Unfavourable schedules, far too long or constant: the last epoch may be a bad one.
    "long-kim-trec": Row("text", "text/trec", "kim", {"epochs": 12}),
    "long-kim-mr": Row("text", "text/mr", "kim", {"epochs": 12}, test_share=0.1),
    "long-kim-cr": Row("text", "text/cr", "kim", {"epochs": 12}, test_share=0.1),
    "constant-kim-mr": Row("text", "text/mr", "kim", {"epochs": 8, **CONSTANT}, test_share=0.1),
    "constant-signs-keras": Row("vision", "vision/sign-digits", "keras-digits", CONSTANT),
    "constant-notes": Row("speech", "sound/orchestra-notes", settings=CONSTANT, test_share=0.15),
}
UNFAVOURABLE = ("long-", "constant-")


# --- measure ---------------------------------------------------------------------------------------------------------


def log_probabilities(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(probabilities.astype(np.float64).clip(MIN_PROBABILITY)).astype(np.float32)


def measure(data: Path, row: Row, seed: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Trains once. Returns a description, and the log-probabilities (E, N, K) and targets (N,) of each split.

    The validation split is predicted as during training, the test split in float32 as `neocog evaluate` does.
    """
    torch.set_num_threads(1)
    begin = time.process_time()
    split = {} if row.test_share is None else {"test_share": row.test_share, "split": seed}
    spec = DataSpec(str(data / row.data), options=row.options, **split)
    plan = Plan.of(domain(row.domain), spec, row.recipe, changes={**row.settings, "seed": seed})
    curves: dict[str, list[Array]] = {"valid": [], "test": []}
    with tempfile.TemporaryDirectory() as directory:
        folder = RunFolder(f"{directory}/run")

        def predict(event: Event) -> None:
            if isinstance(event, EpochEnded):
                training = folder.training
                weights = {name: tensor.clone() for name, tensor in training.trainer.weights().items()}
                model = Model(training.plan.domain, folder.card({}), weights, "cpu")
                valid = training.data.valid.subsample(training.plan.settings.checked)
                curves["valid"].append(log_probabilities(predict_proba(training.trainer, valid)))
                curves["test"].append(log_probabilities(predict_proba(model, training.data.test)))

        deliver(fit(plan, load_data(plan, World(), None), World(), torch.device("cpu")), [folder, predict])
    training = folder.training
    valid = training.data.valid.subsample(training.plan.settings.checked)
    arrays: dict[str, Array] = {name: np.stack(epochs) for name, epochs in curves.items()}
    arrays |= {"valid_targets": valid.targets.numpy(), "test_targets": training.data.test.targets.numpy()}
    description = {
        "recipe": training.plan.recipe,
        "data": row.data,
        "seed": seed,
        "settings": asdict(training.plan.settings),
        "counts": training.data.counts,
        "test_accuracy": per_example(arrays["test"], arrays["test_targets"])[1].mean(1).tolist(),  # after each epoch
        "cpu_seconds": round(time.process_time() - begin, 1),
        "machine": machine(),
    }
    return description, arrays


def per_example(log_probability: Array, targets: Array) -> tuple[Floats, Floats]:
    """Log-probabilities (E, N, K) -> log losses (E, N) and correctness (E, N), 0 or 1."""
    losses = -log_probability[:, np.arange(len(targets)), targets].astype(np.float64)
    correct = (log_probability.argmax(2) == targets).astype(np.float64)
    return losses, correct


# --- rules -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curves:
    """The input of a rule: the validation examples after each of E epochs, and the settings of the training."""

    log_probability: Array  # (E, N, K)
    targets: Array  # (N,)
    smoothing: float  # of the labels
    schedule: str  # of the learning rate

    @cached_property
    def losses(self) -> Floats:
        return per_example(self.log_probability, self.targets)[0]

    @cached_property
    def errors(self) -> Floats:
        return 1 - per_example(self.log_probability, self.targets)[1]

    @cached_property
    def smoothed(self) -> Floats:
        """(E, N) losses with the label smoothing of the training."""
        uniform = -self.log_probability.mean(2, dtype=np.float64)
        return (1 - self.smoothing) * self.losses + self.smoothing * uniform


def lowest(values: Floats) -> int:
    """The epoch with the lowest mean of `values` (E, N), the latest on ties."""
    means = values.mean(1)
    return len(means) - 1 - int(means[::-1].argmin())


def last_within(tolerance: float, values: Floats) -> int:
    """The last epoch, if its mean is at most `tolerance` paired standard errors above the lowest; else the lowest."""
    best = lowest(values)
    difference = values[-1] - values[best]
    standard_error = difference.std(ddof=1) / math.sqrt(len(difference))
    return len(values) - 1 if difference.mean() <= tolerance * standard_error else best


Rule = Callable[[Curves], int]  # the index of the kept epoch

RULES: dict[str, tuple[str, Rule]] = {
    "a": ("highest accuracy, latest on ties", lambda curves: lowest(curves.errors)),
    "b": ("lowest log loss", lambda curves: lowest(curves.losses)),
    "c": ("last epoch", lambda curves: len(curves.log_probability) - 1),
    "d": ("b, but the last epoch if within 1 SE", lambda curves: last_within(1, curves.losses)),
    "d2": ("b, but the last epoch if within 2 SE", lambda curves: last_within(2, curves.losses)),
    "e": ("a, but the last epoch if within 1 SE", lambda curves: last_within(1, curves.errors)),
    "f5": ("lowest loss with the label smoothing of the training", lambda curves: lowest(curves.smoothed)),
    "f9": (
        "f5, but the last epoch if within 1 SE, unless the schedule is constant",
        lambda curves: last_within(0 if curves.schedule == "constant" else 1, curves.smoothed),
    ),
}


def selected(curves: Curves, settings: Settings) -> int:
    """The index of the epoch that core/selection.py keeps."""
    selection, task = Selection(), Classify([str(index) for index in range(curves.log_probability.shape[2])])
    for number, probabilities in enumerate(np.exp(curves.log_probability), 1):
        epoch = Epoch(number, {}, task.epoch_metrics(probabilities, curves.targets), 0.0, 0.0)
        selection.update(task, epoch, probabilities, torch.from_numpy(curves.targets), {}, settings)
    return selection.epoch - 1


# --- table -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """A measured training and the epoch that each rule keeps."""

    row: str
    description: dict[str, Any]
    kept: dict[str, int]  # rule -> index of the epoch
    agrees: bool  # whether core/selection.py keeps the epoch of rule f9
    accuracy: Floats  # (E,) on the test split, in per cent
    log_loss: Floats  # (E,)
    scaled_log_loss: Floats  # (E,) at the temperature that is best for the test split

    def metric(self, name: str, rule: str) -> float:
        """A test metric of the epoch that the rule keeps; the oracle keeps the best one."""
        values: Floats = getattr(self, name)
        if rule == "oracle":
            return float(values.max() if name == "accuracy" else values.min())
        return float(values[self.kept[rule]])


def read(folder: Path) -> Iterator[Result]:
    """Yields the results in a folder, those of a row in the order of their seeds."""
    for path in sorted(folder.glob("*.json")):
        description, arrays = json.loads(path.read_text()), np.load(path.with_suffix(".npz"))
        settings = Settings().changed(description["settings"])
        curves = Curves(arrays["valid"], arrays["valid_targets"], settings.smoothing, settings.schedule)
        kept = {key: rule(curves) for key, (_, rule) in RULES.items()}
        agrees = selected(curves, settings) == kept["f9"]
        losses, correct = per_example(arrays["test"], arrays["test_targets"])
        scaled = np.array([best_temperature_loss(epoch, arrays["test_targets"]) for epoch in arrays["test"]])
        yield Result(
            path.stem.rpartition("-")[0], description, kept, agrees, 100 * correct.mean(1), losses.mean(1), scaled
        )


def best_temperature_loss(log_probability: Array, targets: Array) -> float:
    """The mean log loss of an epoch (N, K) after temperature scaling (Guo et al. 2017), fitted to the same examples."""
    means = []
    for temperature in np.geomspace(0.25, 8, 41):
        scaled = torch.from_numpy(log_probability.astype(np.float64) / temperature).log_softmax(1).numpy()
        means.append(-scaled[np.arange(len(targets)), targets].mean())
    return float(min(means))


METRICS = {"accuracy": 2, "log_loss": 4, "scaled_log_loss": 4}  # name -> digits
Groups = dict[str, list[Result]]  # by row


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


def print_header(title: str, *cells: str) -> None:
    print(f"\n{title}:\n")
    print_row(*cells)
    print("|" + "---|" * len(cells))


def print_tables(results: list[Result]) -> None:
    minutes = sum(result.description["cpu_seconds"] for result in results) / 60
    agreements = sum(result.agrees for result in results)
    print(f"{len(results)} trainings, {minutes:.0f} CPU minutes.")
    print(f"core/selection.py keeps the epoch of rule f9 in {agreements} of them.\n\nRules:\n")
    for key, (text, _) in RULES.items():
        print(f"- {key}: {text}")
    groups = {name: group for name in ROWS if (group := [result for result in results if result.row == name])}
    unfavourable = [name for name in groups if name.startswith(UNFAVOURABLE)]
    default = [name for name in groups if name not in unfavourable]
    smoothed = [name for name in default if groups[name][0].description["settings"]["smoothing"]]
    print_means("Default schedules", groups, default)
    print_means("Default schedules, without label smoothing", groups, [n for n in default if n not in smoothed])
    print_means("Default schedules, with label smoothing", groups, smoothed)
    print_means("Long or constant schedules", groups, unfavourable)
    for metric, digits in METRICS.items():
        print_header(f"Test {metric}, mean ± standard deviation over seeds", "row", "seeds", *RULES, "oracle")
        for name, group in groups.items():
            cells = []
            for rule in (*RULES, "oracle"):
                values = [result.metric(metric, rule) for result in group]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                cells.append(f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}")
            print_row(name, str(len(group)), *cells)
    print_header("Kept epochs, in the order of the seeds", "row", "of", *RULES)
    for name, group in groups.items():
        cells = [", ".join(str(result.kept[rule] + 1) for result in group) for rule in RULES]
        print_row(name, str(group[0].description["settings"]["epochs"]), *cells)


def print_means(title: str, groups: Groups, names: list[str]) -> None:
    """Means over rows of equal weight, and differences to rule a with the standard error that comes from the seeds."""
    if not names:
        return
    columns = [column for metric in METRICS for column in (metric, "difference to a")]
    runs = sum(len(groups[name]) for name in names)
    print_header(f"{title} ({len(names)} rows, {runs} trainings)", "rule", *columns)
    for rule in (*RULES, "oracle"):
        cells = []
        for metric, digits in METRICS.items():
            means, differences, variances = [], [], []
            for name in names:
                values = np.array([result.metric(metric, rule) for result in groups[name]])
                difference = values - [result.metric(metric, "a") for result in groups[name]]
                means.append(values.mean())
                differences.append(difference.mean())
                variances.append(difference.var(ddof=1) / len(difference) if len(difference) > 1 else 0.0)
            error = math.sqrt(sum(variances)) / len(names)
            cells.append(f"{np.mean(means):.{digits}f}")
            cells.append(f"{np.mean(differences):+.{digits}f} ± {error:.{digits}f}")
        print_row(rule, *cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measure_parser = commands.add_parser("measure")
    measure_parser.add_argument("data", type=Path)
    measure_parser.add_argument("out", type=Path)
    measure_parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    measure_parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    commands.add_parser("table").add_argument("out", type=Path)
    options = parser.parse_args()
    if options.command == "table":
        print_tables(list(read(options.out)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.rows:
        for seed in options.seeds:
            path = options.out / f"{name}-{seed}.json"
            if path.exists():
                continue
            description, arrays = measure(options.data, ROWS[name], seed)
            np.savez_compressed(path.with_suffix(".npz"), **arrays)
            path.write_text(json.dumps(description, indent=1) + "\n")
            accuracy, seconds = description["test_accuracy"][-1], description["cpu_seconds"]
            print(f"{name} seed {seed}: {accuracy:.2%} after the last epoch, {seconds:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
