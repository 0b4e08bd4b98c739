"""A training on points that is watched: advanced by steps or epochs, with what the network computes everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...core.data import DataSpec
from ...core.domain import Domain
from ...core.feed import predict_proba
from ...core.fit import Begun, Event, Step, Training, fit
from ...core.plan import Plan
from ...core.train import batches
from .features import UNIT
from .metrics import squared_error
from .points import SIDE

MOST_EPOCHS = 100_000
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Setup:
    """What is trained on what: everything that a person sets."""

    shape: str
    network: str
    inputs: str = "x1, x2"
    noise: float = 0.0
    points: int = 500
    test_share: float = 0.5
    settings: Mapping[str, Any] = field(default_factory=dict)  # of training, where they differ from the domain's

    def plan(self, domain: Domain, seed: int) -> Plan:
        options = {"inputs": self.inputs, "noise": self.noise, "points": self.points}
        source = DataSpec(self.shape, test_share=self.test_share, valid_share=0, options=options)
        changes = {"epochs": MOST_EPOCHS, "device": "cpu", "precision": "float32"} | dict(self.settings)
        return Plan.of(domain, source, network=self.network, changes={**changes, "seed": seed})


class UnitUpdate(NamedTuple):
    """The update of one unit by one example: w′ = w + η · δ · f′(e) · x, as back-propagation writes it."""

    inputs: list[float]  # x
    sum: float  # e = w · x + b
    slope: float  # f′(e)
    delta: float  # δ: minus the derivative of the loss by the unit's output f(e)
    before: list[float]  # w
    after: list[float]  # w′
    bias: tuple[float, float]  # before and after


class Trace(NamedTuple):
    """One step of gradient descent on one example."""

    point: list[float]
    label: str
    probabilities: list[float]  # of the labels, before the step
    rate: float  # η
    layers: list[list[UnitUpdate]]


class Session:
    """A network in training. Raises Problem, as training does, for a network or settings that do not fit."""

    def __init__(self, domain: Domain, setup: Setup, seed: int = 0) -> None:
        plan = setup.plan(domain, seed)
        self.setup = setup
        self.data = domain.load(plan.source, None, None)
        self.events: Iterator[Event] = fit(plan, self.data, device=torch.device("cpu"))
        first = next(self.events)
        assert isinstance(first, Begun)
        self.training: Training = first.training
        self.steps_per_epoch = len(self._order(0))

    def _order(self, epoch: int) -> tuple[Tensor, ...]:
        settings = self.training.plan.settings
        return batches(len(self.data.train), settings.step_size, settings.seed, epoch, None)

    @property
    def step_number(self) -> int:
        return self.training.trainer.number

    @property
    def epoch(self) -> float:
        return self.step_number / self.steps_per_epoch

    def advance(self, steps: int) -> None:
        """Trains for so many steps."""
        while steps > 0:
            if isinstance(next(self.events), Step):
                steps -= 1

    def advance_epochs(self, epochs: int) -> None:
        self.advance(epochs * self.steps_per_epoch)

    # --- what the network computes

    def losses(self) -> dict[str, float]:
        """The squared error and the accuracy on the training and the test points."""
        result = {}
        for name, examples in (("train", self.data.train), ("test", self.data.test)):
            probabilities = predict_proba(self.training.trainer, examples)
            targets = examples.targets.numpy()
            result[f"{name}_loss"] = squared_error(probabilities, targets)
            result[f"{name}_accuracy"] = float((probabilities.argmax(1) == targets).mean())
        return result

    def surfaces(self, size: int) -> list[Floats]:
        """What every unit gives over the plane: for each layer with units, (U, size, size), from the top left corner.

        Of hidden units what follows the activation; of the last layer the probabilities.
        """
        points = plane(size)
        with self.training.trainer.inference():
            outputs = self._outputs(self.training.trainer.frontend(points))
        return [values.numpy().T.reshape(-1, size, size) for values in outputs]

    def inputs(self, size: int) -> Floats:
        """What each input of the network is over the plane: (F, size, size)."""
        values: Floats = self.training.trainer.frontend(plane(size))[:, :, 0, 0].numpy().T
        return values.reshape(-1, size, size)

    def _outputs(self, maps: Tensor) -> list[Tensor]:
        """(B, U) what each layer with units gives, behind its activation; the last one behind the softmax."""
        outputs: list[Tensor] = []
        x = maps
        for layer in self.training.trainer.network.children():
            x = layer(x)
            if isinstance(layer, nn.Linear):
                outputs.append(x)
            elif outputs:
                outputs[-1] = x
        outputs[-1] = self.training.task.link(outputs[-1].float())
        return outputs

    def linears(self) -> list[nn.Linear]:
        return [layer for layer in self.training.trainer.network.children() if isinstance(layer, nn.Linear)]

    def gradients(self) -> list[float]:
        """The root mean square of the gradient of each layer's weights, over the whole training set."""
        trainer, examples = self.training.trainer, self.data.train
        logits = trainer.network(trainer.frontend(examples.inputs))
        loss = self.training.task.loss(logits, examples.targets)
        weights = [layer.weight for layer in self.linears()]
        return [float(gradient.square().mean().sqrt()) for gradient in torch.autograd.grad(loss, weights)]

    def unused_units(self, share: float = 0.99) -> list[int]:
        """How many units of each hidden layer give the same value for nearly all training points."""
        with self.training.trainer.inference():
            outputs = self._outputs(self.training.trainer.frontend(self.data.train.inputs))[:-1]
        return [int(((x - x.median(0).values).abs() < 1e-4).float().mean(0).ge(share).sum()) for x in outputs]

    # --- one step

    def trace(self) -> Trace:
        """Makes one step and says what it did to every unit; for steps of one example by plain gradient descent."""
        trainer = self.training.trainer
        epoch, index = divmod(trainer.number, self.steps_per_epoch)
        row = self._order(epoch)[index]
        assert len(row) == 1, "a trace is of one example"
        linears = self.linears()
        before = [(layer.weight.detach().clone(), layer.bias.detach().clone()) for layer in linears]
        point, target = self.data.train[row]
        probabilities, parts = self._backward(trainer.frontend(point), target)
        self.advance(1)
        layers = []
        for layer, (weight, bias), part in zip(linears, before, parts, strict=True):
            after, bias_after = layer.weight.detach(), layer.bias.detach()
            layers.append(
                [
                    UnitUpdate(
                        part.inputs.tolist(),
                        float(part.sums[unit]),
                        float(part.slopes[unit]),
                        float(part.deltas[unit]),
                        weight[unit].tolist(),
                        after[unit].tolist(),
                        (float(bias[unit]), float(bias_after[unit])),
                    )
                    for unit in range(len(weight))
                ]
            )
        rate = float(trainer.optimiser.param_groups[0]["lr"])
        label = self.data.labels[int(target)]
        return Trace((point[0].double() * UNIT).tolist(), label, probabilities, rate, layers)

    def _backward(self, maps: Tensor, target: Tensor) -> tuple[list[float], list[Backward]]:
        """The probabilities, and what reaches each layer with units."""
        x, parts = maps, []
        for layer in self.training.trainer.network.children():
            before, x = x, layer(x)
            if isinstance(layer, nn.Linear):
                parts.append(_Layer(before, x, x, []))
            elif parts:
                parts[-1] = parts[-1]._replace(outputs=x, activation=[*parts[-1].activation, layer])
        for part in parts:
            part.sums.retain_grad()
            part.outputs.retain_grad()
        self.training.task.loss(x, target).backward()
        return self.training.task.link(x.detach())[0].tolist(), [part.backward() for part in parts]


