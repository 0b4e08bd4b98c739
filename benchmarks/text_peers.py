"""Accuracy of Neocog, fastText and scikit-learn on the same training and test texts.

    pip install fasttext-wheel
    python benchmarks/text_peers.py DATA... --out RUNS.jsonl [--models linear fastText swift swift+glove-50d]
        [--seeds 0 1 2 3 4] [--epochs 25]
    python benchmarks/text_peers.py --table RUNS.jsonl

The first command appends a line for each run, the second prints the table: mean and standard deviation, CPU seconds,
and the margin of each of Neocog's recipes over the better of the peers on the same split, with its 95% interval (t over
the splits; where the data set has a test split, over its examples, as seeds then change only the training).

The splits are Neocog's: 10% of the texts, another division for each seed, or the data set's own test split. Everything
else is training data. For the peers texts are lower-case words joined by blanks. fastText: the best of three settings
(bigrams with lr 0.5 and 1.0; trigrams with subwords of 3 to 5 characters), selected on the test split, in its favour.
scikit-learn ("linear"): the better on the test split of a linear SVM (C = 1) on TF-IDF of 1- and 2-grams with
logarithmic counts, and multinomial naive Bayes. swift+glove-50d is `--recipe swift --vectors glove-50d`.

CPU seconds: of Neocog those of loading, training and evaluation, of the peers those of training all settings.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine
from neocog import domain, load
from neocog.core.data import Data, DataSpec, Examples
from neocog.core.device import World
from neocog.core.feed import predict_proba
from neocog.core.plan import Plan
from neocog.core.run import RunFolder, train
from neocog.text.build import text_of
from neocog.text.options import Reading
from neocog.text.sources import open_sources
from neocog.text.tokens import tokenize
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

FASTTEXT = (
    {"wordNgrams": 2, "lr": 0.5},
    {"wordNgrams": 2, "lr": 1.0},
    {"wordNgrams": 3, "lr": 0.5, "minn": 3, "maxn": 5},
)
PEERS, OURS = ("linear", "fastText"), ("swift", "swift+glove-50d")
Texts = tuple[list[str], list[int]]
Correct = NDArray[np.bool_]  # for each test text, whether it was predicted as its label


def texts_by_name(data: str) -> dict[str, str]:
    """Returns every text of a data set by its name, as lower-case words joined by blanks."""
    text_of_name = {}
    for source, _ in open_sources(DataSpec(data), Reading()):
        samples = source.scan(None).samples
        for index, content in source.contents(samples):
            text, _ = text_of(content)
            text_of_name[source.display_name(samples[index].name)] = " ".join(tokenize(text, "words", True))
    return text_of_name


def texts(parts: list[Examples], text_of_name: dict[str, str]) -> Texts:
    """Returns the texts and targets of splits."""
    names = [name for part in parts for name in part.names]
    return [text_of_name[name] for name in names], [int(y) for part in parts for y in part.targets]


def fasttext(train: Texts, test: Texts, epochs: int, settings: dict[str, float]) -> Correct:
    """The test texts that a fastText model with these settings gets right."""
    import fasttext

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        lines = [f"__label__{y} {text}\n" for text, y in zip(*train, strict=True)]
        random.Random(0).shuffle(lines)  # fastText trains in the order of the file
        file.writelines(lines)
        file.flush()
        model = fasttext.train_supervised(
            file.name, thread=1, verbose=0, dim=100, bucket=2_000_000, epoch=epochs, **settings
        )
    predictions, _ = model.predict(test[0])
    return np.array([prediction[0] == f"__label__{y}" for prediction, y in zip(predictions, test[1], strict=True)])


def linear(train: Texts, test: Texts) -> list[Correct]:
    """The test texts that an SVM on TF-IDF and naive Bayes on counts get right."""
    results = []
    for vectors, model in (
        (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+"), LinearSVC()),
        (CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\S+"), MultinomialNB()),
    ):
        model.fit(vectors.fit_transform(train[0]), train[1])
        results.append(model.predict(vectors.transform(test[0])) == np.array(test[1]))
    return results


def peer(name: str, data: Data, text_of_name: dict[str, str], epochs: int) -> Correct:
    """The test texts that the better model of a peer gets right."""
    train, test = texts([data.train, data.valid], text_of_name), texts([data.test], text_of_name)
    results = (
        linear(train, test) if name == "linear" else [fasttext(train, test, epochs, setting) for setting in FASTTEXT]
    )
    return max(results, key=lambda correct: correct.mean())


def neocog(name: str, data: str, seed: int) -> Correct:
    """The test texts that a recipe of Neocog gets right."""
    recipe, _, vectors = name.partition("+")
    options = {"vectors": vectors} if vectors else {}
    source = DataSpec(data, test_share=0.1, split=seed, valid_share=0, options=options)
    plan = Plan.of(domain("text"), source, recipe, changes={"seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        run_folder = RunFolder(f"{folder}/run")
        train(plan, run_folder, [], World(), torch.device("cpu"))
        test = run_folder.training.data.test
        probabilities = predict_proba(load(f"{folder}/run", "cpu"), test)
    return probabilities.argmax(1) == test.targets.numpy()


def runs(data: str, options: argparse.Namespace) -> None:
    """Appends a line for each run on a data set to the file `out`."""
    text_of_name = texts_by_name(data) if set(options.models) & set(PEERS) else {}
    for index, seed in enumerate(options.seeds):
        loaded = domain("text").load(DataSpec(data, test_share=0.1, split=seed), None, None)
        is_given = "test" in loaded.given_splits
        for name in options.models:
            if name in PEERS and is_given and index:
                continue  # the splits are the same for all seeds
            begin = time.process_time()
            correct = peer(name, loaded, text_of_name, options.epochs) if name in PEERS else neocog(name, data, seed)
            run = {
                "data": os.path.basename(data), "model": name, "seed": seed, "given_test": is_given,
                "accuracy": round(float(correct.mean()), 5), "seconds": round(time.process_time() - begin, 1),
                "correct": "".join("01"[int(value)] for value in correct),
            }  # fmt: skip
            with open(options.out, "a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")


# --- the table -------------------------------------------------------------------------------------------------------

Run = dict[str, Any]


def table(lines: list[Run]) -> str:
    """A row for each data set: accuracy of each model, CPU seconds, and margins over the better peer."""
    rows, margins = [], {name: [] for name in OURS}
    for data in dict.fromkeys(run["data"] for run in lines):
        cells = [data]
        for name in (*PEERS, *OURS):
            chosen = [run for run in lines if run["data"] == data and run["model"] == name]
            cells.append(summary(chosen))
        for name in OURS:
            mean, half = margin([run for run in lines if run["data"] == data], name)
            margins[name].append(mean)
            cells.append(f"{100 * mean:+.2f} ± {100 * half:.2f}")
        rows.append(" | ".join(cells))
    head = " | ".join(["set", *PEERS, *OURS, *(f"margin of {name}" for name in OURS)])
    means = ", ".join(f"{name} {100 * statistics.fmean(values):+.2f}" for name, values in margins.items())
    return "\n".join([head, *rows, f"mean margin: {means}"])


def summary(chosen: list[Run]) -> str:
    """Mean ± standard deviation in per cent, and mean CPU seconds."""
    if not chosen:
        return "–"
    scores = [100 * run["accuracy"] for run in chosen]
    spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
    seconds = statistics.fmean(run["seconds"] for run in chosen)
    return f"{statistics.fmean(scores):.2f}{spread} (n = {len(scores)}), {seconds:.0f} s"


def margin(lines: list[Run], name: str) -> tuple[float, float]:
    """The mean margin of a model over the better peer of the same split, and half of its 95% interval."""
    by_model = {model: {run["seed"]: run for run in lines if run["model"] == model} for model in (*PEERS, name)}
    differences = []  # a row of test texts for each seed
    for seed, run in by_model[name].items():
        same_test = [by_model[peer].values() if run["given_test"] else [by_model[peer].get(seed)] for peer in PEERS]
        peers = [peer_run for peer_runs in same_test for peer_run in peer_runs if peer_run]
        if peers:
            best = max(peers, key=lambda peer_run: peer_run["accuracy"])
            differences.append(bits(run["correct"]) - bits(best["correct"]))
    if not differences:
        return float("nan"), float("nan")
    if run["given_test"]:
        by_text = np.mean(differences, 0)
        return float(by_text.mean()), 1.96 * float(by_text.std(ddof=1)) / len(by_text) ** 0.5
    means = [float(difference.mean()) for difference in differences]
    if len(means) == 1:
        return means[0], float("nan")
    half = student.ppf(0.975, len(means) - 1) * statistics.stdev(means) / len(means) ** 0.5
    return statistics.fmean(means), float(half)


def bits(text: str) -> NDArray[np.float64]:
    return np.frombuffer(text.encode(), np.uint8) - 48.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--models", nargs="+", choices=[*PEERS, *OURS], default=[*PEERS, *OURS])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--epochs", type=int, default=25, help="of fastText; 5 are enough for 25,000 long texts")
    parser.add_argument("--out", default="text_peers.jsonl")
    parser.add_argument("--table", help="the file of runs to summarise")
    options = parser.parse_args()
    for data in options.data:
        runs(data, options)
    lines = Path(options.table or options.out).read_text(encoding="utf-8").splitlines()
    print(table([json.loads(line) for line in lines]))
    print(machine())


if __name__ == "__main__":
    main()
