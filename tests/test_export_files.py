"""Exported files: what stands in them, how they compare with the model, and what programs without Neocog read."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from neocog.core.data import DataSpec
from neocog.core.export import exported, parity
from neocog.core.export.capability import Exportable
from neocog.core.export.runtime import run_onnx, run_pt2
from neocog.core.model import Model
from neocog.core.problem import DATA, FAILED, USAGE, Problem
from neocog.core.tasks import Regress
from test_contract import MADE, SMALL

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
READERS = Path(__file__).parents[1] / "docs" / "readers"
LONG = "conv(4, 3), relu, globalmax, dense(classes)"  # a network of speech and vision that takes any length or size


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("NEOCOG_CACHE")
    os.environ["NEOCOG_CACHE"] = str(folder)
    yield folder
    os.environ.pop("NEOCOG_CACHE") if before is None else os.environ.update(NEOCOG_CACHE=before)


@pytest.fixture(scope="module")
def world(cache, tmp_path_factory):
    """A function that gives, for a domain, its small data and the run folder of a model trained on them."""
    runs = {}

    def trained(name, network=""):
        if (name, network) not in runs:
            folder = tmp_path_factory.mktemp(name)
            data = MADE[name](folder / "data")
            text = network or SMALL[name]
            neocog.train(name, str(data), network=text, out=str(folder / "run"), epochs=2, batch=8, lr=0.02)
            runs[name, network] = (data, folder / "run")
        return runs[name, network]

    return trained


def metadata_of(path):
    (entry,) = (value for value in onnx.load(path).metadata_props if value.key == "neocog")
    return json.loads(entry.value)


@pytest.mark.parametrize("domain", neocog.DOMAINS)
def test_an_onnx_file_gives_the_models_predictions_in_every_domain(domain, world, command, tmp_path):
    data, run = world(domain)
    code, out, _ = command("export", run, "--out", tmp_path / "x.onnx", "--parity", data, "--json", "--quiet")
    assert code == 0
    summary = json.loads(out)
    assert summary["parity"]["largest_difference"] <= 1e-4
    assert summary["parity"]["equal_labels"] == summary["parity"]["examples"] >= 30 + 1 + 5
    assert [entry["shape"][0] for entry in summary["parity"]["comparisons"]][:2] == [1, 5]
    model = neocog.load(str(run), "cpu")
    rows = model.load(DataSpec(str(data))).train.inputs[:7]
    predictions = run_onnx((tmp_path / "x.onnx").read_bytes())(rows)
    with model.inference():
        torch.testing.assert_close(predictions, model.task.link(model.logits(rows)), rtol=0, atol=1e-5)
    assert predictions.sum(1).numpy() == pytest.approx(np.ones(7), abs=1e-5)  # probabilities, not logits


@pytest.mark.parametrize("domain", ["vision", "speech", "text"])
def test_lengths_and_sizes_are_free_if_the_network_takes_any(domain, world, command, tmp_path):
    _, run = world(domain, "" if domain == "text" else LONG)
    code, out, _ = command("export", run, "--out", tmp_path / "x.onnx", "--json", "--quiet")
    summary = json.loads(out)
    names = {"vision": [3, "height", "width"], "speech": ["samples"], "text": [1, 1, "tokens"]}
    shape = ["batch", *names[domain]]
    assert code == 0 and summary["input"]["shape"] == shape
    shapes = {tuple(entry["shape"][1:]) for entry in summary["parity"]["comparisons"]}
    assert len(shapes) == 3  # that of training, a smaller and a larger one
    graph = onnx.load(tmp_path / "x.onnx").graph
    dimensions = [entry.dim_param or entry.dim_value for entry in graph.input[0].type.tensor_type.shape.dim]
    assert dimensions == shape
    assert [value.name for value in (*graph.input, *graph.output)] == [summary["input"]["name"], "predictions"]


def test_the_metadata_holds_what_a_program_needs(world, command, tmp_path):
    _, run = world("text")
    assert command("export", run, "--out", tmp_path / "x.onnx", "--opset", "21", "--quiet")[0] == 0
    metadata = metadata_of(tmp_path / "x.onnx")
    card = neocog.load(str(run)).card
    assert metadata["labels"] == card.labels and metadata["preprocessing"] == card.preprocessing
    assert (metadata["task"], metadata["task_state"], metadata["domain"]) == ("classify", card.task_state, "text")
    assert metadata["opset"] == 21 == onnx.load(tmp_path / "x.onnx").opset_import[0].version
    assert metadata["parity"]["largest_difference"] <= 1e-4 and metadata["versions"]["neocog"]
    content = (tmp_path / "x.onnx").read_bytes()  # as JavaScript reads it, whose runtime shows no metadata
    assert json.loads(content[content.rindex(b'{"metadata_format"') :]) == metadata
    assert b"/work" not in content and b".py" not in content.replace(b"data.py", b"")  # no paths of this machine


def test_a_pt2_file_gives_the_models_predictions(world, command, tmp_path):
    data, run = world("vision")
    code, out, _ = command("export", run, "--out", tmp_path / "x.pt2", "--parity", data, "--quiet")
    assert code == 0 and "largest difference" in out
    model = neocog.load(str(run), "cpu")
    rows = model.load(DataSpec(str(data))).train.inputs[:3]
    with model.inference():
        expected = model.task.link(model.logits(rows))
    torch.testing.assert_close(run_pt2((tmp_path / "x.pt2").read_bytes())(rows), expected)
    extra = {"neocog.json": ""}
    torch.export.load(tmp_path / "x.pt2", extra_files=extra)
    assert json.loads(extra["neocog.json"])["labels"] == model.labels


def test_parity_takes_files_without_labels(world, command, tmp_path):
    data, run = world("vision")
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(sorted(data.rglob("*.png"))[:12]):
        shutil.copy(path, flat / f"{i}.png")
    (flat / "broken.png").write_bytes(b"no picture")
    code, out, _ = command("export", run, "--out", tmp_path / "x.pt2", "--parity", flat, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["parity"]["comparisons"][-1] | {"difference": 0} == {
        "inputs": str(flat), "shape": [12, 3, 9, 9], "examples": 12, "difference": 0, "equal_labels": 12,
    }  # fmt: skip


def test_int8_is_smaller_and_judged_on_the_test_split(world, command, tmp_path):
    data, run = world("vision", "conv(32, 3), relu, conv(64, 3), relu, conv(64, 3), relu, globalmax, dense(classes)")
    arguments = ("export", run, "--quantise", "int8", "--calibrate", data, "--json", "--quiet")
    code, out, err = command(*arguments, "--out", tmp_path / "x.onnx")
    assert code == 0 and err == ""
    results = json.loads(out)["int8"]
    model = neocog.load(str(run), "cpu")
    expected = model.evaluate(str(data), "test")
    assert (
        results["float32"]["value"] == expected["accuracy"] and results["float32"]["examples"] == expected["examples"]
    )
    assert results["int8"]["bytes"] < 0.5 * results["float32"]["bytes"]
    assert metadata_of(tmp_path / "x.onnx")["int8"]["int8"]["value"] == results["int8"]["value"]
    graph = onnx.load(tmp_path / "x.onnx").graph
    kinds = {onnx.TensorProto.DataType.Name(entry.data_type) for entry in graph.initializer if len(entry.dims) == 4}
    assert "INT8" in kinds
    plain = model.load(DataSpec(str(data))).train.inputs[:20]
    with model.inference():
        predictions = model.task.link(model.logits(plain))
    assert (run_onnx((tmp_path / "x.onnx").read_bytes())(plain) - predictions).abs().max() < 0.1


TASK_STATES = {
    "classify": {"temperature": 2.5},
    "multilabel": {"thresholds": [0.2, 0.5, 0.8]},
    "regress": {"means": [250_000.0, 0.0, -3.0], "stds": [90_000.0, 1e-3, 2.0]},
}


@pytest.mark.parametrize("task", TASK_STATES)
def test_predictions_of_every_task_are_those_of_its_link(task, world):
    card = neocog.load(str(world("vision")[1]), "cpu").card
    weights = neocog.load(str(world("vision")[1]), "cpu").words.state_dict()
    labels = ["a", "b", "c"]
    card = replace(card, task=task, labels=labels, task_state=TASK_STATES[task])
    model = Model(neocog.domain("vision"), card, weights, "cpu")
    result = exported.exported(model, exported.Request())
    inputs = torch.randint(0, 256, (4, 3, 9, 9)).byte()
    with model.inference():
        logits = model.logits(inputs)
    scaled = {
        "classify": lambda: (logits / 2.5).softmax(1),
        "multilabel": lambda: 1 / (1 + (-logits).exp()),
        "regress": lambda: logits * torch.tensor([90_000.0, 1e-3, 2.0]) + torch.tensor([250_000.0, 0.0, -3.0]),
    }
    torch.testing.assert_close(run_onnx(result.content)(inputs), scaled[task](), rtol=1e-5, atol=1e-5)
    assert result.summary["parity"]["largest_difference"] <= 1e-4
    metadata = exported.metadata(model, result.summary)
    assert (metadata["task"], metadata["labels"], metadata["task_state"]) == (task, labels, TASK_STATES[task])


# --- differences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("added", "message"), [(2e-4, "by 0.0002"), (float("nan"), "by nan")])
def test_a_difference_above_the_tolerance_is_an_error(added, message, world):
    model = neocog.load(str(world("vision")[1]), "cpu")

    def run(inputs):
        with model.inference():
            return model.task.link(model.logits(inputs)) + added

    with pytest.raises(
        Problem, match=f"the exported file differs from the model {message} on random inputs of shape 1×3×9×9"
    ) as caught:
        parity.check(model, run)
    assert caught.value.code == FAILED and "nothing is written" in str(caught.value)


def test_no_file_is_left_after_an_error(world, command, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    code, out, err = command("export", world("go")[1], "--out", tmp_path / "x.onnx", "--quiet")
    assert code == FAILED and out == "" and "differs from the model" in err
    assert list(tmp_path.iterdir()) == []


def test_numbers_larger_than_one_are_compared_by_their_size(world):
    model = neocog.load(str(world("vision")[1]), "cpu")
    inputs = next(parity.random_batches(model))

    class Prices(Regress):
        """A task whose predictions are large numbers."""

        def link(self, logits):
            return logits.abs() * 0 + 1000.0

        def rows(self, predictions, top):
            return [{"values": [{"name": "price", "value": row[0].item()}]} for row in predictions]

    model.task = Prices(["price"], [0.0], [1.0])
    comparison = parity.compare(model, lambda inputs: torch.full((1, 3), 1000.05), inputs, "random")
    assert comparison.difference == pytest.approx(5e-5, rel=0.01) and comparison.equal_labels == 1


def test_labels_are_compared_by_all_texts_of_a_row():
    row = {"labels": ["a", "b"], "heads": {"x": {"predictions": [{"label": "c", "probability": 0.5}]}}}
    assert list(parity.texts(row)) == ["a", "b", "c"]


def test_random_inputs_are_the_same_for_a_seed_and_differ_between_seeds(world):
    model = neocog.load(str(world("vision")[1]), "cpu")
    first, same, other = (next(parity.random_batches(model, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.mark.parametrize("domain", neocog.DOMAINS)
def test_random_inputs_look_like_examples(domain, world):
    data, run = world(domain)
    model = neocog.load(str(run), "cpu")
    inputs = model.load(DataSpec(str(data))).train.inputs[:1]
    exportable = model.domain.require(Exportable, "export")
    batch = next(parity.random_batches(model))
    assert exportable.shape(model.card.preprocessing) == tuple(inputs.shape[1:]) == tuple(batch.shape[1:])
    assert batch.dtype == inputs.dtype


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.txt"], "x.txt ends in none of .onnx, .pt2: the ending decides the format"),
        (["--out", "x.onnx", "--format", "pt2"], "x.onnx ends in none of .pt2: the ending decides the format"),
        (["--out", "x.onnx", "--format", "tflite"], "--format is onnx or pt2; got tflite"),
        (["--out", "x.onnx", "--opset", "17"], "--opset is from 18 to 23; got 17"),
        (["--out", "x.onnx", "--quantise", "int4"], "--quantise is int8; got int4"),
        (
            ["--out", "x.onnx", "--quantise", "int8"],
            "--quantise int8 needs --calibrate DATA: the data that",
        ),
        (["--out", "x.onnx", "--calibrate", "d"], "--calibrate is for --quantise int8; give both, or neither"),
        (["--out", "x.pt2", "--quantise", "int8", "--calibrate", "d"], "--quantise is for ONNX files; leave it out"),
        (["--out", "none/x.onnx"], "the folder none does not exist; create it, or name another file"),
    ],
)
def test_wrong_use_is_a_sentence_before_anything_is_loaded(arguments, message, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command("export", "missing", *arguments)
    assert code == USAGE and out == "" and message in err


def test_data_without_examples_and_data_without_a_test_split_are_sentences(world, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, run = world("vision")
    (tmp_path / "empty").mkdir()
    code, _, err = command("export", run, "--out", "x.pt2", "--parity", "empty")
    assert code == DATA and "empty" in err and not (tmp_path / "x.pt2").exists()
    model = neocog.load(str(run), "cpu")
    loaded = model.load(DataSpec(str(data), test_share=0.0))
    monkeypatch.setattr(model, "load", lambda spec: loaded)
    with pytest.raises(Problem, match="has no test split, by which an int8 file is judged"):
        exported.exported(model, exported.Request(calibration=str(data)))


def test_an_existing_file_is_kept_without_force(world, command, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"mine")
    code, _, err = command("export", world("vision")[1], "--out", tmp_path / "x.onnx")
    assert code == USAGE and "exists; name another file, or replace it with --force" in err
    assert (tmp_path / "x.onnx").read_bytes() == b"mine"


# --- readers ---------------------------------------------------------------------------------------------------------

LINES = [
    "the purring cat", "Purring PURRINGLY barkings", "it's a dog’s café naïve Straße", "<br />a<BR>b 12 3½ ²",
    "👍🏽 👩‍👧 ok!",
    "Ελλάδα и кошка 你好世界", "singin' sing singalong singers", "?!", "é e\u0301tude", "12:30 a_b don't",
]  # fmt: skip


def run_reader(*command, stdin=""):
    """Runs a program in a new interpreter that finds neither Neocog nor torch."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command], input=stdin, capture_output=True, text=True, env=environment, check=True
    ).stdout


