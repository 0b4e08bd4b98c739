"""Trains the value head of the packaged Go network on its frozen trunk, and measures it on test games.

python benchmarks/go_value.py features train.sgf.zip --out value --seconds 2400  the trunk's maps of positions
python benchmarks/go_value.py train --out value                                  the head, calibrated on validation
python benchmarks/go_value.py test test.sgf.zip --out value                      the figures of docs/go.md
python benchmarks/go_value.py pack --out value                                   puts the head into the package

`features` visits games in a random order: the validation games, two positions of each training game, then more, late
positions more often. It stops after --seconds of CPU time; positions are stored in 46 KB each (a byte for each of
128 × 361 numbers).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import neocog
import numpy as np
import torch
from go_features import Stored, by_game, chosen_positions, run, say, store, usable
from neocog.go import head_file, value
from neocog.go.collection import read_collection
from neocog.go.evaluation import NetworkEvaluator
from neocog.go.frontend import Unpack
from neocog.go.outcome import area_komi, handicap, outcome, record_komi
from neocog.go.position import BLACK, WHITE, empty_positions
from neocog.go.positions import Positions
from neocog.go.search import Batch
from neocog.go.value import ValueCard, ValueHead
from neocog.go.value_targets import UNKNOWN, ValueTargets
from torch.nn import functional as F

TRUNK = 13  # layers: the first convolution and five of ten residual blocks
PER_GAME, FIRST = 6, 2  # positions of a game; of them in the first round
LATE, LATE_WEIGHT = 150, 3  # training positions after so many moves are chosen so many times as often
BATCH = 128
PACKAGED = Path(neocog.__file__).parent / "go" / "weights" / value.FILE


def games_of(path: str):
    """The usable games of a collection, those for validation, and their targets."""
    games, is_valid = usable(read_collection([path]))
    targets = ValueTargets.of(games)
    counted, owned = np.isfinite(targets.lead).sum(), (targets.owners[:, 0] != UNKNOWN).sum()
    say(f"{len(games):,} games, {len(targets.left_out):,} left out, counted {counted:,}, with owners {owned:,}")
    return games, is_valid, targets


def features(arguments) -> None:
    """Stores the trunk's maps, as bytes, and the packed planes of positions."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    games, is_valid, targets = games_of(arguments.games)
    positions, rng = Positions(games), np.random.default_rng(arguments.seed)
    numbers = positions.move_indices - games.starts[positions.game]
    weights = np.where((numbers >= LATE) & ~is_valid[positions.game], LATE_WEIGHT, 1)
    indices, valid = chosen_positions(positions, PER_GAME * targets.usable, is_valid, FIRST, rng, weights)
    game, moves = positions.game[indices], positions.move_indices[indices]
    arrays = {name: getattr(targets, name) for name in ("black_wins", "komi", "lead", "owners")}
    arrays |= {"game": game, "number": numbers[indices], "colour": games.colours[moves], "valid": valid}
    store(arguments.out, positions, indices, TRUNK, arguments.seconds, arrays)


