"""Names say what a value is: filler names are counted in the syntax trees of the repository."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import neocog

ROOT = Path(neocog.__file__).parent
FILLER = {
    *("told", "found", "each", "own", "there", "said", "asked", "given", "whole", "at"),
    *("made", "seen", "done", "some", "every", "thing", "stuff", "it", "what", "who", "one", "other", "them", "those"),
    *("gone", "still", "once", "soon", "early", "anew"),
}
LIMIT = 0.005  # of all bound names
FOLDERS = ("core", "commands", "vision", "speech", "text", "go")


def bound_names(code: ast.Module) -> Iterator[str]:
    """Every name that the code binds: functions, classes, arguments, variables, attributes, imports under a name."""
    for node in ast.walk(code):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_names_are_read_from_all_kinds_of_bindings():
    code = (
        "import os as told\nfrom a import b as found\nclass Own: pass\ndef each(given, *at, **said): whole = 1\n"
        "for there in x: pass\nself.asked = 1\n[one for one in x]\nmatch x:\n  case other: pass\n"
        "try: pass\nexcept E as who: pass\n"
    )
    expected = ["told", "found", "Own", "each", "given", "at", "said", "whole", "there", "asked", "one", "other", "who"]
    assert sorted(bound_names(ast.parse(code))) == sorted(expected)


def check_names(paths: list[Path]) -> None:
    """Asserts that at most LIMIT of the names bound in some files are filler."""
    counts: Counter[str] = Counter()
    places: dict[str, str] = {}
    for path in paths:
        for name in bound_names(ast.parse(path.read_text(encoding="utf-8"))):
            counts[name.strip("_").lower()] += 1
            if name.strip("_").lower() in FILLER:
                places.setdefault(name, str(path.relative_to(ROOT)))
    filler = sum(counts[name] for name in FILLER)
    assert filler <= LIMIT * counts.total(), f"{filler} of {counts.total()} bound names are filler, such as {places}"


def test_filler_names_are_rare_in_the_package():
    check_names(sorted(ROOT.glob("*.py")) + files(*FOLDERS))


def test_filler_names_are_rare_in_tests_and_benchmarks():
    check_names(files("tests", "benchmarks"))
