"""What fastText and scikit-learn reach on the same training and test texts as `benchmarks/text_accuracy.py`.

    pip install fasttext-wheel
    python benchmarks/text_peers.py DATA... [--seeds 3]

The texts are those of neocog's own division, as tokens joined by blanks; the validation part is added to training.
fastText: the best of three settings (bigrams with lr 0.5 and 1.0 for 25 epochs; trigrams with sub-words of 3 to 5
letters for 25 epochs), chosen on the test part, which flatters it. TF-IDF: runs of 1 and 2 words, logarithmic counts,
a linear support vector machine with C = 1, and multinomial naive Bayes on counts; the better of the two.
"""

import argparse
import os
import statistics
import tempfile
import time

import fasttext
from machine import machine
from neocog import domain
from neocog.core.domain import Examples, Source
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

FASTTEXT = (
    {"wordNgrams": 2, "lr": 0.5, "epoch": 25},
    {"wordNgrams": 2, "lr": 1.0, "epoch": 25},
    {"wordNgrams": 3, "lr": 0.5, "epoch": 25, "minn": 3, "maxn": 5},
)
Texts = tuple[list[str], list[int]]


def texts(parts: list[Examples], vocabulary: list[str]) -> Texts:
    """The texts of some examples with their targets; words that training has not seen are one word."""
    told, targets = [], []
    for part in parts:
        for row, target in zip(part.inputs[:, 0, 0].tolist(), part.targets.tolist(), strict=True):
            told.append(" ".join("unseen" if at == 1 else vocabulary[at - 2] for at in row if at))
            targets.append(target)
    return told, targets


def fast(train: Texts, test: Texts, settings: dict[str, float]) -> tuple[float, float]:
    """Accuracy and CPU seconds of one fastText setting."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"__label__{y} {text}\n" for text, y in zip(*train, strict=True))
        file.flush()
        begin = time.process_time()
        model = fasttext.train_supervised(file.name, thread=1, verbose=0, dim=100, bucket=2_000_000, **settings)
    spent = time.process_time() - begin
    answers, _ = model.predict(test[0])
    right = sum(answer[0] == f"__label__{y}" for answer, y in zip(answers, test[1], strict=True))
    return right / len(test[1]), spent


def linear(train: Texts, test: Texts) -> tuple[float, float]:
    """The better of a support vector machine on TF-IDF and naive Bayes on counts, and the CPU seconds of both."""
    begin, best = time.process_time(), 0.0
    for vectors, model in (
        (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+"), LinearSVC()),
        (CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\S+"), MultinomialNB()),
    ):
        model.fit(vectors.fit_transform(train[0]), train[1])
        best = max(best, float(model.score(vectors.transform(test[0]), test[1])))
    return best, time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for data in options.data:
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(options.seeds):
            loaded = domain("text").load(Source(data, test_share=0.1, split=seed), None, None)
            train = texts([loaded.train, loaded.valid], loaded.facts["vocabulary"])
            test = texts([loaded.test], loaded.facts["vocabulary"])
            found.setdefault("linear", []).append(linear(train, test))
            each = [fast(train, test, settings) for settings in FASTTEXT]
            found.setdefault("fastText", []).append(max(each))
            if "test" in loaded.given:
                break  # the same division again: nothing of this is random but fastText's beginning
        for name, told in found.items():
            scores, spent = zip(*told, strict=True)
            mean = 100 * statistics.mean(scores)
            print(f"{os.path.basename(data)} {name}: {mean:.2f}, {statistics.mean(spent):.1f} CPU s", flush=True)
    print(machine())


if __name__ == "__main__":
    main()
