"""Neural style transfer: the content of one picture in the style of another (Gatys, Ecker and Bethge 2016, section 2).

With the picture stored as Fourier coefficients, networks other than VGG work as well (Mordvintsev et al. 2018,
"Differentiable Image Parameterizations", style transfer with non-VGG architectures).

The content is the activation of a layer at each position; the style is the Gram matrix of a layer's activations, which
does not depend on positions. Each loss is a share of what an activation of zero would give, so that a weight means the
same for every network: content Σ(F − P)²/ΣP², style Σ(G − A)²/ΣA², the mean over the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..optimise import AdamW, Lbfgs
from ..problem import USAGE, Problem
from ..ranges import check_range
from .ascent import NOT_FINITE, total_variation
from .dream import Features
from .values import Fourier

OPTIMISERS = ("lbfgs", "adam")
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


@dataclass(frozen=True)
class Style:
    """Settings. `strength` weights the style against the content, `variation` the total variation."""

    steps: int = 200
    strength: float = 300.0
    variation: float = 0.5
    optimiser: str = "lbfgs"
    fourier: bool = True  # whether Fourier coefficients are optimised, which networks other than VGG need
    rate: float | None = None  # of the optimiser: 1 for L-BFGS, 0.02 for Adam

    def __post_init__(self) -> None:
        for name in ("steps", "strength", "variation"):
            check_range(name, getattr(self, name), f"--{name}")
        if self.optimiser not in OPTIMISERS:
            raise Problem(f"--optimiser is lbfgs or adam here; got {self.optimiser}", USAGE)


class Losses(NamedTuple):
    """The losses of a step: the content and the style as shares, and the total."""

    content: float
    style: float
    total: float


def gram_matrix(output: Tensor) -> Tensor:
    """(1, N, H, W) -> (N, N): G_ij = Σ_k F_ik F_jk over all positions k, divided by their number."""
    filters = output[0].flatten(1)
    return filters @ filters.T / filters.shape[1]


class StyleTransfer:
    """A picture that changes from `content` to the style of `style`: each iteration is a step; `picture` is current."""

    def __init__(
        self,
        content_features: Features,
        style_features: Features,
        content: Tensor,
        style: Tensor,
        settings: Style,
        colour_mix: Tensor | None = None,
    ) -> None:
        self.content_features, self.style_features, self.settings = content_features, style_features, settings
        with torch.no_grad():
            self.content_targets = content_features(content)
            self.style_targets = [gram_matrix(output) for output in style_features(style)]
        if not all(bool(target.isfinite().all()) for target in (*self.content_targets, *self.style_targets)):
            raise Problem(NOT_FINITE)
        self.fourier = Fourier.of(content, colour_mix) if settings.fourier else None
        self.parameters = content.clone().requires_grad_() if self.fourier is None else self.fourier.parameters
        self.step = self._optimiser_step()

    def _values(self) -> Tensor:
        return self.parameters if self.fourier is None else self.fourier.values()

    def _optimiser_step(self) -> Callable[[Callable[[], Tensor]], object]:
        """A step of the optimiser, given a closure that sets `parameters.grad` and returns the loss."""
        if self.settings.optimiser == "lbfgs":
            return Lbfgs([self.parameters], self.settings.rate or 1.0, max_iter=1, history_size=10).step
        group = {"params": [self.parameters], "lr": self.settings.rate or 0.02, "weight_decay": 0.0}
        adam = AdamW([group], 0.9)
        return lambda closure: (closure(), adam.step())

    @property
    def picture(self) -> Tensor:
        """(1, C, H, W) values from 0 to 1."""
        return self._values().detach().clamp(0, 1)

    def __iter__(self) -> Iterator[Losses]:
        """Yields the losses of each step."""
        for _ in range(self.settings.steps):
            history: list[Losses] = []

            def closure(history: list[Losses] = history) -> Tensor:
                values = self._values()
                content, style = self._content_loss(values), self._style_loss(values)
                variation = total_variation(values).sum() / values.numel()
                total = content + self.settings.strength * style + self.settings.variation * variation
                (self.parameters.grad,) = torch.autograd.grad(total, self.parameters)
                history.append(Losses(*(float(loss.detach()) for loss in (content, style, total))))
                return total

            self.step(closure)
            if self.fourier is None:
                self.parameters.detach().clamp_(0, 1)
            yield history[0]

    def _content_loss(self, values: Tensor) -> Tensor:
        pairs = zip(self.content_features(values), self.content_targets, strict=True)
        return torch.stack([_relative_error(output, target) for output, target in pairs]).mean()

    def _style_loss(self, values: Tensor) -> Tensor:
        pairs = zip(self.style_features(values), self.style_targets, strict=True)
        return torch.stack([_relative_error(gram_matrix(output), target) for output, target in pairs]).mean()


def _relative_error(values: Tensor, targets: Tensor) -> Tensor:
    return (values - targets).square().sum() / targets.square().sum().clamp_min(1e-12)


def with_colours_of(content: Tensor, picture: Tensor) -> Tensor:
    """The luminance of `picture` with the colours of `content` (Gatys et al. 2016, arXiv:1606.05897, section 3.1).

    (1, C, H, W) values from 0 to 1; one channel has no colours.
    """
    if picture.shape[1] == 1:
        return picture
    weights = picture.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    return (content + ((picture - content) * weights).sum(1, keepdim=True)).clamp(0, 1)
