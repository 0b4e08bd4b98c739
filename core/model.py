"""A trained network with all that it needs to answer: its card, its frontend, its labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import checkpoint, feed
from . import device as devices
from .checkpoint import Card
from .data import SPLIT_FIELDS, Data, DataSpec, Examples, concatenate
from .domain import Domain
from .inputs import BytesInput, FileInput, Input, TextInput
from .metrics import Floats, classification_metrics
from .network import Network, parse
from .problem import DATA, FAILED, USAGE, Problem
from .stream import LineInputs
from .tasks.capability import DomainMetrics, LegalLabels
from .tta import TestTimeAugmentation, View
from .windows import Windowed, Windows

TOGETHER = 100  # windows of files that are answered at once; a file that has more is answered by itself
LINES = 500  # where inputs are lines, which are short
SMALL = 64  # maps that all views together may have, to be answered as one batch: beyond, it saves no time
NEVER = -1e4  # the score of what cannot be: its probability is 0 in float32, and no sum becomes infinite

Possible = Callable[[torch.Tensor], torch.Tensor] | None


class Laid(nn.Module):
    """What passes through, in the memory format that the network behind it is fast in."""

    def __init__(self, layout: torch.memory_format) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=self.layout)


class InferenceModule(nn.Module):
    """Compact inputs, as `read` gives them, to scores: the mean over several views, of what is possible at all."""

    def __init__(self, frontend: nn.Module, network: nn.Module, views: Sequence[View], possible: Possible) -> None:
        super().__init__()
        self.frontend, self.network, self.views, self.possible = frontend, network, tuple(views), possible

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.allowed(self.of_maps(self.frontend(x)), x)

    def allowed(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Scores of inputs without those of what cannot be."""
        return scores if self.possible is None else scores.masked_fill(~self.possible(x), NEVER)

    def of_maps(self, maps: torch.Tensor) -> torch.Tensor:
        """What the frontend makes of inputs, to scores: the mean over the views."""
        seen = [view.see(maps) for view in self.views]
        if len(maps) * len(seen) <= SMALL:
            answers = self.network(torch.cat(seen)).chunk(len(seen))
        else:
            answers = [self.network(each) for each in seen]
        return torch.stack([view.back(each) for view, each in zip(self.views, answers, strict=True)]).mean(0)


