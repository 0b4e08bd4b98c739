"""Search spaces: a network's text, a recipe and settings in which some values are ranges.

`span(16, 64, 8)` is a whole number of that grid, `uniform(0, 0.5)` and `log(1e-4, 1e-1)` are numbers, `choice(relu,
tanh)` is one of several values or layers, and `repeat(1, 4, conv(32, 3), relu)` is layers 1 to 4 times. They are parsed
with Python's own `ast`, and nothing else of Python is evaluated.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..layers import KINDS
from ..problem import USAGE, Problem, shortened

RANGES = ("span", "uniform", "log", "choice", "repeat")
MOST_REPEATS = 100
Value = int | float | str


class Dimension(NamedTuple):
    """One choice of a search."""

    name: str
    kind: Literal["int", "float", "choice"]
    low: float = 0
    high: float = 0
    step: int = 1
    is_log: bool = False
    options: tuple[str, ...] = ()  # of a choice, their texts

    @property
    def size(self) -> float:
        """The number of values."""
        if self.kind == "choice":
            return len(self.options)
        return float("inf") if self.kind == "float" else (self.high - self.low) // self.step + 1

    def value_of(self, setting: Any) -> Value | None:
        """A setting as a value of this dimension; None for one outside of it."""
        if self.kind == "choice":
            return str(setting) if str(setting) in self.options else None
        if not isinstance(setting, int | float) or not self.low <= setting <= self.high:
            return None
        return None if self.kind == "int" and (setting - self.low) % self.step else setting

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}


@dataclass(frozen=True)
class Template:
    """A text in which some values are ranges; `dimensions` are in the order in which the text has them."""

    text: str
    dimensions: tuple[Dimension, ...]
    _tree: ast.Call = field(compare=False, repr=False)  # whose arguments the text is

    @classmethod
    def of(cls, text: str) -> Template:
        """Raises Problem for a text that cannot be parsed, and for a range that is empty, backwards or mixed."""
        try:
            tree = ast.parse(f"_({text}\n)", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise Problem(f"{shortened(text)} is not a list of layers with ranges", USAGE) from None
        if not isinstance(tree, ast.Call) or called(tree) != "_" or not (tree.args or tree.keywords):
            raise Problem(f"{shortened(text)} is not a list of layers", USAGE)
        reader = _Reader()
        reader.visit_all(tree)
        return cls(text, tuple(reader.dimensions), tree)

    def filled(self, value_of: Callable[[Dimension], Value]) -> str:
        """The text with a value for each range that is reached; one inside what is not chosen is not asked for."""
        tree = _Filler(self.dimensions, value_of).node(copy.deepcopy(self._tree))
        assert isinstance(tree, ast.Call)
        named = [f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in tree.keywords]
        return ", ".join([*map(ast.unparse, tree.args), *named])


class _Reader:
    """Collects the ranges of a tree, in order, and names them by the layer and the argument that they stand for."""

    def __init__(self) -> None:
        self.dimensions: list[Dimension] = []
        self.seen: dict[str, int] = {}

    def visit_all(self, tree: ast.Call) -> None:
        for argument in tree.args:
            self.visit(argument, "layer")
        for keyword in tree.keywords:
            self.visit(keyword.value, str(keyword.arg))

    def visit(self, node: ast.expr, place: str) -> None:
        name = called(node)
        if name in RANGES:
            assert isinstance(node, ast.Call)
            self.dimensions.append(dimension(node, self.unique(place)))
            _mark(node, len(self.dimensions) - 1)
            rest = node.args[2:] if name == "repeat" else node.args if name == "choice" else []
            for argument in rest:
                self.visit(argument, place)
        elif isinstance(node, ast.Call):
            layer = self.unique(name or "layer")
            for index, argument in enumerate(node.args):
                self.visit(argument, f"{layer} {argument_name(name, index)}")
            for keyword in node.keywords:
                self.visit(keyword.value, f"{layer} {keyword.arg}")
        elif isinstance(node, ast.Tuple):
            for element in node.elts:
                self.visit(element, place)

    def unique(self, name: str) -> str:
        """The name, with a number from the second of it on."""
        self.seen[name] = self.seen.get(name, 0) + 1
        return name if self.seen[name] == 1 else f"{name}#{self.seen[name]}"


class _Filler:
    """Puts values in the places of ranges."""

    def __init__(self, dimensions: Sequence[Dimension], value_of: Callable[[Dimension], Value]) -> None:
        self.dimensions, self.value_of = dimensions, value_of

    def layers(self, nodes: Sequence[ast.expr]) -> list[ast.expr]:
        """The nodes of a sequence, in which a range may stand for no layer, one or several."""
        result: list[ast.expr] = []
        for node in nodes:
            if called(node) == "repeat":
                assert isinstance(node, ast.Call)
                times = int(self._value(node))
                for _ in range(times):
                    result += self.layers(copy.deepcopy(node.args[2:]))
            elif called(node) == "choice":
                chosen = self.node(node)
                result += self.layers(chosen.elts) if isinstance(chosen, ast.Tuple) else [chosen]
            else:
                result.append(self.node(node))
        return result

    def node(self, node: ast.expr) -> ast.expr:
        name = called(node)
        if name == "choice":
            assert isinstance(node, ast.Call)
            texts = [ast.unparse(argument) for argument in node.args]
            return self.node(node.args[texts.index(str(self._value(node)))])
        if name in RANGES:
            assert isinstance(node, ast.Call)
            return ast.parse(repr(self._value(node)), mode="eval").body
        if isinstance(node, ast.Call):
            node.args = self.layers(node.args)
            for keyword in node.keywords:
                keyword.value = self.node(keyword.value)
        elif isinstance(node, ast.Tuple):
            node.elts = self.layers(node.elts)
        return node

    def _value(self, node: ast.Call) -> Value:
        return self.value_of(self.dimensions[node.range_index])  # type: ignore[attr-defined]


def _mark(node: ast.Call, index: int) -> None:
    node.range_index = index  # type: ignore[attr-defined]  # deepcopy keeps it


def called(node: ast.expr) -> str:
    """The name of a call; "" for anything else."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def argument_name(layer: str, index: int) -> str:
    """The name of a layer's argument: `filters`."""
    import inspect

    names = list(inspect.signature(KINDS[layer]).parameters) if layer in KINDS else []
    return names[index] if index < len(names) else str(index + 1)


