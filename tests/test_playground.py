"""The playground: points in a plane, inputs of a network on them, and a training that is watched step by step."""

import json

import neocog
import numpy as np
import pytest
import torch
from neocog.core import checkpoint
from neocog.core.data import DataSpec
from neocog.core.inputs import TextInput
from neocog.core.problem import DATA, USAGE, Problem
from neocog.web.playground import features
from neocog.web.playground.data import compact, coordinates, name_of
from neocog.web.playground.metrics import squared_error
from neocog.web.playground.points import SHAPES, points
from neocog.web.playground.session import Session, Setup, plane
from test_cli import neocog as command  # noqa: F401 (a fixture)

DOMAIN = neocog.domain("playground")


# --- points and inputs


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_gives_as_many_points_of_both_labels_within_the_plane(shape):
    x, labels = points(shape, 1000, 0.0)
    assert x.shape == (1000, 2) and np.abs(x).max() <= 6.5 and abs(int(labels.sum()) - 500) < 60
    assert np.array_equal(x, points(shape, 1000, 0.0).x) and not np.array_equal(x, points(shape, 1000, 0.1, seed=1).x)


def test_the_labels_of_the_shapes():
    x, labels = points("circle", 500, 0.0)
    assert ((np.hypot(*x.T) < 2.5) == (labels == 0)).all()
    x, labels = points("xor", 500, 0.0)
    assert ((x[:, 0] * x[:, 1] > 0) == (labels == 0)).all() and np.abs(x).min() >= 0.3
    x, labels = points("spiral", 500, 0.0)
    radius, angle = np.hypot(*x.T), np.arctan2(*x.T)
    turned = (angle - 1.75 * 2 * np.pi * radius / 5) / np.pi  # even multiples on the first arm, odd ones on the other
    np.testing.assert_allclose(np.cos(np.pi * turned)[radius > 0], np.where(labels == 0, 1, -1)[radius > 0], atol=1e-9)


def test_noise_mixes_the_labels():
    x, labels = points("circle", 2000, 0.5)
    assert 0.05 < ((np.hypot(*x.T) < 2.5) != (labels == 0)).mean() < 0.5


def test_the_inputs_of_a_network_are_functions_of_the_coordinates():
    names = features.parse("x1, x2, x1^2, x2^2, x1 * x2, sin(x1), sin(x2)")
    maps = features.Frontend(names)(compact(np.array([[1.5, -2.0]])))
    expected = [1.5, -2, 2.25, 4, -3, np.sin(1.5), np.sin(-2)]
    assert maps.shape == (1, 7, 1, 1)
    np.testing.assert_allclose(maps[0, :, 0, 0], expected, rtol=1e-6)


def test_a_point_is_its_text():
    for text in ("1.5,-2", "1.5 -2", " 1.5 ; -2 "):
        assert name_of(coordinates(text)) == "1.5,-2"
    x = compact(np.random.default_rng(0).uniform(-8, 7.9, (200, 2)))
    assert all(torch.equal(coordinates(name_of(point)), point) for point in x)


@pytest.mark.parametrize("text", ["1.5", "1,2,3", "a,b", "9,0", "nan,1", "", "1e999,0"])
def test_what_is_no_point(text):
    with pytest.raises(Problem, match=r"is not a point; expected two numbers from −8 to 8, such as 1.5,-2"):
        coordinates(text)


@pytest.mark.parametrize(
    ("source", "options", "code", "message"),
    [
        ("spirals", {}, DATA, r"spirals is not known \(did you mean spiral\?\); expected a shape \(circle, xor, gauss"),
        ("spiral", {"inputs": "x1, x3"}, USAGE, "--inputs: x3 is not one; there are x1, x2, x1"),
        ("spiral", {"inputs": "x1, x1"}, USAGE, "--inputs x1, x1 names an input twice"),
        ("spiral", {"noise": 2}, USAGE, "noise is a number from 0 to 0.5; got 2"),
        ("spiral", {"points": 3}, USAGE, "points is a whole number from 10 to 100,000; got 3"),
    ],
)
def test_what_cannot_be_loaded(source, options, code, message):
    with pytest.raises(Problem, match=message) as caught:
        DOMAIN.load(DataSpec(source, options=options), None, None)
    assert caught.value.code == code


def test_rows_of_a_table_that_are_no_points_are_bad(tmp_path):
    rows = [f"{k % 5},{k % 3},{'ab'[k % 2]}" for k in range(40)]
    (tmp_path / "p.csv").write_text("\n".join(["x1,x2,label", *rows, "1,2", "99,0,a"]) + "\n")
    data = DOMAIN.load(DataSpec(str(tmp_path / "p.csv"), max_bad=0.1), None, None)
    assert [bad.file for bad in data.bad] == ["p.csv:42", "p.csv:43"] and sum(data.counts.values()) == 40
    with pytest.raises(
        Problem, match=r"p.csv:42: has 2 cells; expected x1, x2 and a label; 2 of 42 rows are no points"
    ):
        DOMAIN.load(DataSpec(str(tmp_path / "p.csv"), max_bad=0.01), None, None)


