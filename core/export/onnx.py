"""ONNX files: the graph of an exported program, without what only its authors need, and with named axes."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch.export import ExportedProgram

from ..files import megabytes
from ..problem import FAILED, Problem
from ..versions import neocog_version

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20  # the first with the DFT of spectrograms as torch writes it
LARGEST = 2**31 - 1  # bytes of a protocol buffer
OUTPUT = "predictions"
METADATA = "neocog"  # the key of the metadata


def onnx_graph(program: ExportedProgram, opset: int, name: str, axes: Mapping[int, str]) -> ModelProto:
    """The ONNX graph of a program whose input is called `name` and has free `axes`.

    Nodes keep the module that they come from (`module_of`), for the quantiser; `content_of` drops it.
    """
    import torch

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(
            program, dynamo=True, opset_version=opset, input_names=[name], output_names=[OUTPUT], verbose=False
        )
    assert exported is not None
    graph = exported.model_proto
    if graph.ByteSize() > LARGEST:
        raise Problem(f"the model has {megabytes(graph.ByteSize())}; an ONNX file holds at most 2 GB", FAILED)
    name_axes(graph, axes)
    return graph


def name_axes(graph: ModelProto, axes: Mapping[int, str]) -> None:
    """Gives free axes names that say what they are, instead of torch's s77. Intermediate shapes are inferred again."""
    dimensions = graph.graph.input[0].type.tensor_type.shape.dim
    names = {dimensions[axis].dim_param: title for axis, title in axes.items()}
    for value in (*graph.graph.input, *graph.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in names:
                dimension.dim_param = names[dimension.dim_param]
    del graph.graph.value_info[:]


def module_of(node: Any) -> str:
    """The modules that a node comes from: ": …ExportModule/module.frontend: …Frontend/…"."""
    return next((entry.value for entry in node.metadata_props if entry.key == "namespace"), "")


def content_of(graph: ModelProto, metadata: str) -> bytes:
    """The content of the file: the graph with its metadata, without torch's notes on where nodes come from."""
    graph = copy_of(graph)
    for part in annotated(graph):
        part.doc_string = ""
        del part.metadata_props[:]
    graph.producer_name, graph.producer_version = "neocog", neocog_version()
    entry = graph.metadata_props.add()  # the last bytes of the file: JavaScript reads it from there
    entry.key, entry.value = METADATA, metadata
    content: bytes = graph.SerializeToString()
    return content


def copy_of(graph: ModelProto) -> ModelProto:
    duplicate = type(graph)()
    duplicate.CopyFrom(graph)
    return duplicate


def annotated(graph: ModelProto) -> Iterable[Any]:
    """Everything in a graph that has notes."""
    return [graph.graph, *graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.initializer]