def dimension(node: ast.Call, name: str) -> Dimension:
    """The range of a call such as span(16, 64, 8). Raises Problem for one that is none."""
    kind, text = called(node), shortened(ast.unparse(node), 80)
    if node.keywords:
        raise Problem(f"{text}: a range has no named values", USAGE)
    if kind == "choice":
        options = tuple(ast.unparse(argument) for argument in node.args)
        if len(set(options)) != len(options) or len(options) < 2:
            raise Problem(f"{text}: a choice has two different values or more", USAGE)
        return Dimension(name, "choice", options=options)
    numbers = [_number(argument, text) for argument in node.args[: 2 if kind == "repeat" else None]]
    whole = kind in ("span", "repeat")
    if len(numbers) not in ((2, 3) if kind == "span" else (2,)) or (kind == "repeat" and len(node.args) < 3):
        forms = {"span": "span(16, 64) or span(16, 64, 8)", "repeat": "repeat(1, 4, conv(32, 3), relu)"}
        raise Problem(f"{text}: expected {forms.get(kind, f'{kind}(LOWEST, HIGHEST)')}", USAGE)
    low, high = numbers[:2]
    if not low < high:
        raise Problem(f"{text}: the range is empty or backwards; its second number is the larger one", USAGE)
    if whole and any(type(number) is not int for number in numbers):
        raise Problem(f"{text}: {kind} is of whole numbers; uniform and log are of others", USAGE)
    if kind == "log" and low <= 0:
        raise Problem(f"{text}: a logarithmic range is above 0", USAGE)
    if kind == "repeat" and not 0 <= low < high <= MOST_REPEATS:
        raise Problem(f"{text}: layers are repeated 0 to {MOST_REPEATS} times", USAGE)
    step = int(numbers[2]) if len(numbers) == 3 else 1
    if whole and not 1 <= step <= high - low:
        raise Problem(f"{text}: the step is from 1 to {high - low:g}", USAGE)
    high -= (high - low) % step if whole else 0
    return Dimension(name, "int" if whole else "float", low, high, step, kind == "log")


def _number(node: ast.expr, text: str) -> int | float:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise Problem(f"{text}: {shortened(ast.unparse(node), 40)} is not a number", USAGE)
    return value


