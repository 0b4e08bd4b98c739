"""Maps of the packaged network's first layers for many positions, stored as bytes: heads are trained on them.

A folder holds `rows.npy` (packed planes), `maps.npy` (a byte for each of 128 × 361 numbers: 46 KB a position),
`targets.npz` (arrays of the caller, and the scale of the bytes) and `stored` (the number of positions).
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import neocog
import numpy as np
import torch
from neocog.core import bootstrap
from neocog.core.split import split
from neocog.go.augment import symmetry_tables, view
from neocog.go.collection import Collection
from neocog.go.pack import usable_games
from neocog.go.positions import Positions
from torch import Tensor, nn

AT_ONCE = 64
VALID = 0.04  # share of the games


def say(text: str) -> None:
    print(f"{text}, {time.process_time():.0f} CPU s", flush=True)


def by_game(values, game):
    """The 95% interval of a mean, by a bootstrap over games."""
    numbers = np.unique(game, return_inverse=True)[1]
    sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    return bootstrap.interval(lambda weights: (weights @ sums) / (weights @ counts), len(sums))


def usable(collection: Collection) -> tuple[Any, Any]:
    """The usable games of a collection, and those of the validation split, bool (G,)."""
    indices, _ = usable_games(collection)
    openings = [collection.openings[i] for i in indices]
    is_valid = np.array(split(openings, ["game"] * len(openings), VALID, 0.0)[0]) == "valid"
    return collection.games.subset(indices), is_valid


def chosen_positions(positions: Positions, wanted, is_valid, first: int, rng, weights=None) -> tuple[Any, int]:
    """Indices of positions in the order in which they are stored, and the number of validation positions.

    `wanted` are positions of each game, int (G,). The order is random by game: the validation games, `first` positions
    of each training game, then the others. Positions with larger `weights` are chosen more often from a game.
    """
    shuffled = rng.permutation(np.flatnonzero(wanted[positions.game]))
    if weights is not None:
        shuffled = shuffled[np.argsort(rng.exponential(1 / weights[shuffled]))]  # Efraimidis and Spirakis 2006
    shuffled = shuffled[np.argsort(positions.game[shuffled], kind="stable")]
    game = positions.game[shuffled]
    nth = np.arange(len(game)) - np.searchsorted(game, game)
    taken, early = nth < wanted[game], nth < first
    valid = shuffled[is_valid[game] & taken]
    parts = [shuffled[~is_valid[game] & taken & chosen] for chosen in (early, ~early)]
    return np.concatenate([valid, *map(rng.permutation, parts)]), len(valid)


def store(
    folder: Path, positions: Positions, indices, layers: int, seconds: float, targets: dict, turned: bool = False
) -> None:
    """Stores the output of the first layers for positions, until `seconds` of CPU time are over.

    With `turned`, each batch is turned by another symmetry of the board; `symmetry` among the targets says by which.
    """
    model = neocog.load("go", "cpu", 1)
    trunk = nn.Sequential(*copy.deepcopy(list(model.words)[:layers])).bfloat16()
    symmetry = np.arange(len(indices)) // AT_ONCE % 8 if turned else np.zeros(len(indices), np.int64)

    def maps_of(rows, symmetry: int) -> Tensor:
        maps = view(symmetry).transform(model.frontend(torch.from_numpy(rows))).bfloat16()
        return trunk(maps.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1).flatten(1, 2).float()

    shape = len(indices), 361, trunk[0].out_channels
    rows = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.uint8, (len(indices), 2166))
    stored = np.lib.format.open_memmap(folder / "maps.npy", "w+", np.uint8, shape)
    with torch.inference_mode():
        sample = maps_of(positions.rows(indices[:AT_ONCE]), 0)
        scale = sample.flatten(0, 1).quantile(0.9995, 0).clamp_min(1e-3) * 1.05 / 255
        np.savez(folder / "targets.npz", **targets, symmetry=symmetry, scale=scale.numpy())
        for start in range(0, len(indices), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            rows[part] = positions.rows(indices[part])
            levels = (maps_of(rows[part], int(symmetry[start])) / scale).round().clamp(0, 255)
            stored[part] = levels.byte().numpy()
            if start % (50 * AT_ONCE) == 0:
                (folder / "stored").write_text(str(start))
                say(f"{start:,} positions")
            if time.process_time() > seconds:
                break
    (folder / "stored").write_text(str(min(start + AT_ONCE, len(indices))))


class Stored:
    """What `store` wrote."""

    def __init__(self, folder: Path) -> None:
        self.targets = dict(np.load(folder / "targets.npz"))
        self.rows, self.stored = (np.load(folder / name, mmap_mode="r") for name in ("rows.npy", "maps.npy"))
        self.count, self.valid = int((folder / "stored").read_text()), int(self.targets["valid"])
        self.scale = torch.from_numpy(self.targets["scale"])

    def maps(self, indices) -> Tensor:
        """(B, C, 19, 19) of positions, as the trunk gave them."""
        maps = torch.from_numpy(self.stored[indices]).float() * self.scale
        return maps.transpose(1, 2).unflatten(2, (19, 19))

    def places(self, indices, places) -> Tensor:
        """Places of positions, int64 (B,), as they lie in the maps."""
        after = symmetry_tables(torch.device("cpu"))[0]
        return after[torch.from_numpy(self.targets["symmetry"][indices]), torch.from_numpy(places.astype(np.int64))]

    def batches(self, steps: int, size: int, rng):
        """Indices of training positions, each once before any comes again."""
        order = np.zeros(0, np.int64)
        for _ in range(steps):
            if len(order) < size:
                order = rng.permutation(np.arange(self.valid, self.count))
            yield np.sort(order[:size])
            order = order[size:]


def run(doc: str, functions: Mapping[str, Callable[[argparse.Namespace], None]], **defaults: float) -> None:
    """The command line of a benchmark in steps: the step, games, --out, and an option for each default."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=tuple(functions))
    parser.add_argument("games", nargs="?", default="")
    parser.add_argument("--out", type=Path, required=True)
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    functions[arguments.step](arguments)
