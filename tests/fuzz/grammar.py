"""Texts by a grammar: networks, settings, tables, game records and GTP commands, right and wrong ones."""

import random
from typing import Any

NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "4",
    "8",
    "-1",
    "1.5",
    "1e999",
    "nan",
    "99999",
    "999999999",
    "10**9",
    "1_0",
    "²",
    "''",
    "None",
)
SMALL_NUMBERS = ("1", "2", "3", "4", "5", "8")
NAMES = ("classes", "tokens", "frames", "size", "x", "True", "conv")
KEYWORDS = ("pad", "stride", "bias", "eps", "momentum", "dilation", "groups", "padding", "units", "x", "pad_to", "p")


def network(rng: random.Random, layers: list[str], depth: int = 0) -> str:
    """The text of a network: layers with arguments of any kind, nested, sometimes cut or with wrong brackets."""
    count = rng.choice((1, 2, 3, 5, 8, 300 if depth == 0 and rng.random() < 0.1 else 4))
    text = ", ".join(_layer(rng, layers, depth) for _ in range(count))
    if depth == 0 and rng.random() < 0.2:
        start = rng.randrange(len(text) + 1)
        text = (
            text[:start]
            + rng.choice(("", "(", ")", ",", "'", "\x00", "\n", "λ", "#", "**", ":=", "[0]", ".a"))
            + text[start + 1 :]
        )
    if depth == 0 and rng.random() < 0.02:
        text = rng.choice(
            ("(" * 5000, "residual(" * 300 + "relu" + ")" * 300, "-" * 5000 + "1", "relu, " * 20_000 + "relu")
        )
    return text


def _layer(rng: random.Random, layers: list[str], depth: int) -> str:
    name = (
        rng.choice(layers) if rng.random() < 0.97 else rng.choice(("cnov", "Conv", "", "conv2d", "__import__", "swift"))
    )
    if rng.random() < 0.25:
        return name
    arguments = [_argument(rng, layers, depth) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4)))]
    if rng.random() < 0.2:
        arguments.append(f"{rng.choice(KEYWORDS)}={_argument(rng, layers, depth)}")
    return f"{name}({', '.join(arguments)})"


def _argument(rng: random.Random, layers: list[str], depth: int) -> str:
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(SMALL_NUMBERS)
    if kind < 0.72:
        return rng.choice(NUMBERS)
    if kind < 0.8:
        return f"({rng.choice(SMALL_NUMBERS)}, {rng.choice(NUMBERS)})"
    if kind < 0.85:
        return rng.choice(NAMES)
    return network(rng, layers, depth + 1) if depth < 3 else "relu"


CELLS = (
    *(
        "good",
        "bad",
        "Good",
        "good ",
        "good\u200b",
        "",
        " ",
        "0",
        "1",
        "1.5",
        "nan",
        "NULL",
        "a|b",
        "['a']",
        "=1+1",
        "-5",
    ),
    *(
        "a long sentence about a film",
        'quoted "cell"',
        "two\nlines",
        "tab\tinside",
        "\x00",
        "\x1b[2J",
        "é",
        "猫",
        "\u202e",
    ),
    *(
        "x" * 3000,
        "http://a.b/c?d",
        "C:\\a\\b.png",
        "../../data/vision/red/0.png",
        "missing.wav",
        "12,5",
        "{}",
        "train",
    ),
)
HEADERS = (
    "text",
    "label",
    "review",
    "class",
    "file",
    "path",
    "id",
    "",
    "text",
    "Label ",
    "0",
    "\ufeffa",
    "split",
    "x" * 300,
)
DELIMITERS = (",", ",", "\t", ";", "|", " ", "::")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "gbk", "utf-32")


def table(rng: random.Random) -> bytes:
    """A table: ragged, quoted in several ways, in several encodings, with or without a header."""
    columns = rng.choice((1, 2, 2, 2, 3, 4, 40))
    delimiter = rng.choice(DELIMITERS)
    choices = [[rng.choice(CELLS) for _ in range(rng.choice((1, 2, 3, 20)))] for _ in range(columns)]
    rows = [[rng.choice(HEADERS) for _ in range(columns)]] if rng.random() < 0.7 else []
    for _ in range(rng.choice((0, 1, 2, 10, 40))):
        row = [rng.choice(column) + rng.choice(("", "", f" {rng.random():.3f}")) for column in choices]
        rows.append(row[: rng.randrange(1, columns + 1)] if rng.random() < 0.05 else row)
    lines = [delimiter.join(_quoted(rng, cell, delimiter) for cell in row) for row in rows]
    text = rng.choice(("\n", "\n", "\r\n", "\r")).join(lines) + rng.choice(("", "\n"))
    return text.encode(rng.choice(ENCODINGS), "replace")


