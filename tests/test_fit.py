"""A training as a stream of events: order, contents and listeners."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import neocog
import pytest
import torch
import toy
from neocog.core import fit as fitting
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.fit import Begun, EpochEnded, Finished, Remark, Saved, Step, fit, run
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.run import RunFolder, epochs_trained, load_state, resume, train
from neocog.core.selection import small_validation
from test_contract import SMALL, pictures


def plan(**changes):
    settings = {"epochs": 2, "batch": 16, "lr": 0.01, "device": "cpu"} | changes
    return Plan.of(toy.DOMAIN, DataSpec("files"), network=toy.NETWORK, changes=settings)


def test_the_events_come_in_the_order_of_the_training():
    kinds = [type(event) for event in fit(plan(), toy.data())]
    epoch = [Step, Step, Step, EpochEnded, Step]  # 60 examples in batches of 16; an epoch ends before its last Step
    assert kinds == [Begun, Remark, *epoch, *epoch, Finished]  # the validation split is small


def test_fit_writes_and_prints_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    list(fit(plan(), toy.data()))
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr() == ("", "")


def test_steps_are_numbered_over_the_whole_training():
    steps = [event for event in fit(plan(), toy.data()) if isinstance(event, Step)]
    assert [step.number for step in steps] == list(range(1, 9))
    assert all(step.epoch_steps == 4 and step.epochs == 2 for step in steps)


def test_the_selection_holds_the_kept_weights():
    *_, finished = fit(plan(), toy.data())
    training = finished.training
    assert finished.complete and training.selection.epoch in (1, 2)
    assert training.selection.weights.keys() == training.trainer.network.state_dict().keys()


def test_a_training_that_is_stopped_ends_after_the_step():
    events = []
    for event in fit(plan(), toy.data()):
        events.append(event)
        if isinstance(event, Step) and event.number == 3:
            events[0].training.stop()
    assert isinstance(events[-1], Finished) and not events[-1].complete and events[-1].training.trainer.number == 3


def test_a_stream_that_is_left_closes_its_threads():
    data = toy.data()
    stream = fit(plan(), replace(data, train=toy.lazy(data.train)))
    begun = next(stream)
    while not isinstance(next(stream), Step):
        pass
    stream.close()
    assert begun.training.trainer.prefetcher.pool._shutdown


def test_remarks_of_the_data_are_events():
    data = replace(toy.data(), remarks=["2 labels have one example"])
    assert Remark("2 labels have one example") in list(fit(plan(), data))


def test_a_small_validation_split_is_a_remark():
    texts = [event.text for event in fit(plan(), toy.data()) if isinstance(event, Remark)]
    assert texts == [
        "15 validation examples are too few to choose an epoch by: an accuracy of 90% has a standard error of 8 "
        "percentage points; raise --valid-share, or keep the last epoch with --valid-share 0"
    ]
    assert small_validation(0, True) == [] == small_validation(100, True)
    assert small_validation(1, False) == [
        "1 validation example is too few to choose an epoch by; raise --valid-share, or keep the last epoch with "
        "--valid-share 0"
    ]


def test_a_network_that_does_not_fit_is_a_problem_before_the_first_event():
    wrong = replace(plan(), network="conv(4, 12), flatten, dense(classes)")
    with pytest.raises(Problem, match="its window is 12 high"):
        next(fit(wrong, toy.data()))


def test_resuming_initialises_nothing(monkeypatch):
    *_, finished = fit(plan(), toy.data())
    trainer = finished.training.trainer
    state = fitting.State(trainer.tensors(), trainer.to_dict(), finished.training.selection, 1.0)
    monkeypatch.setattr(fitting, "initialise", None)  # calling it would raise
    begun = next(fit(plan(epochs=3), toy.data(), state=state))
    assert begun.training.trainer.number == 8 and begun.training.seconds == 1.0


# --- listeners -------------------------------------------------------------------------------------------------------


def test_every_listener_gets_every_event_and_what_others_return():
    first, second = [], []

    def answering(event):
        first.append(event)
        return [Saved("here")] if isinstance(event, Begun) else None

    run(fit(plan(), toy.data()), [answering, second.append])
    assert Saved("here") in second and len(first) == len(second)


def test_the_run_folder_is_a_listener_and_reports_its_files(tmp_path):
    events, folder = [], RunFolder(tmp_path / "run")
    train(plan(), folder, [events.append], World(), torch.device("cpu"))
    assert [event.path for event in events if isinstance(event, Saved)] == [str(tmp_path / "run/state.safetensors")]
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[0].keys() == {"epoch", "loss", "accuracy", "valid_loss", "valid_accuracy", "lr", "seconds"}
    assert epochs_trained(tmp_path / "run") == 2 and epochs_trained(tmp_path) == 0


def test_a_folder_in_use_is_a_problem_before_the_first_step(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("mine")
    events = []
    with pytest.raises(Problem, match="exists and is not empty"):
        train(plan(), RunFolder(tmp_path / "run"), [events.append], World(), torch.device("cpu"))
    assert events == []
    train(plan(), RunFolder(tmp_path / "run", force=True), [], World(), torch.device("cpu"))
    assert (tmp_path / "run/mine.txt").read_text() == "mine"


def test_a_resumed_run_keeps_the_epoch_that_was_best_before(tmp_path):
    def stop(event):
        if isinstance(event, Step) and event.number == 6:
            folder.training.stop()

    folder = RunFolder(tmp_path / "run")
    train(plan(), folder, [stop], World(), torch.device("cpu"))
    state = load_state(tmp_path / "run", plan(), toy.data())
    assert state.selection.epoch == 1 and len(state.selection.losses) == 15
    assert all(
        torch.equal(value, state.selection.weights[name]) for name, value in folder.training.selection.weights.items()
    )
    again = resume(RunFolder(tmp_path / "run", resumed=True), toy.DOMAIN, {}, [], World())
    assert again.training.trainer.number == 8


def test_a_callback_that_returns_true_stops_the_training(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    events = []

    def callback(event):
        return isinstance(event, EpochEnded) and event.epoch.epoch == 2

    model = neocog.train(
        "vision", str(pictures(tmp_path / "files")), network=SMALL["vision"], out=str(tmp_path / "run"), epochs=5,
        batch=8, device="cpu", callback=callback, listeners=[events.append],
    )  # fmt: skip
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["epochs"] == 2 and len(model.labels) == 3
    assert isinstance(events[-1], Finished | Saved)


def test_a_callback_that_stops_before_the_first_epoch_ends_leaves_a_run_to_resume(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    files, out = str(pictures(tmp_path / "files")), str(tmp_path / "run")
    with pytest.raises(Problem, match="stopped before the first epoch ended; resume with: neocog resume"):
        neocog.train("vision", files, network=SMALL["vision"], out=out, batch=8, callback=lambda event: True)
    run = RunFolder(out, resumed=True)
    resume(run, neocog.domain("vision"), {"epochs": 1}, [], World())
    assert run.training.selection.epoch == 1


def test_tensorboard_gets_the_metrics_of_each_epoch(tmp_path):
    pytest.importorskip("tensorboard")
    from neocog.core.tensorboard import TensorBoard
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = RunFolder(tmp_path / "run")
    train(plan(), folder, [TensorBoard(folder)], World(), torch.device("cpu"))
    scalars = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    losses = [scalar.value for scalar in scalars.Scalars("loss/validation")]
    assert losses == pytest.approx([epoch.valid["loss"] for epoch in folder.training.trainer.history])


def test_mlflow_gets_settings_and_the_metrics_of_each_epoch(tmp_path):
    """Read by MLflow's own client; a training that is stopped is one that was killed."""
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient
    from neocog.core.mlflow import EXPERIMENT, MLflow

    folder, store = RunFolder(tmp_path / "run"), str(tmp_path / "mlruns")
    train(plan(), folder, [MLflow(folder, store)], World(), torch.device("cpu"))
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (logged,) = client.search_runs([experiment.experiment_id])
    assert (logged.info.run_name, logged.info.status) == ("run", "FINISHED")
    assert logged.data.params["lr"] == str(folder.training.plan.settings.lr)
    assert logged.data.params["network"] == str(folder.training.network)
    losses = [metric.value for metric in client.get_metric_history(logged.info.run_id, "valid_loss")]
    assert losses == pytest.approx([epoch.valid["loss"] for epoch in folder.training.trainer.history])

    stopped = RunFolder(tmp_path / "stopped")
    train(
        plan(), stopped, [MLflow(stopped, store), lambda event: stopped.training.stop()], World(), torch.device("cpu")
    )
    states = {run.info.run_name: run.info.status for run in client.search_runs([experiment.experiment_id])}
    assert states == {"run": "FINISHED", "stopped": "KILLED"}


def test_a_store_that_cannot_be_used_is_a_problem(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from neocog.core.mlflow import MLflow

    (tmp_path / "file").write_text("no folder")
    for store in (str(tmp_path / "file"), "gopher://there"):
        with pytest.raises(Problem, match=r"--mlflow .* cannot be used: .*; expected a folder or a URI"):
            MLflow(RunFolder(tmp_path / "run"), store)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(Problem, match=r"--mlflow needs a package: pip install 'neocog\[mlflow\]'"):
        MLflow(RunFolder(tmp_path / "run"), "mlruns")


def test_without_the_package_tensorboard_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    from neocog.core.tensorboard import TensorBoard

    with pytest.raises(Problem, match=r"--tensorboard needs a package: pip install 'neocog\[tensorboard\]'"):
        TensorBoard(RunFolder(Path(tmp_path)))
