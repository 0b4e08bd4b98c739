"""What stands in a file is checked as a whole: types, ranges, missing and further keys; each mistake is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import neocog
import pytest
import torch
from neocog.core import checkpoint, schema
from neocog.core.model import Model, card_network, put
from neocog.core.plan import read_settings
from neocog.core.problem import DATA, Problem
from neocog.core.run import read_state
from neocog.core.schema import Between, Length, Mismatch
from neocog.core.sources.cache import Cache, Index
from neocog.vision.picture import PICTURES


class Inner(TypedDict):
    side: Annotated[int, Between(1, 100)]


class Sparse(TypedDict):
    size: NotRequired[int]


@dataclass(frozen=True)
class Outer:
    name: str
    shape: tuple[int, int]
    share: float = 0.5
    flag: bool = False
    kind: Literal["grey", "rgb"] = "rgb"
    inner: Inner | None = None
    sides: Annotated[list[Annotated[int, Between(1, 9)]], Length(1, 2)] = field(default_factory=lambda: [1])
    rows: list[tuple[int, str]] = field(default_factory=list)
    table: dict[str, int] = field(default_factory=dict)
    anything: Any = None


GOOD = {"name": "a", "shape": [3, 4], "inner": {"side": 7}, "rows": [[1, "x"]], "table": {"a": 1}, "share": 1}


def test_values_of_the_right_types_are_read():
    assert schema.read(Outer, GOOD | {"later": 1}).inner == {"side": 7}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 5}, "name is a text; got 5"),
        ({"shape": [3]}, "shape is a list of 2; got [3]"),
        ({"shape": "34"}, "shape is a list; got '34'"),
        ({"shape": [3, 4.0]}, "shape[1] is a whole number; got 4.0"),
        ({"shape": [3, True]}, "shape[1] is a whole number; got True"),
        ({"shape": [3, 10**30]}, "shape[1] is from -4.61169e+18 to 4.61169e+18; got 1000000000000000000000000000000"),
        ({"shape": [3, 10**5000]}, "got a number of thousands of digits"),
        ({"share": float("nan")}, "share is a finite number; got nan"),
        ({"share": float("inf")}, "share is a finite number; got inf"),
        ({"share": 10**400}, "share is a finite number; got 1000"),
        ({"flag": 1}, "flag is true or false; got 1"),
        ({"kind": "gray"}, "kind is one of grey, rgb (did you mean grey?); got 'gray'"),
        ({"inner": {}}, "inner.side is missing"),
        ({"inner": {"side": 0}}, "inner.side is from 1 to 100; got 0"),
        ({"inner": 3}, "inner is a table; got 3"),
        ({"sides": []}, "sides has 1 to 2 entries; got 0"),
        ({"sides": [1, 10]}, "sides[1] is from 1 to 9; got 10"),
        ({"rows": [[1, "x"], ["x", 1]]}, "rows[1][0] is a whole number; got 'x'"),
        ({"table": {"a": "b"}}, "table.a is a whole number; got 'b'"),
        ({"table": []}, "table is a table; got []"),
    ],
)
def test_a_mistake_is_named_with_its_place(changes, message):
    with pytest.raises(Mismatch) as caught:
        schema.read(Outer, GOOD | changes)
    assert message in str(caught.value)


def test_missing_and_further_keys_are_named():
    with pytest.raises(Mismatch, match=r"^shape is missing$"):
        schema.check(Outer, {"name": "a"})
    with pytest.raises(Mismatch, match=r"^inner\.sides is unknown \(did you mean side\?\)$"):
        schema.check(Outer, GOOD | {"inner": {"side": 1, "sides": 2}}, exact=True)
    with pytest.raises(Mismatch, match=r"^the content is a table; got \[\]$"):
        schema.check(Outer, [])


def test_keys_that_need_not_be_there_are_checked_where_they_are():
    schema.check(Sparse, {})
    with pytest.raises(Mismatch, match=r"^size is a whole number; got 'x'$"):
        schema.check(Sparse, {"size": "x"})


# --- files -----------------------------------------------------------------------------------------------------------

VISION = {"size": [2, 2], "colour": "grey", "fit": "crop", "mean": [0.5], "std": [0.5]}
CARD = checkpoint.Card("vision", "flatten, dense(2)", (1, 2, 2), ["a", "b"], VISION)
WEIGHTS = {"1.weight": torch.zeros(2, 4), "1.bias": torch.zeros(2)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": "ab"}, "labels is a list; got 'ab'"),
        ({"labels": ["a", 2]}, "labels[1] is a text; got 2"),
        ({"input": (1, 2)}, "input is a list of 3; got [1, 2]"),
        ({"preprocessing": {}}, "the preprocessing on the model's card cannot be used: size is missing"),
        ({"preprocessing": VISION | {"size": [0, 2]}}, "size[0] is from 1 to 4096; got 0"),
        ({"preprocessing": VISION | {"size": [10**9, 2]}}, "size[0] is from 1 to 4096; got 1000000000"),
        ({"preprocessing": VISION | {"colour": "cmyk"}}, "colour is one of grey, rgb; got 'cmyk'"),
        ({"preprocessing": VISION | {"mean": [float("nan")]}}, "mean[0] is a finite number; got nan"),
        ({"preprocessing": VISION | {"mean": [0.1, 0.2]}}, "the mean and the std of grey pictures are 1 numbers each"),
        ({"network": "flatten, dense(3)"}, "cannot be built: the network gives (3,), but there are 2 labels"),
        ({"network": "cnov(3, 3)"}, "the network on the model's card cannot be built: column 1"),
        (
            {"input": (1, 4, 1)},
            "the input on the model's card is 1×4×1, but its preprocessing gives 1×2×2; the file was not written by",
        ),
        ({"preprocessing": VISION | {"size": [3, 2]}}, "is 1×2×2, but its preprocessing gives 1×3×2"),
        ({"network": "flatten, dense(999999), dense(2)"}, "the weights do not belong to the network on the card"),
        (
            {"network": "flatten, relu, dense(2)"},
            "do not belong to the network on the card: the weight of layer 2 is miss",
        ),
        ({"settings": {"augment": 5}}, "settings.augment is a text; got 5"),
        ({"settings": {"augment": "flop"}}, "the augmentation on the model's card cannot be used: "),
        ({"data": {"split": -1}}, "data.split is from 0 to 4.61169e+18; got -1"),
        ({"data": {"test_share": "x"}}, "data.test_share is a number; got 'x'"),
        ({"task": "paint"}, "the model is of the task paint, which this version does not have: classify"),
        ({"task_state": {"temperature": []}}, "the state of the task classify cannot be read: temperature"),
        ({"domain": "smell"}, "is of the domain smell, which this version does not have"),
        ({"format": 99}, "has format 99, this neocog reads up to 2"),
    ],
)
def test_a_model_file_that_cannot_be_used_has_one_exit_code(changes, message, tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, WEIGHTS, replace(CARD, **changes))
    with pytest.raises(Problem) as caught:
        neocog.load(str(path), "cpu")
    assert message in str(caught.value)
    assert caught.value.code == DATA


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"1.weight": torch.zeros(4, 2)}, "the weight of layer 1 is 2×4 numbers, the file has 4×2"),
        ({"1.bias": torch.zeros(())}, "the bias of layer 1 is 2 numbers, the file has 1"),
        ({"7.body.0.scale": torch.zeros(2)}, "the file has the scale of layer 7.0, which the network does not have"),
        ({"extra": torch.zeros(2)}, "the file has the entry extra, which the network does not have"),
    ],
)
def test_weights_of_another_network_are_named_by_layer(weights, message):
    """Not by torch's names, which no user of the command line knows."""
    with pytest.raises(Problem) as caught:
        put(card_network(CARD).module(), WEIGHTS | weights)
    assert str(caught.value) == f"the weights do not belong to the network on the card: {message}"
    assert caught.value.code == DATA


