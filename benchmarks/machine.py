"""What a figure was measured on."""

import os
import platform

import torch


def machine() -> str:
    """Processor, threads, load and versions in a line."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{device}, {torch.get_num_threads()} threads, load {load}, torch {torch.__version__}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
