"""Rendering of images for display, with relevance laid over them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..core.data import Preprocessing

Pixels = NDArray[np.uint8]  # (H, W, 3)

SIDE = 160  # pixels, the least length of the longer side
OPACITY = 0.85  # of the strongest relevance
QUANTILE = 0.995  # of the relevance that gets the full colour: a single outlier must not pale all others


def show(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Image.Image:
    """Renders (C, H, W) uint8 pixels, with (H, W) relevance laid over them, as an RGB image.

    Each pixel becomes a square. Relevance without negative values goes from transparent to bright yellow; otherwise
    red supports the prediction and blue opposes it.
    """
    pixels = inputs.detach().cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()  # (H, W, 3)
    if relevance is not None:
        pixels = _overlay(pixels, relevance.detach().cpu().float())
    factor = max(1, -(-SIDE // max(pixels.shape[:2])))
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1)))


def png(image: Image.Image) -> bytes:
    """Encodes an image as PNG."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _overlay(pixels: Pixels, relevance: Tensor) -> Pixels:
    """Blends the image, in grey, with colours of relevance; opacity grows with its magnitude."""
    from matplotlib import colormaps  # takes 0.3 s, needed with relevance only

    strength = _strength(relevance)
    signed = bool((strength < 0).any())
    position = (strength + 1) / 2 if signed else strength.abs()
    colour = colormaps["coolwarm" if signed else "plasma"](position.numpy())[..., :3] * 255  # (H, W, 3)
    opacity = OPACITY * strength.abs().numpy()[..., None]
    grey = pixels.mean(-1, keepdims=True)
    blend: Pixels = (grey + (colour - grey) * opacity).round().astype(np.uint8)
    return blend


def _strength(relevance: Tensor) -> Tensor:
    """Scales (H, W) relevance to −1..1, keeping zero; NaN and infinities become zero."""
    relevance = relevance.nan_to_num(0, 0, 0)
    top = relevance.abs().flatten().kthvalue(max(1, round(QUANTILE * relevance.numel()))).values
    top = torch.where(top > 0, top, relevance.abs().max())
    return (relevance / top.clamp_min(1e-30)).clamp(-1, 1)
