"""Search spaces and studies: what a text with ranges means, and what a study keeps, prunes, retries and reports."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import neocog
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.data import DataSpec
from neocog.core.network import parse
from neocog.core.problem import USAGE, Problem
from neocog.core.settings import Settings
from neocog.core.tune.report import axis_of
from neocog.core.tune.space import Dimension, Space, Template, default_ranges, is_range, values_of
from neocog.text import solved
from neocog.text.linear import solve

TEXT = (
    "conv(span(16, 64, 8), choice(3, 5)), choice(relu, elu, tanh), maxpool(2), "
    "repeat(1, 4, conv(span(8, 32), 3, pad=1), choice((relu, dropout(uniform(0, 0.5))), tanh)), flatten, dense(classes)"
)


def lowest(entry: Dimension):
    return entry.options[0] if entry.kind == "choice" else int(entry.low) if entry.kind == "int" else entry.low


def highest(entry: Dimension):
    return entry.options[-1] if entry.kind == "choice" else int(entry.high) if entry.kind == "int" else entry.high


# --- spaces


def test_ranges_of_a_text_in_their_order_and_by_their_names():
    dimensions = Space.of(TEXT, None, {"lr": "log(1e-4, 1e-1)", "optimiser": "choice(adamw, sgd)"}).dimensions
    assert [entry.name for entry in dimensions] == [
        "conv filters", "conv size", "layer", "layer#2", "conv#2 filters", "layer#3", "dropout rate", "lr", "optimiser",
    ]  # fmt: skip
    sizes = [entry.size for entry in dimensions[:6]]
    assert sizes == [7, 2, 3, 4, 25, 2] and dimensions[-2].is_log and dimensions[6].kind == "float"


def test_a_point_is_a_text_that_networks_are_parsed_from():
    template = Template.of(TEXT)
    assert template.filled(lowest) == (
        "conv(16, 3), relu, maxpool(2), conv(8, 3, pad=1), relu, dropout(0), flatten, dense(classes)"
    )
    long = template.filled(highest)
    assert long.startswith("conv(64, 5), tanh, maxpool(2), conv(32, 3, pad=1), tanh, conv(32, 3, pad=1)")
    assert long.count("conv(32") == 4
    for text in (template.filled(lowest), long):
        assert parse(text, classes=10)
    assert template.filled(lowest) == template.filled(lowest)  # the template is not used up


def test_what_a_choice_leaves_out_is_not_asked_for():
    asked = []

    def value(entry):
        asked.append(entry.name)
        return "tanh" if "tanh" in entry.options else lowest(entry)

    Template.of("choice((relu, dropout(uniform(0.1, 0.5))), tanh), dense(classes)").filled(value)
    assert asked == ["layer"]


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 7))
def test_the_values_of_a_span_lie_on_its_grid(low, width, step):
    if step > width:
        return
    (entry,) = Template.of(f"dense(span({low}, {low + width}, {step}))").dimensions
    assert (entry.high - entry.low) % step == 0 and low + width - entry.high < step
    assert entry.size == len(range(low, low + width + 1, step))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dense(span(64, 16))", "the range is empty or backwards; its second number is the larger one"),
        ("dense(span(16, 16))", "the range is empty or backwards"),
        ("dense(span(1.5, 3))", "span is of whole numbers; uniform and log are of others"),
        ("dense(span(1, 9, 20))", "the step is from 1 to 8"),
        ("dense(span(1, 2, 3, 4))", "expected span(16, 64) or span(16, 64, 8)"),
        ("dense(span(1, relu))", "relu is not a number"),
        ("choice(relu)", "a choice has two different values or more"),
        ("choice(relu, relu)", "a choice has two different values or more"),
        ("scale(log(0, 1))", "a logarithmic range is above 0"),
        ("repeat(1, 500, relu)", "layers are repeated 0 to 100 times"),
        ("repeat(1, 3)", "expected repeat(1, 4, conv(32, 3), relu)"),
        ("dense(span(1, 3, step=1))", "a range has no named values"),
        ("dense(3", "is not a list of layers with ranges"),
        ("", "is not a list of layers"),
        ("flatten, dense(classes)", "there is nothing to search: every value is fixed"),
    ],
)
def test_ranges_that_are_none(text, message):
    with pytest.raises(Problem) as caught:
        Space.of(text, None, {})
    assert message in str(caught.value) and caught.value.code == USAGE


def test_a_text_is_not_run():
    space = Space.of("dense(span(1, 2)), __import__('os').system('true')", None, {})
    with pytest.raises(Problem):
        parse(str(space.point(lowest).network), classes=2)


def test_settings_and_recipes_have_ranges():
    assert is_range("log(1e-4, 1)") and is_range("_(units=span(1, 3))")
    assert not any(map(is_range, ("0.1", "flip, crop(4)", "adamw", "cosine", "x =")))
    assert Space.of(None, "mlp(units=span(16, 128))", {}).point(lowest).recipe == "mlp(units=16)"
    ranges = default_ranges({"lr": 0.01, "batch": 32, "weight_decay": 0.0, "smoothing": 0.1})
    assert ranges == {"lr": "log(0.002, 0.05)", "batch": "choice(16, 32, 64)", "smoothing": "uniform(0, 0.3)"}


# --- studies

optuna = pytest.importorskip("optuna")
from neocog.core.tune.storage import scheme  # noqa: E402
from neocog.core.tune.study import Trial, best_of, front_of, score  # noqa: E402
from neocog.core.tune.worker import rungs_of  # noqa: E402

PLAYGROUND = ("tune", "playground", "circle", "--network", "dense(span(1, 6)), choice(relu, tanh), dense(classes)")


def trial(number, value, cost=None):
    return Trial(number, value, cost, "complete", {}, {})


def test_trainings_of_a_trial_are_whole_schedules():
    assert rungs_of(100, "halving") == [11, 33, 100] and rungs_of(100, "median") == [11, 100]
    for pruner in ("halving", "median"):
        assert rungs_of(4, pruner) == [1, 4] and rungs_of(2, pruner) == [2]
    assert rungs_of(100, "none") == [100]


def test_the_recipe_has_a_place_in_a_space_that_reaches_its_settings():
    ranges = {
        "lr": "log(0.001, 0.1)",
        "epochs": "span(2, 10, 3)",
        "batch": "choice(64, 128)",
        "momentum": "uniform(0, 1)",
    }
    space = Space.of(None, "swift", ranges)
    assert values_of(space, {"lr": 0.02, "epochs": 5, "batch": 128}) == {"lr": 0.02, "epochs": 5, "batch": "128"}
    assert values_of(space, {"lr": 0.5, "epochs": 4, "batch": 32, "momentum": "auto"}) == {}


def test_the_first_trial_has_the_settings_of_the_recipe(tune, tmp_path):
    words = ("tune", "playground", "circle", "--recipe", "small", "--set", "lr=log(1e-4, 1)", "--set", "epochs=9")
    assert tune(*words, "--trials", 2, "--out", "study", "--quiet")[0] == 0
    with open(tmp_path / "study/trials.csv", encoding="utf-8", newline="") as file:
        first, second = (float(row["lr"]) for row in csv.DictReader(file))
    assert first == neocog.domain("playground").recipes["small"].settings.get("lr", Settings().lr) != second


def test_what_is_maximised():
    assert score({"loss": 0.3, "accuracy": 0.9}) == 0.9 and score({"loss": 0.3}) == -0.3


def test_a_front_holds_what_no_other_beats_in_both():
    trials = [trial(0, 0.9, 100), trial(1, 0.8, 50), trial(2, 0.7, 60), trial(3, 0.9, 120), trial(4, 0.95, 200)]
    assert [entry.number for entry in front_of(trials)] == [1, 0, 4]


@pytest.fixture
def tune(command, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return command


def test_a_study_finds_trains_again_and_reports(tune, tmp_path):
    code, out, err = tune(
        *PLAYGROUND, "--set", "epochs=12", "--set", "lr=log(1e-3, 1e-1)", "--trials", 12, "--out", "study"
    )
    assert code == 0, err
    summary = json.loads((tmp_path / "study/summary.json").read_text())
    assert summary["trials"] == 12 and len(summary["values"]) == 3 and summary["scored_on"] == "test"
    assert summary["value"] == pytest.approx(sum(summary["values"]) / 3)
    with open(tmp_path / "study/trials.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and {row["state"] for row in rows} == {"complete", "pruned"}
    complete = [row for row in rows if row["state"] == "complete"]
    assert max(float(row["metric"]) for row in complete) == pytest.approx(summary["best"]["value"], abs=1e-6)
    assert {row["epochs"] for row in rows if row["state"] == "pruned"} <= {"1", "4"}
    assert "trained again with 3 new seeds" in out and "neocog train playground circle" in out
    page = (tmp_path / "study/report.html").read_text()
    assert page.count("<img") >= 2 and "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    # the command that it prints trains that network
    arguments = summary["command"].split(" ", 1)[1]
    import shlex

    code, _, err = tune(*shlex.split(arguments), "--out", "again", "--quiet")
    assert code == 0, err
    again = json.loads((tmp_path / "again/summary.json").read_text())
    assert again["network"] == summary["best"]["network"]
    # the same command joins the study, and one of another space does not
    code, _, err = tune(
        *PLAYGROUND, "--set", "epochs=12", "--set", "lr=log(1e-3, 1e-1)", "--trials", 13, "--out", "study"
    )
    assert code == 0 and json.loads((tmp_path / "study/summary.json").read_text())["trials"] == 13, err
    code, _, err = tune(*PLAYGROUND, "--trials", 12, "--out", "study")
    assert code == USAGE and "study holds a study with other space; name another folder with --out" in err
    words = [word.replace("circle", "xor") for word in PLAYGROUND]
    code, _, err = tune(*words, "--set", "epochs=12", "--set", "lr=log(1e-3, 1e-1)", "--out", "study")
    assert code == USAGE and "study holds a study with other data; name another folder with --out" in err


def test_the_best_is_compared_with_the_recipe(tune, tmp_path):
    words = ("tune", "playground", "circle", "--recipe", "small", "--set", "lr=log(1e-4, 1e-3)", "--set", "epochs=2")
    code, out, err = tune(*words, "--trials", 3, "--out", "study", "--quiet")
    assert code == 0, err
    summary = json.loads((tmp_path / "study/summary.json").read_text())
    against = summary["against"]
    runs = [json.loads((tmp_path / f"study/recipe-{k}/summary.json").read_text()) for k in (1, 2, 3)]
    assert against["values"] == [run["accuracy"] for run in runs] and {run["epochs"] for run in runs} == {100}
    assert against["difference"] == pytest.approx(summary["value"] - against["value"])  # the metric is accuracy
    low, high = against["interval"]
    assert low < against["difference"] < high < 0  # two epochs at a low rate are worse
    page = (tmp_path / "study/report.html").read_text()
    assert '<p class="quiet">The recipe small with its own settings:' in page
    assert '<p class="quiet">3 trials, 0 stopped early, 0 failed; sampler tpe, seed 0.</p>' in page
    assert "the recipe small with its own settings: accuracy" in out and "points of accuracy (95% interval" in out
    code, _, err = tune(*words, "--against", "nonsense", "--trials", 3, "--out", "study")
    assert code == USAGE and "nonsense" in err


def test_trials_of_texts_share_their_linear_model(tune, tmp_path, monkeypatch):
    fits = []
    monkeypatch.setattr(solved, "solve", lambda *arguments: fits.append(1) or solve(*arguments))
    rows = [f"{word} {number},{label}" for label, word in (("no", "bad"), ("yes", "good")) for number in range(60)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
    words = ("tune", "text", "texts.csv", "--set", "epochs=1", "--set", "lr=log(1e-3, 1e-2)", "--trials", 2)
    code, _, err = tune(*words, "--out", "study", "--quiet")
    assert code == 0, err
    assert len(fits) == 1  # of two trials, three trainings of the best, and three of the recipe


def test_trials_are_kept_on_request(tune, tmp_path):
    words = (*PLAYGROUND, "--set", "epochs=6", "--trials", 5, "--out", "study", "--quiet")
    code, _, err = tune(*words, "--keep-trials")
    assert code == 0, err
    with open(tmp_path / "study/trials.csv", encoding="utf-8", newline="") as file:
        complete = {f"trial-{row['trial']}" for row in csv.DictReader(file) if row["state"] == "complete"}
    assert {path.name for path in (tmp_path / "study").glob("trial-*")} == complete
    for name in complete:
        code, out, err = tune("evaluate", tmp_path / "study" / name, "circle", "--json")
        assert code == 0 and json.loads(out)["accuracy"] > 0, err


def test_heights_on_the_axes_of_parallel_coordinates():
    assert axis_of(["64", None, "128", "32"])[0][0::2] == [0.5, 1.0] and axis_of(["64", "128"])[1][1] == (1.0, "128")
    assert axis_of(["relu", "10.0", "2.5"])[0] == [1.0, 0.5, 0.0]
    assert axis_of(["0.3", "conv(128, 3)", "conv(32, 3)", "0.25"])[0] == pytest.approx([1 / 3, 1, 2 / 3, 0])
    heights, ticks = axis_of([0.001, 0.01, 0.1])
    assert heights == pytest.approx([0, 0.5, 1]) and ticks == [(0.0, "0.001"), (1.0, "0.1")]
    assert axis_of([5, 5]) == ([0.0, 0.0], [(0.0, "5")])


def test_networks_that_cost_too_much_are_refused_before_they_are_trained(tune, tmp_path):
    limits = ("--most-parameters", 20, "--cost", "parameters", "--trials", 8, "--set", "epochs=3")
    code, _, err = tune(*PLAYGROUND, *limits, "--out", "study", "--quiet")
    assert code == 0, err
    summary = json.loads((tmp_path / "study/summary.json").read_text())
    assert summary["best"]["parameters"] <= 20 and summary["front"] and summary["pruned"] == 0
    with open(tmp_path / "study/trials.csv", encoding="utf-8", newline="") as file:
        assert all(int(row["parameters"]) <= 20 for row in csv.DictReader(file))
    code, _, err = tune(*PLAYGROUND, "--most-parameters", 2, "--trials", 3, "--out", "none", "--quiet")
    assert code == USAGE and "of 100 points of the space, none fits; the last: the network has" in err


def test_the_best_is_the_cheapest_that_is_good_enough():
    pairs = [(0.99, 900), (0.98, 300), (None, None), (0.95, 20), (0.98, 400)]
    trials = [Trial(i, value, cost, "complete", {}, {}) for i, (value, cost) in enumerate(pairs)]
    assert [best_of(trials, reach).number for reach in (None, 0.97, 0.985, 0.5, 0.999)] == [0, 1, 0, 3, 0]


def test_the_cheapest_network_that_reaches_a_metric(tune, tmp_path):
    network = "flatten, dense(span(1, 12)), tanh, dense(classes)"
    words = ("tune", "playground", "circle", "--network", network, "--set", "epochs=20", "--reach", 0.9)
    code, out, err = tune(*words, "--trials", 10, "--out", "study", "--quiet")
    assert code == 0, err
    with open(tmp_path / "study/trials.csv", encoding="utf-8", newline="") as file:
        enough = [int(row["parameters"]) for row in csv.DictReader(file) if float(row["metric"]) >= 0.9]
    summary = json.loads((tmp_path / "study/summary.json").read_text())
    assert summary["best"]["parameters"] == min(enough) < max(enough)
    assert f"with {min(enough)} parameters, the cheapest that reached 0.9 on the validation split, of 10 trials" in out


def command_in(folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(Path(neocog.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "neocog", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_same_command_in_two_terminals_is_one_study(tune, tmp_path):
    words = (*PLAYGROUND, "--set", "epochs=30", "--pruner", "none", "--trials", 9)
    first, second = (command_in(tmp_path, *words) for _ in range(2))
    outputs = [process.communicate(timeout=120) for process in (first, second)]
    assert first.returncode == second.returncode == 0, outputs
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tune-playground-circle-")
    with open(folder / "trials.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 and len({row["trial"] for row in rows}) == 9  # none twice
    processes = {json.loads(line)["user_attr"]["process"] for line in journal_lines(folder, '"process"')}
    assert len(processes) == 2 and not list(folder.glob("study.log.lock*"))
    # once more, it has nothing to train, and prints the same result; it removes what a killed process left
    left = folder / "study.log.lock-of-a-killed-process.rename"
    left.touch()
    os.utime(left, (0, 0))
    trained = {path: path.stat().st_mtime_ns for path in folder.glob("best-*/model.safetensors")}
    code, out, err = tune(*words)
    assert code == 0 and "training the best" not in err and "the best of 9 trials" in out, err
    assert trained == {path: path.stat().st_mtime_ns for path in folder.glob("best-*/model.safetensors")}
    assert not left.exists()


def journal_lines(folder, text):
    return [line for line in (folder / "study.log").read_text().splitlines() if text in line]


def test_of_two_processes_that_notice_a_lost_trial_one_tries_it_again(tmp_path, monkeypatch):
    from neocog.core.tune.study import Search
    from neocog.core.tune.worker import Worker

    data = neocog.domain("playground").load(DataSpec("circle"), None, None)

    def no_plan(point):
        raise AssertionError(point)

    search = Search(no_plan, Space.of("dense(span(1, 6)), dense(classes)", None, {}), data, 5)
    first, second = (Worker(search, tmp_path / "study") for _ in range(2))
    trial = first.study.ask()
    trial.suggest_int("dense units", 1, 6)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    trial.set_user_attr("process", f"{socket.gethostname()}:{process.pid}")
    write = first.study._storage.set_trial_state_values

    def late(*values):  # the second process acts between the first one's look and its deed
        second._retry_lost()
        return write(*values)

    monkeypatch.setattr(first.study._storage, "set_trial_state_values", late)
    first._retry_lost()
    states = [entry.state.name for entry in first.study.get_trials()]
    assert states == ["FAIL", "WAITING"]


def test_a_process_that_joins_or_goes_on_draws_other_points(tune, tmp_path):
    words = ("tune", "playground", "circle", "--sampler", "random", "--set", "lr=log(1e-3, 1e-1)", "--set", "epochs=2")
    for trials in (3, 6):
        code, _, err = tune(*words, "--pruner", "none", "--trials", trials, "--out", "study", "--quiet")
        assert code == 0, err
    with open(tmp_path / "study/trials.csv", encoding="utf-8", newline="") as file:
        assert len({row["lr"] for row in csv.DictReader(file)}) == 6


def test_a_study_in_a_database(tune, tmp_path):
    words = (*PLAYGROUND, "--set", "epochs=3", "--trials", 3, "--storage", "sqlite:///study.db", "--quiet")
    code, _, err = tune(*words, "--out", "study")
    assert code == 0, err
    assert (tmp_path / "study.db").exists() and not (tmp_path / "study/study.log").exists()
    assert json.loads((tmp_path / "study/summary.json").read_text())["trials"] == 3
    code, _, err = tune(*words[:-2], "nonsense://me:secret@host/name", "--out", "study")
    assert code == 1 and "--storage nonsense://host/name: the database cannot be used: " in err and "secret" not in err
    assert scheme("postgresql://user:pass@host:5432/name") == "postgresql://host:5432/name"


def test_a_folder_that_cannot_be_written(tune, tmp_path):
    (tmp_path / "file").write_text("x")
    code, _, err = tune(*PLAYGROUND, "--trials", 3, "--out", "file/study")
    assert code != 0 and "file" in err and "Traceback" not in err


def test_when_all_trials_fail_the_first_reason_is_given(tune, tmp_path):
    network = "dense(span(2, 6)), dense(6), dense(classes)"
    words = ("tune", "playground", "circle", "--network", network, "--set", "epochs=9", "--set", "optimiser=sgd")
    code, _, err = tune(*words, "--set", "lr=uniform(900000, 1000000)", "--trials", 3)
    assert code == 1 and "all trials failed; the first: " in err, err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_trial_whose_process_ended_is_tried_again_once_and_counted_once(number, tune, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(neocog.__file__).parent.parent)}
    arguments = [*PLAYGROUND, "--set", "epochs=4000", "--pruner", "none", "--trials", "2", "--out", "study", "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "neocog", *arguments], env=environment, cwd=tmp_path)
    journal, end = tmp_path / "study/study.log", time.monotonic() + 60
    while not (journal.exists() and '"macs"' in journal.read_text()):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    process.wait()
    changed = [value.replace("4000", "3") for value in arguments]
    code, _, err = tune(*changed)
    assert code == 0, err
    summary = json.loads((tmp_path / "study/summary.json").read_text())
    assert summary["trials"] == 2 and summary["failed"] == 0
    lost = [json.loads(line) for line in journal.read_text().splitlines() if '"again"' in line]
    assert len(lost) >= 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--sampler", "magic"], "--sampler is one of tpe, random, gp, nsga; got magic"),
        (["--pruner", "magic"], "--pruner is one of median, halving, none; got magic"),
        (["--cost", "money"], "--cost is parameters or macs; got money"),
        (["--trials", "0"], "--trials is from 1 to"),
        (["--set", "points=span(10, 500)"], "a range is for settings of training, and points is an option of the data"),
        (["--set", "lrs=log(1e-3, 1)"], "a range is for settings of training, and lrs is not a setting"),
        (["--valid-share", "0"], "trials are compared by the validation split, and there is none; raise --valid-share"),
        (["--recipe", "small"], "give --recipe or --network, not both"),
    ],
)
def test_wrong_use(tune, extra, message):
    code, _, err = tune(*PLAYGROUND, *extra, "--out", "study")
    assert code != 0 and message in err


def test_optuna_is_not_imported_before_a_study(command):
    code = "import sys; from neocog.cli import main; sys.argv = ['neocog', 'tune', '--help'];\n"
    code += "try:\n main()\nexcept SystemExit: pass\nassert 'optuna' not in sys.modules"
    environment = os.environ | {"PYTHONPATH": str(Path(neocog.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
