"""Labels of frames: from the events of recordings, and back to places in a recording that is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.data import Data, Preprocessing
from ...core.inputs import Input
from ...core.lazy import LazyInputs
from ...core.places import Layout
from ...core.tasks.events import BACKGROUND, TextTarget, read
from ...core.tasks.masks import IGNORE
from ..audio import Samples, fit
from ..frontend import frames_of, samples_in


def times_of(preprocessing: Preprocessing) -> tuple[float, float]:
    """The seconds between two frames, and of the middle of the first frame."""
    rate = int(preprocessing["rate"])
    frame, hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
    return hop / rate, frame / 2 / rate


def with_frames(data: Data, labels: Sequence[str] | None) -> Data:
    """Loaded data, whose targets are texts of events, with the labels of frames, (N, 1, F) uint8, as targets.

    The labels are those of a model, or the background and those of all events in their natural order.
    """
    from ...core.sources.source import natural

    targets = [read(text) for text in data.labels]
    known = labels or [
        BACKGROUND,
        *sorted({event.label for target in targets for event in target.events} - {BACKGROUND}, key=natural),
    ]
    table = np.stack([labels_of_frames(target, known, data.preprocessing) for target in targets])
    tensor = torch.from_numpy(table)[:, None]
    splits = [replace(examples, targets=tensor[examples.targets]) for examples in (data.train, data.valid, data.test)]
    spec = replace(data.target_spec, frame_times=times_of(data.preprocessing))
    train, valid, test = splits
    return replace(data, train=train, valid=valid, test=test, labels=list(known), target_spec=spec)


def labels_of_frames(target: TextTarget, labels: Sequence[str], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """(F,) the label of each frame of an example, whose middle decides: of events over one another the shortest.

    A recording shorter than the window is centred in it; IGNORE stands where nothing is known.
    """
    hop, first = times_of(preprocessing)
    rate, samples = int(preprocessing["rate"]), int(preprocessing["samples"])
    length = round(target.known[1] * rate)  # the known part ends with the recording, or with the window
    offset = max(0, samples - length) // 2 / rate
    middles = first + hop * np.arange(frames_of(preprocessing)) - offset  # seconds of the recording's part
    indices = np.full(len(middles), IGNORE, np.uint8)
    indices[(middles >= target.known[0]) & (middles < target.known[1])] = 0
    index_of = {label: index for index, label in enumerate(labels)}
    for event in sorted(target.events, key=lambda event: event.start - event.end):
        inside = (middles >= event.start) & (middles < event.end) & (indices != IGNORE)
        indices[inside] = index_of.get(event.label, IGNORE)  # of a label that a model does not know
    return indices


def placed(samples: Samples, preprocessing: Preprocessing) -> tuple[Tensor | LazyInputs, Layout]:
    """The windows of a recording, and where their frames lie on all of its frames.

    Windows of a long recording overlap by half, and begin with one of its frames.
    """
    rate, length = int(preprocessing["rate"]), int(preprocessing["samples"])
    frame, hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
    seconds = len(samples) / rate
    if len(samples) <= length:
        offset = (length - len(samples)) // 2
        first = -(-offset // hop)
        count = max(1, (offset + len(samples) - frame) // hop + 1 - first)
        inside = (slice(None), slice(first, first + count))
        return torch.from_numpy(fit(samples, length).copy())[None], Layout((1, count), inside, seconds=seconds)
    frames = frames_of(preprocessing)
    total = (len(samples) - frame) // hop + 1
    offsets = [*range(0, total - frames, max(1, frames // 2)), total - frames]

    def cut(starts: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.stack([samples[start * hop : start * hop + length] for start in starts]))

    windows = LazyInputs(cut, torch.tensor(offsets), torch.int16)
    return windows, Layout((1, total), offsets=[(0, offset) for offset in offsets], seconds=seconds)


def read_placed(value: Input, preprocessing: Preprocessing) -> tuple[Tensor | LazyInputs, Layout]:
    """One recording in windows."""
    from ..data import samples_of

    return placed(samples_of(value, preprocessing), preprocessing)
