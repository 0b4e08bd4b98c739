"""What happens to inputs anyway, in every domain: in order of strength, from the seed, within what an input may be."""

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
FACTS = {
    "vision": {},
    "speech": {"samples": SAMPLES},
    "text": {"vocabulary": WORDS, "tokens": "words"},
}
EXTRAS = {"background": (torch.randn(20_000, generator=torch.Generator().manual_seed(9)) * 900).short()}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_pictures() -> torch.Tensor:
    return torch.randint(0, 256, (8, 3, 12, 10), generator=rng()).byte()


def some_sounds() -> torch.Tensor:
    times = torch.arange(SAMPLES) / RATE
    pitches = torch.arange(207, 1000, 100)[:, None]
    return (8000 * torch.sin(2 * torch.pi * pitches * times)).short()


def some_texts() -> torch.Tensor:
    ids = torch.randint(2, 10, (8, 1, 1, 40), generator=rng()).int()
    ids[..., 30:] = 0
    return ids


INPUTS = {"vision": some_pictures, "speech": some_sounds, "text": some_texts}
EVERY = [
    (name, word)
    for name in INPUTS
    for word in neocog.domain(name)
    .require(Corruptible, "attack")
    .corruptions(FACTS[name], EXTRAS if name == "speech" else {})
]


@pytest.fixture
def case(request):
    name, word = request.param
    return INPUTS[name](), neocog.domain(name).require(Corruptible, "attack").corruptions(FACTS[name], EXTRAS)[word]


every = pytest.mark.parametrize("case", EVERY, ids="-".join, indirect=True)


@every
def test_strength_nothing_changes_nothing(case):
    inputs, corruption = case
    assert torch.equal(corruption(inputs, 0, rng()), inputs)


@every
def test_the_same_seed_gives_the_same_bits(case):
    inputs, corruption = case
    assert torch.equal(corruption(inputs, 3, rng(1)), corruption(inputs, 3, rng(1)))


@every
def test_the_inputs_are_left_as_they_were(case):
    inputs, corruption = case
    before = inputs.clone()
    corruption(inputs, 5, rng())
    assert torch.equal(inputs, before)


BY_TIME = {("speech", "shift"), ("speech", "speed")}  # a tone that is shifted comes back to itself: see below


@pytest.mark.parametrize("case", [each for each in EVERY if each not in BY_TIME], ids="-".join, indirect=True)
def test_more_strength_is_farther_away(case):
    """In the mean over the batch, from one strength to the next but one."""
    inputs, corruption = case
    far = [float((corruption(inputs, strength, rng()).double() - inputs).abs().mean()) for strength in (1, 3, 5)]
    if inputs.dtype == torch.int32:  # of ids it counts how many are others
        far = [float((corruption(inputs, strength, rng()) != inputs).double().mean()) for strength in (1, 3, 5)]
    assert 0 < far[0] < far[1] < far[2]


@every
def test_what_comes_out_is_what_an_input_may_be(case):
    inputs, corruption = case
    least, most = {torch.uint8: (0, 255), torch.int16: (-32768, 32767), torch.int32: (0, 9)}[inputs.dtype]
    for strength in (1, 5):
        found = corruption(inputs, strength, rng())
        assert found.shape == inputs.shape and least <= float(found.min()) and float(found.max()) <= most + 1e-3


# --- pictures --------------------------------------------------------------------------------------------------------


def test_a_shift_moves_by_its_share_of_the_side():
    """A bright pixel in the middle of 41 is found 0.1 · 41 pixels away, in whatever direction."""
    dark = torch.zeros(16, 1, 41, 41).byte()
    dark[:, :, 20, 20] = 255
    moved = images.shift(dark, 0.1, rng())
    mass = moved[:, 0] / moved[:, 0].sum((1, 2), keepdim=True)
    places = torch.arange(41.0) - 20
    away = torch.stack(((mass.sum(1) * places).sum(1), (mass.sum(2) * places).sum(1)), 1)
    torch.testing.assert_close(away.norm(dim=1), torch.full((16,), 4.1), atol=0.05, rtol=0)
    assert len({tuple(each) for each in away.round(decimals=1).tolist()}) > 8


def test_a_blur_keeps_the_mean_and_has_its_deviation():
    dark = torch.zeros(1, 1, 61, 61).byte()
    dark[:, :, 30, 30] = 255
    soft = images.blur(dark, 2 / 61, rng())[0, 0] / 255
    places = torch.arange(61.0) - 30
    assert float(soft.sum()) == pytest.approx(1, abs=1e-4)
    assert float((soft.sum(0) * places.square()).sum()) ** 0.5 == pytest.approx(2, abs=0.05)


