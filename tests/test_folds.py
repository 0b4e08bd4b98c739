"""Folds keep groups whole and labels even; --exclude leaves out what a table names, and nothing else."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog import domain as domain_of
from neocog.core.data import DataSpec
from neocog.core.folds import fold_data, folds, keys_of, pooled
from neocog.core.problem import Problem
from photos import files as photo_files

LABELS = st.lists(st.integers(0, 3), min_size=10, max_size=80)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


# --- folds -----------------------------------------------------------------------------------------------------------


@given(LABELS, st.integers(2, 5), st.integers(0, 3))
def test_every_label_is_spread_evenly_over_folds(targets, count, seed):
    """Of examples that are their own groups, each fold has n/k of each label, rounded down or up."""
    assigned = folds([f"example {i}" for i in range(len(targets))], targets, count, seed)
    for label in set(targets):
        sizes = Counter(fold for fold, target in zip(assigned.tolist(), targets, strict=True) if target == label)
        numbers = [sizes[fold] for fold in range(count)]
        assert max(numbers) - min(numbers) <= 1
    assert len(set(assigned.tolist())) == count


@given(LABELS, st.integers(2, 4))
def test_groups_are_whole_and_all_folds_have_some(targets, count):
    groups = [f"speaker {i % 6}" for i in range(len(targets))]
    assigned = folds(groups, targets, count)
    assert len(set(zip(groups, assigned.tolist(), strict=True))) == len(set(groups))
    assert set(assigned.tolist()) == set(range(count))


@given(LABELS, st.randoms())
def test_folds_do_not_depend_on_the_order_of_examples(targets, rng):
    keys = [f"example {i}" for i in range(len(targets))]
    order = list(range(len(targets)))
    rng.shuffle(order)
    shuffled = folds([keys[i] for i in order], [targets[i] for i in order], 3)
    assert shuffled.tolist() == folds(keys, targets, 3)[order].tolist()


def test_too_few_groups_are_refused():
    with pytest.raises(Problem, match="2 examples or groups are divided into at least 2 and at most 2 folds; got 5"):
        folds(["a", "b", "a"], [0, 1, 0], 5)


def test_fold_data_predicts_every_example_once_and_trains_on_all_others(tmp_path):
    folder = photo_files(tmp_path / "photos", "cat", "dog", count=10)
    (folder / "dog" / "copy.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    data = domain_of("vision").load(DataSpec(str(folder)), None, None)
    examples = pooled(data)
    assigned = folds(keys_of(examples), examples.targets.tolist(), 3)
    predicted: list[int] = []
    for indices, fold in fold_data(data, examples, assigned):
        predicted += indices.tolist()
        names = {"train": set(fold.train.names), "test": set(fold.test.names)}
        assert not names["train"] & names["test"] and len(names["train"] | names["test"]) == 21
        assert len(fold.valid) == 0 and set(fold.train.keys).isdisjoint(fold.test.keys)
    assert sorted(predicted) == list(range(21))


def test_examples_of_a_group_share_a_key(tmp_path):
    folder = photo_files(tmp_path / "photos", "cat", "dog", count=8)
    data = domain_of("vision").load(DataSpec(str(folder), group_by=r"(\d)\.png"), None, None)
    examples = pooled(data)
    assert sorted(set(keys_of(examples))) == [f"group {number}" for number in range(8)]
    assigned = folds(keys_of(examples), examples.targets.tolist(), 4)
    assert Counter(np.bincount(assigned).tolist()) == Counter([4] * 4)


# --- exclude ---------------------------------------------------------------------------------------------------------


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def names_of(folder, exclude):
    data = domain_of("vision").load(DataSpec(str(folder), exclude=exclude), None, None)
    return data, {name for examples in data.splits.values() for name in examples.names}


def test_named_examples_are_left_out_and_no_other_moves(tmp_path):
    folder = photo_files(tmp_path / "photos", "cat", "dog", count=60)  # so that no class is short of a split
    before, everything = names_of(folder, None)
    removed = [f"{folder}/cat/3.png", f"{folder}/dog/4.png"]
    lines = table(
        tmp_path / "x.csv", "file,label,exclude", f"{removed[0]},cat,yes", "dog/4.png,dog,YES", "cat/5.png,cat,no"
    )
    data, names = names_of(folder, lines)
    assert names == everything - set(removed)
    assert any("left out 2 pictures named in x.csv" in remark for remark in data.remarks)
    for split, examples in data.splits.items():
        assert set(examples.names) <= set(before.splits[split].names)


def test_a_table_without_the_column_leaves_all_rows_out_and_a_changed_one_is_read_again(tmp_path):
    folder = photo_files(tmp_path / "photos", "cat", "dog", count=12)
    path = table(tmp_path / "x.csv", "cat/3.png")
    assert len(names_of(folder, path)[1]) == 23
    table(tmp_path / "x.csv", "file", "cat/3.png", "cat/4.png", "elsewhere/4.png")
    data, names = names_of(folder, path)
    assert len(names) == 22 and any("1 names in x.csv are not in the data" in remark for remark in data.remarks)


def test_train_takes_a_table_and_settings_repeat_it(tmp_path, command):
    folder = photo_files(tmp_path / "photos", "cat", "dog", count=12)
    path = table(tmp_path / "x.csv", "file", "cat/3.png", "cat/4.png")
    run = tmp_path / "run"
    network = "conv(2, 3), relu, globalmax, dense(classes)"
    arguments = ("--network", network, "--epochs", "1", "--quiet")
    assert command("train", "vision", folder, *arguments, "--exclude", path, "--out", run)[0] == 0
    summary = json.loads((run / "summary.json").read_text())
    assert sum(summary["counts"].values()) == 22 and any("left out 2" in remark for remark in summary["remarks"])
    assert command("train", "--settings", run / "settings.toml", "--out", tmp_path / "again", "--quiet")[0] == 0
    assert json.loads((tmp_path / "again" / "summary.json").read_text())["counts"] == summary["counts"]
    code, out, _ = command("evaluate", run, folder, "--exclude", path, "--json")
    assert code == 0 and json.loads(out)["examples"] == summary["counts"]["test"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file", "cat/33.png"], "none of the 1 names in"),
        (["label,score", "cat,1"], "expected one called file or input or name or path"),
        (["file,exclude", "cat/3.png,perhaps"], "the column exclude is yes or no; got 'perhaps'"),
    ],
)
def test_unusable_tables_are_refused(tmp_path, lines, message):
    folder = photo_files(tmp_path / "photos", "cat", "dog", count=12)
    with pytest.raises(Problem, match=message):
        names_of(folder, table(tmp_path / "x.csv", *lines))
    with pytest.raises(Problem, match=r"y\.csv does not exist"):
        names_of(folder, str(tmp_path / "y.csv"))


def test_moves_of_games_are_not_left_out_one_by_one(tmp_path):
    with pytest.raises(Problem, match="moves of games cannot be left out one by one; leave --exclude out"):
        domain_of("go").load(DataSpec(str(tmp_path), exclude=table(tmp_path / "x.csv", "file", "a.sgf")), None, None)
