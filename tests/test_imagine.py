"""Feature visualisation: gradient ascent, regularisation, and the predictions for its results."""

import json
from dataclasses import replace

import neocog
import numpy as np
import pytest
import torch
from neocog.cli import app
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.explain import places
from neocog.core.explain.activations import activations
from neocog.core.imagine import goals, imagined, series
from neocog.core.imagine.ascent import Ascent, maximise, total_variation
from neocog.core.imagine.parameterization import InputParameterization
from neocog.core.imagine.show import sheet_of
from neocog.core.imagine.values import gaussian_blur
from neocog.core.initialize import initialize
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from typer.testing import CliRunner

LABELS = ["left", "right", "low"]
NETWORK = "conv(4, 3), relu, maxpool(2), residual(conv(4, 3, pad=1), relu), flatten, dense(3)"
GREY = {"size": [8, 8], "colour": "grey", "fit": "crop", "mean": [0.1], "std": [0.3]}
QUICK = Ascent(steps=30)


def plain(count=1, size=5, ground=0.0):
    """A parameterization whose values are the maps."""
    return InputParameterization(
        (1, size, size), lambda values: values, lambda values: values, torch.full((1, 1, 1), ground)
    )


def model(text=NETWORK, change=None, labels=LABELS, preprocessing=GREY):
    network = Network((1, *preprocessing["size"]), parse(text))
    words = network.module()
    initialize(words, 0)
    if change:
        change(words)
    card = Card("vision", str(network), network.input, labels, preprocessing)
    return Model(neocog.domain("vision"), card, words.state_dict(), "cpu")


def saved(tmp_path, **about):
    result = model(**about)
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, result.words.state_dict(), result.card)
    return str(path)


# --- gradient ascent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [QUICK, replace(QUICK, fourier=True), replace(QUICK, jitter=1, blur=0.5)], ids=str)
def test_the_objective_increases(settings):
    """With every storage of the values."""
    result = model()
    goal = goals.output(result.task, imagined.frozen_network(result), [0, 1, 2])
    canvas = imagined.continuous_parameterization(result)
    begun = maximise(canvas, goal, 3, replace(settings, steps=1, rate=1e-9))
    ended = maximise(canvas, goal, 3, settings)
    assert bool((goal(canvas.to_maps(ended)) > goal(canvas.to_maps(begun)) + 0.1).all())
    assert float(ended.min()) >= 0 and float(ended.max()) <= 1


@pytest.mark.parametrize("fourier", [False, True])
def test_a_planted_template_is_found(fourier):
    """The optimum of a single filter is its pattern: bright where its weights are positive."""
    template = torch.tensor(
        [[-1, -1, 1, -1, -1], [-1, 1, 1, -1, -1], [-1, -1, 1, -1, -1], [-1, -1, 1, -1, -1], [1] * 5]
    )
    words = Network((1, 5, 5), parse("conv(1, 5, bias=False)")).module()
    with torch.no_grad():
        words[0].weight.copy_(template)
    place = places.layer(Network((1, 5, 5), parse("conv(1, 5, bias=False)")), "0")
    result = maximise(plain(), goals.activation(words, place, [0]), 1, Ascent(steps=200, fourier=fourier))
    assert np.corrcoef(result.flatten(), template.flatten())[0, 1] > 0.95


def test_inputs_of_a_batch_are_optimised_independently():
    """Other inputs of a batch change nothing."""
    result = model()
    words, canvas = imagined.frozen_network(result), imagined.continuous_parameterization(result)
    both = maximise(canvas, goals.output(result.task, words, [2, 1]), 2, QUICK)
    alone = maximise(canvas, goals.output(result.task, words, [2]), 1, QUICK)
    torch.testing.assert_close(both[:1], alone)


