"""Trains the head that predicts the moves of some players, and measures it on each part of the test games.

python benchmarks/go_like.py features train.sgf.zip --out players --seconds 700   the last maps of positions
python benchmarks/go_like.py train --out players                                  the head, on the frozen network
python benchmarks/go_like.py test test.sgf.zip --out players                      the figures of docs/go.md
python benchmarks/go_like.py pack --out players                                   puts the head into the package

Players are those of a folder of the archive (fox, kgs, tygem), and on KGS those of a rank that the record gives.
--positions are those of each server in the test.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import neocog
import numpy as np
import torch
from go_features import Stored, by_game, chosen_positions, run, say, store, usable
from neocog.core.model import NEVER
from neocog.go import head_file, players
from neocog.go.augment import symmetry_tables
from neocog.go.collection import read_collection
from neocog.go.frontend import LegalMask
from neocog.go.games import Games
from neocog.go.position import BLACK
from neocog.go.positions import Positions
from torch import nn
from torch.nn import functional as F

LAYERS = 23  # all but the last convolution, the bias of each point and flatten
SERVERS, RANKS = ("fox", "kgs", "tygem"), ("5d", "6d", "7d", "8d", "9d")
GROUPS = (*SERVERS, *(f"kgs-{rank}" for rank in RANKS))
OF_EACH = 12_000  # positions of a server
BATCH, WITHOUT_RANK = 256, 0.3  # positions; share that is trained without the rank
PACKAGED = Path(neocog.__file__).parent / "go" / "weights" / players.FILE


def servers_of(games: Games):
    """The index of the server of each game, by its folder; −1 for another folder."""
    parts = [set(name.replace("!", "/").split("/")) for name in games.names]
    return np.array([next((i for i, server in enumerate(SERVERS) if server in part), -1) for part in parts])


def groups_of(games: Games, positions: Positions, indices):
    """The groups of the player to move in each position, uint8 (N, G)."""
    game, colour = positions.game[indices], games.colours[positions.move_indices[indices]]
    server, groups = servers_of(games)[game], np.zeros((len(indices), len(GROUPS)), np.uint8)
    for row, (g, is_black) in enumerate(zip(game, colour == BLACK, strict=True)):
        groups[row, server[row]] = 1
        rank = f"{SERVERS[server[row]]}-{games.info[g].black_rank if is_black else games.info[g].white_rank}"
        if rank in GROUPS:
            groups[row, GROUPS.index(rank)] = 1
    return groups


def features(arguments) -> None:
    """Stores the last maps of positions, as many of each server."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    games, is_valid = usable(read_collection([arguments.games]))
    server, rng = servers_of(games), np.random.default_rng(arguments.seed)
    share = OF_EACH / np.maximum(np.bincount(server, minlength=len(SERVERS)), 1)
    wanted = np.floor(np.where(server < 0, 0, share[server]) + rng.random(len(server))).astype(int)
    positions = Positions(games)
    indices, valid = chosen_positions(positions, wanted, is_valid, wanted.max(), rng)
    arrays = {"groups": groups_of(games, positions, indices), "moves": positions.moves[indices], "valid": valid}
    say(f"{len(indices):,} positions to store, {valid:,} for validation")
    store(arguments.out, positions, indices, LAYERS, arguments.seconds, arrays, turned=True)


class Batches(Stored):
    """Stored positions with the logits of the network alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        layers = list(neocog.load("go", "cpu", 1).words)
        self.trunk, self.rest = nn.Sequential(*layers[:LAYERS]), nn.Sequential(*layers[LAYERS:])
        self.legal = LegalMask()

    def batch(self, indices):
        """Maps, the network's logits, legal moves, groups and moves."""
        before = symmetry_tables(torch.device("cpu"))[1][torch.from_numpy(self.targets["symmetry"][indices])]
        legal = self.legal(torch.from_numpy(self.rows[indices])).gather(1, before)
        maps = self.maps(indices)
        with torch.no_grad():
            logits = self.rest(maps)
        groups = torch.from_numpy(self.targets["groups"][indices]).float()
        return maps, logits, legal, groups, self.places(indices, self.targets["moves"][indices])


def loss_of(head: players.PlayersHead, batch, groups) -> torch.Tensor:
    """The log loss of each position."""
    maps, logits, legal, _, moves = batch
    return F.cross_entropy((logits + head(maps, groups)).masked_fill(~legal, NEVER), moves, reduction="none")


