"""neocog serve: predictions of trained models over HTTP."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from ..core.problem import INTERRUPTED, USAGE, Problem
from ..core.process import end
from ..core.progress import say
from .flags import DEVICE, QUIET, flag

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
    device: DEVICE = None,
    quiet: QUIET = False,
) -> None:
    """Serve models over HTTP: predictions, explanations, metrics.

    [bold]neocog serve runs/vision-swift-… --port 8000[/bold]
    [bold]curl -F file=@cat.jpg http://127.0.0.1:8000/predict[/bold]
    [bold]neocog serve digits=runs/digits words=runs/words --host 0.0.0.0 --token SECRET[/bold]
    """
    from ..web import guard, served, server

    if not token and not guard.is_loopback(host):
        raise Problem(f"--host {host} lets other machines ask; give --token, which requests then need", USAGE)
    names = served.named(models)
    listener = server.listening(host, port)
    try:
        from .. import load
        from ..core.native_output import uncollected
        from ..web.app import Limits, Server, application

        use_threads(threads)
        loaded = [served.Served(name, load(path, device or "auto")) for name, path in names.items()]
        for entry in loaded:
            entry.model.check_weights()
        limits = Limits(round(max_body * 1e6), timeout, queue, batch)
        rules = guard.Rules([host, *(allow_host or [])], allow_origin or [], token)
        app = application(Server(loaded, limits), rules)
        address = f"[{host}]" if ":" in host else host
        address = f"http://{address}:{listener.getsockname()[1]}"

        def announce() -> None:
            if not quiet:
                say(f"serving {', '.join(names)} on {address}; Ctrl-C stops")

        with uncollected():
            ended_by = server.run(app, listener, timeout, announce)
    finally:
        listener.close()
    end(INTERRUPTED if ended_by == signal.SIGINT else 0)


def use_threads(count: int) -> None:
    """Sets the number of torch's threads: on busy cores, several are slower than one for small batches."""
    import torch

    torch.set_num_threads(count)
