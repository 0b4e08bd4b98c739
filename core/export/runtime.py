"""Running exported files: what another program computes from them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Run = Callable[[Tensor], Tensor]  # compact inputs (B, …) -> predictions (B, …), as an exported file computes them


def run_onnx(content: bytes) -> Run:
    """Runs the content of an ONNX file with onnxruntime on the CPU, with as many threads as torch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would count as CPU time
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda inputs: torch.from_numpy(session.run(None, {name: inputs.numpy()})[0])


def run_pt2(content: bytes) -> Run:
    """Runs the content of a .pt2 file, read as another program reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of memory that is not writable
        module: Any = torch.export.load(io.BytesIO(content)).module()

    def run(inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            return module(inputs)  # type: ignore[no-any-return]

    return run
