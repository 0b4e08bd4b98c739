"""How the values of an input are stored while they are optimised: as pixels, or as Fourier coefficients."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .parameterization import InputParameterization

INITIAL_SPREAD = 0.2  # range of the random initial values around the baseline
INITIAL_STD = 0.01  # of the initial coefficients
EDGE = 0.01  # distance of a picture's values from 0 and 1, where the gradient of a sigmoid vanishes
BASELINE_EDGE = 0.1  # distance of the baseline from 0 and 1, for the same reason


class Pixels:
    """Each value by itself; after a step it is clamped to [0, 1]."""

    def __init__(self, parameterization: InputParameterization, count: int, rng: torch.Generator, blur: float) -> None:
        baseline = parameterization.baseline
        noise = torch.rand((count, *parameterization.shape), generator=rng).to(baseline.device)
        self.parameters = (baseline * (1 - INITIAL_SPREAD) + INITIAL_SPREAD * noise).requires_grad_()
        self.blur, self.peak_normalized = blur, parameterization.peak_normalized

    def values(self) -> Tensor:
        return self.parameters

    @torch.no_grad()
    def constrain(self) -> None:
        """Blurs and clamps the values after a step."""
        if self.blur:
            self.parameters.copy_(gaussian_blur(self.parameters, self.blur))
        self.parameters.clamp_(0, 1)
        if self.peak_normalized:
            self.parameters.div_(peak(self.parameters))


class Fourier:
    """The values as a sum of waves with amplitudes of 1/f, as in natural pictures.

    This preconditioning suppresses high-frequency patterns (Olah, Mordvintsev and Schubert 2017, "Feature
    Visualization", the enemy of feature visualization).
    """

    def __init__(
        self,
        parameters: Tensor,
        offset: Tensor,
        size: tuple[int, int],
        colour_mix: Tensor | None,
        peak_normalized: bool = False,
    ) -> None:
        self.parameters = parameters.to(offset.device).requires_grad_()  # (B, C, H, W/2 + 1, 2)
        self.offset, self.size, self.colour_mix, self.peak_normalized = offset, size, colour_mix, peak_normalized
        self.amplitudes = amplitudes(*size).to(offset.device)

    @classmethod
    def random(cls, parameterization: InputParameterization, count: int, rng: torch.Generator) -> Fourier:
        """Returns random coefficients, so small that the values are close to the baseline."""
        channels, *size = parameterization.shape
        shape = (count, channels, *amplitudes(*size).shape, 2)
        offset = parameterization.baseline.clamp(BASELINE_EDGE, 1 - BASELINE_EDGE).logit()
        parameters = INITIAL_STD * torch.randn(shape, generator=rng)
        mix, peak_normalized = parameterization.colour_mix, parameterization.peak_normalized
        return cls(parameters, offset, (size[0], size[1]), mix, peak_normalized)

    @classmethod
    def of(cls, picture: Tensor, colour_mix: Tensor | None) -> Fourier:
        """Returns the coefficients of (B, C, H, W) values from 0 to 1."""
        size = (picture.shape[2], picture.shape[3])
        logits = picture.clamp(EDGE, 1 - EDGE).logit()
        if colour_mix is not None:
            logits = torch.einsum("bchw,dc->bdhw", logits, torch.linalg.inv(colour_mix))
        waves = torch.fft.rfft2(4 * logits) / amplitudes(*size).to(picture.device)
        offset = torch.zeros(1, 1, 1, device=picture.device)
        return cls(torch.view_as_real(waves).contiguous(), offset, size, colour_mix)

    def values(self) -> Tensor:
        waves = torch.fft.irfft2(torch.view_as_complex(self.parameters) * self.amplitudes, s=self.size) / 4
        if self.colour_mix is not None:
            waves = torch.einsum("bchw,dc->bdhw", waves, self.colour_mix)
        values: Tensor = torch.sigmoid(waves + self.offset)
        return values / peak(values) if self.peak_normalized else values

    def constrain(self) -> None:
        pass  # the sigmoid keeps the values between 0 and 1


def peak(values: Tensor) -> Tensor:
    """Returns (B, 1, 1, 1) the largest value of each input, at least INITIAL_STD."""
    return values.amax((1, 2, 3), keepdim=True).clamp_min(INITIAL_STD)


def amplitudes(height: int, width: int) -> Tensor:
    """Returns (H, W/2 + 1) the amplitude 1/f of each frequency; the constant gets that of the lowest frequency."""
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    scaled: Tensor = (height * width) ** 0.5 / rows.hypot(columns).clamp_min(1 / max(height, width))
    return scaled


def gaussian_blur(values: Tensor, std: float) -> Tensor:
    """Blurs (B, C, H, W) with a Gaussian of `std` pixels over height and width; the border is repeated."""
    radius = max(1, round(3 * std))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=values.device) / std) ** 2)
    kernel = (kernel / kernel.sum()).to(values.dtype).expand(values.shape[1], 1, 1, -1)
    for _ in range(2):  # along the width, then, transposed, along the height
        if values.shape[3] > 1:
            padded = F.pad(values, (radius, radius, 0, 0), mode="replicate")
            values = F.conv2d(padded, kernel, groups=values.shape[1])
        values = values.transpose(2, 3)
    return values
