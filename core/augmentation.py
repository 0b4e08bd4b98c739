"""Parses augmentations written as text, such as "flip, crop(4), rotate(10)", for all domains."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Generator, Tensor

from .domain import Augment, Domain
from .network import call
from .problem import USAGE, Problem, did_you_mean
from .tasks.task import Task

Transform = Callable[..., Any]  # takes a batch and its random numbers; parameters with a default may be written
Range = tuple[float, float]


@dataclass(frozen=True)
class Transforms:
    """A domain's augmentations by name, and the ranges of their parameters."""

    functions: Mapping[str, Transform]
    example: str  # "flip, crop(4)"
    ranges: Mapping[str, Range] = field(default_factory=dict)  # by function, where they differ from `range`
    range: Range = (0, 1)

    def parse(self, text: str) -> dict[str, Transform]:
        """Returns the augmentations in `text` by name, in its order, with their parameters bound; {} for "none".

        Raises Problem for an unknown or repeated name and for an unknown or invalid parameter.
        """
        if text.strip() == "none":
            return {}
        calls = split_calls(text)
        if not calls:
            raise Problem(f"the augmentation is empty; write none, or augmentations such as: {self.example}", USAGE)
        transforms: dict[str, Transform] = {}
        for expression in calls:
            name, args, kwargs = call(expression, self.functions, "known augmentation")
            if name in transforms:
                raise Problem(f"{text}: {name} is given twice; write it once", USAGE)
            transforms[name] = self.bind(expression, name, args, kwargs)
        return transforms

    def of_inputs(self, text: str) -> Augment:
        """The augmentations in `text`, in its order, of transforms that take a batch of inputs and a generator.

        Raises Problem as `parse` does.
        """
        transforms = list(self.parse(text).values())

        def transformed(inputs: Tensor, targets: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
            for transform in transforms:
                inputs = transform(inputs, rng)
            return inputs, targets

        return Augment(transformed)

    def bind(self, expression: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Transform:
        """Returns the function `name` with its parameters bound and checked; an int default demands an int."""
        function = self.functions[name]
        parameters = [p for p in inspect.signature(function).parameters.values() if p.default is not p.empty]
        names = [parameter.name for parameter in parameters]
        takes = f"{name} takes {' and '.join(names) or 'no numbers'}"
        for unknown in sorted(set(kwargs) - set(names))[:1]:
            hint = did_you_mean(unknown, names)
            raise Problem(f"{expression}: {unknown} is unknown{hint}; {takes}", USAGE)
        try:
            values = inspect.Signature(parameters).bind(*args, **kwargs).arguments
        except TypeError as error:
            raise Problem(f"{expression}: {error}; {takes}", USAGE) from None
        for parameter in parameters:
            value = values.get(parameter.name, parameter.default)
            self.check(name, parameter.name, value, type(parameter.default))
        return partial(function, **values)

    def check(self, function: str, name: str, value: Any, kind: type) -> None:
        """Raises Problem unless a parameter has the right type and lies in the function's range."""
        low, high = self.ranges.get(function, self.range)
        valid = type(value) is int or (kind is float and type(value) is float)
        if not (valid and low <= value <= high):
            number = "a whole number" if kind is int else "a number"
            raise Problem(f"{function}: {name} is {number} from {low:g} to {high:g}; got {value}", USAGE)


def augmentation(domain: Domain, task: Task, text: str, extras: Mapping[str, Tensor]) -> Augment:
    """A domain's augmentation for the targets of a task. Raises Problem for an unknown or unsuitable one."""
    augment = domain.augment(text, extras)
    return augment.moving(task.moved, task.has_objects) if task.has_places else augment


def split_calls(text: str) -> list[str]:
    """Splits "flip, crop(4)" at the commas outside brackets."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]
