"""Plans: settings from the command line, the recipe and the data."""

from dataclasses import replace

import pytest
import torch
import toy
from neocog.core.data import DataSpec
from neocog.core.fit import random_trunk
from neocog.core.plan import MAX_EPOCHS, Plan, find_recipe, plan_from, pretrained_model, read_settings
from neocog.core.problem import Problem
from neocog.core.settings import Settings
from neocog.core.transfer import Transferable
from neocog.go import DOMAIN as GO
from neocog.vision import DOMAIN as VISION

LABELS = ["left", "right", "low"]


def plan(**changes) -> Plan:
    return Plan.of(toy.DOMAIN, DataSpec("files"), "small", changes=changes)


def test_command_line_options_replace_those_of_the_recipe_only():
    settings = plan(lr=0.5, seed=None).settings
    assert (settings.lr, settings.batch, settings.epochs, settings.seed) == (0.5, 16, 3, Settings().seed)


def test_a_small_set_gets_smaller_batches_and_more_epochs():
    big = Plan.of(toy.DOMAIN, DataSpec("files"), "small", changes={}).fitted(50_000, LABELS).settings
    assert (big.batch, big.epochs) == (16, 3)
    tiny = plan().fitted(100, LABELS).settings
    assert (tiny.batch, tiny.epochs) == (16, 15) and tiny.epochs <= MAX_EPOCHS


def test_command_line_options_are_not_adapted_to_the_data():
    fitted = plan(batch=64, epochs=2).fitted(100, LABELS).settings
    assert (fitted.batch, fitted.epochs) == (64, 2)


def test_settings_of_a_network_text_are_not_adapted_to_the_data():
    by_network = Plan.of(toy.DOMAIN, DataSpec("files"), None, "flatten, dense(classes)")
    assert by_network.fitted(100, LABELS).settings == Settings()


def test_a_plan_is_restored_from_its_settings_file(tmp_path):
    written = plan(lr=0.5).fitted(100, LABELS)
    (tmp_path / "settings.toml").write_text(written.toml("flatten, dense(3)"))
    read = plan_from(read_settings(tmp_path / "settings.toml"), toy.DOMAIN)
    assert (read.settings, read.source, read.recipe) == (written.settings, written.source, "small")
    assert read.fitted(10, LABELS).settings == read.settings


def test_a_recipe_takes_parameters():
    wide = Plan.of(toy.DOMAIN, DataSpec("files"), "small(width=9)").layers(3)
    assert wide[0].filters == 9
    with pytest.raises(Problem, match="got an unexpected keyword argument 'wide'"):
        Plan.of(toy.DOMAIN, DataSpec("files"), "small(wide=9)").layers(3)


def test_an_unknown_recipe_is_reported_with_the_known_ones():
    with pytest.raises(Problem, match=r"smal is not a recipe of toy \(did you mean small\?\); there are small"):
        find_recipe(toy.DOMAIN, "smal")


@pytest.mark.parametrize(
    ("text", "message"),
    [("domain = 3 =", "cannot be read as TOML"), ("a = 1", "lacks domain, network or source")],
)
def test_an_invalid_settings_file_is_reported(text, message, tmp_path):
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(Problem, match=message):
        read_settings(tmp_path / "settings.toml")


def test_go_on_an_accelerator_has_larger_batches_and_epochs(monkeypatch):
    def settings(**changes):
        return Plan.of(GO, DataSpec("games.zip"), "swift", changes=changes).settings

    on_cpu = settings()
    assert (on_cpu.batch, on_cpu.examples) == (128, 40_000)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    on_gpu = settings()
    assert (on_gpu.batch, on_gpu.examples, on_gpu.checked) == (1024, 1_000_000, 20_000)
    assert settings(device="cpu") == settings(device="cpu", batch=None) == replace(on_cpu, device="cpu")
    assert settings(batch=64).batch == 64 and settings(batch=64).examples == 1_000_000  # the user's go first


def test_a_device_that_is_not_there_is_refused_before_the_data_are_read():
    with pytest.raises(Problem, match=r"cuda:7 is not available: torch finds .*; --device cpu always works"):
        Plan.of(GO, DataSpec("nothing"), "swift", changes={"device": "cuda:7"})


def test_recipes_for_pretrained_weights_say_that_they_start_from_random_ones():
    def remarks(recipe, weights=None):
        return random_trunk(Plan.of(VISION, DataSpec("photos"), recipe, weights=weights))

    assert remarks("lite0-detector") == [
        "lite0-detector starts from random weights; --weights efficientnet-lite0 starts from pretrained ones"
    ]
    assert remarks("swift") == []
    assert remarks("lite0-unet", pretrained_model(VISION, "efficientnet-lite0")) == []
    trunks = {recipe.trunk for recipe in VISION.recipes.values() if recipe.trunk}
    assert trunks <= set(VISION.capability(Transferable).pretrained)
