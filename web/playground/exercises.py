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
    to_the_end: bool = False  # whether a start that has succeeded is trained on


class Result(NamedTuple):
    """What the starts of a variant gave."""

    variant: Variant
    losses: list[float]  # of the test points, at the end of each start
    epochs: list[int | None]  # at which each start first reached the goal
    gradients: list[float]  # of each layer's weights after the first epoch, of the median start
    small: float  # median share of the weights below a tenth of their layer's largest, at the end
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

    def details(self) -> str:
        """What the median start looks like inside, in a line."""
        gradients = ", ".join(f"{gradient:.1e}" for gradient in self.gradients)
        text = f"gradient of each layer after an epoch: {gradients}"
        if self.unused:
            text += f"; weights below a tenth of their layer's largest: {self.small:.0%}; unused units: "
            text += ", ".join(map(str, self.unused))
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
    """A question, the networks that answer it, and why the answer is as it is."""

    number: int
    title: str
    question: str
    variants: Sequence[Variant]
    explanation: str


def run(
    domain: Domain, variant: Variant, starts: int, first: int = 0, each: Callable[[], object] = lambda: None
) -> Result:
    """Trains a variant from so many random starts; each ends at its last epoch, or when it has reached the goal.

    `first` is the seed of the first start; `each` is called after each.
    """
    losses, epochs, gradients, small, unused = [], [], [], [], []
    for seed in range(first, first + starts):
        session, reached = Session(domain, variant.setup, seed), None
        for epoch in range(1, variant.epochs + 1):
            session.advance_epochs(1)
            if epoch == 1:
                gradients.append(session.gradients())
            loss = session.losses()["test_loss"]
            if loss < variant.goal and reached is None:
                reached = epoch
                if not variant.to_the_end:
                    break
        losses.append(loss)
        epochs.append(reached)
        small.append(small_share(session))
        unused.append(session.unused_units())
        each()
    middle = sorted(range(starts), key=lambda start: losses[start])[starts // 2]
    return Result(variant, losses, epochs, gradients[middle], median(small), unused[middle])


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
    to_the_end = changes.pop("to_the_end", False)
    return Variant(name, Setup(shape, network, settings=settings, **changes), epochs, goal, to_the_end)


WIDE = {"batch": 30}
DEEP = {"batch": 30, "lr": 0.01}  # for many layers

EXERCISES = [
    Exercise(
        1,
        "Two half-planes",
        "Can a hidden layer of two rectified units separate a disc from the ring around it, or the four quarters?",
        [
            variant("circle, 2 units", "circle", hidden(2, activation="relu"), 60, 0.02),
            variant("exclusive or, 2 units", "xor", hidden(2, activation="relu"), 60, 0.02),
        ],
        "No. Each unit is a half-plane, and two half-planes bound no closed region.",
    ),
    Exercise(
        2,
        "Three half-planes",
        "And three units?",
        [
            variant("circle, 3 units", "circle", hidden(3, activation="relu"), 60, 0.02),
            variant("exclusive or, 3 units", "xor", hidden(3, activation="relu"), 60, 0.02),
        ],
        "Yes, from most starts: three half-planes enclose a region, a triangle with corners.",
    ),
    Exercise(
        3,
        "Sigmoid and tanh",
        "The same three units with sigmoid and with tanh: which is sooner, and what does the boundary look like?",
        [
            variant("sigmoid", "circle", hidden(3, activation="sigmoid"), 150, 0.02),
            variant("tanh", "circle", hidden(3, activation="tanh"), 150, 0.02),
        ],
        "Both separate with a smooth boundary; tanh is sooner, since its gradient is larger and its output centred.",
    ),
    Exercise(
        4,
        "Linear layers",
        "Three units without an activation, and then more layers of them?",
        [
            variant("one layer", "circle", hidden(3), 20, 0.02),
            variant("two layers", "circle", hidden(3, 3), 20, 0.02),
            variant("three layers", "circle", hidden(3, 3, 3), 20, 0.02),
        ],
        "Never: layers of linear maps are one linear map, and its boundary is a line.",
    ),
    Exercise(
        5,
        "The smallest network",
        "What is the smallest network on x₁ and x₂ with a test loss below 0.02? Start it several times.",
        [
            variant("2 units", "circle", hidden(2, activation="relu"), 60, 0.02),
            variant("3 units", "circle", hidden(3, activation="relu"), 60, 0.02),
            variant("4 units", "circle", hidden(4, activation="relu"), 60, 0.02),
        ],
        "Three units. Some starts fail: units that are dead for all points, or a poor minimum.",
    ),
    Exercise(
        6,
        "Other inputs",
        "What is the smallest network where the inputs may be squares, products and sines?",
        [
            variant("circle, x₁² and x₂²", "circle", "dense(classes)", 60, 0.02, inputs="x1^2, x2^2"),
            variant("exclusive or, x₁x₂", "xor", "dense(classes)", 60, 0.02, inputs="x1*x2"),
        ],
        "No hidden layer at all: on the right inputs a line is enough. x₁² + x₂² is the squared radius.",
    ),
    Exercise(
        7,
        "More than needed",
        "Three hidden layers of 6, 6 and 2 rectified units on the circle: what do the weights look like?",
        [
            variant("plain", "circle", hidden(6, 6, 2, activation="relu"), 60, 0.02, to_the_end=True),
            variant(
                "with L1",
                "circle",
                hidden(6, 6, 2, activation="relu"),
                60,
                0.02,
                to_the_end=True,
                settings={"l1": 0.1},
            ),
        ],
        "Many weights are near zero and some units give one value everywhere: more capacity than needed. L1 makes it "
        "plain.",
    ),
    Exercise(
        8,
        "The spiral",
        "On x₁ and x₂, which network reaches a test loss below 0.04 on the spiral, and from how many starts?",
        [
            variant(f"{name} 8, 8, 8", "spiral", hidden(8, 8, 8, activation=name.lower()), 200, 0.04, settings=settings)
            for name, settings in (("ReLU", DEEP), ("tanh", WIDE), ("sigmoid", WIDE))
        ],
        "Rectified units in three layers from about half of the starts, tanh from a quarter. With sigmoid the gradient "
        "shrinks from layer to layer, to a thirtieth at the first one, and no start gets there in 200 epochs.",
    ),
    Exercise(
        9,
        "The spiral with other inputs",
        "With all seven inputs, how small may the network be at the same quality?",
        [
            variant(
                f"tanh {units}",
                "spiral",
                hidden(units, activation="tanh"),
                200,
                0.04,
                inputs=ALL_INPUTS,
                settings=WIDE,
            )
            for units in (4, 6, 8)
        ],
        "One hidden layer, even of 4 units, can do what took three layers on the coordinates alone, but few starts get "
        "there: the loss stays on plateaus.",
    ),
    Exercise(
        10,
        "Six hidden layers",
        "All inputs and six hidden layers of 8: a test loss of 0.01 or better, or why not?",
        [
            variant(
                name,
                "spiral",
                hidden(*[8] * 6, activation=name.lower()),
                150,
                0.01,
                inputs=ALL_INPUTS,
                settings=DEEP,
            )
            for name in ("ReLU", "tanh", "sigmoid")
        ],
        "Hardly a start gets there in 150 epochs. More layers than needed are harder to train, not better; with "
        "sigmoid the gradient of the first layer is less than a hundredth of that of the last.",
    ),
]