@pytest.mark.parametrize(
    ("domain", "preprocessing", "message"),
    [
        ("speech", {"rate": 16000}, "samples is missing"),
        ("text", {"tokens": "syllables"}, "tokens is one of words, characters, bytes; got 'syllables'"),
        ("go", {"planes": 7}, "planes is one of all, stones, matrix; got 7"),
    ],
)
def test_every_domain_checks_its_preprocessing(domain, preprocessing, message):
    card = replace(CARD, domain=domain, preprocessing=preprocessing)
    with pytest.raises(Problem, match=f"the preprocessing on the model's card cannot be used: {message}"):
        Model(neocog.domain(domain), card, WEIGHTS, "cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('source = {data = "x", tset = "y"}', "source.tset is unknown (did you mean test?)"),
        ("source = {}", "source.data is missing"),
        ('source = {data = "x", split = -1}', "source.split is from 0 to 4.61169e+18; got -1"),
        ('source = {data = "x", test_share = nan}', "source.test_share is a finite number; got nan"),
        ('source = {data = "x", max_bad = true}', "source.max_bad is a number; got True"),
        ("source = 5", "source is a table; got 5"),
        ('source = {data = "x"}\nmodel = 1', "model is unknown"),
        ('source = {data = "x"}\ntrain = [1]', "train is a table; got [1]"),
    ],
)
def test_a_settings_file_is_checked_as_a_whole(text, message, tmp_path):
    (tmp_path / "settings.toml").write_text(f'domain = "vision"\nnetwork = "relu"\n{text}\n')
    with pytest.raises(Problem) as caught:
        read_settings(tmp_path / "settings.toml")
    assert message in str(caught.value)
    assert caught.value.code == DATA


