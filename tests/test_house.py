"""The structure of the package: imports between its parts, start-up time, and no code run from files.

Read from the syntax trees, so that a new file is watched from the day it is there.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import neocog
import pytest
from fresh import loaded_by

ROOT = Path(neocog.__file__).parent
NOT_DOMAINS = {"core", "commands", "web", "tests", "benchmarks", "build", "dist"}
DOMAINS = sorted(
    folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists() and folder.name not in NOT_DOMAINS
)
FOLDERS = ("commands", "core", "web", *DOMAINS)
FILES = sorted([*ROOT.glob("*.py"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))])
HEAVY = {
    *("torch", "torchvision", "torchaudio", "numpy", "scipy", "sklearn", "matplotlib", "rich", "PIL", "jinja2"),
    *("safetensors", "tomlkit", "numba", "soundfile", "captum", "torchmetrics", "onnx", "onnxruntime"),
}
LIGHT = [
    *(
        "cli.py",
        *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "commands").glob("*.py"))),
        "__init__.py",
        "__main__.py",
        "core/__init__.py",
        "core/problem.py",
        "core/checkpoint.py",
        "core/process.py",
    ),
    *(
        "core/files.py",
        "core/versions.py",
        "core/progress.py",
        "core/signals.py",
        "core/process.py",
        "core/settings.py",
        "core/split.py",
    ),
]
COMMAND_LINE = ("neocog.cli", "neocog.commands", "neocog.demo")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNPICKLING = {"load", "loads", "open", "Unpickler", "_Unpickler"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """The absolute names that an import statement brings into a file of `package`: "neocog.core.network"."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        start = ".".join((*base, *filter(None, [node.module])))
        yield start
        yield from (f"{start}.{alias.name}" for alias in node.names)


def imports(code: ast.Module, package: tuple[str, ...]) -> set[str]:
    """All names that a module imports, in functions too."""
    return {name for node in ast.walk(code) for name in imported(node, package)}


def imports_at_the_top(code: ast.Module, package: tuple[str, ...]) -> set[str]:
    """Names imported when the module is imported: without imports in functions and under TYPE_CHECKING."""

    def executed(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.orelse:
                yield from executed(statement)
            return
        yield node
        for child in ast.iter_child_nodes(node):
            yield from executed(child)

    return {name for node in executed(code) for name in imported(node, package)}


def package_of(path: Path) -> tuple[str, ...]:
    return ("neocog", *path.relative_to(ROOT).parent.parts)


def of_domains(names: set[str]) -> set[str]:
    return {parts[1] for name in names if (parts := name.split("."))[0] == "neocog" and len(parts) > 1} & set(DOMAINS)


def dangers(code: ast.Module) -> Iterator[str]:
    """Calls that could run code of a file: unpickling, torch.load without weights_only=True, eval."""
    for node in ast.walk(code):
        if isinstance(node, ast.Import):  # under another name, a call could not be found
            yield from (f"import {a.name} as {a.asname}" for a in node.names if a.name in UNPICKLERS and a.asname)
        elif isinstance(node, ast.ImportFrom) and node.module in UNPICKLERS:
            names = [alias.name for alias in node.names]
            yield from (f"from {node.module} import {name}" for name in names if name in UNPICKLING)
        elif isinstance(node, ast.Call):
            called, keywords = (
                ast.unparse(node.func),
                {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords},
            )
            module, _, name = called.rpartition(".")
            if (module in UNPICKLERS and name in UNPICKLING) or called in ("eval", "exec"):
                yield called
            if called == "torch.load" and keywords.get("weights_only") != "True":
                yield called
            if keywords.get("allow_pickle", "False") != "False":
                yield f"{called}(allow_pickle)"


# --- recognition of imports and calls -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from ..vision import data", "vision"),
        ("from ..vision.data import load", "vision"),
        ("from .. import vision", "vision"),
        ("import neocog.vision.data", "vision"),
        ("def f():\n    from ..vision import data", "vision"),
        ("if TYPE_CHECKING:\n    from ..vision import data", "vision"),
        ("from .vision import data", None),
        ("from vision import data", None),
        ("from ..core import layers", None),
    ],
)
def test_every_kind_of_import_of_a_domain_is_recognised(line, name):
    assert of_domains(imports(ast.parse(line), ("neocog", "core"))) == ({name} if name else set())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch.nn", True),
        ("from torch import nn", True),
        ("try:\n    import torch\nexcept ImportError:\n    pass", True),
        ("class A:\n    import torch", True),
        ("def f():\n    import torch", False),
        ("if TYPE_CHECKING:\n    import torch", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import torch", True),
    ],
)
def test_imports_at_the_top_are_recognised(code, expected):
    assert any(name.split(".")[0] == "torch" for name in imports_at_the_top(ast.parse(code), ("neocog",))) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("torch.load(f)", ["torch.load"]),
        ("torch.load(f, weights_only=False)", ["torch.load"]),
        ("torch.load(f, weights_only=True)", []),
        ("pickle.loads(b)", ["pickle.loads"]),
        ("from pickle import loads", ["from pickle import loads"]),
        ("from pickle import PicklingError", []),
        ("import pickle as p", ["import pickle as p"]),
        ("pickle.Unpickler(f).load()", ["pickle.Unpickler"]),
        ("np.load(f, allow_pickle=True)", ["np.load(allow_pickle)"]),
        ("np.load(f)", []),
        ("json.loads(s)", []),
    ],
)
def test_calls_that_could_run_code_of_a_file_are_recognised(code, expected):
    assert list(dangers(ast.parse(code))) == expected


