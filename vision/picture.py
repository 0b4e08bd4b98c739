"""Decoding of one image, file content or array, to pixels of a given size and colour, for `load` and `read`."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from ..core.file_formats import binary_format
from ..core.sources.content import Kind, Unreadable, is_text
from . import heif

Pixels = npt.NDArray[np.uint8]  # (C, H, W)
Positions = npt.NDArray[np.int64]  # (count,) of rows or columns

# Pillow registers the first five by itself, the other two when they are imported.
IMPORTED = (TiffImagePlugin.TiffImageFile.format, WebPImagePlugin.WebPImageFile.format)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", *IMPORTED)
SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"]
)
PICTURES = Kind(
    "vision",
    "picture",
    SUFFIXES,
    "a folder with one folder per class, a folder whose file names follow a --pattern, a .zip or .tar of either, "
    "IDX files, CIFAR-10 batches, a .csv of path, label, or Parquet files with the pictures in them",
    patterns=True,
    foreign=heif.SUFFIXES,  # not read everywhere
)
GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
ORIENTATION = 0x0112  # EXIF tag
BITS, PHOTOMETRIC, MIN_IS_WHITE = 258, 262, 0  # TIFF tags, and a value of the second
# Pillow opens these only in the other byte order.
TiffImagePlugin.OPEN_INFO.setdefault((TiffImagePlugin.MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))
GREY_LEVELS = {"L;2": 3, "L;4": 15}  # the value of white in a PNG of 2 or 4 bits, by Pillow's name for it
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow warns of large images and unusual metadata; only its errors matter here.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Form:
    """The size and colour that all images of a data set are brought to; `size` is (height, width) in pixels."""

    size: tuple[int, int]
    colour: str  # "grey" or "rgb"
    fit: str  # "crop", "stretch", "pad" or "keep"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        return (1 if self.colour == "grey" else 3, *self.size)

    @property
    def weight(self) -> int:
        """Bytes of an image."""
        return prod(self.shape)


class Header(NamedTuple):
    """Properties of an image file; `size` is (height, width) in pixels, upright."""

    size: tuple[int, int]
    mode: str
    format: str
    orientation: int
    grey: bool


def pixels(content: Pixels | bytes, form: Form | None) -> tuple[Header, Pixels]:
    """Returns an image's header and its pixels in `form`, (C, H, W); unchanged if `form` is None.

    Raises Unreadable if the content cannot be decoded.
    """
    if isinstance(content, np.ndarray):
        return array_pixels(content, form)
    try:
        with open_image(content) as image:
            header = header_of(image)
            if form is not None:
                decode_small(image, form, header)
            image.load()
            return header, to_array(to_form(upright(to_l_or_rgb(image), orientation(image)), form))
    except Unreadable:
        raise
    except Exception as error:  # Pillow's decoders raise exceptions of many types
        raise Unreadable(reason(content, error)) from error


def header(content: Pixels | bytes) -> Header:
    """Returns an image's header without decoding its pixels. Raises Unreadable if it cannot be read."""
    if isinstance(content, np.ndarray):
        return array_header(content)
    try:
        with open_image(content) as image:
            return header_of(image)
    except Exception as error:  # as above
        raise Unreadable(reason(content, error)) from error


def open_image(content: bytes) -> Image.Image:
    """Opens an image in one of FORMATS, AVIF or HEIC; pixels are decoded later."""
    format = heif.heif_format(content)
    image = Image.open(io.BytesIO(content), formats=heif.pillow_formats(format) if format else FORMATS)
    if image.format == "PNG" and isinstance(image, ImageFile.ImageFile) and image.tile:
        scale_transparency(image, image.tile[0].args)
    return image


def scale_transparency(image: Image.Image, kind: object) -> None:
    """Brings the transparent colour of an opened PNG to the 8 bits of its pixels, which Pillow leaves as it stands.

    `kind` is Pillow's name for the pixels in the file. Of 16 bits the higher 8 decide.
    """
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and isinstance(kind, str) and kind in GREY_LEVELS:
        image.info["transparency"] = transparent * 255 // GREY_LEVELS[kind]
    elif isinstance(transparent, tuple) and kind == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in transparent)


