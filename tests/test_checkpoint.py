"""Model files are read or refused with a message; no code of a file is run."""

import json
import os
import pickle
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neocog.core import checkpoint
from neocog.core.checkpoint import FORMAT, KEY, Card, card, find, read_tensors, save, write_tensors
from neocog.core.problem import DATA, USAGE, Problem

CARD = Card(
    domain="vision",
    network="conv(4, 3), relu, flatten, dense(2)",
    input=(3, 8, 8),
    labels=["Löwe", "猫", 'a "quoted" \\ name', "🦆"],
    preprocessing={"mean": [0.1, 0.25, 1e-30], "größe": [8, 8]},
    recipe="small(width=4)",
    settings={"epochs": 3, "lr": 0.001, "compile": False},
    data={"train": 60, "given": ["test"]},
    metrics={"valid_accuracy": None},
    versions={"torch": "2.12.1"},
)
WEIGHTS = {"0.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "0.bias": torch.tensor([0.5, float("nan")])}

NOT_ONE = "{path} is not a model file; expected a model.safetensors that neocog train wrote"
CUT_SHORT = "{path} is cut short: it ends before its weights do; copy or download it again"
PICKLED = (
    "{path} is a pickled PyTorch file, which can run code when it is opened; "
    "neocog reads model.safetensors files, or takes weights from it: train --weights FILE"
)
NO_CARD = "{path} holds weights but no neocog card; expected a model.safetensors that neocog train wrote"
BAD_CARD = "the card of {path} cannot be read; the file was not written by neocog or is damaged"


@pytest.fixture
def model(tmp_path) -> Path:
    save(tmp_path / "model.safetensors", WEIGHTS, CARD)
    return tmp_path / "model.safetensors"


def problem(path: Path, content: bytes | None = None) -> str:
    """Returns the message for reading the card of `path` with `content`, with {path} in place of the path."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Problem) as raised:
        card(path)
    assert raised.value.code == DATA
    return re.sub(r"(cannot be read) \(.*\);", r"\1;", str(raised.value).replace(str(path), "{path}"))


def framed(header: object) -> bytes:
    """A safetensors file with this JSON as its header, and no weights."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw


def carded(**changes: object) -> bytes:
    fields = {name: value for name, value in (asdict(CARD) | changes).items() if value is not ...}
    return framed({"__metadata__": {KEY: json.dumps(fields)}})


# --- save and load ------------------------------------------------------------------------------------------------


def test_a_card_is_read_as_it_was_written(model):
    assert card(model) == CARD


def test_weights_are_read_as_they_were_written(model):
    assert {name: t.numpy().tobytes() for name, t in read_tensors(model).items()} == {
        name: t.numpy().tobytes() for name, t in WEIGHTS.items()
    }


def test_any_memory_format_and_any_gradient_may_be_saved(tmp_path):
    weight = torch.nn.Parameter(torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last))
    write_tensors(tmp_path / "a.safetensors", {"a": weight}, {})
    assert torch.equal(read_tensors(tmp_path / "a.safetensors")["a"], weight)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
@settings(max_examples=50)
def test_any_labels_come_back(tmp_path_factory, labels):
    path = tmp_path_factory.getbasetemp() / "labels.safetensors"
    save(path, {}, replace(CARD, labels=labels))
    assert card(path).labels == labels


def test_a_label_from_a_folder_whose_name_is_not_utf_8_comes_back(tmp_path):
    labels = [os.fsdecode(b"caf\xe9"), "tea"]
    save(tmp_path / "a.safetensors", {}, replace(CARD, labels=labels))
    assert card(tmp_path / "a.safetensors").labels == labels


def test_a_folder_whose_name_is_not_utf_8_holds_a_model(tmp_path):
    for name in (b"caf\xe9", "größe".encode()):
        path = tmp_path / os.fsdecode(name) / "a.safetensors"
        path.parent.mkdir()
        save(path, WEIGHTS, CARD)
        assert card(path) == CARD and torch.equal(read_tensors(path)["0.weight"], WEIGHTS["0.weight"])


