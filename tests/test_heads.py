"""Several heads over one network: masks, balance, metrics of each, and what is refused."""

import json
import math
import subprocess
import sys

import neocog
import numpy as np
import pytest
import torch
from neocog.commands import output
from neocog.core import checkpoint
from neocog.core.data import Data, DataSpec, Examples
from neocog.core.device import World
from neocog.core.fit import Step
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.run import RunFolder, resume
from neocog.core.settings import Settings
from neocog.core.sources.check import data_warnings
from neocog.core.targets import TargetSpec, joined
from neocog.core.tasks import Classify, Heads, Multilabel, Regress, task_of
from neocog.core.tasks.heads import constant_loss, identifiers
from neocog.text import DOMAIN as TEXT
from neocog.text.sources import TEXTS
from PIL import Image
from torch.nn import functional as F

SPEC = TargetSpec("heads", ("kind:classify", "size:regress", "tags:multilabel"))
CELLS = [
    ("shirt", "1", "red|long"), ("shoe", "", "red"), ("", "3", "long"), ("shirt", "5", ""), ("hat", "7", "red|long"),
    ("shoe", "2", "long"),
]  # fmt: skip


def data_of(rows, spec=SPEC):
    texts = [joined(row) for row in rows]
    labels = sorted(set(texts))
    targets = torch.tensor([labels.index(text) for text in texts])
    empty = Examples(torch.zeros(0, 1), targets[:0], [])
    train = Examples(torch.zeros(len(texts), 1), targets, [str(k) for k in range(len(texts))])
    return Data(train, empty, empty, labels, {}, target_spec=spec)


def made():
    data = data_of(CELLS)
    task = Heads.from_data(data)
    return task, task.encode(data).train.targets


def test_outputs_are_those_of_all_heads_in_a_row():
    task, targets = made()
    assert task.labels == ["kind: hat", "kind: shirt", "kind: shoe", "size", "tags: long", "tags: red"]
    assert [(head.name, head.outputs) for head in task.parts] == [
        ("kind", slice(0, 3)), ("size", slice(3, 4)), ("tags", slice(4, 6))
    ]  # fmt: skip
    assert targets.shape == (6, 4)
    assert targets[:, 0].isnan().tolist() == [False, False, True, False, False, False]
    assert targets[:, 1].isnan().tolist() == [False, True, False, False, False, False]
    assert targets[3, 2:].isnan().all() and targets[0, 2:].tolist() == [1.0, 1.0]
    assert Heads.from_state(task.labels, json.loads(json.dumps(task.state()))) == task


def test_the_loss_is_that_of_each_head_where_it_has_a_target_relative_to_a_constant_answer():
    task, targets = made()
    logits = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 6))).float().requires_grad_()
    kind = F.cross_entropy(logits[[0, 1, 3, 4, 5], :3], torch.tensor([1, 2, 1, 0, 2]))
    known = [0, 2, 3, 4, 5]
    size = F.huber_loss(logits[known, 3], targets[known, 1])
    rows = [0, 1, 2, 4, 5]
    tags = F.binary_cross_entropy_with_logits(logits[rows, 4:], targets[rows, 2:])
    expected = sum(loss / base for loss, base in zip((kind, size, tags), task.constant_losses, strict=True)) / 3
    loss = task.loss(logits, targets)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    loss.backward()
    assert (logits.grad[2, :3] == 0).all() and logits.grad[1, 3] == 0 and (logits.grad[3, 4:] == 0).all()
    assert (logits.grad[0] != 0).all()


def test_the_loss_of_a_batch_is_the_mean_of_those_of_its_parts():
    task, targets = made()
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    parts = [float(task.loss(logits[rows], targets[rows])) * len(rows) / 6 for rows in ([0, 1], [2], [3, 4, 5])]
    assert float(task.loss(logits, targets)) == pytest.approx(sum(parts), rel=1e-5)


def test_a_batch_without_any_target_has_a_loss_of_zero():
    task, _ = made()
    logits = torch.zeros(2, 6, requires_grad=True)
    loss = task.loss(logits, torch.full((2, 4), float("nan")))
    loss.backward()
    assert float(loss.detach()) == 0.0 and (logits.grad == 0).all()


def test_the_constant_answer_to_classes_has_their_entropy_as_loss():
    targets = torch.tensor([0, 0, 0, 1])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert constant_loss(Classify(["a", "b"]), targets) == pytest.approx(entropy, rel=1e-4)
    numbers = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    assert constant_loss(Regress(["a"], [0.0], [1.0]), numbers) == pytest.approx(0.5, rel=1e-4)


