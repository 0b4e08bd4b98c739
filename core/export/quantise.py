"""int8 quantisation of ONNX graphs: static, with a scale for each output channel of a weight."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data import Examples
from ..model import Model
from ..problem import DATA, Problem
from .onnx import copy_of, module_of
from .parity import BATCH, batches
from .runtime import Run

if TYPE_CHECKING:
    from onnx import ModelProto

CALIBRATION = 200  # training examples from which the ranges of activations are found
TIMED = 1000  # examples that are timed
LAST_FLOAT = ("Gemm", "MatMul")  # dense layers, whose outputs are not rounded


def quantised(graph: ModelProto, name: str, inputs: Iterable[Tensor]) -> ModelProto:
    """The graph with int8 weights and uint8 activations in its network; the frontend and the link stay in float32.

    `inputs` are batches of training examples. Weights have 7 of 8 bits: on processors without VNNI the sum of two
    products of 8 bits would overflow, so that accuracy would depend on the machine.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        batches = iter(inputs)

        def get_next(self) -> Any:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch.numpy()}

    excluded = [node.name for node in graph.graph.node if "module.network" not in module_of(node)]
    with tempfile.TemporaryDirectory() as folder, without_warnings():
        path = Path(folder) / "model.onnx"
        quantize_static(
            copy_of(graph),  # onnxruntime moves the weights of its argument to another file
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
            extra_options={"OpTypesToExcludeOutputQuantization": list(LAST_FLOAT)},
        )
        return onnx.load(path)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keeps onnxruntime from recommending its own optimiser, which drops the names of the frontend's nodes."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def calibration_batches(examples: Examples) -> Iterator[Tensor]:
    """Batches of training examples. Raises Problem if there are none."""
    if not len(examples):
        raise Problem("--calibrate needs training examples to find the ranges of activations; found none", DATA)
    return batches(examples.subsample(CALIBRATION), BATCH)


def judge(model: Model, run: Run, examples: Examples) -> dict[str, Any]:
    """The first metric of a file on examples, and its speed: examples per CPU second, in batches of BATCH."""
    predictions, timed, seconds = [], 0, 0.0
    for inputs in batches(examples):
        start = time.process_time()
        predictions.append(run(inputs))
        if timed < TIMED:
            timed, seconds = timed + len(inputs), seconds + time.process_time() - start
    metrics = model.metrics(torch.cat(predictions).numpy(), examples)
    names = ("metric", "value", "interval", "examples")
    return {name: metrics[name] for name in names} | {"examples_per_cpu_second": round(timed / max(seconds, 1e-9))}