def train(arguments) -> None:
    """Trains a head and writes it beside the features."""
    torch.manual_seed(arguments.seed)
    stored, rng = Batches(arguments.out), np.random.default_rng(arguments.seed)
    head = players.PlayersHead(len(stored.scale), len(GROUPS))
    optimiser = torch.optim.AdamW(head.parameters(), lr=arguments.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, arguments.lr, total_steps=arguments.steps, pct_start=0.1)
    for step, indices in enumerate(stored.batches(arguments.steps, BATCH, rng)):
        batch = stored.batch(indices)
        groups = batch[3].clone()
        groups[torch.rand(len(groups)) < WITHOUT_RANK, len(SERVERS) :] = 0
        loss = loss_of(head, batch, groups).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            say(f"step {step}, loss {float(loss.detach()):.4f}")
    losses = validation(head.eval(), stored)
    for name, values in losses.items():
        say(f"validation, {name}: " + ", ".join(f"{key} {value:.4f}" for key, value in values.items()))
    data = {"positions": stored.count - stored.valid, "valid": stored.valid, "steps": arguments.steps}
    trunk = head_file.digest(stored.trunk.state_dict())
    card = players.PlayersCard(trunk, LAYERS, len(stored.scale), list(GROUPS), data, losses)
    head_file.save(arguments.out / players.FILE, head, card)


def validation(head: players.PlayersHead, stored: Batches) -> dict[str, dict[str, float]]:
    """Log losses on the validation positions of each server: the network's, with the server, with the rank."""
    rows = []
    with torch.inference_mode():
        for start in range(0, stored.valid, BATCH):
            batch = stored.batch(np.arange(start, min(start + BATCH, stored.valid)))
            _, logits, legal, groups, moves = batch
            base = F.cross_entropy(logits.masked_fill(~legal, NEVER), moves, reduction="none")
            server = groups.clone()
            server[:, len(SERVERS) :] = 0
            losses = [loss_of(head, batch, chosen) for chosen in (server, groups)]
            rows.append(torch.stack([groups[:, : len(SERVERS)].argmax(1), base, *losses], 1))
    table = torch.cat(rows).numpy()
    names = ("network", "server", "rank")
    return {
        name: dict(zip(names, map(float, table[table[:, 0] == i, 1:].mean(0)), strict=True))
        for i, name in enumerate(SERVERS)
        if (table[:, 0] == i).any()
    }


def test(arguments) -> None:
    """Log losses on test positions of each group, alone and with each name; intervals by game."""
    games, _ = usable(read_collection([arguments.games]))
    positions, rng = Positions(games), np.random.default_rng(1)
    server = servers_of(games)[positions.game]
    indices = np.sort(np.concatenate([
        rng.choice(np.flatnonzero(server == i), min(arguments.positions, (server == i).sum()), replace=False)
        for i in range(len(SERVERS))
    ]))  # fmt: skip
    groups, moves = groups_of(games, positions, indices), positions.moves[indices].astype(np.int64)
    model, legal_mask = neocog.load("go", "cpu", 1), LegalMask()
    layers = list(model.words)
    trunk, rest = nn.Sequential(*layers[:LAYERS]), nn.Sequential(*layers[LAYERS:])
    head, card = players.load(arguments.out / players.FILE, trunk.state_dict())
    losses = []
    with torch.inference_mode():
        for start in range(0, len(indices), 64):
            part = slice(start, start + 64)
            rows = torch.from_numpy(positions.rows(indices[part]))
            maps = trunk(model.frontend(rows).contiguous(memory_format=torch.channels_last))
            batch = maps, rest(maps), legal_mask(rows), None, torch.from_numpy(moves[part])
            base = F.cross_entropy(batch[1].masked_fill(~batch[2], NEVER), batch[4], reduction="none")
            vectors = [players.group_vector(card.groups, name) for name in card.groups]
            with_names = [loss_of(head, batch, vector.expand(len(rows), -1)) for vector in vectors]
            losses.append(torch.stack([base, *with_names], 1))
    table, game = torch.cat(losses).numpy(), positions.game[indices]
    print(f"{'':<8} {'positions':>9} {'network':>8} {'named':>8} {'change':>20}   with another server")
    for column, name in enumerate(GROUPS):
        chosen = groups[:, column] > 0
        if not chosen.any():
            continue
        named = table[chosen, 1 + column]
        low, high = by_game(named - table[chosen, 0], game[chosen])
        others = [f"{other} {table[chosen, 1 + i].mean():.4f}" for i, other in enumerate(SERVERS) if other != name]
        print(f"{name:<8} {chosen.sum():>9,} {table[chosen, 0].mean():8.4f} "
              f"{named.mean():8.4f} {(named - table[chosen, 0]).mean():+.4f} ({low:+.4f} to {high:+.4f})   "
              f"{', '.join(others)}", flush=True)  # fmt: skip


def pack(arguments) -> None:
    card = players.read_card(arguments.out / players.FILE)
    shutil.copyfile(arguments.out / players.FILE, PACKAGED)
    print(f"{PACKAGED}: {PACKAGED.stat().st_size / 1e6:.2f} MB, {json.dumps(card.metrics)}")


def main() -> None:
    functions = {"features": features, "train": train, "test": test, "pack": pack}
    run(__doc__, functions, seconds=700.0, steps=400, lr=0.0003, positions=2500, seed=0)


if __name__ == "__main__":
    main()
