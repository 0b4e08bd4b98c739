"""Recipes of the playground."""

from __future__ import annotations

from ...core.domain import Recipe
from ...core.layer import Layer
from ...core.layers import dense, flatten, tanh

SETTINGS = {"epochs": 100, "batch": 10, "lr": 0.03, "weight_decay": 0.0, "warmup": 0.0, "schedule": "constant"}


def small(classes: int, units: int = 8, layers: int = 2) -> tuple[Layer, ...]:
    return (flatten, *(dense(units), tanh) * layers, dense(classes))


def linear(classes: int) -> tuple[Layer, ...]:
    return (flatten, dense(classes))


RECIPES = {
    "small": Recipe(
        small, "hidden layers of tanh units, as the TensorFlow playground begins with", SETTINGS, input=(2, 1, 1)
    ),
    "linear": Recipe(linear, "logistic regression: no hidden layer", SETTINGS, input=(2, 1, 1)),
}
