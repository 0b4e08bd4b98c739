"""Models in a form that `torch.export` takes: with a free batch size and, if inputs have one, a free length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from .model import Model
from .network import walk


class ExportModule(nn.Module):
    """Compact inputs to logits, (B, …) -> (B, K), without a branch or a Python number that depends on the batch size.

    It computes what the model's own module computes. That one puts the views of a small batch through the network
    together, which is faster; here the views are unrolled: each goes through the network by itself.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module = model.module

    def forward(self, x: Tensor) -> Tensor:
        module = self.module
        maps = module.frontend(x)
        logits = [view.inverse(module.network(view.transform(maps))) for view in module.views]
        return module.masked(torch.stack(logits).mean(0), x)


def has_free_length(model: Model, inputs: Tensor) -> bool:
    """Returns True for inputs along one axis, samples or tokens, of which the network takes any number.

    Not if the last window of a pool may be cut (`ceil`): torch freezes the remainder of such a length.
    """
    one_axis = inputs.ndim == 2 or inputs.shape[-2] == 1
    cut = any(row.window is not None and row.window.ceil for _, row in walk(model.network.rows))
    return one_axis and model.network.any_width and not cut


def export(model: Model, inputs: Tensor) -> ExportedProgram:
    """Exports a model. `inputs` (B, …) are compact inputs, as `read` gives them; they serve as an example."""
    batch = torch.cat((inputs[:1], inputs[:1]))  # a batch of 1 would be taken for a constant
    axes = {0: Dim.DYNAMIC} | ({inputs.ndim - 1: Dim.DYNAMIC} if has_free_length(model, inputs) else {})
    with torch.no_grad():
        return torch.export.export(ExportModule(model).eval(), (batch,), dynamic_shapes=(axes,))
