"""Put a run's network into the package, in half precision: what `go` stands for wherever a MODEL is asked for.

neocog train go train.sgf.zip --test test.sgf.zip --out runs/go
python benchmarks/go_weights.py runs/go
"""

import sys
from pathlib import Path

import neocog
from neocog.core import checkpoint
from neocog.core.files import megabytes

OWN = Path(neocog.__file__).parent / "go" / "weights" / "model.safetensors"


def main(run: str) -> None:
    path = neocog.find(run)
    weights = checkpoint.read_tensors(path)
    half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    OWN.parent.mkdir(exist_ok=True)
    checkpoint.save(OWN, half, checkpoint.card(path))
    print(f"{OWN}: {megabytes(OWN.stat().st_size)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
