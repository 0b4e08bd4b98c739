"""Pictures changed at random while a network learns: "flip, crop(4), rotate(15), cutout(8)", or "none".

A change is a tensor expression over the whole batch, on the device where the batch is; nothing waits for the device.
Every random number comes from one generator: the same state of it gives the same bits.

The order is fixed, however the words are typed: flip, flipud and crop are one look-up of whole pixels; translate,
scale, skew, rotate and perspective one interpolation; then light, vignette and noise, as in a camera; last cutout.
Flip, flipud, crop and cutout leave uint8 as it is; the others give float32, from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.augmentation import Transforms, split_calls
from ..core.domain import Augment
from ..core.tta import View, same
from .warp import Dice, centred, perspective, rotate, scale, skew, translate, warp

FULL = 255.0  # full scale of a pixel


# --- whole pixels: which row and which column of the picture each new one is ----------------------------------------

Places = tuple[Tensor, Tensor]  # (B, H) rows and (B, W) columns, int64


def move(x: Tensor, words: Sequence[Callable[[Places, Dice], Places]], dice: Dice) -> Tensor:
    """All `words` in one look-up: any (B, C, H, W) -> the same shape and type.

    One gather from the pictures as they are is faster than windows on padded copies: 1.2 ms against 4.8 for flip and
    crop(4) of 1,000 pictures of 3×32×32 on two CPU cores.
    """
    height, width = x.shape[2:]
    places = (_count(height, dice), _count(width, dice))
    for word in words:
        places = word(places, dice)
    rows, columns = _mirrored(places[0], height), _mirrored(places[1], width)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)  # (B, H·W)
    return x.flatten(2).gather(2, pixels[:, None].expand(-1, x.shape[1], -1)).view(x.shape)


def _count(length: int, dice: Dice) -> Tensor:
    return torch.arange(length, device=dice.device).expand(dice.pictures, -1)


def _mirrored(places: Tensor, length: int) -> Tensor:
    """Places beyond a border, mirrored back at the outermost pixel: −1 is 1, `length` is `length − 2`."""
    last = length - 1
    return last - (last - places.abs() % max(1, 2 * last)).abs()


def flip(places: Places, dice: Dice) -> Places:
    """Left and right change places in every second picture."""
    rows, columns = places
    return rows, torch.where(dice.coins()[:, None], columns.flip(1), columns)


def flipud(places: Places, dice: Dice) -> Places:
    """Top and bottom change places in every second picture."""
    rows, columns = places
    return torch.where(dice.coins()[:, None], rows.flip(1), rows), columns


def crop(places: Places, dice: Dice, pixels: int = 4) -> Places:
    """Shifted by up to so many whole pixels along each axis; what comes in is the border, mirrored."""
    rows, columns = places
    return rows + dice.whole(-pixels, pixels)[:, None], columns + dice.whole(-pixels, pixels)[:, None]


# --- light ----------------------------------------------------------------------------------------------------------


def expose(x: Tensor, words: Sequence[Callable[[Tensor, Dice], Tensor]], dice: Dice) -> Tensor:
    """All `words`, then what is brighter than white or darker than black cut off: (B, C, H, W) float32."""
    x = x.float()
    for word in words:
        x = word(x, dice)
    return x.clamp_(0, FULL)  # every word made a new tensor, so nothing of the caller's is written to


def light(x: Tensor, dice: Dice, brightness: float = 0.2, contrast: float = 0.2) -> Tensor:
    """Brighter or darker by up to this share of full scale; contrast about mid-grey more or less by up to its share."""
    gain = 1 + dice.within(contrast)
    shift = dice.within(brightness * FULL) + (1 - gain) * (FULL / 2)
    return (x * gain[:, None, None, None]).add_(shift[:, None, None, None])


def vignette(x: Tensor, dice: Dice, strength: float = 0.5) -> Tensor:
    """Darker towards the corners, by up to `strength` there, with the square of the distance from the middle."""
    height, width = x.shape[2:]
    down, across = centred(height, x.device), centred(width, x.device)
    square = down[:, None].square() + across.square()  # (H, W)
    depth = dice.within(strength).abs()[:, None, None, None]
    return x * (1 - depth * (4 / (height**2 + width**2)) * square)


def noise(x: Tensor, dice: Dice, std: float = 0.05) -> Tensor:
    """Normal noise on every pixel and channel; `std` is a share of full scale."""
    return torch.randn(x.shape, device=x.device, generator=dice.rng).mul_(std * FULL).add_(x)


# --- covers ---------------------------------------------------------------------------------------------------------


def cover(x: Tensor, words: Sequence[Callable[[Tensor, Dice], Tensor]], dice: Dice) -> Tensor:
    for word in words:
        x = word(x, dice)
    return x


def cutout(x: Tensor, dice: Dice, size: int = 8) -> Tensor:
    """A square of `size` pixels a side covered with the picture's mean colour (DeVries and Taylor 2017, section 3.2).

    Its middle is evenly anywhere in the picture, so that it may stand out over a border, as in the paper.
    """
    inside = []
    for length in x.shape[2:]:
        start = dice.whole(0, length - 1)[:, None] - size // 2
        place = _count(length, dice)
        inside.append((place >= start) & (place < start + size))
    mean = x[:, :, ::4, ::4].float().mean((2, 3), keepdim=True).to(x.dtype)  # every fourth is near enough, and cheap
    return torch.where(inside[0][:, None, :, None] & inside[1][:, None, None, :], mean, x)


# --- text -----------------------------------------------------------------------------------------------------------

STAGES: Sequence[tuple[Callable[..., Tensor], Sequence[Callable[..., Any]]]] = (
    (move, (flip, flipud, crop)),
    (warp, (translate, scale, skew, rotate, perspective)),  # perspective last: see there
    (expose, (light, vignette, noise)),
    (cover, (cutout,)),
)
WORDS = {word.__name__: word for _, words in STAGES for word in words}
RANGES = {"crop": (0, 1000), "cutout": (0, 1000), "rotate": (0, 180), "skew": (0, 60), "perspective": (0, 0.4)}
TRANSFORMS = Transforms(WORDS, "flip, crop(4)", RANGES)


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """The words in `text` for training; what they change does not depend on `extras`, nor on the targets."""
    change = changes(text)
    return Augment(lambda pictures, targets, rng: (change(pictures, rng), targets))


def changes(text: str) -> Callable[[Tensor, torch.Generator], Tensor]:
    """The words in `text` as a function of a batch (B, C, H, W) of pixels from 0 to 255 and a generator on its device.

    Raises Problem for an unknown word, an unknown or impossible number, and a word written twice.
    """
    words = TRANSFORMS.parse(text)
    chosen = [(stage, [words[each.__name__] for each in every if each.__name__ in words]) for stage, every in STAGES]
    stages = [(stage, some) for stage, some in chosen if some]

    def change(x: Tensor, rng: torch.Generator) -> Tensor:
        dice = Dice(len(x), x.device, rng)
        for stage, some in stages:
            x = stage(x, some, dice)
        return x

    return change


def suited(text: str, labels: list[str]) -> str:
    """The same words without flips where every label is one sign: in a mirror, a 2 is no 2 and a b is a d."""
    if not all(len(label) == 1 for label in labels):
        return text
    return ", ".join(part for part in split_calls(text) if part.partition("(")[0] not in ("flip", "flipud")) or "none"


def views(text: str) -> Sequence[View]:
    """A picture, and its mirror image where training mirrored pictures: answers are averaged over both.

    Where it moved them, there are also the same moved by a pixel along the diagonal, either way, for those who
    ask for all (Jordan 2024, arXiv:2404.00498, "Multi-crop evaluation").
    """
    words = TRANSFORMS.parse(text)
    seen = [same, mirrored] if "flip" in words else [same]
    steps = (-1, 1) if "crop" in words else ()
    further = [partial(moved, each, step) for step in steps for each in seen]
    return [View(each) for each in seen] + [View(each, default=False) for each in further]


def mirrored(pictures: Tensor) -> Tensor:
    return pictures.flip(-1)


def moved(see: Callable[[Tensor], Tensor], step: int, pictures: Tensor) -> Tensor:
    """What `see` makes of pictures, moved by `step` pixels down and to the right; the border is repeated."""
    height, width = pictures.shape[2:]
    rows = torch.arange(height, device=pictures.device).sub(step).clamp(0, height - 1)
    columns = torch.arange(width, device=pictures.device).sub(step).clamp(0, width - 1)
    return see(pictures)[:, :, rows][..., columns]
