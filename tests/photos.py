"""Pictures for tests of the sources of vision: folders of them, loaded, refused, counted."""

import io
from pathlib import Path

import numpy as np
import pytest
from neocog.core.data import Data, DataSpec
from neocog.core.problem import DATA, Problem
from neocog.vision.data import load
from PIL import Image

SHARED = Path(__file__).parents[2] / "shared" / "data" / "vision"


def shared(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"shared/data/vision/{name} is not here")
    return SHARED / name


def png(seed: int, size: tuple[int, int] = (6, 6), grey: bool = False) -> bytes:
    shape = size if grey else (*size, 3)
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(file, "PNG")
    return file.getvalue()


def files(root: Path, *folders: str, count: int = 6, size: tuple[int, int] = (6, 6), grey: bool = False) -> Path:
    """Some pictures in each of the folders, no two alike."""
    for number, name in enumerate(folders):
        (root / name).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            (root / name / f"{k}.png").write_bytes(png(1000 * number + k, size, grey))
    return root


def loaded(path: Path | str, tmp_path: Path, **source: object) -> Data:
    return load(DataSpec(str(path), options={"cache": tmp_path / "cache"}, **source), None, None)  # type: ignore[arg-type]


def refused(path: Path | str, tmp_path: Path, code: int = DATA, **source: object) -> str:
    with pytest.raises(Problem) as caught:
        loaded(path, tmp_path, **source)
    assert caught.value.code == code
    return str(caught.value)


def counts(data: Data) -> dict[str, int]:
    return {split: len(getattr(data, split)) for split in ("train", "valid", "test")}
