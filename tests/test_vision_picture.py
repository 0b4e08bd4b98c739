"""Decoding of images: modes, formats, orientation, size and colour, and messages for unusable files."""

import io
import os
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neocog.core.inputs import BytesInput, FileInput
from neocog.core.problem import DATA, USAGE, Problem
from neocog.core.sources.content import Unreadable, fetched
from neocog.vision import data, heif
from neocog.vision.picture import PICTURES, Form, header, pixels
from PIL import Image

RGB = Form((8, 8), "rgb", "crop")
FACTS = {"size": [8, 8], "colour": "rgb", "fit": "crop"}
HALVES = np.zeros((8, 8, 3), np.uint8)  # red on the left, blue on the right
HALVES[:, :4, 0], HALVES[:, 4:, 2] = 255, 255


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def reason(content: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        pixels(content, RGB)
    return str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF", "PPM"])
def test_lossless_formats_give_the_saved_pixels(format: str) -> None:
    image = Image.fromarray(HALVES)
    image = image.quantize(4) if format == "GIF" else image
    assert (pixels(encoded(image, format), RGB)[1] == HALVES.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("format", "options"), [("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 90})]
)
def test_lossy_formats_give_nearly_the_saved_pixels(format: str, options: dict[str, int]) -> None:
    got = pixels(encoded(Image.fromarray(HALVES), format, **options), RGB)[1].astype(int)
    assert abs(got - HALVES.transpose(2, 0, 1)).mean() < 12


MODES = [
    (Image.new("1", (8, 8), 1), (255, 255, 255)),
    (Image.new("L", (8, 8), 100), (100, 100, 100)),
    (Image.new("LA", (8, 8), (100, 0)), (255, 255, 255)),
    (Image.new("RGBA", (8, 8), (10, 20, 30, 0)), (255, 255, 255)),
    (Image.new("RGBA", (8, 8), (0, 0, 0, 51)), (204, 204, 204)),
    (Image.new("RGB", (8, 8), (10, 20, 30)).quantize(2), (10, 20, 30)),
    (Image.fromarray(np.full((8, 8), 65535, np.uint16)), (255, 255, 255)),
    (Image.fromarray(np.full((8, 8), 257 * 100, np.uint16)), (100, 100, 100)),
]


@pytest.mark.parametrize(("image", "colour"), MODES, ids=lambda value: getattr(value, "mode", ""))
def test_every_png_mode_gives_the_displayed_colour(image: Image.Image, colour: tuple[int, int, int]) -> None:
    """Transparency is over white; 16 bits are 0..65535."""
    assert pixels(encoded(image), RGB)[1][:, 4, 4].tolist() == list(colour)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((8, 8), 0.4, np.float32), 102),
        (np.full((8, 8), 102, np.float32), 102),
        (np.full((8, 8), 102 * 257, np.int32), 102),
    ],
)
def test_deep_tiffs_are_scaled_to_eight_bits_by_their_range(values: np.ndarray, expected: int) -> None:
    assert pixels(encoded(Image.fromarray(values), "TIFF"), RGB)[1][0, 4, 4] == expected


def pgm(values: np.ndarray, maxval: int) -> bytes:
    return b"P5 %d %d %d\n" % (*values.shape[::-1], maxval) + values.astype(">u2" if maxval > 255 else "u1").tobytes()


@pytest.mark.parametrize(
    ("value", "maxval", "expected"),
    [(200, 65535, 1), (200, 255, 200), (1023, 1023, 255), (102 * 4, 1020, 102), (65535, 65535, 255), (7, 15, 119)],
)
def test_the_maxval_of_a_pgm_is_white(value: int, maxval: int, expected: int) -> None:
    """A dark picture of 16 bits stays dark."""
    assert pixels(pgm(np.full((32, 32), value), maxval), RGB)[1][0, 4, 4] == expected


