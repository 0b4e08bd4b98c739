"""Augmentation of recordings: laws of every transform, and of their composition."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.problem import Problem
from neocog.speech.augment import FUNCTIONS, MAPS, SAMPLES, TRANSFORMS, augment, interpolation, resample
from neocog.speech.frontend import frontend
from neocog.speech.spectrogram import middles
from recorded import tone
from torch import Tensor

RATE, CLIPS = 8000, 6
FACTS = {"rate": RATE, "samples": RATE, "bands": 40, "frame": 25.0, "hop": 10.0, "deltas": False, "normalise": "none"}
BANDS = {"bands": middles(40, RATE).float()}
TARGETS = torch.arange(CLIPS)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(hertz: float = 487) -> Tensor:
    """(B, N) int16, the same tone in each, in the middle of silence."""
    sound = np.zeros((CLIPS, RATE))
    sound[:, 2000:6000] = tone(hertz, 0.5, RATE)
    return (torch.from_numpy(sound) * 32767).to(torch.int16)


def samples(text: str, x: Tensor, seed: int = 0, extras: Mapping[str, Tensor] = BANDS) -> Tensor:
    changed, targets = augment(text, extras).inputs(x, TARGETS[: len(x)], rng(seed))
    assert torch.equal(targets, TARGETS[: len(x)])
    return changed


def maps(text: str, x: Tensor, seed: int = 0) -> Tensor:
    return augment(text, BANDS).maps(x, TARGETS, rng(seed))[0]


def pitch(x: Tensor) -> Tensor:
    """The strongest frequency of each clip in Hz."""
    return torch.fft.rfft(x.float() * torch.hann_window(x.shape[1])).abs().argmax(1) * RATE / x.shape[1]


# --- properties of all transforms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [function.__name__ for function in SAMPLES])
def test_transforms_of_samples_keep_the_shape_and_do_not_modify_the_input(name: str) -> None:
    x = clips()
    kept = x.clone()
    extras = {"background": (torch.randn(20000, generator=rng()) * 1000).to(torch.int16)}
    changed = samples(name, x, extras=extras)
    assert changed.shape == x.shape and torch.equal(x, kept) and not torch.equal(changed.float(), x.float())
    assert torch.isfinite(changed.float()).all()


@pytest.mark.parametrize("name", [function.__name__ for function in MAPS])
@pytest.mark.parametrize("channels", [1, 3])
def test_transforms_of_maps_keep_the_shape_and_do_not_modify_the_input(name: str, channels: int) -> None:
    x = torch.randn(CLIPS, channels, 40, 98, generator=rng())
    kept = x.clone()
    changed = maps(name, x)
    assert changed.shape == x.shape and torch.equal(x, kept) and not torch.equal(changed, x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equal_seeds_give_equal_bits_and_others_do_not(name: str) -> None:
    x, m = clips(), torch.randn(CLIPS, 1, 40, 98, generator=rng())
    extras = {"background": (torch.randn(20000, generator=rng()) * 1000).to(torch.int16)}

    def both(seed: int) -> tuple[Tensor, Tensor]:
        change = augment(name, extras)
        return change.inputs(x, TARGETS, rng(seed))[0].float(), change.maps(m, TARGETS, rng(seed))[0]

    (a, c), (b, d), (e, f) = both(1), both(1), both(2)
    assert torch.equal(a, b) and torch.equal(c, d) and not (torch.equal(a, e) and torch.equal(c, f))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_silence_gives_finite_values(name: str) -> None:
    changed = samples(name, torch.zeros(2, RATE, dtype=torch.int16))
    assert torch.isfinite(changed.float()).all()
    assert torch.isfinite(maps(name, torch.zeros(2, 1, 40, 98))).all()


def test_parameters_of_zero_are_the_identity() -> None:
    x, m = clips(), torch.randn(CLIPS, 1, 40, 98, generator=rng())
    for text in ("shift(0)", "speed(0)", "gain(0)"):
        torch.testing.assert_close(samples(text, x).float(), x.float(), atol=0.1, rtol=1e-4)
    for text in ("stretch(0)", "vtlp(0)", "colour(0)", "timemask(0)", "freqmask(0)"):
        torch.testing.assert_close(maps(text, m), m, atol=1e-3, rtol=1e-3)


# --- transforms -----------------------------------------------------------------------------------------------------


def test_shift_fills_with_silence() -> None:
    moved = samples("shift(0.2)", clips())
    starts = (moved != 0).float().argmax(1)
    assert moved.dtype == torch.int16 and int(starts.min()) >= 2000 - 1600 and int(starts.max()) <= 2001 + 1600
    assert len(set(starts.tolist())) > 3
    assert torch.equal(moved.long().abs().sum(1), clips().long().abs().sum(1))  # no sound is lost


def test_speed_changes_pitch_and_length_together() -> None:
    x = clips(993)
    changed = samples("speed(0.2)", x)
    factor = pitch(changed) / 993
    length = (changed.abs() > 1).sum(1) / (x != 0).sum(1)
    assert factor.min() >= 0.79 and factor.max() <= 1.21 and factor.std() > 0.02
    torch.testing.assert_close(factor * length, torch.ones(CLIPS), atol=0.03, rtol=0)


@pytest.mark.parametrize("name", ["noise", "background"])
def test_noise_has_the_requested_signal_to_noise_ratio(name: str) -> None:
    """10 to 30 dB below the power of the clip's part that is not silent."""
    x = clips().float()
    extras = {"background": (torch.randn(50000, generator=rng(5)) * 3000).to(torch.int16)}
    added = samples(f"{name}(10)", x, extras=extras) - x
    signal = x[:, 2000:6000].square().mean(1)
    snr = 10 * (signal / added.square().mean(1)).log10()
    assert snr.min() > 9.5 and snr.max() < 30.5 and snr.std() > 2


