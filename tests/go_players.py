"""Small GTP programs for tests of matches: python go_players.py WAY.

first     plays the first legal point that is no eye of its own, passes if there is none
pass      always passes, knows no dead stones
resign    resigns at once
illegal   always plays A1
crash     ends at its second move, with a message on stderr
silent    does not respond to genmove
deaf      refuses every board size
"""

import sys
import time

from plain_go import Plain

COLUMNS = "ABCDEFGHJKLMNOPQRST"


class Player:
    """A board and a way to play on it."""

    def __init__(self, way: str) -> None:
        self.way, self.board = way, Plain(5)

    def answer(self, name: str, arguments: list[str]) -> str | None:
        """The answer to a command, None where it is refused."""
        if name == "name":
            return self.way
        if name == "boardsize" and self.way != "deaf":
            self.board = Plain(int(arguments[0]))
        elif name == "clear_board":
            self.board = Plain(self.board.size)
        elif name == "play":
            self.play(arguments[0].lower(), self.point(arguments[1]))
        elif name == "genmove":
            return self.genmove(arguments[0].lower())
        elif name not in ("komi", "quit") and not (name == "final_status_list" and self.way == "first"):
            return None
        return ""

    def genmove(self, colour: str) -> str:
        if self.way == "silent":
            time.sleep(60)
        if self.way == "crash" and self.board.moves > 1:
            print("out of ideas", file=sys.stderr)
            sys.exit(3)
        if self.way in ("resign", "illegal"):
            return {"resign": "resign", "illegal": "A1"}[self.way]
        point = None if self.way == "pass" else self.first(self.board.to_move(colour))
        self.play(colour, point)
        return self.vertex(point)

    def first(self, board: Plain):
        """The first legal point that is no eye, from the top left."""
        candidates = (p for p in board.points() if board.played(p) is not None and not board.is_eye(p, board.turn))
        return next(candidates, None)

    def play(self, colour: str, point) -> None:
        board = self.board.to_move(colour)
        self.board = board.passed() if point is None else board.played(point)

    def point(self, name: str):
        if name.lower() == "pass":
            return None
        return self.board.size - int(name[1:]), COLUMNS.index(name[0].upper())

    def vertex(self, point) -> str:
        return "pass" if point is None else f"{COLUMNS[point[1]]}{self.board.size - point[0]}"


def main(way: str) -> None:
    player = Player(way)
    for line in sys.stdin:
        name, *arguments = line.split()
        answer = player.answer(name, arguments)
        print("? unknown command\n" if answer is None else f"= {answer}\n", flush=True)
        if name == "quit":
            return


if __name__ == "__main__":
    main(sys.argv[1])