def test_metrics_of_a_head_are_those_of_its_task_on_the_examples_with_a_target():
    task, targets = made()
    predictions = task.link(torch.from_numpy(np.random.default_rng(1).standard_normal((6, 6))).float()).numpy()
    metrics = task.metrics(predictions, targets.numpy())
    kind = task.parts[0].task.metrics(predictions[[0, 1, 3, 4, 5], :3], np.array([1, 2, 1, 0, 2]))
    assert metrics["heads"]["kind"]["accuracy"] == kind["accuracy"] and metrics["heads"]["kind"]["examples"] == 5
    assert metrics["heads"]["size"]["values"][0]["mae"] > 0 and metrics["heads"]["tags"]["task"] == "multilabel"
    shares = [head["improvement"] for head in metrics["heads"].values()]
    assert metrics["value"] == pytest.approx(np.mean(shares))
    assert task.example_losses(predictions, targets.numpy()).shape == (6,)


def test_an_input_has_a_line_for_each_head(capsys):
    """The only number of a head has its name already."""
    task, _ = made()
    (row,) = task.rows(task.link(torch.zeros(1, 6)), 1)
    output.predictions([{"input": "shirt.jpg", **row}], task)
    first, kind, size, tags = capsys.readouterr().out.splitlines()
    assert (
        first == "shirt.jpg:" and kind.startswith("  kind: ") and size == "  size 3.6" and tags.startswith("  tags: ")
    )


def test_a_row_holds_the_row_of_each_head():
    task, _ = made()
    (row,) = task.rows(task.link(torch.zeros(1, 6)), 1)
    assert list(row["heads"]) == ["kind", "size", "tags"]
    assert row["heads"]["kind"]["predictions"][0]["probability"] == pytest.approx(1 / 3)
    assert row["heads"]["size"]["values"][0]["value"] == pytest.approx(3.6)
    assert task.outputs_of("size", task.link(torch.zeros(1, 6))[0]) == [3]
    with pytest.raises(Problem, match=r"sizes is not a head \(did you mean size\?\); the heads are kind, size, tags"):
        task.outputs_of("sizes", torch.zeros(6))
    with pytest.raises(Problem, match="--head is for models with several heads; this model's task is classify"):
        Classify(["a", "b"]).outputs_of("size", torch.zeros(2))


def test_a_head_with_one_class_is_refused():
    with pytest.raises(Problem, match="all training examples have the same kind, shirt; expected two or more classes"):
        Heads.from_data(data_of([("shirt", "1", "red"), ("shirt", "2", "long")]))
    with pytest.raises(Problem, match="no training example has a kind; leave its column out"):
        Heads.from_data(data_of([("", "1", "red"), ("", "2", "long")]))


def test_a_damaged_state_is_a_problem():
    task, _ = made()
    with pytest.raises(Problem, match="the state of the task heads cannot be read: its heads do not have these labels"):
        task_of("heads", ["a"], task.state())
    with pytest.raises(Problem, match="the state of the task heads cannot be read: its heads are damaged"):
        task_of("heads", task.labels, {"heads": [{"name": "kind"}]})


def test_columns_of_a_table_are_heads(tmp_path):
    rows = [f"text number {k}\t{'ab'[k % 2]}\t{12.5 + k % 30 if k % 4 else ''}" for k in range(60)]
    rows.append("a text without targets\t\t")
    (tmp_path / "t.tsv").write_text("\n".join(["text\tkind\tsize", *rows]) + "\n")
    spec = DataSpec(
        str(tmp_path / "t.tsv"), targets=TargetSpec(columns=("kind", "size")), options={"cache": tmp_path / "cache"}
    )
    data = TEXT.load(spec, None, None)
    assert data.target_spec == TargetSpec("heads", ("kind:classify", "size:regress"))
    (bad,) = data.bad
    assert bad.file.endswith("t.tsv:62") and bad.reason.startswith("has no label")
    task = Heads.from_data(data)
    assert task.labels == ["kind: a", "kind: b", "size"] and task.encode(data).train.targets.isnan().any()
    findings = TEXT.check(spec)
    assert findings["task"] == "heads" and findings["heads"]["size"]["missing"] == 15
    assert findings["labels"] == {"kind: a": 30, "kind: b": 30}
    assert "t.tsv: text: column text; labels: column kind and column size" in data.remarks


def test_only_classes_are_called_uneven_each_head_by_itself():
    """`--balance`, which the warning recommends, is for labels that exclude one another."""
    spec = TargetSpec("heads", ("kind:classify", "size:regress"))
    texts = {joined((kind, str(size))): 1 for size, kind in enumerate("a" * 40 + "b")}
    counts = Heads.class_counts(texts, spec)
    assert counts == {"kind": {"a": 40, "b": 1}}
    assert data_warnings(counts, [], TEXTS) == [
        "the classes of kind are uneven: a has 40 texts, b 1, 40 times fewer; train with --balance logit (or loss, or "
        "sample) if the rare ones matter as much"
    ]
    assert Multilabel.class_counts({"a|b": 40, "b": 1}, TargetSpec("multilabel")) == {}
    assert Classify.class_counts({"a": 40, "b": 1}, TargetSpec()) == {"": {"a": 40, "b": 1}}


