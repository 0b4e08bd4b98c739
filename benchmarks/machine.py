"""What a figure was measured on."""

import os
import platform


def machine() -> str:
    """Processor, threads, load and versions in a line."""
    import torch  # not for what is measured without it: benchmarks/go_machine.py

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else processor()
    return f"{device}, {torch.get_num_threads()} threads, load {load()}, torch {torch.__version__}"


def load() -> str:
    """Of the last 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
