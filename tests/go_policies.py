"""Policies for tests: one that is written by hand, and a small network of random weights in a model file."""

from pathlib import Path

import numpy as np
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.network import Network, parse
from neocog.core.start import start
from neocog.go.coords import vertex
from neocog.go.policy import legal_moves

POINTS = [vertex(place, 19) for place in range(361)]
NETWORK = "conv(4, 3, pad=1), relu, conv(1, 1, bias=False), bias, flatten"


def by_hand(rows):
    """Every legal move, those at the top of the board first: 2 for A19, …, falling to 1 for T1, made 1 in all."""
    weights = legal_moves(rows) * np.linspace(2, 1, 361)
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0).astype(np.float32)


def model_file(path: Path, labels=POINTS, domain: str = "go", spoil: float | None = None) -> str:
    """A model of random weights that was trained with all symmetries, as its card says."""
    module = Network((48, 19, 19), parse(NETWORK)).module()
    start(module, 0, False)
    weights = module.state_dict()
    if spoil is not None:
        weights = {name: values.fill_(spoil) for name, values in weights.items()}
    settings = {"augment": "symmetries"}
    checkpoint.save(path, weights, Card(domain, NETWORK, (48, 19, 19), list(labels), {}, settings=settings))
    return str(path)
