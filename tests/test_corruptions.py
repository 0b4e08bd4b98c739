"""Common corruptions in every domain: ordered by strength, reproducible, within the range of inputs."""

import neocog
import numpy as np
import pytest
import torch
from neocog.core.robust.capability import Corruptible
from neocog.speech import corruptions as sounds
from neocog.text import corruptions as texts
from neocog.text.vocabulary import UNKNOWN, Vocabulary
from neocog.vision import corruptions as images

RATE, SAMPLES = 8000, 1600
WORDS = ["the", "film", "was", "wonderful", "flim", "goood", "good", "god"]
PREPROCESSING = {
    "vision": {},
    "speech": {"samples": SAMPLES},
    "text": {"vocabulary": WORDS, "tokens": "words"},
}
EXTRAS = {"background": (torch.randn(20_000, generator=torch.Generator().manual_seed(9)) * 900).short()}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_images() -> torch.Tensor:
    return torch.randint(0, 256, (8, 3, 12, 10), generator=rng()).byte()


def make_sounds() -> torch.Tensor:
    times = torch.arange(SAMPLES) / RATE
    pitches = torch.arange(207, 1000, 100)[:, None]
    return (8000 * torch.sin(2 * torch.pi * pitches * times)).short()


def make_texts() -> torch.Tensor:
    ids = torch.randint(2, 10, (8, 1, 1, 40), generator=rng()).int()
    ids[..., 30:] = 0
    return ids


INPUTS = {"vision": make_images, "speech": make_sounds, "text": make_texts}
CASES = [
    (name, corruption)
    for name in INPUTS
    for corruption in neocog.domain(name)
    .require(Corruptible, "attack")
    .corruptions(PREPROCESSING[name], EXTRAS if name == "speech" else {})
]


@pytest.fixture
def case(request):
    name, corruption = request.param
    return INPUTS[name](), neocog.domain(name).require(Corruptible, "attack").corruptions(PREPROCESSING[name], EXTRAS)[
        corruption
    ]


for_every_corruption = pytest.mark.parametrize("case", CASES, ids="-".join, indirect=True)


@for_every_corruption
def test_strength_zero_is_the_identity(case):
    inputs, corruption = case
    assert torch.equal(corruption(inputs, 0, rng()), inputs)


@for_every_corruption
def test_equal_seeds_give_equal_bits(case):
    inputs, corruption = case
    assert torch.equal(corruption(inputs, 3, rng(1)), corruption(inputs, 3, rng(1)))


@for_every_corruption
def test_the_inputs_are_not_modified(case):
    inputs, corruption = case
    before = inputs.clone()
    corruption(inputs, 5, rng())
    assert torch.equal(inputs, before)


TIME_SHIFTS = {("speech", "shift"), ("speech", "speed")}  # a shifted tone may equal itself: tested below


@pytest.mark.parametrize("case", [case for case in CASES if case not in TIME_SHIFTS], ids="-".join, indirect=True)
def test_the_distance_grows_with_the_strength(case):
    """The mean over the batch, at strengths 1, 3 and 5."""
    inputs, corruption = case
    distances = [float((corruption(inputs, strength, rng()).double() - inputs).abs().mean()) for strength in (1, 3, 5)]
    if inputs.dtype == torch.int32:  # the share of ids that differ
        distances = [float((corruption(inputs, strength, rng()) != inputs).double().mean()) for strength in (1, 3, 5)]
    assert 0 < distances[0] < distances[1] < distances[2]


@for_every_corruption
def test_outputs_are_in_the_range_of_inputs(case):
    inputs, corruption = case
    low, high = {torch.uint8: (0, 255), torch.int16: (-32768, 32767), torch.int32: (0, 9)}[inputs.dtype]
    for strength in (1, 5):
        output = corruption(inputs, strength, rng())
        assert output.shape == inputs.shape and low <= float(output.min()) and float(output.max()) <= high + 1e-3


# --- images ----------------------------------------------------------------------------------------------------------


def test_a_shift_moves_by_its_share_of_the_side():
    """A bright pixel in the centre of 41 moves by 0.1 · 41 pixels in a random direction."""
    dark = torch.zeros(16, 1, 41, 41).byte()
    dark[:, :, 20, 20] = 255
    moved = images.shift(dark, 0.1, rng())
    mass = moved[:, 0] / moved[:, 0].sum((1, 2), keepdim=True)
    position = torch.arange(41.0) - 20
    offsets = torch.stack(((mass.sum(1) * position).sum(1), (mass.sum(2) * position).sum(1)), 1)
    torch.testing.assert_close(offsets.norm(dim=1), torch.full((16,), 4.1), atol=0.05, rtol=0)
    assert len({tuple(offset) for offset in offsets.round(decimals=1).tolist()}) > 8


