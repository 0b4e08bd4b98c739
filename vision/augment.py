"""Random augmentation of training images, written as "flip, crop(4), rotate(15), cutout(8)", or "none".

A transform is a tensor expression over the batch, on the batch's device, without synchronisation. All random numbers
come from one generator: equal generator states give equal bits.

The order is fixed, however the transforms are written: flip, flipud and crop in one lookup of whole pixels; translate,
scale, skew, rotate and perspective in one interpolation; then light, vignette and noise, as in a camera; last cutout.
The first two steps are a Movement, which masks and boxes take part in.
Flip, flipud, crop and cutout keep uint8; the others return float32, from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.augmentation import Transforms, split_calls
from ..core.domain import Augment
from ..core.tta import View, identity
from .movement import Movement, PixelGrid
from .warp import BatchRng, Size, centred, matrix_of, perspective, rotate, scale, skew, translate

FULL = 255.0  # full scale of a pixel


# --- whole pixels: the row and the column of the old image that each new one is taken from --------------------------


def pixel_grid(
    transforms: Sequence[Callable[[PixelGrid, BatchRng], PixelGrid]], size: Size, rng: BatchRng
) -> PixelGrid:
    """Applies all `transforms` to the rows and columns of pictures of `size`."""
    grid = (_range(size[0], rng), _range(size[1], rng))
    for transform in transforms:
        grid = transform(grid, rng)
    return grid


def _range(length: int, rng: BatchRng) -> Tensor:
    return torch.arange(length, device=rng.device).expand(rng.batch_size, -1)


def flip(grid: PixelGrid, rng: BatchRng) -> PixelGrid:
    """Mirrors left and right with probability 1/2."""
    rows, columns = grid
    return rows, torch.where(rng.coin_flips()[:, None], columns.flip(1), columns)


def flipud(grid: PixelGrid, rng: BatchRng) -> PixelGrid:
    """Mirrors top and bottom with probability 1/2."""
    rows, columns = grid
    return torch.where(rng.coin_flips()[:, None], rows.flip(1), rows), columns


def crop(grid: PixelGrid, rng: BatchRng, pixels: int = 4) -> PixelGrid:
    """Shifts by up to `pixels` whole pixels along each axis, with reflection padding."""
    rows, columns = grid
    return rows + rng.integers(-pixels, pixels)[:, None], columns + rng.integers(-pixels, pixels)[:, None]


# --- light ----------------------------------------------------------------------------------------------------------


def change_light(x: Tensor, transforms: Sequence[Callable[[Tensor, BatchRng], Tensor]], rng: BatchRng) -> Tensor:
    """Applies all `transforms`, then clips to 0..255: (B, C, H, W) float32."""
    x = x.float()
    for transform in transforms:
        x = transform(x, rng)
    return x.clamp_(0, FULL)  # in place: every transform returned a new tensor


def light(x: Tensor, rng: BatchRng, brightness: float = 0.2, contrast: float = 0.2) -> Tensor:
    """Shifts by up to `brightness` of full scale and scales about mid-grey by 1 ± `contrast`, at most."""
    gain = 1 + rng.symmetric(contrast)
    shift = rng.symmetric(brightness * FULL) + (1 - gain) * (FULL / 2)
    return (x * gain[:, None, None, None]).add_(shift[:, None, None, None])


def vignette(x: Tensor, rng: BatchRng, strength: float = 0.5) -> Tensor:
    """Darkens towards the corners, by up to `strength` there, with the square of the distance from the centre."""
    height, width = x.shape[2:]
    down, across = centred(height, x.device), centred(width, x.device)
    square = down[:, None].square() + across.square()  # (H, W)
    depth = rng.symmetric(strength).abs()[:, None, None, None]
    return x * (1 - depth * (4 / (height**2 + width**2)) * square)


def noise(x: Tensor, rng: BatchRng, std: float = 0.05) -> Tensor:
    """Adds Gaussian noise to every pixel and channel; `std` is a share of full scale."""
    return torch.randn(x.shape, device=x.device, generator=rng.generator).mul_(std * FULL).add_(x)


# --- occlusion ------------------------------------------------------------------------------------------------------


def cover(x: Tensor, transforms: Sequence[Callable[[Tensor, BatchRng], Tensor]], rng: BatchRng) -> Tensor:
    """Applies all `transforms` one after the other."""
    for transform in transforms:
        x = transform(x, rng)
    return x


def cutout(x: Tensor, rng: BatchRng, size: int = 8) -> Tensor:
    """Covers a square of `size` pixels a side with the image's mean colour (DeVries and Taylor 2017, section 3.2).

    Its centre is uniform over the image, so the square may extend over a border, as in the paper.
    """
    masks = []
    for length in x.shape[2:]:
        start = rng.integers(0, length - 1)[:, None] - size // 2
        index = _range(length, rng)
        masks.append((index >= start) & (index < start + size))
    mean = x[:, :, ::4, ::4].float().mean((2, 3), keepdim=True).to(x.dtype)  # every fourth pixel: accurate and cheap
    return torch.where(masks[0][:, None, :, None] & masks[1][:, None, None, :], mean, x)


# --- text -----------------------------------------------------------------------------------------------------------

LOOKUPS: Sequence[Callable[..., PixelGrid]] = (flip, flipud, crop)
WARPS: Sequence[Callable[..., Tensor]] = (translate, scale, skew, rotate, perspective)  # perspective has to be the last
STAGES: Sequence[tuple[Callable[..., Tensor], Sequence[Callable[..., Tensor]]]] = (
    (change_light, (light, vignette, noise)),
    (cover, (cutout,)),
)
IN_PLACE = [function for _, functions in STAGES for function in functions]
FUNCTIONS: dict[str, Callable[..., Any]] = {function.__name__: function for function in (*LOOKUPS, *WARPS, *IN_PLACE)}
RANGES = {"crop": (0, 1000), "cutout": (0, 1000), "rotate": (0, 180), "skew": (0, 60), "perspective": (0, 0.4)}
TRANSFORMS = Transforms(FUNCTIONS, "flip, crop(4)", RANGES)


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """Returns the transforms in `text` for training; `extras` are not used. Raises Problem as `compose_moving`."""
    transform = compose_moving(text)
    return Augment(
        lambda images, targets, generator: (transform(images, generator)[0], targets), moved_inputs=transform
    )


def compose(text: str) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Returns `compose_moving` without the movement."""
    transform = compose_moving(text)
    return lambda x, generator: transform(x, generator)[0]