@pytest.mark.parametrize("length", range(0, 260, 8))
def test_a_header_of_any_length_is_read(length, tmp_path):
    """A length of 128 plus a multiple of 256 starts with the first byte of a pickle."""
    save(tmp_path / "a.safetensors", {}, replace(CARD, recipe="x" * length))
    assert card(tmp_path / "a.safetensors").recipe == "x" * length


def test_reading_a_card_imports_no_torch(model):
    program = (
        "import sys, pathlib\n"
        "from neocog.core import checkpoint\n"
        "print(checkpoint.card(checkpoint.find(sys.argv[1])).domain)\n"
        "print(*{'torch', 'numpy', 'safetensors'} & set(sys.modules))\n"
    )
    process = subprocess.run([sys.executable, "-c", program, model.parent], capture_output=True, text=True, check=True)
    assert process.stdout == "vision\n\n"


def test_a_save_that_fails_leaves_the_old_model(model, monkeypatch):
    monkeypatch.setattr(checkpoint.files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        save(model, WEIGHTS, replace(CARD, domain="go"))
    assert card(model) == CARD
    assert os.listdir(model.parent) == ["model.safetensors"]


# --- other formats ------------------------------------------------------------------------------------------------


def test_keys_that_a_later_neocog_adds_are_ignored(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(carded(colour="red", nested={"a": [1]}))
    assert card(path) == CARD


def test_missing_fields_of_a_card_get_their_defaults(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(carded(recipe=..., settings=..., metrics=..., versions=..., data=..., task=...))
    assert card(path) == Card(CARD.domain, CARD.network, CARD.input, CARD.labels, CARD.preprocessing)


def test_a_newer_format_is_refused(tmp_path):
    message = f"{{path}} has format {FORMAT + 1}, this neocog reads up to {FORMAT}; pip install --upgrade neocog"
    assert problem(tmp_path / "a", carded(format=FORMAT + 1)) == message
    assert problem(tmp_path / "a", carded(format=FORMAT + 1, input=..., network=...)) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"format": ...},
        {"format": "new"},
        {"format": None},
        {"format": float("inf")},
        {"format": float("nan")},
        {"labels": ...},
        {"network": ...},
        {"input": 3},
        {"input": [1, 8]},
        {"input": [1, 8, 8, 8]},
        {"input": None},
    ],
    ids=str,
)
def test_a_card_that_lacks_something_is_refused(changes, tmp_path):
    assert problem(tmp_path / "a", carded(**changes)) == BAD_CARD


@pytest.mark.parametrize("changes", [{"labels": 7}, {"input": "abc"}, {"network": 5}, {"preprocessing": []}], ids=str)
def test_a_card_of_other_types_is_refused(changes, tmp_path):
    assert problem(tmp_path / "a", carded(**changes)) == BAD_CARD


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"a"', "[" * 100_000, "nan", "\0", "{'format': 1}"])
def test_a_card_that_is_not_json_is_refused(text, tmp_path):
    assert problem(tmp_path / "a", framed({"__metadata__": {KEY: text}})) == BAD_CARD


def test_safetensors_of_others_have_no_card(tmp_path):
    write_tensors(tmp_path / "a", WEIGHTS, {"format": "pt"})
    assert problem(tmp_path / "a") == NO_CARD
    assert problem(tmp_path / "a", framed({})) == NO_CARD


# --- what is not a model file -------------------------------------------------------------------------------------


def test_a_file_cut_anywhere_is_cut_short(model):
    """Fewer than eight bytes are not recognised as a model file."""
    content = model.read_bytes()
    lengths = [*range(20), *range(20, len(content) - 20, 7), *range(len(content) - 20, len(content))]
    messages = [problem(model, content[:length]) for length in lengths]
    assert messages == [NOT_ONE] * 8 + [CUT_SHORT] * (len(lengths) - 8)


