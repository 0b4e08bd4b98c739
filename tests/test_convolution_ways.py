"""benchmarks/convolution.py: every way of computing a convolution gives what torch gives."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import neocog
import torch
from torch.nn import functional as F


def benchmark(name: str) -> ModuleType:
    folder = Path(neocog.__file__).parent / "benchmarks"
    sys.path.append(str(folder))
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


convolution = benchmark("convolution")
Shape: Any = convolution.Shape


def random_shapes(count: int) -> list[Any]:
    rng = torch.Generator().manual_seed(0)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=rng))

    shapes = []
    for _ in range(count):
        rows, columns = (3, 3) if draw(0, 1) else (draw(1, 13), draw(1, 13))
        height, width = draw(rows, rows + 20), draw(columns, columns + 20)
        shapes.append(Shape(draw(1, 5), draw(1, 5), height, width, rows, columns))
    return shapes


def test_all_ways_give_the_same_on_a_thousand_shapes():
    rng = torch.Generator().manual_seed(1)
    counts = dict.fromkeys(("direct", "matrix", "fft", "winograd"), 0)
    for shape in random_shapes(1000):
        x = torch.randn(2, shape.channels, shape.height, shape.width, generator=rng)
        weight = torch.randn(shape.filters, shape.channels, shape.rows, shape.columns, generator=rng)
        exact = F.conv2d(x.double(), weight.double())
        for way, convolve in convolution.ways(shape, weight).items():
            difference = float((convolve(x) - exact).abs().max() / exact.abs().max())
            assert difference < 1e-5, (way, shape)
            counts[way] += 1
    assert counts["fft"] == 1000 and counts["winograd"] > 100


def test_multiplications_are_counted():
    """By hand: 2·4 pairs of maps; 30×30 outputs of 9 products, 32×17 complex frequencies, 15×15 tiles of 16."""
    by_hand = {"direct": 8 * 900 * 9, "matrix": 8 * 900 * 9, "fft": 8 * 32 * 17 * 4, "winograd": 8 * 225 * 16}
    shape = Shape(2, 4, 32, 32, 3, 3)
    assert {way: convolution.multiplications(shape, way) for way in by_hand} == by_hand
