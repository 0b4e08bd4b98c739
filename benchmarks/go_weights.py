"""Puts a run's network into the package in half precision, as the model named `go`.

neocog train go train.sgf.zip --test test.sgf.zip --out runs/go
python benchmarks/go_weights.py runs/go
"""

import argparse
from pathlib import Path

import neocog
from neocog.core import checkpoint
from neocog.core.files import megabytes

PACKAGED = Path(neocog.__file__).parent / "go" / "weights" / "model.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder or model file")
    path = neocog.find(parser.parse_args().run)
    weights = checkpoint.read_tensors(path)
    half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    PACKAGED.parent.mkdir(exist_ok=True)
    checkpoint.save(PACKAGED, half, checkpoint.card(path))
    print(f"{PACKAGED}: {megabytes(PACKAGED.stat().st_size)}")


if __name__ == "__main__":
    main()
