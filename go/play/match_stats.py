"""Statistics of a match: wins with their interval, by colour, and how games ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...core.metrics import interval

FAULTS = ("illegal", "crash", "timeout", "refused")


def match_stats(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For A: wins, losses, draws, its share of the games (a draw is half a win) with the 95% interval, and more."""
    wins, losses = (sum(row["winner"] == side for row in rows) for side in "ab")
    draws = len(rows) - wins - losses
    stats: dict[str, Any] = {"games": len(rows), "wins": wins, "losses": losses, "draws": draws}
    if rows:
        points = wins + draws / 2
        stats |= {"share": points / len(rows), "interval": list(interval(points, len(rows)))}
    return stats | {
        "as_black": wins_with_black(rows, "a"),
        "as_white": wins_with_black(rows, "b"),
        "endings": dict(Counter(row["ending"] for row in rows).most_common()),
        "counted": dict(Counter(row["counted"] for row in rows if row["counted"])),
        "faults": {side: faults(rows, side) for side in "ab"},
        "seconds_a_move": {side: seconds_per_move(rows, side) for side in "ab"},
        "copies": len(rows) - len({row["line"] for row in rows}),
    }


def wins_with_black(rows: Sequence[dict[str, Any]], black: str) -> dict[str, int]:
    """The number of games in which a side was black, and how many of them A won."""
    games = [row for row in rows if row["black_side"] == black]
    return {"games": len(games), "wins": sum(row["winner"] == "a" for row in games)}


def faults(rows: Sequence[dict[str, Any]], side: str) -> dict[str, int]:
    """The games that a side lost by a fault, by kind."""
    lost = Counter(row["ending"] for row in rows if row["winner"] not in (side, None))
    return {ending: lost[ending] for ending in FAULTS if lost[ending]}


def seconds_per_move(rows: Sequence[dict[str, Any]], side: str) -> float | None:
    """Mean seconds that a side took for a move."""
    times = [row["times"][side] for row in rows]
    moves = sum(time["moves"] for time in times)
    return round(sum(time["mean"] * time["moves"] for time in times) / moves, 4) if moves else None


def brief(rows: Sequence[dict[str, Any]]) -> str:
    """The score for the progress line: A 7 – B 5."""
    stats = match_stats(rows)
    return f"A {stats['wins']} – B {stats['losses']}" + (f", {stats['draws']} drawn" if stats["draws"] else "")


def report(stats: dict[str, Any], names: dict[str, str]) -> list[str]:
    """The lines of the terminal."""
    low, high = stats["interval"]
    draws = f", {stats['draws']} drawn" if stats["draws"] else ""
    black, white = stats["as_black"], stats["as_white"]
    lines = [
        f"A  {names['a']}",
        f"B  {names['b']}",
        f"A won {stats['wins']} of {stats['games']}{draws}: {stats['share']:.1%} "
        f"(95% interval {low:.1%} to {high:.1%})",
        f"as black {black['wins']} of {black['games']}, as white {white['wins']} of {white['games']}",
        "games ended by " + ", ".join(f"{name} {count}" for name, count in stats["endings"].items()),
    ]
    if stats["counted"]:
        lines.append("dead stones: " + ", ".join(f"{name} {count}" for name, count in stats["counted"].items()))
    lines += [
        f"{side.upper()} lost by " + ", ".join(f"{name} {count}" for name, count in kinds.items())
        for side, kinds in stats["faults"].items()
        if kinds
    ]
    times = [f"{side.upper()} {mean:.2f} s" for side, mean in stats["seconds_a_move"].items() if mean is not None]
    return [*lines, "time per move: " + ", ".join(times)] if times else lines


def remarks(stats: dict[str, Any]) -> list[str]:
    """Caveats of the statistics."""
    if not stats["copies"]:
        return []
    return [
        f"{stats['copies']} of {stats['games']} games repeat another game, so the interval is too narrow: "
        "use --temperature to randomise a program, or --openings"
    ]
