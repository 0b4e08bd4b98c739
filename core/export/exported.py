"""A model as the content of a file for other programs, with what was measured of it."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram

from ..data import DataSpec
from ..model import Model
from ..problem import DATA, USAGE, Problem
from ..versions import versions
from . import onnx, parity, quantise
from .capability import Exportable
from .parity import Comparison
from .program import export, free_axes
from .runtime import run_onnx, run_pt2

FORMATS = ("onnx", "pt2")
METADATA_FORMAT = 1  # raised when a reader of older metadata would misread a newer file
PT2_METADATA = "neocog.json"  # the name of the metadata within a .pt2 file
Progress = Callable[[int, int | None], object]


@dataclass(frozen=True)
class Request:
    """What is to be exported; `parity` and `calibration` are paths of data, None if they are not wanted."""

    format: str = "onnx"
    opset: int = onnx.OPSET
    parity: str | None = None
    calibration: str | None = None  # quantises to int8
    seed: int = 0


@dataclass(frozen=True)
class Exported:
    content: bytes  # of the file
    summary: dict[str, Any]  # as `export --json` prints it


def exported(model: Model, request: Request, progress: Progress | None = None) -> Exported:
    """Exports a model and compares the file with it. Raises Problem if they differ by more than parity.TOLERANCE."""
    model.check_weights()
    exportable = model.domain.require(Exportable, "export")
    example = next(parity.random_batches(model, request.seed))
    program = export(model, example)
    summary: dict[str, Any] = {"format": request.format, **graph_form(model, program)}
    if request.format == "pt2":
        run = run_pt2(pt2_content(program, {}))
        summary["parity"] = in_total(parity.check(model, run, request.parity, request.seed, progress))
        content = pt2_content(program, metadata(model, summary))
        return Exported(content, summary | {"bytes": len(content)})
    graph = onnx.onnx_graph(program, request.opset, exportable.name, free_axes(model))
    summary["opset"] = request.opset
    before = graph.SerializeToString()
    comparisons = parity.check(model, run_onnx(before), request.parity, request.seed, progress)
    summary["parity"] = in_total(comparisons)
    if request.calibration is not None:
        graph, summary["int8"] = to_int8(model, graph, request.calibration, json.dumps(metadata(model, summary)))
    content = onnx.content_of(graph, json.dumps(metadata(model, summary)))
    return Exported(content, summary | {"bytes": len(content)})


def to_int8(model: Model, graph: Any, path: str, values: str) -> tuple[Any, dict[str, Any]]:
    """The quantised graph, and how it compares with the float32 one on the test split; `values` are their metadata."""
    exportable = model.domain.require(Exportable, "export")
    data = model.load(DataSpec(path, **model.split_options))
    if not len(data.test):
        raise Problem(f"{path} has no test split, by which an int8 file is judged; name data with one", DATA)
    int8 = quantise.quantised(graph, exportable.name, quantise.calibration_batches(data.train))
    contents = {"float32": onnx.content_of(graph, values), "int8": onnx.content_of(int8, values)}
    results = {
        title: {"bytes": len(content), **quantise.judge(model, run_onnx(content), data.test)}
        for title, content in contents.items()
    }
    return int8, {"calibration": path, **results}


def graph_form(model: Model, program: ExportedProgram) -> dict[str, Any]:
    """The names, types and shapes of input and output; a free axis has a name instead of a size."""
    exportable = model.domain.require(Exportable, "export")
    shape: list[Any] = [0, *exportable.shape(model.card.preprocessing)]
    for axis, title in free_axes(model).items():
        shape[axis] = title
    example = program.example_inputs[0][0] if program.example_inputs else torch.zeros(0)
    dtype = str(example.dtype).removeprefix("torch.")
    return {"input": {"name": exportable.name, "dtype": dtype, "shape": shape}, "output": onnx.OUTPUT}


def in_total(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The parity of a file: its largest difference, equal labels, and each comparison."""
    return {
        "largest_difference": max(comparison.difference for comparison in comparisons),
        "tolerance": parity.TOLERANCE,
        "examples": sum(comparison.examples for comparison in comparisons),
        "equal_labels": sum(comparison.equal_labels for comparison in comparisons),
        "comparisons": [comparison.to_dict() for comparison in comparisons],
    }


def metadata(model: Model, summary: dict[str, Any]) -> dict[str, Any]:
    """What a program needs beside the graph: labels, task, preprocessing; and where the file comes from."""
    card = model.card
    return {
        "metadata_format": METADATA_FORMAT,
        "versions": versions(),
        "domain": card.domain,
        "task": card.task,
        "task_state": card.task_state,
        "labels": model.labels,
        "preprocessing": card.preprocessing,
        "views": len(model.module.views),
        "network": card.network,
        "recipe": card.recipe,
        "metrics": card.metrics,
        **summary,
    }


def pt2_content(program: ExportedProgram, values: dict[str, Any]) -> bytes:
    """The content of a .pt2 file, with its metadata as neocog.json."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensors that share memory, such as a whitening filter
        torch.export.save(program, file, extra_files={PT2_METADATA: json.dumps(values)})
    return file.getvalue()


def check_request(request: Request) -> None:
    """Raises Problem for options that do not go together."""
    if request.format not in FORMATS:
        raise Problem(f"--format is {' or '.join(FORMATS)}; got {request.format}", USAGE)
    if request.format == "pt2" and request.calibration is not None:
        raise Problem("--quantise is for ONNX files; leave it out, or use --format onnx", USAGE)
