"""neocog serve: predictions of trained models over HTTP."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.problem import INTERRUPTED, USAGE, Problem
from ..core.process import end
from ..core.progress import say
from .flags import DEVICE, QUIET, flag

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from ..web.app import Server
    from ..web.guard import Rules
    from ..web.trainings import Trainings

# Of a few seconds' training, and with maps large enough to look at.
DIGITS = "conv(25, 3, pad=1), relu, maxpool(2), conv(50, 3, pad=1), relu, flatten, dense(100), relu, dense(classes)"
MODELS = Annotated[
    list[str], typer.Argument(help="Models: files, run folders or names, or NAME=MODEL.", show_default=False)
]


def serve(
    models: MODELS,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            help="Requests need this token: Authorization: Bearer TOKEN.", envvar="NEOCOG_TOKEN", show_default=False
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None, flag("A host name of this server; may be repeated.", default="none")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        flag("Pages of this origin may ask (CORS): https://example.org; may be repeated.", default="none"),
    ] = None,
    max_body: Annotated[float, typer.Option(help="The largest body of a request in MB.")] = 20.0,
    timeout: Annotated[float, typer.Option(help="Seconds that a request may take.")] = 10.0,
    queue: Annotated[int, typer.Option(help="Requests that may wait; further ones get 503.")] = 256,
    batch: Annotated[int, typer.Option(help="Inputs that are predicted together at most.")] = 64,
    threads: Annotated[int, typer.Option(help="Threads of a prediction.")] = 1,
    data: Annotated[
        list[str] | None,
        flag("With --page, data that the page may train on: a path, or NAME=PATH; may be repeated.", default="none"),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="A page to use the models, see their layers, and watch one learn.")
    ] = False,
    device: DEVICE = None,
    quiet: QUIET = False,
) -> None:
    """Serve models over HTTP: predictions, explanations, metrics.

    [bold]neocog serve runs/vision-swift-… --port 8000[/bold]
    [bold]curl -F file=@cat.jpg http://127.0.0.1:8000/predict[/bold]
    [bold]neocog serve digits=runs/digits words=runs/words --host 0.0.0.0 --token SECRET[/bold]
    """
    from ..web import guard, served

    if page and token:
        raise Problem(
            "a browser sends no token with --page; leave --token out, and reach the page of another machine through "
            "ssh -L 8000:127.0.0.1:8000",
            USAGE,
        )
    if not token and not guard.is_loopback(host):
        raise Problem(f"--host {host} lets other machines ask; give --token, which requests then need", USAGE)
    if data and not page:
        raise Problem("--data is for --page: the page trains on it", USAGE)
    names = served.named(models)
    limits = (round(max_body * 1e6), timeout, queue, batch)
    rules = guard.Rules([host, *(allow_host or [])], allow_origin or [], token)
    run(names, (host, port), limits, rules, data or [] if page else None, threads, device, quiet)


def play(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Models, as for serve; by default digits and Go.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        flag("Data that the page may train on: a path, or NAME=PATH; may be repeated.", default="none"),
    ] = None,
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 8000,
    quiet: QUIET = False,
) -> None:
    """Open a page on this machine: draw a digit, see every layer, watch a network learn.

    The first time, a small network of handwritten digits is trained, in some seconds.

    [bold]neocog play[/bold]
    [bold]neocog play runs/vision-swift-…[/bold]
    """
    from ..web import guard, served

    names = served.named(models) if models else {"digits": first_model(quiet), "go": "go"}
    run(names, ("127.0.0.1", port), (20_000_000, 30.0, 64, 64), guard.Rules(), data or [], 1, "cpu", quiet)


def run(
    names: Mapping[str, str],
    address: tuple[str, int],
    limits: tuple[int, float, int, int],
    rules: Rules,
    data: list[str] | None,
    threads: int,
    device: str | None,
    quiet: bool,
) -> None:
    """Serves models by name until a signal, and ends the process; `limits` are the fields of web.app.Limits.

    `data` is what the page may train on; None serves no page.
    """
    from .. import load
    from ..core.native_output import uncollected
    from ..web import served, server
    from ..web.app import Limits, Server, application
    from ..web.trainings import Trainings, named_data

    trainings = None if data is None else Trainings(named_data(data))
    host, port = address
    listener = server.listening(host, port)
    try:
        use_threads(threads)
        loaded = [served.Served(name, load(path, device or "auto")) for name, path in names.items()]
        for entry in loaded:
            entry.model.check_weights()
        models = Server(loaded, Limits(*limits))
        app = application(models, rules, () if trainings is None else pages_of(models, trainings))
        shown = f"[{host}]" if ":" in host else host
        shown = f"http://{shown}:{listener.getsockname()[1]}"

        def announce() -> None:
            if not quiet:
                say(f"{'open' if trainings else 'serving ' + ', '.join(names) + ' on'} {shown}; Ctrl-C stops")

        with uncollected():
            ended_by = server.run(app, listener, limits[1], announce, models.refusal)
    finally:
        listener.close()
        if trainings is not None:
            trainings.close()
    end(INTERRUPTED if ended_by == signal.SIGINT else 0)


def first_model(quiet: bool) -> str:
    """The run folder of a small network of handwritten digits, trained the first time."""
    from .. import train
    from ..core.sources.cache import default_cache

    folder = default_cache() / "play" / "digits"
    if not (folder / "summary.json").exists():
        if not quiet:
            say("training a small network of handwritten digits, for a first look")
        train(
            "vision", "digits", network=DIGITS, out=str(folder), force=True, epochs=12, batch=32, lr=0.003, device="cpu"
        )
    return str(folder)


def pages_of(server: Server, trainings: Trainings) -> list[BaseRoute]:
    """The addresses of the page."""
    from ..web.pages import Pages

    return Pages(server, trainings).routes()


def use_threads(count: int) -> None:
    """Sets the number of torch's threads: on busy cores, several are slower than one for small batches."""
    import torch

    torch.set_num_threads(count)
