"""What fastText and scikit-learn reach on the same training and test texts as `benchmarks/text_accuracy.py`.

    pip install fasttext-wheel
    python benchmarks/text_peers.py DATA... [--peers linear fastText] [--seeds 3] [--epochs 25]

The texts are those of neocog's own division, as words in lower case joined by blanks; the validation part is added to
training.
fastText: the best of three settings (bigrams with lr 0.5 and 1.0; trigrams with sub-words of 3 to 5 letters), chosen on
the test part, which flatters it; each is told on stderr. TF-IDF: runs of 1 and 2 words, logarithmic counts, a linear
support vector machine with C = 1, and multinomial naive Bayes on counts; the better of the two.
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


def written(data: str) -> dict[str, str]:
    """Every text of a set by its name, as its words in lower case."""
    texts = {}
    for source, _ in open_sources(DataSpec(data), Reading()):
        samples = source.scan(None).samples
        for index, content in source.contents(samples):
            text, _ = text_of(content)
            texts[source.display_name(samples[index].name)] = " ".join(tokenize(text, "words", True))
    return texts


def texts(parts: list[Examples], told: dict[str, str]) -> Texts:
    """The texts of some examples with their targets."""
    names = [name for part in parts for name in part.names]
    return [told[name] for name in names], [int(y) for part in parts for y in part.targets]


def fast(train: Texts, test: Texts, epochs: int, settings: dict[str, float]) -> tuple[float, float]:
    """Accuracy and CPU seconds of one fastText setting; its answers are not counted."""
    import fasttext

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        lines = [f"__label__{y} {text}\n" for text, y in zip(*train, strict=True)]
        random.Random(0).shuffle(lines)  # fastText takes them in their order, and one label after the other is no set
        file.writelines(lines)
        file.flush()
        begin = time.process_time()
        model = fasttext.train_supervised(
            file.name, thread=1, verbose=0, dim=100, bucket=2_000_000, epoch=epochs, **settings
        )
    spent = time.process_time() - begin
    answers, _ = model.predict(test[0])
    right = sum(answer[0] == f"__label__{y}" for answer, y in zip(answers, test[1], strict=True))
    return right / len(test[1]), spent


def best_fast(train: Texts, test: Texts, epochs: int) -> tuple[float, float]:
    found = []
    for settings in FASTTEXT:
        found.append(fast(train, test, epochs, settings))
        print(f"  {settings}: {100 * found[-1][0]:.2f}, {found[-1][1]:.1f} CPU s", file=sys.stderr, flush=True)
    return max(found)


def linear(train: Texts, test: Texts, epochs: int) -> tuple[float, float]:
    """The better of a support vector machine on TF-IDF and naive Bayes on counts, and the CPU seconds of both."""
    begin, best = time.process_time(), 0.0
    for vectors, model in (
        (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+"), LinearSVC()),
        (CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\S+"), MultinomialNB()),
    ):
        model.fit(vectors.fit_transform(train[0]), train[1])
        best = max(best, float(model.score(vectors.transform(test[0]), test[1])))
    return best, time.process_time() - begin


PEERS = {"linear": linear, "fastText": best_fast}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--peers", nargs="+", choices=["linear", "fastText"], default=["linear", "fastText"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=25, help="of fastText; 5 are enough for 25,000 long texts")
    options = parser.parse_args()
    for data in options.data:
        own = written(data)
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(options.seeds):
            loaded = domain("text").load(DataSpec(data, test_share=0.1, split=seed), None, None)
            train = texts([loaded.train, loaded.valid], own)
            test = texts([loaded.test], own)
            for peer in options.peers:
                found.setdefault(peer, []).append(PEERS[peer](train, test, options.epochs))
            if "test" in loaded.given:
                break  # the same division again: nothing of this is random but fastText's beginning
        for name, each in found.items():
            scores, spent = zip(*each, strict=True)
            spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
            told = f"{100 * statistics.mean(scores):.2f} ± {100 * spread:.2f} (n = {len(scores)})"
            print(f"{os.path.basename(data)} {name}: {told}, {statistics.mean(spent):.1f} CPU s", flush=True)
    print(machine())


if __name__ == "__main__":
    main()