@dataclass(frozen=True)
class Space:
    """A network's text or a recipe, and settings, each of which may hold ranges."""

    network: Template | None = None
    recipe: tuple[str, Template | None] | None = None  # its name, and its arguments
    settings: Mapping[str, Template] = field(default_factory=dict)

    @classmethod
    def of(cls, network: str | None, recipe: str | None, settings: Mapping[str, str]) -> Space:
        """Raises Problem for ranges that are none, and for a space of one point."""
        parts = None
        if recipe is not None:
            name, bracket, rest = recipe.partition("(")
            arguments = rest.rstrip().removesuffix(")")
            parts = (name.strip(), Template.of(arguments) if bracket and arguments.strip() else None)
        space = cls(
            Template.of(network) if network is not None else None,
            parts,
            {name: Template.of(text) for name, text in settings.items()},
        )
        if not space.dimensions:
            raise Problem(
                "there is nothing to search: every value is fixed; write ranges, such as conv(span(16, 64, 8), 3) or "
                "--set 'lr=log(1e-4, 1e-1)'",
                USAGE,
            )
        return space

    @property
    def templates(self) -> list[tuple[str, Template]]:
        """The templates, each with what begins the names of its dimensions."""
        named = [("", self.network)] if self.network else []
        if self.recipe and self.recipe[1]:
            named.append(("", self.recipe[1]))
        return [(prefix, template) for prefix, template in named if template] + list(self.settings.items())

    @property
    def dimensions(self) -> list[Dimension]:
        return [titled(prefix, entry) for prefix, template in self.templates for entry in template.dimensions]

    @property
    def recipe_name(self) -> str | None:
        """The recipe, without arguments that hold ranges."""
        if self.recipe is None:
            return None
        name, arguments = self.recipe
        return f"{name}({arguments.text})" if arguments and not arguments.dimensions else name

    def point(self, suggest: Callable[[Dimension], Value]) -> Point:
        """A point of the space: its texts, with the values that `suggest` gives, once for each dimension."""
        values: dict[str, Value] = {}

        def value_of(entry: Dimension) -> Value:
            if entry.name not in values:
                values[entry.name] = suggest(entry)
            return values[entry.name]

        def filled(prefix: str, template: Template) -> str:
            return template.filled(lambda entry: value_of(titled(prefix, entry)))

        recipe = None
        if self.recipe is not None:
            name, arguments = self.recipe
            recipe = name if arguments is None else f"{name}({filled('', arguments)})"
        return Point(
            filled("", self.network) if self.network else None,
            recipe,
            {name: filled(name, template) for name, template in self.settings.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """What makes two spaces the same, as JSON."""
        recipe = None if self.recipe is None else [self.recipe[0], self.recipe[1].text if self.recipe[1] else ""]
        settings = {name: template.text for name, template in self.settings.items()}
        return {"network": self.network.text if self.network else None, "recipe": recipe, "settings": settings}


class Point(NamedTuple):
    """What one trial trains."""

    network: str | None
    recipe: str | None
    settings: Mapping[str, str]  # the text of each value


def titled(prefix: str, entry: Dimension) -> Dimension:
    """A dimension of a setting is called by the setting."""
    if not prefix:
        return entry
    name = entry.name.removeprefix("layer")
    return entry._replace(name=f"{prefix}{name}")


def is_range(text: str) -> bool:
    """Whether a text of a setting holds a range."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.expr) and called(node) in RANGES for node in ast.walk(tree))


def values_of(space: Space, settings: Mapping[str, Any]) -> dict[str, Value]:
    """The values that these settings have in a space, without those that it does not reach."""
    ranges = [(titled(name, template.dimensions[0]), settings.get(name)) for name, template in space.settings.items()]
    return {entry.name: value for entry, setting in ranges if (value := entry.value_of(setting)) is not None}


def default_ranges(settings: Mapping[str, Any]) -> dict[str, str]:
    """The ranges of a recipe that is searched without any: rate, batch, weight decay and smoothing around its own."""
    lr, batch = float(settings["lr"]), int(settings["batch"])
    ranges = {"lr": f"log({lr / 5!r}, {lr * 5!r})"}
    sizes = sorted({max(8, batch // 2), batch, batch * 2})
    ranges["batch"] = f"choice({', '.join(map(str, sizes))})"
    if settings.get("weight_decay"):
        ranges["weight_decay"] = f"log({settings['weight_decay'] / 10!r}, {settings['weight_decay'] * 10!r})"
    if settings.get("smoothing"):
        ranges["smoothing"] = "uniform(0, 0.3)"
    return ranges
