"""What a figure of Go was measured on, without importing torch."""

import os
import platform
from importlib.metadata import version


def machine() -> str:
    """Processor, load and versions in a line."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{processor()}, load {load}, numba {version('numba')}, sgfmill {version('sgfmill')}"


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
