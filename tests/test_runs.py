"""Tables of runs, and runs against each other."""

import csv
import json
import os
from pathlib import Path

import neocog as package
import numpy as np
import pytest
from neocog.core import compare
from neocog.core.compare import PairedTest, bootstrap, differing_settings, mcnemar
from neocog.core.problem import Problem
from neocog.core.run_table import filtered, find_runs, named_run, sorted_by
from scipy.stats import binom
from test_cli import TINY, neocog, photos  # noqa: F401 (fixtures)

SETTINGS = 'domain = "{domain}"\ntask = "classify"\nrecipe = "swift"\nnetwork = "dense(2)"\n[source]\ndata = "{data}"\n'


def make_run(folder: Path, value: float | None, domain: str = "text", data: str = "/d", age: int = 0, **more) -> Path:
    """A run folder without a model."""
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(SETTINGS.format(domain=domain, data=data))
    files = [folder / "settings.toml"]
    if value is not None:
        summary = {"metric": "accuracy", "value": value, "interval": [0.1, 0.9], "scored_on": "test"} | more
        (folder / "summary.json").write_text(json.dumps(summary))
        files.append(folder / "summary.json")
    for file in files:
        os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))
    return folder


@pytest.fixture
def several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # of a terminal in which the tests run
    make_run(tmp_path / "runs/a", 0.8, age=50, parameters=100, seconds=61.0)
    make_run(tmp_path / "runs/deep/b", 0.9, age=0, parameters=5, seconds=2.0)
    make_run(tmp_path / "runs/c", None, domain="vision", age=99)
    (tmp_path / "runs/notes").mkdir()
    return tmp_path / "runs"


def test_all_runs_below_a_folder_are_rows_the_latest_first(several):
    rows = find_runs(several)
    assert [Path(row.run).name for row in rows] == ["b", "a", "c"]
    assert rows[0].value == 0.9 and rows[0].domain == "text" and rows[0].data == "/d" and rows[0].state == "finished"
    assert rows[2].state == "stopped before its first save" and rows[2].value is None


def test_damaged_and_older_files_are_rows_too(several):
    (several / "a/summary.json").write_text("{")
    (several / "deep/b/summary.json").write_text(json.dumps({"accuracy": 0.7}))
    (several / "c/settings.toml").write_text("no toml")
    (several / "a/state.safetensors").write_text("")
    rows = {Path(row.run).name: row for row in find_runs(several)}
    assert rows["a"].state.startswith("summary.json is damaged (")
    assert (rows["b"].metric, rows["b"].value) == ("accuracy", 0.7)
    assert "cannot be read as TOML" in rows["c"].state


def test_a_stopped_run_says_so(several):
    (several / "c/state.safetensors").write_text("")
    assert {row.state for row in find_runs(several / "c")} == {"stopped"}


def test_links_to_folders_are_not_followed(several):
    (several / "loop").symlink_to(several)
    assert len(find_runs(several)) == 3


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("domain=vision", "c"), ("domain!=vision", "ba"), ("value>0.85", "b"), ("value<=0.8", "a"), ("value=0.9", "b"),
        ("state=finished", "ba"), ("seconds<3", "b"),
    ],
)  # fmt: skip
def test_conditions(several, condition, names):
    assert "".join(Path(row.run).name for row in filtered(find_runs(several), [condition])) == names


def test_sorting_puts_runs_without_a_value_last(several):
    rows = find_runs(several)
    assert "".join(Path(row.run).name for row in sorted_by(rows, "value")) == "bac"
    assert "".join(Path(row.run).name for row in sorted_by(rows, "parameters")) == "abc"
    assert "".join(Path(row.run).name for row in sorted_by(rows, "domain")) == "bac"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "domain"], "--where is a condition such as domain=vision or value>0.9; got domain"),
        (["--where", "domian=vision"], "--where: domian is not a column (did you mean domain?); the columns are run,"),
        (["--where", "value>high"], "--where compares numbers with >; got high"),
        (["--sort", "speed"], "--sort: speed is not a column; the columns are run, state, domain"),
        (["nowhere"], "nowhere is not a folder; expected a folder with runs, such as runs/"),
        (["--csv", "runs.txt"], "runs.txt ends in none of .csv"),
    ],
)
def test_wrong_use(command, several, arguments, message):
    code, _, err = command("runs", *arguments)
    assert code == 2 and message in err


