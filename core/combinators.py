"""The words that hold others: sequences of words, each fed with the same input, whose outputs are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from . import modules
from .layer import (
    Field,
    Layer,
    Layers,
    Padding,
    Shape,
    behind,
    cost,
    seen,
    sequence,
    spelt,
    through,
    widest,
)
from .problem import Problem


def _layers(word: str, given: Any) -> Layers:
    told: Layers = given if isinstance(given, tuple) else (given,)
    for each in told:
        if not isinstance(each, Layer):
            raise Problem(f"{word}: takes layers, got {spelt(each)}")
    return told


def _text(layers: Layers) -> str:
    return "(" + ", ".join(map(str, layers)) + ("," if len(layers) == 1 else "") + ")"


class Combinator(Layer):
    """A word that holds sequences of words, each fed with the same input."""

    def macs(self, shape: Shape) -> int:
        return sum(cost(layers, shape) for layers in self.inside())

    def see(self, shape: Shape, field: Field) -> Field:
        return widest([seen(layers, shape, field) for layers in self.inside()])

    def behind(self, padding: Padding) -> Padding | None:
        after = [behind(layers, padding) for layers in self.inside()]
        if "gone" in after:
            return "gone" if set(after) == {"gone"} else None
        return None if None in after else "even" if "even" in after else "zero"


@dataclass(frozen=True, init=False)
class Residual(Combinator):
    """body(x) + x, or body(x) + shortcut(x) where the body changes the shape (He et al. 2016)."""

    body: Layers
    shortcut: Layers = ()

    def __init__(self, *body: Layer, shortcut: Layers | Layer = ()) -> None:
        object.__setattr__(self, "body", _layers("residual", body))
        object.__setattr__(self, "shortcut", _layers("residual", shortcut))
        if not body:
            raise Problem("residual: takes at least one layer, as in residual(conv(64, 3, pad=1), relu)")

    def __str__(self) -> str:
        parts = [str(layer) for layer in self.body]
        return f"residual({', '.join(parts + [f'shortcut={_text(self.shortcut)}'] * bool(self.shortcut))})"

    def inside(self) -> tuple[Layers, ...]:
        return (self.body, self.shortcut)

    def flat(self) -> Layer:
        return Residual(*(layer.flat() for layer in self.body), shortcut=tuple(layer.flat() for layer in self.shortcut))

    def out(self, shape: Shape) -> Shape:
        body, shortcut = through(self.body, shape), through(self.shortcut, shape)
        if body != shortcut:
            raise Problem(
                f"its body gives {body}, its shortcut {shortcut}, and only equal shapes add up; "
                "give shortcut=(conv(…, 1, stride=…),) or keep the shape"
            )
        return body

    def module(self, shape: Shape) -> nn.Module:
        return modules.Residual(sequence(self.body, shape), sequence(self.shortcut, shape))


@dataclass(frozen=True, init=False)
class Parallel(Combinator):
    """The channels of all branches joined; an empty branch `()` hands its input on (Szegedy et al. 2015)."""

    branches: tuple[Layers, ...]

    def __init__(self, *branches: Layers | Layer) -> None:
        object.__setattr__(self, "branches", tuple(_layers("parallel", branch) for branch in branches))
        if not branches:
            raise Problem(
                "parallel: takes at least one branch, as in parallel((conv(8, 1), relu), (conv(8, 3, pad=1),))"
            )

    def __str__(self) -> str:
        return f"parallel({', '.join(map(_text, self.branches))})"

    def inside(self) -> tuple[Layers, ...]:
        return self.branches

    def flat(self) -> Layer:
        return Parallel(*(tuple(layer.flat() for layer in branch) for branch in self.branches))

    def out(self, shape: Shape) -> Shape:
        outs = [through(branch, shape) for branch in self.branches]
        if len({out[1:] for out in outs}) > 1:
            raise Problem(f"its branches give {', '.join(map(str, outs))}; heights and widths must be equal to join")
        return (sum(out[0] for out in outs), *outs[0][1:])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Parallel([sequence(branch, shape) for branch in self.branches])


@dataclass(frozen=True, init=False)
class Vote(Combinator):
    """The mean of what all branches say; while learning, each example is answered by one of them alone, by chance.

    So each learns by itself, whatever the others know already: where they simply add up, one that knows the training
    examples by heart leaves the others nothing to learn. A branch with nothing to learn takes no example.
    """

    branches: tuple[Layers, ...]

    def __init__(self, *branches: Layers | Layer) -> None:
        object.__setattr__(self, "branches", tuple(_layers("vote", branch) for branch in branches))
        if len(branches) < 2:
            raise Problem("vote: takes two branches or more, as in vote((flatten, dense(2)), (globalmax, dense(2)))")

    def __str__(self) -> str:
        return f"vote({', '.join(map(_text, self.branches))})"

    def inside(self) -> tuple[Layers, ...]:
        return self.branches

    def flat(self) -> Layer:
        return Vote(*(tuple(layer.flat() for layer in branch) for branch in self.branches))

    def out(self, shape: Shape) -> Shape:
        outs = [through(branch, shape) for branch in self.branches]
        if len(set(outs)) > 1:
            raise Problem(f"its branches give {', '.join(map(str, outs))}, and only equal shapes add up")
        return outs[0]

    def module(self, shape: Shape) -> nn.Module:
        return modules.Vote([sequence(branch, shape) for branch in self.branches])
