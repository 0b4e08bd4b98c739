"""A network written, read, measured and built.

A network is an input shape and a tuple of layers. Its text is the same in the source, on the command line, in a model
file and under a drawing: `conv(25, 3), relu, maxpool(2), flatten, dense(classes)`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import torch

from .layer import Field, Layer, Layers, Shape, behind, sequence
from .layers import KINDS
from .problem import USAGE, Problem, did_you_mean
from .sequential import Sequential


class Row(NamedTuple):
    """One word of a network, measured. `inside` holds the rows of each sequence that a combinator holds."""

    layer: Layer
    input: Shape
    output: Shape
    parameters: int
    macs: int
    receptive_field: tuple[int, int]
    unseen: tuple[int, int]  # rows and columns of this layer's input that no window touches
    misfit: str  # the sentence for a stride that does not end with its input, or ""
    inside: tuple[tuple[Row, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON, as `describe --json` promises it."""
        values: dict[str, Any] = {
            "layer": str(self.layer),
            "output": list(self.output),
            "parameters": self.parameters,
            "macs": self.macs,
            "receptive_field": list(self.receptive_field),
            "unseen": list(self.unseen),
        }
        if self.inside:
            values["inside"] = [[row.to_dict() for row in rows] for rows in self.inside]
        return values


@dataclass(frozen=True)
class Network:
    """An input shape (channels, height, width) and the words that follow it.

    Raises Problem where a word does not fit what the one before gives it, naming the word and its index.
    """

    input: Shape
    layers: Layers

    def __post_init__(self) -> None:
        if not self.layers:
            raise Problem("the network has no layers; write one, as in: flatten, dense(classes)", USAGE)
        if len(self.input) != 3 or min(self.input) < 1:
            raise Problem(f"an input is (channels, height, width), each 1 or more; got {self.input}", USAGE)
        assert self.rows  # measuring is checking: a word that does not fit says so now

    def __str__(self) -> str:
        return ", ".join(map(str, self.layers))

    @cached_property
    def laid(self) -> Layers:
        """The layers as they are built: flat where the input has height 1, so that `conv(100, 3)` looks at 1×3."""
        return tuple(layer.flat() for layer in self.layers) if self.input[1] == 1 else self.layers

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return _measure(self.layers, self.laid, self.input, Field())

    @property
    def output(self) -> Shape:
        return self.rows[-1].output

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def receptive_field(self) -> tuple[int, int]:
        return self.rows[-1].receptive_field

    @cached_property
    def right_context(self) -> int | None:
        """How many columns of padding (zeros) must stay behind an input for its answer to ignore how many follow.

        None where the answer depends on how much padding there is: where a word counts positions or looks at a border.
        """
        if behind(self.layers, "zero") != "gone":
            return None
        maps = [row for _, row in walk(self.rows) if len(row.output) == 3]
        strides = any(getattr(row.layer, "stride", 1) != 1 for row in maps)
        widest = max((row.receptive_field[1] for row in maps), default=1)
        return widest * (1 + strides)  # a window of nothing but padding begins at a multiple of the strides

    def module(self) -> Sequential:
        """The network as torch runs it: `module[3]` is the fourth word."""
        return sequence(self.laid, self.input)

    def to_dict(self) -> dict[str, Any]:
        """The measurements as JSON, as `describe --json` promises them."""
        return {
            "network": str(self),
            "input": list(self.input),
            "layers": [row.to_dict() for row in self.rows],
            "output": list(self.output),
            "parameters": self.parameters,
            "macs": self.macs,
            "receptive_field": list(self.receptive_field),
        }


def _measure(written: Layers, laid: Layers, shape: Shape, field: Field) -> tuple[Row, ...]:
    rows = []
    for index, (word, layer) in enumerate(zip(written, laid, strict=True)):
        try:
            row, field = _row(word, layer, shape, field)
        except Problem as problem:
            raise Problem(f"layer {index}, {_short(word)}: {problem}", USAGE) from None
        rows.append(row)
        shape = row.output
    return tuple(rows)


def _row(word: Layer, layer: Layer, shape: Shape, field: Field) -> tuple[Row, Field]:
    inside = tuple(
        _measure(written, laid, shape, field) for written, laid in zip(word.inside(), layer.inside(), strict=True)
    )
    output = layer.out(shape)
    if max(output) > 2**31 or prod(output) > 2**40:
        raise Problem(f"gives {output}, more numbers than a machine can hold")
    seen = layer.see(shape, field)
    with torch.device("meta"):
        parameters = sum(each.numel() for each in layer.module(shape).parameters())
    unseen, misfit = _fit(layer, shape)
    return Row(word, shape, output, parameters, layer.macs(shape), seen.size, unseen, misfit, inside), seen


def _fit(layer: Layer, shape: Shape) -> tuple[tuple[int, int], str]:
    """What a stride leaves unseen, and the lectures' arithmetic where it does not come out even."""
    window = layer.window(shape)
    if window is None:
        return (0, 0), ""
    unseen = (window.unseen(shape[1], 0), window.unseen(shape[2], 1))
    for axis, length in enumerate(shape[1:]):
        exact = window.fit(length, axis)
        if exact.denominator != 1 and not window.ceil:
            sides = sum(window.sides[axis])
            sum_text = f"({length}{f' + {sides}' if sides else ''} − {window.span(axis)})/{window.stride[axis]} + 1"
            counted = zip(unseen, ("row", "column"), strict=True)
            left = " and ".join(f"{n} {name}{'s' * (n > 1)}" for n, name in counted if n)
            return unseen, f"{sum_text} = {float(exact):.2f} does not fit" + (f": {left} left unseen" if left else "")
    return unseen, ""


