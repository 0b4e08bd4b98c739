"""Ways to compute a convolution: time, multiplications and error of each, on one thread.

    python benchmarks/convolution.py [--batch 32] [--rounds 5] [--shapes layer|speech|all]

direct    torch's conv2d (oneDNN on a CPU)
matrix    as a product of matrices: the patches of the input in columns (Chellapilla, Puri and Simard 2006)
fft       as a product in the frequency domain, with spectra of the kernels that are computed once
          (Mathieu, Henaff and LeCun 2014, arXiv:1312.5851)
winograd  F(2×2, 3×3), for kernels of 3×3 (Lavin and Gray 2016, arXiv:1509.09308, section 4.1), kernels transformed once

All give what direct gives: the "valid" cross-correlation of conv2d without padding. Milliseconds are those of a forward
pass: the median over the rounds, in which the ways take turns. The ratio to direct is the median of the ratios of the
rounds, with the lowest and the highest. Multiplications are real ones for an example, without those of the transforms;
a complex product counts 4. The error is the largest difference to direct in float64, relative to its largest output.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from machine import machine
from torch import Tensor
from torch.nn import functional as F


class Shape(NamedTuple):
    """A convolution without padding: channels in and out, the input's height and width, the kernel's."""

    channels: int
    filters: int
    height: int
    width: int
    rows: int
    columns: int

    @property
    def output(self) -> tuple[int, int]:
        return self.height - self.rows + 1, self.width - self.columns + 1


Prepared = Callable[[Tensor], Tensor]  # (B, C, H, W) inputs -> (B, K, H − rows + 1, W − columns + 1) outputs


def direct(weight: Tensor) -> Prepared:
    return lambda x: F.conv2d(x, weight)


def matrix(weight: Tensor) -> Prepared:
    rows = weight.flatten(1)

    def convolve(x: Tensor) -> Tensor:
        height, width = x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1
        return (rows @ F.unfold(x, weight.shape[2:])).unflatten(2, (height, width))

    return convolve


def fft(weight: Tensor, height: int, width: int) -> Prepared:
    """For inputs of one size. A circular correlation of that size is the valid one where the kernel does not wrap."""
    size = (height, width)
    spectra = torch.fft.rfft2(weight, size).conj().permute(2, 3, 1, 0).contiguous()  # (H, W/2 + 1, C, K)

    def convolve(x: Tensor) -> Tensor:
        inputs = torch.fft.rfft2(x).permute(2, 3, 0, 1)  # (H, W/2 + 1, B, C): a product of matrices per frequency
        outputs = torch.fft.irfft2((inputs @ spectra).permute(2, 3, 0, 1), size)
        return outputs[:, :, : height - weight.shape[2] + 1, : width - weight.shape[3] + 1]

    return convolve


def winograd(weight: Tensor) -> Prepared:
    """F(2×2, 3×3): each tile of 4×4 gives 2×2 outputs by 16 products instead of 36. For outputs of even size."""
    on_inputs = torch.tensor([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], dtype=weight.dtype)
    on_kernels = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=weight.dtype)
    on_outputs = torch.tensor([[1.0, 1, 1, 0], [0, 1, -1, -1]], dtype=weight.dtype)
    kernels = (on_kernels @ weight @ on_kernels.T).permute(2, 3, 1, 0).reshape(16, *weight.shape[1::-1])

    def convolve(x: Tensor) -> Tensor:
        tiles = x.unfold(2, 4, 2).unfold(3, 4, 2)  # (B, C, rows, columns, 4, 4)
        batch, channels, rows, columns = tiles.shape[:4]
        inputs = (on_inputs @ tiles @ on_inputs.T).permute(4, 5, 0, 2, 3, 1).reshape(16, -1, channels)
        products = (inputs @ kernels).reshape(4, 4, batch, rows, columns, -1).permute(2, 5, 3, 4, 0, 1)
        outputs = on_outputs @ products @ on_outputs.T  # (B, K, rows, columns, 2, 2)
        return outputs.permute(0, 1, 2, 4, 3, 5).reshape(batch, -1, 2 * rows, 2 * columns)

    return convolve


def ways(shape: Shape, weight: Tensor) -> dict[str, Prepared]:
    """The ways that a shape can be computed, prepared for a weight."""
    prepared = {"direct": direct(weight), "matrix": matrix(weight), "fft": fft(weight, shape.height, shape.width)}
    if (shape.rows, shape.columns) == (3, 3) and not any(size % 2 for size in shape.output):
        prepared["winograd"] = winograd(weight)
    return prepared


def multiplications(shape: Shape, way: str) -> int:
    pairs = shape.channels * shape.filters
    if way == "fft":
        return 4 * pairs * shape.height * (shape.width // 2 + 1)
    if way == "winograd":
        return 16 * pairs * (shape.output[0] // 2) * (shape.output[1] // 2)
    return pairs * shape.rows * shape.columns * shape.output[0] * shape.output[1]


LAYERS = [
    Shape(channels, channels, side, side, kernel, kernel)
    for channels in (16, 64)
    for side in (32, 64, 128)
    for kernel in (3, 5, 7, 11, 15, 23, 31)
    if kernel < side
]
# Maps of 40 bands and 98 or 998 frames (1 and 10 seconds): frequency-cnn, cnn-trad-fpool3, long kernels along time.
SPEECH = [
    Shape(3, 150, 40, 98, 8, 1),
    Shape(1, 64, 40, 98, 8, 20),
    Shape(64, 64, 11, 79, 4, 10),
    *(Shape(16, 16, 1, 16_000, 1, kernel) for kernel in (16, 64, 250)),
    Shape(16, 16, 40, 998, 1, 63),
]


@torch.inference_mode()
def measure(shape: Shape, batch: int, rounds: int) -> list[str]:
    """A row of the table for each way."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(batch, shape.channels, shape.height, shape.width, generator=rng)
    weight = torch.randn(shape.filters, shape.channels, shape.rows, shape.columns, generator=rng)
    exact = F.conv2d(x[:2].double(), weight.double())
    prepared = ways(shape, weight)
    times: dict[str, list[float]] = {way: [] for way in prepared}
    for number in range(rounds + 1):
        for way, convolve in prepared.items():
            begin = time.perf_counter()
            convolve(x)
            if number:  # the first round warms up
                times[way].append(1000 * (time.perf_counter() - begin))
    rows = []
    for way, convolve in prepared.items():
        error = float((convolve(x[:2]) - exact).abs().max() / exact.abs().max())
        ratios = [mine / torchs for mine, torchs in zip(times[way], times["direct"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        counted = multiplications(shape, way) / 1e6
        kernel, size = f"{shape.rows}×{shape.columns}", f"{shape.channels}×{shape.height}×{shape.width}"
        cells = (size, kernel, way, f"{statistics.median(times[way]):.1f}", spread, f"{counted:.1f}", f"{error:.0e}")
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shapes", choices=("layer", "speech", "all"), default="all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shapes = {"layer": LAYERS, "speech": SPEECH, "all": LAYERS + SPEECH}[arguments.shapes]
    columns = ("maps", "kernel", "way", "ms", "time to direct's", "million multiplications", "error")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for shape in shapes:
        print("\n".join(measure(shape, arguments.batch, arguments.rounds)), flush=True)
    print(machine())


if __name__ == "__main__":
    main()