class Model:
    """What `neocog.load` gives. Answers are computed in float32 on every device."""

    def __init__(
        self,
        domain: Domain,
        card: Card,
        weights: dict[str, torch.Tensor],
        device: str = "auto",
        symmetries: int | None = None,
    ) -> None:
        self.domain, self.card = domain, card
        self.device = devices.choose(device)
        devices.keep_memory(self.device)
        self.network = Network(card.input, parse(card.network))
        layers = self.network.module()
        put(layers, weights)
        layout = devices.memory_format(layers, self.device)
        self.frontend, self.words = domain.frontend(card.preprocessing), devices.lay_out(layers, layout)
        network, seen = nn.Sequential(Laid(layout), self.words), views(domain, card, symmetries)
        legal = domain.capability(LegalLabels)
        possible = legal.mask(card.labels) if legal else None
        self.module = InferenceModule(self.frontend, network, seen, possible).eval().to(self.device)

    @property
    def labels(self) -> list[str]:
        return self.card.labels

    @property
    def division(self) -> dict[str, Any]:
        """How the data of its training were divided, as Source takes it: they are divided so again."""
        return {name: self.card.data[name] for name in SPLIT_FIELDS if name in self.card.data}

    @property
    def right_context(self) -> int | None:
        return self.network.right_context

    def inference(self) -> AbstractContextManager[Any]:
        self.module.eval()
        return torch.inference_mode()

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.module(inputs)  # type: ignore[no-any-return]

    @property
    def together(self) -> int:
        """How many windows are answered at once."""
        return LINES if self.domain.capability(LineInputs) else TOGETHER

    def predict(
        self, inputs: Sequence[Input | str | Path | bytes], top: int = 5, **options: Any
    ) -> list[dict[str, Any]]:
        """The likeliest labels of each input: {"input", "predictions": [{"label", "probability"}, …]}.

        An input is a path or a file's bytes. One that cannot be read gives {"input", "problem"} in its place. One that
        is longer than an example is answered in overlapping windows: its probabilities are the mean over them, and
        `"windows": [{"start", "end", "label", "probability"}, …]` says what each of them was taken for. Where the
        domain has a timeline, a short one has its single window too. `reading` says what of a file is meant, where
        the domain knows such names (Domain.reading).
        """
        told: list[dict[str, Any]] = []
        waiting: list[tuple[dict[str, Any], Windows]] = []
        count = 0  # of the windows that wait
        for each in inputs:
            value = self.as_input(each, options)
            answer: dict[str, Any] = {"input": value.name}
            told.append(answer)
            try:
                windows = self.windows(value)
            except Problem as problem:
                answer["problem"] = str(problem)
                continue
            if waiting and count + len(windows.inputs) > self.together:
                self._answer(waiting, top)
                waiting, count = [], 0
            waiting.append((answer, windows))
            count += len(windows.inputs)
        if waiting:
            self._answer(waiting, top)
        return told

    def _answer(self, waiting: Sequence[tuple[dict[str, Any], Windows]], top: int) -> None:
        """Puts into each answer what the network says of its windows."""
        read = [windows for _, windows in waiting]
        whole = read[0].inputs if len(read) == 1 else torch.cat([windows.inputs[:] for windows in read])
        lengths = [windows.lengths for windows in read if windows.lengths is not None]
        examples = Windows(whole, (), torch.cat(lengths) if lengths else None).examples()
        counts = [len(windows.inputs) for windows in read]
        rows = torch.from_numpy(feed.predict_proba(self, examples, self.together))
        means = rows if len(rows) == len(read) else torch.stack([own.mean(0) for own in rows.split(counts)])
        best = iter(self._likeliest(rows, 1))
        windowed = self.domain.capability(Windowed)
        for (answer, windows), own in zip(waiting, self._likeliest(means, top), strict=True):
            answer["predictions"] = own
            told_of = [{"start": start, "end": end, **next(best)[0]} for start, end in windows.spans]
            if len(told_of) > 1 or (windowed and windowed.timeline):
                answer["windows"] = told_of

    def as_input(self, value: Input | str | Path | bytes, options: Mapping[str, Any]) -> Input:
        """A path, the content of a file or, where the domain takes texts, a text, with its options."""
        if isinstance(value, bytes):
            return BytesInput(value, options=options)
        if isinstance(value, Input):
            return replace(value, options={**value.options, **options})
        is_text = isinstance(value, str) and self.domain.capability(LineInputs) and not is_file(value)
        return TextInput(str(value), options=options) if is_text else FileInput(str(value), options=options)

    def windows(self, value: Input) -> Windows:
        """One input as the windows that are predicted, mostly a single one."""
        if windowed := self.domain.capability(Windowed):
            return windowed.read(value, self.card.preprocessing)
        return Windows(self.domain.read(value, self.card.preprocessing)[None], [(0, 0)])

    def _likeliest(self, probabilities: torch.Tensor, top: int) -> list[list[dict[str, Any]]]:
        """The likeliest labels of each row of (N, K)."""
        best = probabilities.topk(min(top, len(self.labels)))
        return [
            [{"label": self.labels[k], "probability": p} for p, k in zip(values, places, strict=True)]
            for values, places in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def evaluate(self, data: str | Data, part: str | None = None) -> dict[str, Any]:
        """Every score of core/score.py on `data`: its test part where it has one, else all of it (or `part`)."""
        examples, named = self.examples(data, part)
        return self.scored(feed.predict_proba(self, examples), examples) | {"scored_on": named}

    def scored(self, probabilities: Floats, examples: Examples) -> dict[str, Any]:
        """Every score of such answers to the examples: those of all domains, and its own domain's."""
        targets = examples.targets.numpy()
        extra = self.domain.capability(DomainMetrics)
        return classification_metrics(probabilities, targets, self.labels) | (
            extra.compute(probabilities, targets, examples.names) if extra else {}
        )

    def examples(self, data: str | Data, part: str | None = None) -> tuple[Examples, str]:
        """The examples to be judged by, and what they are called."""
        if isinstance(data, str):
            source = DataSpec(data, **self.division)
            data = self.domain.load(source, self.labels, self.card.preprocessing)
        trained_on_it = data.fingerprint() == self.card.data.get("fingerprint")
        part = part or ("test" if "test" in data.given or trained_on_it else "all")
        chosen = [each for name, each in data.parts.items() if part in (name, "all") and len(each)]
        if not chosen:
            found = ", ".join(f"{count} {name}" for name, count in data.counts.items())
            raise Problem(f"there are no {part} examples in it: found {found}; name another part with --part", DATA)
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
    return augmentation.views(card.settings.get("augment", "none")) if augmentation else (View(),)


def views(domain: Domain, card: Card, symmetries: int | None) -> Sequence[View]:
    """The ways to see an input over which answers are averaged. Raises Problem where there are not so many."""
    all_of_them = views_of(domain, card)
    if symmetries is not None and not 1 <= symmetries <= len(all_of_them):
        raise Problem(
            f"--symmetries is from 1 to {len(all_of_them)} for this model, the ways to turn, mirror or move an input "
            f"that its training showed; got {symmetries}",
            USAGE,
        )
    return all_of_them[:symmetries] if symmetries else [view for view in all_of_them if view.default]


def put(network: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise Problem(f"the weights do not belong to the network on the card: {first}", FAILED) from None


def load(path: Path, domain: Domain, device: str = "auto", symmetries: int | None = None) -> Model:
    """The model in a file whose card names `domain`."""
    return Model(domain, checkpoint.card(path), checkpoint.read_tensors(path), device, symmetries)
