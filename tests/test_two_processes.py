"""Two processes train what one does: the same steps on the same examples, in every domain and task."""

import os
import subprocess
import sys
from pathlib import Path

import neocog
import pytest
import torch
from neocog.core import checkpoint
from scenes import draw
from test_contract import MADE
from test_heads import photos_table

pytestmark = pytest.mark.slow

NETWORKS = {  # without dropout, which each process draws
    "vision": "conv(4, 3), relu, globalmax, dense(classes)",
    "speech": "conv(4, (8, frames)), relu, maxpool((3, 1)), flatten, dense(classes)",
    "text": "embed(tokens, 8), conv(8, 2), relu, globalmax, dense(classes)",
    "go": "conv(8, 3, pad=1), relu, conv(1, 1, bias=False), bias, flatten",
    "playground": "flatten, dense(8), relu, dense(classes)",
}
TASKS = {
    "multilabel": ["tags:multilabel"],
    "regress": ["level:regress"],
    "classify": ["name:classify"],
    "heads": ["name:classify", "part:regress", "tags:multilabel"],  # part misses every third number
}


def run(folder: Path, processes: int, *arguments: str) -> None:
    """A command by so many processes."""
    launcher = ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
    command = [sys.executable, "-m", *launcher, "neocog", *arguments, "--device", "cpu", "--quiet"]
    environment = os.environ | {
        "NEOCOG_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(Path(neocog.__file__).parent.parent),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def trained(folder: Path, arguments: list[str], *processes: int) -> dict[str, torch.Tensor]:
    """The weights after training with so many processes, and going on with so many, three epochs each."""
    out = folder / f"run-{'-'.join(map(str, processes))}"
    settings = ["--set", "augment=none", "--set", "smoothing=0.1", "--precision", "float32"]
    run(folder, processes[0], "train", *arguments, *settings, "--out", str(out))
    epochs = len((out / "metrics.jsonl").read_text().splitlines())
    for number, count in enumerate(processes[1:], 1):
        run(folder, count, "resume", str(out), "--epochs", str(epochs + 3 * number))
    return checkpoint.read_tensors(out / "state.safetensors")


def assert_equal(folder: Path, arguments: list[str]) -> None:
    assert_same(*(trained(folder, arguments, processes) for processes in (1, 2)))


def assert_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    names = [name for name in one if name.startswith("network.")]
    assert names and one.keys() == two.keys()
    for name in names:
        layer, _, kind = name.rpartition(".")
        sizes = [one[f"{layer}.{part}"].double().norm() for part in ("weight", "bias") if f"{layer}.{part}" in one]
        size = torch.stack(sizes).norm() if kind in ("weight", "bias") else one[name].double().norm()
        if kind == "running_mean":  # which may be near zero: in units of the standard deviation
            size = torch.maximum(size, one[f"{layer}.running_var"].double().sqrt().norm())
        difference = float((one[name].double() - two[name].double()).norm() / size.clamp_min(1e-6))
        assert difference < 1e-5, (name, difference)


@pytest.mark.parametrize("domain", NETWORKS)
def test_in_every_domain(domain, tmp_path):
    data = MADE[domain](tmp_path / "data")
    arguments = [domain, str(data), "--network", NETWORKS[domain], "--epochs", "17", "--batch", "8", "--lr", "0.003"]
    assert_equal(tmp_path, arguments)


def test_for_boxes(tmp_path):
    scenes = draw(tmp_path / "scenes", 40, side=48, most=2, labels=2)
    network = "conv(8, 3, stride=2, pad=1), relu, scales(parallel(conv(classes, 1), conv(5, 1)))"
    arguments = ["vision", str(scenes), "--network", network, "--set", "size=48", "--epochs", "4", "--batch", "8"]
    assert_equal(tmp_path, [*arguments, "--task", "detect"])


@pytest.mark.parametrize("domain", NETWORKS)
def test_batch_normalisation_is_over_all_examples(domain, tmp_path):
    data = MADE[domain](tmp_path / "data")
    network = NETWORKS[domain].replace("), relu", ", bias=False), batchnorm, relu")
    # AdamW would make a whole step of the rounding errors of inputs that batch normalisation removes.
    settings = ["--epochs", "17", "--batch", "8", "--lr", "0.0003", "--optimiser", "sgd"]
    assert_equal(tmp_path, [domain, str(data), "--network", network, *settings])


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    data = MADE["vision"](tmp_path / "data")
    arguments = ["vision", str(data), "--network", NETWORKS["vision"], "--epochs", "3", "--batch", "8", "--lr", "0.003"]
    assert_same(trained(tmp_path, arguments, 1, 1, 1), trained(tmp_path, arguments, 2, 1, 2))


@pytest.mark.parametrize(("batch", "parts"), [(5, 2), (7, 3)])
def test_batches_and_parts_that_do_not_divide(batch, parts, tmp_path):
    data = MADE["vision"](tmp_path / "data")
    arguments = ["vision", str(data), "--network", NETWORKS["vision"], "--epochs", "6", "--lr", "0.003"]
    assert_equal(tmp_path, [*arguments, "--batch", str(batch), "--set", f"accumulate={parts}"])


@pytest.mark.parametrize("optimiser", ["sgd", "muon"])
def test_with_every_optimiser(optimiser, tmp_path):
    data = MADE["vision"](tmp_path / "data")
    arguments = ["vision", str(data), "--network", NETWORKS["vision"], "--epochs", "17", "--batch", "8"]
    assert_equal(tmp_path, [*arguments, "--optimiser", optimiser, "--lr", "0.003"])


@pytest.mark.parametrize("task", TASKS)
def test_in_every_task(task, tmp_path):
    rows = photos_table(tmp_path).read_text().splitlines()
    cells = [row.split(",") for row in rows[1:]]
    table = ["file,name,level,part,tags"]
    for file, _, _, tags in cells:
        number = int(file[:-4])
        level = 40 + 7 * number % 160
        table.append(f"{file},{'rgb'[number % 3]},{level},{level if number % 3 else ''},{tags or 'dark'}")
    (tmp_path / "all.csv").write_text("\n".join(table) + "\n")
    columns = [part for column in TASKS[task] for part in ("--label-column", column)]
    network = ["--network", NETWORKS["vision"], "--epochs", "10", "--batch", "8", "--lr", "0.003"]
    assert_equal(tmp_path, ["vision", str(tmp_path / "all.csv"), *columns, *network])
