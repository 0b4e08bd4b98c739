"""A photo to be changed: read at most so large, as values from 0 to 1, and written as a picture again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core import files
from ..core.problem import DATA, USAGE, Problem
from ..core.sources.content import Unreadable, fetched
from ..core.sources.expand import missing
from .picture import Form, header, pixels

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class Photo(NamedTuple):
    """A picture and what it was."""

    values: Tensor  # (1, C, H, W) from 0 to 1
    was: tuple[int, int]  # its height and width in the file

    @property
    def remark(self) -> str:
        """A sentence where it was made smaller, else nothing."""
        height, width = self.values.shape[2:]
        if self.was == (height, width):
            return ""
        millions = self.was[0] * self.was[1] / 1e6
        was = f"{self.was[1]}×{self.was[0]} ({millions:.1f} megapixels)"
        return f"{was} is scaled to {width}×{height}; --size says how large"


def read(path: str, longest: int, colour: str = "rgb") -> Photo:
    """A photo whose longer side is at most `longest` pixels, upright. Raises Problem where it cannot be read."""
    try:
        content = fetched(Path(path))
        was = header(content).size
        share = min(1.0, longest / max(was))
        size = (max(1, round(was[0] * share)), max(1, round(was[1] * share)))
        _, found = pixels(content, Form(size, colour, "stretch"))
    except Unreadable as problem:
        if not os.path.lexists(path):
            raise missing(path) from None
        raise Problem(f"{path} {problem}", DATA) from None
    return Photo(torch.from_numpy(found.copy())[None].float() / 255, was)


def write(values: Tensor, path: Path) -> None:
    """(1, C, H, W) values from 0 to 1 as a picture, in one step: whoever looks finds the last one whole."""
    array = (values[0].detach().cpu() * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(array[..., 0] if array.shape[2] == 1 else np.ascontiguousarray(array))
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(path.suffix.lower(), "PNG")
    options = {"quality": 95} if kind != "PNG" else {}
    files.write(path, lambda beside: picture.save(beside, kind, **options))


def frame(path: Path, step: int) -> Path:
    """Where the picture after so many steps is kept beside the last one: dream-0050.png."""
    return path.with_name(f"{path.stem}-{step:04d}{path.suffix}")


def check_size(size: int) -> None:
    """Raises Problem for a side that no picture has."""
    if not 16 <= size <= 4096:
        raise Problem(f"--size is from 16 to 4096 pixels of the longer side; got {size}", USAGE)
