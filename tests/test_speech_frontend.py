"""The frontend: samples to log-mel maps, as torchaudio computes them."""

import numpy as np
import pytest
import torch
from neocog.core.data import Preprocessing
from neocog.speech.frontend import DEPTH, Frontend, delta, frames_of, frontend
from neocog.speech.spectrogram import MIN_FREQUENCY, corners, filters, hertz, mels, middles, n_fft_for
from recorded import hiss, tone

BASE: Preprocessing = {
    "rate": 16000, "samples": 16000, "bands": 40, "frame": 25.0, "hop": 10.0, "deltas": False, "normalise": "none",
}  # fmt: skip


def clips(count: int = 3, rate: int = 16000, samples: int = 16000) -> torch.Tensor:
    samples_of_clips = [tone(300 * (k + 1), 1, rate, 0.3) + hiss(1, rate, k, 0.03) for k in range(count)]
    return (torch.from_numpy(np.stack(samples_of_clips)) * 32767).to(torch.int16)[:, :samples]


@pytest.mark.parametrize(
    ("rate", "bands", "frame", "hop"), [(16000, 40, 25, 10), (8000, 40, 25, 10), (16000, 64, 32, 8)]
)
def test_the_power_agrees_with_torchaudio(rate: int, bands: int, frame: float, hop: float) -> None:
    """MelSpectrogram with the same window, hop and bands, to 1e-4 of the loudest and of each number."""
    transforms = pytest.importorskip("torchaudio.transforms")
    preprocessing = {**BASE, "rate": rate, "bands": bands, "frame": frame, "hop": hop}
    ours, x = frontend(preprocessing), clips(rate=rate)
    points = n_fft_for(bands, rate, ours.frame)
    theirs = transforms.MelSpectrogram(
        rate, points, ours.frame, ours.hop, f_min=MIN_FREQUENCY, n_mels=bands, power=2.0, center=False
    )
    side = (points - ours.frame) // 2  # torch centres a short window in the transform
    padded = torch.nn.functional.pad(x.float() / 32768, (side, points - ours.frame - side))
    torch.testing.assert_close(ours.power(x), theirs(padded), rtol=1e-4, atol=1e-8)


def test_deltas_agree_with_torchaudio() -> None:
    functional = pytest.importorskip("torchaudio.functional")
    maps = torch.randn(2, 40, 30)
    torch.testing.assert_close(delta(maps), functional.compute_deltas(maps, win_length=5))


def test_deltas_are_two_more_channels() -> None:
    x = clips()
    plain, all_three = frontend(BASE)(x), frontend({**BASE, "deltas": True})(x)
    assert all_three.shape == (3, 3, 40, 98) and torch.equal(all_three[:, :1], plain)
    torch.testing.assert_close(all_three[:, 2], delta(delta(plain[:, 0])))


def test_known_mels() -> None:
    """700 Hz is 2595·log₁₀ 2 = 781.17 mel; 1,000 Hz very nearly 1,000."""
    torch.testing.assert_close(
        mels(torch.tensor([0.0, 700.0, 1000.0])), torch.tensor([0.0, 781.17, 999.99]), atol=0.01, rtol=0
    )
    places = torch.tensor([60.0, 4000.0])
    torch.testing.assert_close(hertz(mels(places)), places)
    assert len(corners(40, 8000)) == 42 and corners(40, 8000)[-1] == pytest.approx(4000)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("bands", [20, 40, 80])
