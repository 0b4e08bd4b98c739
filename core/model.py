"""A trained network with all that it needs to answer: its card, its frontend, its labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import checkpoint, feed
from . import device as devices
from .checkpoint import Card
from .domain import Data, Domain, Examples, Source, View, Windows, joined
from .network import Network, parse
from .problem import DATA, FAILED, Problem
from .score import scores

TOGETHER = 100  # inputs that are in memory at once while files are predicted


class Laid(nn.Module):
    """What passes through, in the memory format that the network behind it is fast in."""

    def __init__(self, layout: torch.memory_format) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=self.layout)


class Viewed(nn.Module):
    """The mean of a module's scores over several views of its input."""

    def __init__(self, module: nn.Module, views: Sequence[View]) -> None:
        super().__init__()
        self.module, self.views = module, tuple(views)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([view.back(self.module(view.see(x))) for view in self.views]).mean(0)


class Model:
    """What `neocog.load` gives. Answers are computed in float32 on every device."""

    def __init__(self, domain: Domain, card: Card, weights: dict[str, torch.Tensor], device: str = "auto") -> None:
        self.domain, self.card = domain, card
        self.device = devices.choose(device)
        self.network = Network(card.input, parse(card.network))
        layers = self.network.module()
        _put(layers, weights)
        layout = devices.memory_format(layers, self.device)
        parts = (domain.frontend(card.facts), Laid(layout), devices.lay_out(layers, layout))
        seen = domain.views(card.settings.get("augment", "none"))
        # Compact inputs, as `read` gives them, to scores.
        self.module = Viewed(nn.Sequential(*parts), seen).eval().to(self.device)

    @property
    def labels(self) -> list[str]:
        return self.card.labels

    @property
    def division(self) -> dict[str, Any]:
        """How the data of its training were divided, as Source takes it: they are divided so again."""
        return {name: self.card.data[name] for name in ("group_by", "test_share", "split") if name in self.card.data}

    @property
    def margin(self) -> int | None:
        return self.network.margin

    def answering(self) -> AbstractContextManager[Any]:
        self.module.eval()
        return torch.inference_mode()

    def scores(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.module(inputs)  # type: ignore[no-any-return]

    def predict(self, inputs: Sequence[str | Path | bytes], top: int = 5) -> list[dict[str, Any]]:
        """The likeliest labels of each input: {"input", "predictions": [{"label", "probability"}, …]}.

        An input is a path or a file's bytes. One that cannot be read gives {"input", "problem"} in its place. One that
        is longer than an example is answered in overlapping windows: its probabilities are the mean over them, and
        `"windows": [{"start", "end", "label", "probability"}, …]` says what each of them was taken for. Where the
        domain has a timeline, a short one has its single window too.
        """
        told: list[dict[str, Any]] = []
        for start in range(0, len(inputs), TOGETHER):
            told += self._predict(inputs[start : start + TOGETHER], top)
        return told

    def _predict(self, inputs: Sequence[str | Path | bytes], top: int) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        read: list[Windows] = []
        for each in inputs:
            answer: dict[str, Any] = {"input": "-" if isinstance(each, bytes) else str(each)}
            try:
                read.append(self._windows(each if isinstance(each, bytes) else str(each)))
                answer["predictions"] = []
            except Problem as problem:
                answer["problem"] = str(problem)
            told.append(answer)
        if not read:
            return told
        whole = torch.cat([windows.inputs for windows in read])
        lengths = [windows.lengths for windows in read if windows.lengths is not None]
        nothing = torch.zeros(len(whole), dtype=torch.int64)
        examples = Examples(whole, nothing, [""] * len(whole), torch.cat(lengths) if lengths else None)
        counts = [len(windows.inputs) for windows in read]
        rows = torch.from_numpy(feed.answers(self, examples)).split(counts)
        good = (answer for answer in told if "predictions" in answer)
        for answer, windows, own in zip(good, read, rows, strict=True):
            answer["predictions"] = self._likeliest(own.mean(0) if len(own) > 1 else own[0], top)
            if len(own) > 1 or self.domain.timeline is not None:
                answer["windows"] = [
                    {"start": start, "end": end, **self._likeliest(row, 1)[0]}
                    for (start, end), row in zip(windows.spans, own, strict=True)
                ]
        return told

    def _windows(self, source: str | bytes) -> Windows:
        if self.domain.windows is not None:
            return self.domain.windows(source, self.card.facts)
        return Windows(self.domain.read(source, self.card.facts)[None], [(0, 0)])

    def _likeliest(self, probabilities: torch.Tensor, top: int) -> list[dict[str, Any]]:
        best = probabilities.topk(min(top, len(self.labels)))
        return [
            {"label": self.labels[k], "probability": p}
            for p, k in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def evaluate(self, data: str | Data, part: str | None = None) -> dict[str, Any]:
        """Every score of core/score.py on `data`: its test part where it has one, else all of it (or `part`)."""
        examples, named = self.examples(data, part)
        return {
            **scores(feed.answers(self, examples), examples.targets.numpy(), self.labels),
            "scored_on": named,
        }

    def examples(self, data: str | Data, part: str | None = None) -> tuple[Examples, str]:
        """The examples to be judged by, and what they are called."""
        if isinstance(data, str):
            source = Source(data, **self.division)
            data = self.domain.load(source, self.labels, self.card.facts)
        trained_on_it = data.fingerprint() == self.card.data.get("fingerprint")
        part = part or ("test" if "test" in data.given or trained_on_it else "all")
        chosen = [each for name, each in data.parts.items() if part in (name, "all") and len(each)]
        if not chosen:
            found = ", ".join(f"{count} {name}" for name, count in data.counts.items())
            raise Problem(f"there are no {part} examples in it: found {found}; name another part with --part", DATA)
        return joined(chosen), part


def _put(network: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise Problem(f"the weights do not belong to the network on the card: {first}", FAILED) from None


def load(path: Path, domain: Domain, device: str = "auto") -> Model:
    """The model in a file whose card names `domain`."""
    return Model(domain, checkpoint.card(path), checkpoint.read_tensors(path), device)