def tiff(values: np.ndarray, photometric: int, bits: int = 16, order: str = "<") -> bytes:
    """A TIFF of one uncompressed strip of grey values, in little-endian (<) or big-endian order (>)."""
    height, width = values.shape
    data = values.astype(f"{order}u2").tobytes()
    if bits == 12:  # two values in three bytes
        first, second = values.reshape(-1, 2).T
        data = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8).tobytes()
    size = (256, width), (257, height), (258, bits), (259, 1), (262, photometric)
    tags = [*size, (273, 8), (277, 1), (278, height), (279, len(data))]
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("value", "photometric", "bits", "expected"),
    [(10 * 257, 0, 16, 245), (10 * 257, 1, 16, 10), (4095, 1, 12, 255), (2048, 1, 12, 128)],
)
def test_a_grey_tiff_has_the_white_and_the_depth_of_its_tags(
    value: int, photometric: int, bits: int, expected: int
) -> None:
    for order in "<>" if bits == 16 else "<":
        assert pixels(tiff(np.full((8, 8), value), photometric, bits, order), RGB)[1][0, 4, 4] == expected


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def packed_png(width: int, depth: int, colour: int, row: bytes, transparent: tuple[int, ...]) -> bytes:
    """A PNG of one row as its specification writes it, with a tRNS chunk."""
    header = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    values = struct.pack(f">{len(transparent)}H", *transparent)
    chunks = ((b"IHDR", header), (b"tRNS", values), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*entry) for entry in chunks)


@pytest.mark.parametrize(
    ("depth", "row", "transparent", "expected"),
    [(2, b"\x1b", 1, [0, 255, 170, 255]), (4, b"\x01\x8f", 8, [0, 17, 255, 255]), (8, b"\x00\x80", 128, [0, 255])],
)
def test_a_transparent_grey_of_few_bits_becomes_white(depth, row, transparent, expected) -> None:
    content = packed_png(len(expected), depth, 0, row, (transparent,))
    assert pixels(content, None)[1][0, 0].tolist() == expected


def test_colours_of_sixteen_bits_keep_their_higher_eight() -> None:
    row = struct.pack(">6H", 200, 200, 200, 65535, 0, 32768)
    assert pixels(packed_png(2, 16, 2, row, (200, 200, 200)), None)[1][:, 0].T.tolist() == [[255] * 3, [255, 0, 128]]
    assert pixels(packed_png(2, 16, 2, row, (9000, 0, 0)), None)[1][:, 0].T.tolist() == [[0] * 3, [255, 0, 128]]


def test_a_transparent_grey_of_sixteen_bits_becomes_white() -> None:
    values = np.full((8, 8), 100 * 257, np.uint16)
    values[:, 4:] = 1234
    got = pixels(encoded(Image.fromarray(values), transparency=1234), RGB)[1]
    assert got[0, 4].tolist() == [100] * 4 + [255] * 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused(value: float) -> None:
    values = np.full((8, 8), 0.5, np.float32)
    values[2, 5] = value
    message = "holds pixels that are no numbers (NaN or infinite), first in row 2, column 5"
    assert reason(encoded(Image.fromarray(values), "TIFF")) == message


# --- HEIC and AVIF --------------------------------------------------------------------------------------------------


def box(*brands: bytes) -> bytes:
    """The first box of a file, followed by nothing that can be decoded."""
    return struct.pack(">I4s4sI", 16 + 4 * len(brands), b"ftyp", brands[0], 0) + b"".join(brands) + bytes(range(200))


