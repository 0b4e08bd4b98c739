"""The fuzzer: some of its cases with all tests, all of them with -m slow; and that its oracle finds faults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import cases, grammar, mutate, oracle
from fuzz.cases import Case
from fuzz.sandbox import Outcome

ROOT = Path(__file__).parents[1]
CASES = 60  # with all tests
GOOD = Outcome(0, b"", b"", 0.1, 0, False)

linux = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the fuzzer needs Linux")


def run(module: str, *arguments: object) -> str:
    """The output of a part of the fuzzer, which must find no fault."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace")
    assert process.returncode == 0, process.stdout[-5000:] + process.stderr[-3000:]
    return process.stdout


@linux
def test_some_generated_bad_inputs_end_as_documented():
    assert "faults: none" in run("tests.fuzz", "--cases", f"0:{CASES}")


@linux
@pytest.mark.slow
def test_all_generated_bad_inputs_end_as_documented():
    assert "faults: none" in run("tests.fuzz", "--cases", "0:3000")


@linux
@pytest.mark.slow
def test_the_engine_answers_generated_lines():
    assert "no faults" in run("tests.fuzz.gtp", "--lines", 20_000)


@linux
@pytest.mark.slow
def test_killed_trainings_resume_to_the_same_weights():
    assert "12 of 12 trainings have the weights" in run("tests.fuzz.kill", "--trainings", "0:12")


@pytest.mark.parametrize(
    ("arguments", "codes", "outcome", "fault"),
    [
        ([], {0}, GOOD, None),
        ([], {2}, GOOD._replace(code=2, stderr=b"neocog: no\n"), None),
        (
            [],
            {1},
            GOOD._replace(code=1, stderr=b"Traceback (most recent call last):\n  x\nKeyError: 1"),
            "traceback: KeyError",
        ),
        ([], {2}, GOOD, "exit code: 0 instead of [2]"),
        ([], {2}, GOOD._replace(code=2), "message: none"),
        ([], {2}, GOOD._replace(code=2, stderr=b"x" * 3000), "message: a line of 3000 bytes"),
        (["--json"], {0}, GOOD._replace(stdout=b"{} {}"), "json: Extra data"),
        (["--json"], {0}, GOOD._replace(stdout=b"[NaN]"), "json: NaN is no JSON"),
        (["--json"], {0}, GOOD._replace(stdout=b"[1]\n"), None),
        ([], {0}, GOOD._replace(seconds=21.0), "hang: 21.0 s"),
        ([], {0}, GOOD._replace(waited=True), "hang"),
        ([], {0}, GOOD._replace(memory=3_000_000_000), "memory: 3.0 GB"),
        ([], {0}, GOOD._replace(stderr=b"\x1b[2J"), "control characters"),
        ([], {0}, GOOD._replace(stderr=b"/a/b.py:9: UserWarning: no\n"), "warning"),
    ],
)
def test_the_oracle_finds_faults(arguments, codes, outcome, fault):
    found = oracle.faults(Case("options", ["train", *arguments], frozenset(codes)), outcome)
    assert [text.startswith(fault) for text in found] == [True] if fault else found == []


def test_the_oracle_admits_colours_where_they_are_forced():
    case = Case("options", ["train"], frozenset({0}), environment={"FORCE_COLOR": "1"})
    assert oracle.faults(case, GOOD._replace(stdout=b"\x1b[1;31mred\x1b[0m")) == []
    assert oracle.faults(case, GOOD._replace(stdout=b"\x1b[2J")) == ["control characters: b'\\x1b'"]


def test_the_oracle_finds_changed_and_left_files(tmp_path):
    (tmp_path / "a").write_text("a")
    before = oracle.snapshot(tmp_path)
    assert oracle.changes(before, oracle.snapshot(tmp_path)) == [] and oracle.leftovers(tmp_path) == []
    (tmp_path / "a").write_text("other")
    (tmp_path / ".neocog-1234-5-b").write_text("half")
    assert "/a'" in oracle.changes(before, oracle.snapshot(tmp_path))[0]
    assert oracle.leftovers(tmp_path) == ["leftovers: ['.neocog-1234-5-b']"]


def test_every_command_has_a_valid_command_line_and_options_of_known_types():
    commands = cases.commands()
    assert ("train",) in commands and ("go", "match") in commands
    types = {option.name: option.type for option in commands["train",]}
    assert types["--epochs"] == "int" and types["--lr"] == "float" and types["--settings"] == "path"
    assert types["--force"] == "bool" and types["--recipe"] == "str"


def test_generators_are_deterministic():
    import random

    layers = cases.layer_names()
    content = bytes(range(256)) * 4
    for seed in range(20):
        first, second = (
            (
                grammar.network(rng, layers), grammar.table(rng), grammar.json_lines(rng), grammar.record(rng),
                grammar.gtp_line(rng, ["play"]), mutate.content(rng, content), repr(mutate.value(rng, {"a": [1, {}]})),
            )
            for rng in (random.Random(seed), random.Random(seed))
        )  # fmt: skip
        assert first == second
