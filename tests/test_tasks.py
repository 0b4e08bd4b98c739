"""A task other than classification works in every domain; and which epoch is kept."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import neocog
import numpy as np
import pytest
import torch
from neocog.commands.predictions import check_labels
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.data import Data, Examples
from neocog.core.explain.explained import explain
from neocog.core.fit import EpochEnded, Step
from neocog.core.problem import USAGE, Problem
from neocog.core.run import RunFolder, resume
from neocog.core.selection import Selection
from neocog.core.settings import Settings
from neocog.core.tasks import TASKS, Classify, Regress, Task, task_class, task_of
from neocog.core.tasks.task import Chart, Criterion
from neocog.core.train import Epoch
from PIL import Image
from test_contract import MADE, SMALL, input_of
from torch import Tensor
from torch.nn import functional as F

# --- a task of the tests --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ordinal(Task):
    """Predicts the index of the label as a number, in units of its standard deviation, which is the task's state."""

    scale: float = 1.0
    classes: int = 0

    name: ClassVar[str] = "ordinal"
    criterion: ClassVar[Criterion] = Criterion("loss", "squared error")
    batch_metrics: ClassVar[tuple[str, ...]] = ("absolute_error",)
    charts: ClassVar[tuple[Chart, ...]] = (Chart("loss", "Squared error"), Chart("absolute_error", "Absolute error"))

    @classmethod
    def from_data(cls, data: Data) -> "Ordinal":
        return cls(["index"], float(data.train.targets.double().std()), len(data.labels))

    def encode(self, data: Data) -> Data:
        def scaled(part: Examples) -> Examples:
            return replace(part, targets=part.targets.double().div(self.scale).float())

        parts = {name: scaled(part) for name, part in data.splits.items()}
        return replace(data, labels=self.labels, **parts)

    @property
    def known_labels(self) -> list[str]:
        return []

    def state(self) -> dict[str, Any]:
        return {"scale": self.scale, "classes": self.classes}

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.mse_loss(logits[:, 0], targets)

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits[:, 0] - targets).abs().sum()[None]

    def link(self, logits: Tensor) -> Tensor:
        return logits * self.scale

    def example_losses(self, predictions, targets, smoothing=0.0):
        return (predictions[:, 0] - targets * self.scale) ** 2

    def epoch_metrics(self, predictions, targets):
        return {
            "loss": float(self.example_losses(predictions, targets).mean()),
            "absolute_error": float(np.abs(predictions[:, 0] - targets * self.scale).mean()),
        }

    def metrics(self, predictions, targets):
        error = float(np.abs(predictions[:, 0] - targets * self.scale).mean())
        return {"metric": "absolute error", "value": error, "interval": [0.0, 2 * error], "examples": len(targets)}

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        return [{"values": [{"name": "index", "value": value}]} for value in predictions[:, 0].tolist()]

    def default_outputs(self, prediction: Tensor) -> list[int]:
        return [0]

    def headline(self, metrics) -> str:
        return f"absolute error {metrics['value']:.3f}"

    def epoch_text(self, train, valid) -> str:
        return f"squared error {train['loss']:.4f}"

    def row_text(self, row) -> str:
        return f"{row['values'][0]['value']:.2f}"

    def csv_columns(self) -> list[str]:
        return ["index"]

    def csv_cells(self, row) -> list[str]:
        return [f"{row['values'][0]['value']:.3f}"]


@pytest.fixture(autouse=True)
def known_task(monkeypatch):
    monkeypatch.setitem(TASKS, "ordinal", Ordinal)


NETWORKS = SMALL | {"go": "conv(8, 3, pad=1), relu, globalmax, dense(classes)"}


def unchanged(folder: Path) -> Path:
    return folder


def numbered(folder: Path) -> Path:
    """Renames the folders of the classes to numbers."""
    for number, path in zip(("1.5", "20", "-3"), sorted(folder.iterdir()), strict=True):
        path.rename(folder / number)
    return folder


def listed(folder: Path) -> Path:
    """Renames the folders of the classes to lists of labels, of which two share one."""
    for name, path in zip(("a|b", "b", "c"), sorted(folder.iterdir()), strict=True):
        path.rename(folder / name)
    return folder