# --- structure ----------------------------------------------------------------------------------------------------


def test_all_domains_are_known_and_packaged():
    assert sorted({*neocog.DOMAINS} - {*neocog.PLACES}) == DOMAINS
    assert {name: f"web.{name}" for name in neocog.PLACES} == neocog.PLACES
    with open(ROOT / "pyproject.toml", "rb") as file:
        packages = tomllib.load(file)["tool"]["setuptools"]["packages"]
    folders = {path.parent for path in FILES if path.name == "__init__.py"}
    assert sorted(packages) == sorted(".".join(package_of(folder / "x.py")) for folder in folders)


@pytest.mark.parametrize("path", [path for path in FILES if package_of(path)[1:2] == ("core",)], ids=named)
def test_the_core_imports_no_domain_and_no_command(path):
    names = imports(tree(path), package_of(path))
    assert of_domains(names) == set()
    assert not {name for name in names if name.startswith(COMMAND_LINE)}


@pytest.mark.parametrize("path", [path for path in FILES if {*package_of(path)[1:2]} & {*DOMAINS}], ids=named)
def test_domains_do_not_import_each_other(path):
    names = imports(tree(path), package_of(path))
    assert of_domains(names) <= {package_of(path)[1]}
    assert not {name for name in names if name.startswith(COMMAND_LINE)}


@pytest.mark.parametrize("path", [path for path in FILES if path.parent != ROOT], ids=named)
def test_inside_the_package_imports_are_relative(path):
    """So that editors and type checkers follow them."""
    absolute = [n for n in ast.walk(tree(path)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not {name for node in absolute for name in imported(node, ()) if name.split(".")[0] == "neocog"}


@pytest.mark.parametrize("name", LIGHT)
def test_quick_modules_import_nothing_heavy_at_the_top(name):
    names = imports_at_the_top(tree(ROOT / name), package_of(ROOT / name))
    assert {module.split(".")[0] for module in names} & HEAVY == set()
    assert of_domains(names) == set()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_code_of_a_file_is_run(path):
    assert list(dangers(tree(path))) == []


def test_help_loads_no_torch():
    """Nor other packages that are slow to import."""
    program = (
        "import contextlib, sys\n"
        "from neocog.cli import main\n"
        "sys.argv = ['neocog', '--help']\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main()\n"
    )
    assert loaded_by(program) & (HEAVY - {"rich"}) == set()  # typer prints its help with rich


@pytest.mark.parametrize("module", ["neocog.go", "neocog.go.board", "neocog.go.planes", "neocog.go.collection"])
def test_boards_and_records_need_no_torch(module):
    assert "torch" not in loaded_by(f"import {module}")


@pytest.mark.parametrize("module", ["neocog", "neocog.cli"])
def test_importing_the_package_loads_nothing_heavy(module):
    assert loaded_by(f"import {module}") & HEAVY == set()


# --- the command line ----------------------------------------------------------------------------------------------


def test_the_summary_of_a_command_is_the_first_paragraph_of_its_help():
    from neocog import cli

    for command in cli.COMMANDS:
        docstring = getattr(cli._module(command), command.function).__doc__
        assert command.summary == " ".join(docstring.split("\n\n")[0].split())


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--debug"]])
def test_the_help_of_all_commands_imports_none_of_them(arguments):
    from neocog import cli

    commands = cli.application(arguments).registered_commands
    assert [command.name for command in commands] == [*(command.name for command in cli.COMMANDS), "go"]
    assert all(command.callback is cli._unused for command in commands)


def test_only_the_selected_command_has_options():
    from neocog import cli

    callbacks = {
        command.name: command.callback for command in cli.application(["--debug", "check"]).registered_commands
    }
    assert callbacks["check"] is not cli._unused and callbacks["train"] is cli._unused
    assert all(command.callback is not cli._unused for command in cli.application().registered_commands)


# --- the contract of a domain --------------------------------------------------------------------------------------

FEATURES = ("neocog.core.explain", "neocog.core.imagine", "neocog.core.robust")


@pytest.mark.parametrize("name", ["domain", "train", "data", "feed", "model", "tasks/task", "tasks/classify"])
def test_the_core_of_training_imports_no_feature(name):
    path = ROOT / "core" / f"{name}.py"
    assert not [module for module in imports(tree(path), package_of(path)) if module.startswith(FEATURES)]


def test_a_domain_has_few_fields():
    from dataclasses import MISSING, fields

    from neocog.core.domain import Domain

    required = [field.name for field in fields(Domain) if field.default is MISSING]
    assert len(fields(Domain)) <= 12 and len(required) <= 12
