"""What a finished run comes to: its scores on examples it has not seen, its summary and its page."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import checkpoint, feed, files, plot, report, versions
from . import device as devices
from .data import Examples
from .explain.report_examples import report_examples
from .metrics import Floats
from .model import Model
from .presentation import Readable
from .run import Run

if TYPE_CHECKING:
    from torch import Tensor

MOST_MISTAKES = 24  # on the page


def finalize(run: Run) -> dict[str, Any]:
    """Score the best weights on the test part (validation or training where there is none) and write the rest."""
    path = run.folder / "model.safetensors"
    weights = checkpoint.read_tensors(path)
    model = Model(run.plan.domain, checkpoint.card(path), weights, str(run.trainer.device))
    part = next(name for name in ("test", "valid", "train") if len(run.data.parts[name]))
    examples = run.data.parts[part]
    probabilities = feed.predict_proba(model, examples)
    told = model.scored(probabilities, examples) | {"scored_on": part}
    brief = {name: told[name] for name in ("accuracy", "interval", "examples", "log_loss", "scored_on")}
    whole = summary(run, told)
    training = {name: whole[name] for name in ("seconds", "epochs", "device")}
    training["data"] = Path(run.plan.source.data).name  # its name, and not where on somebody's disk it lies
    checkpoint.save(path, weights, replace(model.card, metrics=brief, training=training))
    history = [asdict(epoch) for epoch in run.trainer.history]
    files.write_text(run.folder / "summary.json", json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    plot.curves(history, run.folder / "curves.png")
    plot.confusion(told["confusion"], run.data.labels, run.folder / "confusion.png")
    looks = report_examples(model, examples, probabilities)
    wrong = mistakes(run, probabilities, examples)
    report.write(run.folder / "report.html", page(run, whole, history, wrong) | {"looks": looks})
    return whole


def summary(run: Run, told: dict[str, Any]) -> dict[str, Any]:
    """The scores, and what they were reached with."""
    return {
        **told,
        "seconds": round(run.seconds, 1),
        "epochs": len(run.trainer.history),
        "parameters": run.network.parameters,
        "network": str(run.network),
        "recipe": run.plan.recipe,
        "counts": run.data.counts,
        "labels": run.data.labels,
        "device": devices.describe(run.trainer.device),
        "versions": versions.all_of_them(),
        "remarks": run.data.remarks + run.trainer.remarks,
    }


def mistakes(run: Run, probabilities: Floats, examples: Examples) -> list[dict[str, Any]]:
    """The wrong answers that the network was surest of, the surest first."""
    wrong = (probabilities.argmax(1) != examples.targets.numpy()).nonzero()[0]
    labels = run.data.labels
    return [
        {
            "name": examples.names[i],
            "label": labels[int(examples.targets[i])],
            "answer": labels[int(probabilities[i].argmax())],
            "probability": float(probabilities[i].max()),
            **_seen(run, examples.inputs[i]),
        }
        for i in sorted(wrong, key=lambda i: -probabilities[i].max())[:MOST_MISTAKES]
    ]


def page(run: Run, whole: dict[str, Any], history: list[dict[str, Any]], wrong: list[dict[str, Any]]) -> dict[str, Any]:
    """What report.write needs."""
    same = ("recipe", "labels", "counts", "device", "versions", "seconds", "scored_on", "remarks")
    return {name: whole[name] for name in same} | {
        "title": run.folder.name,
        "domain": run.plan.domain.name,
        "network": str(run.network),
        "rows": run.network.to_dict(),
        "settings": asdict(run.plan.settings),
        "data": run.plan.source.data,
        "history": history,
        "scores": whole,
        "mistakes": wrong,
        "bad": [bad._asdict() for bad in run.data.bad],
        "command": f"neocog train --settings {run.folder / 'settings.toml'}",
        "next": run.next_commands(),
    }


def _seen(run: Run, inputs: Tensor) -> dict[str, Any]:
    """An input as people see it: in words where it has some, else as a picture."""
    domain = run.plan.domain
    if readable := domain.capability(Readable):
        return {"picture": None, "text": readable.to_text(inputs, run.data.preprocessing)}
    return {"picture": _png(domain.show(inputs, None, run.data.preprocessing)), "text": None}


def _png(picture: Any) -> bytes | None:
    if picture is None:
        return None
    written = BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()
