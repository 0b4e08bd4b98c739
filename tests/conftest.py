"""Fixtures of the tests: the command line in this process, and a folder with real data, if there is one."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # tests/toy.py

os.environ.pop("PYTHONUNBUFFERED", None)  # with it, nothing is left to write when Python ends
os.environ["OMP_NUM_THREADS"] = "1"  # tiny networks: threads would only wait for each other
settings.register_profile("neocog", deadline=None)  # on a shared machine an example may take long and be right
settings.load_profile("neocog")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def command(capsys, monkeypatch):
    """A command line in this process, with what it reads: its exit code, stdout and stderr."""
    from neocog import cli

    def call(*arguments, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["neocog", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def shared() -> Path:
    """Real data for development; a user's clone has none."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data sets of {SHARED}")
    return SHARED
