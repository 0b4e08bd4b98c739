"""One of several equal parts of a prediction, for jobs on several machines."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .problem import USAGE, Problem

T = TypeVar("T")
INDEX_VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")  # of a Slurm array, a Kubernetes Indexed Job
FIRST_VARIABLE = "SLURM_ARRAY_TASK_MIN"  # the first index of a Slurm array; Kubernetes counts from 0


@dataclass(frozen=True)
class Shard:
    """The part `number` (from 1) of `count`."""

    number: int
    count: int

    def of(self, items: Sequence[T], chunk: int) -> Sequence[T]:
        """The items of this shard: consecutive ones, cut at multiples of `chunk`.

        With cuts where batches end, a shard computes the same batches as a prediction of all items, and so the same
        numbers to the last bit. All shards together are all items, in their order.
        """
        chunks = -(-len(items) // chunk)
        start, end = (chunks * number // self.count * chunk for number in (self.number - 1, self.number))
        return items[start:end]


def parse(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard of `3/16`; of `/16`, the one that the variables of Slurm or Kubernetes name. Raises Problem."""
    match = re.fullmatch(r"(\d{0,9})/(\d{1,9})", text)
    if match is None:
        raise Problem(f"--shard is a part of several, such as 3/16, or /16 in an array of jobs; got {text}", USAGE)
    count = int(match[2])
    number = int(match[1]) if match[1] else index_of_job(environment) + 1
    if not 1 <= number <= count:
        raise Problem(f"--shard counts from 1/{count} to {count}/{count}; got {number}/{count}", USAGE)
    return Shard(number, count)


def index_of_job(environment: Mapping[str, str]) -> int:
    """The index, from 0, that Slurm or Kubernetes gave this process. Raises Problem if there is none."""
    for name in INDEX_VARIABLES:
        value = environment.get(name, "")
        if re.fullmatch(r"\d{1,9}", value):
            first = environment.get(FIRST_VARIABLE, "0") if name == INDEX_VARIABLES[0] else "0"
            return int(value) - (int(first) if first.isdecimal() else 0)
    raise Problem(
        f"--shard /N takes the index of an array of jobs from {' or '.join(INDEX_VARIABLES)}, and neither is set; name "
        "the part, as in --shard 3/16",
        USAGE,
    )