class ValueBatches(Stored):
    """Batches of stored positions with their targets, relative to the player to move."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.unpack = Unpack(slice(0, value.STONES))

    def batch(self, indices):
        """Inputs of the head, and its targets: winner (B,), lead (B,), ownership (B, 361); NaN if unknown."""
        targets, game = self.targets, self.targets["game"][indices]
        stones = self.unpack(torch.from_numpy(self.rows[indices]))
        is_white = torch.from_numpy((targets["colour"][indices] == WHITE).astype(np.float32))
        sign = 1 - 2 * is_white
        wins = torch.from_numpy(targets["black_wins"][game]) == (is_white == 0)
        komi = torch.from_numpy(targets["komi"][game])
        lead = sign * (torch.from_numpy(targets["lead"][game]) - komi)
        owner = torch.tensor([0, 1, -1, torch.nan])[torch.from_numpy(targets["owners"][game]).long()] * sign[:, None]
        return (self.maps(indices), stones, komi, is_white), (wins.float(), lead, owner)


def losses(head: ValueHead, inputs, targets, hide=None):
    """The losses of the winner, the lead and the ownership, and the logit of winning; `hide` hides some komi."""
    maps, stones, komi, is_white = inputs
    shown = komi if hide is None else komi.masked_fill(hide, torch.nan)
    logit, lead, owner = head(maps, stones, shown, is_white)
    wins, true_lead, true_owner = targets
    counted = true_lead.isfinite() & shown.isfinite()
    known = true_owner.isfinite()
    winner = F.binary_cross_entropy_with_logits(logit, wins)
    points = F.huber_loss(lead[counted] / 20, true_lead[counted] / 20) if counted.any() else logit.sum() * 0
    owners = (
        F.binary_cross_entropy_with_logits(owner[known], (1 + true_owner[known]) / 2)
        if known.any()
        else logit.sum() * 0
    )
    return winner, points, owners, logit


def train(arguments) -> None:
    """Trains a head, finds its temperature on the validation positions, and writes it beside the features."""
    torch.manual_seed(arguments.seed)
    stored, rng = ValueBatches(arguments.out), np.random.default_rng(arguments.seed)
    head = ValueHead(len(stored.scale), arguments.width, arguments.blocks).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(head.parameters(), lr=arguments.lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, arguments.lr, total_steps=arguments.steps, pct_start=0.1)
    say(f"{stored.count - stored.valid:,} training and {stored.valid:,} validation positions")
    for step, indices in enumerate(stored.batches(arguments.steps, BATCH, rng)):
        inputs, targets = stored.batch(indices)
        with torch.autocast("cpu", torch.bfloat16):
            winner, points, owners, _ = losses(head, inputs, targets, torch.rand(len(indices)) < 0.1)
        loss = winner + 0.5 * points + owners
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            parts = [float(part.detach()) for part in (winner, points, owners)]
            say(f"step {step}, losses " + " ".join(f"{number:.4f}" for number in parts))
    temperature, metrics = calibrated(head.eval(), stored)
    model = neocog.load("go", "cpu", 1)
    trunk = torch.nn.Sequential(*list(model.words)[:TRUNK]).state_dict()
    data = {"positions": stored.count - stored.valid, "valid": stored.valid, "steps": arguments.steps}
    shape = TRUNK, len(stored.scale), arguments.width, arguments.blocks
    card = ValueCard(head_file.digest(trunk), *shape, temperature, data, metrics)
    head_file.save(arguments.out / value.FILE, head, card)
    print(json.dumps({"temperature": temperature, **metrics}))


def calibrated(head: ValueHead, stored: ValueBatches):
    """The temperature with the least log loss on the validation positions, and the head's metrics there."""
    logits, wins, errors, owner_losses = [], [], [], []
    with torch.inference_mode():
        for start in range(0, stored.valid, 256):
            inputs, targets = stored.batch(np.arange(start, min(start + 256, stored.valid)))
            logit, lead, owner = head(*inputs)
            logits.append(logit)
            wins.append(targets[0])
            errors.append((lead - targets[1]).abs()[targets[1].isfinite()])
            if not (known := targets[2].isfinite()).any():
                continue
            owner_losses.append(F.binary_cross_entropy_with_logits(owner[known], (1 + targets[2][known]) / 2))
    logit, win = torch.cat(logits), torch.cat(wins)
    grid = np.geomspace(0.5, 4, 200)
    temperature = float(grid[np.argmin([float(F.binary_cross_entropy_with_logits(logit / t, win)) for t in grid])])
    late = torch.from_numpy(stored.targets["number"][: stored.valid] >= LATE)
    right, squares = (logit > 0) == (win > 0.5), ((logit / temperature).sigmoid() - win).square()
    return round(temperature, 4), {
        "valid_accuracy": float(right.float().mean()),
        "valid_log_loss": float(F.binary_cross_entropy_with_logits(logit / temperature, win)),
        "valid_brier": float(squares.mean()),
        "valid_late_accuracy": float(right[late].float().mean()),
        "valid_late_brier": float(squares[late].mean()),
        "valid_lead_error": float(torch.cat(errors).median()) if any(map(len, errors)) else None,
        "valid_owner_loss": float(torch.stack(owner_losses).mean()) if owner_losses else None,
    }