def test_the_table_in_the_terminal_as_json_and_as_csv(command, several):
    code, out, _ = command("runs", "--csv", "runs.csv")
    assert code == 0 and "accuracy 90.00% (test)" in out and "stopped before its first save" in out
    code, out, _ = command("runs", "--json", "--where", "domain=text")
    assert [row["value"] for row in json.loads(out)] == [0.9, 0.8]
    with open("runs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["value"] for row in rows] == ["0.9", "0.8", ""]
    code, out, _ = command("runs", "runs/notes")
    assert code == 0 and out == "no runs below runs/notes\n"


# --- names


def test_latest_and_best_name_runs(several):
    assert named_run("@latest").name == "b" and named_run("@best").name == "b"
    os.utime(several / "a/summary.json", (1_800_000_000, 1_800_000_000))
    assert named_run("@latest").name == "a" and named_run("@best").name == "b"


def test_the_best_error_is_the_lowest(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs/a", 3.0, metric="mae")
    make_run(tmp_path / "runs/b", 0.25, metric="mae")
    assert named_run("@best").name == "b"
    assert "mae 0.25 (test)" in command("runs")[1]  # an error is no share, also below 1


def test_best_does_not_compare_what_cannot_be_compared(several):
    make_run(several / "d", 0.95, data="/other")
    with pytest.raises(Problem, match=r"@best compares runs on the same data .* are of 2 kinds; list them with neocog"):
        named_run("@best")


def test_no_run_to_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match="@latest stands for a finished run below runs/, and there is none"):
        package.find("@latest")


# --- tests


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (7, 2), (30, 12), (5, 5)])
def test_mcnemar_is_the_exact_binomial_test(better, worse):
    tosses = better + worse
    tail = binom.cdf(min(better, worse), tosses, 0.5)
    assert mcnemar(better, worse) == pytest.approx(min(1.0, 2 * tail)) if tosses else mcnemar(0, 0) == 1.0


def test_the_interval_covers_the_difference():
    """95% in simulation."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        differences = rng.choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.75, 0.15])
        low, high = bootstrap(differences)
        hits += low <= 0.05 <= high
    assert 180 <= hits <= 200


def test_a_verdict_needs_evidence():
    weak = PairedTest("r", "McNemar", 6, 2, 0.01, (0.0, 0.02), mcnemar(6, 2))
    strong = PairedTest("r", "McNemar", 2, 20, -0.05, (-0.08, -0.02), mcnemar(2, 20))
    assert weak.verdict == "no significant difference" and strong.verdict == "worse"


def test_paired_tests_in_words():
    labels = PairedTest("r", "McNemar", 2, 20, -0.05, (-0.08, -0.02), mcnemar(2, 20))
    assert labels.text == (
        "worse: -5.00 points (-8.00 to -2.00), p < 0.001; 2 correct only in this run, 20 only in the first"
    )
    numbers = PairedTest("r", "paired bootstrap", None, None, 0.25, (-0.5, 1.0), 0.4)
    assert numbers.text == "no significant difference: loss -0.25 (-1 to +0.5), p = 0.400"


def test_settings_that_differ(several):
    (several / "a/settings.toml").write_text(SETTINGS.format(domain="text", data="/d") + "[train]\nlr = 0.1\n")
    (several / "c/settings.toml").write_text(
        SETTINGS.format(domain="text", data="/d") + "[train]\nlr = 0.2\nseed = 1\n"
    )
    assert differing_settings([several / "a", several / "c"]) == {"train.lr": [0.1, 0.2], "train.seed": [None, 1]}


# --- compare


def test_compare_runs(neocog, photos, tmp_path):  # noqa: F811
    arguments = ("train", "vision", photos, "--network", TINY, "--batch", "16", "--quiet")
    assert neocog(*arguments, "--epochs", "4", "--out", "runs/long")[0] == 0
    assert neocog(*arguments, "--epochs", "1", "--lr", "0.0001", "--out", "runs/short")[0] == 0
    code, out, _ = neocog("compare", "runs/long", "runs/short", "--out", "compare.html", "--quiet")
    assert code == 0 and "train.epochs" in out and "train.lr" in out and "against runs/long" in out
    page = Path("compare.html").read_text()
    assert page.count("<img") == 2 and "McNemar" not in out and "train.epochs" in page
    code, out, _ = neocog("compare", "runs/long", "runs/long", "--json", "--quiet")
    result = json.loads(out)
    assert result["tests"][0]["p"] == 1.0 and result["tests"][0]["difference"] == 0.0 and result["settings"] == {}
    assert neocog("describe", "@latest", "--json")[0] == 0
    picture = next(Path(photos).rglob("*.png"))
    assert neocog("predict", "@latest", picture, "--json")[0] == 0
    code, _, err = neocog("compare", "runs/long")
    assert code == 2 and "compare takes two or more runs" in err
    code, _, err = neocog("compare", "runs/long", "runs/nothing")
    assert code == 2 and "runs/nothing does not exist" in err


def test_runs_of_other_labels_cannot_be_compared():
    class Other:
        def __init__(self, domain, labels):
            self.card = type("Card", (), {"domain": domain})
            self.task = type("Task", (), {"name": "classify"})
            self.labels = labels

    folders = [Path("a"), Path("b")]
    with pytest.raises(Problem, match="a and b are of another domain"):
        compare.require_comparable([Other("vision", ["x"]), Other("text", ["x"])], folders)
    with pytest.raises(Problem, match="a and b are of another set of labels"):
        compare.require_comparable([Other("text", ["x", "y"]), Other("text", ["x", "z"])], folders)
    compare.require_comparable([Other("text", ["x", "y"]), Other("text", ["y", "x"])], folders)
