"""How values are held while an ascent changes them: each by itself, or all as waves."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import Canvas

SPREAD = 0.2  # how far from the ground random values begin
FAINT = 0.01  # deviation of a wave at the start
EDGE = 0.01  # how near a picture's values may, where a sigmoid still has a way back
SOFT = 0.1  # how near to 0 or 1 the ground of waves may lie, where a sigmoid is not yet flat


class Pixels:
    """Every value by itself; after a step it is brought back between 0 and 1."""

    def __init__(self, canvas: Canvas, count: int, rng: torch.Generator, blur: float) -> None:
        noise = torch.rand((count, *canvas.shape), generator=rng).to(canvas.ground.device)
        self.held = (canvas.ground * (1 - SPREAD) + SPREAD * noise).requires_grad_()
        self.blur, self.peaked = blur, canvas.peaked

    def values(self) -> Tensor:
        return self.held

    @torch.no_grad()
    def settle(self) -> None:
        if self.blur:
            self.held.copy_(blurred(self.held, self.blur))
        self.held.clamp_(0, 1)
        if self.peaked:
            self.held.div_(peak(self.held))


class Waves:
    """All values as the sum of waves, slow ones stronger than fast ones, as in natural pictures: 1/f.

    The way then leads past patterns that only a network sees (Olah, Mordvintsev and Schubert 2017, "Feature
    Visualization", the enemy of feature visualization: preconditioning).
    """

    def __init__(
        self, held: Tensor, level: Tensor, size: tuple[int, int], mix: Tensor | None, peaked: bool = False
    ) -> None:
        self.held = held.to(level.device).requires_grad_()  # (B, C, H, W/2 + 1, 2)
        self.level, self.size, self.mix, self.peaked = level, size, mix, peaked
        self.strength = strengths(*size).to(level.device)

    @classmethod
    def faint(cls, canvas: Canvas, count: int, rng: torch.Generator) -> Waves:
        """Waves by chance, so faint that there is hardly more than the ground."""
        channels, *size = canvas.shape
        shape = (count, channels, *strengths(*size).shape, 2)
        level = canvas.ground.clamp(SOFT, 1 - SOFT).logit()
        held = FAINT * torch.randn(shape, generator=rng)
        return cls(held, level, (size[0], size[1]), canvas.mix, canvas.peaked)

    @classmethod
    def of(cls, picture: Tensor, mix: Tensor | None) -> Waves:
        """The waves that (B, C, H, W) values from 0 to 1 are the sum of."""
        size = (picture.shape[2], picture.shape[3])
        inner = picture.clamp(EDGE, 1 - EDGE).logit()
        if mix is not None:
            inner = torch.einsum("bchw,dc->bdhw", inner, torch.linalg.inv(mix))
        waves = torch.fft.rfft2(4 * inner) / strengths(*size).to(picture.device)
        return cls(torch.view_as_real(waves).contiguous(), torch.zeros(1, 1, 1, device=picture.device), size, mix)

    def values(self) -> Tensor:
        waves = torch.fft.irfft2(torch.view_as_complex(self.held) * self.strength, s=self.size) / 4
        if self.mix is not None:
            waves = torch.einsum("bchw,dc->bdhw", waves, self.mix)
        values: Tensor = torch.sigmoid(waves + self.level)
        return values / peak(values) if self.peaked else values

    def settle(self) -> None:
        pass  # a sigmoid keeps them between 0 and 1


def peak(values: Tensor) -> Tensor:
    """(B, 1, 1, 1) the largest value of each, hardly ever so small that dividing by it would matter."""
    return values.amax((1, 2, 3), keepdim=True).clamp_min(FAINT)


def strengths(height: int, width: int) -> Tensor:
    """(H, W/2 + 1): how strong the wave of each frequency is, 1/f; a constant counts as the slowest wave."""
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    strong: Tensor = (height * width) ** 0.5 / rows.hypot(columns).clamp_min(1 / max(height, width))
    return strong


def blurred(values: Tensor, deviation: float) -> Tensor:
    """A Gaussian of that deviation in pixels over height and width, the border repeated: (B, C, H, W) -> the same."""
    reach = max(1, round(3 * deviation))
    window = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=values.device) / deviation) ** 2)
    window = (window / window.sum()).to(values.dtype).expand(values.shape[1], 1, 1, -1)
    for _ in range(2):  # along the width, then, turned, along the height
        if values.shape[3] > 1:
            long = F.pad(values, (reach, reach, 0, 0), mode="replicate")
            values = F.conv2d(long, window, groups=values.shape[1])
        values = values.transpose(2, 3)
    return values
