"""The commands of Go that play: gtp, match, annotate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .cli_go import app
from .flags import DEVICE, SEED, flag

if TYPE_CHECKING:
    from .go.policy import Policy

PLAYS = Annotated[str, typer.Argument(help="A model file, a run's folder, or go: the one that comes along.")]
SYMMETRIES = Annotated[int, typer.Option(help="Views of the board to average over, 1 to 8.")]
TEMPERATURE = Annotated[float, typer.Option(help="0 plays the likeliest move, 1 as often as the network expects it.")]
RESIGN = Annotated[float | None, flag("Give up below this share of random games won, as in 0.05; default never.")]


def policy_of(model: str, symmetries: int, device: str | None) -> Policy:
    """The policy in a model, by its name."""
    from . import load
    from .go.policy import Policy

    return Policy(load(model, device or "auto"), symmetries)


@app.command()
def gtp(
    model: PLAYS = "go",
    temperature: TEMPERATURE = 0,
    symmetries: SYMMETRIES = 1,
    resign: RESIGN = None,
    seed: SEED = None,
    device: DEVICE = None,
) -> None:
    """Play in Sabaki, GoGui and other programs, over the Go Text Protocol, version 2, on 19×19.

    [bold]neocog go gtp[/bold]                           as the program's engine command
    [bold]neocog go gtp runs/go-… --temperature 0.5 --symmetries 8[/bold]

    It passes when you have passed and it is ahead by area or nothing is left to play for, and resigns only with
    --resign. Dead stones in final_score and final_status_list are those that random games leave to the other side.
    """
    from .go.engine import Engine
    from .go.gtp import on_standard_streams
    from .go.player import Player

    on_standard_streams(Engine(Player(policy_of(model, symmetries, device), temperature, resign, seed)))
