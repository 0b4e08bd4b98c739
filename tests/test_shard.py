"""Parts of a prediction: joined, they are the whole, byte for byte."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.problem import Problem
from neocog.core.shard import Shard, parse
from test_cli import neocog, photos, trained  # noqa: F401 (fixtures)


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 20))
def test_shards_are_all_items_in_their_order_cut_at_chunks(count, shards, chunk):
    items = list(range(count))
    parts = [Shard(number, shards).of(items, chunk) for number in range(1, shards + 1)]
    assert [item for part in parts for item in part] == items
    assert all(part[0] % chunk == 0 for part in parts if part)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 2 * chunk


def test_a_shard_may_be_named_by_the_array_of_jobs():
    assert parse("3/16", {}) == Shard(3, 16)
    assert parse("/16", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "1"}) == Shard(4, 16)
    assert parse("/16", {"SLURM_ARRAY_TASK_ID": "0"}) == Shard(1, 16)
    assert parse("/16", {"JOB_COMPLETION_INDEX": "15"}) == Shard(16, 16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("17/16", "--shard counts from 1/16 to 16/16; got 17/16"),
        ("0/16", "--shard counts from 1/16 to 16/16; got 0/16"),
        ("1/0", "--shard counts from 1/0"),
        ("half", "--shard is a part of several, such as 3/16, or /16 in an array of jobs; got half"),
        ("/16", "from SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, and neither is set"),
    ],
)
def test_wrong_shards(text, message):
    with pytest.raises(Problem, match=message):
        parse(text, {})


def test_shards_of_files_joined_are_the_whole_byte_for_byte(neocog, photos, trained, monkeypatch):  # noqa: F811
    from neocog.core import model

    monkeypatch.setattr(model, "WINDOWS_AT_ONCE", 7)
    assert neocog("predict", trained, photos, "--out", "whole.jsonl")[0] == 0
    for number in range(1, 6):
        assert neocog("predict", trained, photos, "--shard", f"{number}/5", "--out", f"part{number}.jsonl")[0] == 0
    whole = Path("whole.jsonl").read_bytes()
    assert b"".join(Path(f"part{number}.jsonl").read_bytes() for number in range(1, 6)) == whole
    assert len(whole.splitlines()) > 50 and "predictions" in json.loads(whole.splitlines()[0])
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    assert neocog("predict", trained, photos, "--shard", "/5", "--out", "again.jsonl")[0] == 0
    assert Path("again.jsonl").read_bytes() == Path("part3.jsonl").read_bytes()


def test_a_shard_is_written_as_json_lines(neocog, photos, trained):  # noqa: F811
    for arguments in ([], ["--out", "part.csv"]):
        code, _, err = neocog("predict", trained, photos, "--shard", "1/2", *arguments)
        assert code == 2 and "--shard writes JSON Lines, whose parts can be joined; add --out FILE.jsonl" in err


# --- the documentation's jobs, with processes of this machine in the place of others

MACHINES = Path(__file__).parents[1] / "docs" / "machines.md"


def block_of(name: str) -> str:
    """A block of code of docs/machines.md by its title."""
    text = MACHINES.read_text(encoding="utf-8")
    return re.search(rf'^```\w+ title="{name}"\n(.*?)^```', text, re.M | re.S)[1]


def neocog_on_path(folder: Path) -> dict[str, str]:
    """The environment in which `neocog` is this package."""
    root = str(Path(__file__).parents[2])
    (folder / "bin").mkdir()
    (folder / "bin/neocog").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m neocog "$@"\n')
    (folder / "bin/neocog").chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": root, "NEOCOG_CACHE": str(folder / "cache")}


@pytest.mark.parametrize("launcher", ["slurm", "kubernetes"])
def test_the_jobs_of_the_documentation_predict_all_files(launcher, photos, trained, tmp_path):  # noqa: F811
    environment = neocog_on_path(tmp_path)
    (tmp_path / "photos").symlink_to(photos)
    (tmp_path / "model.safetensors").symlink_to(trained / "model.safetensors")
    if launcher == "slurm":
        script, indices, variable = block_of("predict.sbatch"), range(1, 5), "SLURM_ARRAY_TASK_ID"
        assert "#SBATCH --array=1-4\n" in script
        environment["SLURM_ARRAY_TASK_MIN"] = "1"
    else:
        manifest = block_of("predict.yaml")
        script, indices, variable = re.search(r'args: \["(.*)"\]', manifest)[1], range(4), "JOB_COMPLETION_INDEX"
        assert "completions: 4\n" in manifest and "completionMode: Indexed\n" in manifest
    for index in indices:
        subprocess.run(["sh", "-c", script], cwd=tmp_path, env={**environment, variable: str(index)}, check=True)
    subprocess.run(
        ["sh", "-c", "neocog predict model.safetensors photos/ --out all.jsonl"],
        cwd=tmp_path, env=environment, check=True,
    )  # fmt: skip
    joined = b"".join((tmp_path / f"part-{index}.jsonl").read_bytes() for index in indices)
    assert joined == (tmp_path / "all.jsonl").read_bytes() and joined