def compose_moving(text: str) -> Callable[[Tensor, torch.Generator], tuple[Tensor, Movement]]:
    """Returns a function of a batch (B, C, H, W) of pixels from 0 to 255 and a generator on its device.

    It returns the new batch, and the movement of its pixels, which moves masks and boxes alike. Raises Problem for an
    unknown or repeated transform and for an unknown or invalid parameter.
    """
    bound = TRANSFORMS.parse(text)

    def of(functions: Sequence[Callable[..., Any]]) -> list[Callable[..., Any]]:
        return [bound[function.__name__] for function in functions if function.__name__ in bound]

    lookups, warps = of(LOOKUPS), of(WARPS)
    stages = [(stage, transforms) for stage, functions in STAGES if (transforms := of(functions))]

    def transform(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Movement]:
        rng = BatchRng(len(x), x.device, generator)
        size = (x.shape[2], x.shape[3])
        grid = pixel_grid(lookups, size, rng) if lookups else None
        movement = Movement(grid, matrix_of(warps, size, rng) if warps else None)
        x = movement.pictures(x)
        for stage, transforms in stages:
            x = stage(x, transforms, rng)
        return x, movement

    return transform


def restrict(text: str, labels: list[str]) -> str:
    """Removes flips where every label is a single character: a mirrored 2 is no 2, a mirrored b is a d."""
    if not labels or any(len(label) != 1 for label in labels):
        return text
    return ", ".join(part for part in split_calls(text) if part.partition("(")[0] not in ("flip", "flipud")) or "none"


def views(text: str) -> Sequence[View]:
    """Returns views for test-time augmentation: the image, and its mirror image if training used flips.

    If training used crops, there are also both shifted by a pixel along the diagonal, either way; these are not used
    by default (Jordan 2024, arXiv:2404.00498, "Multi-crop evaluation").
    """
    functions = TRANSFORMS.parse(text)
    transforms = [identity, mirror] if "flip" in functions else [identity]
    steps = (-1, 1) if "crop" in functions else ()
    shifted = [partial(shift, transform, step) for step in steps for transform in transforms]
    return [View(transform) for transform in transforms] + [View(transform, default=False) for transform in shifted]


def placed_views(text: str) -> Sequence[View]:
    """Returns the views for predictions that lie in the image: it, and its mirror image if training used flips."""
    return [View(), View(mirror, mirror)] if "flip" in TRANSFORMS.parse(text) else [View()]


def shows_only_views(text: str) -> bool:
    """Returns whether pictures are trained on as they are or mirrored, and in no other way."""
    return set(TRANSFORMS.parse(text)) <= {"flip"}


def mirror(images: Tensor) -> Tensor:
    """Mirrors left and right."""
    return images.flip(-1)


def shift(transform: Callable[[Tensor], Tensor], step: int, images: Tensor) -> Tensor:
    """Applies `transform`, then shifts by `step` pixels down and to the right, with replication padding."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device).sub(step).clamp(0, height - 1)
    columns = torch.arange(width, device=images.device).sub(step).clamp(0, width - 1)
    return transform(images)[:, :, rows][..., columns]
