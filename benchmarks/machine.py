"""Description of the machine, printed with every measurement."""

import os
import platform


def machine() -> str:
    """Returns processor, threads, load and the version of PyTorch in one line."""
    import torch  # imported late, since benchmarks/go_machine.py works without it

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else processor()
    return f"{device}, {torch.get_num_threads()} threads, load {load()}, torch {torch.__version__}"


def load() -> str:
    """Returns the load averages of the last 1, 5 and 15 minutes."""
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def processor() -> str:
    """Returns the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