@pytest.mark.parametrize(
    ("content", "format", "package"),
    [
        (box(b"heic", b"mif1"), "HEIC", "'neocog[heif]'"),
        (box(b"mif1", b"heic"), "HEIC", "'neocog[heif]'"),
        (box(b"avif", b"mif1"), "AVIF", "-U pillow"),
        (box(b"mif1", b"avif"), "AVIF", "-U pillow"),
    ],
)
def test_heic_and_avif_are_named_with_how_to_convert_them(
    content: bytes, format: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their content: phones also name them .jpg."""
    convert = f"convert it to JPEG or PNG, as in: magick x.{format.lower()} x.jpg"
    if heif.pillow_formats(format):
        expected = rf"is {format} that cannot be decoded( \([^<]+\))?; {re.escape(convert)}"
        assert re.fullmatch(expected, reason(content), re.S)
    monkeypatch.setattr(heif, "pillow_formats", lambda format: ())
    assert reason(content) == f"is {format}; {convert}, or pip install {package}"
    with pytest.raises(Unreadable, match=f"is {format}; "):
        header(content)


def test_a_video_is_not_taken_for_a_picture() -> None:
    assert reason(box(b"isom", b"mp42")).startswith("is not a picture that can be read")


def test_heic_files_are_listed_as_pictures() -> None:
    assert all(PICTURES.named(name) for name in ("IMG_0001.HEIC", "a.heif", "a.hif", "b.avif"))


def test_heic_is_read_where_pillow_heif_is_installed() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    scene = np.zeros((64, 96, 3), np.uint8)
    scene[:, :48] = 250
    content = encoded(Image.fromarray(scene), "HEIF", quality=90)
    about, got = pixels(content, Form((64, 96), "rgb", "crop"))
    assert about.size == (64, 96) and about.format == "HEIF" and not about.grey
    assert abs(got.astype(int) - scene.transpose(2, 0, 1)).mean() < 8 and header(content).size == (64, 96)


def test_avif_is_read_where_pillow_can() -> None:
    if not heif.pillow_formats("AVIF"):
        pytest.skip("this Pillow reads no AVIF")
    scene = np.zeros((64, 96, 3), np.uint8)
    scene[:, :48] = 250
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(scene).transpose(Image.Transpose.ROTATE_90)
    about, got = pixels(encoded(stored, "AVIF", quality=90, exif=exif), Form((64, 96), "rgb", "crop"))
    assert about.size == (64, 96) and abs(got.astype(int) - scene.transpose(2, 0, 1)).mean() < 8


def test_a_tiff_of_an_unknown_kind_is_named_as_such() -> None:
    content = tiff(np.full((8, 8), 5), 0, 13)
    assert reason(content).startswith("is a TIFF of a kind that Pillow cannot read; convert it to PNG")


def test_cmyk_becomes_rgb() -> None:
    got = pixels(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), RGB)[1]
    assert got[:, 4, 4].tolist() == [255, 0, 0]


def test_a_transparent_palette_colour_becomes_white() -> None:
    image = Image.fromarray(HALVES).quantize(2)
    red = image.getpixel((0, 0))
    got = pixels(encoded(image, "GIF", transparency=red), RGB)[1]
    assert got[:, 4, 0].tolist() == [255, 255, 255]
    assert got[:, 4, 7].tolist() == [0, 0, 255]


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("P", (8, 8), 0), Image.new("P", (8, 8), 1)]
    for frame in frames:
        frame.putpalette([9, 9, 9, 200, 200, 200])
    assert pixels(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), RGB)[1].max() == 9


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_gives_an_upright_image(format: str, orientation: int) -> None:
    """The same scene in all eight orientations gives the same pixels, in its upright size."""
    scene = Image.fromarray(np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((16, 16), np.uint8)))
    transpose = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene.transpose(transpose[orientation]) if orientation in transpose else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, format, exif=exif)
    original, got = pixels(content, Form((32, 48), "grey", "crop"))
    assert original.size == (32, 48) and original.orientation == orientation
    assert abs(got[0].astype(int) - np.asarray(scene)).mean() < 6
    assert header(content).size == (32, 48)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_exif_block_is_ignored() -> None:
    content = encoded(Image.fromarray(HALVES), "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xffgarbage")
    assert pixels(content, RGB)[0].orientation == 1


WIDE = np.zeros((8, 16, 3), np.uint8)  # red, then green, then blue
WIDE[:, :4, 0], WIDE[:, 4:12, 1], WIDE[:, 12:, 2] = 255, 255, 255


def test_crop_keeps_the_centre() -> None:
    got = pixels(encoded(Image.fromarray(WIDE)), Form((8, 8), "rgb", "crop"))[1]
    assert (got == WIDE[:, 4:12].transpose(2, 0, 1)).all()


def test_stretch_keeps_everything_and_changes_the_aspect_ratio() -> None:
    got = pixels(encoded(Image.fromarray(WIDE)), Form((8, 8), "rgb", "stretch"))[1]
    assert got[0, 4, 0] > 200 and got[1, 4, 4] > 200 and got[2, 4, 7] > 200


def test_pad_keeps_everything_and_the_aspect_ratio_between_black_bars() -> None:
    got = pixels(encoded(Image.fromarray(WIDE)), Form((8, 8), "rgb", "pad"))[1]
    assert not got[:, :2].any() and not got[:, 6:].any() and got[0, 4, 0] > 200 and got[2, 4, 7] > 200


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    form=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    fit=st.sampled_from(["crop", "stretch", "pad"]),
    colour=st.sampled_from(["grey", "rgb"]),
)
def test_any_image_gets_the_size_and_colour_of_the_form(
    size: tuple[int, int], form: tuple[int, int], fit: str, colour: str
) -> None:
    content = encoded(Image.new("RGB", size, (50, 50, 50)))
    assert pixels(content, Form(form, colour, fit))[1].shape == (1 if colour == "grey" else 3, *form)


def test_an_image_of_one_pixel_is_decoded() -> None:
    assert (pixels(encoded(Image.new("RGB", (1, 1), (1, 2, 3))), RGB)[1][:, 3, 3] == [1, 2, 3]).all()


def test_an_array_gives_the_same_pixels_as_a_file() -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (3, 20, 30), np.uint8)
    content = encoded(Image.fromarray(array.transpose(1, 2, 0)))
    for form in (RGB, Form((8, 8), "grey", "pad"), Form((20, 30), "rgb", "crop"), Form((20, 30), "grey", "crop")):
        assert (pixels(array, form)[1] == pixels(content, form)[1]).all()


def test_unusable_files_have_a_reason() -> None:
    jpeg = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "JPEG")
    assert reason(b"") == "is empty (0 bytes)"
    assert reason(b"these are words\n").startswith("holds text, not a picture")
    assert reason(bytes(range(200, 256))).startswith("is not a picture that can be read")
    assert reason(jpeg[: len(jpeg) // 2]).startswith("breaks off: the file is truncated")
    png = encoded(Image.fromarray(HALVES))
    assert reason(png[:50] + b"xxxx" + png[54:]).startswith(("is damaged", "breaks off"))


def test_a_decompression_bomb_is_refused_before_decoding() -> None:
    """The header alone claims 30,000 x 30,000 pixels."""
    bmp = encoded(Image.new("L", (1, 1)), "BMP")
    bomb = bmp[:18] + (30_000).to_bytes(4, "little") + (30_000).to_bytes(4, "little") + bmp[26:]
    assert reason(bomb).startswith("has more than 178 million pixels")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=80)
@given(st.binary(max_size=40), st.integers(0, 600), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]))
def test_damaged_files_are_decoded_or_raise_unreadable(noise: bytes, offset: int, format: str) -> None:
    content = encoded(Image.fromarray(HALVES), format)
    try:
        pixels(content[:offset] + noise + content[offset + len(noise) :], RGB)
    except Unreadable as error:
        assert str(error)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match="is not a file"):
        fetched(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match="is not a file"):
        fetched(tmp_path)


def test_a_file_without_read_permission_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(path: Path, mode: str) -> BinaryIO:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Unreadable, match="may not be read"):
        fetched(tmp_path / "a.png")


def test_read_gives_the_same_for_a_path_and_its_content(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(HALVES))
    (tmp_path / "ä 图.png").write_bytes(content)
    from_path = data.read(FileInput(str(tmp_path / "ä 图.png")), FACTS)
    assert from_path.shape == (3, 8, 8) and (from_path == data.read(BytesInput(content), FACTS)).all()
    assert (from_path.numpy() == HALVES.transpose(2, 0, 1)).all()


def test_read_names_the_file_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(Problem, match=r"empty\.png is empty \(0 bytes\)") as caught:
        data.read(FileInput(str(tmp_path / "empty.png")), FACTS)
    assert caught.value.code == DATA
    with pytest.raises(Problem, match=r"the picture holds text"):
        data.read(BytesInput(b"words and words\n"), FACTS)
    with pytest.raises(Problem, match=r"emty\.png does not exist.*did you mean empty\.png") as caught:
        data.read(FileInput(str(tmp_path / "emty.png")), FACTS)
    assert caught.value.code == USAGE


def test_expand_paths_takes_files_folders_and_globs_in_natural_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in (
        "in/10.png",
        "in/9.png",
        "in/notes.txt",
        "in/.hidden.png",
        "in/deep/é 1.JPG",
        "b.jpg",
        "a.jpg",
        "odd.xyz",
    ):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert [value.name for value in data.expand_paths(["in"])] == ["in/9.png", "in/10.png", "in/deep/é 1.JPG"]
    assert [value.name for value in data.expand_paths(["odd.xyz", "*.jpg", "a.jpg"])] == ["odd.xyz", "a.jpg", "b.jpg"]
    assert [value.name for value in data.expand_paths(["**/*.png"])] == ["in/9.png", "in/10.png"]


def test_expand_paths_reports_missing_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for argument, message in [
        ("empty", "empty holds no pictures"),
        ("emty", r"emty does not exist.*did you mean empty"),
        ("*.png", r"\*\.png matches no file"),
    ]:
        with pytest.raises(Problem, match=message):
            data.expand_paths([argument])
    with pytest.raises(Problem, match="no pictures are named"):
        data.expand_paths([])
