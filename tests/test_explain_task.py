"""Explanations, feature visualisation and attacks of a task that is not classification, and of missing capabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import neocog
import numpy as np
import pytest
import torch
import toy
from neocog.cli import app
from neocog.core import tasks
from neocog.core.checkpoint import Card
from neocog.core.domain import Domain
from neocog.core.explain import explained, render, report_examples
from neocog.core.explain.capability import Explainable, FilterImages
from neocog.core.explain.methods import METHODS
from neocog.core.imagine import series
from neocog.core.imagine.capability import Imaginable
from neocog.core.imagine.show import sheet_of
from neocog.core.inputs import FileInput
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.core.problem import USAGE, Problem
from neocog.core.robust.attack import Attack, check_task, curve
from neocog.core.robust.card import card
from neocog.core.tasks.task import Criterion, Task
from neocog.vision.imagine import parameterize
from PIL import Image
from test_attack import PIXELS
from torch import Tensor
from typer.testing import CliRunner

NETWORK = "conv(4, 3), relu, conv(5, 2), relu, maxpool(2), flatten, dense(2)"
GREY = {"size": [8, 8], "colour": "grey", "fit": "crop", "mean": [0.1], "std": [0.3], "scale": 255}
SCALE, OFFSET = 10.0, 3.0


@dataclass(frozen=True)
class Regression(Task):
    """Numbers y = SCALE·logit + OFFSET, for these tests."""

    name: ClassVar[str] = "regression"
    criterion: ClassVar[Criterion] = Criterion("loss", "squared error")

    @classmethod
    def from_data(cls, data: Any) -> Self:
        return cls(data.labels)

    def encode(self, data: Any) -> Any:
        return data

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return (self.link(logits) - targets).square().mean()

    def link(self, logits: Tensor) -> Tensor:
        return SCALE * logits + OFFSET

    def scalars(self, logits: Tensor) -> Tensor:
        return self.link(logits)

    def example_losses(self, predictions: Any, targets: Any) -> Any:
        return np.square(predictions - targets).mean(1)

    def epoch_metrics(self, predictions: Any, targets: Any) -> dict[str, float]:
        return {"loss": float(self.example_losses(predictions, targets).mean())}

    def metrics(self, predictions: Any, targets: Any) -> dict[str, Any]:
        return {"metric": "loss", "value": 0.0, "interval": [0.0, 0.0], "examples": len(targets)}

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        return [{"values": values} for values in predictions.tolist()]

    def default_outputs(self, prediction: Tensor) -> list[int]:
        return list(range(len(self.labels)))

    def headline(self, metrics: Mapping[str, Any]) -> str:
        return ""

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        return ""

    def row_text(self, row: Mapping[str, Any]) -> str:
        return ""

    def csv_columns(self) -> list[str]:
        return []

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        return []


def picture(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Any = None) -> Image.Image:
    return Image.fromarray(inputs[0].numpy())


def with_capabilities(*capabilities: Any) -> Domain:
    return replace(toy.DOMAIN, capabilities=capabilities, show=picture)


@pytest.fixture
def model(monkeypatch) -> Model:
    """A model with two numbers for each picture, of random weights."""
    monkeypatch.setitem(tasks.TASKS, "regression", Regression)
    trainer = toy.trainer(network=NETWORK.replace("dense(2)", "dense(3)"))
    weights = {
        name: value[:2] if name.startswith("6.") else value for name, value in trainer.network.state_dict().items()
    }
    imaginable = Imaginable(lambda preprocessing, frontend: parameterize(GREY, _Buffers(frontend)))
    domain = with_capabilities(Explainable(), FilterImages(), imaginable)
    card = Card("toy", NETWORK, (1, 8, 8), ["width", "height"], GREY, task="regression")
    return Model(domain, card, weights, "cpu")


class _Buffers(torch.nn.Module):
    """The toy frontend with a buffer, from which a parameterization takes its device."""

    def __init__(self, frontend: torch.nn.Module) -> None:
        super().__init__()
        self.frontend = frontend
        self.register_buffer("zero", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.frontend(x)


@pytest.mark.parametrize("check", [False, True])
def test_every_output_of_a_regression_is_explained_by_every_method(model, check):
    """The score is the predicted number, which JSON has as `value`, and the curves end at it."""
    explanations = list(explained.explain(model, [FileInput("1")], "all", check=check))
    assert [(entry.label, entry.method.name) for entry in explanations] == [
        (label, method) for label in ("width", "height") for method in METHODS
    ]
    with torch.no_grad():
        numbers = SCALE * model.logits(toy.examples(3).inputs[1][None])[0] + OFFSET
    for entry in explanations:
        number = float(numbers[model.labels.index(entry.label)])
        assert entry.value == pytest.approx(number, rel=1e-4) and entry.score == pytest.approx(number, rel=1e-4)
        row = entry.to_dict()
        assert row["value"] == entry.value and "probability" not in row
        assert row["deletion_curve"][0] == pytest.approx(number, rel=1e-4)
        assert row["insertion_curve"][-1] == pytest.approx(number, rel=1e-4)
    assert "mean value while positions are removed" in render.legend(explanations)[0]
    assert f"{explanations[0].value:.4g}" in render.page(explanations)


def test_the_relevance_of_a_regression_is_that_of_its_number(model):
    """The gradient is SCALE times that of the logit, and deeplift adds up to the difference from the baseline."""
    subject, _ = explained.subject_of(model, toy.examples(3).inputs[1])
    plain = replace(subject, task=explained.Subject(subject.network, subject.module, subject.maps, subject.maps).task)
    target = torch.tensor([1])
    for name in ("saliency", "gradient-input", "lrp", "deeplift", "gradcam", "occlusion"):
        ours, logit = (METHODS[name].compute(value, target) for value in (subject, plain))
        torch.testing.assert_close(ours, SCALE * logit, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        difference = (subject.outputs(subject.maps) - subject.outputs(subject.baseline))[0, 1]
    assert float(METHODS["deeplift"].compute(subject, target).sum()) == pytest.approx(float(difference), rel=1e-3)


def test_inputs_are_imagined_for_the_outputs_of_a_regression(model):
    result = series.of_labels(model, [], {"steps": 5}, None)
    assert [entry.target for entry in result.rows[0].inputs] == ["width", "height"] and result.noise is None
    entry = result.to_dict()["rows"][0]["inputs"][1]
    assert "probability" not in entry and entry["value"] == pytest.approx(entry["activation"], rel=1e-4)
    assert sheet_of(model, result).panels[0].caption.startswith("width: ")
    assert "the label's value" in sheet_of(model, result).note


def test_the_report_of_another_task_shows_what_the_task_calls_mistakes(model):
    examples = toy.examples(4)
    predictions = np.zeros((4, 2), np.float32)
    assert report_examples.report_examples(model, examples, predictions)["answers"] == []


def test_attacks_and_cards_are_for_classification(model):
    message = "attack is for classification, masks and boxes; the task of this model is regression"
    for function in (
        lambda: check_task(model),
        lambda: curve(model, toy.examples(3), Attack(PIXELS), [0.0]),
        lambda: card(model, toy.examples(3), {}),
    ):
        with pytest.raises(Problem, match=message) as problem:
            function()
        assert problem.value.code == USAGE


# --- missing capabilities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explain", "0"), "explain is not for toy"),
        (("filters",), "filters is not for toy"),
        (("imagine",), "imagine is not for toy"),
        (
            ("attack", "data"),
            "inputs of toy cannot be perturbed by a small amount, so there is no gradient to",
        ),
    ],
)
def test_a_missing_capability_is_reported_by_its_command(monkeypatch, tmp_path, arguments, message):
    """In a domain that has none of them, before anything is read or written."""
    monkeypatch.chdir(tmp_path)
    card = Card("toy", NETWORK, (1, 8, 8), ["a", "b"], GREY)
    weights = Network((1, 8, 8), parse(NETWORK)).module().state_dict()
    monkeypatch.setattr(neocog, "load", lambda *arguments: Model(with_capabilities(), card, weights, "cpu"))
    result = CliRunner().invoke(app, [arguments[0], "model", *arguments[1:]])
    assert isinstance(result.exception, Problem) and str(result.exception).startswith(message)
    assert result.exception.code == USAGE and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command", ["explain", "filters", "imagine", "dream", "style", "attack", "train", "predict", "evaluate", "describe"]
)
def test_help_shows_no_type_of_flags(command):
    text = CliRunner().invoke(app, [command, "--help"], terminal_width=200, env={"COLUMNS": "200"}).stdout
    assert "<bool>" not in text and "--json" in text and "--help" in text


@pytest.mark.parametrize("command", ["explain", "filters", "imagine", "dream", "style", "attack"])
def test_help_shows_the_default_of_every_option(command):
    """Of every option with a value, except those that only ask for more output when given."""
    import typer

    group = typer.main.get_command(app)
    extra = {"out", "listen", "maps", "top", "against", "weights"}
    context = group.make_context("neocog", ["--help"], resilient_parsing=True)
    for parameter in group.get_command(context, command).params:
        if parameter.param_type_name == "option" and not parameter.is_bool_flag and parameter.name not in extra:
            assert parameter.show_default not in (False, None) and (
                isinstance(parameter.show_default, str) or parameter.default is not None
            ), parameter.name
