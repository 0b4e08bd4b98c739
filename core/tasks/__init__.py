"""Tasks: kinds of answer, as values. A new task is one class here and one entry of TASKS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..problem import DATA, USAGE, Problem, did_you_mean
from ..schema import Mismatch
from .caption import Caption
from .classify import Classify
from .detect import Detect
from .events import Events
from .heads import Heads
from .multilabel import Multilabel
from .regress import Regress
from .segment import Segment
from .task import Task

__all__ = [
    "TASKS",
    "Caption",
    "Classify",
    "Detect",
    "Events",
    "Heads",
    "Multilabel",
    "Regress",
    "Segment",
    "Task",
    "task_class",
    "task_of",
]

TASKS: dict[str, type[Task]] = {
    kind.name: kind for kind in (Classify, Multilabel, Regress, Heads, Detect, Segment, Events, Caption)
}


def task_class(name: str) -> type[Task]:
    """The class of a task by its name. Raises Problem for an unknown one."""
    if name not in TASKS:
        raise Problem(f"{name} is not a task{did_you_mean(name, TASKS)}; the tasks are {', '.join(TASKS)}", USAGE)
    return TASKS[name]


def task_of(name: str, labels: list[str], state: Mapping[str, Any]) -> Task:
    """The task of a trained model. Raises Problem for one that this version does not know, or a damaged state."""
    if name not in TASKS:
        raise Problem(f"the model is of the task {name}, which this version does not have: {', '.join(TASKS)}", DATA)
    try:
        return task_class(name).from_state(labels, state)
    except (TypeError, Mismatch) as error:
        raise Problem(f"the state of the task {name} cannot be read: {error}", DATA) from None
