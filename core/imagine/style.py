"""Deep style: the content of one picture in the manner of another (Gatys, Ecker and Bethge 2016, CVPR, section 2).

With the picture held as waves it works for networks other than VGG, too (Mordvintsev et al. 2018, "Differentiable Image
Parameterizations", style transfer with non-VGG architectures).

The content is what a layer answers, place by place; the style is which of a layer's filters answer together, wherever
they do: their Gram matrix. Each loss is a share of what it would be of an empty answer, so that the weights mean the
same for every network: content Σ(F − P)²/ΣP², style Σ(G − A)²/ΣA² as the mean over the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..optimise import AdamW, Lbfgs
from ..problem import USAGE, Problem
from .ascent import variation
from .dream import See
from .values import Waves

OPTIMISERS = ("lbfgs", "adam")
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


@dataclass(frozen=True)
class Style:
    """How to restyle. `strength` weighs the style against the content, `variation` the differences of neighbours."""

    steps: int = 200
    strength: float = 300.0
    variation: float = 0.5
    optimiser: str = "lbfgs"
    fourier: bool = True  # whether the picture is held as waves, which other networks than VGG need
    rate: float | None = None  # of the optimiser: 1 for L-BFGS, 0.02 for Adam

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("strength", 0), ("variation", 0)):
            if not getattr(self, name) >= least:
                raise Problem(f"--{name} is {least} or more; got {getattr(self, name)}", USAGE)
        if self.optimiser not in OPTIMISERS:
            raise Problem(f"--optimiser is lbfgs or adam here; got {self.optimiser}", USAGE)


class Losses(NamedTuple):
    """Of a step: how far the picture is from the content and from the style, each as a share, and in all."""

    content: float
    style: float
    total: float


def gram(answer: Tensor) -> Tensor:
    """(1, N, H, W) -> (N, N): G_ij = Σ_k F_ik F_jk over all places k, divided by their number."""
    filters = answer[0].flatten(1)
    return filters @ filters.T / filters.shape[1]


class Restyling:
    """A picture on its way from `content` to the manner of `style`: iterate over it, take `picture` when you like."""

    def __init__(
        self, see_content: See, see_style: See, content: Tensor, style: Tensor, how: Style, mix: Tensor | None = None
    ) -> None:
        self.see_content, self.see_style, self.how = see_content, see_style, how
        with torch.no_grad():
            self.wanted = see_content(content)
            self.grams = [gram(answer) for answer in see_style(style)]
        if not all(bool(each.isfinite().all()) for each in (*self.wanted, *self.grams)):
            raise Problem(
                "the network's answer is not a number: its weights are damaged (NaN or infinite); train it anew"
            )
        self.waves = Waves.of(content, mix) if how.fourier else None
        self.held = content.clone().requires_grad_() if self.waves is None else self.waves.held
        self.move = self._mover()

    def _values(self) -> Tensor:
        return self.held if self.waves is None else self.waves.values()

    def _mover(self) -> Callable[[Callable[[], Tensor]], object]:
        """What takes a step by what the losses leave in `held.grad`, which it asks them for."""
        if self.how.optimiser == "lbfgs":
            return Lbfgs([self.held], self.how.rate or 1.0, max_iter=1, history_size=10).step
        adam = AdamW([{"params": [self.held], "lr": self.how.rate or 0.02, "weight_decay": 0.0}], 0.9)
        return lambda losses: (losses(), adam.step())

    @property
    def picture(self) -> Tensor:
        """(1, C, H, W) values from 0 to 1."""
        return self._values().detach().clamp(0, 1)

    def __iter__(self) -> Iterator[Losses]:
        """A step each."""
        for _ in range(self.how.steps):
            told: list[Losses] = []

            def losses(told: list[Losses] = told) -> Tensor:
                values = self._values()
                content, style = self._content(values), self._style(values)
                smooth = variation(values).sum() / values.numel()
                total = content + self.how.strength * style + self.how.variation * smooth
                (self.held.grad,) = torch.autograd.grad(total, self.held)
                told.append(Losses(*(float(each.detach()) for each in (content, style, total))))
                return total

            self.move(losses)
            if self.waves is None:
                self.held.detach().clamp_(0, 1)
            yield told[0]

    def _content(self, values: Tensor) -> Tensor:
        answers = self.see_content(values)
        return torch.stack([_share(a, p) for a, p in zip(answers, self.wanted, strict=True)]).mean()

    def _style(self, values: Tensor) -> Tensor:
        answers = self.see_style(values)
        return torch.stack([_share(gram(a), g) for a, g in zip(answers, self.grams, strict=True)]).mean()


def _share(found: Tensor, wanted: Tensor) -> Tensor:
    return (found - wanted).square().sum() / wanted.square().sum().clamp_min(1e-12)


def recoloured(picture: Tensor, content: Tensor) -> Tensor:
    """The light and dark of `picture` with the colours of `content` (Gatys et al. 2016, arXiv:1606.05897, section 3.1).

    (1, C, H, W) values from 0 to 1; one channel has no colours to keep.
    """
    if picture.shape[1] == 1:
        return picture
    weights = picture.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    return (content + ((picture - content) * weights).sum(1, keepdim=True)).clamp(0, 1)