def _short(layer: Layer, most: int = 60) -> str:
    text = str(layer)
    return text if len(text) <= most else text[: most - 1] + "…"


def walk(rows: tuple[Row, ...], depth: int = 0) -> Iterator[tuple[int, Row]]:
    """Every row and, after it, the rows inside it, each with its depth."""
    for row in rows:
        yield depth, row
        for rows_inside in row.inside:
            yield from walk(rows_inside, depth + 1)


# --- text -> layers ------------------------------------------------------------------------------------------------


def parse(text: str, **numbers: int) -> Layers:
    """Layers from their text, read with Python's own `ast`: words, numbers, tuples, nothing else.

    `numbers` are names that stand for one, such as `classes=10`. Raises Problem with the place of what is wrong.
    """
    elements = _expression(text, f"({text}\n,)").elts
    return tuple(_Reader(text, numbers, shift=1).layer(node) for node in elements)


def call(text: str, functions: Mapping[str, Any], what: str) -> tuple[str, list[Any], dict[str, Any]]:
    """`"alphago(filters=64)"` as a known name, its numbers and its named numbers."""
    name, bracket, rest = text.strip().partition("(")  # names may have dashes, which Python's have not
    name = name.strip()
    if name not in functions:
        close = did_you_mean(name, functions)
        known = ", ".join(sorted(functions))
        raise Problem(f"{name or 'an empty text'} is not a {what}{close}; there are {known}", USAGE)
    if not bracket:
        return name, [], {}
    node = _expression(text, f"(_{'_' * (len(name) - 1)}({rest}\n,)").elts
    if len(node) != 1:
        raise Problem(f"{text!r} is more than one {what}", USAGE)
    _, (given, named) = _Reader(text, {}, shift=1).parts(node[0])
    return name, given, named


def _expression(text: str, wrapped: str) -> ast.Tuple:
    if not text.strip():
        raise Problem("the text is empty; write words with commas between them, as in: flatten, dense(classes)", USAGE)
    try:
        node = ast.parse(wrapped, mode="eval").body
    except SyntaxError as error:
        column = max(0, (error.offset or 1) - 2)
        raise Problem(f"{_at(text, column)}: {error.msg}; a network is words with commas between them", USAGE) from None
    except (RecursionError, MemoryError, ValueError):
        raise Problem("the text nests too deeply or holds characters that no network has", USAGE) from None
    if not isinstance(node, ast.Tuple):
        raise Problem(f"{text!r} is not a list of words; a network is words with commas between them", USAGE)
    return node


def _at(text: str, column: int) -> str:
    return f"column {column + 1}, at {text[column : column + 20].strip()!r}" if text[column:].strip() else "at the end"


class _Reader:
    """Turns the nodes of Python's syntax tree into layers, and says where what it cannot read stands."""

    def __init__(self, text: str, numbers: Mapping[str, int], shift: int) -> None:
        self.text, self.numbers, self.shift = text, numbers, shift

    def wrong(self, node: ast.AST, message: str) -> Problem:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        lines = self.text.split("\n")
        raw = lines[min(line, len(lines)) - 1]
        column = len(raw.encode()[: max(0, column - (self.shift if line == 1 else 0))].decode(errors="ignore"))
        place = f"line {line}, {_at(raw, column)}" if len(lines) > 1 else _at(raw, column)
        return Problem(f"{place}: {message}", USAGE)

    def layer(self, node: ast.expr) -> Layer:
        name, (given, named) = self.parts(node)
        kind = KINDS.get(name)
        if kind is None:
            close = did_you_mean(name, KINDS)
            raise self.wrong(node, f"{name} is not a layer{close}; the layers are {', '.join(KINDS)}")
        self.check(node, kind, given, named)
        try:
            return kind(*given, **named)
        except Problem as problem:
            raise self.wrong(node, str(problem)) from None

    def check(self, node: ast.expr, kind: type[Layer], given: list[Any], named: dict[str, Any]) -> None:
        signature = inspect.signature(kind)
        takes = f"{kind.word} takes {', '.join(signature.parameters) or 'no numbers'}"
        for name in named:
            if name not in signature.parameters:
                raise self.wrong(node, f"{name} is unknown{did_you_mean(name, signature.parameters)}; {takes}")
        try:
            signature.bind(*given, **named)
        except TypeError as error:
            raise self.wrong(node, f"{error}; {takes}") from None

    def parts(self, node: ast.expr) -> tuple[str, tuple[list[Any], dict[str, Any]]]:
        """A word's name, its numbers and its named numbers."""
        if isinstance(node, ast.Name):
            return node.id, ([], {})
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and all(k.arg for k in node.keywords):
            named = {str(k.arg): self.value(k.value) for k in node.keywords}
            return node.func.id, ([self.value(argument) for argument in node.args], named)
        raise self.wrong(node, "expected a word such as relu or conv(25, 3)")

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.value(node.operand)
            if isinstance(number, int | float):
                return -number
        if isinstance(node, ast.Name) and node.id in self.numbers:
            return self.numbers[node.id]
        if isinstance(node, ast.Tuple):
            return tuple(self.value(each) for each in node.elts)
        if isinstance(node, ast.Name) and node.id not in KINDS:
            close = did_you_mean(node.id, {*KINDS, *self.numbers})
            raise self.wrong(node, f"{node.id} is not a number or a layer{close}")
        if isinstance(node, ast.Name | ast.Call):
            return self.layer(node)
        raise self.wrong(node, "expected a number, a word or a tuple of them")
