"""A trained model: its card, frontend, network and task; predictions and metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from . import checkpoint, feed, schema
from . import device as devices
from .checkpoint import Card
from .data import SPLIT_FIELDS, Data, DataSpec, Examples, concatenate
from .domain import Domain
from .file_formats import looks_like_a_file
from .folded import Fold, with_fold
from .frame import Framed
from .inputs import BytesInput, FileInput, Input, LineInputs, TextInput
from .metrics import Floats
from .network import Network, parse
from .places import Placed
from .problem import DATA, USAGE, Problem, shortened, unusable
from .targets import TargetSpec
from .tasks import TASKS, task_of
from .tasks.capability import DomainMetrics, LegalLabels
from .tta import TestTimeAugmentation, View
from .windows import Windowed, Windows, merged

WINDOWS_AT_ONCE = 100  # of files; a file with more is predicted by itself
LINES_AT_ONCE = 500  # lines of text are short
SMALL = 64  # maps of all views together that go through the network as one batch; more gain nothing
NEVER = -1e4  # the logit of an impossible label: its probability is 0 in float32, and no sum is infinite

Mask = Callable[[torch.Tensor], torch.Tensor] | None


class Laid(nn.Module):
    """Converts its input to the memory format in which the network is fast."""

    def __init__(self, layout: torch.memory_format) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=self.layout)


class InferenceModule(nn.Module):
    """Compact inputs, as `read` gives them, to logits: the mean over several views, of the labels that are possible."""

    def __init__(self, frontend: nn.Module, network: nn.Module, views: Sequence[View], mask: Mask) -> None:
        super().__init__()
        self.frontend, self.network, self.views, self.mask = frontend, network, tuple(views), mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.masked(self.of_maps(self.frontend(x)), x)

    def masked(self, logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Logits of inputs, those of impossible labels at NEVER."""
        return logits if self.mask is None else logits.masked_fill(~self.mask(x), NEVER)

    def of_maps(self, maps: torch.Tensor) -> torch.Tensor:
        """The frontend's maps (B, C, H, W) to logits (B, K): the mean over the views."""
        inputs = [view.transform(maps) for view in self.views]
        if len(maps) * len(inputs) <= SMALL:
            outputs = self.network(torch.cat(inputs)).chunk(len(inputs))
        else:
            outputs = [self.network(view) for view in inputs]
        return torch.stack([view.inverse(logits) for view, logits in zip(self.views, outputs, strict=True)]).mean(0)


