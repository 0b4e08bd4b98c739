"""The commands of docs/machines.md under torchrun, with processes of this machine in the place of machines."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from neocog.core import checkpoint
from neocog.core.device import ALONE, World
from test_cli import TINY, photos  # noqa: F401 (fixture)
from test_shard import block_of, neocog_on_path

SMALL = f"--out run --network '{TINY}' --epochs 3 --batch 16 --device cpu --quiet"


@pytest.fixture
def environment(tmp_path):
    values = neocog_on_path(tmp_path) | {"OMP_NUM_THREADS": "1"}
    launcher = tmp_path / "bin/torchrun"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m torch.distributed.run "$@"\n')
    launcher.chmod(0o755)
    return values


def begin(command, folder, environment):
    return subprocess.Popen(
        ["sh", "-c", f"exec {command}"], cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(command, folder, environment):
    process = begin(command, folder, environment)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out


def free_port():
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def test_two_processes_train_and_evaluate(photos, tmp_path, environment):  # noqa: F811
    (tmp_path / "photos").symlink_to(photos)
    run(block_of("one machine").strip().replace("--out run", SMALL), tmp_path, environment)
    assert json.loads((tmp_path / "run/summary.json").read_text())["epochs"] == 3
    words = "-m neocog evaluate run photos/ --part all --device cpu --json"
    one, two = (
        json.loads(run(f"torchrun --nproc-per-node {count} {words}", tmp_path, environment)) for count in (1, 2)
    )
    assert one.pop("seconds") and two.pop("seconds")
    assert one["log_loss"] == pytest.approx(two.pop("log_loss"), rel=1e-5) and one.pop("log_loss")
    assert one == two and one["examples"] == 90
    # the processes read other data
    subprocess.run(["cp", "-r", photos, tmp_path / "photos1"], check=True)
    next((tmp_path / "photos1").rglob("*.png")).unlink()
    (tmp_path / "photos0").symlink_to(photos)
    (tmp_path / "evaluate.sh").write_text(f'exec "{sys.executable}" {words.replace("photos/", "photos$RANK")}\n')
    wrong = begin("torchrun --nproc-per-node 2 --no-python sh evaluate.sh", tmp_path, environment)
    assert "the processes differ in data: rank 0 has " in wrong.communicate(timeout=200)[1] and wrong.returncode


def test_two_machines(photos, tmp_path, environment):  # noqa: F811
    command = " ".join(block_of("two machines").replace("\\\n", " ").split()).replace("--out run", SMALL)
    command = command.replace("first-machine", "localhost").replace("29500", str(free_port()))
    command = command.replace("--nproc-per-node 2", "--nproc-per-node 1")
    for node in (0, 1):
        (tmp_path / f"node{node}").mkdir()
        (tmp_path / f"node{node}/photos").symlink_to(photos)

    def both():
        nodes = [command, command.replace("--node-rank 0", "--node-rank 1")]
        processes = [begin(text, tmp_path / f"node{i}", environment) for i, text in enumerate(nodes)]
        return [(*process.communicate(timeout=200), process.returncode) for process in processes]

    assert [code for *_, code in both()] == [0, 0]
    assert (tmp_path / "node0/run/model.safetensors").exists() and not (tmp_path / "node1/run").exists()
    # the second machine has other data
    (tmp_path / "node1/photos").unlink()
    subprocess.run(["cp", "-r", photos, tmp_path / "node1/photos"], check=True)
    next((tmp_path / "node1/photos").rglob("*.png")).unlink()
    command = command.replace("--quiet", "--force --quiet")
    ended = both()
    assert all(code != 0 for *_, code in ended)
    assert any("the processes differ in data: rank 0 has " in err for _, err, _ in ended), ended


def test_a_study_by_two_processes(tmp_path, environment):
    words = "tune playground circle --set epochs=5 --set 'lr=log(1e-3, 1e-1)' --pruner none --trials 6 --out study"
    out = run(f"torchrun --nproc-per-node 2 -m neocog {words} --quiet", tmp_path, environment)
    assert out.count("the best of 6 trials, trained again with 3 new seeds") == 1
    wrong = begin(f"torchrun --nproc-per-node 2 -m neocog {words} --workers 2", tmp_path, environment)
    assert "torchrun starts the processes" in wrong.communicate(timeout=100)[1] and wrong.returncode


def test_a_killed_rank_ends_all_and_the_run_goes_on(tmp_path, environment):
    words = "train playground circle --recipe small --epochs 1 --device cpu --out run --quiet"
    run(f"neocog {words}", tmp_path, environment)
    words = "resume run --epochs 3000 --quiet"
    process, end = (
        begin(f"torchrun --nproc-per-node 2 -m neocog {words}", tmp_path, environment),
        time.monotonic() + 100,
    )
    while epochs_of(tmp_path / "run") < 2:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("the kernel does not list children")
    ranks = [int(child) for child in children.read_text().split() if b"neocog" in command_of(child)]
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    start = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode and time.monotonic() - start < 30
    assert not any(command_of(rank) for rank in ranks)
    run("torchrun --nproc-per-node 2 -m neocog resume run --epochs 3 --quiet", tmp_path, environment)
    assert epochs_of(tmp_path / "run") == 3
    assert checkpoint.read_tensors(tmp_path / "run/model.safetensors")


def command_of(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def epochs_of(folder):
    return len((folder / "metrics.jsonl").read_text().splitlines())


def test_a_share_of_every_process():
    import torch

    parts = [World(rank, 3).share(torch.arange(7)).tolist() for rank in range(3)]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]
    assert ALONE.gathered(torch.arange(3).numpy()).tolist() == [0, 1, 2]
