"""Image augmentation: laws of every transform, and of their composition."""

import pytest
import torch
from neocog.core.problem import USAGE, Problem
from neocog.vision import warp
from neocog.vision.augment import FUNCTIONS, RANGES, compose, restrict, views
from torch import Tensor

UINT8 = ["flip", "flipud", "crop(3)", "flip, flipud, crop(4)", "cutout(5)", "flip, crop(2), cutout"]  # keep uint8
FLOAT = ["rotate", "translate", "scale", "skew", "perspective", "light", "vignette", "noise"]
ALL = ", ".join(FUNCTIONS)
SIZES = [(6, 3, 12, 12), (5, 1, 7, 10), (2, 3, 1, 1)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(99))


def smooth(count: int, side: int) -> Tensor:
    """(count, 1, side, side) float32 images without sharp edges, so that interpolation loses little."""
    y, x = torch.meshgrid(torch.linspace(0, 3, side), torch.linspace(0, 2, side), indexing="ij")
    return (127 + 100 * torch.sin(x + 0.7 * y)).expand(count, 1, -1, -1)


def reflect(image: Tensor, pad: int) -> Tensor:
    """(C, H, W) with reflection padding, one row and one column at a time."""

    def source(index: int, length: int) -> int:
        while length > 1 and not 0 <= index < length:
            index = -index if index < 0 else 2 * (length - 1) - index
        return index if length > 1 else 0

    height, width = image.shape[1:]
    rows = torch.stack([image[:, source(y, height)] for y in range(-pad, height + pad)], 1)
    return torch.stack([rows[:, :, source(x, width)] for x in range(-pad, width + pad)], 2)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("text", [*UINT8, *FLOAT, ALL])
def test_every_transform_keeps_shape_and_range(text: str, shape: tuple[int, ...]) -> None:
    """(B, C, H, W) of 0..255 gives (B, C, H, W) of 0..255; transforms of whole pixels keep uint8."""
    y = compose(text)(images(*shape), generator())
    assert y.shape == shape
    assert y.dtype == (torch.uint8 if text in UINT8 else torch.float32)
    assert y.min() >= 0 and y.max() <= 255.001


@pytest.mark.parametrize("text", [*UINT8, *FLOAT, ALL])
def test_the_input_is_not_modified(text: str) -> None:
    """Examples are reused in every epoch, so that no transform may write to them."""
    for x in (images(4, 3, 9, 9), images(4, 3, 9, 9).float()):
        kept = x.clone()
        compose(text)(x, generator())
        assert torch.equal(x, kept)


@pytest.mark.parametrize("text", [*UINT8, *FLOAT, ALL])
def test_the_same_generator_gives_the_same_bits(text: str) -> None:
    x, change = images(8, 3, 12, 12), compose(text)
    assert torch.equal(change(x, generator(5)), change(x, generator(5)))
    assert not torch.equal(change(x, generator(5)), change(x, generator(6)))


@pytest.mark.parametrize("text", [*UINT8, *FLOAT, ALL])
def test_images_keep_their_places_in_the_batch(text: str) -> None:
    """Output i comes from image i: black and white images stay dark and bright."""
    x = torch.tensor([0, 255], dtype=torch.uint8)[torch.arange(16) % 2, None, None, None].expand(-1, 3, 10, 10)
    means = compose(text)(x, generator(1)).float().mean((1, 2, 3))
    assert (means[0::2] < 127).all() and (means[1::2] > 128).all()


@pytest.mark.parametrize("text", [*UINT8, *FLOAT, ALL])
def test_an_empty_batch_stays_empty(text: str) -> None:
    assert compose(text)(images(0, 3, 8, 8), generator()).shape == (0, 3, 8, 8)


def test_the_order_of_the_text_does_not_matter() -> None:
    x = images(6, 3, 12, 12)
    backwards = ", ".join(reversed(list(FUNCTIONS)))
    assert torch.equal(compose(ALL)(x, generator()), compose(backwards)(x, generator()))


def test_none_is_the_identity() -> None:
    x = images(3, 3, 5, 5)
    assert compose(" none ")(x, generator()) is x


@pytest.mark.parametrize(("name", "axis"), [("flip", 3), ("flipud", 2)])
def test_a_flip_mirrors_with_probability_one_half(name: str, axis: int) -> None:
    x = images(1000, 1, 4, 5)
    y = compose(name)(x, generator())
    unchanged, mirrored = ((y == image).flatten(1).all(1) for image in (x, x.flip(axis)))
    assert (unchanged | mirrored).all()
    assert 430 < mirrored.sum() < 570  # four standard deviations


def test_crop_by_zero_pixels_is_the_identity() -> None:
    x = images(9, 3, 6, 7)
    assert torch.equal(compose("crop(0)")(x, generator()), x)