class Model:
    """A trained network with all that it needs to predict. Predictions are computed in float32 on every device."""

    def __init__(
        self,
        domain: Domain,
        card: Card,
        weights: dict[str, torch.Tensor],
        device: str = "auto",
        symmetries: int | None = None,
    ) -> None:
        self.domain, self.card = domain, card
        self.task = task_of(card.task, card.labels, card.task_state)
        self.device = devices.choose(device)
        devices.keep_memory(self.device)
        self.network = card_network(card)
        require_numbers(self.network, weights)
        check_preprocessing(domain, card)
        layers = self.network.module()
        put(layers, weights)
        self.layout = devices.memory_format(layers, self.device)
        self.frontend, self.words = domain.frontend(card.preprocessing), devices.lay_out(layers, self.layout)
        network = nn.Sequential(Laid(self.layout), self.words)
        legal = domain.capability(LegalLabels) if self.task.uses_domain_labels else None
        mask = legal.mask(card.labels) if legal else None
        self.module = InferenceModule(self.frontend, network, views(domain, card, symmetries), mask)
        self.module.eval().to(self.device)
        self._checked = False  # whether the weights are known to be finite

    @property
    def labels(self) -> list[str]:
        return self.task.labels

    @property
    def split_options(self) -> dict[str, Any]:
        """How the data of its training were split, and where their targets are, as DataSpec takes it."""
        return {name: self.card.data[name] for name in SPLIT_FIELDS if name in self.card.data}

    @property
    def targets(self) -> TargetSpec:
        """Where the targets of its training were found: those of other data are read so too."""
        try:
            return replace(schema.read(TargetSpec, self.card.data.get("targets", {})), task=self.task.name)
        except schema.Mismatch as error:
            raise Problem(f"the targets on the model's card cannot be used: {error}", DATA) from None

    @property
    def right_context(self) -> int | None:
        return self.network.right_context

    def replace_network(self, network: nn.Module) -> None:
        """Replaces the layers by a module that computes logits of the same labels from the frontend's maps."""
        self.words = network.eval()
        self.module.network = nn.Sequential(Laid(self.layout), self.words)

    def inference(self) -> AbstractContextManager[Any]:
        self.module.eval()
        return torch.inference_mode()

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """(B, …) compact inputs on the device -> (B, K)."""
        return self.module(inputs)  # type: ignore[no-any-return]

    @property
    def batch_size(self) -> int:
        """How many windows are predicted at once."""
        return LINES_AT_ONCE if self.domain.capability(LineInputs) else WINDOWS_AT_ONCE

    def check_weights(self) -> None:
        """Raises Problem if weights are not finite; looks at them once."""
        if not self._checked:
            check_weights(self.words)
            self._checked = True

    # --- predict

    def predict(
        self, inputs: Sequence[Input | str | Path | bytes], top: int = 5, **options: Any
    ) -> list[dict[str, Any]]:
        """The prediction for each input: {"input", and the row of the task, such as "predictions"}.

        An input is a path, the content of a file as bytes, a text where the domain takes texts, or an Input. One that
        cannot be read gives {"input", "problem"}. One that is longer than an example is predicted in overlapping
        windows: its prediction is the mean over them, and `"windows": [{"start", "end", …}, …]` holds each. `options`
        say what of an input is meant, such as `move` of a game record (InputOptions). Raises Problem if the weights are
        not finite.
        """
        self.check_weights()
        rows: list[dict[str, Any]] = []
        for batch in self.batches(map(partial(self.as_input, options=options), inputs)):
            waiting: list[tuple[dict[str, Any], Windows]] = []
            for value, windows in batch:
                row: dict[str, Any] = {"input": value.name}
                rows.append(row)
                if isinstance(windows, Problem):
                    row["problem"] = str(windows)
                else:
                    waiting.append((row, windows))
            if waiting:
                self.fill(waiting, top)
        return rows

    def batches(self, inputs: Iterable[Input]) -> Iterator[list[tuple[Input, Windows | Problem]]]:
        """Inputs with their windows, as many together as are computed at once; unreadable ones with their Problem."""
        batch: list[tuple[Input, Windows | Problem]] = []
        count = 0  # of the windows in the batch
        for index, value in enumerate(inputs):
            if batch and index % self.batch_size == 0:  # where a shard may begin (core/shard.py)
                yield batch
                batch, count = [], 0
            windows: Windows | Problem
            try:
                windows = self.windows(value)
            except Problem as problem:
                windows = problem
            size = 0 if isinstance(windows, Problem) else len(windows.inputs)
            if count and count + size > self.batch_size:
                yield batch
                batch, count = [], 0
            batch.append((value, windows))
            count += size
        if batch:
            yield batch

    def fill(self, waiting: Sequence[tuple[dict[str, Any], Windows]], top: int) -> None:
        """Predicts the windows of several inputs at once and adds the predictions to their rows."""
        if self.task.has_maps:
            for row, windows in waiting:
                self._fill_placed(row, windows)
            return
        inputs = [windows for _, windows in waiting]
        examples = merged(inputs).examples()
        predictions = torch.from_numpy(feed.predict_proba(self, examples, self.batch_size))
        windowed = self.domain.capability(Windowed)
        counts = [len(windows.inputs) for windows in inputs]
        blocks = predictions.split(counts)
        means = (
            predictions
            if len(predictions) == len(blocks)
            else torch.stack([self.task.over_windows(block) for block in blocks])
        )
        for (row, windows), entries, block in zip(waiting, self.task.rows(means, top), blocks, strict=True):
            if not bool(torch.isfinite(block).all()):
                row["problem"] = "the prediction is not a finite number: the network overflows on this input"
                continue
            row |= entries if windows.frame is None else self.task.placed(entries, windows.frame)
            if len(block) > 1 or (windowed and windowed.timeline):
                spans = zip(windows.spans, self.task.window_rows(block), strict=True)
                row["windows"] = [{"start": start, "end": end, **window} for (start, end), window in spans]

    def _fill_placed(self, row: dict[str, Any], windows: Windows) -> None:
        """Adds a prediction that lies in the input, such as a mask of its size."""
        assert windows.layout is not None, "the domain says where its windows lie"

        def maps(indices: slice) -> torch.Tensor:
            with self.inference():
                return self.task.link(self.logits(windows.inputs[indices].to(self.device)).float()).cpu()

        try:
            row |= self.task.placed_row(maps, windows.layout)
        except FloatingPointError:
            row["problem"] = "the prediction is not a finite number: the network overflows on this input"

    def as_input(self, value: Input | str | Path | bytes, options: Mapping[str, Any]) -> Input:
        """A path, the content of a file or, where the domain takes texts, a text, with its options."""
        if isinstance(value, bytes):
            return BytesInput(value, options=options)
        if isinstance(value, Input):
            return replace(value, options={**value.options, **options})
        takes_texts = self.domain.capability(LineInputs) is not None
        is_text = takes_texts and isinstance(value, str) and not is_file(value) and not looks_like_a_file(value)
        return TextInput(str(value), options=options) if is_text else FileInput(str(value), options=options)

    def windows(self, value: Input) -> Windows:
        """One input as the windows that are predicted, mostly a single one."""
        if self.task.has_maps:
            inputs, layout = self.domain.require(Placed, self.task.name).read(value, self.card.preprocessing)
            return Windows(inputs, [(0, 0)] * len(inputs), layout=layout)
        if windowed := self.domain.capability(Windowed):
            return windowed.read(value, self.card.preprocessing)
        framed = self.domain.capability(Framed) if self.task.has_places else None
        frame = framed.frame(value, self.card.preprocessing) if framed else None
        return Windows(self.domain.read(value, self.card.preprocessing)[None], [(0, 0)], frame=frame)

    # --- features

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that features depend on: the network, its weights and the preprocessing of inputs."""
        fingerprint = blake2b(digest_size=16)
        card = self.card
        texts = [card.domain, card.network, json.dumps([card.input, card.preprocessing], sort_keys=True)]
        fingerprint.update("\0".join(texts).encode(errors="surrogateescape"))
        for name, value in sorted(self.words.state_dict().items()):
            fingerprint.update(name.encode())
            fingerprint.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return fingerprint.hexdigest()

    def features(
        self,
        inputs: Sequence[Input | str | Path | bytes] | str | Examples,
        layer: str | None = None,
        symmetries: int = 1,
        pool: str = "mean",
        **options: Any,
    ) -> NDArray[np.float32]:
        """The features of inputs, a float32 vector each: (N, D).

        `inputs` are inputs as `predict` takes them, the path of data as `evaluate` takes it, or Examples. `layer` is
        the number of a layer in `neocog describe`, whose output is taken; by default the input of the last dense layer.
        Maps become a number for each channel, the "mean" or "max" of all positions, or "flatten" keeps all numbers.
        `symmetries` is the number of views of each input that are averaged. Features are computed in evaluation mode
        and full float32 precision on every device. Raises Problem for an input that cannot be read.
        """
        from .retrieval.features import features_of

        features: NDArray[np.float32] = features_of(self, inputs, layer, symmetries, pool, options).numpy()
        return features

    # --- evaluate

    def load(self, source: DataSpec) -> Data:
        """Data prepared as in training, with targets as the task takes them; its own data with its own fold."""
        source = replace(source, targets=replace(source.targets.over(self.targets), task=self.task.name))
        data = self.domain.load(source, self.task.known_labels, self.card.preprocessing)
        if fold := self.card.data.get("fold"):
            of_fold = self.task.encode(with_fold(data, Fold.parse(str(fold)), source))
            if of_fold.fingerprint() == self.card.data.get("fingerprint"):
                return of_fold
        return self.task.encode(data)

    def evaluate(self, data: str | Data, part: str | None = None) -> dict[str, Any]:
        """All metrics of the task on `data`: on its test split if it has one, else on all of it (or on `part`)."""
        self.check_weights()
        examples, split = self.examples(data, part)
        return self.metrics(feed.measure(self, examples), examples) | {"scored_on": split}

    def metrics(self, predictions: Floats, examples: Examples) -> dict[str, Any]:
        """All metrics of predictions for the examples: those of the task, and those of the domain."""
        targets = examples.targets.numpy()
        extra = self.domain.capability(DomainMetrics) if self.task.uses_domain_labels else None
        metrics = {"task": self.task.name, **self.task.metrics(predictions, targets)}
        return metrics | (extra.compute(predictions, targets, examples.names) if extra else {})

    def examples(self, data: str | Data, part: str | None = None) -> tuple[Examples, str]:
        """The examples to evaluate on, and the name of their split. `data` is a path or what `load` gave."""
        if isinstance(data, str):
            data = self.load(DataSpec(data, **self.split_options))
        is_training_data = data.fingerprint() == self.card.data.get("fingerprint")
        part = part or ("test" if "test" in data.given_splits or is_training_data else "all")
        chosen = [split for name, split in data.splits.items() if part in (name, "all") and len(split)]
        if not chosen:
            counts = ", ".join(f"{count} {name}" for name, count in data.counts.items())
            raise Problem(f"there are no {part} examples: found {counts}; name another split with --part", DATA)
        return concatenate(chosen), part


def is_file(text: str) -> bool:
    """Whether a text is the path of a file; a text with a null character cannot be one."""
    try:
        return os.path.isfile(text)
    except ValueError:
        return False


def views_of(domain: Domain, card: Card) -> Sequence[View]:
    """All views of an input that the model's training showed alike, the identity first."""
    augmentation = domain.capability(TestTimeAugmentation)
    kind = TASKS.get(card.task)
    if augmentation is None or (kind is not None and kind.has_places and not kind.has_maps):
        return (View(),)  # places would have to be moved back
    has_maps = kind is not None and kind.has_maps
    with unusable("the augmentation on the model's card"):
        return (augmentation.placed if has_maps else augmentation.views)(card.settings.get("augment", "none"))


