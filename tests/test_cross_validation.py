"""Cross-validation: --folds and --fold."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
from neocog.core import checkpoint
from neocog.core.data import DataSpec, Examples
from neocog.core.folded import Fold, with_fold
from neocog.core.problem import Problem
from test_cli import TINY, neocog, photos  # noqa: F401 (fixtures)


def keyed(data, keys):
    """The toy data with the groups of its examples."""
    start = 0
    for name, examples in data.splits.items():
        end = start + len(examples)
        setattr(data, name, Examples(examples.inputs, examples.targets, examples.names, keys=keys[start:end]))
        start = end
    return data


def names_of(examples) -> list[str]:
    return [examples.names[index] for index in range(len(examples))]


def test_the_folds_are_all_examples_once():
    spec, data = DataSpec("files"), toy.data()
    folds = [with_fold(data, Fold(number, 5), spec) for number in range(1, 6)]
    tested = [name for fold in folds for name in names_of(fold.test)]
    everything = [name for split in data.splits.values() for name in names_of(split)]
    assert sorted(tested) == sorted(everything) and len(set(tested)) == 90
    for fold in folds:
        counts = torch.bincount(fold.test.targets, minlength=3)
        assert int(counts.max() - counts.min()) <= 1
        parts = [set(names_of(split)) for split in fold.splits.values()]
        assert sum(map(len, parts)) == 90 and not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2]
        assert 5 <= len(parts[1]) <= 9  # a tenth of the other folds validates


def test_groups_stay_in_one_fold():
    groups = [f"group {index % 18}" for index in range(90)]
    data = keyed(toy.data(), groups)
    group_of = dict(zip([name for split in data.splits.values() for name in names_of(split)], groups, strict=True))
    for number in range(1, 4):
        fold = with_fold(data, Fold(number, 3), DataSpec("files"))
        parts = [{group_of[name] for name in names_of(split)} for split in fold.splits.values()]
        assert not parts[0] & parts[2] and not parts[1] & parts[2] and not parts[0] & parts[1]


def test_a_test_split_that_the_data_name_stays_out():
    data = toy.data()
    data.given_splits = frozenset({"test"})
    fold = with_fold(data, Fold(1, 3), DataSpec("files", valid_share=0))
    assert not set(names_of(fold.test)) & set(names_of(data.test)) and len(fold.test) == 25 and len(fold.valid) == 0


def test_folds_that_the_data_name():
    names = [f"group {index % 5 * 10}" for index in range(90)]
    data = keyed(toy.data(), names)
    name_of = dict(zip([name for split in data.splits.values() for name in names_of(split)], names, strict=True))
    spec = DataSpec("files", fold_by="fold")
    for number in range(1, 6):
        fold = with_fold(data, Fold(number, 5), spec)
        parts = [{name_of[name] for name in names_of(split)} for split in (fold.test, fold.valid, fold.train)]
        assert parts[0] == {f"group {10 * (number - 1)}"} and parts[1] == {f"group {10 * (number % 5)}"}  # 9 before 10
        assert len(parts[2]) == 3 and sum(map(len, fold.splits.values())) == 90
    assert not len(with_fold(data, Fold(1, 5), DataSpec("files", fold_by="fold", valid_share=0)).valid)
    with pytest.raises(Problem, match="--fold-by fold gives 5 folds: 0, 10, 20, 30, 40; give --folds 5"):
        with_fold(data, Fold(1, 4), spec)
    data.train.keys = [f"digest {index}" for index in range(len(data.train))]
    with pytest.raises(Problem, match=r"examples have no fold by --fold-by fold; expected one of each"):
        with_fold(data, Fold(1, 5), spec)
    with pytest.raises(Problem, match="give --group-by or --fold-by, not both: named folds are groups themselves"):
        DataSpec("files", group_by="a", fold_by="b")


def test_folds_in_file_names(neocog, photos, tmp_path):  # noqa: F811
    for path in sorted(photos.glob("*/*.png")):
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "flat" / f"{int(path.stem) % 3 + 1}-{path.stem}-{path.parent.name}.png")
    call = ("train", "vision", "flat", "--pattern", "{fold}-{take}-{label}", "--network", TINY, "--epochs", "1")
    code, _, err = neocog(*call, "--fold-by", "fold", "--folds", "3", "--out", "run", "--quiet")
    assert code == 0, err
    with open(tmp_path / "run/predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(Path(row["input"]).name[0], row["fold"]) for row in rows} == {("1", "1"), ("2", "2"), ("3", "3")}
    code, out, _ = neocog("evaluate", "run/fold-2", "flat", "--json", "--quiet")
    assert code == 0 and json.loads(out)["examples"] == sum(row["fold"] == "2" for row in rows)
    code, _, err = neocog(*call, "--fold-by", "fold", "--out", "other")
    assert code == 2 and "--fold-by is for --folds and --fold; give the number of folds, as in --folds 5" in err
    code, _, err = neocog(*call, "--fold-by", "x{9}", "--folds", "3", "--out", "other")
    assert code == 2 and "--fold-by x{9} is no column of a table, and in no path" in err


def test_another_seed_gives_other_folds():
    first, other = (with_fold(toy.data(), Fold(1, 5), DataSpec("files", split=seed)) for seed in (0, 1))
    assert names_of(first.test) != names_of(other.test)


@pytest.mark.parametrize("text", ["6/5", "0/5", "1/1", "2", "2/5/6", "a/b"])
def test_what_is_no_fold(text):
    with pytest.raises(Problem, match=f"--fold is one of several, such as 2/5; got {text}"):
        Fold.parse(text)


@pytest.fixture
def folded(neocog, photos, tmp_path):  # noqa: F811
    arguments = ("train", "vision", photos, "--network", TINY, "--batch", "16", "--epochs", "3", "--folds", "3")
    return neocog, (*arguments, "--out", "run"), tmp_path / "run"


def test_folds_give_mean_spread_and_out_of_fold_predictions(folded):
    call, arguments, root = folded
    code, out, err = call(*arguments)
    assert code == 0 and "over 3 folds" in out and "fold 1/3" in err
    summary = json.loads((root / "summary.json").read_text())
    values = [fold["value"] for fold in summary["folds"]]
    assert summary["mean"] == pytest.approx(np.mean(values)) and summary["std"] == pytest.approx(np.std(values, ddof=1))
    with open(root / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == summary["examples"] == sum(fold["examples"] for fold in summary["folds"])
    assert len({row["input"] for row in rows}) == len(rows) and {row["fold"] for row in rows} == {"1", "2", "3"}
    assert sum(row["correct"] == "True" for row in rows) / len(rows) == pytest.approx(summary["accuracy"])
    # A fold's model is evaluated on its own fold, whose predictions are those of the table.
    code, out, _ = call("evaluate", root / "fold-2", arguments[2], "--json", "--quiet")
    assert code == 0 and json.loads(out)["accuracy"] == pytest.approx(values[1])
    card = checkpoint.card(root / "fold-2/model.safetensors")
    assert card.data["fold"] == "2/3"


def test_a_stopped_cross_validation_goes_on_where_it_stopped(folded, monkeypatch):
    call, arguments, root = folded
    assert call(*arguments)[0] == 0
    whole = (root / "predictions.csv").read_bytes()
    weights = checkpoint.read_tensors(root / "fold-1/model.safetensors")
    for name in ("summary.json", "predictions.csv", "fold-3/summary.json"):
        (root / name).unlink()
    (root / "fold-2/summary.json").unlink()
    (root / "fold-2/state.safetensors").unlink()
    code, out, err = call("resume", root)
    assert code == 0 and "over 3 folds" in out and "fold 1/3" not in err and "fold 2/3" in err
    assert (root / "predictions.csv").read_bytes() == whole
    again = checkpoint.read_tensors(root / "fold-1/model.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_one_fold_is_a_training_like_any_other(folded):
    call, arguments, root = folded
    single = tuple(
        "--fold" if argument == "--folds" else "2/3" if argument == "3" else argument for argument in arguments
    )
    single = tuple("3" if index and single[index - 1] == "--epochs" else value for index, value in enumerate(single))
    assert call(*single, "--quiet")[0] == 0
    weights = checkpoint.read_tensors(root / "model.safetensors")
    assert call(*arguments[:-1], "all", "--quiet")[0] == 0
    of_all = checkpoint.read_tensors(root.parent / "all/fold-2/model.safetensors")
    assert all(torch.equal(weights[name], of_all[name]) for name in weights)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--folds", "1"], "--folds is from 2 to 1000; got 1"),
        (["--folds", "3", "--fold", "1/3"], "give --folds for all folds, or --fold for one of them, not both"),
        (["--fold", "4/3"], "--fold is one of several, such as 2/5; got 4/3"),
        (["--folds", "500"], "folds; got 500"),
    ],
)
def test_wrong_use(neocog, photos, extra, message):  # noqa: F811
    code, _, err = neocog("train", "vision", photos, "--network", TINY, "--out", "run", *extra)
    assert code == 2 and message in err
