"""Parity: how far the predictions of an exported file are from those of the model itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Data, DataSpec, Examples
from ..model import Model
from ..network import Network
from ..problem import DATA, FAILED, Problem
from .capability import Exportable
from .program import free_axes
from .runtime import Run

TOLERANCE = 1e-4  # of a probability, or relative to a number larger than 1
EXAMPLES = 1000  # of the user's data that are compared
BATCH = 100  # of them at a time


@dataclass(frozen=True)
class Comparison:
    """Predictions of a file and of the model for the same inputs."""

    inputs: str  # "random", or the path of the user's data
    shape: tuple[int, ...]  # of the largest batch
    examples: int
    difference: float  # the largest |a − b| / max(1, |b|) of a number a of the file and b of the model
    equal_labels: int  # how many examples have the same labels

    @property
    def within_tolerance(self) -> bool:
        return self.difference <= TOLERANCE  # False for NaN

    def __add__(self, other: Comparison) -> Comparison:
        """Both together. NaN stays NaN."""
        worse = self if not self.difference <= other.difference else other
        shape = max(self.shape, other.shape)
        equal_labels = self.equal_labels + other.equal_labels
        return Comparison(self.inputs, shape, self.examples + other.examples, worse.difference, equal_labels)

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "shape": list(self.shape)}


def compare(model: Model, run: Run, inputs: Tensor, source: str) -> Comparison:
    """Compares the predictions for one batch."""
    with model.inference():
        expected = model.task.exported_link(model.logits(inputs.to(model.device)).float()).cpu()
    predictions = run(inputs)
    if predictions.shape != expected.shape:
        raise Problem(f"the exported file gives {tuple(predictions.shape)} for {tuple(inputs.shape)}", FAILED)
    difference = model.task.export_differences(predictions, expected).max()
    rows = [model.task.rows(model.task.from_exported(outputs), 1) for outputs in (predictions, expected)]
    pairs = zip(*rows, strict=True)
    equal_labels = sum(list(texts(row)) == list(texts(expected_row)) for row, expected_row in pairs)
    return Comparison(source, tuple(inputs.shape), len(inputs), float(difference), equal_labels)


def texts(value: Any) -> Iterator[str]:
    """All texts in a row of predictions: its labels."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from texts(entry)
    elif isinstance(value, Sequence):
        for entry in value:
            yield from texts(entry)


# --- random inputs ---------------------------------------------------------------------------------------------------


def random_batches(model: Model, seed: int = 0) -> Iterator[Tensor]:
    """Random inputs in batches of 1, 5 and, of two other lengths or sizes, of 3: none is the example of the export."""
    exportable = model.domain.require(Exportable, "export")
    rng = torch.Generator().manual_seed(seed)
    shape = exportable.shape(model.card.preprocessing)
    for batch, size in ((1, shape), (5, shape), *((3, size) for size in other_shapes(model, shape))):
        yield exportable.random(model.card.preprocessing, (batch, *size), rng)


def other_shapes(model: Model, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Two other lengths or sizes of an input, about 3/4 and 3/2, of those that are free and that the network takes."""
    axes = [axis for axis in free_axes(model) if axis]

    def scaled(numerator: int, denominator: int) -> tuple[int, ...]:
        sizes = list(shape)
        for axis in axes:  # height and width differ
            sizes[axis - 1] = sizes[axis - 1] * numerator // denominator + axis % 2
        return tuple(sizes)

    shapes = [scaled(3, 4), scaled(3, 2)] if axes else []
    return [size for size in shapes if size != shape and takes(model, size)]


def takes(model: Model, shape: tuple[int, ...]) -> bool:
    """Whether inputs of a shape are large enough for the frontend and the network."""
    exportable = model.domain.require(Exportable, "export")
    inputs = exportable.random(model.card.preprocessing, (1, *shape), torch.Generator())
    try:
        channels, height, width = model.module.frontend(inputs.to(model.device)).shape[1:]
        return Network((channels, height, width), model.network.layers).output == model.network.output
    except (Problem, RuntimeError):
        return False


# --- the user's data -------------------------------------------------------------------------------------------------


def data_batches(model: Model, path: str) -> Iterator[Tensor]:
    """Batches of up to EXAMPLES of the user's examples: data as for `evaluate`, or files as for `predict`.

    Raises Problem if there are neither.
    """
    try:
        data = model.load(DataSpec(path, unknown="skip", **model.split_options))
    except Problem as problem:
        yield from file_batches(model, path, problem)
    else:
        yield from example_batches(model, data)


def example_batches(model: Model, data: Data) -> Iterator[Tensor]:
    """Examples of all splits, evenly spaced; those of a free length are cut after the longest of a batch."""
    total = max(1, sum(data.counts.values()))
    has_free_length = len(free_axes(model)) > 1
    for examples in data.splits.values():
        if not len(examples):
            continue
        chosen = examples.subsample(max(1, EXAMPLES * len(examples) // total)) if total > EXAMPLES else examples
        chosen = chosen.with_right_context(model.right_context if has_free_length else None)
        yield from batches(chosen)


def batches(examples: Examples, size: int = BATCH) -> Iterator[Tensor]:
    """The inputs of examples in order."""
    for indices in torch.arange(len(examples)).split(size):
        yield examples[indices][0].cpu()


def file_batches(model: Model, path: str, reason: Problem) -> Iterator[Tensor]:
    """Files as `predict` reads them, without those that cannot be read; `reason` is raised if there are none."""
    count, inputs = 0, model.domain.expand_paths([path])[:EXAMPLES]
    for start in range(0, len(inputs), BATCH):
        windows = []
        for value in inputs[start : start + BATCH]:
            try:
                windows.append(model.windows(value).inputs[:])
            except Problem:
                continue
        count += len(windows)
        if windows:
            yield torch.cat(windows)
    if not count:
        raise Problem(f"--parity {path} holds no examples: {reason}", DATA)


# --- all of it -------------------------------------------------------------------------------------------------------


def check(
    model: Model,
    run: Run,
    path: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int | None], object] | None = None,
) -> list[Comparison]:
    """Compares predictions for random inputs and, with a path, for the user's data.

    Raises Problem if a difference exceeds the tolerance.
    """
    comparisons = [compare(model, run, inputs, "random") for inputs in random_batches(model, seed)]
    total: Comparison | None = None
    for inputs in data_batches(model, path) if path else ():
        comparison = compare(model, run, inputs, str(path))
        total = comparison if total is None else total + comparison
        if progress:
            progress(total.examples, None)
    comparisons += [total] if total else []
    for comparison in comparisons:
        if not comparison.within_tolerance:
            raise Problem(
                f"the exported file differs from the model by {comparison.difference:.2g} on {comparison.inputs} "
                f"inputs of shape {'×'.join(map(str, comparison.shape))}; at most {TOLERANCE:g} is accepted, so "
                "nothing is written",
                FAILED,
            )
    return comparisons