def tabled(folder: Path) -> Path:
    """A table of the files with their class, and a number that a third of them lack."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    numbers = {path.name: number for number, path in enumerate(sorted(folder.iterdir()))}
    rows = [
        f"{path.relative_to(folder)},{path.parent.name},{numbers[path.parent.name] + k / 100 if k % 3 else ''}"
        for k, path in enumerate(files)
    ]
    (folder / "table.csv").write_text("\n".join(["path,kind,size", *rows]) + "\n")
    return folder / "table.csv"


def masked(folder: Path) -> Path:
    """Pictures of a bright rectangle on noise, with masks of it beside them."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / "pairs" / name).mkdir(parents=True)
    for k in range(30):
        mask = np.zeros((12, 16), np.uint8)
        mask[rng.integers(0, 6) :, rng.integers(0, 8) :] = 1
        pixels = rng.integers(0, 100, mask.shape) + 120 * mask
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "pairs" / "images" / f"{k}.png")
        Image.fromarray(mask).save(folder / "pairs" / "masks" / f"{k}.png")
    return folder / "pairs"


def described(folder: Path) -> Path:
    """Renames the folders of the classes to sentences."""
    for name, path in zip(("A small thing.", "a large thing", "something else"), sorted(folder.iterdir()), strict=True):
        path.rename(folder / name)
    return folder


@dataclass(frozen=True)
class Case:
    """A task in the contract: how the files of a domain get its targets, and what the run and its rows hold."""

    prepared: Callable[[Path], Path]
    domains: tuple[str, ...]
    row: tuple[str, ...]  # the keys of a row of `predict` beside "input"
    metric: str
    chart: str  # the title of a chart in the report
    outputs: list[str]
    columns: tuple[str, ...] = ()
    network: str | None = None  # where those of classification do not do


CASES = {
    "ordinal": Case(unchanged, tuple(neocog.DOMAINS), ("values",), "absolute error", "Squared error", ["index"]),
    "regress": Case(numbered, ("vision", "speech", "text"), ("values",), "mae", "regression loss", ["value"]),
    "multilabel": Case(
        listed, ("vision", "speech", "text"), ("labels", "predictions"), "macro_f1", "F1 of an example", ["a", "b", "c"]
    ),
    "heads": Case(
        tabled,
        ("vision", "speech"),
        ("heads",),
        "improvement",
        "Loss relative to a constant answer",
        [],
        ("kind", "size:regress"),
    ),
    "segment": Case(
        masked,
        ("vision",),
        ("size", "shares", "mask"),
        "mean_iou",
        "Pixel accuracy",
        ["0", "1"],
        network="conv(8, 3, pad=1), relu, parallel((), (maxpool(2), conv(4, 1), upsample(2))), conv(classes, 1)",
    ),
    "caption": Case(
        described,
        ("vision", "speech"),
        ("captions",),
        "cider",
        "Sentences that are exact",
        [],
        network="conv(8, 3), relu, globalmax, dense(16), relu, decoder(classes, words, dim=16)",
    ),
}


@pytest.fixture(params=[(task, domain) for task, case in CASES.items() for domain in case.domains], ids="-".join)
def files(request, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    task, domain = request.param
    return task, domain, CASES[task].prepared(MADE[domain](tmp_path / "files"))


def test_the_contract_covers_every_task():
    # Boxes and events have tests of their own, test_detect.py and test_events.py.
    assert set(CASES) | {"classify", "detect", "events"} == set(TASKS)


def train(task, name, files, out, epochs=6, **arguments):
    return neocog.train(
        name, str(files), network=CASES[task].network or NETWORKS[name], out=str(out), task=task, epochs=epochs,
        batch=8, lr=0.02, label_columns=CASES[task].columns,
        device="cpu", **arguments,
    )  # fmt: skip


def test_a_task_works_in_every_domain_that_it_is_for(files, tmp_path):
    """It trains, is saved, is loaded with its state, evaluates, predicts and explains."""
    task, name, folder = files
    case, losses = CASES[task], []

    def callback(event):
        if isinstance(event, EpochEnded):
            losses.append(event.epoch.train["loss"])

    model = train(task, name, folder, tmp_path / "run", callback=callback)
    assert losses[-1] < losses[0]
    card = checkpoint.card(tmp_path / "run" / "model.safetensors")
    assert card.task == task and (card.labels == case.outputs or task in ("heads", "caption"))
    assert model.task == TASKS[task].from_state(card.labels, card.task_state) and model.task.state() == card.task_state
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["task"], summary["metric"]) == (task, case.metric) and "accuracy" not in summary
    metrics = model.evaluate(str(folder))
    assert metrics["value"] == pytest.approx(summary["value"], rel=1e-4)
    assert metrics["interval"] == pytest.approx(summary["interval"], rel=1e-3)
    example = model.examples(str(folder))[0].names[0]
    (row,) = model.predict([input_of(example)])
    assert list(row) == ["input", *case.row, *(["windows"] if name == "speech" else [])]
    (explanation, *_) = explain(model, [input_of(example)])
    assert explanation.label in card.labels and float(explanation.relevance.abs().sum()) > 0
    assert case.chart in (tmp_path / "run" / "report.html").read_text()
    assert (tmp_path / "run" / "confusion.png").exists() == (task in ("multilabel", "segment"))
    if "windows" in row:
        assert (
            all({"label", "probability"} <= window.keys() for window in row["windows"]) == model.task.windows_have_label
        )
        assert all(model.task.window_text(window) for window in row["windows"])
        refused = "--labels writes a label for each window; this model's task is"
        with nullcontext() if model.task.windows_have_label else pytest.raises(Problem, match=refused):
            check_labels(model, tmp_path / "labels.txt", False)


