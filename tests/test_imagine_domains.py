"""Feature visualisation of recordings and texts: reconstructed sounds, optimised tokens, and their predictions."""

import json

import neocog
import numpy as np
import pytest
import soundfile
import torch
from neocog.cli import app
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.explain import places
from neocog.core.imagine import imagined, series
from neocog.core.imagine.ascent import Ascent
from neocog.core.imagine.token_search import TokenSearch
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.core.presentation import Readable
from neocog.core.problem import Problem
from neocog.speech.frontend import frontend
from neocog.speech.imagine import PAUSE, parameterize, sounds, write
from neocog.speech.spectrogram import middles
from typer.testing import CliRunner

SOUND = {"rate": 8000, "samples": 4000, "bands": 20, "frame": 25.0, "hop": 10.0, "deltas": False, "normalise": "clip"}
TOKENS = ["a", "the", "very", "good", "bad", "film", "dull", "so"]
TEXT = {"vocabulary": TOKENS, "tokens": "words", "lower": True, "max_length": 16, "longest": 16, "length": 16}
TEXT |= {"tokens_known": 10}


def levels(**loud):
    """(1, 1, bands, frames) with silence everywhere but in the bands named: band_5=1.0."""
    result = torch.zeros(1, 1, 20, 48)
    for name, level in loud.items():
        result[:, :, int(name.removeprefix("band_"))] = level
    return result