class Code:
    """Aborts the process when it is unpickled."""

    def __reduce__(self):
        return (os.abort, ())


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_run(protocol, tmp_path):
    weights = {"weight": [0.0] * 10, "code": Code()}
    assert problem(tmp_path / "a.pth", pickle.dumps(weights, protocol=protocol)) == PICKLED


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pytorch_file_is_refused(zipped, tmp_path):
    torch.save(WEIGHTS, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert problem(tmp_path / "a.pth") == PICKLED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"short",
        b"A text, and not a short one.\n" * 9,
        bytes(7),
        bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(99),
    ],
    ids=["empty", "a line end", "short", "text", "seven zeros", "zeros", "picture"],
)
def test_another_file_is_refused(content, tmp_path):
    assert problem(tmp_path / "notes.txt", content) == NOT_ONE


@pytest.mark.parametrize("length", [0, 1, 100_000_001, 2**31, 2**60, 2**63, 2**64 - 1])
def test_a_header_length_that_cannot_be_is_refused_unread(length, model):
    assert problem(model, length.to_bytes(8, "little") + model.read_bytes()[8:]) == NOT_ONE


def test_a_header_length_beyond_the_file_is_cut_short(model):
    assert problem(model, (99_999_999).to_bytes(8, "little") + model.read_bytes()[8:]) == CUT_SHORT


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"5.",
        b"null",
        b"[" * 100_000,
        {"a": 5},
        {"a": {}},
        {"a": {"data_offsets": []}},
        {"a": {"data_offsets": [0]}},
        {"a": {"data_offsets": [0, "x"]}},
        {"a": {"data_offsets": [0, None]}},
        {"a": {"data_offsets": {}}},
        {"__metadata__": 5},
        {"__metadata__": ["a"]},
        {"__metadata__": None},
        {"__metadata__": {"neocog": ["a"]}},
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_header_of_garbage_is_refused(header, tmp_path):
    assert problem(tmp_path / "a.safetensors", framed(header)) == NOT_ONE


def test_a_directory_cannot_be_read(tmp_path):
    assert problem(tmp_path) == "{path} is a folder; expected a model.safetensors that neocog train wrote"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OFFSETS = st.fixed_dictionaries({"data_offsets": JSON})
HEADERS = st.fixed_dictionaries({}, optional={"__metadata__": JSON, "a": JSON, "b": OFFSETS})
CARDS = st.fixed_dictionaries({}, optional=dict.fromkeys(asdict(CARD), JSON))
NAMED_CARDS = CARDS.map(lambda fields: {"__metadata__": {KEY: json.dumps(fields)}})


@given(st.binary(max_size=200) | (JSON | HEADERS | NAMED_CARDS).map(framed))
@settings(max_examples=200)
def test_no_content_gives_anything_but_a_problem(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    try:
        assert isinstance(card(path), Card)
    except Problem as error:
        assert str(path) in str(error)


@given(st.data())
@settings(max_examples=100)
def test_a_damaged_model_gives_its_card_and_weights_or_a_problem(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    save(path, WEIGHTS, CARD)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for read in (card, read_tensors):
        try:
            read(path)
        except Problem as error:
            assert str(path) in str(error)


def test_damaged_weights_are_reported(model):
    content = model.read_bytes()
    model.write_bytes(content[:-4])
    with pytest.raises(Problem, match=r"model\.safetensors is damaged: .*; copy or download it again$"):
        read_tensors(model)


# --- finding a model ----------------------------------------------------------------------------------------------


def missing(name: str) -> str:
    with pytest.raises(Problem) as raised:
        find(name)
    assert raised.value.code == USAGE
    return str(raised.value)


def test_a_model_is_a_file_or_the_folder_it_lies_in(model):
    assert find(str(model)) == model
    assert find(str(model.parent)) == model


def test_a_folder_without_a_model(tmp_path):
    assert missing(str(tmp_path)) == (
        f"{tmp_path} has no model.safetensors in it; expected a model file or a finished run's folder"
    )


def test_a_model_that_does_not_exist(model):
    misspelt = str(model).replace("model.", "modle.")
    assert missing(misspelt) == (
        f"{misspelt} does not exist (did you mean {model}?); expected a model file or a run's folder"
    )
    assert missing("nowhere/to/be/found") == (
        "nowhere/to/be/found does not exist; expected a model file or a run's folder"
    )
