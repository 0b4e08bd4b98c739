"""The learning rate range test."""

import json

import pytest
import toy
from neocog.core.data import DataSpec
from neocog.core.device import World, choose
from neocog.core.find_lr import FACTORS, RangeTest, range_test
from neocog.core.fit import build
from neocog.core.plan import Plan
from PIL import Image
from test_contract import pictures


def test_of(**changes) -> RangeTest:
    settings = {"batch": 16, "lr": 0.01, "device": "cpu", "precision": "float32"} | changes
    plan = Plan.of(toy.DOMAIN, DataSpec("files"), network="flatten, dense(3)", changes=settings)
    return range_test(build(plan, toy.data(), World(), choose("cpu"), None))


test_of.__test__ = False  # a helper


def test_the_rates_rise_by_equal_factors_around_that_of_the_plan():
    test = test_of(lr=1e-4)
    factors = [b / a for a, b in zip(test.rates, test.rates[1:], strict=False)]
    assert test.rates[0] == pytest.approx(1e-4 * FACTORS[0]) and test.rates[-1] == pytest.approx(1e-4 * FACTORS[1])
    assert max(factors) == pytest.approx(min(factors)) and len(test.rates) == len(test.losses) == 100


def test_it_ends_where_the_loss_diverges():
    test = test_of(lr=10.0, optimiser="sgd")
    assert 5 < len(test.rates) < 100


def test_it_repeats():
    assert test_of() == test_of()


def test_a_rate_of_the_suggestion_learns_and_one_of_the_end_does_not():
    test = test_of(optimiser="sgd", lr=0.05)
    assert test.rates[0] < test.steepest <= test.rates[test.best]
    assert test.losses[0] > min(test.losses)


def test_the_steepest_point_of_a_known_curve():
    rates = [10.0**-k for k in range(6, 0, -1)]
    assert RangeTest(rates, [2.0, 1.9, 1.7, 0.8, 0.7, 3.0]).steepest == rates[2]


def test_the_command_draws_and_trains_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    files = str(pictures(tmp_path / "files"))
    arguments = ("train", "vision", files, "--batch", "8", "--find-lr", "lr.png", "--quiet")
    code, out, _ = command(*arguments)
    assert code == 0 and "the loss falls fastest at a learning rate of" in out and "train with --lr" in out
    with Image.open("lr.png") as picture:
        assert picture.width > 500
    assert not (tmp_path / "runs").exists()
    code, _, err = command(*arguments)
    assert code == 2 and "lr.png exists; name another file, or replace it with --force" in err
    code, out, _ = command(*arguments, "--force", "--json")
    assert code == 0 and {"suggestion", "lowest_loss", "points"} == json.loads(out).keys()
    code, _, err = command("train", "vision", files, "--find-lr", "lr.gif")
    assert code == 2 and "lr.gif ends in none of .png, .svg" in err
