"""The ten exercises of the lectures on networks of points, each with its question and a measured answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from ...core.domain import Domain
from .session import Session, Setup

ALL_INPUTS = "x1, x2, x1^2, x2^2, x1*x2, sin(x1), sin(x2)"
ADAM = {"batch": 10, "lr": 0.03}


@dataclass(frozen=True)
class Variant:
    """One network that an exercise trains from several starts."""

    name: str
    setup: Setup
    epochs: int
    goal: float  # test loss below which a start has succeeded


class Result(NamedTuple):
    """What the starts of a variant gave."""

    variant: Variant
    losses: list[float]  # of the test points, at the end of each start
    epochs: list[int | None]  # at which each start first reached the goal
    gradients: list[float]  # of each layer's weights after the first epoch, of the median start
    small: float  # share of the weights below a tenth of their layer's largest, at the end
    unused: list[int]  # units of each hidden layer that give one value, at the end

    @property
    def reached(self) -> int:
        """The number of starts that reached the goal."""
        return sum(epoch is not None for epoch in self.epochs)

    @property
    def epochs_to_goal(self) -> float | None:
        """The median over the starts that reached it."""
        reached = [epoch for epoch in self.epochs if epoch is not None]
        return median(reached) if reached else None

    def text(self) -> str:
        """The result in a line."""
        count, reached = len(self.losses), self.reached
        text = f"{reached} of {count} starts below {self.variant.goal:g}; median test loss {median(self.losses):.3f}"
        if self.epochs_to_goal is not None:
            text += f", reached at epoch {self.epochs_to_goal:g}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        setup = self.variant.setup
        return {
            "name": self.variant.name, "shape": setup.shape, "network": setup.network, "inputs": setup.inputs,
            "goal": self.variant.goal, "starts": len(self.losses), "reached": self.reached,
            "epochs_to_goal": self.epochs_to_goal, "losses": self.losses, "gradients": self.gradients,
            "small_weights": self.small, "unused_units": self.unused,
        }  # fmt: skip


@dataclass(frozen=True)
class Exercise:
    """A question, the networks that answer it, and the answer in words from their results."""

    number: int
    title: str
    question: str
    variants: Sequence[Variant]
    answer: Callable[[Sequence[Result]], str]
    explanation: str


def run(domain: Domain, variant: Variant, starts: int, each: Callable[[], object] = lambda: None) -> Result:
    """Trains a variant from so many random starts; each ends at its last epoch, or after it has reached the goal."""
    losses, epochs, gradients, small, unused = [], [], [], [], []
    for seed in range(starts):
        session, reached = Session(domain, variant.setup, seed), None
        for epoch in range(1, variant.epochs + 1):
            session.advance_epochs(1)
            if epoch == 1:
                gradients.append(session.gradients())
            loss = session.losses()["test_loss"]
            if loss < variant.goal:
                reached = epoch
                break
        losses.append(loss)
        epochs.append(reached)
        small.append(small_share(session))
        unused.append(session.unused_units())
        each()
    middle = sorted(range(starts), key=lambda start: losses[start])[starts // 2]
    return Result(variant, losses, epochs, gradients[middle], small[middle], unused[middle])


def small_share(session: Session) -> float:
    """The share of the weights of hidden layers below a tenth of the largest of their layer."""
    weights = [layer.weight.detach().abs() for layer in session.linears()[:-1]]
    counts = [int((weight < 0.1 * weight.max()).sum()) for weight in weights]
    total = sum(weight.numel() for weight in weights)
    return sum(counts) / total if total else 0.0


def hidden(*units: int, activation: str = "") -> str:
    """The text of a network with hidden layers of so many units."""
    layers = [f"dense({count}), {activation}" if activation else f"dense({count})" for count in units]
    return ", ".join([*layers, "dense(classes)"])


def variant(name: str, shape: str, network: str, epochs: int, goal: float, **changes: Any) -> Variant:
    """A variant with the settings of all exercises."""
    settings = ADAM | changes.pop("settings", {})
    return Variant(name, Setup(shape, network, settings=settings, **changes), epochs, goal)


def shares(results: Sequence[Result]) -> str:
    return "; ".join(f"{result.variant.name}: {result.text()}" for result in results)