@pytest.fixture(scope="module")
def text_file(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "x.onnx"
    model = neocog.load(str(world("text")[1]), "cpu")
    path.write_bytes(exported.exported(model, exported.Request()).content)
    return model, path


def expected_lines(model, texts):
    rows = [row["predictions"][0] for row in model.predict(texts, 1)]
    return [(row["label"], row["probability"]) for row in rows]


def lines_of(output):
    return [(label, float(number)) for label, number in (line.split("\t") for line in output.splitlines())]


def assert_equal_lines(output, expected):
    found = lines_of(output)
    assert [label for label, _ in found] == [label for label, _ in expected]
    assert [number for _, number in found] == pytest.approx([number for _, number in expected], abs=1e-4)


def test_the_python_reader_of_texts_gives_the_labels_of_predict(text_file):
    model, path = text_file
    output = run_reader(sys.executable, READERS / "text.py", path, stdin="\n".join(LINES) + "\n")
    assert_equal_lines(output, expected_lines(model, LINES))


def test_the_python_reader_needs_numpy_and_onnxruntime_only():
    code = "import sys, runpy; sys.argv[1:] = ['missing']\ntry: runpy.run_path(%r)\nexcept Exception: pass\n"
    code += "print([name for name in ('torch', 'neocog', 'regex', 'PIL', 'onnx') if name in sys.modules])"
    for name in ("text.py", "go.py"):
        assert run_reader(sys.executable, "-c", code % str(READERS / name)) == "[]\n"


def go_files(world, command, tmp_path):
    data, run = world("go")
    assert command("export", run, "--out", tmp_path / "go.onnx", "--quiet")[0] == 0
    assert command("go", "planes", data, "--out", tmp_path / "planes.npz", "--moves", "every", "--quiet")[0] == 0
    model = neocog.load(str(run), "cpu")
    arrays = np.load(tmp_path / "planes.npz")
    packed = torch.from_numpy(np.packbits(arrays["planes"].reshape(len(arrays["planes"]), -1), axis=1))
    with model.inference():
        probabilities = model.task.link(model.logits(packed))
    best = probabilities.max(1)
    labels = [model.labels[index] for index in best.indices.tolist()]
    return arrays["planes"], list(zip(labels, best.values.tolist(), strict=True))


def test_the_python_reader_of_boards_gives_the_moves_of_the_model(world, command, tmp_path):
    _, expected = go_files(world, command, tmp_path)
    output = run_reader(sys.executable, READERS / "go.py", tmp_path / "go.onnx", tmp_path / "planes.npz")
    assert len(expected) >= 30
    assert_equal_lines(output, expected)


node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run_program(program, folder):
    (folder / "test.mjs").write_text(program, encoding="utf-8")
    return run_reader("node", folder / "test.mjs")


@node
def test_the_javascript_reader_of_texts_gives_the_ids_of_python(text_file, tmp_path):
    model, _ = text_file
    rules = json.dumps({**model.card.preprocessing})
    program = f"import {{ reader }} from {json.dumps((READERS / 'text.mjs').as_uri())};\n"
    program += (
        f"const read = reader({rules});\nconsole.log(JSON.stringify({json.dumps(LINES)}.map((t) => [...read(t)])));"
    )
    ids = json.loads(run_program(program, tmp_path))
    assert ids == [model.windows(model.as_input(text, {})).inputs[0].flatten().tolist() for text in LINES]


@node
def test_the_javascript_reader_of_boards_packs_planes_as_numpy_does(tmp_path):
    planes = np.random.default_rng(0).integers(0, 2, (3, 48, 19, 19), dtype=np.uint8)
    program = f"import {{ pack }} from {json.dumps((READERS / 'go.mjs').as_uri())};\n"
    program += f"console.log(JSON.stringify([...pack(Uint8Array.from({planes.flatten().tolist()}))]));"
    packed = json.loads(run_program(program, tmp_path))
    assert packed == np.packbits(planes.reshape(3, -1), axis=1).flatten().tolist()
