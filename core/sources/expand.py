"""Paths, folders and globs of the command line, expanded to the files that a domain reads."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from ..inputs import FileInput, Input
from ..problem import DATA, USAGE, Problem, did_you_mean
from .content import Kind
from .folder import walk
from .source import is_hidden, natural


def expand_paths(arguments: Sequence[str], kind: Kind) -> list[Input]:
    """Returns files, the files in folders and the matches of globs; each once, naturally sorted in its argument.

    Raises Problem for a path that does not exist, and for an argument without files of that kind.
    """
    paths: dict[str, None] = {}
    suffixes = sorted(kind.suffixes)
    for argument in arguments:
        files = [file for path in expanded(argument) for file in files_at(path, kind)]
        if not files:
            raise Problem(
                f"{argument} holds no {kind.noun}s; expected such as {', '.join(suffixes[:4])}, or folders of them",
                DATA,
            )
        paths.update(dict.fromkeys(files))
    if not paths:
        raise Problem(
            f"no {kind.noun}s are named; expected files, folders or globs such as FOLDER/*{suffixes[0]}", USAGE
        )
    return [FileInput(path) for path in paths]


def expanded(argument: str) -> list[str]:
    """The paths that an argument stands for; an existing path is taken literally, even if it holds * or ?."""
    if os.path.lexists(argument):
        return [argument]
    if not glob.has_magic(argument):
        raise missing(argument)
    if paths := sorted(glob.glob(argument, recursive=True), key=natural):
        return paths
    raise Problem(f"{argument} matches no file", USAGE)


def files_at(path: str, kind: Kind) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    names = [name for name in walk(Path(path))[0] if kind.named(name) and not is_hidden(Path(name).parts)]
    return [os.path.join(path, name) for name in sorted(names, key=natural)]


def missing(text: str, names: Sequence[str] = ()) -> Problem:
    """A Problem that names the first part of a path that does not exist, and a similar one that does."""
    path = Path(text)
    absent = next((p for p in reversed([path, *path.parents]) if not os.path.lexists(p)), path)
    similar = (
        [p.name for p in absent.parent.iterdir()]
        if absent.parent.is_dir() and os.access(absent.parent, os.R_OK)
        else []
    )
    hint = did_you_mean(absent.name, [*similar, *names])
    where = f"{text} does not exist" if absent == path else f"{text} does not exist: there is no {absent}"
    return Problem(where + hint, USAGE)