def test_a_blur_keeps_the_mean_and_has_its_standard_deviation():
    dark = torch.zeros(1, 1, 61, 61).byte()
    dark[:, :, 30, 30] = 255
    soft = images.blur(dark, 2 / 61, rng())[0, 0] / 255
    position = torch.arange(61.0) - 30
    assert float(soft.sum()) == pytest.approx(1, abs=1e-4)
    assert float((soft.sum(0) * position.square()).sum()) ** 0.5 == pytest.approx(2, abs=0.05)


def test_contrast_and_brightness_of_known_pixels():
    half = torch.tensor([[[[0, 200]]]]).byte()
    assert images.contrast(half, 0.75, rng()).flatten().tolist() == [75, 125]
    assert {float(images.brightness(half, 0.2, rng(seed))[0, 0, 0, 1]) for seed in range(9)} == {251.0, 149.0}


def test_a_rotation_by_90_degrees_is_rot90():
    image = torch.arange(25).view(1, 1, 5, 5).byte()
    turns = {tuple(images.rotate(image, 90, rng(seed)).round().flatten().tolist()) for seed in range(9)}
    expected = {tuple(np.rot90(image[0, 0].numpy(), k).flatten().astype(float).tolist()) for k in (1, 3)}
    assert turns == expected


# --- sounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["noise", "background"])
def test_noise_has_the_requested_signal_to_noise_ratio(name):
    clips = make_sounds()
    for snr in (20, 0):
        corruption = (
            neocog.domain("speech").require(Corruptible, "attack").corruptions(PREPROCESSING["speech"], EXTRAS)[name]
        )
        added = corruption.change(clips, snr, rng()) - clips.float()
        ratio = 10 * (clips.float().square().mean(1) / added.square().mean(1)).log10()
        torch.testing.assert_close(ratio, torch.full((8,), float(snr)), atol=0.6, rtol=0)


def test_voices_adds_other_clips_of_the_batch():
    clips = make_sounds()
    added = sounds.voices(clips, 0, rng()) - clips.float()
    for index, voice in enumerate(added):
        correlation = torch.stack([torch.corrcoef(torch.stack((voice, clip.float())))[0, 1] for clip in clips])
        assert float(correlation.max()) > 0.99 and int(correlation.argmax()) != index


def test_gain_clips():
    loud = sounds.gain(make_sounds(), 20, rng()).abs().amax(1)
    assert set(loud.tolist()) == {32768.0, 800.0}


def test_a_shifted_clip_is_later_or_earlier_with_silence():
    clips = make_sounds()
    for clip, moved in zip(clips, sounds.shift(clips, 0.1, rng()), strict=True):
        later, earlier = torch.equal(moved[160:], clip[:-160]), torch.equal(moved[:-160], clip[160:])
        assert later != earlier and not (moved[:160] if later else moved[-160:]).any()


def test_speed_moves_the_pitch_by_its_share():
    def hertz(x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(x.float(), 16 * SAMPLES).abs().argmax(1) * (RATE / (16 * SAMPLES))

    clips = make_sounds()
    ratio = hertz(sounds.speed(clips, 0.2, rng())) / hertz(clips)
    assert {round(value, 1) for value in ratio.tolist()} == {0.8, 1.2}


def test_without_background_recordings_there_is_no_such_corruption():
    assert "background" not in sounds.corruptions(PREPROCESSING["speech"], {})


# --- texts ------------------------------------------------------------------------------------------------------------


def test_misspellings_swap_two_inner_letters():
    assert [texts.misspell("wonderful", k) for k in range(3)] == ["wnoderful", "wonedrful", "wondefrul"]
    assert texts.misspell("film", 0) == texts.misspell("film", 2) == "flim"
    assert texts.misspell("the", 0) == "the" and texts.misspell("2001", 0) == "2001"


def test_a_misspelt_word_has_the_id_that_read_gives_it():
    """A misspelling in the vocabulary is that word, any other is unknown; short words are unchanged."""
    table, vocabulary = texts.misspellings(WORDS), Vocabulary(WORDS)
    known, unknown, short = (int(vocabulary.ids([word])[0]) for word in ("film", "wonderful", "the"))
    assert vocabulary.words(table[known].tolist()) == ["flim"] * 3
    assert table[unknown].tolist() == [UNKNOWN] * 3 and table[short].tolist() == [short] * 3
    assert table[:2].tolist() == [[0] * 3, [UNKNOWN] * 3]


def test_removed_tokens_leave_the_others_in_order():
    ids = torch.arange(2, 42).int().view(1, 1, 1, 40)
    output = texts.remove(ids, 0.5, rng()).flatten()
    kept = output[output > 0]
    assert 5 < len(kept) < 35 and torch.equal(kept, kept.sort().values) and (output[len(kept) :] == 0).all()


def test_a_text_never_loses_its_last_token():
    text = torch.tensor([[[[7, 0, 0, 0]]]]).int()
    assert all(torch.equal(texts.remove(text, 0.99, rng(seed)), text) for seed in range(9))


def test_characters_have_no_misspellings():
    assert "typos" not in texts.corruptions({"vocabulary": list("abc"), "tokens": "characters"}, {})
