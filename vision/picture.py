"""One picture: a file's bytes, or an array -> pixels of a given size and colour. `load` and `read` both come here."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from ..core.sources.content import Kind, Unreadable, is_text

Pixels = npt.NDArray[np.uint8]  # (C, H, W)

# Pillow knows the first five by itself; the other two only once they are imported.
LATER = (TiffImagePlugin.TiffImageFile.format, WebPImagePlugin.WebPImageFile.format)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", *LATER)
SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"]
)
PICTURES = Kind(
    "vision",
    "picture",
    SUFFIXES,
    "a folder with one folder per class, a .zip or .tar of it, IDX files, CIFAR-10 batches or a .csv of path, label",
)
GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow warns of large pictures and odd metadata, and refuses what it cannot read; only the refusals concern us.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Form:
    """What every picture of a set is brought to. `size` is (height, width) in pixels."""

    size: tuple[int, int]
    colour: str  # "grey" or "rgb"
    fit: str  # "crop", "stretch" or "pad"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        return (1 if self.colour == "grey" else 3, *self.size)

    @property
    def weight(self) -> int:
        """Bytes of a picture."""
        return prod(self.shape)


class Header(NamedTuple):
    """What a picture is before it is changed; `size` is (height, width) in pixels as it is shown, upright."""

    size: tuple[int, int]
    mode: str
    format: str
    orientation: int
    grey: bool


def pixels(content: Pixels | bytes, form: Form | None) -> tuple[Header, Pixels]:
    """A picture's header and its pixels in `form`, (C, H, W); in its own size and colour where `form` is None."""
    if isinstance(content, np.ndarray):
        return array_pixels(content, form)
    try:
        with opened(content) as image:
            header = header_of(image)
            if form is not None:
                decode_small(image, form, header)
            image.load()
            return header, to_array(shaped(flat(upright(image)), form))
    except Exception as error:  # Pillow's decoders raise whatever their parser stumbles over
        raise Unreadable(reason(content, error)) from error


def header(content: Pixels | bytes) -> Header:
    """What a picture is, from its first bytes."""
    if isinstance(content, np.ndarray):
        return array_header(content)
    try:
        with opened(content) as image:
            return header_of(image)
    except Exception as error:  # as above
        raise Unreadable(reason(content, error)) from error


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=FORMATS)


def header_of(image: Image.Image) -> Header:
    turn = orientation(image)
    width, height = image.size
    # Pillow turns a TIFF upright by itself and says its size accordingly.
    size = (width, height) if turn >= 5 and image.format != "TIFF" else (height, width)
    name = "JPEG" if image.format == "MPO" else image.format or "unknown"  # MPO: several in one, as some phones write
    return Header(size, image.mode, name, turn, is_grey(image))


def orientation(image: Image.Image) -> int:
    """1 for upright, 2 to 8 for the ways a camera can be held."""
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing; the picture may well be whole
        return 1
    return turn if turn in UPRIGHT else 1


def is_grey(image: Image.Image) -> bool:
    if image.mode != "P" or image.palette is None:
        return image.mode in GREY
    palette = np.frombuffer(bytes(image.palette.getdata()[1]), np.uint8)
    colours = palette[: len(palette) // 3 * 3].reshape(-1, 3)
    return image.palette.mode == "RGB" and bool((colours == colours[:, :1]).all())


def decode_small(image: Image.Image, form: Form, header: Header) -> None:
    """Lets the JPEG decoder leave out detail that resizing would throw away; twice the side keeps the edges smooth."""
    height, width = form.size if header.orientation < 5 else form.size[::-1]
    image.draft(None, (2 * width, 2 * height))


def upright(image: Image.Image) -> Image.Image:
    turn = orientation(image)
    return image.transpose(UPRIGHT[turn]) if turn in UPRIGHT else image


def flat(image: Image.Image) -> Image.Image:
    """The picture as L or RGB: 16 bits to 8, colours looked up, what is transparent over white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L") if image.mode == "1" else image if image.mode in ("L", "RGB") else image.convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey to 0..255. 16 bits are 0..65535; the range of I and F is nowhere written, so the values tell it."""
    values = np.nan_to_num(np.array(image, np.float32))
    top = values.max(initial=0)
    if image.mode.startswith("I;16") or top > 255:
        values /= 257  # 65535 = 257 * 255
    elif image.mode == "F" and top <= 1:
        values *= 255
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def shaped(image: Image.Image, form: Form | None) -> Image.Image:
    """An L or RGB picture brought to a form."""
    if form is None:
        return image
    image = fitted(image, form)
    mode = "L" if form.colour == "grey" else "RGB"
    return image if image.mode == mode else image.convert(mode)


def fitted(image: Image.Image, form: Form) -> Image.Image:
    height, width = form.size
    if image.size == (width, height):
        return image
    if form.fit == "pad":
        return padded(image, width, height)
    box = None if form.fit == "stretch" else centre(image.size, width, height)
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def centre(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """The largest box of the wanted shape in the middle of a picture: left, upper, right, lower."""
    scale = min(size[0] / width, size[1] / height)
    left, upper = max(0.0, (size[0] - scale * width) / 2), max(0.0, (size[1] - scale * height) / 2)
    return left, upper, size[0] - left, size[1] - upper


def padded(image: Image.Image, width: int, height: int) -> Image.Image:
    """The whole picture in the middle of a black one."""
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))
    small = image.resize(inner, Image.Resampling.BICUBIC, reducing_gap=3.0)
    canvas.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def to_array(image: Image.Image) -> Pixels:
    """(C, H, W)"""
    array = np.asarray(image, np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def array_pixels(array: Pixels, form: Form | None) -> tuple[Header, Pixels]:
    header = array_header(array)
    if form is None or (header.size == form.size and header.grey == (form.colour == "grey")):
        return header, array
    image = Image.fromarray(array[0] if header.grey else array.transpose(1, 2, 0))
    return header, to_array(shaped(image, form))


def array_header(array: Pixels) -> Header:
    grey = len(array) == 1
    return Header((array.shape[1], array.shape[2]), "L" if grey else "RGB", "array", 1, grey)


def reason(content: bytes, error: Exception) -> str:
    """Why these bytes give no picture."""
    if not content:
        return "is empty (0 bytes)"
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"has more than {most // 10**6} million pixels (a decompression bomb, or a picture to scale down first)"
    if isinstance(error, UnidentifiedImageError):
        kind = "holds text, not a picture" if is_text(content) else "is not a picture that can be read"
        return f"{kind} (readable are PNG, JPEG, WebP, BMP, GIF, TIFF)"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return f"breaks off: the file is truncated ({error})"
    return f"is damaged ({error or type(error).__name__})"