def test_contrast_and_brightness_are_known_numbers():
    half = torch.tensor([[[[0, 200]]]]).byte()
    assert images.contrast(half, 0.75, rng()).flatten().tolist() == [75, 125]
    assert {float(images.brightness(half, 0.2, rng(seed))[0, 0, 0, 1]) for seed in range(9)} == {251.0, 149.0}


def test_a_quarter_turn_is_numpys():
    one = torch.arange(25).view(1, 1, 5, 5).byte()
    turns = {tuple(images.rotate(one, 90, rng(seed)).round().flatten().tolist()) for seed in range(9)}
    expected = {tuple(np.rot90(one[0, 0].numpy(), k).flatten().astype(float).tolist()) for k in (1, 3)}
    assert turns == expected


# --- sounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["noise", "background"])
def test_noise_is_as_loud_as_it_says(word):
    clips = some_sounds()
    for snr in (20, 0):
        corruption = neocog.domain("speech").require(Corruptible, "attack").corruptions(FACTS["speech"], EXTRAS)[word]
        added = corruption.change(clips, snr, rng()) - clips.float()
        found = 10 * (clips.float().square().mean(1) / added.square().mean(1)).log10()
        torch.testing.assert_close(found, torch.full((8,), float(snr)), atol=0.6, rtol=0)


def test_other_voices_are_other_clips_of_the_batch():
    clips = some_sounds()
    added = sounds.voices(clips, 0, rng()) - clips.float()
    for own, each in enumerate(added):
        alike = torch.stack([torch.corrcoef(torch.stack((each, clip.float())))[0, 1] for clip in clips])
        assert float(alike.max()) > 0.99 and int(alike.argmax()) != own


def test_what_is_too_loud_is_clipped():
    loud = sounds.gain(some_sounds(), 20, rng()).abs().amax(1)
    assert set(loud.tolist()) == {32768.0, 800.0}


def test_a_shifted_clip_is_the_same_later_or_earlier_with_silence():
    clips = some_sounds()
    for own, moved in zip(clips, sounds.shift(clips, 0.1, rng()), strict=True):
        later, earlier = torch.equal(moved[160:], own[:-160]), torch.equal(moved[:-160], own[160:])
        assert later != earlier and not (moved[:160] if later else moved[-160:]).any()


def test_speed_moves_the_pitch_by_its_share():
    def hertz(x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(x.float(), 16 * SAMPLES).abs().argmax(1) * (RATE / (16 * SAMPLES))

    clips = some_sounds()
    found = hertz(sounds.speed(clips, 0.2, rng())) / hertz(clips)
    assert {round(each, 1) for each in found.tolist()} == {0.8, 1.2}


def test_without_background_recordings_there_is_no_such_corruption():
    assert "background" not in sounds.corruptions(FACTS["speech"], {})


# --- texts ------------------------------------------------------------------------------------------------------------


def test_misspellings_have_two_inner_letters_exchanged():
    assert [texts.misspell("wonderful", k) for k in range(3)] == ["wnoderful", "wonedrful", "wondefrul"]
    assert texts.misspell("film", 0) == texts.misspell("film", 2) == "flim"
    assert texts.misspell("the", 0) == "the" and texts.misspell("2001", 0) == "2001"


def test_a_misspelt_word_is_looked_up_as_read_does():
    """One that the vocabulary has is that word, any other is unknown; what cannot be misspelt stays."""
    table, vocabulary = texts.misspellings(WORDS), Vocabulary(WORDS)
    known, strange, short = (int(vocabulary.ids([word])[0]) for word in ("film", "wonderful", "the"))
    assert vocabulary.words(table[known].tolist()) == ["flim"] * 3
    assert table[strange].tolist() == [UNKNOWN] * 3 and table[short].tolist() == [short] * 3
    assert table[:2].tolist() == [[0] * 3, [UNKNOWN] * 3]


def test_lost_tokens_leave_the_others_in_order():
    ids = torch.arange(2, 42).int().view(1, 1, 1, 40)
    left = texts.remove(ids, 0.5, rng()).flatten()
    kept = left[left > 0]
    assert 5 < len(kept) < 35 and torch.equal(kept, kept.sort().values) and (left[len(kept) :] == 0).all()


def test_a_text_never_loses_its_last_token():
    one = torch.tensor([[[[7, 0, 0, 0]]]]).int()
    assert all(torch.equal(texts.remove(one, 0.99, rng(seed)), one) for seed in range(9))


def test_characters_know_no_misspelt_words():
    assert "typos" not in texts.corruptions({"vocabulary": list("abc"), "tokens": "characters"}, {})