class Backward(NamedTuple):
    """What reaches a layer of U units with D inputs, for one example."""

    inputs: Tensor  # (D,) x
    sums: Tensor  # (U,) e
    slopes: Tensor  # (U,) f'(e)
    deltas: Tensor  # (U,) minus the derivative of the loss by f(e)


class _Layer(NamedTuple):
    inputs: Tensor
    sums: Tensor
    outputs: Tensor
    activation: list[nn.Module]

    def backward(self) -> Backward:
        assert self.sums.grad is not None and self.outputs.grad is not None
        if self.outputs.shape != self.sums.shape:  # maxout, which has several sums for an output
            slopes, deltas = torch.ones_like(self.sums[0]), -self.sums.grad[0]
        else:
            sums = self.sums.detach().requires_grad_()
            outputs = sums
            for layer in self.activation:
                outputs = layer(outputs)
            slopes, deltas = torch.autograd.grad(outputs.sum(), sums)[0][0], -self.outputs.grad[0]
        return Backward(self.inputs.detach()[0], self.sums.detach()[0], slopes, deltas)


def plane(size: int) -> Tensor:
    """(size², 2) compact points of a grid over the plane, row by row from the top left corner."""
    ticks = torch.linspace(-SIDE, SIDE, size)
    y, x = torch.meshgrid(-ticks, ticks, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2).div(UNIT).round().to(torch.int16)
