"""Points of a plane in two classes, that a line divides or does not: circle, exclusive or, two Gaussians, spiral.

The shapes are those of the TensorFlow playground (Smilkov et al. 2017, arXiv:1708.03788): coordinates from −6 to 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LABELS = ["blue", "orange"]
RADIUS = 5.0  # of the circle, the spiral and half the side of the square
SIDE = 6.0  # half the side of the plane that is drawn
TURNS = 1.75  # of each arm of the spiral

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Points(NamedTuple):
    """Coordinates (N, 2) and the index of each label."""

    x: Floats
    labels: Ints


def circle(count: int, noise: float, rng: np.random.Generator) -> Points:
    """Blue within half the radius, orange in a ring outside of 0.7 of it; noise moves a point before it is labelled."""
    inside = np.arange(count) % 2 == 0
    radius = RADIUS * np.where(inside, rng.uniform(0, 0.5, count), rng.uniform(0.7, 1, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1)
    moved = x + noise * rng.uniform(-RADIUS, RADIUS, x.shape)
    return Points(x, (np.hypot(*moved.T) >= RADIUS / 2).astype(np.int64))


def xor(count: int, noise: float, rng: np.random.Generator) -> Points:
    """Blue where both coordinates have the same sign; a gap lies along the axes."""
    x = rng.uniform(-RADIUS, RADIUS, (count, 2))
    x += np.where(x > 0, 0.3, -0.3)
    moved = x + noise * rng.uniform(-RADIUS, RADIUS, x.shape)
    return Points(x, (moved.prod(1) < 0).astype(np.int64))


def gaussians(count: int, noise: float, rng: np.random.Generator) -> Points:
    """A Gaussian around (2, 2) and one around (−2, −2); noise widens both."""
    labels = np.arange(count) % 2
    centres = np.where(labels[:, None] == 0, 2.0, -2.0)
    return Points(centres + rng.normal(0, (0.5 + 3.5 * noise / 0.5) ** 0.5, (count, 2)), labels)


def spiral(count: int, noise: float, rng: np.random.Generator) -> Points:
    """Two arms that wind around each other."""
    labels = np.arange(count) % 2
    share = (np.arange(count) // 2 + 0.5) / ((count + 1) // 2)
    angle = TURNS * 2 * np.pi * share + np.pi * labels
    x = (RADIUS * share)[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    return Points(x + noise * rng.uniform(-1, 1, x.shape), labels)


SHAPES: dict[str, Callable[[int, float, np.random.Generator], Points]] = {
    "circle": circle, "xor": xor, "gaussians": gaussians, "spiral": spiral,
}  # fmt: skip


def points(shape: str, count: int, noise: float, seed: int = 0) -> Points:
    """`count` points of a shape; noise is from 0 to 0.5."""
    return SHAPES[shape](count, noise, np.random.default_rng(seed))