def test_equal_inputs_with_different_numbers_are_pointed_out(tmp_path):
    rows = [f"text number {k}\t{12.5 + k}\t{3.5 * k}" for k in range(40)]
    (tmp_path / "t.tsv").write_text("\n".join(["text\twidth\theight", *rows, "text number 3\t1.5\t"]) + "\n")
    targets = TargetSpec("regress", ("width", "height"))
    findings = TEXT.check(DataSpec(str(tmp_path / "t.tsv"), targets=targets, options={"cache": tmp_path / "cache"}))
    (copies,) = findings["duplicates"]
    assert copies["labels"] == ["width 1.5", "width 15.5 height 10.5"]
    (problem,) = (text for text in findings["problems"] if "identical" in text)
    assert problem.startswith("1 text with more than one target, identical byte for byte: ")
    assert problem.endswith(" as width 1.5 and width 15.5 height 10.5")


# --- a network's own heads, weights of the losses, and the losses


def test_a_heads_layer_takes_the_outputs_of_each_head_in_the_order_of_the_targets():
    task, _ = made()
    text = "flatten, heads(tags=dense(classes), size=(dense(4), relu, dense(classes)), kind=dense(classes))"
    network = Network((1, 4, 4), parse(text, task.head_sizes, classes=6))
    assert str(network) == "flatten, heads(kind=dense(3), size=(dense(4), relu, dense(1)), tags=dense(2))"
    task.check_network(network)
    module, x = network.module().eval(), torch.randn(2, 1, 4, 4)
    with torch.no_grad():
        expected = [branch(x.flatten(1)) for branch in module[1].branches]
        assert torch.equal(module(x), torch.cat(expected, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flatten, heads(kind=dense(3), size=dense(3))", "the network has the heads kind (3), size (3), the data "),
        ("flatten, heads(kind=dense(3), size=dense(1), tag=dense(2))", "the data kind (3), size (1), tags (2); name"),
        ("flatten, dense(5)", "the network gives (5,), but there are 6 labels; end it with dense(classes)"),
    ],
)
def test_heads_that_do_not_fit_the_targets(text, message):
    with pytest.raises(Problem) as caught:
        made()[0].check_network(Network((1, 4, 4), parse(text, classes=6)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("heads(dense(3))", "heads takes named branches, NAME=(dense(classes))"),
        ("heads()", "heads: takes named branches, as in heads(type=(dense(64), relu, dense(classes)))"),
        ("heads(a=3)", "heads: takes layers, got 3"),
    ],
)
def test_a_heads_layer_that_is_none(text, message):
    with pytest.raises(Problem) as caught:
        parse(text)
    assert message in str(caught.value)


def test_names_of_columns_become_names_in_the_text_of_a_network():
    assert identifiers(["type", "Product Type", "class", "2nd", "product-type", "Product-Type"]) == [
        *("type", "Product_Type", "class_", "_2nd", "product_type", "Product_Type_"),
    ]


def test_weights_of_losses_are_relative_to_their_sum():
    task, targets = made()
    logits = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 6))).float()
    alone = [
        float(task.configured(Settings(loss_weights=f"kind={a},size={b},tags={c}")).loss(logits, targets))
        for a, b, c in ((1e6, 1, 1), (1, 1e6, 1), (1, 1, 1e6))
    ]
    weighted = task.configured(Settings(loss_weights="size=2, tags=0.5"))
    assert weighted.loss_weights == (1.0, 2.0, 0.5)
    expected = (alone[0] + 2 * alone[1] + 0.5 * alone[2]) / 3.5
    assert float(weighted.loss(logits, targets)) == pytest.approx(expected, rel=1e-4)
    predictions = task.link(logits).numpy()
    rows = weighted.relative_losses(predictions, targets.numpy())
    mean = np.nansum(rows * [1, 2, 0.5], 1) / (~np.isnan(rows) @ np.array([1, 2, 0.5]))
    np.testing.assert_allclose(weighted.example_losses(predictions, targets.numpy()), mean, rtol=1e-9)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("size", "--loss-weights are positive numbers, type=2,price=0.5; got size"),
        ("size=-1", "--loss-weights are positive numbers, type=2,price=0.5; got size=-1"),
        ("size=nan", "--loss-weights are positive numbers, type=2,price=0.5; got size=nan"),
        ("sizes=2", "sizes is not a head (did you mean size?); the heads are kind, size, tags"),
    ],
)
def test_wrong_weights_of_losses(weights, message):
    with pytest.raises(Problem) as caught:
        made()[0].configured(Settings(loss_weights=weights))
    assert str(caught.value) == message