def views(domain: Domain, card: Card, symmetries: int | None) -> Sequence[View]:
    """The views for test-time augmentation. Raises Problem for more than the model's training showed."""
    known = views_of(domain, card)
    if symmetries is not None and not 1 <= symmetries <= len(known):
        raise Problem(
            f"--symmetries is from 1 to {len(known)} for this model, the ways to turn, mirror or move an input "
            f"that its training showed; got {symmetries}",
            USAGE,
        )
    return known[:symmetries] if symmetries else [view for view in known if view.default]


def check_weights(module: nn.Module, advice: str = "train it again") -> None:
    """Raises Problem if weights are not finite: no prediction and no map of such a network means anything."""
    for name, weight in module.state_dict().items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            message = f"the network's weights are damaged: {weight_title(name)} holds numbers that are not finite"
            raise Problem(f"{message}; {advice}", DATA)


def weight_title(name: str) -> str:
    """A name of torch as a reader of `describe` knows it: `3.weight` as the weight of layer 3."""
    *path, kind = name.split(".")
    number = ".".join(part for part in path if part.isdecimal())
    return f"the {shortened(kind)} of layer {number}" if number else f"the entry {shortened(name)}"


def card_network(card: Card) -> Network:
    """The network on a card. Raises Problem with the code of an unusable file."""
    try:
        network = Network(card.input, parse(card.network))
        task_of(card.task, card.labels, card.task_state).check_network(network)
    except Problem as problem:
        raise Problem(f"the network on the model's card cannot be built: {problem}", DATA) from None
    return network


