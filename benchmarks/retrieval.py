"""Recall of retrieval by features: how often the nearest other picture of a folder per class has the same class.

    python benchmarks/retrieval.py RUN DATA

Prints recall@1 and recall@5 of the features of RUN for every picture of DATA as a query among all the others, those of
raw pixels, and chance, with Wilson's 95% intervals.
"""

import argparse

import torch
from neocog import load
from neocog.core.data import DataSpec, concatenate
from neocog.core.metrics import interval
from neocog.core.retrieval.collection import load as load_collection
from neocog.core.retrieval.features import FeatureExtractor
from neocog.core.retrieval.search import nearest, normalized


def recall(features: torch.Tensor, labels: torch.Tensor, count: int) -> tuple[int, int]:
    """How many rows have a row of their label among the `count` nearest others, and how many rows there are."""
    vectors = normalized(features)
    neighbours = nearest(vectors, vectors, count + 1).indices
    queries = torch.arange(len(labels))[:, None]
    others = torch.stack([row[row != query][:count] for row, query in zip(neighbours, queries, strict=True)])
    return int((labels[others] == labels[queries]).any(1).sum()), len(labels)


def line(title: str, hits: int, queries: int) -> None:
    low, high = interval(hits, queries)
    print(f"{title:32} {hits / queries:7.2%} ({low:.2%} to {high:.2%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--layer")
    parser.add_argument("--symmetries", type=int, default=1)
    arguments = parser.parse_args()
    model = load(arguments.run, "cpu")
    data = load_collection(model, DataSpec(arguments.data))
    examples = concatenate(list(data.splits.values()))
    extractor = FeatureExtractor(model, arguments.layer, arguments.symmetries)
    print(f"{len(examples):,} pictures of {len(data.labels)} classes; {extractor.layer.name}, {extractor.size} numbers")
    features = extractor.of_examples(examples)
    pixels = examples.inputs[:].float().flatten(1)
    for count in (1, 5):
        line(f"features, recall@{count}", *recall(features, examples.targets, count))
        line(f"raw pixels, recall@{count}", *recall(pixels - pixels.mean(), examples.targets, count))
    sizes = torch.bincount(examples.targets).float()
    print(f"{'chance, recall@1':32} {float((sizes * (sizes - 1)).sum() / (sizes.sum() * (sizes.sum() - 1))):7.2%}")


if __name__ == "__main__":
    main()
