"""Networks: their text, their measurements and their modules.

A network is an input shape and a tuple of layers. Its text is the same in the source, on the command line, in a model
file and under a drawing: `conv(25, 3), relu, maxpool(2), flatten, dense(classes)`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import torch

from .combinators import Heads
from .layer import Layer, Layers, Shape, padding_effect, sequence
from .layers import KINDS
from .problem import USAGE, Problem, did_you_mean, shortened
from .receptive_field import ReceptiveField, Window
from .sequential import Sequential

# Bounds within which a network is measured in a second. The deepest published networks have some 1,000 layers.
MAX_TEXT, MAX_LAYERS, MAX_NESTED = 100_000, 2_000, 20
MAX_SIDE = 10_000_000  # rows or columns of an input
MAX_ARGUMENT = 100_000  # of a recipe, such as its depth


class Row(NamedTuple):
    """One layer of a network, measured.

    `branches` holds the rows of each branch of a combinator, and of the layers that follow all branches with the same
    weights, measured behind the first one.
    """

    layer: Layer
    input: Shape
    output: Shape
    parameters: int
    numbers: int  # parameters and buffers: what the layer keeps in memory
    macs: int
    field: ReceptiveField
    window: Window | None
    unseen: tuple[int, int]  # rows and columns of this layer's input that no window covers
    misfit: str  # a sentence if the last window does not end with the input, or ""
    branches: tuple[tuple[Row, ...], ...] = ()

    @property
    def receptive_field(self) -> tuple[int, int]:
        """The size of the receptive field in input pixels, padding included."""
        return self.field.pixels

    def to_dict(self) -> dict[str, Any]:
        """Returns the row as `describe --json` prints it."""
        values: dict[str, Any] = {
            "layer": str(self.layer),
            "output": list(self.output),
            "parameters": self.parameters,
            "macs": self.macs,
            "receptive_field": list(self.receptive_field),
            "unseen": list(self.unseen),
        }
        if self.branches:
            values["inside"] = [[row.to_dict() for row in rows] for rows in self.branches]
        return values


@dataclass(frozen=True)
class Network:
    """An input shape (channels, height, width) and the layers that follow it.

    Raises Problem if a layer does not fit the output of the one before, naming the layer and its index.
    """

    input: Shape
    layers: Layers

    def __post_init__(self) -> None:
        if not self.layers:
            raise Problem("the network has no layers; write one, as in: flatten, dense(classes)", USAGE)
        if len(self.input) != 3 or min(self.input) < 1:
            raise Problem(f"an input is (channels, height, width), each 1 or more; got {self.input}", USAGE)
        if max(self.input) > MAX_SIDE:
            raise Problem(f"an input has at most {MAX_SIDE:,} rows, columns or channels; got {self.input}", USAGE)
        check_size(self.layers)
        assert self.rows  # measuring checks that the layers fit

    def __str__(self) -> str:
        return ", ".join(map(str, self.layers))

    @cached_property
    def built_layers(self) -> Layers:
        """The layers as they are built: on an input of height 1, `conv(100, 3)` has a window of 1×3."""
        return tuple(layer.to_1d() for layer in self.layers) if self.input[1] == 1 else self.layers

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return _measure(self.layers, self.built_layers, self.input, ReceptiveField())

    @property
    def output(self) -> Shape:
        return self.rows[-1].output

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def numbers(self) -> int:
        """The count of parameters and buffers: what a model file holds."""
        return sum(row.numbers for row in self.rows)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def receptive_field(self) -> tuple[int, int]:
        return self.rows[-1].receptive_field

    @cached_property
    def right_context(self) -> int | None:
        """The columns of padding (zeros) that must follow an input, so that the output ignores how many follow.

        None if the output depends on how much padding there is: if a layer counts positions or meets the border.
        """
        if padding_effect(self.layers, "zero") != "removed":
            return None
        maps = [row for _, row in walk(self.rows) if len(row.output) == 3]
        strides = any(getattr(row.layer, "stride", 1) != 1 for row in maps)
        widest = max((row.receptive_field[1] for row in maps), default=1)
        return widest * (1 + strides)  # a window that covers only padding begins at a multiple of the strides

    @cached_property
    def any_width(self) -> bool:
        """True if the same weights take inputs of any width that is large enough and give an output of the same shape.

        This is decided by building the network for inputs of twice the width.
        """
        channels, height, width = self.input
        return self._takes((channels, height, 2 * width))

    @cached_property
    def any_size(self) -> bool:
        """True if the same holds of the height and the width together."""
        channels, height, width = self.input
        return self._takes((channels, 2 * height, 2 * width))

    def _takes(self, shape: tuple[int, int, int]) -> bool:
        """Whether the weights take inputs of a larger shape and give an output of the same shape."""
        larger = Network(shape, self.layers)
        with torch.device("meta"):
            shapes = [
                {name: value.shape for name, value in net.module().state_dict().items()} for net in (self, larger)
            ]
        return shapes[0] == shapes[1] and self.output == larger.output

    def module(self) -> Sequential:
        """Returns the network as a torch module: `module[3]` is the fourth layer."""
        return sequence(self.built_layers, self.input)

    def to_dict(self) -> dict[str, Any]:
        """Returns the measurements as `describe --json` prints them."""
        return {
            "network": str(self),
            "input": list(self.input),
            "layers": [row.to_dict() for row in self.rows],
            "output": list(self.output),
            "parameters": self.parameters,
            "macs": self.macs,
            "receptive_field": list(self.receptive_field),
        }


def check_size(layers: Layers) -> None:
    """Raises Problem for more layers than are measured in a second, or layers nested deeper."""
    level, count, depth = list(layers), 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > MAX_LAYERS:
            raise Problem(f"a network has at most {MAX_LAYERS:,} layers; this one has more", USAGE)
        if depth > MAX_NESTED:
            raise Problem(f"layers are nested at most {MAX_NESTED} deep; these are deeper", USAGE)
        level = [inner for layer in level for branch in (*layer.branches, layer.shared) for inner in branch]


def _measure(layers: Layers, built: Layers, shape: Shape, field: ReceptiveField) -> tuple[Row, ...]:
    rows: list[Row] = []
    for index, (layer, built_layer) in enumerate(zip(layers, built, strict=True)):
        try:
            rows.append(_row(layer, built_layer, shape, field))
        except Problem as problem:
            raise Problem(f"layer {index}, {shortened(str(layer))}: {problem}", USAGE) from None
        shape, field = rows[-1].output, rows[-1].field
    return tuple(rows)


def _row(layer: Layer, built: Layer, shape: Shape, field: ReceptiveField) -> Row:
    branches = tuple(
        _measure(branch, built_branch, shape, field)
        for branch, built_branch in zip(layer.branches, built.branches, strict=True)
    )
    if layer.shared and branches:  # measured behind the first branch
        last = branches[0][-1] if branches[0] else None
        first = (last.output, last.field) if last else (shape, field)
        branches = (*branches, _measure(layer.shared, built.shared, *first))
    output = built.out(shape)
    if max(output) > 2**31 or prod(output) > 2**40:
        raise Problem(f"gives {output}, more numbers than a machine can hold")
    window = built.window(shape)
    parameters, numbers = _count(built, shape)
    unseen, misfit = ((0, 0), "") if window is None else _fit(window, shape)
    after = built.receptive_field(shape, field)
    macs = built.macs(shape)
    return Row(layer, shape, output, parameters, numbers, macs, after, window, unseen, misfit, branches)


def _count(layer: Layer, shape: Shape) -> tuple[int, int]:
    """Returns how many parameters a layer has, and how many numbers with its buffers."""
    try:
        with torch.device("meta"):
            module = layer.module(shape)
    except (RuntimeError, OverflowError):  # sizes beyond 64 bits
        raise Problem("has more weights than a machine can hold") from None
    return sum(value.numel() for value in module.parameters()), sum(v.numel() for v in module.state_dict().values())


def _fit(window: Window, shape: Shape) -> tuple[tuple[int, int], str]:
    """Returns what a window leaves unseen, and the arithmetic of its positions if it does not come out even."""
    unseen = (window.unseen(shape[1], 0), window.unseen(shape[2], 1))
    for axis, length in enumerate(shape[1:]):
        exact = window.fit(length, axis)
        if exact.denominator != 1 and not window.ceil:
            sides = sum(window.sides[axis])
            terms = f"({length}{f' + {sides}' if sides else ''} − {window.span(axis)})/{window.stride[axis]} + 1"
            counts = zip(unseen, ("row", "column"), strict=True)
            left = " and ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in counts if count)
            return unseen, f"{terms} = {float(exact):.2f} does not fit" + (f": {left} left unseen" if left else "")
    return unseen, ""


def walk(rows: tuple[Row, ...], depth: int = 0) -> Iterator[tuple[int, Row]]:
    """Yields every row, followed by the rows of its branches, each with its depth."""
    for row in rows:
        yield depth, row
        for branch in row.branches:
            yield from walk(branch, depth + 1)


# --- text -> layers ------------------------------------------------------------------------------------------------


def parse(text: str, head_sizes: Mapping[str, int] | None = None, /, **constants: int) -> Layers:
    """Reads layers from their text with Python's own `ast`: names, numbers and tuples, nothing else.

    `constants` are names that stand for numbers, such as `classes=10`. Of the heads in `head_sizes`, `classes` is the
    number there, and they come in that order. Raises Problem with the position of the mistake.
    """
    return tuple(_Reader(text, constants, 1, head_sizes or {}).layer(node) for node in _elements(text))


def check_names(text: str) -> None:
    """Raises Problem for a text that is no network with any constants: its syntax, or an unknown layer."""
    reader = _Reader(text, {}, 1, {})
    for element in _elements(text):
        reader.kind(element)
        for node in ast.walk(element):
            if isinstance(node, ast.Call):
                reader.kind(node)


def _elements(text: str) -> list[ast.expr]:
    nodes = _expression(text, f"({text}\n,)").elts
    if len(nodes) > MAX_LAYERS:  # before each is checked
        raise Problem(f"a network has at most {MAX_LAYERS:,} layers; this one has {len(nodes):,}", USAGE)
    return nodes


def call(text: str, functions: Mapping[str, Any], kind: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Splits `"alphago(filters=64)"` into a known name, its arguments and its keyword arguments."""
    name, bracket, rest = text.strip().partition("(")  # names may have dashes, which Python's may not
    name = name.strip()
    if name not in functions:
        close = did_you_mean(name, functions)
        known = ", ".join(sorted(functions))
        raise Problem(f"{shortened(name) or 'an empty text'} is not a {kind}{close}; there are {known}", USAGE)
    if not bracket:
        return name, [], {}
    node = _expression(text, f"(_{'_' * (len(name) - 1)}({rest}\n,)").elts
    if len(node) != 1:
        raise Problem(f"{shortened(repr(text))} is more than one {kind}", USAGE)
    _, (arguments, keywords) = _Reader(text, {}, 1, {}).parts(node[0])
    for value in (*arguments, *keywords.values()):
        if isinstance(value, int | float) and not abs(value) <= MAX_ARGUMENT:
            raise Problem(f"{shortened(text)}: a number is at most {MAX_ARGUMENT:,} here", USAGE)
    return name, arguments, keywords


