"""Go written for clarity, as a reference: a dictionary of stones, sets of points, copies instead of undo.

The planes are those of the table in AlphaGo's paper. Shares no code with the package.
"""

from dataclasses import dataclass, field, replace

import numpy as np

OPPONENT = {"b": "w", "w": "b"}
PLIES = 200


@dataclass(frozen=True)
class Plain:
    """A position: stones by (row, column), who is to move, the point that the ko forbids, the turn of each stone."""

    size: int
    stones: dict = field(default_factory=dict)
    turn: str = "b"
    ko: tuple | None = None
    ages: dict = field(default_factory=dict)
    moves: int = 0

    # --- the board ---

    def points(self):
        return [(r, c) for r in range(self.size) for c in range(self.size)]

    def neighbours(self, point):
        r, c = point
        return [(y, x) for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)) if self.has((y, x))]

    def diagonals(self, point):
        r, c = point
        return [(r + y, c + x) for y in (-1, 1) for x in (-1, 1) if self.has((r + y, c + x))]

    def has(self, point):
        return 0 <= point[0] < self.size and 0 <= point[1] < self.size

    def chain(self, point):
        stones, stack = {point}, [point]
        while stack:
            for n in self.neighbours(stack.pop()):
                if n not in stones and self.stones.get(n) == self.stones[point]:
                    stones.add(n)
                    stack.append(n)
        return stones

    def liberties(self, point):
        return {n for stone in self.chain(point) for n in self.neighbours(stone) if n not in self.stones}

    # --- moves ---

    def set_up(self, point, colour):
        """A stone set up before the first move; it counts as a turn."""
        ages = self.ages | {point: self.moves + 1}
        return replace(
            self, stones=self.stones | {point: colour}, ages=ages, moves=self.moves + 1, turn=OPPONENT[colour], ko=None
        )

    def to_move(self, colour):
        return self if colour == self.turn else replace(self, turn=colour, ko=None)

    def passed(self):
        return replace(self, turn=OPPONENT[self.turn], ko=None, moves=self.moves + 1)

    def played(self, point):
        """The position after a move, or None if it is illegal."""
        if point in self.stones or point == self.ko:
            return None
        new = replace(self, stones=self.stones | {point: self.turn})
        dead = set()
        for n in new.neighbours(point):
            if new.stones.get(n) == OPPONENT[self.turn] and not new.liberties(n):
                dead |= new.chain(n)
        remaining = {p: c for p, c in new.stones.items() if p not in dead}
        new = replace(new, stones=remaining)
        liberties = new.liberties(point)
        if not liberties:
            return None
        ko = dead.copy().pop() if len(dead) == 1 and new.chain(point) == {point} and len(liberties) == 1 else None
        ages = {p: self.ages[p] for p in remaining if p != point and p in self.ages} | {point: self.moves + 1}
        return replace(new, turn=OPPONENT[self.turn], ko=ko, ages=ages, moves=self.moves + 1)

    # --- eyes and ladders ---

    def is_eye(self, point, colour, path=()):
        """All neighbours have the colour; at most one bad diagonal in the middle, none at the edge.

        A diagonal is bad if it is the opponent's, or empty and no eye itself; points on the path count as eyes.
        """
        if point in self.stones or any(self.stones.get(n) != colour for n in self.neighbours(point)):
            return False
        allowed = 1 if len(self.neighbours(point)) == 4 else 0
        bad = 0
        for d in self.diagonals(point):
            if self.stones.get(d) == OPPONENT[colour] or (
                d not in self.stones and d not in path and not self.is_eye(d, colour, (*path, point))
            ):
                bad += 1
        return bad <= allowed

    def replies(self, target):
        """Moves that may save a chain in atari: its last liberty, or the capture of a touching chain in atari."""
        points = set(self.liberties(target))
        for stone in self.chain(target):
            for n in self.neighbours(stone):
                if self.stones.get(n) == OPPONENT[self.turn] and len(self.liberties(n)) == 1:
                    points |= self.liberties(n)
        return {p for p in points if self.played(p) is not None and not self.is_eye(p, self.turn)}

    def captures(self, target, move, plies=PLIES):
        """Returns True if a move at a liberty of a chain with two captures it in a ladder."""
        if plies <= 0 or (new := self.played(move)) is None or len(new.liberties(target)) > 1:
            return False
        return not any(new.escapes(target, reply, plies - 1) for reply in new.replies(target))

    def escapes(self, target, move, plies=PLIES):
        """Returns True if a reply saves a chain in atari."""
        new = self.played(move)
        liberties = new.liberties(target)
        if len(liberties) != 2:
            return len(liberties) > 2
        return not any(new.captures(target, p, plies - 1) for p in liberties)

    # --- the planes ---

    def planes(self):
        """uint8 (48, size, size)"""
        out = np.zeros((48, self.size, self.size), np.uint8)
        for point in self.points():
            out[3][point] = 1
            if point in self.stones:
                self.stone_planes(point, out)
            else:
                out[2][point] = 1
                self.move_planes(point, out)
        self.ladder_planes(out)
        return out

    def stone_planes(self, point, out):
        out[0 if self.stones[point] == self.turn else 1][point] = 1
        out[4 + min(self.moves - self.ages[point], 7)][point] = 1
        out[12 + min(len(self.liberties(point)), 8) - 1][point] = 1

    def move_planes(self, point, out):
        new = self.played(point)
        if new is None:
            return
        captured = len(self.stones) + 1 - len(new.stones)
        liberties = len(new.liberties(point))
        out[20 + min(captured, 7)][point] = 1
        if liberties == 1:
            out[28 + min(len(new.chain(point)), 8) - 1][point] = 1
        out[36 + min(liberties, 8) - 1][point] = 1
        out[46][point] = not self.is_eye(point, self.turn)

    def ladder_planes(self, out):
        for point, colour in self.stones.items():
            if point != min(self.chain(point)):
                continue
            liberties = self.liberties(point)
            if colour != self.turn and len(liberties) == 2:
                for move in liberties:
                    out[44][move] |= self.captures(point, move)
            if colour == self.turn and len(liberties) == 1:
                for move in self.replies(point):
                    out[45][move] |= self.escapes(point, move)
