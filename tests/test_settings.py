"""Invalid settings are reported with the value and the expected range."""

import re
from dataclasses import asdict, fields

import pytest
from neocog import domain
from neocog.core.data import DataSpec
from neocog.core.problem import USAGE, Problem
from neocog.core.ranges import RANGES, check_range, name_in
from neocog.core.settings import Settings

NAMES = ", ".join(sorted(setting.name for setting in fields(Settings)))


def problem(*changes: dict[str, object]) -> str:
    with pytest.raises(Problem) as raised:
        Settings().changed(*changes)
    assert raised.value.code == USAGE
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "epochs is from 1 to 1e+06; got 0"),
        ("epochs", 2_000_000, "epochs is from 1 to 1e+06; got 2e+06"),
        ("epochs", 1.5, "epochs is a whole number; got 1.5"),
        ("epochs", "10", "epochs is a whole number; got '10'"),
        ("epochs", True, "epochs is a whole number; got True"),
        ("batch", 0, "batch is from 1 to 1e+07; got 0"),
        ("lr", 0, "lr is from 1e-12 to 1e+06; got 0"),
        ("lr", -0.1, "lr is from 1e-12 to 1e+06; got -0.1"),
        ("lr", float("nan"), "lr is from 1e-12 to 1e+06; got nan"),
        ("lr", float("inf"), "lr is from 1e-12 to 1e+06; got inf"),
        ("lr", "fast", "lr is a number; got 'fast'"),
        ("lr", True, "lr is a number; got True"),
        ("lr", [0.1], "lr is a number; got [0.1]"),
        ("adam_lr", 0.0, "adam_lr is from 1e-12 to 1e+06; got 0"),
        ("momentum", 1, "momentum is from 0 to 0.9999; got 1"),
        ("weight_decay", -1, "weight_decay is from 0 to 1000; got -1"),
        ("warmup", 1.0, "warmup is from 0 to 0.9; got 1"),
        ("smoothing", 0.95, "smoothing is from 0 to 0.9; got 0.95"),
        ("average", 1, "average is from 0 to 0.999999; got 1"),
        ("clip", -1.0, "clip is from 0 to 1e+09; got -1"),
        ("seed", -1, "seed is from 0 to 4.61169e+18; got -1"),
        ("seed", 0.0, "seed is a whole number; got 0.0"),
        ("whiten", 1, "whiten is true or false; got 1"),
        ("compile", "yes", "compile is true or false; got 'yes'"),
        ("augment", 5, "augment is a text; got 5"),
        ("device", 0, "device is a text; got 0"),
        ("optimiser", "adam", "optimiser is one of adamw, sgd, muon (did you mean adamw?); got 'adam'"),
        ("optimiser", "lion", "optimiser is one of adamw, sgd, muon; got 'lion'"),
        ("optimiser", 3, "optimiser is one of adamw, sgd, muon; got 3"),
        ("schedule", "cos", "schedule is one of linear, cosine, constant (did you mean cosine?); got 'cos'"),
        ("precision", "float16", "precision is one of auto, float32, bfloat16 (did you mean bfloat16?); got 'float16'"),
    ],
)
def test_an_invalid_value(name, value, message):
    assert problem({name: value}) == message


@pytest.mark.parametrize(
    ("name", "close"),
    [("epoch", "epochs"), ("Batch", "batch"), ("optimizer", "optimiser"), ("zzz", None)],
)
def test_a_name_that_is_not_a_setting(name, close):
    meant = f" (did you mean {close}?)" if close else ""
    assert problem({name: 1}) == f"{name} is not a setting{meant}; the settings are {NAMES}"


def test_an_unknown_name_is_reported_even_without_a_value():
    assert problem({"epochs": 3}, {"epoch": None}).startswith("epoch is not a setting")


@pytest.mark.parametrize("name", [field.name for field in fields(Settings) if field.type == "float"])
def test_an_integer_is_accepted_for_a_float(name):
    value = getattr(Settings(**{name: int(name in ("lr", "adam_lr", "lr_first"))}), name)
    assert type(value) is float


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 1), ("momentum", 0), ("warmup", 0), ("warmup", 0.9), ("seed", 2**62), ("average", 0.999999)],
)
def test_ranges_include_their_ends(name, value):
    assert getattr(Settings(**{name: value}), name) == value


def test_later_changes_override_earlier_ones():
    recipe, typed = {"epochs": 3, "lr": 0.1}, {"epochs": 5}
    settings = Settings().changed(recipe, typed)
    assert (settings.epochs, settings.lr, settings.batch) == (5, 0.1, Settings().batch)


def test_none_changes_nothing():
    recipe, typed = {"epochs": 3}, dict.fromkeys(asdict(Settings()), None)
    assert Settings().changed(recipe, typed) == Settings(epochs=3)


def test_a_change_makes_new_settings():
    first = Settings()
    assert first.changed({"epochs": 3}) != first == Settings()
    assert first.changed() == first


def test_settings_survive_conversion_to_a_dict():
    settings = Settings(optimiser="muon", lr=1, whiten=True)
    assert Settings(**asdict(settings)) == settings


@pytest.mark.parametrize(
    ("owner", "name", "value", "message"),
    [
        ("vision", "size", 5000, "size is from 1 to 4096; got 5000"),
        ("dream", "size", 5, "size is from 16 to 4096; got 5"),
        ("match", "size", 2e9, "size is from -1e+09 to 1e+09; got 2e+09"),
        ("train", "folds", 1, "folds is from 2 to 1000; got 1"),
    ],
)
def test_a_name_has_another_range_in_another_domain_or_command(owner, name, value, message):
    with pytest.raises(Problem) as caught:
        check_range(name_in(owner, name), value)
    assert str(caught.value) == message


def test_numbers_of_domains_have_their_ranges_in_the_one_table():
    for name, option, value in (("speech", "rate", 10), ("text", "max_length", 0), ("vision", "size", 9999)):
        assert f"{name}.{option}" in RANGES
        low, high = RANGES[f"{name}.{option}"]
        with pytest.raises(Problem, match=f"{option} .*from {low:,} to "):
            domain(name).load(DataSpec("data", options={option: value}), None, None)
        with pytest.raises(Problem, match=re.escape(f"{option} is from {low:g} to {high:g}; got")):
            check_range(name_in(name, option), high + 1)