# --- recordings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deltas", [False, True])
def test_levels_of_a_recording_give_its_maps(deltas):
    """The levels of a recording give the same maps as its samples."""
    preprocessing = {**SOUND, "deltas": deltas}
    front = frontend(preprocessing)
    x = (3000 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))).to(torch.int16)
    decibels = front.decibels(x)
    values = (decibels - decibels.amax((1, 2), keepdim=True)) / 60 + 1
    torch.testing.assert_close(
        parameterize(preprocessing, front).to_maps(values[:, None]), front(x), atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("band", [3, 10, 17])
def test_a_loud_band_is_heard_at_its_pitch(band):
    (heard,) = sounds(levels(**{f"band_{band}": 1.0}), SOUND)
    assert heard.dtype == torch.int16 and heard.shape == (4000,)
    spectrum = torch.fft.rfft(heard.float()).abs()
    pitch = float(spectrum.argmax()) * 8000 / 4000
    near = middles(20, 8000)
    assert near[band - 1] < pitch < near[band + 1]


def test_silence_is_silent_and_the_same_levels_are_the_same_sound():
    assert not sounds(levels(), SOUND).any()
    assert torch.equal(sounds(levels(band_4=0.8), SOUND), sounds(levels(band_4=0.8), SOUND))


def test_reconstruction_keeps_the_spectrogram_of_a_recording():
    """Levels to sound to levels: loud bands stay loud."""
    result = torch.zeros(1, 1, 20, 48)
    result[..., 5:8, 10:25], result[..., 12:15, 20:40] = 1.0, 0.9
    back = frontend(SOUND).decibels(sounds(result, SOUND).float())[0]
    assert (
        np.corrcoef((back - back.max()).clamp_min(-40).flatten(), result.flatten())[0, 1] > 0.6
    )  # edges are sharper than a window of 25 ms


def listener():
    """A model that predicts low or high, whichever half of the bands is louder."""
    network = Network((1, 20, 48), parse("conv(2, (20, 1)), flatten, dense(2)"))
    words = network.module()
    with torch.no_grad():
        for value in words.parameters():
            value.zero_()
        words[0].weight[0, 0, :10] = words[0].weight[1, 0, 10:] = 1.0
        words[2].weight[0, :48] = words[2].weight[1, 48:] = 0.01
    return Model(neocog.domain("speech"), Card("speech", str(network), network.input, ["low", "high"], SOUND),
                 words.state_dict(), "cpu")  # fmt: skip


def test_imagined_sounds_are_predicted_as_their_labels():
    """Also after reconstruction of the phases."""
    result = imagined.imagine_labels(listener(), [0, 1], Ascent(30))
    assert [entry.label for entry in result] == ["low", "high"]
    pitches = [float(torch.fft.rfft(entry.input.float()).abs().argmax()) * 2 for entry in result]
    assert pitches[0] < middles(20, 8000)[10] < pitches[1]


def test_sounds_are_concatenated_in_one_file(tmp_path):
    write([torch.ones(4000, dtype=torch.int16), torch.ones(4000, dtype=torch.int16)], SOUND, tmp_path / "a.wav")
    result, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate == 8000 and len(result) == 8000 + round(PAUSE * 8000) and result[4100] == 0 and result[-1] == 1


def saved(result, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, result.words.state_dict(), result.card)
    return str(path)


def test_the_command_writes_the_sounds(tmp_path):
    arguments = ["imagine", saved(listener(), tmp_path), "--steps", "2", "--json", "--listen", str(tmp_path / "a.wav")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert json.loads(result.stdout)["of"] == "labels"
    assert len(soundfile.read(tmp_path / "a.wav")[0]) == 2 * 4000 + round(PAUSE * 8000)


# --- texts ----------------------------------------------------------------------------------------------------------


def reader(text="embed(10, 10), parallel((conv(2, 2), globalmax),), dense(2)"):
    """A model whose filters detect `very good` and `so dull`; the labels are good and bad."""
    network = Network((1, 1, 16), parse(text))
    words = network.module()
    index = {token: place for place, token in enumerate(TOKENS, 2)}
    with torch.no_grad():
        for value in words.parameters():
            value.zero_()
        words[0].table.weight.copy_(torch.eye(10))
        words[0].table.weight[0] = 0
        filters = words[1].branches[0][0].weight  # (2, 10, 1, 2)
        for k, pair in enumerate((("very", "good"), ("so", "dull"))):
            for place, token in enumerate(pair):
                filters[k, index[token], 0, place] = 3.0
        words[2].weight.copy_(torch.eye(2) * 2)
    return Model(neocog.domain("text"), Card("text", str(network), network.input, ["good", "bad"], TEXT),
                 words.state_dict(), "cpu")  # fmt: skip


def spelt(result, entry):
    return result.domain.require(Readable, "imagine").to_text(entry.input, result.card.preprocessing)


def test_a_planted_phrase_is_found():
    """For the label, within its text; for the filter, with the filter's width."""
    result = reader()
    good, bad = imagined.imagine_labels(result, [0, 1], TokenSearch())
    assert "very good" in spelt(result, good) and "so dull" in spelt(result, bad)
    assert (good.label, bad.label) == ("good", "bad") and good.value > 0.99
    units = series.of_units(result, "1.0.0", [], {}, None).rows[0].inputs
    assert [spelt(result, entry) for entry in units] == ["very good", "so dull"]


def test_texts_hold_tokens_followed_by_padding():
    result = imagined.imagine_labels(reader(), [0, 1], TokenSearch(sweeps=2, length=5))
    for entry in result:
        assert entry.input.shape[:2] == (1, 1) and bool((entry.input[..., :5] >= 2).all())
        assert not entry.input[..., 5:].any()


def test_texts_are_determined_by_the_seed():
    first, again = (imagined.imagine_labels(reader(), [0], TokenSearch(sweeps=1, seed=3))[0].input for _ in range(2))
    assert torch.equal(first, again)


def test_exchanges_never_decrease_the_objective():
    reached = [imagined.imagine_labels(reader(), [0], TokenSearch(sweeps=n))[0].activation for n in (1, 2, 3)]
    assert reached == sorted(reached)


def test_the_command_prints_the_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["imagine", saved(reader(), tmp_path), "--label", "good"], catch_exceptions=False)
    assert result.stdout.startswith("good: ") and "very good" in result.stdout
    assert (tmp_path / "imagined.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--penalty", "1"], "--penalty is not for texts, whose tokens are exchanged one by one; leave it out"),
        (["--listen", "a.wav"], "--listen is for recordings; this is a model of text"),
        (["--steps", "0"], "--steps is from 1 to 1e+06; got 0"),
        (["--layer", "0"], "has no convolution up to it"),
    ],
)
def test_an_option_that_texts_lack_is_reported(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["imagine", saved(reader(), tmp_path), "--json", *arguments])
    assert isinstance(result.exception, Problem) and message in str(result.exception)


def test_a_layer_inside_branches_is_named_by_its_number():
    assert places.layer(reader().network, "1.0.0").name.startswith("layer 1.0.0, conv(2, 2)")