STATE = {
    "fingerprint": "x", "total_seconds": 1.0, "selection": {"epoch": 0, "value": None, "reason": ""}, "history": [],
    "number": 3, "epoch_examples": 1, "lr_factor": 1.0, "retries": 0, "micro_batches": 1, "seconds": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**STATE, "number": -1}, "number is from 0 to 1e"),
        ({**STATE, "lr_factor": "x"}, "lr_factor is a number; got 'x'"),
        ({**STATE, "selection": {}}, "selection.epoch is missing"),
        ({}, "fingerprint is missing"),
        ([], "the content is a table"),
    ],
)
def test_a_damaged_state_is_a_sentence(values, message, tmp_path):
    path = tmp_path / "state.safetensors"
    checkpoint.write_tensors(path, WEIGHTS, {"state": json.dumps(values)})
    with pytest.raises(Problem) as caught:
        read_state(path)
    assert message in str(caught.value) and "delete it to train this run from its beginning" in str(caught.value)
    assert caught.value.code == DATA


INDEX = {
    "names": ["a"], "sources": [0], "labels": ["x"], "targets": [0], "digests": ["d"],
    "splits": {"train": 1, "valid": 0, "test": 0}, "given_splits": [], "groups": [""],
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"names": "a"},
        {"targets": [1]},
        {"targets": [0, 0]},
        {"splits": {"train": 2, "valid": 0, "test": 0}},
        {"splits": {"train": 1}},
        {"shapes": {"inputs": "x"}},
        {"digests": [5]},
        {"groups": []},
    ],
    ids=str,
)
def test_a_damaged_index_of_the_cache_is_built_again(changes, tmp_path):
    cache = Cache(tmp_path, PICTURES)
    (cache.folder / "key").mkdir()
    path = cache.folder / "key" / "index.json"
    path.write_text(json.dumps(INDEX))
    assert isinstance((cache.find("key") or [None])[0], Index)
    path.write_text(json.dumps(INDEX | changes))
    assert cache.find("key") is None
