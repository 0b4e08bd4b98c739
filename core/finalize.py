"""The end of a run: metrics on examples that it has not seen, its summary, pictures and report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from shlex import quote
from typing import Any

from . import charts, checkpoint, feed, files, report, versions
from . import device as devices
from .data import Examples
from .explain.report_examples import drawn_example, report_examples
from .model import Model
from .presentation import Outline, Outlined, Readable
from .run import RunFolder
from .train import Predictions

MOST_MISTAKES = 24  # in the report
CALIBRATION_EXAMPLES = 10_000  # at most


def finalize(run: RunFolder) -> dict[str, Any]:
    """Measures the kept weights on the test split, or else validation or training, and writes all other files.

    Returns the summary, as summary.json holds it.
    """
    training, path = run.training, run.folder / "model.safetensors"
    weights = checkpoint.read_tensors(path)
    model = Model(training.plan.domain, checkpoint.card(path), weights, str(training.trainer.device))
    calibrate(run, model)
    split = next(name for name in ("test", "valid", "train") if len(training.data.splits[name]))
    examples = training.data.splits[split]
    predictions = feed.measure(model, examples)
    metrics = model.metrics(predictions, examples) | {"scored_on": split}
    summary = summary_of(run, metrics)
    provenance = {name: summary[name] for name in ("seconds", "epochs", "kept_epoch", "device")}
    provenance["data"] = Path(training.plan.source.data).name  # its name, without the user's folders
    brief = model.task.brief(metrics) | {"scored_on": split}
    card = replace(model.card, metrics=brief, training=provenance, task_state=model.task.state())
    checkpoint.save(path, weights, card)
    history = [epoch.to_dict() for epoch in training.trainer.history]
    charts.save_curves(history, model.task.charts, run.folder / "curves.png")
    for name, save in model.task.files(metrics).items():
        save(run.folder / name)
    page = page_of(run, summary, history, mistakes(run, model, predictions, examples))
    looks = report_examples(model, examples, predictions)
    report.write(run.folder / "report.html", page | {"looks": looks}, model.task)
    # The last file: `resume` takes a run that has it for finished, and a kill may come at any moment.
    files.write_text(run.folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return summary


def calibrate(run: RunFolder, model: Model) -> None:
    """Fits what the task takes from validation predictions, such as a temperature; nothing without a split."""
    if len(valid := run.training.data.valid):
        examples = valid.subsample(CALIBRATION_EXAMPLES)
        model.task = model.task.calibrated(feed.measure(model, examples), examples.targets.numpy())
    run.training.remarks += model.task.calibration_remarks


def summary_of(run: RunFolder, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics, and how they were reached."""
    training = run.training
    return {
        "task": training.task.name,
        **metrics,
        "seconds": round(training.seconds, 1),
        "epochs": len(training.trainer.history),
        "kept_epoch": training.selection.to_dict(),
        "parameters": training.network.parameters,
        "network": str(training.network),
        "recipe": training.plan.recipe,
        "counts": training.data.counts,
        "labels": training.task.labels,
        "device": devices.describe(training.trainer.device),
        "versions": versions.versions(),
        "remarks": training.remarks,
        "origins": [origin._asdict() for origin in training.origins],
    }


def mistakes(run: RunFolder, model: Model, predictions: Predictions, examples: Examples) -> list[dict[str, Any]]:
    """The worst predictions with their inputs, for the report."""
    rows = model.task.mistakes(predictions, examples.targets.numpy(), MOST_MISTAKES)
    if model.task.has_maps:
        return [{"name": examples.names[index], **row, **_drawn(model, examples, index)} for index, row in rows]
    return [
        {"name": examples.names[index], **row, **_shown(run, examples, index, row.get("outlines"))}
        for index, row in rows
    ]


def page_of(
    run: RunFolder, summary: dict[str, Any], history: list[dict[str, Any]], mistakes: list[dict[str, Any]]
) -> dict[str, Any]:
    """What report.write needs."""
    training = run.training
    names = ("task", "recipe", "labels", "counts", "device", "versions", "seconds", "scored_on", "remarks", "origins")
    return {name: summary[name] for name in names} | {
        "title": run.folder.name,
        "domain": training.plan.domain.name,
        "network": str(training.network),
        "rows": training.network.to_dict(),
        "settings": asdict(training.plan.settings),
        "data": training.plan.source.data,
        "history": history,
        "kept": kept_epoch(summary),
        "metrics": summary,
        "mistakes": mistakes,
        "bad": [bad._asdict() for bad in training.data.bad],
        "command": f"neocog train --settings {quote(str(run.folder / 'settings.toml'))}",
        "next": run.next_commands(),
    }


def kept_epoch(summary: Mapping[str, Any]) -> str:
    """Which epoch's weights were kept, and why."""
    kept = summary["kept_epoch"]
    if not kept["epoch"]:
        epochs = f"{summary['epochs']} epoch{'s' * (summary['epochs'] > 1)}"
        return f"kept the solved head, better than {epochs} of further layers: {kept['reason']}"
    return f"kept epoch {kept['epoch']} of {summary['epochs']}: {kept['reason']}"


def _shown(run: RunFolder, examples: Examples, index: int, outlines: Sequence[Outline] | None) -> dict[str, Any]:
    """An input as people see it: a text as its author wrote it, other inputs as a picture, with their outlines."""
    domain, preprocessing = run.training.plan.domain, run.training.data.preprocessing
    if outlines is not None and (outlined := domain.capability(Outlined)):
        return {
            "picture": _png(outlined.draw(examples.inputs[index], outlines, run.training.task.labels)),
            "text": None,
        }
    if readable := domain.capability(Readable):
        if examples.originals is None:
            return {"picture": None, "text": readable.to_text(examples.inputs[index], preprocessing)}
        return {"picture": None, "text": readable.marked(examples.originals[index], preprocessing)}
    return {"picture": _png(domain.show(examples.inputs[index], None, preprocessing)), "text": None}


def _drawn(model: Model, examples: Examples, index: int) -> dict[str, Any]:
    """An input with its target and its prediction, which lie in it."""
    return {"picture": _png(drawn_example(model, examples, index)), "text": None}


def _png(picture: Any) -> bytes | None:
    if picture is None:
        return None
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
