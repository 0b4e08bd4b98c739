"""What the tests share: a folder with real data where there is one, and the toy world."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # tests/toy.py

torch.set_num_threads(1)  # tiny networks: threads would only wait for each other

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    """Real data for development; a user's clone has none."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data sets of {SHARED}")
    return SHARED