@pytest.mark.parametrize(("shape", "pixels"), [((40, 3, 6, 7), 2), ((10, 1, 3, 4), 5), ((4, 1, 1, 3), 2)])
def test_a_crop_is_a_window_of_the_reflection_padded_image(shape: tuple[int, ...], pixels: int) -> None:
    """Compared with a slow loop, also where the padding is wider than the image."""
    x = images(*shape)
    for before, after in zip(x, compose(f"crop({pixels})")(x, generator()), strict=True):
        padded = reflect(before, pixels)
        windows = padded.unfold(1, shape[2], 1).unfold(2, shape[3], 1).flatten(1, 2)  # (C, windows, H, W)
        assert any(torch.equal(windows[:, i], after) for i in range(windows.shape[1]))


def test_crops_are_uniform() -> None:
    """All 25 shifts of crop(2) occur, about equally often."""
    x = torch.arange(49, dtype=torch.uint8).view(1, 1, 7, 7).expand(5000, -1, -1, -1)
    middles = compose("crop(2)")(x, generator())[:, 0, 3, 3]
    counts = torch.bincount(middles.long(), minlength=49).view(7, 7)
    assert counts.sum() == counts[1:6, 1:6].sum() and counts[1:6, 1:6].min() > 140  # 200, four standard deviations


@pytest.mark.parametrize("turns", [-1, 1, 2])
def test_a_rotation_by_quarter_turns_is_rot90(turns: int) -> None:
    x = images(3, 3, 11, 11)
    turned = warp.sample(x, warp.rotation(torch.full((3,), 90.0 * turns)))
    assert (turned - torch.rot90(x, turns, (2, 3)).float()).abs().max() < 0.01


def test_warps_by_zero_are_the_identity() -> None:
    """rotate(0), translate(0), scale(0), skew(0), perspective(0), alone and together, also if height is not width."""
    x = images(4, 3, 9, 14)
    for text in ("rotate(0)", "rotate(0), translate(0), scale(0), skew(0), perspective(0)"):
        assert (compose(text)(x, generator()) - x).abs().max() < 0.01


def test_rotations_compose() -> None:
    """Rotation by a, then by b, is rotation by a + b; rotating back gives the image, except for its corners."""
    a, b = torch.tensor([10.0, 35.0]), torch.tensor([20.0, -35.0])
    both = warp.product(warp.rotation(a), warp.rotation(b))
    assert torch.allclose(both, warp.rotation(a + b), atol=1e-6)
    x = smooth(2, 32)
    back = warp.sample(warp.sample(x, warp.rotation(a)), warp.rotation(-a))
    assert (back - x)[:, :, 10:-10, 10:-10].abs().max() < 2


def test_a_translation_by_whole_pixels_shifts_them() -> None:
    x, matrix = images(1, 3, 8, 8), torch.eye(3)[None].clone()
    matrix[:, 0, 2], matrix[:, 1, 2] = 2, -1  # read two to the right and one above
    assert (warp.sample(x, matrix)[:, :, 1:, :-2] - x[:, :, :-1, 2:]).abs().max() < 0.01


@pytest.mark.parametrize("name", ["rotate", "translate", "scale", "skew", "perspective"])
def test_a_matrix_stays_within_its_parameter(name: str) -> None:
    """The matrices of each warp with its largest parameter, in that parameter's unit."""
    _, limit = RANGES.get(name, (0, 1))
    m = FUNCTIONS[name]((20, 40), warp.BatchRng(2000, torch.device("cpu"), generator()), limit)
    measured = {
        "rotate": torch.rad2deg(torch.atan2(m[:, 1, 0], m[:, 0, 0])).abs(),
        "translate": torch.maximum(m[:, 0, 2].abs() / 40, m[:, 1, 2].abs() / 20),
        "scale": torch.maximum(m[:, 0, 0], 1 / m[:, 0, 0]) - 1,
        "skew": torch.rad2deg(torch.atan(m[:, 0, 1])).abs(),
        "perspective": torch.maximum(m[:, 2, 0].abs() * 20, m[:, 2, 1].abs() * 10),
    }[name]
    assert 0.97 * limit < measured.max() <= limit * 1.0001


def test_the_largest_parameters_give_finite_values() -> None:
    text = "rotate(180), translate(1), scale(1), skew(60), perspective(0.4), light(1, 1), vignette(1), noise(1)"
    y = compose(text)(images(500, 1, 16, 12), generator())
    assert y.isfinite().all() and y.min() >= 0 and y.max() <= 255


def test_light_applies_one_gain_and_one_shift_to_an_image() -> None:
    """Three grey levels stay on a line, within the requested brightness and contrast."""
    x = torch.tensor([100.0, 127.5, 155.0]).view(1, 1, 1, 3).expand(500, 1, 1, 3)
    y = compose("light(brightness=0.1, contrast=0.3)")(x, generator())[:, 0, 0]
    gain, shift = (y[:, 2] - y[:, 0]) / 55, y[:, 1] - 127.5
    assert torch.allclose(y[:, 1], (y[:, 0] + y[:, 2]) / 2, atol=1e-3)
    assert 0.69 < gain.min() < 0.71 and 1.29 < gain.max() < 1.31
    assert 25 < shift.abs().max() <= 25.6