def test_the_result_is_determined_by_the_seed():
    result, settings = model(), replace(QUICK, jitter=2)
    first, again, second = (
        imagined.imagine_labels(result, [1], replace(settings, seed=seed))[0].input for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_the_penalty_reduces_the_sum_of_the_values():
    """Σ|x| decreases with its weight, and is zero for a large weight."""
    result = model()
    sums = [
        float(imagined.imagine_labels(result, [0], replace(QUICK, steps=100, penalty=fine))[0].input.float().sum())
        for fine in (0, 1, 100)
    ]
    assert sums[0] > sums[1] > sums[2] == 0


def test_the_penalty_pulls_towards_the_baseline():
    """The baseline of pictures on a white background is white."""
    result = model(preprocessing={**GREY, "mean": [0.9]})
    (entry,) = imagined.imagine_labels(result, [0], replace(QUICK, steps=100, penalty=100))
    assert bool((entry.input == 255).all())


def test_total_variation_is_the_sum_of_steps_between_neighbours():
    values = torch.rand(2, 3, 5, 4, dtype=torch.float64)
    reference = values.numpy()
    expected = np.abs(np.diff(reference, axis=2)).sum((1, 2, 3)) + np.abs(np.diff(reference, axis=3)).sum((1, 2, 3))
    np.testing.assert_allclose(total_variation(values), expected)


def test_the_blur_is_a_gaussian_and_keeps_constant_values():
    np.testing.assert_allclose(gaussian_blur(torch.full((1, 2, 6, 7), 0.3), 1.0), 0.3, rtol=1e-6)
    dot = torch.zeros(1, 1, 15, 15)
    dot[..., 7, 7] = 1
    out = gaussian_blur(dot, 1.0)[0, 0].numpy()
    places = np.arange(15) - 7
    assert out.sum() == pytest.approx(1, abs=1e-5) and (out.sum(0) @ places**2) == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(out, out.T, atol=1e-7)


def test_a_unit_without_activation_is_optimised():
    """Negative activations have a small gradient."""

    def silence(words):
        words[0].bias.data.fill_(-0.1)
        words[0].weight.data.abs_()

    result = model("conv(2, 3), flatten, dense(3)", silence, preprocessing={**GREY, "mean": [0.0], "std": [1.0]})
    place = places.layer(result.network, "0")
    (entry,) = imagined.imagine_units(result, place, [1], replace(QUICK, penalty=0))
    assert entry.activation > 0


# --- labels and units -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["0", "1", "2", "3", "3.0.0", "3.0.1", "4", "5"])
def test_activations_are_the_outputs_of_the_layer(number):
    """Also inside a combinator; compared with hooks on the whole network."""
    result = model()
    words, maps = imagined.frozen_network(result), torch.randn(2, 1, 8, 8)
    place = places.layer(result.network, number)
    kept = {}
    for word in words.modules():
        word.register_forward_hook(lambda module, inputs, out: kept.update({module: out}))
    words(maps)
    assert torch.equal(activations(words, [place], maps)[0], kept[place.module(words)])
    assert activations(words, [place], maps)[0].shape[1] == place.units


def test_labels_have_three_default_settings_and_units_one():
    result = model()
    document = series.of_labels(result, [], {"steps": 5}, None)
    assert [str(row.settings) for row in document.rows] == [
        "no constraint",
        "penalty Σ|x| 2",
        "penalty Σ|x| 1, total variation 0.5, jitter 1, Fourier",
    ]
    assert [entry.target for entry in document.rows[0].inputs] == LABELS
    units = series.of_units(result, "0", [], {"steps": 5}, None)
    assert [entry.target for entry in units.rows[0].inputs] == ["0", "1", "2", "3"] and units.omitted == 0
    assert series.of_units(result, "0", [2], {"penalty": 1.0, "steps": 5}, None).rows[0].settings == Ascent(
        5, penalty=1.0
    )


def test_predictions_are_for_the_input_as_a_file_holds_it():
    result = model()
    (entry,) = imagined.imagine_labels(result, [1], QUICK)
    assert entry.input.dtype == torch.uint8 and entry.input.shape == (1, 8, 8)
    with torch.inference_mode():
        scores = result.logits(entry.input[None])[0]
    assert entry.activation == pytest.approx(float(scores[1]))
    assert entry.value == pytest.approx(float(scores.softmax(0)[1]))
    assert entry.label == LABELS[int(scores.argmax())]


def test_certain_predictions_for_noise_are_counted():
    def certain(words):
        words[-1].weight.data.zero_()
        words[-1].bias.data.copy_(torch.tensor([0.0, 9.0, 0.0]))

    assert imagined.predictions_for_noise(model(change=certain)) == {"inputs": 1000, "certain": 1.0, "label": "right"}
    assert imagined.predictions_for_noise(model(change=lambda words: words[-1].weight.data.zero_()))["certain"] == 0


def test_a_sheet_has_a_picture_for_each_input_and_names_the_settings():
    result = model()
    sheet = sheet_of(result, series.of_labels(result, ["low"], {"steps": 5}, None))
    assert (
        len(sheet.panels) == 3 and sheet.panels[0].caption.startswith("low: ") and "row 1: no constraint" in sheet.note
    )
    units = sheet_of(result, series.of_units(result, "3", [], {"steps": 5}, None))
    assert units.title.endswith("layer 3, residual(…)") and units.panels[3].caption.startswith("unit 3: ")


# --- bad input ------------------------------------------------------------------------------------------------------


def damaged(words):
    words[0].weight.data[0] = float("nan")


@pytest.mark.parametrize(
    ("arguments", "about", "message"),
    [
        (["--layer", "9"], {}, "the network has no layer 9; it has 0 conv(4, 3), 1 relu"),
        (["--layer", "conb"], {}, "no layer conb (did you mean conv?)"),
        (["--layer", "0", "--unit", "4"], {}, "its maps are 0 to 3; got unit 4"),
        (
            ["--label", "lef"],
            {},
            "lef is not a label of this model (did you mean left?); its labels are left, right, low",
        ),
        (["--label", "left", "--layer", "0"], {}, "give --label or --layer, not both"),
        (["--unit", "0"], {}, "--unit is a unit of a layer; name the layer with --layer"),
        ([], {"change": damaged}, "the network's output is not finite: its weights are damaged"),
        (["--layer", "1"], {"text": "flatten, dense(4), relu, dense(3)"}, "has no convolution up to it"),
        (["--penalty", "-1"], {}, "--penalty is from 0 to 1e+09; got -1"),
        (["--blur", "1", "--fourier"], {}, "--blur applies to pixels; leave it out with --fourier"),
        (["--out", "sheet.gif"], {}, "sheet.gif ends in none of .png, .svg"),
    ],
)
def test_a_usage_error_is_reported(arguments, about, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["imagine", saved(tmp_path, **about), "--steps", "2", "--json", *arguments])
    assert isinstance(result.exception, Problem) and message in str(result.exception)


def test_an_existing_file_is_kept(tmp_path):
    (tmp_path / "sheet.png").write_text("mine")
    result = CliRunner().invoke(app, ["imagine", saved(tmp_path), "--out", str(tmp_path / "sheet.png")])
    assert "sheet.png exists; name another file, or replace it with --force" in str(result.exception)
    assert (tmp_path / "sheet.png").read_text() == "mine"


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_a_sheet_and_one_document(tmp_path):
    arguments = ["imagine", saved(tmp_path), "--steps", "3", "--json", "--quiet", "--out", str(tmp_path / "sheet.png")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    document = json.loads(result.stdout)
    assert document["of"] == "labels" and [len(row["inputs"]) for row in document["rows"]] == [3, 3, 3]
    assert set(document["rows"][0]["inputs"][0]) == {"what", "activation", "label", "probability", "size"}
    assert document["noise"]["inputs"] == 1000 and document["rows"][1]["how"]["penalty"] == 2
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_the_predictions(tmp_path):
    result = CliRunner().invoke(app, ["imagine", saved(tmp_path), "--steps", "3", "--out", str(tmp_path / "a.svg")])
    assert "no constraint: " in result.stdout and "noise: of 1,000 inputs" in result.stdout
    units = CliRunner().invoke(app, ["imagine", saved(tmp_path), "--steps", "3", "--layer", "0", "--json"])
    assert json.loads(units.stdout)["of"] == "layer 0, conv(4, 3)"
