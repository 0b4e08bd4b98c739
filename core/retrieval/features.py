"""Features: what a layer of a trained network gives for an input, as one vector in float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .. import feed
from ..data import Examples, Progress
from ..explain.places import Place, layer, places
from ..inputs import Input
from ..layers.whole import Dense
from ..layers.windows import Filters
from ..network import Network
from ..problem import DATA, FAILED, USAGE, Problem
from ..windows import merged

if TYPE_CHECKING:
    from ..model import Model

POOLS = ("mean", "max", "flatten")
BLOCK = 4096  # examples whose features are in memory together


class FeatureLayer(NamedTuple):
    """The layer whose numbers are the features: its output, or its input if `before`."""

    place: Place
    before: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.place.row.input if self.before else self.place.row.output

    @property
    def name(self) -> str:
        return f"the input of {self.place.name}" if self.before else f"the output of {self.place.name}"


def default_layer(network: Network) -> FeatureLayer:
    """What stands before the last dense layer; in a network without any, before the last layer with filters.

    Raises Problem if the network has neither.
    """
    candidates = places(network)
    for kinds in (Dense, Filters):
        if matches := [place for place in candidates if isinstance(place.row.layer, kinds)]:
            return FeatureLayer(matches[-1], before=True)
    raise Problem(
        f"the network has no dense layer and no convolution that features stand before: it is {network}; "
        "name a layer with --layer, by its number in neocog describe",
        USAGE,
    )


class FeatureExtractor:
    """Computes features with a model, in evaluation mode and in float32 on every device.

    `layer` is a number of `neocog describe`, whose output is taken; by default what stands before the last dense layer.
    Maps (C, H, W) become C numbers by their mean or maximum over all positions, or are flattened. Features are averaged
    over the first `symmetries` views of test-time augmentation; 1 takes the input as it is.
    """

    def __init__(self, model: Model, layer_text: str | None = None, symmetries: int = 1, pool: str = "mean") -> None:
        from ..model import views

        if pool not in POOLS:
            raise Problem(f"--pool is one of {', '.join(POOLS)}; got {pool}", USAGE)
        self.model, self.pool = model, pool
        self.device, self.task = model.device, model.task  # of the protocol feed.Predictor, as those below
        network = model.network
        self.layer = default_layer(network) if layer_text is None else FeatureLayer(layer(network, layer_text))
        self.views = tuple(views(model.domain, model.card, symmetries))
        if len(self.views) > 1 and pool == "flatten" and len(self.layer.shape) > 1:
            raise Problem(
                "flattened maps of several views cannot be averaged: their positions differ; leave out --symmetries, "
                "or take --pool mean",
                USAGE,
            )
        model.check_weights()

    @property
    def size(self) -> int:
        """The length of a vector."""
        return self.layer.shape[0] if len(self.layer.shape) > 1 and self.pool != "flatten" else prod(self.layer.shape)

    @property
    def settings(self) -> dict[str, Any]:
        """What two vectors must have in common to be compared, as JSON."""
        return {
            "model": self.model.fingerprint,
            "layer": self.layer.place.number,
            "before": self.layer.before,
            "pool": self.pool,
            "symmetries": len(self.views),
        }

    @property
    def right_context(self) -> int | None:
        """The padding behind the longest input of a batch; None keeps all: a mean over positions depends on it."""
        return self.model.right_context if len(self.layer.shape) == 1 else None

    def inference(self) -> Any:
        return self.model.inference()

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, …) compact inputs on the device -> (B, size) features."""
        maps = self.model.frontend(inputs).float()
        features = torch.stack([self._pooled(self._values(view.transform(maps))) for view in self.views]).mean(0)
        if not bool(torch.isfinite(features).all()):
            raise Problem(f"{self.layer.name} is not finite for an input: the network overflows on it", FAILED)
        return features

    def _values(self, maps: Tensor) -> Tensor:
        """The numbers of the layer for maps (B, C, H, W); layers behind it are not computed."""
        layers = list(self.model.words.children())
        maps = maps.contiguous(memory_format=self.model.layout)
        place, before = self.layer
        is_top_level = place.number == str(place.top_level)
        if is_top_level:
            for module in layers[: place.top_level + (not before)]:
                maps = module(maps)
            return maps
        values: list[Tensor] = []
        module = place.module(self.model.words)
        if before:
            hook = module.register_forward_pre_hook(lambda _, inputs: values.append(inputs[0]))
        else:
            hook = module.register_forward_hook(lambda _, inputs, output: values.append(output))
        try:
            for child in layers[: place.top_level + 1]:
                maps = child(maps)
        finally:
            hook.remove()
        return values[0]

    def _pooled(self, values: Tensor) -> Tensor:
        values = values.float()
        if values.ndim == 2 or self.pool == "flatten":
            return values.flatten(1)
        return values.flatten(2).mean(2) if self.pool == "mean" else values.flatten(2).amax(2)

    # --- many inputs

    def blocks(self, examples: Examples, progress: Progress | None = None) -> Iterator[Tensor]:
        """The features of examples in their order, (up to BLOCK, size) at a time, on the CPU."""
        for start in range(0, len(examples), BLOCK):
            indices = torch.arange(start, min(start + BLOCK, len(examples)))
            with full_precision(self.device), self.inference():
                yield feed.map_batches(self, examples.subset(indices), lambda x, _: self.logits(x)).clone()
            if progress:
                progress(int(indices[-1]) + 1, len(examples))

    def of_examples(self, examples: Examples, progress: Progress | None = None) -> Tensor:
        """(N, size) features of examples."""
        return torch.cat([torch.empty(0, self.size), *self.blocks(examples, progress)])

    def of_inputs(self, inputs: Iterable[Input]) -> Iterator[tuple[Input, Tensor | Problem]]:
        """The features of inputs, in their order; the Problem of one that cannot be read.

        The features of an input that is longer than an example are the mean over its windows.
        """
        for batch in self.model.batches(inputs):
            readable = [windows for _, windows in batch if not isinstance(windows, Problem)]
            features: Iterator[Tensor] = iter(())
            if readable:
                examples = merged(readable).examples()
                with full_precision(self.device), self.inference():
                    rows = feed.map_batches(self, examples, lambda x, _: self.logits(x), self.model.batch_size).clone()
                features = iter([block.mean(0) for block in rows.split([len(item.inputs) for item in readable])])
            for value, windows in batch:
                yield value, windows if isinstance(windows, Problem) else next(features)