def test_settings_of_the_loss_reach_the_heads_that_take_them():
    task, targets = made()
    squared = task.configured(Settings(regression_loss="squared", balance="loss"))
    assert [head.task.loss_settings for head in squared.parts] == [{"balance"}, {"regression_loss"}, frozenset()]
    assert squared.parts[0].task.balance == "loss" and squared.parts[1].task.regression_loss == "squared"
    assert squared.constant_losses[1] == 1.0
    known = ~targets[:, 1].isnan()  # the mean is the best constant answer, and its squared error is 1
    assert float(squared.parts[1].task.loss(torch.zeros(int(known.sum()), 1), targets[known, 1:2])) == pytest.approx(1)
    with pytest.raises(Problem, match="--balance sample draws examples by their one label; with several heads, take"):
        task.configured(Settings(balance="sample"))
    with pytest.raises(Problem, match="--regression-loss absolute is for numbers alone; several heads take huber or"):
        task.configured(Settings(regression_loss="absolute"))
    numbers = Heads.from_data(
        data_of([(a, b) for _, a, b in CELLS], TargetSpec("heads", ("a:regress", "b:multilabel")))
    )
    with pytest.raises(Problem, match="--balance is for classification, and no head is one"):
        numbers.configured(Settings(balance="loss"))


def test_settings_of_the_loss_are_refused_where_there_is_no_use_for_them():
    with pytest.raises(Problem, match="--regression-loss is for regression, and this task is classify"):
        Classify(["a", "b"]).configured(Settings(regression_loss="squared"))
    with pytest.raises(Problem, match="--loss-weights is for several heads, and this task is regress"):
        Regress(["a"], [0.0], [1.0]).configured(Settings(loss_weights="a=2"))


# --- the same for a training


def photos_table(folder):
    """Pictures of a colour and a brightness, in a table with several targets and missing cells."""
    rng = np.random.default_rng(0)
    rows = ["file,colour,brightness,tags"]
    for index in range(72):
        colour, level = index % 3, int(rng.integers(40, 200))
        pixels = np.full((12, 12, 3), 20)
        pixels[..., colour] = level
        Image.fromarray((pixels + rng.integers(0, 20, pixels.shape)).astype(np.uint8)).save(folder / f"{index}.png")
        tags = "|".join(name for name, has in (("bright", level > 120), ("warm", colour == 0)) if has)
        rows.append(f"{index}.png,{'rgb'[colour] if index % 7 else ''},{level if index % 5 else ''},{tags}")
    (folder / "photos.csv").write_text("\n".join(rows) + "\n")
    return folder / "photos.csv"


NETWORK = "conv(4, 3), relu, globalavg, heads(brightness=(dense(4), relu, dense(classes)), colour=dense(classes), "
NETWORK += "tags=dense(classes))"
COLUMNS = ("colour", "brightness", "tags:multilabel")


def test_a_network_with_heads_is_trained_resumed_and_trained_by_two_processes(tmp_path):
    table, options = photos_table(tmp_path), {"cache": str(tmp_path / "cache")}

    def train(name, **more):
        return neocog.train(
            "vision", str(table), network=NETWORK, label_columns=COLUMNS, out=str(tmp_path / name), epochs=3,
            batch=16, lr=0.01, loss_weights="colour=2", regression_loss="squared", options=options, **more,
        )  # fmt: skip

    model = train("whole")
    text = "heads(colour=dense(3), brightness=(dense(4), relu, dense(1)), tags=dense(2))"
    assert str(model.network).endswith(text)
    train("stopped", callback=lambda event: isinstance(event, Step) and event.number == 5)
    resume(RunFolder(tmp_path / "stopped", resumed=True), neocog.domain("vision"), {}, [], World())
    states = [checkpoint.read_tensors(tmp_path / name / "state.safetensors") for name in ("whole", "stopped")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    summary = json.loads((tmp_path / "whole/summary.json").read_text())
    assert set(summary["heads"]) == {"colour", "brightness", "tags"}
    rows = model.predict([tmp_path / "0.png"])
    assert set(rows[0]["heads"]) == {"colour", "brightness", "tags"}
    process = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "neocog", "train", "--settings",
         tmp_path / "whole/settings.toml", "--out", tmp_path / "two", "--device", "cpu"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    both = json.loads((tmp_path / "two/summary.json").read_text())
    assert set(both["heads"]) == set(summary["heads"]) and both["epochs"] == 3