def check_preprocessing(domain: Domain, card: Card) -> None:
    """Raises Problem if the card lacks what the frontend and `read` need, or has another input than they give."""
    capability = domain.capability(schema.PreprocessingSchema)
    if capability is None:
        return
    try:
        schema.check(capability.entries, card.preprocessing)
    except schema.Mismatch as error:
        raise Problem(f"the preprocessing on the model's card cannot be used: {error}", DATA) from None
    if (maps := capability.maps(card.preprocessing)) != card.input:
        raise Problem(
            f"the input on the model's card is {sides(card.input)}, but its preprocessing gives {sides(maps)}; "
            "the file was not written by neocog or is damaged",
            DATA,
        )


def require_numbers(network: Network, weights: dict[str, torch.Tensor]) -> None:
    """Raises Problem if the weights have fewer numbers than the network, before memory is allocated for it."""
    available = sum(weight.numel() for weight in weights.values())
    if network.numbers > available:
        raise Problem(
            f"the weights do not belong to the network on the card: it has {network.numbers:,} numbers, they have "
            f"{available:,}",
            DATA,
        )


def put(network: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copies weights into a network. Raises Problem, naming one that is missing, left over or of another shape."""
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name not in weights:
            raise _misfit(f"{weight_title(name)} is missing")
        if (shape := weights[name].shape) != tensor.shape:
            raise _misfit(f"{weight_title(name)} is {sides(tensor.shape)} numbers, the file has {sides(shape)}")
    for name in weights:
        if name not in expected:
            raise _misfit(f"the file has {weight_title(name)}, which the network does not have")
    network.load_state_dict(weights)


def _misfit(reason: str) -> Problem:
    return Problem(f"the weights do not belong to the network on the card: {reason}", DATA)


def sides(shape: Sequence[int]) -> str:
    """(3, 32, 32) as 3×32×32."""
    return "×".join(map(str, shape)) or "1"


def load(path: Path, domain: Domain, device: str = "auto", symmetries: int | None = None) -> Model:
    """The model in a file whose card names `domain`."""
    return Model(domain, checkpoint.card(path), checkpoint.read_tensors(path), device, symmetries)
