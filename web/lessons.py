"""The playground of a page: trainings on points that a person watches, and the exercises of the lectures."""

from __future__ import annotations

import base64
import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np
import torch

from .. import domain
from ..core import schema
from ..core.problem import USAGE, Problem
from ..core.schema import Between
from .playground.exercises import EXERCISES, run
from .playground.features import UNIT
from .playground.points import SIDE
from .playground.session import Session, Setup

MOST_SESSIONS = 16  # the oldest gives way
MOST_STEPS = 2000  # of one request
TILE, SURFACE = 20, 60  # numbers along a side of a unit's picture and of the output's
MOST_UNITS = 64  # of all layers together: a page draws a picture of each


class SettingsTable(TypedDict):
    """The settings of training that a page may set."""

    lr: NotRequired[Annotated[float, Between(1e-5, 10)]]
    batch: NotRequired[Annotated[int, Between(1, 500)]]
    optimiser: NotRequired[Literal["sgd", "adamw"]]
    momentum: NotRequired[Annotated[float, Between(0, 0.99)]]
    weight_decay: NotRequired[Annotated[float, Between(0, 10)]]
    l1: NotRequired[Annotated[float, Between(0, 10)]]


class SetupTable(TypedDict):
    """What a page starts: the fields of Setup."""

    shape: Literal["circle", "xor", "gaussians", "spiral"]
    network: str
    inputs: NotRequired[str]
    noise: NotRequired[Annotated[float, Between(0, 0.5)]]
    points: NotRequired[Annotated[int, Between(10, 2000)]]
    test_share: NotRequired[Annotated[float, Between(0.1, 0.9)]]
    seed: NotRequired[Annotated[int, Between(0, 1_000_000)]]
    settings: NotRequired[SettingsTable]


class Request(TypedDict):
    """What a page asks of the playground."""

    action: Literal["start", "advance", "trace", "exercise"]
    session: NotRequired[str]
    setup: NotRequired[SetupTable]
    steps: NotRequired[Annotated[int, Between(0, MOST_STEPS)]]
    exercise: NotRequired[Annotated[int, Between(1, 10)]]
    variant: NotRequired[Annotated[int, Between(0, 20)]]
    start: NotRequired[Annotated[int, Between(0, 1000)]]


class Lessons:
    """The sessions of all pages."""

    def __init__(self) -> None:
        self.domain = domain("playground")
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()

    def answer(self, request: Any) -> dict[str, Any]:
        """The answer to a request of a page. Raises Problem for one that makes no sense."""
        try:
            schema.check(Request, request, exact=True)
        except schema.Mismatch as error:
            raise Problem(f"the request cannot be used: {error}", USAGE) from None
        with self.lock:
            return getattr(self, f"_{request['action']}")(request)  # type: ignore[no-any-return]

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        table = dict(request.get("setup") or {})
        seed = int(table.pop("seed", 0))
        session = Session(self.domain, Setup(**table), seed)
        if sum(layer.out_features for layer in session.linears()) > MOST_UNITS:
            raise Problem(f"the network has more than {MOST_UNITS} units; take fewer, so that each can be drawn", USAGE)
        name = str(next(self.numbers))
        self.sessions[name] = session
        while len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)
        points = {
            part: pointed(examples) for part, examples in (("train", session.data.train), ("test", session.data.test))
        }
        return {
            "session": name,
            "side": SIDE,
            "points": points,
            "inputs": pictures(session.inputs(TILE)),
            **state(session),
        }

    def _session(self, request: Mapping[str, Any]) -> Session:
        name = request.get("session", "")
        if name not in self.sessions:
            raise Problem("the session has ended; start it again", USAGE)
        self.sessions.move_to_end(name)
        return self.sessions[name]

    def _advance(self, request: Mapping[str, Any]) -> dict[str, Any]:
        session = self._session(request)
        session.advance(int(request.get("steps", 1)))
        return state(session)

    def _trace(self, request: Mapping[str, Any]) -> dict[str, Any]:
        session = self._session(request)
        settings = session.training.plan.settings
        if settings.batch != 1 or settings.optimiser != "sgd" or settings.momentum:
            raise Problem("a step is shown for a batch of 1 and plain gradient descent (sgd, momentum 0)", USAGE)
        trace = session.trace()
        layers = [[unit._asdict() for unit in layer] for layer in trace.layers]
        return {**state(session), "trace": trace._asdict() | {"layers": layers}}

    def _exercise(self, request: Mapping[str, Any]) -> dict[str, Any]:
        exercise = EXERCISES[int(request.get("exercise", 1)) - 1]
        index = int(request.get("variant", 0))
        if index >= len(exercise.variants):
            raise Problem(f"exercise {exercise.number} has {len(exercise.variants)} variants", USAGE)
        return run(self.domain, exercise.variants[index], 1, int(request.get("start", 0))).to_dict()


def state(session: Session) -> dict[str, Any]:
    """What a page draws of a training: losses, weights, gradients, and what every unit gives over the plane."""
    *hidden, output = session.surfaces(TILE)
    layers = []
    gradients = session.gradients()
    for layer, gradient in zip(session.linears(), gradients, strict=True):
        bias = [] if layer.bias is None else layer.bias.detach().tolist()
        layers.append({"weights": layer.weight.detach().tolist(), "bias": bias, "gradient": gradient})
    finite = all(bool(torch.isfinite(layer.weight).all()) for layer in session.linears())
    if not finite:
        raise Problem("the weights are no longer finite numbers; start again with a smaller rate", USAGE)
    return {
        "step": session.step_number,
        "epoch": session.epoch,
        **session.losses(),
        "layers": layers,
        "units": [pictures(values) for values in hidden],
        "output": pictures(output[1:2]) if len(output) == 2 else pictures(output),
        "surface": pictures(session.surfaces(SURFACE)[-1][1:2])[0],
        "labels": session.data.labels,
    }


def pictures(values: Any) -> list[dict[str, Any]]:
    """(U, S, S) numbers as bytes between −m and m, where m is the largest magnitude of the unit."""
    rows = []
    for unit in values:
        most = float(np.abs(unit).max()) or 1.0
        scaled = np.round((unit / most + 1) * 127.5).clip(0, 255).astype(np.uint8)
        rows.append({"most": most, "size": len(unit), "values": base64.b64encode(scaled.tobytes()).decode()})
    return rows


def pointed(examples: Any) -> list[list[float]]:
    """Points as [x₁, x₂, index of the label]."""
    x = (examples.inputs.double() * UNIT).round(decimals=3).tolist()
    return [[*point, label] for point, label in zip(x, examples.targets.tolist(), strict=True)]


def listed() -> list[dict[str, Any]]:
    """The exercises, as a page shows them."""
    return [
        {
            "number": exercise.number,
            "title": exercise.title,
            "question": exercise.question,
            "explanation": exercise.explanation,
            "variants": [
                {
                    "name": variant.name,
                    "goal": variant.goal,
                    "epochs": variant.epochs,
                    "setup": {
                        "shape": variant.setup.shape,
                        "network": variant.setup.network,
                        "inputs": variant.setup.inputs,
                        "noise": variant.setup.noise,
                        "points": variant.setup.points,
                        "test_share": variant.setup.test_share,
                        "settings": dict(variant.setup.settings),
                    },
                }
                for variant in exercise.variants
            ],
        }
        for exercise in EXERCISES
    ]
