"""A picture for people: pixels large enough to see, and over them what a network looked at."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..core.data import Preprocessing

Pixels = NDArray[np.uint8]  # (H, W, 3)

SIDE = 160  # pixels: the longer side of what is shown has at least so many
COVER = 0.85  # how much of the picture the strongest relevance hides
STRONG = 0.995  # the share of pixels that may be no stronger than full colour: one outlier must not pale all others


def show(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Image.Image:
    """(C, H, W) uint8 pixels, and (H, W) relevance laid over them, as an RGB picture.

    Each pixel becomes a square of whole pixels. Relevance that is nowhere negative goes from clear to bright yellow;
    else red speaks for the answer and blue against it.
    """
    pixels = inputs.detach().cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()  # (H, W, 3)
    if relevance is not None:
        pixels = _overlay(pixels, relevance.detach().cpu().float())
    times = max(1, -(-SIDE // max(pixels.shape[:2])))
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(times, 0).repeat(times, 1)))


def png(image: Image.Image) -> bytes:
    """The picture as the bytes of a PNG file."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _overlay(pixels: Pixels, relevance: Tensor) -> Pixels:
    """The picture in grey, so that all colour is relevance; the stronger it is, the more it covers."""
    from matplotlib import colormaps  # 0.3 s that a picture alone does not need

    strength = _strength(relevance)
    signed = bool((strength < 0).any())
    places = (strength + 1) / 2 if signed else strength.abs()
    colour = colormaps["coolwarm" if signed else "plasma"](places.numpy())[..., :3] * 255  # (H, W, 3)
    cover = COVER * strength.abs().numpy()[..., None]
    grey = pixels.mean(-1, keepdims=True)
    mixed: Pixels = (grey + (colour - grey) * cover).round().astype(np.uint8)
    return mixed


def _strength(relevance: Tensor) -> Tensor:
    """(H, W) from −1 to 1, zero kept at zero; what is not a number counts as zero."""
    relevance = relevance.nan_to_num(0, 0, 0)
    top = relevance.abs().flatten().kthvalue(max(1, round(STRONG * relevance.numel()))).values
    top = torch.where(top > 0, top, relevance.abs().max())
    return (relevance / top.clamp_min(1e-30)).clamp(-1, 1)