def test_background_adds_a_segment_of_the_data_sets_recording() -> None:
    sound = torch.arange(1, 20001, dtype=torch.int16)
    added = samples("background(0)", clips(), extras={"background": sound}) - clips().float()
    slope = added[:, 1:] - added[:, :-1]
    torch.testing.assert_close(slope, slope[:, :1].expand_as(slope), atol=0.02, rtol=0.05)  # still a ramp, scaled


def test_background_without_recordings_is_the_identity() -> None:
    assert torch.equal(samples("background(0)", clips()), clips())


def test_gain_is_in_decibels() -> None:
    x = clips().float()
    louder = 20 * (samples("gain(6)", x).abs().amax(1) / x.abs().amax(1)).log10()
    assert louder.abs().max() <= 6.01 and louder.std() > 1


def test_vtlp_shifts_frequencies_by_up_to_its_share() -> None:
    """A tone of 1,000 Hz, warped by up to 15%, is loudest between 850 and 1,150 Hz, give or take a band."""
    module = frontend(FACTS)
    changed = maps("vtlp(0.15)", module(clips(1000)))
    loudest = middles(40, RATE)[changed[:, 0, :, 50].argmax(1)]
    assert float(loudest.min()) > 800 and float(loudest.max()) < 1200 and float(loudest.std()) > 20


def test_stretch_keeps_the_pitch_and_changes_the_length() -> None:
    x = torch.zeros(CLIPS, 1, 40, 98)
    x[:, :, 10, 30:70] = 1
    changed = maps("stretch(0.3)", x)
    assert torch.equal(changed.sum(3) != 0, x.sum(3) != 0)
    length = changed[:, 0, 10].sum(1)
    assert length.min() > 27 and length.max() < 58 and length.std() > 2


def test_colour_adds_the_same_curve_to_every_frame() -> None:
    x = torch.randn(CLIPS, 1, 40, 98, generator=rng())
    added = maps("colour(0.5)", x) - x
    torch.testing.assert_close(added, added[..., :1].expand_as(added), atol=1e-5, rtol=0)
    assert 0.1 < float(added.std()) < 1.0 and float((added[:, :, 1:] - added[:, :, :-1]).abs().max()) < 0.5


@pytest.mark.parametrize(("name", "axis"), [("timemask", 3), ("freqmask", 2)])
def test_a_mask_covers_consecutive_frames_or_bands_with_the_mean(name: str, axis: int) -> None:
    x = torch.randn(CLIPS, 1, 40, 98, generator=rng())
    covered = (maps(f"{name}(0.5)", x) != x).flatten(2).view_as(x)
    along = covered.all(5 - axis)[:, 0]  # (B, length): whole frames or whole bands
    assert torch.equal(covered.any(5 - axis)[:, 0], along)
    assert (along.sum(1) <= 0.5 * x.shape[axis] + 1).all() and along.any()
    edges = (along[:, 1:] != along[:, :-1]).sum(1)
    assert edges.max() <= 2  # one interval


@given(st.lists(st.floats(-3, 12), min_size=8, max_size=8))
def test_interpolation_agrees_with_numpy(positions: list[float]) -> None:
    row = torch.tensor([3.0, 1, 4, 1, 5, 9, 2, 6])
    expected = np.interp(positions, np.arange(8), row.numpy())
    assert np.allclose((interpolation(torch.tensor([positions])) @ row)[0].numpy(), expected, atol=1e-4)


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the augmentation is empty; write none, or augmentations such as: shift\\(0.1\\), noise\\(20\\)"),
        ("shif(0.1)", "shif is not a known augmentation \\(did you mean shift\\?\\); there are background, colour"),
        ("shift(0.1), shift(0.2)", "shift is given twice; write it once"),
        ("shift(2)", "shift: share is a number from 0 to 0.9; got 2"),
        ("noise(500)", "noise: snr is a number from -20 to 100; got 500"),
        ("gain(louder=3)", "louder is unknown.*; gain takes db"),
        ("gain(1, 2)", "too many positional arguments; gain takes db"),
        ('gain("a")', "gain: db is a number from 0 to 60; got a"),
    ],
)
def test_an_invalid_text_raises_its_message(text: str, message: str) -> None:
    with pytest.raises(Problem, match=message):
        augment(text, {})


def test_the_order_of_the_text_does_not_matter() -> None:
    assert TRANSFORMS.parse("none") == {} and list(TRANSFORMS.parse("vtlp, shift(0.2)")) == ["vtlp", "shift"]
    x = clips()
    assert torch.equal(samples("noise(10), shift(0.1)", x), samples("shift(0.1), noise(10)", x))


def test_speed_changes_clips_of_many_samples():
    """In float32, positions behind 131,072 samples are multiples of 1/64."""
    x = torch.ones(2, 160_320)
    slow, fast = resample(x, torch.tensor([0.9, 0.9])), resample(x, torch.tensor([1.1, 1.1]))
    assert (slow == 1).all() and (fast[:, :7000] == 0).all() and (fast[:, 80_000] == 1).all()
