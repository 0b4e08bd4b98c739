"""The command line as people and programs use it: streams, exit codes, JSON, messages."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neocog.core.problem import DATA, INTERRUPTED, USAGE, Problem
from PIL import Image

TINY = "conv(4, 3), batchnorm, relu, globalmax, dense(classes)"
COLOURS = {"blue": (20, 30, 200), "green": (20, 180, 30), "red": (200, 30, 20)}


@pytest.fixture
def neocog(command, monkeypatch, tmp_path):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return command


def paint(folder: Path, label: str, count: int, seed: int = 0) -> None:
    """Noisy pictures of one colour."""
    rng = np.random.default_rng([seed, *label.encode()])
    (folder / label).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = np.clip(np.array(COLOURS.get(label, (99, 99, 99))) + rng.normal(0, 25, (12, 12, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{i}.png")


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for label in COLOURS:
        paint(folder, label, 30)
    return folder


@pytest.fixture(scope="session")
def trained(photos, tmp_path_factory) -> Path:
    """A run folder after a short training."""
    from neocog import train

    out = tmp_path_factory.mktemp("runs") / "colours"
    cache = str(tmp_path_factory.mktemp("cache"))
    train("vision", str(photos), network=TINY, out=str(out), epochs=12, batch=16, lr=0.02, options={"cache": cache})
    return out


def assert_success(result: tuple[int, str, str]) -> None:
    assert result[0] == 0, result[2]


def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"NEOCOG_CACHE": str(tmp_path / "cache")}


# --- train, predict, evaluate ----------------------------------------------------------------------------------------


def test_train_writes_the_documented_files_of_a_run_folder(neocog, photos, tmp_path):
    code, out, err = neocog("train", "vision", photos, "--network", TINY, "--epochs", "2", "--out", "run")
    assert code == 0
    names = {path.name for path in Path("run").iterdir()}
    assert names == {
        *("model.safetensors", "settings.toml", "metrics.jsonl", "summary.json", "state.safetensors"),
        *("curves.png", "confusion.png", "report.html"),
    }
    assert "accuracy" in out and "neocog predict run" in out and "epoch 1/2" in err and "epoch 1/2" not in out
    assert "kept epoch" in out
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 2
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["examples"] == summary["counts"]["test"] > 0 and 0 <= summary["accuracy"] <= 1
    assert summary["interval"][0] <= summary["accuracy"] <= summary["interval"][1]


def test_train_prints_one_json_document_and_nothing_else_on_stdout(neocog, photos):
    code, out, err = neocog("train", "vision", photos, "--network", TINY, "--epochs", "1", "--json", "--quiet")
    assert code == 0 and err == ""
    assert {"accuracy", "interval", "examples", "seconds"} <= json.loads(out).keys()


def test_settings_toml_reproduces_a_run(neocog, photos):
    options = ("--network", TINY, "--epochs", "2", "--seed", "5", "--augment", "flip, crop(1)", "--size", "10")
    assert_success(neocog("train", "vision", photos, *options, "--out", "one"))
    assert_success(neocog("train", "--settings", "one/settings.toml", "--out", "two"))
    first, second = (Path(run, "model.safetensors").read_bytes() for run in ("one", "two"))
    from safetensors.numpy import load

    assert all((load(first)[name] == load(second)[name]).all() for name in load(first))
    assert Path("one/settings.toml").read_text() == Path("two/settings.toml").read_text()


def test_predict_names_the_label_of_each_file(neocog, trained, photos):
    code, out, _ = neocog("predict", trained, photos / "red" / "0.png", photos / "blue", "--top", "1", "--json")
    rows = json.loads(out)
    assert code == 0 and len(rows) == 31
    assert rows[0]["input"].endswith("0.png") and rows[0]["predictions"][0]["label"] == "red"
    assert {answer["predictions"][0]["label"] for answer in rows[1:]} == {"blue"}
    assert 0.5 < rows[0]["predictions"][0]["probability"] <= 1


def test_predict_reads_a_picture_from_stdin(trained, photos, tmp_path):
    process = subprocess.run(
        [sys.executable, "-m", "neocog", "predict", str(trained), "-", "--json"],
        input=(photos / "green" / "1.png").read_bytes(),
        capture_output=True,
        env=environment(tmp_path),
        cwd=tmp_path,
    )
    assert json.loads(process.stdout)[0] | {"predictions": 0} == {"input": "-", "predictions": 0}
    assert json.loads(process.stdout)[0]["predictions"][0]["label"] == "green"


def test_predict_reports_an_unreadable_file_and_predicts_the_others(neocog, trained, photos, tmp_path):
    (tmp_path / "broken.png").write_text("not a picture")
    code, out, err = neocog("predict", trained, tmp_path / "broken.png", photos / "red" / "2.png", "--json")
    rows = json.loads(out)
    assert code == DATA and "broken.png" in err
    assert "problem" in rows[0] and rows[1]["predictions"][0]["label"] == "red"


def test_evaluate_measures_the_test_split_of_the_training(neocog, trained, photos):
    code, out, _ = neocog("evaluate", trained, photos, "--json", "--confusion", "confusion.png")
    metrics, summary = json.loads(out), json.loads((trained / "summary.json").read_text())
    assert code == 0 and Path("confusion.png").stat().st_size > 1000
    for name in ("accuracy", "interval", "examples", "log_loss", "confusion"):
        assert metrics[name] == summary[name]


def test_evaluate_prints_a_table(neocog, trained, photos):
    code, out, _ = neocog("evaluate", trained, photos, "--part", "all")
    assert code == 0
    assert all(word in out for word in ("balanced accuracy", "calibration error", "precision", "green", "90 (all)"))


def test_labels_are_matched_by_name(neocog, trained, tmp_path):
    """A folder with fewer classes, in another order, is scored against the right ones."""
    paint(tmp_path / "some", "red", 6, seed=9)
    paint(tmp_path / "some", "green", 6, seed=9)
    metrics = json.loads(neocog("evaluate", trained, "some", "--json")[1])
    assert metrics["accuracy"] == 1.0 and metrics["examples"] == 12


def test_a_label_that_the_model_does_not_know_is_an_error(neocog, trained, tmp_path):
    paint(tmp_path / "some", "rad", 3)
    paint(tmp_path / "some", "green", 3)
    code, _, err = neocog("evaluate", trained, "some")
    assert code == DATA and "rad" in err and "red" in err and "--unknown skip" in err
    assert json.loads(neocog("evaluate", trained, "some", "--unknown", "skip", "--json")[1])["examples"] == 3


# --- resume ----------------------------------------------------------------------------------------------------------


def start(tmp_path: Path, photos: Path, *more: str) -> subprocess.Popen[str]:
    arguments = [
        "train",
        "vision",
        str(photos),
        "--network",
        TINY,
        "--epochs",
        "40",
        "--batch",
        "8",
        "--out",
        "run",
        *more,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "neocog", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path), cwd=tmp_path,
    )  # fmt: skip


def weights(run: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(run / "model.safetensors")


def wait_for(path: Path, lines: int) -> None:
    for _ in range(1200):
        if path.exists() and len(path.read_text().splitlines()) >= lines:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come to {lines} lines")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(number, photos, tmp_path, neocog):
    running = start(tmp_path, photos)
    wait_for(tmp_path / "run/metrics.jsonl", 4)
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert not (tmp_path / "run/summary.json").exists()
    if number != signal.SIGKILL:
        assert running.returncode == INTERRUPTED
        assert "resume with: neocog resume run" in err
    assert_success(neocog("resume", "run"))
    options = ("--network", TINY, "--epochs", "40", "--batch", "8", "--out", "whole")
    assert_success(neocog("train", "vision", photos, *options))
    resumed, uninterrupted = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert resumed.keys() == uninterrupted.keys()
    assert all(np.array_equal(resumed[name], uninterrupted[name]) for name in uninterrupted)
    lines = [
        [json.loads(line)["loss"] for line in Path(run, "metrics.jsonl").read_text().splitlines()]
        for run in ("run", "whole")
    ]
    assert lines[0] == lines[1] and len(lines[0]) == 40


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.2, 2.4])
def test_an_interrupt_at_any_moment_is_no_traceback(seconds, photos, tmp_path):
    """Imports take seconds, in which people press Ctrl-C. Python itself needs a tenth before it runs a line of ours."""
    running = start(tmp_path, photos)
    time.sleep(seconds)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode in (INTERRUPTED, -signal.SIGINT), err
    assert "Traceback" not in err


def test_an_interrupt_that_a_library_would_catch_while_it_is_imported_ends_the_process(tmp_path):
    """As torch and others do on import: `try: import x except BaseException: pass`."""
    (tmp_path / "stubborn.py").write_text(
        "import time\nprint('importing', flush=True)\ntry:\n    time.sleep(60)\nexcept BaseException:\n    pass\n"
    )
    code = "from neocog.core.process import prepare; prepare(); import stubborn; print('imported')"
    root = str(Path(__file__).parents[2])
    running = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{root}:{tmp_path}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout.readline() == "importing\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (INTERRUPTED, "", "interrupted\n")


@pytest.mark.parametrize(
    ("settings", "load", "expected"),
    [
        ({}, 1e6, "3000"),
        ({}, 0, "None"),
        ({"GOMP_SPINCOUNT": "7"}, 1e6, "7"),
        ({"OMP_WAIT_POLICY": "active"}, 1e6, "None"),
    ],
)
def test_waiting_threads_spin_shortly_on_a_busy_machine_unless_the_user_says_how_they_wait(settings, load, expected):
    """libgomp reads the variable when torch is imported, which comes later."""
    code = f"import os, sys\nos.getloadavg = lambda: ({load}, 0, 0)\n"
    code += "from neocog.core.process import prepare\nprepare()\n"
    code += "print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP", "OMP"))}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), **settings}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [expected, "False"]


def test_a_run_that_ignores_hangups_goes_on(photos, tmp_path):
    """As `nohup neocog train …`."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = start(tmp_path, photos, "--set", "epochs=6")
    finally:
        signal.signal(signal.SIGHUP, previous)
    wait_for(tmp_path / "run/metrics.jsonl", 2)
    running.send_signal(signal.SIGHUP)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert (tmp_path / "run/summary.json").exists()


