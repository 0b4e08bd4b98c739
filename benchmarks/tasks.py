"""Tasks on real data beside linear peers on TF-IDF: python benchmarks/tasks.py SET FOLDER [--seeds N …] [--out FILE]

reuters     train.csv, test.csv: several topics of a document
go_emotions train.tsv, test.tsv, labels.txt: several emotions of a comment
emobank     emobank.csv: valence, arousal and dominance of a sentence, one model of three numbers and three models

The peer is logistic regression for each label, or ridge regression, over TF-IDF 1- to 2-grams; its thresholds and
penalty come from the same validation examples as ours. Prints a line of JSON for each model.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neocog
import numpy as np
from neocog.core.data import DataSpec
from neocog.core.targets import TargetSpec
from neocog.core.tasks import Multilabel, Regress, Task

EMOTIONS = ("V", "A", "D")


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = cpu_seconds()
    result = work()
    return result, round(cpu_seconds() - start, 1)


def text_vectors(train: list[str], others: list[list[str]]) -> list[Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    return [vectorizer.fit_transform(train), *(vectorizer.transform(texts) for texts in others)]


def peer_multilabel(texts: dict[str, list[str]], targets: dict[str, Any], task: Task) -> tuple[Any, Any]:
    """Probabilities on validation and test by logistic regression for each label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    train, valid, test = text_vectors(texts["train"], [texts["valid"], texts["test"]])
    model = OneVsRestClassifier(LogisticRegression(C=4.0, max_iter=300, solver="liblinear"))
    model.fit(train, targets["train"])
    return model.predict_proba(valid), model.predict_proba(test)


def peer_regress(texts: dict[str, list[str]], targets: dict[str, Any], task: Task) -> tuple[Any, Any]:
    """Predictions on validation and test by ridge regression, its penalty chosen on validation."""
    from sklearn.linear_model import Ridge

    assert isinstance(task, Regress)
    train, valid, test = text_vectors(texts["train"], [texts["valid"], texts["test"]])
    models = [Ridge(alpha=alpha).fit(train, targets["train"]) for alpha in (0.3, 1.0, 3.0, 10.0)]
    best = min(models, key=lambda model: float(np.abs(model.predict(valid) - targets["valid"]).mean()))
    return task.in_units(best.predict(valid)), task.in_units(best.predict(test))


def summary(task: Task, metrics: dict[str, Any]) -> dict[str, Any]:
    if isinstance(task, Multilabel):
        common = metrics["common_threshold"]
        return {
            "labels": len(task.labels),
            **{name: metrics[name] for name in ("macro_f1", "macro_f1_interval", "micro_f1", "micro_f1_interval")},
            "mean_average_precision": metrics["mean_average_precision"],
            "one_threshold": {name: common[name] for name in ("macro_f1", "micro_f1")},
            # As scikit-learn counts: 0 for a label that is neither there nor predicted.
            "macro_f1_with_zeros": sum(row["f1"] or 0.0 for row in metrics["classes"]) / len(task.labels),
        }
    return {
        value["name"]: {"r": value["pearson"], "mae": value["mae"], "coverage": value["coverage"]}
        for value in metrics["values"]
    }


def measure(
    name: str, source: DataSpec, targets: TargetSpec, seed: int, with_peer: bool, vectors: str | None, **settings: Any
) -> list[dict[str, Any]]:
    """Trains our default recipe and its peer on one split, chosen by the seed."""
    from neocog.core import device as devices
    from neocog.core import run as runs
    from neocog.core.finalize import finalize
    from neocog.core.plan import Plan

    spec = DataSpec(
        source.data,
        test=source.test,
        unknown=source.unknown,
        valid_share=source.valid_share,
        split=seed,
        targets=targets,
        options={} if vectors is None else {"vectors": vectors},
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = runs.RunFolder(Path(folder) / "run")

        def ours() -> dict[str, Any]:
            plan = Plan.of(neocog.domain("text"), spec, changes={"seed": seed, "device": "cpu", **settings})
            runs.train(plan, run, [], devices.World(), devices.choose("cpu"))
            return finalize(run)

        metrics, seconds = timed(ours)
        model = neocog.load(str(run.folder), "cpu")
        rows.append(
            {
                "set": name,
                "model": f"swift, {vectors}" if vectors else "swift",
                "seed": seed,
                "cpu_seconds": seconds,
                **summary(model.task, metrics),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        data = model.load(spec)
    if with_peer:
        texts = {split: [str(text) for text in examples.originals] for split, examples in data.splits.items()}
        arrays = {split: examples.targets.numpy() for split, examples in data.splits.items()}
        peer = peer_multilabel if isinstance(model.task, Multilabel) else peer_regress
        (valid, test), seconds = timed(lambda: peer(texts, arrays, model.task))
        task = model.task.calibrated(valid, arrays["valid"])
        metrics = task.metrics(test, arrays["test"])
        rows.append(
            {"set": name, "model": peer.__name__, "seed": seed, "cpu_seconds": seconds, **summary(task, metrics)}
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=("reuters", "go_emotions", "emobank"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--no-singles", action="store_true", help="of emobank, only the model of three numbers")
    parser.add_argument("--vectors", help="word vectors, such as glove-50d")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], help="NAME=VALUE of training")
    arguments = parser.parse_args()
    settings = {name: json.loads(value) for name, value in (text.split("=") for text in arguments.settings)}
    folder, with_peer = arguments.folder, not arguments.no_peer
    for seed in arguments.seeds:
        if arguments.set == "reuters":
            source = DataSpec(str(folder / "train.csv"), test=str(folder / "test.csv"), unknown="skip")
            targets = TargetSpec("multilabel", ("topics",), " ")
            measure("reuters", source, targets, seed, with_peer, arguments.vectors, **settings)
        elif arguments.set == "go_emotions":
            names = tuple((folder / "labels.txt").read_text().split())
            source = DataSpec(str(folder / "train.tsv"), test=str(folder / "test.tsv"), valid_share=0.1)
            targets = TargetSpec("multilabel", ("2",), ",", names)
            measure("go_emotions", source, targets, seed, with_peer, arguments.vectors, **settings)
        else:
            source = DataSpec(str(folder / "emobank.csv"))
            measure("emobank", source, TargetSpec("regress", EMOTIONS), seed, with_peer, arguments.vectors, **settings)
            for column in () if arguments.no_singles else EMOTIONS:
                single = TargetSpec("regress", (column,))
                measure(f"emobank {column}", source, single, seed, False, arguments.vectors, **settings)


if __name__ == "__main__":
    main()
