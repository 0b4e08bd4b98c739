"""Describes the machine of a Go benchmark, without importing torch."""

from importlib.metadata import version

from machine import load, processor


def machine() -> str:
    """Processor, load and versions in one line."""
    return f"{processor()}, load {load()}, numba {version('numba')}, sgfmill {version('sgfmill')}"
