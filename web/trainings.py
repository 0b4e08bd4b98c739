"""Trainings that a page starts, each a process of its own, on data that the command line names."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from ..core import schema
from ..core.problem import USAGE, Problem
from ..core.schema import Between

MOST_RUNNING = 2
LINES = 200  # of the output of a training that a page sees
DOMAINS = ("vision", "speech", "text", "go")


class Request(TypedDict):
    """What a page asks of trainings."""

    action: Literal["list", "start", "state", "stop", "resume"]
    training: NotRequired[Annotated[int, Between(1, 1_000_000)]]
    domain: NotRequired[Literal["vision", "speech", "text", "go"]]
    data: NotRequired[str]  # a name of those that the command line gave
    recipe: NotRequired[str]
    epochs: NotRequired[Annotated[int, Between(1, 10_000)]]
    minutes: NotRequired[Annotated[float, Between(0.1, 10_000)]]


@dataclass(eq=False)
class Training:
    """One run and the process that trains it."""

    number: int
    title: str
    folder: Path
    data: tuple[str, str]  # its name, and the path that no answer shows
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    process: subprocess.Popen[str] | None = None
    reader: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self, arguments: list[str]) -> None:
        """Starts `neocog` with arguments; its lines are kept as they come."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "neocog", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "100"},
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        name, path = self.data
        with process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n").replace(path, name))

    def stop(self, number: int = signal.SIGINT) -> None:
        """Asks the process to end after its step, so that the run can be resumed."""
        if self.is_running and self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def state(self) -> dict[str, Any]:
        """What a page shows of it."""
        code = None if self.process is None else self.process.poll()
        if code is not None and self.reader is not None:
            self.reader.join(5)
        return {
            "training": self.number,
            "title": self.title,
            "running": code is None,
            "finished": (self.folder / "summary.json").is_file(),
            "resumable": code is not None and code != 0 and (self.folder / "settings.toml").is_file(),
            "lines": list(self.lines),
            "epochs": epochs_in(self.folder / "metrics.jsonl"),
        }


class Trainings:
    """The trainings of a server. `data` are files and folders by the names that pages use; runs go below `root`."""

    def __init__(self, data: Mapping[str, str], root: Path = Path("runs")) -> None:
        self.data, self.root = dict(data), root
        self.trainings: dict[int, Training] = {}
        self.numbers = itertools.count(1)

    def answer(self, request: Any) -> dict[str, Any]:
        """The answer to a request of a page. Raises Problem for one that makes no sense."""
        try:
            schema.check(Request, request, exact=True)
        except schema.Mismatch as error:
            raise Problem(f"the request cannot be used: {error}", USAGE) from None
        match request["action"]:
            case "list":
                return {"data": list(self.data), "trainings": [t.state() for t in self.trainings.values()]}
            case "start":
                return self._start(request)
            case "stop":
                self._training(request).stop()
            case "resume":
                training = self._training(request)
                self._require_room()
                if not training.state()["resumable"]:
                    raise Problem("this training runs or has finished; there is nothing to resume", USAGE)
                training.launch(["resume", str(training.folder)])
        return self._training(request).state()

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name, domain, recipe = request.get("data"), request.get("domain"), request.get("recipe", "")
        if name not in self.data:
            raise Problem(f"the data are {', '.join(self.data) or 'none: name some with --data'}", USAGE)
        if domain is None or recipe.startswith("-") or ("epochs" in request and "minutes" in request):
            raise Problem("a training has a domain, a recipe's name, and epochs or minutes, not both", USAGE)
        self._require_room()
        number = next(self.numbers)
        folder = new_folder(self.root, f"{domain}-{name}")
        arguments = ["train", domain, self.data[name], "--out", str(folder)]
        arguments += ["--recipe", recipe] if recipe else []
        for option in ("epochs", "minutes"):
            arguments += [f"--{option}", str(request[option])] if option in request else []
        self.trainings[number] = training = Training(number, f"{domain}, {name}", folder, (name, self.data[name]))
        training.launch(arguments)
        return training.state()

    def _require_room(self) -> None:
        if sum(training.is_running for training in self.trainings.values()) >= MOST_RUNNING:
            raise Problem(f"{MOST_RUNNING} trainings run already; wait, or stop one", USAGE)

    def _training(self, request: Mapping[str, Any]) -> Training:
        number = request.get("training", 0)
        if number not in self.trainings:
            raise Problem(f"there is no training {number}", USAGE)
        return self.trainings[number]

    def report(self, number: int) -> bytes | None:
        """The report of a finished training."""
        training = self.trainings.get(number)
        path = training.folder / "report.html" if training else None
        return path.read_bytes() if path is not None and path.is_file() else None

    def close(self) -> None:
        """Stops all trainings; they can be resumed from the shell."""
        for training in self.trainings.values():
            training.stop(signal.SIGTERM)


def new_folder(root: Path, name: str) -> Path:
    """The first of root/NAME, root/NAME-2, … that does not exist."""
    folders = itertools.chain([root / name], (root / f"{name}-{number}" for number in itertools.count(2)))
    return next(folder for folder in folders if not folder.exists())


def epochs_in(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; none while it is not there or half written."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []


def named_data(arguments: list[str]) -> dict[str, str]:
    """Data by name: NAME=PATH, or a path by its own. Raises Problem for two of one name, or what is not there."""
    data: dict[str, str] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals or "/" in name:
            name, path = Path(argument).resolve().stem, argument
        if name in data:
            raise Problem(f"two --data have the name {name}; give one of them another: NAME=PATH", USAGE)
        if not os.path.exists(path):
            raise Problem(f"--data {path} does not exist", USAGE)
        data[name] = os.path.abspath(path)
    return data