def _quoted(rng: random.Random, cell: str, delimiter: str) -> str:
    needed = any(character in cell for character in (delimiter, '"', "\n"))
    if rng.random() < (0.95 if needed else 0.05):
        return '"' + cell.replace('"', rng.choice(('""', '""', '\\"'))) + '"'
    return cell


def json_lines(rng: random.Random) -> bytes:
    """JSON objects, a line each: with values of any type, other keys, or broken lines."""
    import json

    from .mutate import wrong

    keys = rng.sample(("text", "label", "class", "data", "id", "annotations", "image", "score"), 3)
    lines = []
    for _ in range(rng.choice((1, 5, 30))):
        row: Any = {key: rng.choice((rng.choice(CELLS), rng.choice(CELLS), wrong(rng))) for key in keys}
        line = json.dumps(rng.choice((row, row, row, row, row, list(row.values()), None)))
        lines.append(line if rng.random() < 0.97 else line[: rng.randrange(len(line) + 1)])
    if rng.random() < 0.05:
        lines.append("[" * 100_000)
    return ("[" + ",".join(lines) + "]" if rng.random() < 0.2 else "\n".join(lines)).encode("utf-8", "surrogatepass")


PROPERTIES = (
    "B",
    "W",
    "AB",
    "AW",
    "AE",
    "PL",
    "SZ",
    "KM",
    "HA",
    "RE",
    "C",
    "CA",
    "FF",
    "GM",
    "LB",
    "TR",
    "PB",
    "N",
    "b",
    "X1",
    "",
)
VALUES = (
    *(
        "dd",
        "pp",
        "aa",
        "tt",
        "",
        "zz",
        "a",
        "ddd",
        "aa:ss",
        "ss:aa",
        "D4",
        "1",
        "19",
        "19:19",
        "9",
        "0",
        "-3",
        "52",
        "1e9",
    ),
    *(
        "375",
        "6.5",
        "nan",
        "inf",
        "B+R",
        "W+",
        "B",
        "white",
        "\\]",
        "\\\\",
        "a:b",
        "é",
        "\x00",
        "GB2312",
        "x" * 2000,
        "²",
    ),
)


def record(rng: random.Random) -> bytes:
    """A game record: nodes of properties with values of any kind, variations, and wrong brackets."""
    if rng.random() < 0.03:
        return b"(;GM[1]" + b"(;B[dd]" * 50_000 + b")" * 50_000
    head = (
        "(;GM[1]FF[4]" + rng.choice(("SZ[19]", "SZ[9]", "", f"SZ[{rng.choice(VALUES)}]")) + f"KM[{rng.choice(VALUES)}]"
    )
    nodes = []
    for i in range(rng.choice((0, 1, 5, 60, 500))):
        if rng.random() < 0.8:
            point = rng.choice("abcdefghijklmnopqrs") + rng.choice("abcdefghijklmnopqrs")
            nodes.append(f";{'BW'[i % 2]}[{point}]")
        else:
            values = "".join(f"[{rng.choice(VALUES)}]" for _ in range(rng.choice((0, 1, 1, 3))))
            nodes.append(rng.choice((";", "", "(;", ");")) + rng.choice(PROPERTIES) + values)
    text = head + "".join(nodes) + rng.choice((")", ")", "", "))"))
    return text.encode(rng.choice(("utf-8", "gbk", "latin-1", "utf-16")), "replace")


VERTICES = (
    "D4",
    "Q16",
    "pass",
    "PASS",
    "resign",
    "A1",
    "T19",
    "I9",
    "Z99",
    "D0",
    "d",
    "4",
    "",
    "é",
    "D4D4",
    "\x00",
    "K10",
)
COLOURS = ("b", "w", "black", "WHITE", "B", "", "x", "empty")


def gtp_line(rng: random.Random, commands: list[str]) -> str:
    """A line for a GTP engine: mostly known commands with arguments that are right, wrong or missing."""
    kind = rng.random()
    if kind < 0.02:
        return rng.choice(
            ("", "#", " ", "\t", "\x00\x01", "1", "-1", "9" * 5000, "=", "x" * 70_000, "é", "\udcff", "play b d4 # end")
        )
    name = (
        rng.choice(commands)
        if kind < 0.6
        else "play"
        if kind < 0.97
        else rng.choice(("Play", "", "unknown", "kgs-chat"))
    )
    number = rng.choice(("", "", "", "1 ", "007 ", "²"))
    words = [
        rng.choice((rng.choice(COLOURS), rng.choice(VERTICES), rng.choice(NUMBERS)))
        for _ in range(rng.choice((0, 1, 1, 2, 3)))
    ]
    if name == "play" and rng.random() < 0.9:
        point = rng.choice("ABCDEFGHJKLMNOPQRST") + str(rng.randrange(1, 20))
        words = [rng.choice("bw"), point]
    return f"{number}{name} {' '.join(words)}"
