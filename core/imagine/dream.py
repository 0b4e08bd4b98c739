"""Deep dream: a photo is changed to increase the activations of a layer (Mordvintsev et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..problem import USAGE, Problem
from ..ranges import check_range
from .ascent import NOT_FINITE

Features = Callable[[Tensor], list[Tensor]]  # (1, C, H, W) values -> the activations of the chosen layers
PictureCallback = Callable[[int, Tensor], bool]  # called with the steps done and the picture; True stops
MIN_SIDE = 32  # pixels: the shorter side of the smallest octave


@dataclass(frozen=True)
class Dream:
    """Settings: `steps` at each of several growing sizes; the details of one are scaled up to the next."""

    steps: int = 10
    octaves: int = 4
    scale: float = 1.4  # from one size to the next
    rate: float = 0.01  # mean change of a pixel in a step, as a share of its range
    jitter: int = 32  # pixels
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "octaves", "jitter", "seed"):
            check_range(name, getattr(self, name), f"--{name}")
        check_range("dream.rate", self.rate, "--rate")
        if not self.scale > 1:
            raise Problem(f"--scale is above 1, so that each octave is larger; got {self.scale:g}", USAGE)

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Returns (height, width) of each octave, the photo's size last; octaves that are too small are left out."""
        factors = [self.scale**-octave for octave in reversed(range(self.octaves))]
        sizes = [(round(height * factor), round(width * factor)) for factor in factors]
        return [size for size in sizes[:-1] if min(size) >= MIN_SIDE] + sizes[-1:]


def dream(
    features: Features,
    photo: Tensor,
    settings: Dream,
    callback: PictureCallback = lambda step, picture: False,
    guide: Tensor | None = None,
) -> Tensor:
    """(1, C, H, W) values from 0 to 1 -> the changed picture; with a guide, its features are matched instead."""
    rng = torch.Generator().manual_seed(settings.seed)
    guide_features = None if guide is None else [feature.detach() for feature in features(guide)]
    sizes, step, values = settings.sizes(*photo.shape[2:]), 0, photo
    detail = torch.zeros_like(photo)
    for size in sizes:
        base = resized(photo, size)
        values = (base + resized(detail, size)).clamp(0, 1)
        for _ in range(settings.steps):
            values = _step(features, values, settings, rng, guide_features)
            step += 1
            if callback(step, values):
                return resized(values, photo.shape[2:])
        detail = values - base
    return values


def _step(
    features: Features, values: Tensor, settings: Dream, rng: torch.Generator, guide_features: list[Tensor] | None
) -> Tensor:
    """One step of gradient ascent, normalised by the mean absolute gradient."""
    jitter = settings.jitter
    shift = torch.randint(-jitter, jitter + 1, (2,), generator=rng).tolist() if jitter else [0, 0]
    shifted = values.roll(shift, (2, 3)).requires_grad_()
    outputs = features(shifted)
    objective = mean_square(outputs) if guide_features is None else guided_similarity(outputs, guide_features)
    if not bool(objective.isfinite()):
        raise Problem(NOT_FINITE)
    (gradient,) = torch.autograd.grad(objective, shifted)
    changed = shifted.detach() + settings.rate * gradient / gradient.abs().mean().clamp_min(1e-12)
    return changed.roll([-pixels for pixels in shift], (2, 3)).clamp(0, 1)


def mean_square(outputs: Sequence[Tensor]) -> Tensor:
    """Returns the mean squared activation, summed over the layers."""
    return torch.stack([output.square().mean() for output in outputs]).sum()


def guided_similarity(outputs: Sequence[Tensor], guide_features: Sequence[Tensor]) -> Tensor:
    """Returns the mean dot product of each position with the guide's most similar position, summed over the layers."""
    similarities = []
    for output, guide in zip(outputs, guide_features, strict=True):
        picture_vectors, guide_vectors = output[0].flatten(1), guide[0].flatten(1)  # (channels, positions)
        best = guide_vectors[:, (picture_vectors.T @ guide_vectors).argmax(1)].detach()
        similarities.append((picture_vectors * best).sum(0).mean())
    return torch.stack(similarities).sum()


def resized(values: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, H, W) -> (B, C, *size)."""
    if tuple(values.shape[2:]) == tuple(size):
        return values
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
