"""Rendering of spectrograms: axes in seconds and hertz, relevance overlays."""

import numpy as np
import torch
from matplotlib.figure import Figure
from neocog.speech.show import graph, show, ticks
from recorded import tone

FACTS = {"rate": 8000, "samples": 8000, "bands": 40, "frame": 25.0, "hop": 10.0, "deltas": False, "normalise": "clip"}


def rendered(pitch: float, relevance: torch.Tensor | None = None) -> np.ndarray:
    sound = torch.from_numpy((tone(pitch, 1) * 32767).astype(np.int16))
    return np.asarray(show(sound, relevance, FACTS)).astype(int)


def test_a_higher_tone_is_drawn_higher() -> None:
    """Compares the brightest row of a column, counted from the top."""
    rows = [int(rendered(pitch)[:, 200].sum(1)[10:200].argmax()) for pitch in (300, 1000, 3000)]
    assert rows[0] > rows[1] > rows[2]


def test_ticks_are_at_the_bands_of_octaves() -> None:
    positions, names = ticks({"bands": 40, "rate": 8000})
    assert names == ["125", "250", "500", "1,000", "2,000"]
    assert positions == sorted(positions) and positions[0] >= 0 and positions[-1] <= 39


def test_graphs_of_maps_and_samples_have_the_same_axes() -> None:
    for inputs in (torch.zeros(8000, dtype=torch.int16), torch.rand(3, 40, 98)):
        axes = Figure().subplots()
        graph(axes, inputs, FACTS)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("seconds", "hertz")
        assert axes.get_xlim() == (0.0, 1.0) and axes.get_ylim() == (-0.5, 39.5)
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["500", "1,000", "2,000"]


def test_relevance_is_the_only_colour() -> None:
    """The spectrogram is grey where relevance is zero."""
    relevance = torch.zeros(40, 98)
    relevance[20:30, 40:60] = 1.0
    colour = np.ptp(rendered(1000, relevance)[20:180, 80:440], 2)
    assert (colour > 60).any() and (colour < 8).mean() > 0.7


def test_negative_relevance_has_another_colour() -> None:
    relevance = torch.zeros(40, 98)
    relevance[:20], relevance[20:] = 1.0, -1.0
    picture = rendered(1000, relevance)
    assert (picture[..., 0] - picture[..., 2]).max() > 80 and (picture[..., 2] - picture[..., 0]).max() > 80
