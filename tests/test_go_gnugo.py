"""GNU Go 3.8 as a judge, over GTP: legality, liberties, captures, what a move does, ladders.

It runs where `gnugo` is installed (Debian: apt-get install gnugo) or named in the environment as GNUGO.
"""

import os
import shutil
import subprocess
import zipfile

import pytest
from neocog.go import sgf
from neocog.go.coords import PASS, vertex
from neocog.go.ladder import captures_in_ladder, two_liberties
from neocog.go.planes import SLICES, planes
from neocog.go.position import point_of

PROGRAM = os.environ.get("GNUGO") or shutil.which("gnugo") or shutil.which("/usr/games/gnugo")
pytestmark = [
    pytest.mark.gnugo,
    pytest.mark.skipif(PROGRAM is None, reason="needs GNU Go: apt-get install gnugo, or its path in GNUGO"),
]
NAMES = {1: "black", 2: "white"}


class GnuGo:
    """A GNU Go process that answers commands."""

    def __init__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "--mode", "gtp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *commands: str) -> list[str]:
        """The answers to commands that are sent together."""
        self.process.stdin.write("".join(command + "\n" for command in commands))
        self.process.stdin.flush()
        return [self.answer(command) for command in commands]

    def answer(self, command: str) -> str:
        lines = []
        while (line := self.process.stdout.readline()).strip():
            lines.append(line.rstrip())
        assert lines, f"GNU Go ended at {command}"
        return "\n".join(lines)

    def show(self, game, number: int) -> None:
        """The position after so many moves."""
        stones = zip(game.stones.tolist(), game.stone_colours.tolist(), strict=True)
        moves = zip(game.moves[:number].tolist(), game.colours[:number].tolist(), strict=True)
        plays = [f"play {NAMES[colour]} {vertex(place, game.size)}" for place, colour in [*stones, *moves]]
        assert all(each.startswith("=") for each in self.ask(f"boardsize {game.size}", "clear_board", *plays))

    def close(self) -> None:
        self.process.communicate("quit\n")


@pytest.fixture(scope="module")
def gnugo():
    found = GnuGo()
    yield found
    found.close()


@pytest.fixture
def positions(shared):
    """One position of each of some games of the test set, from the opening to the end: (game, number)."""

    def some(count):
        with zipfile.ZipFile(shared / "go/test.sgf.zip") as archive:
            names = [name for name in archive.namelist() if name.endswith(".sgf")]
            for at, name in enumerate(names[:: len(names) // count][:count]):
                game = sgf.read(archive.read(name), name)
                yield game, 5 + (at * 61) % (len(game) - 5)

    return some


def number(answer: str) -> int:
    assert answer.startswith("= "), answer
    return int(answer[2:])


def disagreements(gnugo: GnuGo, game, at: int) -> list[str]:
    """Where GNU Go and the planes differ, at every point of a position."""
    gnugo.show(game, at)
    position = game.position(at)
    own, found = NAMES[int(position["turn"])], planes(position)
    points = [(place, vertex(place, game.size)) for place in range(game.size**2)]
    legal = found[SLICES["capture size"]].any(0).ravel()
    stones = found[:2].any(0).ravel()
    told = [
        f"{name}: legal {legal[place]}, GNU Go {answer}"
        for (place, name), answer in zip(points, gnugo.ask(*(f"is_legal {own} {n}" for _, n in points)), strict=True)
        if number(answer) != legal[place]
    ]
    told += liberties_differ(gnugo, found, [each for each in points if stones[each[0]]])
    return told + moves_differ(gnugo, own, found, [each for each in points if legal[each[0]]])


def group(found, name: str, place: int) -> int:
    """Which plane of a group marks a place; −1 for none."""
    column = found[SLICES[name]].reshape(8, -1)[:, place]
    return int(column.argmax()) if column.any() else -1


def liberties_differ(gnugo: GnuGo, found, points) -> list[str]:
    answers = gnugo.ask(*(f"countlib {name}" for _, name in points))
    return [
        f"{name}: liberties {group(found, 'liberties', place) + 1}, GNU Go {answer}"
        for (place, name), answer in zip(points, answers, strict=True)
        if min(number(answer), 8) != group(found, "liberties", place) + 1
    ]


def moves_differ(gnugo: GnuGo, own: str, found, points) -> list[str]:
    """Liberties after each legal move, stones it captures, and the size of what it puts into atari of its own."""
    told = []
    (before,) = gnugo.ask(f"captures {own}")
    for place, name in points:
        lists, _, after, count, chain, _ = gnugo.ask(
            f"accuratelib {own} {name}",
            f"play {own} {name}",
            f"captures {own}",
            f"countlib {name}",
            f"list_stones {own}" if group(found, "self-atari size", place) < 0 else f"worm_stones {name}",
            "undo",
        )
        expected = {
            "liberties after": min(len(lists[1:].split()), 8) - 1,
            "capture size": min(number(after) - number(before), 7),
            "self-atari size": min(len(chain[1:].split()), 8) - 1 if number(count) == 1 else -1,
        }
        told += [
            f"{name}: {group_name} plane {group(found, group_name, place)}, GNU Go {plane}"
            for group_name, plane in expected.items()
            if group(found, group_name, place) != plane
        ]
    return told


def test_gnu_go_sees_the_same_moves_and_liberties(gnugo, positions):
    """Every point of some positions: legal, liberties, capture size, self-atari size, liberties after."""
    for game, at in positions(8):
        assert disagreements(gnugo, game, at) == [], f"{game.name}, move {at}"


@pytest.mark.slow
def test_gnu_go_sees_the_same_moves_and_liberties_in_200_positions(gnugo, positions):
    for game, at in positions(200):
        assert disagreements(gnugo, game, at) == [], f"{game.name}, move {at}"


def ladders(gnugo: GnuGo, game, at: int):
    """Of each chain of the opponent with two liberties: its name, whether we capture it, and GNU Go's code."""
    gnugo.show(game, at)
    position = game.position(at)
    theirs = 3 - int(position["turn"])
    for place in range(game.size**2):
        head = point_of(position, place)
        if position["colour"][head] == theirs and position["head"][head] == head and position["liberties"][head] == 2:
            ours = any(captures_in_ladder(position, head, p) for p in two_liberties(position, head))
            (answer,) = gnugo.ask(f"ladder_attack {vertex(place, game.size)}")
            yield f"{game.name} {at} {vertex(place, game.size)}", ours, int(answer[2:].split()[0])


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_gnu_go_captures_the_same_chains_in_ladders(gnugo, positions, count):
    """At least 99.5%, its answers that hang on a ko (codes 2 and 3) left out."""
    asked = [each for game, at in positions(count) for each in ladders(gnugo, game, at)]
    clear = [(name, ours, code) for name, ours, code in asked if code < 2]
    differ = [name for name, ours, code in clear if ours != (code == 1)]
    print(f"{len(clear)} chains, {len(asked) - len(clear)} by ko left out, {len(differ)} differ: {differ}")
    assert len(clear) > 3 * count and sum(ours for _, ours, _ in clear) > count / 10
    assert len(differ) <= 0.005 * len(clear)


def test_a_pass_is_named_as_gtp_names_it():
    assert vertex(PASS, 19) == "pass"
