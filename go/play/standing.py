"""How a match stands: wins with their interval, by colour, and how games ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any

NORMAL = 1.959964  # standard deviations that 95% of a normal distribution lie within
BAD = ("illegal", "crash", "timeout", "refused")


def standing(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of A: wins, losses, draws, its share of the games (a draw is half a win) with its 95% interval, and more."""
    wins, losses = (sum(row["winner"] == side for row in rows) for side in "ab")
    draws = len(rows) - wins - losses
    told: dict[str, Any] = {"games": len(rows), "wins": wins, "losses": losses, "draws": draws}
    if rows:
        share = (wins + draws / 2) / len(rows)
        told |= {"share": share, "interval": list(wilson(share, len(rows)))}
    return told | {
        "as_black": of_colour(rows, "a"),
        "as_white": of_colour(rows, "b"),
        "endings": dict(Counter(row["ending"] for row in rows).most_common()),
        "counted": dict(Counter(row["counted"] for row in rows if row["counted"])),
        "faults": {side: faults(rows, side) for side in "ab"},
        "seconds_a_move": {side: a_move(rows, side) for side in "ab"},
        "copies": len(rows) - len({row["line"] for row in rows}),
    }


def wilson(share: float, games: int) -> tuple[float, float]:
    """The 95% score interval of a share (Wilson 1927), which stays within 0 to 1 where all games are won."""
    z = NORMAL * NORMAL / games
    middle, half = share + z / 2, NORMAL * sqrt((share * (1 - share) + z / 4) / games)
    return max(0.0, (middle - half) / (1 + z)), min(1.0, (middle + half) / (1 + z))


def of_colour(rows: Sequence[dict[str, Any]], black: str) -> dict[str, int]:
    """The games in which this side was black: how many there are, and how many A won."""
    own = [row for row in rows if row["black_side"] == black]
    return {"games": len(own), "wins": sum(row["winner"] == "a" for row in own)}


def faults(rows: Sequence[dict[str, Any]], side: str) -> dict[str, int]:
    """What a side lost games by, other than by playing."""
    lost = Counter(row["ending"] for row in rows if row["winner"] not in (side, None))
    return {ending: lost[ending] for ending in BAD if lost[ending]}


def a_move(rows: Sequence[dict[str, Any]], side: str) -> float | None:
    """Mean seconds that a side took for a move."""
    times = [row["times"][side] for row in rows]
    moves = sum(each["moves"] for each in times)
    return round(sum(each["mean"] * each["moves"] for each in times) / moves, 4) if moves else None


def brief(rows: Sequence[dict[str, Any]]) -> str:
    """A 7 – B 5, for a line of progress."""
    told = standing(rows)
    return f"A {told['wins']} – B {told['losses']}" + (f", {told['draws']} drawn" if told["draws"] else "")


def sentences(told: dict[str, Any], names: dict[str, str]) -> list[str]:
    """The standing as people read it."""
    low, high = told["interval"]
    drawn = f", {told['draws']} drawn" if told["draws"] else ""
    black, white = told["as_black"], told["as_white"]
    lines = [
        f"A  {names['a']}",
        f"B  {names['b']}",
        f"A won {told['wins']} of {told['games']}{drawn}: {told['share']:.1%} (95% interval {low:.1%} to {high:.1%})",
        f"as black {black['wins']} of {black['games']}, as white {white['wins']} of {white['games']}",
        "games ended by " + ", ".join(f"{name} {count}" for name, count in told["endings"].items()),
    ]
    if told["counted"]:
        lines.append("dead stones: " + ", ".join(f"{name} {count}" for name, count in told["counted"].items()))
    lines += [
        f"{side.upper()} lost by " + ", ".join(f"{name} {count}" for name, count in found.items())
        for side, found in told["faults"].items()
        if found
    ]
    times = [f"{side.upper()} {each:.2f} s" for side, each in told["seconds_a_move"].items() if each is not None]
    return [*lines, "a move took " + ", ".join(times)] if times else lines


def remarks(told: dict[str, Any]) -> list[str]:
    """What whoever quotes the figures should know."""
    if not told["copies"]:
        return []
    return [
        f"{told['copies']} of {told['games']} games are copies of another, so there are fewer than there seem: "
        "let a program play at random (--temperature), or give --openings"
    ]