def test_a_resumed_run_of_a_task_has_the_same_weights(files, tmp_path):
    task, name, folder = files
    train(task, name, folder, tmp_path / "whole", epochs=3)

    def stop(event):
        return isinstance(event, Step) and event.number == 4

    train(task, name, folder, tmp_path / "stopped", epochs=3, callback=stop)
    run = RunFolder(tmp_path / "stopped", resumed=True)
    resume(run, neocog.domain(name), {}, [], toy_world())
    uninterrupted, resumed = (
        checkpoint.read_tensors(path / "state.safetensors") for path in (tmp_path / "whole", tmp_path / "stopped")
    )
    assert uninterrupted.keys() == resumed.keys() and all(
        torch.equal(uninterrupted[key], resumed[key]) for key in uninterrupted
    )
    kept = [checkpoint.read_tensors(tmp_path / run / "model.safetensors") for run in ("whole", "stopped")]
    assert all(torch.equal(kept[0][key], kept[1][key]) for key in kept[0])


def toy_world():
    from neocog.core.device import World

    return World()


def test_attacks_are_for_classification():
    with pytest.raises(Problem, match="attacks are for classification, and this model's task is ordinal"):
        Ordinal(["index"]).attack_loss(torch.zeros(2, 1), torch.zeros(2))


# --- names and old files


def test_an_unknown_task_is_a_problem_with_a_suggestion():
    with pytest.raises(Problem, match=r"clasify is not a task \(did you mean classify\?\)") as problem:
        task_class("clasify")
    assert problem.value.code == USAGE


def test_a_state_that_does_not_fit_the_task_is_a_problem():
    with pytest.raises(Problem, match="the state of the task classify cannot be read"):
        task_of("classify", ["a", "b"], {"temperature": "warm"})


def test_a_card_of_format_1_is_read_as_classification(tmp_path):
    """Older versions wrote "facts", "scores" and the task "class"."""
    card = Card("vision", "flatten, dense(2)", (1, 2, 2), ["a", "b"], {"size": [2, 2]}, metrics={"accuracy": 1.0})
    values = vars(card) | {"task": "class", "format": 1}
    values["facts"], values["scores"] = values.pop("preprocessing"), values.pop("metrics")
    del values["task_state"]
    path = tmp_path / "old.safetensors"
    checkpoint.write_tensors(path, {"1.weight": torch.zeros(2, 4)}, {checkpoint.KEY: json.dumps(values)})
    old = checkpoint.card(path)
    assert (old.task, old.preprocessing, old.metrics) == ("classify", card.preprocessing, card.metrics)


def test_the_packaged_model_is_of_an_older_format_and_loads():
    assert neocog.find("go").card.format == 1
    assert isinstance(neocog.load("go", "cpu").task, Classify)


# --- which epoch is kept

TASK = Classify(["a", "b"])
TARGETS = torch.zeros(400, dtype=torch.int64)


def epoch(number, probabilities):
    """An epoch after which the true label has these probabilities (N,)."""
    predictions = np.stack([probabilities, 1 - probabilities], 1).astype(np.float32)
    return Epoch(number, {"loss": 1.0}, TASK.epoch_metrics(predictions, TARGETS.numpy()), 0.1, 1.0), predictions


def select(epochs, planned=None, **changes):
    """The selection after epochs of these probabilities, the weights of each marked by its number."""
    selection = Selection()
    settings = Settings(epochs=planned or len(epochs), **changes)
    for number, probabilities in enumerate(epochs, 1):
        entry, predictions = epoch(number, probabilities)
        weights = {"w": torch.tensor(float(number))}
        selection.update(TASK, entry, predictions, TARGETS, weights, settings)
    return selection


