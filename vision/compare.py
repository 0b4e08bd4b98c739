"""Pictures compared by their pixels, whatever their compression, size, borders and brightness."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.cleaning.capability import Pairs, Scores
from ..core.data import Examples, Preprocessing

SIDE = 16  # pixels of a descriptor
COMPARED = 48  # pixels of a picture that is compared
ZOOMS = (1.0, 1.025, 1.05, 1.08, 1.11)  # how much larger one of two pictures may show its subject: crops by up to 10%
BATCH = 256


def descriptors(examples: Examples, preprocessing: Preprocessing) -> Tensor:
    """(N, 256 × channels) small pictures without their mean: what compression, scaling and brightness leave."""
    rows = []
    for indices in torch.arange(len(examples)).split(BATCH):
        small = F.interpolate(examples[indices][0].float(), (SIDE, SIDE), mode="area")
        rows.append((small - small.mean((2, 3), keepdim=True)).flatten(1))
    return torch.cat(rows)


def agreement(examples: Examples, pairs: Pairs, preprocessing: Preprocessing) -> Scores:
    """(P,) the largest correlation of two pictures over small zooms and shifts, of their greys and of their edges.

    The mean of both: greys alone agree in pictures with equal backgrounds, edges alone change with compression.
    """
    scores = [np.empty(0)]
    for start in range(0, len(pairs), BATCH):
        first, second = (grey(examples, [pair[side] for pair in pairs[start : start + BATCH]]) for side in (0, 1))
        zoomed = [(zoom(first, factor), second) for factor in ZOOMS]
        zoomed += [(first, zoom(second, factor)) for factor in ZOOMS[1:]]
        scores.append(torch.stack([correlation(*pictures) for pictures in zoomed]).amax(0).double().numpy())
    return np.concatenate(scores)


def grey(examples: Examples, rows: list[int]) -> Tensor:
    """(B, 1, COMPARED, COMPARED) greys, 1 for white."""
    pictures = examples[torch.tensor(rows)][0].float().mean(1, keepdim=True) / 255
    return F.interpolate(pictures, (COMPARED, COMPARED), mode="bilinear", antialias=True, align_corners=False)


def zoom(pictures: Tensor, factor: float) -> Tensor:
    """The middle of pictures, enlarged to their size."""
    if factor == 1:
        return pictures
    matrix = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]]).expand(len(pictures), 2, 3)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False, padding_mode="reflection")


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """(B,) the mean of the correlations of greys and of edges, the largest over shifts of up to a pixel."""
    first, second = (torch.cat([pictures, edges(pictures)], 1) for pictures in (first, second))  # (B, 2, H, W)
    size = COMPARED - 2
    middle = second[:, :, 1:-1, 1:-1]
    middle = middle - middle.mean((2, 3), keepdim=True)
    middle = middle / middle.flatten(2).norm(dim=2)[..., None, None].clamp_min(1e-6)
    # Of each shifted part of the first: its product with the middle, and its standard deviation from two sums.
    shifts = [(y, x) for y in range(3) for x in range(3)]
    products = torch.stack([(first[:, :, y : y + size, x : x + size] * middle).sum((2, 3)) for y, x in shifts], 2)
    means, squares = (F.avg_pool2d(values, size, 1).flatten(2) for values in (first, first**2))
    norms = ((squares - means**2).clamp_min(0) * size**2).sqrt()
    return (products / norms.clamp_min(1e-6)).mean(1).amax(1)


def edges(pictures: Tensor) -> Tensor:
    """Pictures without their coarse greys."""
    return pictures - F.avg_pool2d(pictures, 7, 1, 3, count_include_pad=False)
