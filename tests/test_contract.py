"""The contract of a domain: the same tests for all domains, on small generated data."""

import json
import os

import neocog
import numpy as np
import pytest
import soundfile
import torch
from neocog.core.constants import network_constants
from neocog.core.data import DataSpec
from neocog.core.domain import Domain
from neocog.core.inputs import BytesInput, FileInput, TextInput
from neocog.core.network import Network, parse
from neocog.core.plan import TaskRecipes, find_recipe
from neocog.core.settings import Settings
from neocog.core.tasks import TASKS
from neocog.core.transfer import Transferable
from PIL import Image

SMALL = {
    "vision": "conv(4, 3), relu, globalmax, dense(classes)",
    "speech": "conv(4, (8, frames)), relu, maxpool((3, 1)), flatten, dense(classes)",
    "text": "embed(tokens, 8), conv(8, 2), relu, globalmax, dense(classes)",
    "go": "conv(8, 3, pad=1), relu, conv(1, 1, bias=False), bias, flatten",
    "playground": "flatten, dense(8), relu, dense(classes)",
}  # a network for each domain's tiny data
CLASSES = {"go": 361}  # how many labels a recipe of the domain may be asked for, where it is not any number


def pictures(folder):
    """Three colours, ten noisy pictures each."""
    rng = np.random.default_rng(0)
    for label, colour in (("red", (200, 20, 20)), ("green", (20, 200, 20)), ("blue", (20, 20, 200))):
        (folder / label).mkdir(parents=True)
        for i in range(10):
            pixels = (np.array(colour) + rng.integers(-20, 20, (9, 9, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
    return folder


def recordings(folder):
    """Three tones, ten noisy recordings each, of different loudness and length."""
    rng = np.random.default_rng(0)
    for label, pitch in (("low", 200), ("middle", 600), ("high", 1800)):
        (folder / label).mkdir(parents=True)
        for i in range(10):
            times = np.arange(rng.integers(1500, 2000)) / 8000
            tone = np.sin(2 * np.pi * pitch * (1 + 0.05 * rng.random()) * times) + 0.1 * rng.standard_normal(len(times))
            soundfile.write(folder / label / f"{i}.wav", (tone * rng.uniform(0.1, 0.6)).astype(np.float32), 8000)
    return folder


def texts(folder):
    """Ten sentences about each of three things, a file each."""
    rng = np.random.default_rng(0)
    filler = ["the", "a", "this", "very", "quite", "so", "then", "and", "with", "of"]
    for label, word in (("cats", "purring"), ("dogs", "barking"), ("birds", "singing")):
        (folder / label).mkdir(parents=True)
        for i in range(10):
            words = [*rng.choice(filler, int(rng.integers(2, 8))), word, word, word, str(i)]
            (folder / label / f"{i}.txt").write_text(" ".join(rng.permutation(words)) + "\n", encoding="utf-8")
    return folder


def games(folder):
    """Thirty positions of eight black stones and a white one, on whose right Black plays."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        places = rng.permutation(361)
        white = next(place for place in places[8:] if place % 19 < 18 and place + 1 not in places[:8])
        points = ["abcdefghijklmnopqrs"[place % 19] + "abcdefghijklmnopqrs"[place // 19] for place in range(361)]
        black = "".join(f"[{points[place]}]" for place in places[:8])
        record = f"(;SZ[19]AB{black}AW[{points[white]}];B[{points[white + 1]}])"
        (folder / f"{i}.sgf").write_text(record)
    return folder


def points(folder):
    """Ten points around each of three places, in one table."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = [
        f"{x + rng.uniform(-1, 1):.4f},{y + rng.uniform(-1, 1):.4f},{label}"
        for label, x, y in (("east", 4, 0), ("north", 0, 4), ("west", -4, 0))
        for _ in range(10)
    ]
    (folder / "points.csv").write_text("\n".join(["x1,x2,label", *rows]) + "\n")
    return folder / "points.csv"


MADE = {"vision": pictures, "speech": recordings, "text": texts, "go": games, "playground": points}


def input_of(name):
    """The input that the name of an example means: a file, and of a game a move; or the text of a point."""
    path, _, move = name.partition(", move ")
    if not os.path.exists(path):
        return TextInput(name)
    return FileInput(path, options={"move": int(move)} if move else {})


@pytest.fixture(params=neocog.DOMAINS)
def domain(request) -> Domain:
    return neocog.domain(request.param)


@pytest.fixture
def files(domain, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return MADE[domain.name](tmp_path / "files")


@pytest.fixture
def data(domain, files):
    return domain.load(DataSpec(str(files)), None, None)


def test_the_contract_covers_every_domain():
    assert set(MADE) == set(SMALL) == set(neocog.DOMAINS)


def test_load_gives_three_splits_with_labels_and_preprocessing(domain, data):
    assert sum(data.counts.values()) == 30 and data.counts["train"] > 15
    assert data.labels == sorted(data.labels) or domain.name in CLASSES  # the points of a board have their own order
    for split in data.splits.values():
        assert len(split.inputs) == len(split.targets) == len(split.names)
        assert split.targets.dtype == torch.int64 and split.inputs.dtype in (torch.uint8, torch.int16, torch.int32)


def test_preprocessing_is_json(data):
    assert json.loads(json.dumps(data.preprocessing)) == data.preprocessing


def test_loading_is_deterministic(domain, files, data):
    again = domain.load(DataSpec(str(files)), None, None)
    assert again.fingerprint() == data.fingerprint() and torch.equal(again.train.inputs[:], data.train.inputs[:])


def test_the_options_of_a_model_reproduce_its_preprocessing(domain, files, data):
    options_of = domain.require(Transferable, "--weights").options
    form = dict(options_of(data.preprocessing))
    assert form and form.keys() <= set(domain.options)
    again = domain.load(DataSpec(str(files), options=form), None, None)
    assert torch.equal(again.train.inputs[:], data.train.inputs[:]) and options_of(again.preprocessing) == form


def test_read_and_load_give_the_same_input(domain, data):
    for split in data.splits.values():
        for i, name in enumerate(split.names):
            assert torch.equal(domain.read(input_of(name), data.preprocessing), split.inputs[i])


def test_read_takes_a_path_or_the_bytes_of_the_file(domain, data, tmp_path):
    value = input_of(data.train.names[0])
    path = value.path if isinstance(value, FileInput) else str(tmp_path / "text")
    if isinstance(value, TextInput):
        (tmp_path / "text").write_text(value.text)
    with open(path, "rb") as file:
        content = BytesInput(file.read())
    assert torch.equal(domain.read(content, data.preprocessing), domain.read(FileInput(path), data.preprocessing))


def test_expand_paths_finds_the_files_in_a_folder(domain, files):
    inputs = domain.expand_paths([str(files)])
    assert len(inputs) == 30 and all(isinstance(value, FileInput | TextInput) for value in inputs)


def test_the_frontend_gives_maps_and_has_no_weights(domain, data):
    frontend = domain.frontend(data.preprocessing)
    maps = frontend(data.train.inputs[:4])
    assert maps.shape[0] == 4 and maps.ndim == 4 and maps.dtype == torch.float32
    assert not list(frontend.parameters()) and not frontend.state_dict()


def test_a_batch_gives_the_outputs_of_single_examples(domain, data):
    frontend = domain.frontend(data.preprocessing)
    alone = torch.cat([frontend(data.train.inputs[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(frontend(data.train.inputs[:4]), alone)


def test_no_augmentation_changes_nothing(domain, data):
    x, y = data.train[torch.arange(4)]
    none = domain.augment("none", data.extras)
    maps = domain.frontend(data.preprocessing)(x)
    for inputs, change in ((x, none.inputs), (maps, none.maps)):
        changed, targets = change(inputs, y, torch.Generator())
        assert torch.equal(changed, inputs) and torch.equal(targets, y)


def test_labels_of_a_model_decide_the_targets(domain, files, data):
    turned = data.labels[::-1]
    relabelled = domain.load(DataSpec(str(files)), turned, data.preprocessing)
    by_name = {name: turned[t] for p in relabelled.splits.values() for name, t in zip(p.names, p.targets, strict=True)}
    for split in data.splits.values():
        assert all(by_name[name] == data.labels[t] for name, t in zip(split.names, split.targets, strict=True))


def test_every_recipe_builds_and_its_settings_are_known(domain):
    for name, recipe in domain.recipes.items():
        classes = CLASSES.get(domain.name, 7)
        task = TASKS[recipe.task or "classify"]([str(label) for label in range(classes)])
        constants = {**network_constants(domain, {}), **task.constants}
        network = Network(recipe.input, recipe.layers(classes, **constants))
        if recipe.task is None:
            assert network.output == (classes,), name
        task.check_network(network)
        assert parse(str(network)) == network.layers
        settings = Settings().changed(recipe.settings)
        domain.augment(settings.augment, {})
    assert domain.default in domain.recipes
    by_task = domain.capability(TaskRecipes)
    for task, name in (by_task.defaults if by_task else {}).items():
        assert domain.recipes[name].task == task
    find_recipe(domain, domain.default)


def test_an_input_can_be_shown(domain, data):
    assert domain.show(data.train.inputs[0], None, data.preprocessing).size[0] > 0


def test_check_and_load_count_the_same_examples(domain, files, data):
    report = domain.check(DataSpec(str(files)))
    assert report["examples"] == 30 and set(report["labels"]) == set(data.labels) and report["bad"] == []


def test_from_files_to_a_prediction(domain, files, data, tmp_path):
    """Train, save, load: the same scores from the file as from the run, and the right label for a file."""
    model = neocog.train(
        domain.name, str(files), network=SMALL[domain.name], out=str(tmp_path / "run"), epochs=30, batch=8, lr=0.02
    )
    scores = model.evaluate(str(files))
    assert scores["accuracy"] == json.loads((tmp_path / "run/summary.json").read_text())["accuracy"] == 1.0
    name = data.test.names[0]
    value = input_of(name)
    (answer,) = model.predict([value], len(data.labels))
    assert answer["predictions"][0]["label"] == data.labels[int(data.test.targets[0])]
    assert sum(prediction["probability"] for prediction in answer["predictions"]) == pytest.approx(1)
    with torch.inference_mode():
        direct = model.module(domain.read(value, model.card.preprocessing)[None]).softmax(1).max()
    assert answer["predictions"][0]["probability"] == pytest.approx(float(direct), abs=1e-5)
