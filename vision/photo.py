"""Reading and writing of photos as float tensors, for `dream` and `style`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core import files
from ..core.inputs import FileInput
from ..core.sources.content import fetched
from ..core.sources.read import named_problems
from .picture import Form, header, pixels

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class Photo(NamedTuple):
    """An image and its original size."""

    values: Tensor  # (1, C, H, W) from 0 to 1
    original_size: tuple[int, int]  # height and width in the file, in pixels

    @property
    def remark(self) -> str:
        """Returns a remark if the photo was scaled down, else ""."""
        height, width = self.values.shape[2:]
        if self.original_size == (height, width):
            return ""
        original_height, original_width = self.original_size
        megapixels = original_height * original_width / 1e6
        return (
            f"{original_width}×{original_height} ({megapixels:.1f} megapixels) is scaled to {width}×{height}; "
            "--size sets the longer side"
        )


def read(path: str, longest: int, colour: str = "rgb") -> Photo:
    """Reads a photo, upright, scaled down to at most `longest` pixels a side. Raises Problem if it cannot be read."""
    with named_problems(FileInput(path), "picture"):
        content = fetched(Path(path))
        original = header(content).size
        scale = min(1.0, longest / max(original))
        size = (max(1, round(original[0] * scale)), max(1, round(original[1] * scale)))
        _, array = pixels(content, Form(size, colour, "stretch"))
    return Photo(torch.from_numpy(array.copy())[None].float() / 255, original)


def write(values: Tensor, path: Path) -> None:
    """Writes (1, C, H, W) values from 0 to 1 as an image file, atomically, in the format of the path's suffix."""
    array = (values[0].detach().cpu() * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else np.ascontiguousarray(array))
    format = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(path.suffix.lower(), "PNG")
    options = {"quality": 95} if format != "PNG" else {}
    files.write(path, lambda temporary: image.save(temporary, format, **options))


def frame_path(path: Path, step: int) -> Path:
    """Returns the path of the image after `step` steps, beside the last one: dream-0050.png."""
    return path.with_name(f"{path.stem}-{step:04d}{path.suffix}")