def test(arguments) -> None:
    """Measures the head on test games: every --every-th position of each game with a result."""
    games, _, targets = games_of(arguments.games)
    positions = Positions(games)
    moves = positions.move_indices - games.starts[positions.game]
    indices = np.flatnonzero((moves + positions.game) % arguments.every == 0)
    outcomes = [outcome(info.result) for info in games.info]
    indices = indices[[outcomes[game] is not None for game in positions.game[indices]]]
    evaluator = NetworkEvaluator(neocog.load("go", "cpu", arguments.symmetries), arguments.out / value.FILE)
    win, lead = [], []
    for start in range(0, len(indices), 64):
        part = indices[start : start + 64]
        turns = empty_positions(len(part), 19)
        turns["turn"] = games.colours[positions.move_indices[part]]
        komi = np.array([area_komi_of(games, int(game)) for game in positions.game[part]], np.float32)
        evaluation = evaluator(Batch(turns, positions.rows(part), komi))
        black = turns["turn"] == BLACK
        win.append(np.where(black, evaluation.win, 1 - evaluation.win))
        lead.append(np.where(black, evaluation.lead, -evaluation.lead))
    win, lead, game, move = np.concatenate(win), np.concatenate(lead), positions.game[indices], moves[indices]
    black_wins = np.array([outcomes[g].winner == BLACK for g in game])
    true_lead = targets.lead[game] - targets.komi[game]
    on_board = targets.usable[game]
    rows = {"all": move >= 0, "to 50": move < 50, "51 to 100": (move >= 50) & (move < 100),
            "101 to 150": (move >= 100) & (move < 150), "after 150": move >= 150, "after 200": move >= 200}  # fmt: skip
    for label, games_chosen in (("every result", np.ones(len(game), bool)), ("without losses on time", on_board)):
        print(label)
        for name, chosen in rows.items():
            rows_chosen = chosen & games_chosen
            if not rows_chosen.any():
                continue
            print(f"  {name:<12} {report(win[rows_chosen], black_wins[rows_chosen], game[rows_chosen])}")
        print("  calibration", curve(win[games_chosen], black_wins[games_chosen]))
    late = (move >= 200) & np.isfinite(true_lead)
    if not late.any():
        return
    say(f"lead after move 200: median error {np.median(np.abs(lead - true_lead)[late]):.2f} points ({late.sum()})")


def area_komi_of(games, index: int) -> float:
    game = games[index]
    komi = record_komi(game)
    return float("nan") if komi is None else area_komi(komi, handicap(game))


def report(win, black_wins, game) -> str:
    """Accuracy and Brier score with their intervals, and the expected calibration error (10 equal bins)."""
    right, squares = (win > 0.5) == black_wins, np.square(win - black_wins)
    accuracy, brier = (" to ".join(f"{end:.4f}" for end in by_game(values, game)) for values in (right, squares))
    bins = np.minimum((win * 10).astype(int), 9)
    error = sum(abs(win[bins == b].mean() - black_wins[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    return (
        f"accuracy {right.mean():.1%} ({accuracy}), Brier {squares.mean():.4f} ({brier}), "
        f"calibration error {error:.1%}, {len(win):,} positions"
    )


def curve(win, black_wins) -> str:
    """Predicted and true shares of Black's wins in ten bins."""
    bins = np.minimum((win * 10).astype(int), 9)
    return ", ".join(f"{win[bins == b].mean():.2f}→{black_wins[bins == b].mean():.2f}" for b in np.unique(bins))


def pack(arguments) -> None:
    card = value.read_card(arguments.out / value.FILE)
    shutil.copyfile(arguments.out / value.FILE, PACKAGED)
    print(f"{PACKAGED}: {PACKAGED.stat().st_size / 1e6:.2f} MB, {replace(card, trunk='…')}")


def main() -> None:
    functions = {"features": features, "train": train, "test": test, "pack": pack}
    sizes = {"width": 64, "blocks": 3, "symmetries": 1, "every": 15}
    run(__doc__, functions, seconds=2400.0, steps=2800, lr=0.003, seed=0, **sizes)


if __name__ == "__main__":
    main()