def test_a_vignette_darkens_the_corners_and_not_the_centre() -> None:
    y = compose("vignette(0.5)")(torch.full((300, 1, 9, 9), 200, dtype=torch.uint8), generator())[:, 0]
    assert torch.allclose(y[:, 4, 4], torch.tensor(200.0))
    assert (y[:, 0, 0] <= y[:, 0, 4]).all() and (y[:, 0, 4] <= y[:, 4, 4]).all()
    assert 100 <= y[:, 0, 0].min() < 130


def test_noise_has_the_requested_standard_deviation() -> None:
    y = compose("noise(0.1)")(torch.full((50, 3, 16, 16), 128, dtype=torch.uint8), generator()) - 128
    assert abs(y.mean()) < 1 and abs(y.std() - 25.5) < 0.5


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_covers_one_square_with_one_colour(size: int) -> None:
    """At most size×size pixels, in a block, of one colour; complete if its centre is away from the border."""
    x = images(200, 3, 12, 12)
    y = compose(f"cutout({size})")(x, generator())
    covered = (y != x).any(1)  # pixels that had the mean colour before are missed
    rows, columns = covered.any(2).sum(1), covered.any(1).sum(1)
    assert rows.max() == columns.max() == size
    assert covered.sum((1, 2)).float().mean() > 0.6 * size * size
    for image, mask in zip(y, covered, strict=True):
        assert len(image[:, mask].T.unique(dim=0)) <= 1


INVALID = {
    "": "the augmentation is empty; write none, or augmentations such as: flip, crop(4)",
    "flop": "flop is not a known augmentation (did you mean flip?); there are crop, cutout, flip, flipud, light, "
    "noise, perspective, rotate, scale, skew, translate, vignette",
    "crop(2.5)": "crop: pixels is a whole number from 0 to 1000; got 2.5",
    "crop(True)": "crop: pixels is a whole number from 0 to 1000; got True",
    "crop(pixel=3)": "crop(pixel=3): pixel is unknown (did you mean pixels?); crop takes pixels",
    "crop(1, 2)": "crop(1, 2): too many positional arguments; crop takes pixels",
    "flip(2)": "flip(2): too many positional arguments; flip takes no numbers",
    "rotate(-5)": "rotate: degrees is a number from 0 to 180; got -5",
    "light(brightness=0.1, contrast=3)": "light: contrast is a number from 0 to 1; got 3",
    "flip, crop(4), flip": "flip, crop(4), flip: flip is given twice; write it once",
}


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_text_raises_its_message(text: str) -> None:
    with pytest.raises(Problem) as raised:
        compose(text)
    assert str(raised.value) == INVALID[text] and raised.value.code == USAGE


@pytest.mark.parametrize("text", ["crop(4", "flip crop(4)", "crop(4))", "none, flip", "rotate(nan)", "crop(-)", "*"])
def test_text_that_cannot_be_parsed_raises_a_problem(text: str) -> None:
    with pytest.raises(Problem):
        compose(text)


def test_default_views_include_the_mirror_image_if_training_used_flips() -> None:
    counts = [sum(view.default for view in views(text)) for text in ("none", "crop(2)", "flip, crop(2)")]
    assert counts == [1, 1, 2]
    x = images(2, 3, 8, 8)
    identity, mirrored = (view.inverse(view.transform(x)) for view in views("flip"))
    assert torch.equal(identity, x) and torch.equal(mirrored, x.flip(3))


@pytest.mark.parametrize("size", [(8, 6), (1, 1)])
def test_further_views_are_shifted_by_a_pixel_if_training_used_crops(size: tuple[int, int]) -> None:
    x = images(2, 3, *size)
    padded = torch.nn.functional.pad(x.float(), (1, 1, 1, 1), mode="replicate").to(x.dtype)
    up, down = padded[..., 2:, 2:], padded[..., :-2, :-2]
    for text, expected in (
        ("crop(2)", [x, up, down]),
        ("flip, crop(2)", [x, x.flip(3), up, padded.flip(3)[..., 2:, 2:], down, padded.flip(3)[..., :-2, :-2]]),
    ):
        outputs = [view.transform(x) for view in views(text)]
        assert len(outputs) == len(expected) and all(map(torch.equal, outputs, expected))


def test_flips_are_removed_if_all_labels_are_single_characters() -> None:
    text = "flip, crop(2), light(0.1, 0.2)"
    assert restrict(text, ["0", "1", "b"]) == "crop(2), light(0.1, 0.2)"
    assert restrict("flip", ["0", "1"]) == "none"
    assert restrict(text, ["cat", "dog"]) == text
