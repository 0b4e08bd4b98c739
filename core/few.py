"""The default for few examples: training starts from a pretrained model instead of random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .capability import Capability
from .data import Data
from .fit import task_of_data
from .plan import Plan, pretrained_model
from .tasks import Classify, Heads, Multilabel
from .transfer import Transferable

TASKS = frozenset({Classify.name, Multilabel.name, Heads.name})  # whose targets a pretrained model helps to predict


@dataclass(frozen=True)
class FewExamples(Capability):
    """The model that training starts from where the user names no network, the examples are few and it suits them."""

    model: str  # a name in Transferable.pretrained
    most: int  # training examples
    suits: Callable[[Data], bool]  # whether the loaded examples are of the kind that the model was trained on


def plan_for(plan: Plan, data: Data) -> Plan:
    """The plan to train, for data that were loaded by `plan`: the same, or one that starts from a pretrained model.

    Settings and options of the user apply to both.
    """
    few = plan.domain.capability(FewExamples)
    if few is None or plan.domain.capability(Transferable) is None or plan.choices is None:
        return plan
    if not 2 <= len(data.train) <= few.most or not few.suits(data) or task_of_data(plan, data).name not in TASKS:
        return plan
    weights = pretrained_model(plan.domain, few.model)
    source, changes = plan.choices
    chosen = Plan.of(plan.domain, source, changes=changes, weights=weights)
    return replace(chosen, minutes=plan.minutes)


def remark(plan: Plan, data: Data) -> str:
    """What the user should know about a plan that `plan_for` changed."""
    name = plan.weights.name if plan.weights else ""
    return (
        f"{len(data.train):,} training examples are few: training starts from {name}; "
        f"to start from random weights: --recipe {plan.domain.default}"
    )