def features_of(
    model: Model, inputs: Any, layer_text: str | None, symmetries: int, pool: str, options: dict[str, Any]
) -> Tensor:
    """(N, size) features of data, of examples, or of inputs as `Model.predict` takes them. Raises Problem for an input
    that cannot be read."""
    from .collection import blocks, load

    extractor = FeatureExtractor(model, layer_text, symmetries, pool)
    if isinstance(inputs, Examples):
        return extractor.of_examples(inputs)
    if isinstance(inputs, str):
        from ..data import DataSpec

        source = load(model, DataSpec(inputs, **model.split_options))
        return torch.cat([torch.empty(0, extractor.size), *(block.features for block in blocks(extractor, source))])
    return torch.stack(list(_readable(extractor, model, inputs, options))) if inputs else torch.empty(0, extractor.size)


def _readable(extractor: FeatureExtractor, model: Model, inputs: Sequence[Any], options: Any) -> Iterator[Tensor]:
    for value, row in extractor.of_inputs(model.as_input(value, options) for value in inputs):
        if isinstance(row, Problem):
            raise Problem(f"{value.name}: {row}" if value.name not in str(row) else str(row), DATA)
        yield row


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """In this context products have full float32 precision: no autocast, no TF32, so that devices agree to 1e-4."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