def header_of(image: Image.Image) -> Header:
    """Returns the header of an opened image."""
    exif = orientation(image)
    width, height = image.size
    # Pillow rotates TIFFs upright itself and reports their upright size.
    size = (width, height) if exif >= 5 and image.format != "TIFF" else (height, width)
    name = (
        "JPEG" if image.format == "MPO" else image.format or "unknown"
    )  # MPO: several JPEGs in one file, as written by some phones
    return Header(size, image.mode, name, exif, is_grey(image))


def orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation: 1 for upright, 2 to 8 for rotated or mirrored."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block; the pixels may be intact
        return 1
    return value if value in UPRIGHT else 1


def is_grey(image: Image.Image) -> bool:
    """Returns True for a grey mode, or a palette of grey colours."""
    if image.mode != "P" or image.palette is None:
        return image.mode in GREY
    palette = np.frombuffer(bytes(image.palette.getdata()[1]), np.uint8)
    colours = palette[: len(palette) // 3 * 3].reshape(-1, 3)
    return image.palette.mode == "RGB" and bool((colours == colours[:, :1]).all())


def decode_small(image: Image.Image, form: Form, header: Header) -> None:
    """Lets the JPEG decoder skip detail that resizing would discard; twice the final side keeps edges smooth."""
    if form.fit == "keep":
        return
    height, width = form.size if header.orientation < 5 else form.size[::-1]
    image.draft(None, (2 * width, 2 * height))


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Rotates and mirrors by an EXIF orientation."""
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def to_l_or_rgb(image: Image.Image) -> Image.Image:
    """Converts any mode to L or RGB: 16 bits to 8, palettes resolved, transparency over white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L") if image.mode == "1" else image if image.mode in ("L", "RGB") else image.convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit, I and F greys to 0..255. Raises Unreadable for pixels that are NaN or infinite."""
    stored = np.array(image)
    values = stored.astype(np.float32)
    if not (finite := np.isfinite(values)).all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise Unreadable(f"holds pixels that are no numbers (NaN or infinite), first in row {row}, column {column}")
    if image.mode == "F" and values.max(initial=0) <= 1:
        values *= 255
    else:
        values /= white_level(image, float(values.max(initial=0))) / 255
    grey = values.round().clip(0, 255).astype(np.uint8)
    if tiff_tag(image, PHOTOMETRIC) == MIN_IS_WHITE:
        grey = 255 - grey
    if image.format == "PNG" and isinstance(transparent := image.info.get("transparency"), int):
        grey[stored == transparent] = 255  # over white, as other transparent pixels
    return Image.fromarray(grey)


def white_level(image: Image.Image, largest: float) -> float:
    """The value of white in a grey image. The range of other I and F images than PGM is inferred from their values."""
    if tiff_tag(image, BITS) == (12,):
        return 4095
    # Pillow scales PGM with a maxval of more than 255 to 16 bits.
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")
    return 65535 if deep or largest > 255 else 255


def tiff_tag(image: Image.Image, tag: int) -> object:
    """The value of a tag of a TIFF image; None if it is missing or the image is no TIFF."""
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def to_form(image: Image.Image, form: Form | None) -> Image.Image:
    """Brings an L or RGB image to the size and colour of `form`; None leaves it unchanged."""
    if form is None:
        return image
    image = resize(image, form)
    mode = "L" if form.colour == "grey" else "RGB"
    return image if image.mode == mode else image.convert(mode)


def resize(image: Image.Image, form: Form) -> Image.Image:
    """Resizes by `form.fit`: "crop" and "pad" keep the aspect ratio, "stretch" does not, "keep" keeps the scale."""
    height, width = form.size
    if image.size == (width, height):
        return image
    if form.fit == "pad":
        return pad(image, width, height)
    if form.fit == "keep":
        return place(image, width, height)
    box = None if form.fit == "stretch" else centre_box(image.size, width, height)
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def centre_box(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """Returns the largest centred box with the aspect ratio width:height as (left, upper, right, lower)."""
    scale = min(size[0] / width, size[1] / height)
    left, upper = max(0.0, (size[0] - scale * width) / 2), max(0.0, (size[1] - scale * height) / 2)
    return left, upper, size[0] - left, size[1] - upper


def pad(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scales the image into the centre of a black one."""
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))
    scaled = image.resize(inner, Image.Resampling.BICUBIC, reducing_gap=3.0)
    canvas.paste(scaled, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def place(image: Image.Image, width: int, height: int) -> Image.Image:
    """Puts the image into the centre of a black one at its own scale; what does not fit is cut off."""
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


class Placement(NamedTuple):
    """Along one axis, the part of a form that shows an image: pixel `start` + i shows (i + ½)·length/`extent` of it."""

    start: int  # of the image in the form; negative where the image is cut off
    extent: int  # pixels of the form that the image of `length` would take


def placements(size: tuple[int, int], form: Form) -> tuple[Placement, Placement]:
    """Where the rows and columns of an image of `size` (height, width) lie in `form`, for all fits but "crop"."""
    height, width = form.size
    if form.fit == "keep":
        inner = size
    elif form.fit == "pad":
        scale = min(width / size[1], height / size[0])
        inner = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    else:
        inner = form.size
    down, across = ((side - part) // 2 for side, part in zip(form.size, inner, strict=True))
    return Placement(down, inner[0]), Placement(across, inner[1])


def source_positions(size: tuple[int, int], form: Form) -> tuple[Positions, Positions]:
    """The row of an image of `size` that each row of `form` shows, and the columns likewise; −1 for padding."""
    if form.fit == "crop" and size != form.size:
        left, upper, right, lower = centre_box((size[1], size[0]), form.size[1], form.size[0])
        axes = ((upper, lower, form.size[0], size[0]), (left, right, form.size[1], size[1]))
        rows, columns = (
            (start + (np.arange(count) + 0.5) * (end - start) / count).astype(np.int64).clip(0, length - 1)
            for start, end, count, length in axes
        )
        return rows, columns
    rows, columns = (
        _positions(placement, count, length)
        for placement, count, length in zip(placements(size, form), form.size, size, strict=True)
    )
    return rows, columns


def _positions(placement: Placement, count: int, length: int) -> Positions:
    index = np.arange(count) - placement.start
    positions = np.floor((index + 0.5) * (length / placement.extent)).astype(np.int64)
    return np.where((index >= 0) & (index < placement.extent), positions.clip(0, length - 1), -1)


def original_position(size: tuple[int, int], form: Form, row: int, column: int) -> tuple[int, int]:
    """The row and column, in an image of `size` (height, width), of the middle of a pixel of its resized form."""
    scales = [length / resized for length, resized in zip(size, form.size, strict=True)]
    if form.fit == "keep":
        scales = [1.0, 1.0]
    elif form.fit != "stretch":
        scales = [max(scales) if form.fit == "pad" else min(scales)] * 2
    position = [
        int(length / 2 + (index + 0.5 - resized / 2) * scale)
        for length, resized, scale, index in zip(size, form.size, scales, (row, column), strict=True)
    ]
    y, x = (min(max(place, 0), length - 1) for place, length in zip(position, size, strict=True))
    return y, x


def to_array(image: Image.Image) -> Pixels:
    """Returns the pixels of an L or RGB image, (C, H, W)."""
    array = np.asarray(image, np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def array_pixels(array: Pixels, form: Form | None) -> tuple[Header, Pixels]:
    """Returns the header and the pixels of an array (C, H, W) in `form`."""
    header = array_header(array)
    if form is None or (header.size == form.size and header.grey == (form.colour == "grey")):
        return header, array
    image = Image.fromarray(array[0] if header.grey else array.transpose(1, 2, 0))
    return header, to_array(to_form(image, form))


def array_header(array: Pixels) -> Header:
    """Returns the header of an array (C, H, W)."""
    grey = len(array) == 1
    return Header((array.shape[1], array.shape[2]), "L" if grey else "RGB", "array", 1, grey)


def reason(content: bytes, error: Exception) -> str:
    """Returns why a content cannot be decoded, as the end of a sentence that begins with its name."""
    if not content:
        return "is empty (0 bytes)"
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"has more than {limit // 10**6} million pixels (a decompression bomb, or a picture to scale down first)"
    if format := heif.heif_format(content):
        return heif.heif_reason(format, error)
    if isinstance(error, UnidentifiedImageError):
        if content[:4] in TIFF:
            return "is a TIFF of a kind that Pillow cannot read; convert it to PNG, as in: magick x.tif x.png"
        form = binary_format(content)
        if form and "picture" not in form:
            kind = f"is {form}, not a picture"
        else:
            kind = "holds text, not a picture" if is_text(content) else "is not a picture that can be read"
        return f"{kind} (supported are PNG, JPEG, WebP, BMP, GIF, TIFF)"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return f"breaks off: the file is truncated ({error})"
    return f"is damaged ({error or type(error).__name__})"
