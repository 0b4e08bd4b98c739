"""Names that stand for a number in the text of a network beside `classes`, such as `tokens`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .capability import Capability
from .data import Preprocessing
from .domain import Domain


@dataclass(frozen=True)
class NetworkConstants(Capability):
    """The names that a domain defines."""

    constants: Callable[[Preprocessing], Mapping[str, int]]  # also from {}, for networks that have no data yet


def network_constants(domain: Domain, preprocessing: Preprocessing) -> Mapping[str, int]:
    """The domain's constants for the text of a network; {} in a domain without any."""
    capability = domain.capability(NetworkConstants)
    return capability.constants(preprocessing) if capability else {}
