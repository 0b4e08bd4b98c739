"""Puts a run's network into the package in half precision, as the model named `go`.

neocog train go train.sgf.zip --test test.sgf.zip --out runs/go
python benchmarks/go_weights.py runs/go
"""

import sys
from pathlib import Path

import neocog
from neocog.core import checkpoint
from neocog.core.files import megabytes

PACKAGED = Path(neocog.__file__).parent / "go" / "weights" / "model.safetensors"


def main(run: str) -> None:
    path = neocog.find(run)
    weights = checkpoint.read_tensors(path)
    half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    PACKAGED.parent.mkdir(exist_ok=True)
    checkpoint.save(PACKAGED, half, checkpoint.card(path))
    print(f"{PACKAGED}: {megabytes(PACKAGED.stat().st_size)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