def noise(mean, spread=0.0, seed=0):
    return (mean + spread * np.random.default_rng(seed).standard_normal(400)).clip(0.01, 0.99)


def test_the_lowest_validation_log_loss_is_kept():
    selection = select([noise(0.6), noise(0.9), noise(0.7)])
    assert selection.epoch == 2 and selection.weights["w"] == 2
    assert selection.reason == f"lowest validation log loss ({-np.log(0.9):.4g})"


def test_only_a_loss_with_label_smoothing_says_so():
    """A regression's loss applies none, whatever the settings of its recipe."""
    settings, targets = Settings(smoothing=0.2), torch.zeros(3, 1)
    epoch = Epoch(1, {}, {"loss": 0.0}, 0.1, 1.0)
    selection = Selection()
    selection.update(Regress(["a"], [0.0], [1.0]), epoch, np.zeros((3, 1)), targets, {}, settings)
    assert selection.reason == "lowest validation regression loss (0)"
    selection = Selection()
    selection.update(Classify(["a", "b"]), epoch, np.full((3, 2), 0.5), targets[:, 0].long(), {}, settings)
    assert selection.reason == "lowest validation log loss (0.6931, with label smoothing)"


def test_the_last_epoch_wins_a_tie_within_noise():
    selection = select([noise(0.8, 0.1, seed=2), noise(0.799, 0.1, seed=1)])
    assert selection.epoch == 2 and selection.weights["w"] == 2
    assert "the last epoch; its validation log loss" in selection.reason
    assert "is within one standard error of the lowest" in selection.reason and "epoch 1)" in selection.reason


def test_an_epoch_that_is_not_the_last_wins_no_tie():
    assert select([noise(0.8, 0.1, seed=2), noise(0.799, 0.1, seed=1)], planned=9).epoch == 1


def test_without_a_decay_of_the_learning_rate_the_last_epoch_wins_no_tie():
    assert select([noise(0.8, 0.1, seed=2), noise(0.799, 0.1, seed=1)], schedule="constant").epoch == 1


def test_the_last_epoch_loses_where_it_is_clearly_worse():
    """The difference is small beside the spread of the losses, but the same for every example."""
    better = noise(0.8, 0.1, seed=1)
    assert select([better, better - 0.005]).epoch == 1


def test_without_validation_the_last_epoch_is_kept_with_that_reason():
    selection = Selection()
    for number in (1, 2):
        entry = Epoch(number, {"loss": 1.0}, {}, 0.1, 1.0)
        assert selection.update(TASK, entry, None, TARGETS[:0], {}, Settings(epochs=2))
    assert (selection.epoch, selection.reason) == (2, "the last epoch; there is no validation split")


def test_losses_have_the_label_smoothing_of_the_training():
    """The mean over the examples is torch's smoothed cross-entropy."""
    rng = np.random.default_rng(0)
    logits, targets = torch.from_numpy(rng.standard_normal((50, 2))), torch.from_numpy(rng.integers(0, 2, 50))
    losses = TASK.example_losses(TASK.link(logits).numpy(), targets.numpy(), 0.2)
    assert losses.mean() == pytest.approx(float(F.cross_entropy(logits, targets, label_smoothing=0.2)))


def test_with_label_smoothing_certainty_costs():
    """An early epoch of 0.95 has the higher log loss, and with smoothing the lower loss than one of 0.99."""
    assert select([noise(0.95), noise(0.985)], planned=9, smoothing=0.2).epoch == 1
    assert select([noise(0.95), noise(0.985)], planned=9).epoch == 2


def test_kept_weights_are_a_copy():
    weights = {"w": torch.zeros(3)}
    selection = Selection()
    entry, predictions = epoch(1, noise(0.8))
    selection.update(TASK, entry, predictions, TARGETS, weights, Settings())
    weights["w"] += 1
    assert selection.weights["w"].sum() == 0


def test_a_criterion_may_be_higher_is_better():
    class Accuracy(Classify):
        criterion = Criterion("accuracy", "accuracy", higher_is_better=True)

    task, selection = Accuracy(["a", "b"]), Selection()
    for number, mean in ((1, 0.4), (2, 0.6), (3, 0.3)):
        entry, predictions = epoch(number, noise(mean))
        selection.update(task, entry, predictions, TARGETS, {}, Settings())
    assert selection.epoch == 2 and selection.reason == "highest validation accuracy (1)"