def _expression(text: str, wrapped: str) -> ast.Tuple:
    if not text.strip():
        raise Problem("the text is empty; write layers separated by commas, as in: flatten, dense(classes)", USAGE)
    if len(text) > MAX_TEXT:
        raise Problem(f"the text of a network has at most {MAX_TEXT:,} characters; this one has {len(text):,}", USAGE)
    try:
        node = ast.parse(wrapped, mode="eval").body
    except SyntaxError as error:
        column = max(0, (error.offset or 1) - 2)
        raise Problem(
            f"{_position(text, column)}: {error.msg}; a network is layers separated by commas", USAGE
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise Problem("the text nests too deeply or holds characters that no network has", USAGE) from None
    if not isinstance(node, ast.Tuple):
        quoted = shortened(repr(text))
        raise Problem(f"{quoted} is not a list of layers; a network is layers separated by commas", USAGE)
    return node


def _position(text: str, column: int) -> str:
    return f"column {column + 1}, at {text[column : column + 20].strip()!r}" if text[column:].strip() else "at the end"


class _Reader:
    """Turns the nodes of Python's syntax tree into layers, and reports the position of what it cannot read."""

    def __init__(self, text: str, constants: Mapping[str, int], shift: int, head_sizes: Mapping[str, int]) -> None:
        self.text, self.constants, self.shift, self.head_sizes = text, constants, shift, head_sizes

    def wrong(self, node: ast.AST, message: str) -> Problem:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        lines = self.text.split("\n")
        raw = lines[min(line, len(lines)) - 1]
        column = len(raw.encode()[: max(0, column - (self.shift if line == 1 else 0))].decode(errors="ignore"))
        position = _position(raw, column)
        return Problem(f"{f'line {line}, ' if len(lines) > 1 else ''}{position}: {message}", USAGE)

    def layer(self, node: ast.expr) -> Layer:
        kind = self.kind(node)
        _, (arguments, keywords) = self.parts(node)
        self.check(node, kind, arguments, keywords)
        try:
            return kind(*arguments, **keywords)
        except Problem as problem:
            raise self.wrong(node, str(problem)) from None

    def kind(self, node: ast.expr) -> type[Layer]:
        """The class of the layer that a node names."""
        name = self.name(node)
        if name not in KINDS:
            close = did_you_mean(name, KINDS)
            raise self.wrong(node, f"{shortened(name)} is not a layer{close}; the layers are {', '.join(KINDS)}")
        return KINDS[name]

    def name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and all(k.arg for k in node.keywords):
            return node.func.id
        raise self.wrong(node, "expected a layer such as relu or conv(25, 3)")

    def check(self, node: ast.expr, kind: type[Layer], arguments: list[Any], keywords: dict[str, Any]) -> None:
        """Raises Problem unless the layer takes these arguments."""
        signature = inspect.signature(kind)
        takes = f"{kind.name} takes {', '.join(signature.parameters) or 'no arguments'}"
        any_name = kind is Heads
        takes = "heads takes named branches, NAME=(dense(classes))" if any_name else takes
        for name in keywords:
            if name not in signature.parameters and not any_name:
                raise self.wrong(node, f"{name} is unknown{did_you_mean(name, signature.parameters)}; {takes}")
        try:
            signature.bind(*arguments, **keywords)
        except TypeError as error:
            raise self.wrong(node, f"{error}; {takes}") from None

    def parts(self, node: ast.expr) -> tuple[str, tuple[list[Any], dict[str, Any]]]:
        """Returns a layer's name, its arguments and its keyword arguments."""
        layer = self.name(node)
        if not isinstance(node, ast.Call):
            return layer, ([], {})
        names = {str(keyword.arg): keyword.value for keyword in node.keywords}
        if layer == Heads.name:
            keywords = {name: self.within_head(name).value(names[name]) for name in self.in_order(names)}
        else:
            keywords = {name: self.value(value) for name, value in names.items()}
        return layer, ([self.value(argument) for argument in node.args], keywords)

    def in_order(self, names: Collection[str]) -> list[str]:
        """The names of heads in the order of `head_sizes`, others behind them."""
        return [name for name in self.head_sizes if name in names] + [n for n in names if n not in self.head_sizes]

    def within_head(self, name: str) -> _Reader:
        """The reader in which `classes` is the number of outputs of a head."""
        if name not in self.head_sizes:
            return self
        return _Reader(self.text, {**self.constants, "classes": self.head_sizes[name]}, self.shift, {})

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.value(node.operand)
            if isinstance(number, int | float):
                return -number
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.constants[node.id]
        if isinstance(node, ast.Tuple):
            return tuple(self.value(element) for element in node.elts)
        if isinstance(node, ast.Name) and node.id not in KINDS:
            close = did_you_mean(node.id, {*KINDS, *self.constants})
            raise self.wrong(node, f"{shortened(node.id)} is not a number or a layer{close}")
        if isinstance(node, ast.Name | ast.Call):
            return self.layer(node)
        raise self.wrong(node, "expected a number, a layer or a tuple of them")
