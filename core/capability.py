"""What only one feature asks of a domain: declared beside the feature, named by the domains that have it."""

from __future__ import annotations


class Capability:
    """Base of the values that a domain lists under `capabilities`; the class is the key."""
