"""`neocog` and `python -m neocog`, as PyTorch's launcher calls it: torchrun --nproc-per-node 2 -m neocog train …"""

import os
import sys


def main() -> None:
    """Runs the command line. An interrupt is none of Python's tracebacks from the first import on."""
    try:
        from .core.process import drop_errors, prepare

        prepare()
        from .cli import main as run

        try:
            run()
        finally:
            drop_errors()
    except KeyboardInterrupt:
        os.write(2, b"interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
