"""What a figure of Go was measured on, without importing torch."""

from importlib.metadata import version

from machine import load, processor


def machine() -> str:
    """Processor, load and versions in a line."""
    return f"{processor()}, load {load()}, numba {version('numba')}, sgfmill {version('sgfmill')}"
