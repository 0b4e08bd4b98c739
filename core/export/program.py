"""Models in a form that `torch.export` takes: with a free batch size and, if inputs have one, a free length or size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..model import Model
from ..network import walk
from .capability import Exportable


class ExportModule(nn.Module):
    """Compact inputs to predictions, (B, …) -> (B, …), without a branch or a number that depends on the batch size.

    It computes what the model's own module and the task's `exported_link` compute, such as probabilities. The module
    puts the views of a small batch through the network together, which is faster; here the views are unrolled: each
    goes through the network by itself.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module, self.task = model.module, model.task

    def forward(self, x: Tensor) -> Tensor:
        module = self.module
        maps = module.frontend(x)
        logits = [view.inverse(module.network(view.transform(maps))) for view in module.views]
        return self.task.exported_link(module.masked(torch.stack(logits).mean(0), x))


def free_axes(model: Model) -> dict[int, str]:
    """The axes of an input batch that may have any size: of the batch, and the domain's if the network takes any.

    A length is not free if the last window of a pool may be cut (`ceil`): torch freezes the remainder.
    """
    axes = model.domain.require(Exportable, "export").axes
    cut = any(row.window is not None and row.window.ceil for _, row in walk(model.network.rows))
    takes_any = model.network.any_width if len(axes) == 1 else model.network.any_size
    return {0: "batch"} | (dict(axes) if axes and takes_any and not cut else {})


def export(model: Model, inputs: Tensor) -> ExportedProgram:
    """Exports a model. `inputs` (B, …) are compact inputs, as `read` gives them; they serve as an example."""
    batch = torch.cat((inputs[:1], inputs[:1]))  # a batch of 1 would be taken for a constant
    axes = dict.fromkeys(free_axes(model), Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(ExportModule(model).eval(), (batch,), dynamic_shapes=(axes,))
