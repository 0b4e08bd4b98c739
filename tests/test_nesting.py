"""Heads whose labels lie within those of another: when they do, and that their predictions agree."""

import json

import numpy as np
import pytest
import torch
from neocog.core.problem import Problem
from neocog.core.targets import TargetSpec
from neocog.core.tasks import Heads, task_of
from neocog.core.tasks.nesting import parents_of, pooled
from test_heads import data_of

FRUIT = {"gala": "apple", "fuji": "apple", "plum": "stone fruit", "peach": "stone fruit", "kiwi": "berry"}
SPEC = TargetSpec("heads", ("kind:classify", "fruit:classify"))
ROWS = [pair for pair in FRUIT.items() for _ in range(3)]


def test_the_coarse_probability_is_the_sum_of_its_fine_ones():
    rng = torch.Generator().manual_seed(0)
    fine, coarse = torch.randn(50, 5, generator=rng), torch.randn(50, 3, generator=rng)
    parents = (0, 0, 1, 1, 2)
    p_fine, p_coarse = (logits.softmax(1) for logits in pooled(fine, coarse, parents))
    for label in range(3):
        members = [k for k, parent in enumerate(parents) if parent == label]
        torch.testing.assert_close(p_fine[:, members].sum(1), p_coarse[:, label])
        before = fine.softmax(1)[:, members]
        torch.testing.assert_close(p_fine[:, members] / p_coarse[:, [label]], before / before.sum(1, keepdim=True))


def test_heads_that_agree_already_stay_as_they_are():
    fine = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    sums = fine.softmax(1).view(20, 2, 2).sum(2)
    after = pooled(fine, sums.log(), (0, 0, 1, 1))
    torch.testing.assert_close(after[0].softmax(1), fine.softmax(1))
    torch.testing.assert_close(after[1].softmax(1), sums)


def test_each_fine_label_has_one_coarse_label_in_enough_examples():
    labels, groups = list(FRUIT), sorted(set(FRUIT.values()))
    assert parents_of(ROWS, labels, groups) == (0, 0, 2, 2, 1)
    assert parents_of([*ROWS, ("gala", "berry")], labels, groups) is None
    assert parents_of(list(FRUIT.items()), labels, groups) is None  # one example of each says nothing
    assert parents_of([(b, a) for a, b in ROWS], groups, labels) is None


def test_a_model_finds_keeps_and_names_nested_heads():
    task = Heads.from_data(data_of(ROWS, SPEC))
    (nesting,) = task.nestings
    assert (nesting.fine, nesting.coarse) == ("kind", "fruit")
    assert task.outputs_text == "heads kind (5 labels, within fruit); fruit (3 labels)"
    again = task_of("heads", task.labels, json.loads(json.dumps(task.state())))
    logits = torch.randn(9, 8, generator=torch.Generator().manual_seed(1))
    predictions = again.link(logits)
    assert torch.equal(predictions, task.link(logits))
    kind, fruit = (predictions[:, head.outputs].numpy() for head in again.parts)
    members = np.array(
        [[FRUIT[name] == group for group in again.parts[1].task.labels] for name in again.parts[0].task.labels]
    )
    np.testing.assert_allclose(kind @ members, fruit, rtol=1e-5)


def test_heads_that_are_not_nested_are_left_alone():
    rows = [(kind, fruit) for kind in FRUIT for fruit in ("small", "large")] * 2
    task = Heads.from_data(data_of(rows, SPEC))
    assert task.nestings == [] and "nested" not in task.state()
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(task.link(logits)[:, :5], logits[:, :5].softmax(1))


@pytest.mark.parametrize(
    "damage", [{"fine": "size"}, {"parents": [0, 0, 2, 2]}, {"parents": [0, 0, 2, 2, 3]}, {"coarse": "kind"}]
)
def test_a_damaged_nesting_is_a_problem(damage):
    task = Heads.from_data(data_of(ROWS, SPEC))
    state = json.loads(json.dumps(task.state()))
    state["nested"][0] |= damage
    with pytest.raises(Problem, match="the state of the task heads cannot be read: its nested heads are damaged"):
        task_of("heads", task.labels, state)


def test_missing_cells_are_no_evidence():
    task = Heads.from_data(data_of([*ROWS, ("gala", ""), ("", "berry")], SPEC))
    assert len(task.nestings) == 1
