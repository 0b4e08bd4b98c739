"""The time of a game: the settings, what is left to each colour, and how much of it a move may take.

Main time is spread over the moves that a game of this length usually still has; in byo-yomi a move gets its part of the
period. Without `time_left` the engine counts the time that its own moves took.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GAME_MOVES = 120  # of a colour in a game
LEAST_MOVES = 30  # that main time is spread over, however long the game has lasted
RESERVE = 0.85  # of the time of a move: a search ends after a forward pass, and programs need time to talk


@dataclass
class Clock:
    """Times in seconds; `main` is None without a limit. Canadian byo-yomi: `byo_time` for `byo_stones` moves."""

    main: float | None = None
    byo_time: float = 0
    byo_stones: int = 0
    left: dict[int, tuple[float, int]] = field(default_factory=dict)  # by colour: seconds, and stones in byo-yomi or 0
    used: dict[int, float] = field(default_factory=dict)  # by colour, by the engine's own moves

    @classmethod
    def of(cls, main: int, byo_time: int, byo_stones: int) -> Clock:
        """`time_settings`. A byo-yomi time for no stones means no limit."""
        unlimited = byo_time > 0 and byo_stones == 0
        return cls(None if unlimited else main, byo_time, byo_stones)

    def set_left(self, colour: int, seconds: float, stones: int) -> None:
        """`time_left`: stones is 0 in main time."""
        self.left[colour] = seconds, stones

    def use(self, colour: int, seconds: float) -> None:
        """Counts the time of a move of the engine."""
        self.used[colour] = self.used.get(colour, 0) + seconds
        if colour in self.left:
            left, stones = self.left[colour]
            self.left[colour] = max(left - seconds, 0), max(stones - 1, 1) if stones else 0

    def budget(self, colour: int, own_moves: int) -> float | None:
        """The seconds that a move may take; None without a limit."""
        if colour in self.left:
            seconds, stones = self.left[colour]
        elif self.main is None:
            return None
        else:
            seconds, stones = max(self.main - self.used.get(colour, 0), 0), 0
            if not seconds and self.byo_stones:
                seconds, stones = self.byo_time, self.byo_stones
        if stones:
            return RESERVE * seconds / stones
        in_byo = self.byo_time / self.byo_stones if self.byo_stones else 0
        part = seconds / max(GAME_MOVES - own_moves, LEAST_MOVES)
        return RESERVE * min(part + in_byo, max(seconds, in_byo))
