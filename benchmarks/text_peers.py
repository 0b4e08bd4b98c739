"""Accuracy of fastText and scikit-learn on the same training and test texts as `benchmarks/text_accuracy.py`.

    pip install fasttext-wheel
    python benchmarks/text_peers.py DATA... [--peers linear fastText] [--seeds 3] [--epochs 25]

The splits are Neocog's; texts are lower-case words joined by blanks; the validation split is added to training.
fastText: the best of three settings (bigrams with lr 0.5 and 1.0; trigrams with subwords of 3 to 5 characters),
selected on the test split, in its favour; all are printed on stderr. scikit-learn: the better of a linear SVM (C = 1)
on TF-IDF of 1- and 2-grams with logarithmic counts, and multinomial naive Bayes.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time

from machine import machine
from neocog import domain
from neocog.core.data import DataSpec, Examples
from neocog.text.build import text_of
from neocog.text.options import Reading
from neocog.text.sources import open_sources
from neocog.text.tokens import tokenize
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

FASTTEXT = (
    {"wordNgrams": 2, "lr": 0.5},
    {"wordNgrams": 2, "lr": 1.0},
    {"wordNgrams": 3, "lr": 0.5, "minn": 3, "maxn": 5},
)
Texts = tuple[list[str], list[int]]


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


def fasttext_accuracy(train: Texts, test: Texts, epochs: int, settings: dict[str, float]) -> tuple[float, float]:
    """Returns accuracy and CPU seconds of one fastText setting, without prediction."""
    import fasttext

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        lines = [f"__label__{y} {text}\n" for text, y in zip(*train, strict=True)]
        random.Random(0).shuffle(lines)  # fastText trains in the order of the file
        file.writelines(lines)
        file.flush()
        begin = time.process_time()
        model = fasttext.train_supervised(
            file.name, thread=1, verbose=0, dim=100, bucket=2_000_000, epoch=epochs, **settings
        )
    seconds = time.process_time() - begin
    predictions, _ = model.predict(test[0])
    correct = sum(prediction[0] == f"__label__{y}" for prediction, y in zip(predictions, test[1], strict=True))
    return correct / len(test[1]), seconds


def best_fasttext(train: Texts, test: Texts, epochs: int) -> tuple[float, float]:
    results = []
    for settings in FASTTEXT:
        results.append(fasttext_accuracy(train, test, epochs, settings))
        print(f"  {settings}: {100 * results[-1][0]:.2f}, {results[-1][1]:.1f} CPU s", file=sys.stderr, flush=True)
    return max(results)


def linear(train: Texts, test: Texts, epochs: int) -> tuple[float, float]:
    """Returns the better accuracy of an SVM on TF-IDF and naive Bayes on counts, and the CPU seconds of both."""
    begin, best = time.process_time(), 0.0
    for vectors, model in (
        (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+"), LinearSVC()),
        (CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\S+"), MultinomialNB()),
    ):
        model.fit(vectors.fit_transform(train[0]), train[1])
        best = max(best, float(model.score(vectors.transform(test[0]), test[1])))
    return best, time.process_time() - begin


PEERS = {"linear": linear, "fastText": best_fasttext}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--peers", nargs="+", choices=["linear", "fastText"], default=["linear", "fastText"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=25, help="of fastText; 5 are enough for 25,000 long texts")
    options = parser.parse_args()
    for data in options.data:
        text_of_name = texts_by_name(data)
        results: dict[str, list[tuple[float, float]]] = {}
        for seed in range(options.seeds):
            loaded = domain("text").load(DataSpec(data, test_share=0.1, split=seed), None, None)
            train = texts([loaded.train, loaded.valid], text_of_name)
            test = texts([loaded.test], text_of_name)
            for peer in options.peers:
                results.setdefault(peer, []).append(PEERS[peer](train, test, options.epochs))
            if "test" in loaded.given_splits:
                break  # the splits are the same for all seeds
        for name, runs in results.items():
            scores, seconds = zip(*runs, strict=True)
            spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
            figures = f"{100 * statistics.mean(scores):.2f} ± {100 * spread:.2f} (n = {len(scores)})"
            print(f"{os.path.basename(data)} {name}: {figures}, {statistics.mean(seconds):.1f} CPU s", flush=True)
    print(machine())


if __name__ == "__main__":
    main()
