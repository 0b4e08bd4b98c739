"""Several heads over one network: masks, balance, metrics of each, and what is refused."""

import json
import math

import numpy as np
import pytest
import torch
from neocog.core.data import Data, DataSpec, Examples
from neocog.core.problem import Problem
from neocog.core.targets import TargetSpec, joined
from neocog.core.tasks import Classify, Heads, Regress, task_of
from neocog.core.tasks.heads import constant_loss
from neocog.text import DOMAIN as TEXT
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