def test_the_squared_error_is_half_that_of_an_output_from_minus_one_to_one():
    p = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]])
    y, output = np.array([1, 0, 0]), 2 * p[:, 1] - 1
    expected = 0.5 * (output - np.where(y == 1, 1, -1)) ** 2
    assert squared_error(p, y) == pytest.approx(expected.mean()) and squared_error(p[:1], y[:1]) == 0.5


def test_from_the_shell(command, tmp_path):  # noqa: F811
    code, out, err = command("train", "playground", "xor", "--network", "dense(6), tanh, dense(classes)", "--epochs",
                             "30", "--noise", "0.05", "--inputs", "x1, x2, x1*x2", "--out", "run")  # fmt: skip
    assert (
        code == 0
        and "flatten, dense(6), tanh, dense(2)" in json.loads((tmp_path / "run/summary.json").read_text())["network"]
    ), err
    code, out, _ = command("predict", "run", "2,2", "--json")
    assert code == 0 and json.loads(out)[0]["predictions"][0]["label"] == "blue"
    code, out, _ = command("evaluate", "run", "xor", "--json", "--quiet")
    assert code == 0 and json.loads(out)["squared_error"] < 0.2
    code, out, _ = command("check", "playground", "circle", "--json")
    assert code == 0 and json.loads(out)["examples"] == 500


# --- a training that is watched


def session(network="dense(4), tanh, dense(classes)", shape="circle", seed=0, **settings):
    return Session(DOMAIN, Setup(shape, network, settings=settings), seed)


def test_a_session_trains_as_the_command_does(tmp_path):
    watched = session(batch=10, lr=0.03)
    watched.advance_epochs(3)
    model = neocog.train(
        "playground", "circle", network="dense(4), tanh, dense(classes)", out=str(tmp_path / "run"), epochs=3, batch=10,
        lr=0.03, device="cpu", precision="float32", options={"points": 500},
    )  # fmt: skip
    assert model.network.layers == watched.training.network.layers
    assert watched.epoch == 3 and watched.losses()["train_accuracy"] > 0.4
    state = checkpoint.read_tensors(tmp_path / "run/model.safetensors")
    assert state.keys() == watched.training.trainer.network.state_dict().keys()


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky(0.2)", "elu"])
def test_a_traced_step_is_w_plus_rate_times_delta_times_slope_times_x(activation):
    """LECTURES: w′ = w + η · δ · f′(e) · x, against what the core's training did to its weights."""
    watched = session(f"dense(5), {activation}, dense(3), {activation}, dense(classes)", batch=1, optimiser="sgd",
                      lr=0.1, momentum=0.0)  # fmt: skip
    watched.advance(7)
    for _ in range(5):
        trace = watched.trace()
        for layer in trace.layers:
            for unit in layer:
                step = trace.rate * unit.delta * unit.slope
                np.testing.assert_allclose(unit.after, np.array(unit.before) + step * np.array(unit.inputs), atol=1e-6)
                assert unit.bias[1] == pytest.approx(unit.bias[0] + step, abs=1e-6)
                assert unit.sum == pytest.approx(np.dot(unit.before, unit.inputs) + unit.bias[0], abs=1e-4)
        target = watched.data.labels.index(trace.label)
        assert [unit.delta for unit in trace.layers[-1]] == pytest.approx(
            [(index == target) - p for index, p in enumerate(trace.probabilities)], abs=1e-6
        )


def test_the_delta_of_a_hidden_unit_is_the_sum_over_what_it_feeds():
    watched = session("dense(4), tanh, dense(classes)", batch=1, optimiser="sgd", lr=0.1, momentum=0.0)
    hidden, output = watched.trace().layers
    for index, unit in enumerate(hidden):
        assert unit.delta == pytest.approx(sum(k.before[index] * k.delta * k.slope for k in output), abs=1e-6)
        assert unit.slope == pytest.approx(1 - np.tanh(unit.sum) ** 2, abs=1e-5)


def test_surfaces_are_what_the_network_computes_over_the_plane():
    watched = session("dense(3), relu, dense(classes)")
    hidden, output = watched.surfaces(9)
    assert hidden.shape == (3, 9, 9) and output.shape == (2, 9, 9) and (hidden >= 0).all()
    np.testing.assert_allclose(output.sum(0), 1, rtol=1e-5)
    corner = plane(9)[:1]  # the top left one
    assert name_of(corner[0]) == "-6,6"
    weight, bias = watched.linears()[0].weight.detach(), watched.linears()[0].bias.detach()
    np.testing.assert_allclose(hidden[:, 0, 0], (weight @ torch.tensor([-6.0, 6.0]) + bias).relu(), atol=1e-4)
    assert watched.inputs(9)[0][0].tolist() == pytest.approx([-6, -4.5, -3, -1.5, 0, 1.5, 3, 4.5, 6])


def test_units_that_give_one_value_are_unused():
    watched = session("dense(3), relu, dense(classes)")
    assert watched.unused_units() == [0]
    with torch.no_grad():
        watched.linears()[0].weight[1] = 0
    assert watched.unused_units() == [1]


def test_a_model_takes_a_text_as_a_point(tmp_path):
    model = neocog.train("playground", "gaussians", out=str(tmp_path / "run"), epochs=20)
    (row,) = model.predict([TextInput("2,2")])
    assert row["predictions"][0]["label"] == "blue" and row["predictions"][0]["probability"] > 0.9