def test_a_training_whose_terminal_is_closed_saves_its_state(photos, tmp_path):
    """SIGHUP comes with a terminal that takes no more output."""
    terminal, process_side = pty.openpty()
    command = [sys.executable, "-m", "neocog", "train", "vision", str(photos), "--network", TINY, "--epochs", "40"]
    running = subprocess.Popen(
        [*command, "--batch", "8", "--out", "run"],
        stdin=process_side, stdout=process_side, stderr=process_side, env=environment(tmp_path), cwd=tmp_path,
        start_new_session=True,
    )  # fmt: skip
    os.close(process_side)
    threading.Thread(target=drain, args=(terminal,), daemon=True).start()
    wait_for(tmp_path / "run/metrics.jsonl", 3)
    running.send_signal(signal.SIGHUP)
    assert running.wait(60) == INTERRUPTED
    assert (tmp_path / "run/state.safetensors").exists()


def drain(descriptor: int) -> None:
    with suppress(OSError):
        while os.read(descriptor, 1 << 16):
            pass


def run_shell(tmp_path: Path, line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a line of a shell in which $neocog is the command line."""
    neocog = f"{sys.executable} -m neocog"
    environ = environment(tmp_path) | {"neocog": neocog} | variables
    return subprocess.run(["sh", "-c", line], capture_output=True, env=environ, cwd=tmp_path)


def test_warnings_of_libraries_are_for_developers(tmp_path):
    """Pillow warns of a damaged EXIF block, with the path of its source file."""
    program = (
        "import sys, warnings\nfrom neocog import cli\nfrom neocog.__main__ import main\n"
        "cli.main = lambda: warnings.warn('for developers')\nmain()\n"
    )
    for variables, shown in (({}, False), ({"PYTHONWARNINGS": "default"}, True)):
        env = environment(tmp_path) | variables
        process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
        assert process.returncode == 0 and ("for developers" in process.stderr) == shown


def test_a_full_or_closed_output_is_a_sentence(tmp_path):
    full = run_shell(tmp_path, "$neocog recipes vision --json > /dev/full")
    assert full.returncode == 1
    assert full.stderr == b"neocog: standard output cannot be written: no space left on device\n"
    assert run_shell(tmp_path, "$neocog --version > /dev/full").stderr == full.stderr
    closed = run_shell(tmp_path, "$neocog recipes vision >&- 2>&-")
    assert (closed.returncode, closed.stdout, closed.stderr) == (0, b"", b"")
    remarks = run_shell(tmp_path, "$neocog describe mlp --json 2> /dev/full")
    assert remarks.returncode == 0 and json.loads(remarks.stdout)["parameters"]
    piped = run_shell(tmp_path, "$neocog recipes --json | head -c 1")
    assert piped.stderr == b""


def test_a_closed_standard_input_is_a_sentence(tmp_path, trained):
    closed = run_shell(tmp_path, f"$neocog predict {trained} - <&-")
    assert closed.returncode == USAGE and closed.stderr.startswith(
        b"neocog: standard input is closed; expected an input"
    )
    endless = run_shell(tmp_path, f"$neocog predict {trained} - < /dev/null")
    assert endless.returncode == DATA and b"Traceback" not in endless.stderr


def test_arguments_are_bytes_whatever_the_locale(tmp_path):
    """Python takes them for ASCII with LC_ALL=C and PYTHONUTF8=0."""
    (tmp_path / "größe").mkdir()
    for variables in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}):
        result = run_shell(tmp_path, "$neocog predict größe x.png; $neocog describe größer/x", **variables)
        assert result.stderr.decode().splitlines() == [
            "neocog: größe has no model.safetensors in it; expected a model file or a finished run's folder",
            "neocog: größer/x does not exist; expected a model file or a run's folder",
        ]


def test_a_finished_run_is_reported_and_trained_further_with_more_epochs(neocog, photos):
    assert_success(neocog("train", "vision", photos, "--network", TINY, "--epochs", "2", "--out", "run"))
    before = Path("run/model.safetensors").read_bytes()
    code, _, err = neocog("resume", "run")
    assert code == 0 and "run is finished: 2 of 2 epochs; train further with --epochs 4" in err
    assert Path("run/model.safetensors").read_bytes() == before
    assert_success(neocog("resume", "run", "--epochs", "4"))
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('domain = "vision"', 'domain = "smell"', "smell is not a domain"),
        ("relu", "relo", "relo is not a layer (did you mean relu?)"),
        ("dense(3)", "dense(4)", "the network gives (4,), but there are 3 labels"),
        ("epochs = 1", 'epochs = "x"', "epochs is a whole number; got 'x'"),
        ("lr = ", "lr = -1 #", "lr is from 1e-12 to 1e+06; got -1"),
        ('augment = "none"', 'augment = "flop"', "flop"),
        ('device = "auto"', 'device = "gpu"', "gpu is not a device"),
        ("[options]", '[options]\ncolour = "red"', "colour red is not known; it can be auto, grey, rgb"),
    ],
)
def test_what_is_wrong_in_a_settings_file_is_the_fault_of_the_file(
    old, new, message, neocog, photos, trained, tmp_path
):
    """Exit code 3, not 2: the command line is right."""
    assert_success(neocog("train", "vision", photos, "--network", TINY, "--epochs", "1", "--out", "run"))
    text = Path("run/settings.toml").read_text(encoding="utf-8")
    assert old in text
    Path("run/settings.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    for arguments in (
        ("train", "--settings", "run/settings.toml", "--out", "other"),
        ("resume", "run", "--epochs", "2"),
    ):
        code, _, err = neocog(*arguments)
        assert code == DATA and err.splitlines()[-1].startswith("neocog: run/settings.toml cannot be used: "), err
        assert message in err
    for option in ("--augment", "--device"):
        code, _, err = neocog("train", "--settings", trained / "settings.toml", option, "flop", "--out", "third")
        assert code == USAGE and "flop" in err and "settings.toml" not in err


@pytest.mark.parametrize("before", [0, 1])
def test_a_run_that_is_killed_while_its_report_is_written_is_not_finished(before, neocog, photos, monkeypatch):
    """Also one that was finished before and is trained further."""
    arguments: tuple[Any, ...] = ("train", "vision", photos, "--network", TINY, "--epochs", "1", "--out", "run")
    if before:
        assert_success(neocog(*arguments))
        arguments = ("resume", "run", "--epochs", "2")
    with monkeypatch.context() as patch:
        patch.setattr("neocog.core.report.write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert neocog(*arguments)[0] == INTERRUPTED
    Path("run/report.html").unlink(missing_ok=True)
    assert_success(neocog("resume", "run"))
    assert Path("run/report.html").exists() and json.loads(Path("run/summary.json").read_text())["epochs"] == 1 + before


def test_a_finished_run_with_a_damaged_summary(neocog, photos):
    assert_success(neocog("train", "vision", photos, "--network", TINY, "--epochs", "1", "--out", "run"))
    Path("run/summary.json").write_text("{")
    code, out, err = neocog("resume", "run", "--json")
    assert (code, out) == (DATA, "") and "run/summary.json is damaged: it is no JSON; measure the model with" in err


def test_weights_that_are_not_finite_are_not_trained_on(neocog, photos, trained, tmp_path):
    from neocog.core.checkpoint import card, read_tensors, save

    path = trained / "model.safetensors"
    weights = read_tensors(path)
    weights["0.bias"][1] = float("nan")
    save(tmp_path / "nan.safetensors", weights, card(path))
    code, _, err = neocog("train", "vision", photos, "--weights", "nan.safetensors", "--out", "run")
    assert code == DATA and "the bias of layer 0 holds numbers that are not finite; they come from " in err
    assert "nan.safetensors; name another file after --weights" in err


def test_a_long_argument_is_shortened_in_a_message(neocog, photos):
    code, _, err = neocog("check", "text", photos, "--label-level", "x" * 5000)
    assert code == USAGE and "x" * 200 + "…" in err and len(err) < 1000


def test_a_run_whose_data_changed_is_not_resumed(neocog, tmp_path):
    for label in COLOURS:
        paint(tmp_path / "mine", label, 8)
    assert_success(neocog("train", "vision", "mine", "--network", TINY, "--epochs", "1", "--out", "run"))
    paint(tmp_path / "mine", "red", 12)
    code, _, err = neocog("resume", "run", "--epochs", "2")
    assert code == DATA and "is not what it was when this run began" in err


def test_two_processes_train_one_network(photos, tmp_path):
    """torchrun with gloo: both take part, one writes."""
    arguments = ["-m", "neocog", "train", "vision", str(photos), "--network", TINY, "--epochs", "2", "--out", "run"]
    process = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *arguments, "--device", "cpu"],
        capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("accuracy") == 1 and process.stderr.count("epoch 2/2") == 1
    assert json.loads((tmp_path / "run/summary.json").read_text())["epochs"] == 2


@pytest.mark.parametrize("augment", ["none", "crop(2)"])
def test_two_processes_leave_frozen_layers_as_they_are(augment, trained, photos, tmp_path):
    """With features that are computed once and with augmented inputs, bit for bit; the head moves."""
    from neocog.core.checkpoint import read_tensors

    model = trained / "model.safetensors"
    arguments = ["-m", "neocog", "train", "vision", str(photos), "--weights", str(model), "--keep", "3", "--freeze"]
    arguments += ["--epochs", "2", "--augment", augment, "--out", "run", "--device", "cpu"]
    process = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *arguments],
        capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("accuracy") == 1 and process.stderr.count("epoch 2/2") == 1
    before, after = read_tensors(model), read_tensors(tmp_path / "run/model.safetensors")
    frozen = [name for name in before if int(name.split(".")[0]) < 3]
    assert len(frozen) == 7 and all((before[name] == after[name]).all() for name in frozen)
    assert (before["4.weight"] != after["4.weight"]).any()


def test_a_run_folder_that_is_deleted_while_training_ends_with_a_sentence(photos, tmp_path):
    import shutil

    from neocog import train
    from neocog.core.fit import Step
    from neocog.core.problem import FAILED, Problem

    def delete(event):
        if isinstance(event, Step):
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(Problem, match=r"run/.* cannot be written: there is no folder .*run \(any more\)") as caught:
        options = {"cache": str(tmp_path / "cache")}
        train(
            "vision", str(photos), network=TINY, out=str(tmp_path / "run"), epochs=1, options=options, callback=delete
        )
    assert caught.value.code == FAILED


def test_an_error_of_the_system_is_a_sentence(neocog, monkeypatch):
    from neocog import cli

    def fail(*_):
        raise OSError(5, "Input/output error", "photo.png")

    monkeypatch.setattr(cli, "application", fail)
    code, out, err = neocog("recipes")
    assert (code, out) == (1, "")
    assert err == "neocog: photo.png: input/output error; neocog --debug … shows where it happened\n"


def test_without_a_home_the_cache_is_a_temporary_folder(monkeypatch):
    """As in a container whose user has no entry in the list of users."""
    from neocog.core.sources import cache

    for name in ("HOME", "NEOCOG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    assert cache.default_cache().is_dir()


def test_a_number_without_an_entry_in_the_table_has_a_range_too():
    from neocog.core.ranges import RANGES, check_range

    assert "octave" not in RANGES
    check_range("octave", 1e9)
    for number in (1e10, -1e10, float("nan"), float("inf"), 10**30):
        with pytest.raises(Problem, match=r"octave is from -1e\+09 to 1e\+09; got "):
            check_range("octave", number)


def test_escape_sequences_in_names_are_shown_not_run(neocog, trained, photos, tmp_path):
    """A terminal would run those of a file's name, a label or a mistyped argument."""
    import shutil

    name = "\x1b[31mred\x07.png"
    shutil.copy(photos / "red" / "0.png", name)
    code, out, err = neocog("predict", trained, name)
    assert code == 0 and out.startswith(r"\x1b[31mred\x07.png: red ") and "\x1b" not in out + err
    code, out, err = neocog("predict", trained, name + "x")
    assert code == USAGE and r"\x1b[31mred\x07.pngx matches no file" in err and "\x1b" not in err
    label = "\x1b[1mbold"
    paint(tmp_path / "mine", label, 8)
    paint(tmp_path / "mine", "red", 8)
    assert_success(neocog("train", "vision", "mine", "--network", TINY, "--epochs", "1", "--out", "run"))
    assert "\x1b" not in Path("run/report.html").read_text() and "[1mbold" in Path("run/report.html").read_text()
    code, out, err = neocog("evaluate", "run", "mine", "--part", "all")
    assert code == 0 and r"\x1b[1mbold" in out and "\x1b" not in out
    assert r"\u001b[1mbold" in neocog("evaluate", "run", "mine", "--part", "all", "--json")[1]


# --- describe, recipes, check ----------------------------------------------------------------------------------------


def test_describe_gives_the_measurements_as_json(neocog):
    code, out, _ = neocog("describe", "conv(25, 3), relu, maxpool(2)", "--input", "1x28x28", "--json")
    description = json.loads(out)
    assert code == 0 and description["parameters"] == 250 and description["macs"] == 152100
    assert description["layers"][0] == {
        "layer": "conv(25, 3)", "output": [25, 26, 26], "parameters": 250, "macs": 152100,
        "receptive_field": [3, 3], "unseen": [0, 0],
    }  # fmt: skip


def test_describe_takes_a_recipe_or_a_run_and_draws(neocog, trained):
    assert json.loads(neocog("describe", "keras-digits", "--json")[1])["parameters"] == 137_660
    assert json.loads(neocog("describe", "mlp(units=64)", "--json")[1])["input"] == [1, 28, 28]
    code, out, err = neocog("describe", trained, "--svg", "net.svg")
    assert code == 0 and "conv(4, 3)" in out and Path("net.svg").read_text().startswith("<svg") and "net.svg" in err


def test_describe_reads_a_text_of_any_length(neocog):
    """A text longer than a file's name may be, 255 bytes, is never asked of the file system."""
    text = ", ".join(["conv(8, 3, pad=1), relu"] * 60)
    code, out, err = neocog("describe", text, "--input", "1x28x28", "--json")
    assert code == 0 and len(json.loads(out)["layers"]) == 120, err
    code, out, err = neocog("describe", text + ", cnov(8, 3)", "--input", "1x28x28")
    assert code == USAGE and "cnov is not a layer (did you mean conv?)" in err
    for model in ("x" * 300, "ä" * 200, f"runs/{'x' * 300}.safetensors", "nul\0l"):
        code, out, err = neocog("describe", model, "--input", "1x28x28")
        assert code == USAGE and ("does not exist" in err or "is not a layer" in err or "network" in err)
        code, _, err = neocog("predict", model, "x.png")
        assert code == USAGE and "does not exist" in err


def test_describe_says_what_was_meant_where_a_text_could_mean_two(neocog, tmp_path):
    code, _, err = neocog("describe", "dense(3)", "--input", "1x1x4")
    assert code == USAGE and "layer 0, dense(3): takes a row of numbers" in err  # a layer, not a recipe of Go
    (tmp_path / "relu").mkdir()
    code, _, err = neocog("describe", "relu", "--input", "1x1x4")
    assert code == 0 and err == "relu is a layer here; the file or folder of that name is ./relu\n"
    code, _, err = neocog("describe", "mlp", "--json")
    assert code == 0 and err == "this is mlp of vision; for that of speech and text: --domain speech\n"
    code, _, err = neocog("describe", "mlp", "--json", "--domain", "text")
    assert code == 0 and err == ""
    (tmp_path / "mlp").mkdir()
    code, _out, err = neocog("describe", "mlp", "--json", "--domain", "text")
    assert code == 0 and err == "mlp is a recipe here; the file or folder of that name is ./mlp\n"


def test_a_network_that_no_machine_holds_is_refused_before_it_is_built(neocog, photos):
    code, _out, err = neocog("train", "vision", photos, "--network", "flatten, dense(99999999), dense(classes)")
    assert code == USAGE and "GB, this machine has" in err and "take a smaller network or smaller inputs" in err


def test_a_card_with_a_larger_network_than_its_weights_is_refused(neocog, trained, photos, tmp_path):
    from dataclasses import replace

    from neocog.core import checkpoint

    path = trained / "model.safetensors"
    network = "flatten, dense(99999999), relu, dense(3)"
    card = replace(checkpoint.card(path), network=network)
    checkpoint.save(tmp_path / "large.safetensors", checkpoint.read_tensors(path), card)
    code, _out, err = neocog("predict", "large.safetensors", photos / "red" / "0.png")
    assert code == DATA and "the weights do not belong to the network on the card: it has " in err


def test_every_recipe_is_listed(neocog):
    recipes = json.loads(neocog("recipes", "--json")[1])
    assert {recipe["recipe"] for recipe in recipes} >= {
        "swift",
        "keras-digits",
        "lenet5",
        "alexnet",
        "vgg16",
        "googlenet",
    }
    assert "resnet50" in neocog("recipes", "vision")[1]


def test_check_reports_what_training_would_meet(neocog, photos, tmp_path):
    for label in COLOURS:
        paint(tmp_path / "mine", label, 4)
    (tmp_path / "mine/red/empty.png").write_bytes(b"")
    (tmp_path / "mine/green/twin.png").write_bytes((tmp_path / "mine/red/0.png").read_bytes())
    code, out, _ = neocog("check", "vision", "mine", "--json")
    report = json.loads(out)
    assert code == 0 and report["labels"] == {"blue": 4, "green": 5, "red": 4}
    assert len(report["bad"]) == 1 and "empty.png" in report["bad"][0]["file"] and len(report["duplicates"]) == 1
    assert "empty.png" in neocog("check", "vision", "mine")[1]


def test_check_names_copies_in_words_and_few_of_many(neocog):
    rows = [("a warm film", "good")] * 7 + [("dull", "bad"), ("dull", "good"), ("slow", "a\nb\tc"), ("slow", "bad")]
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    Path("train.jsonl").write_text("\n".join(lines))
    Path("test.jsonl").write_text("\n".join(lines[7:9]))
    out = neocog("check", "text", "train.jsonl", "--test", "test.jsonl")[1].replace(f"{Path.cwd()}/", "")
    first = ", ".join(f"train.jsonl:{line}" for line in range(1, 5))
    assert f"  {first} and 3 more; labels good\n" in out and "labels: a\\nb\\tc 1, bad 3, good 9\n" in out
    copies = "train.jsonl:8, train.jsonl:9, test.jsonl:1, test.jsonl:2"
    assert f"  {copies}; in several splits; labels bad, good\n" in out and "given splits: test\n" in out


def test_check_train_and_report_say_that_validation_is_too_small(neocog, photos):
    message = "7 validation examples are too few to choose an epoch by"
    report = json.loads(neocog("check", "vision", photos, "--json")[1])
    assert report["splits"]["valid"] == 7 and message in report["problems"][-1]
    _, _, err = neocog("train", "vision", photos, "--network", TINY, "--epochs", "1", "--out", "small")
    assert message in err and message in Path("small/report.html").read_text()
    report = json.loads(neocog("check", "vision", photos, "--valid-share", "0", "--json")[1])
    assert report["splits"]["valid"] == 0 and report["problems"] == []


def test_version(neocog):
    assert neocog("--version")[1].startswith("neocog 0.")


# --- usage errors ----------------------------------------------------------------------------------------------------


WRONG = [
    (("train", "vison", "x"), USAGE, "vison is not a domain (did you mean vision?)"),
    (("train", "vision"), USAGE, "train takes a domain and data, as in: neocog train vision photos/"),
    (
        ("train", "vision", "PHOTOS", "--recipe", "swfit"),
        USAGE,
        "swfit is not a recipe of vision (did you mean swift?)",
    ),
    (("train", "vision", "PHOTOS", "--recipe", "mlp(unit=3)"), USAGE, "unexpected keyword argument 'unit'"),
    (
        ("train", "vision", "PHOTOS", "--recipe", "mlp", "--network", "relu"),
        USAGE,
        "give --recipe or --network, not both",
    ),
    (("train", "vision", "PHOTOS", "--network", "cnov(8, 3)"), USAGE, "cnov is not a layer (did you mean conv?)"),
    (("train", "vision", "PHOTOS", "--network", "dense(classes)"), USAGE, "got (3, 12, 12); put flatten before it"),
    (
        ("train", "vision", "PHOTOS", "--network", "conv(4, 13)"),
        USAGE,
        "its window is 13 high, but its input is 12",
    ),
    (
        ("train", "vision", "PHOTOS", "--network", "flatten, dense(4)"),
        USAGE,
        "there are 3 labels; end it with dense(classes)",
    ),
    (("train", "vision", "PHOTOS", "--recipe", "alexnet", "--size", "20"), USAGE, "take a larger input"),
    (
        ("train", "vision", "PHOTOS", "--set", "smothing=0.1"),
        USAGE,
        "smothing is not a setting (did you mean smoothing?)",
    ),
    (("train", "vision", "PHOTOS", "--set", "smoothing"), USAGE, "--set takes NAME=VALUE"),
    (("train", "vision", "PHOTOS", "--epochs", "0"), USAGE, "epochs is from 1 to"),
    (("train", "vision", "PHOTOS", "--augment", "flop"), USAGE, "flip"),
    (("train", "vision", "PHOTOS", "--device", "cuda:7"), USAGE, "cuda:7 is not available"),
    (
        ("train", "vision", "PHOTOS", "--device", "gpu"),
        USAGE,
        "gpu is not a device; expected auto, cpu, cuda, cuda:1 or mps",
    ),
    (("train", "vision", "PHOTOS", "--unknown", "drop"), USAGE, "--unknown is stop or skip; got drop"),
    (("train", "vision", "PHOTOZ"), USAGE, "does not exist"),
    (("train", "--settings", "none.toml"), USAGE, "none.toml does not exist; expected the settings.toml of a run"),
    (
        ("train", "--settings", "one.toml", "--recipe", "swift", "--test-share", "0.2"),
        USAGE,
        "--settings fixes the data and the network: leave out --recipe, --test-share",
    ),
    (("resume", "nothing"), USAGE, "expected the settings.toml of a run"),
    (("predict", "nothing", "x.png"), USAGE, "nothing does not exist; expected a model file or a run's folder"),
    (("predict", "PHOTOS", "x.png"), USAGE, "has no model.safetensors in it"),
    (("predict", "RUN", "x.png"), USAGE, "x.png"),
    (("evaluate", "RUN", "PHOTOS", "--part", "tset"), USAGE, "--part is test, valid, train or all; got tset"),
    (("describe", "conv(3, 3)"), USAGE, "a network text needs its input, as in --input 1x28x28"),
    (
        ("describe", "conv(3, 3)", "--input", "28x28"),
        USAGE,
        "--input is channels x height x width, as in 3x32x32; got 28x28",
    ),
    (("describe", "conv(3, 3", "--input", "1x28x28"), USAGE, "'(' was never closed"),
    (("describe", "relu", "--input", "²x3x3"), USAGE, "--input is channels x height x width, as in 3x32x32; got ²x3x3"),
    (("describe", "relu", "--input", "9" * 5000 + "x3x3"), USAGE, "as in 3x32x32; got 9999999999"),
    (("recipes", "speach"), USAGE, "speach is not a domain"),
    (("train", "vision", "PHOTOS", "--test", "/dev/zero"), DATA, "/dev/zero is neither a file nor a folder"),
    (("train", "vision", "/dev/zero"), DATA, "/dev/zero is neither a file nor a folder"),
    (("train", "go", "/dev/zero"), DATA, "/dev/zero is neither a file nor a folder"),
    (("train", "text", "/dev/zero"), DATA, "/dev/zero is neither a file nor a folder"),
    (
        ("train", "vision", "PHOTOS", "--weights", "/dev/zero"),
        DATA,
        "/dev/zero is not a regular file; expected a model file, a run's folder, or weights of torchvision",
    ),
    (("train", "vision", "PHOTOS", "--freeze"), USAGE, "name it, as in --weights efficientnet-lite0"),
    (
        ("train", "vision", "PHOTOS", "--weights", "efficientnet-lite0", "--keep", "71"),
        USAGE,
        "--keep 71 is beyond the layers before the head (layer 70, dense(1000)): keep 1 to 70, or all",
    ),
    (
        ("train", "vision", "PHOTOS", "--weights", "efficientnet-lite0", "--keep", "16.0.1"),
        USAGE,
        "is inside layer 16, residual(…), which is kept or cut as a whole: --keep 17 keeps it, --keep 16 cuts it",
    ),
    (("train", "vision", "PHOTOS", "--epochs", "2", "--minutes", "1"), USAGE, "give --epochs or --minutes, not both"),
    (("train", "vision", "PHOTOS", "--minutes", "0"), USAGE, "--minutes is from 0.01 to 1e+06; got 0"),
    (("curve", "efficientnet-lite0", "PHOTOS", "--examples", "5,x"), USAGE, "--examples takes whole numbers from 1"),
    (("train", "vision", "PHOTOS", "--weights", "none"), USAGE, "none does not exist; expected a model file"),
    (("train", "--settings", "PHOTOS"), DATA, "is a folder; expected the settings.toml of a run"),
    (("train", "--settings", "/dev/zero"), DATA, "/dev/zero is not a regular file; expected the settings.toml"),
    (("resume", "/dev/null"), USAGE, "/dev/null is a file; resume takes a run folder, as neocog train writes it"),
    (("predict", "/dev/zero", "x.png"), DATA, "/dev/zero is not a regular file; expected a model.safetensors"),
    (
        ("train", "vision", "PHOTOS", "--cache", "~nouser/x"),
        USAGE,
        "--cache ~nouser/x: there is no home folder of that name; write the whole path",
    ),
    (("train", "go", "PHOTOS", "--cache", "~nouser/x"), USAGE, "--cache ~nouser/x: there is no home folder"),
    (("train", "vision", "PHOTOS", "--group-by", "a{99999999999}"), USAGE, "is not a regular expression"),
    (("train", "vision", "PHOTOS", "--seed", "-1"), USAGE, "--seed is from 0 to 4.61169e+18; got -1"),
    (("train", "vision", "PHOTOS", "--seed", "9" * 22), USAGE, "--seed is from 0 to 4.61169e+18; got 9999999999"),
    (("train", "vision", "PHOTOS", "--seed", "9" * 5000), USAGE, "--seed"),
    (("train", "vision", "PHOTOS", "--size", "9" * 12), USAGE, "size 999999999999 is not a picture's side: give whole"),
    (("train", "vision", "PHOTOS", "--set", "lr=1" + "0" * 400), USAGE, "lr is from 1e-12 to 1e+06; got 1000000"),
    (("imagine", "RUN", "--blur", "1e9"), USAGE, "--blur is from 0 to 1000; got 1e+09"),
    (("imagine", "RUN", "--seed", "-1"), USAGE, "--seed is from 0 to 4.61169e+18; got -1"),
    (("dream", "RUN", "x.png", "--rate", "nan"), USAGE, "--rate is from 0 to 1e+09; got nan"),
    (("go", "match", "x", "y", "--komi", "nan"), USAGE, "--komi is from -1000 to 1000; got nan"),
    (("go", "match", "x", "y", "--timeout", "inf"), USAGE, "--timeout is from 0.01 to 1e+06; got inf"),
    (("go", "gtp", "--seed", "-5"), USAGE, "--seed is from 0 to 4.61169e+18; got -5"),
    (("evaluate", "RUN", "PHOTOS", "--max-bad", "nan"), USAGE, "--max-bad is from 0 to 1; got nan"),
    (
        ("evaluate", "RUN", "PHOTOS", "--confusion", "x.foo"),
        USAGE,
        "x.foo ends in none of .png, .svg: the ending decides the format",
    ),
    (("evaluate", "RUN", "PHOTOS", "--confusion", "no/x.png"), USAGE, "the folder no does not exist; create it"),
    (("describe", "lenet5", "--svg", "no/x.svg"), USAGE, "the folder no does not exist; create it"),
    (("describe", "lenet5", "--svg", "/dev/null"), USAGE, "/dev/null is not a regular file; name another file"),
    (("train", "vision", "PHOTOS", "--out", "/dev/null/x"), USAGE, "/dev/null is a file; name a folder with --out"),
    (("train", "vision", "PHOTOS", "--out", "PHOTOS"), USAGE, "exists and is not empty; name another with --out"),
    (("go", "match", "x", "y", "--out", "/dev/null"), USAGE, "/dev/null is a file; name a folder with --out"),
    (("go", "pack", "PHOTOS", "--out", "/dev/null/x"), USAGE, "/dev/null is a file; name a folder with --out"),
    (("demo", "--out", "/dev/null/x"), USAGE, "/dev/null is a file; name a folder with --out"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=[" ".join(row[0])[:50] for row in WRONG])
def test_wrong_use_is_a_sentence_and_its_exit_code(arguments, code, message, neocog, photos, trained):
    places = {"PHOTOS": photos, "PHOTOZ": photos.parent / "photoz", "RUN": trained}
    exit_code, out, err = neocog(*(places.get(argument, argument) for argument in arguments))
    assert message in err and "Traceback" not in err
    assert exit_code == code and out == ""
    assert not Path("runs").exists()  # nothing is written before everything is checked


def test_a_run_folder_that_exists_is_not_overwritten(neocog, photos):
    options = ("train", "vision", photos, "--network", TINY, "--epochs", "1", "--out", "run")
    assert_success(neocog(*options))
    Path("run/notes.txt").write_text("mine")
    before = Path("run/model.safetensors").read_bytes()
    code, _, err = neocog(*options, "--seed", "3")
    assert code == USAGE and "run exists and is not empty; name another with --out, or replace it with --force" in err
    assert Path("run/model.safetensors").read_bytes() == before
    assert_success(neocog(*options, "--seed", "3", "--force"))
    assert Path("run/model.safetensors").read_bytes() != before and Path("run/notes.txt").read_text() == "mine"


def test_a_model_of_another_domain_is_refused(neocog, trained, tmp_path):
    from dataclasses import replace

    from neocog.core import checkpoint

    path = trained / "model.safetensors"
    card = replace(checkpoint.card(path), domain="smell")
    checkpoint.save(tmp_path / "other.safetensors", checkpoint.read_tensors(path), card)
    code, _, err = neocog("predict", "other.safetensors", "x.png")
    assert code == DATA and "is of the domain smell, which this version does not have" in err


def test_a_truncated_model_is_refused(neocog, trained, tmp_path):
    content = (trained / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-10])
    code, _, err = neocog("predict", "cut.safetensors", "x.png")
    assert code == DATA and "cut.safetensors is cut short: it ends before its weights do" in err


def test_a_full_disk_stops_the_run_before_it_starts(neocog, photos, monkeypatch):
    import shutil

    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=5_000_000))
    code, _, err = neocog("train", "vision", photos, "--network", TINY, "--out", "run")
    assert code == 1 and "free" in err and "MB" in err and not Path("run").exists()


def test_debug_shows_the_traceback(neocog):
    from neocog.core.problem import Problem

    with pytest.raises(Problem):
        neocog("--debug", "predict", "nothing", "x.png")


def test_output_into_a_closed_pipe_ends_quietly(trained, photos, tmp_path):
    command = f"{sys.executable} -m neocog recipes | head -c 1"
    process = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path
    )
    assert "Traceback" not in process.stderr
