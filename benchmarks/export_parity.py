"""Parity of ONNX files: batches of 1, 5 and 100, random inputs of each free size, and examples of the data.

python benchmarks/export_parity.py runs/mnist mnist/ runs/fsdd fsdd/ go games.zip
"""

from __future__ import annotations

import sys
import time

import neocog
import torch
from neocog.core.data import DataSpec
from neocog.core.export import exported, parity
from neocog.core.export.capability import Exportable
from neocog.core.export.runtime import run_onnx

BATCHES = (1, 5, 100)
RANDOM = 100  # random inputs of each length or size


def main(arguments: list[str]) -> None:
    print("| model, data | input | examples | largest difference | equal labels |\n|---|---|---|---|---|")
    for path, data in zip(arguments[::2], arguments[1::2], strict=True):
        start = time.process_time()
        model = neocog.load(path, "cpu")
        content = exported.exported(model, exported.Request()).content
        seconds = time.process_time() - start
        run = run_onnx(content)
        exportable = model.domain.require(Exportable, "export")
        shape = exportable.shape(model.card.preprocessing)
        rng = torch.Generator().manual_seed(1)
        inputs = {
            "random " + "×".join(map(str, size)): exportable.random(model.card.preprocessing, (RANDOM, *size), rng)
            for size in (shape, *parity.other_shapes(model, shape))
        }
        loaded = model.load(DataSpec(data, **model.split_options))
        inputs["examples"] = torch.cat(list(parity.example_batches(model, loaded)))
        for title, rows in inputs.items():
            for size in BATCHES:
                total = None
                for batch in rows.split(size):
                    comparison = parity.compare(model, run, batch, title)
                    total = comparison if total is None else total + comparison
                assert total is not None
                cells = (f"{path}, {data}", f"{title}, batches of {size}", f"{total.examples:,}")
                equal = f"{total.equal_labels:,} of {total.examples:,}"
                print("| " + " | ".join((*cells, f"{total.difference:.1e}", equal)) + " |")
        print(f"| {path} | exported in {seconds:.1f} CPU s, {len(content):,} bytes | | | |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