def test_every_band_has_a_response(rate: int, bands: int) -> None:
    points = n_fft_for(bands, rate, rate // 40)
    assert points >= rate // 40 and bool((filters(bands, rate, points).amax(0) > 0).all())


@pytest.mark.parametrize("bands", [40, 128])
def test_the_power_agrees_with_numpys_fourier_transform(bands: int) -> None:
    """Of each windowed frame, with zeros behind it where many bands ask for a longer transform."""
    preprocessing = {**BASE, "bands": bands}
    samples = np.random.default_rng(0).integers(-9000, 9000, 1000).astype(np.int16)
    frames = np.stack([samples[start : start + 400] for start in range(0, 601, 160)]) / 32768
    window = torch.hann_window(400, dtype=torch.float64).numpy()
    points = n_fft_for(bands, 16000, 400)
    wanted = np.abs(np.fft.rfft(frames * window, points)) ** 2 @ filters(bands, 16000, points).numpy()
    assert points > 400 or bands == 40
    np.testing.assert_allclose(frontend(preprocessing).power(torch.from_numpy(samples)[None])[0].T, wanted, rtol=1e-4)


@pytest.mark.parametrize("pitch", [200, 500, 1000, 3000])
def test_a_tone_is_loudest_in_the_band_around_it(pitch: int) -> None:
    x = (torch.from_numpy(tone(pitch, 1, 16000)) * 32767).to(torch.int16)[None]
    loudest = int(frontend(BASE)(x)[0, 0, :, 50].argmax())
    assert loudest == int((middles(40, 16000) - pitch).abs().argmin())


def test_a_higher_voice_shifts_the_map_by_some_bands() -> None:
    """A vowel of three tones, a fifth higher: shifted by some bands, its map is closer to the original."""
    low, high = (
        frontend(BASE)(sum(clips_of(times * pitch) // 4 for times in (1, 2, 3)))[0, 0, :, 50] for pitch in (800, 1200)
    )
    away = [float((high[shift:] - low[: 40 - shift]).abs().mean()) for shift in range(10)]
    assert int(np.argmin(away)) in (4, 5, 6) and min(away) < away[0] / 2


def clips_of(pitch: float) -> torch.Tensor:
    return (torch.from_numpy(tone(pitch, 1, 16000)) * 32767).to(torch.int16)[None]


@pytest.mark.parametrize("normalise", ["clip", "none"])
def test_silence_has_a_floor_below_the_loudest_moment(normalise: str) -> None:
    maps = frontend({**BASE, "normalise": normalise})(clips())
    assert torch.isfinite(maps).all()
    if normalise == "none":
        assert float((maps.amax((2, 3)) - maps.amin((2, 3))).max()) <= DEPTH + 1e-3


@pytest.mark.parametrize("normalise", ["clip", "set", "none"])
def test_silence_gives_finite_values(normalise: str) -> None:
    maps = frontend({**BASE, "normalise": normalise, "mean": [-60.0] * 40, "std": [20.0] * 40})(
        torch.zeros(2, 16000, dtype=torch.int16)
    )
    assert torch.isfinite(maps).all()


def test_normalisation_per_clip_is_invariant_to_loudness() -> None:
    module = frontend({**BASE, "normalise": "clip"})
    x = clips().float()
    torch.testing.assert_close(module(x), module(x / 4), atol=1e-3, rtol=1e-3)
    maps = module(x)
    assert maps.mean((1, 2, 3)).abs().max() < 1e-5 and (maps.std((1, 2, 3)) - 1).abs().max() < 0.01


def test_the_mean_and_standard_deviation_of_the_data_are_used_per_band() -> None:
    mean, std = [float(k) for k in range(40)], [1.0 + k for k in range(40)]
    plain, normalised = (
        frontend(BASE)(clips()),
        frontend({**BASE, "normalise": "set", "mean": mean, "std": std})(clips()),
    )
    wanted = (plain - torch.tensor(mean)[:, None]) / torch.tensor(std)[:, None]
    torch.testing.assert_close(normalised, wanted)


def test_frames_lie_within_the_clip() -> None:
    for samples in (400, 559, 560, 16000):
        x = clips(1, samples=samples)
        assert frontend(BASE)(x).shape[-1] == frames_of({**BASE, "samples": samples}) == (samples - 400) // 160 + 1


def test_half_precision_around_it_changes_nothing() -> None:
    """The power spectrum is computed in float32 under autocast too, since bfloat16 is too coarse."""
    module, x = frontend({**BASE, "normalise": "clip"}), clips()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(x), module(x).float()) and module(x).dtype == torch.float32
        inside = module(x)
    torch.testing.assert_close(inside, module(x))


def test_it_has_no_weights_and_exports_as_one_graph() -> None:
    module, x = Frontend({**BASE, "deltas": True, "normalise": "clip"}), clips(2)
    assert not module.state_dict() and not list(module.parameters())
    program = torch.export.export(module, (x,))
    torch.testing.assert_close(program.module()(x), module(x))


@pytest.mark.parametrize("normalise", ["clip", "none"])
def test_gradients_reach_the_samples(normalise: str) -> None:
    """They agree with finite differences."""
    module = frontend({**BASE, "normalise": normalise})
    x = clips(1, samples=1200).float().requires_grad_()
    weights = torch.randn(module(x).shape, generator=torch.Generator().manual_seed(0))
    (module(x) * weights).sum().backward()
    assert x.grad is not None and float(x.grad.abs().max()) > 0
    with torch.no_grad():
        step = torch.zeros_like(x)
        step[0, int(x.grad[0].abs().argmax())] = 30.0
        change = ((module(x + step) - module(x - step)).double() * weights).sum()
    torch.testing.assert_close(float(change), float((x.grad * 2 * step).sum()), rtol=0.05, atol=1e-3)


def test_bands_in_octaves_have_equal_intervals() -> None:
    """From C1 to half the rate; a tone an octave higher is loudest as many bands higher everywhere."""
    edges = corners(190, 16000, "log")
    assert edges[0] == pytest.approx(32.70319566) and edges[-1] == pytest.approx(8000)
    torch.testing.assert_close(edges[1:] / edges[:-1], (edges[1] / edges[0]).expand(191))
    octave = 191 / np.log2(8000 / 32.70319566)
    form = {"rate": 16000, "bands": 190, "frame": 128.0, "hop": 50.0, "deltas": False, "normalise": "none"}
    to_maps = frontend(form | {"scale": "log"})
    times = torch.arange(8000) / 16000
    loudest = [
        int(to_maps((10000 * torch.sin(2 * torch.pi * pitch * times))[None])[0, 0, :, 3].argmax())
        for pitch in (110.0, 220.0, 440.0, 880.0, 1760.0)
    ]
    np.testing.assert_allclose(np.diff(loudest), octave, atol=1)
