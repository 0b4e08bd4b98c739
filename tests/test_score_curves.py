"""ROC and precision-recall curves."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.problem import Problem
from neocog.core.score_curves import score_curves
from neocog.core.tasks import Classify
from PIL import Image
from test_cli import neocog, photos, trained  # noqa: F401 (fixtures)
from test_tasks import Ordinal


def rank_auc(scores: np.ndarray, member: np.ndarray) -> float:
    """The share of pairs that are in the right order; a tie counts half (Hanley and McNeil 1982)."""
    difference = scores[member][:, None] - scores[~member][None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


@given(st.integers(0, 500))
def test_areas_of_random_scores_with_ties(seed):
    rng = np.random.default_rng(seed)
    scores, targets = rng.integers(0, 6, (30, 3)) / 5, rng.integers(0, 3, 30)
    members = np.arange(3) == targets[:, None]
    for curve in score_curves(scores, members, list("abc")):
        index = "abc".index(curve.label)
        assert curve.roc_auc == pytest.approx(rank_auc(scores[:, index], members[:, index]), abs=1e-9)
        steps = np.diff(curve.recalls_of_precisions[::-1])
        assert curve.average_precision == pytest.approx((steps * curve.precisions[::-1][1:]).sum(), abs=1e-9)
        assert curve.examples == members[:, index].sum()


def test_a_label_that_no_or_every_example_has_is_left_out():
    curves = Classify(["a", "b", "c"]).score_curves(np.eye(3)[[0, 0, 1]], np.array([0, 0, 1]))
    assert [curve.label for curve in curves] == ["a", "b"]
    assert Classify(["a", "b"]).score_curves(np.eye(2)[[0, 0]], np.array([0, 0])) == []


def test_a_task_of_numbers_has_no_curves():
    with pytest.raises(Problem, match="--curves is for labels, and this model's task is"):
        Ordinal(["a", "b"]).score_curves(np.zeros((2, 2)), np.zeros(2))


def test_evaluate_draws_curves(neocog, photos, trained, tmp_path):  # noqa: F811
    code, out, _ = neocog("evaluate", trained, photos, "--curves", "curves.png", "--json", "--quiet")
    assert code == 0
    assert {"label", "roc_auc", "average_precision", "examples"} == json.loads(out)["curves"][0].keys()
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
    for option in ("--curves", "--confusion"):
        code, _, err = neocog("evaluate", trained, photos, option, "curves.png")
        assert code == 2 and "curves.png exists; name another file, or replace it with --force" in err
    code, _, err = neocog("evaluate", trained, photos, "--curves", "curves.gif")
    assert code == 2 and "curves.gif ends in none of .png, .svg" in err
