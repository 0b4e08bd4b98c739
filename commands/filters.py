"""neocog filters: the filters of a layer, its activations, and the inputs with the largest activations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..core import files
from ..core.problem import USAGE, Problem
from ..core.progress import progress, say
from . import output, parsing
from .explain import OUT
from .flags import DEVICE, FORCE, JSON, MODEL, MOVE, QUIET, flag

if TYPE_CHECKING:
    from ..core.explain.filters import TokenFilter
    from ..core.explain.places import Place
    from ..core.explain.responses import TopInput
    from ..core.explain.sheet import Sheet
    from ..core.model import Model

MAX_PRINTED = 20  # filters over embeddings, and units


def filters(
    model: MODEL,
    layer: Annotated[
        str | None, flag("The layer, by its number in neocog describe.", default="the first convolution")
    ] = None,
    maps: Annotated[str | None, flag("Show the activations of the layer for this input.")] = None,
    top: Annotated[str | None, flag("Show the inputs of this data with the largest activations of each unit.")] = None,
    unit: Annotated[int | None, flag("With --top: only this unit, from 0.", default="the first 12")] = None,
    out: OUT = None,
    force: FORCE = False,
    move: MOVE = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Show the learned filters of a layer, its activations for an input, or the inputs with the largest activations.

    Filters over pictures are shown as pictures, filters over word embeddings as the words with the largest products.

    [bold]neocog filters runs/vision-… --out filters.png[/bold]
    [bold]neocog filters runs/vision-… --maps cat.jpg --layer 3 --out maps.png[/bold]
    [bold]neocog filters runs/vision-… --top photos/ --layer 5 --unit 12 --out top.png[/bold]
    """
    from .. import load
    from ..core.explain import places, sheet
    from ..core.explain.capability import FilterImages
    from ..core.explain.filters import place_of
    from ..core.presentation import Readable

    files.check_output(out, force, sheet.ENDINGS)
    if maps is not None and top is not None:
        raise Problem("--maps shows one input, --top many; give one of them", USAGE)
    if unit is not None and top is None:
        raise Problem("--unit is for --top DATA", USAGE)
    loaded = load(model, device or "auto")
    loaded.domain.require(FilterImages, "filters")
    if out and maps is None and loaded.domain.capability(Readable):
        raise Problem("filters over texts are words rather than pictures: leave --out out, or use --json", USAGE)
    if maps is None and top is None:
        place = None if layer is None else place_of(loaded, layer)
        drawing = _filters(loaded, place, json)
    else:
        place = places.layer(loaded.network, layer) if layer is not None else place_of(loaded, None)
        if maps is not None:
            drawing = _maps(loaded, maps, place, json, parsing.input_options(loaded.domain, {"move": move}))
        else:
            assert top is not None
            drawing = _top(loaded, top, place, None if unit is None else places.unit(place, unit), json, quiet)
    if out and drawing is not None:
        sheet.write(drawing, out, force)
        say(f"wrote {out}")
    elif not json and not quiet and drawing is not None:
        say("to see it: --out FILE.png")


def _filters(model: Model, place: Place | None, json: bool) -> Sheet | None:
    from ..core.explain import filters

    layers = filters.over_embeddings(model)
    if place is not None:
        layers = [layer for layer in layers if layer.number == place.number]
    if layers:
        token_filters = [token_filter for layer in layers for token_filter in filters.token_filters(model, layer)]
        if json:
            output.document([token_filter_row(token_filter) for token_filter in token_filters])
        else:
            print_token_filters(token_filters)
        return None
    place = place or filters.place_of(model, None)
    weights = filters.weights(model, place)
    if json:
        output.document({"layer": place.number, "word": str(place.row.layer), "filters": weights.tolist()})
    else:
        count, channels, height, width = weights.shape
        output.line(f"{place.name}: {count} filters of {height}×{width} over {channels} channel{'s' * (channels > 1)}")
    return filters.sheet(model, place)


def token_filter_row(token_filter: TokenFilter) -> dict[str, Any]:
    """Returns a filter over embeddings as JSON."""
    tokens = [[{"token": token, "adds": value} for token, value in position] for position in token_filter.tokens]
    return {"layer": token_filter.place.number, "filter": token_filter.index, "places": tokens}


def print_token_filters(token_filters: list[TokenFilter]) -> None:
    """Prints for each filter the tokens with the largest products at each position, the largest sums first."""
    by_sum = sorted(token_filters, key=lambda entry: -sum(position[0][1] for position in entry.tokens))
    for entry in by_sum[:MAX_PRINTED]:
        output.line(f"{entry.place.name}, filter {entry.index}")
        for number, position in enumerate(entry.tokens, 1):
            output.line(f"  word {number}: " + ", ".join(f"{token} {value:+.2f}" for token, value in position))
    if len(token_filters) > MAX_PRINTED:
        output.line(f"… and {len(token_filters) - MAX_PRINTED:,} more; all of them with --json")


def _maps(model: Model, source: str, place: Place, json: bool, options: dict[str, Any]) -> Sheet | None:
    from ..core.explain import responses
    from ..core.presentation import Readable

    sources = parsing.with_options(model.domain.expand_paths([source]), options)
    if len(sources) != 1:
        raise Problem(f"--maps takes one input; {source} is {len(sources)}", USAGE)
    inputs = model.domain.read(sources[0], model.card.preprocessing)
    values = responses.responses(model, inputs, place)
    if json:
        output.document({"input": source, "layer": place.number, "size": list(values.shape), "maps": values.tolist()})
    else:
        largest = values.flatten(1).amax(1) if values.ndim == 3 else values
        order = largest.argsort(descending=True)[:5].tolist()
        units = ", ".join(f"{index} ({largest[index]:.3g})" for index in order)
        output.line(f"{place.name}: the units with the largest activations are {units}")
    name = Path(sources[0].name).name if not model.domain.capability(Readable) else "the text"
    return responses.maps_sheet(model, sources[0], inputs, place, name)


def _top(model: Model, data: str, place: Place, unit: int | None, json: bool, quiet: bool) -> Sheet | None:
    from dataclasses import replace

    from ..core.explain import responses
    from ..core.presentation import Readable

    source = parsing.source(data, {}, **model.split_options)
    with progress("reading", "files", quiet) as bar:
        loaded = model.load(replace(source, progress=bar))
    examples, _ = model.examples(loaded)
    with progress("computing activations", "inputs", quiet) as bar:
        table = responses.top_inputs(model, examples, place, unit, bar)
    if json:
        output.document([entry.to_dict() for row in table for entry in row])
    else:
        print_top_inputs(table, [[responses.patch(model, examples, entry) for entry in row] for row in table])
    return None if model.domain.capability(Readable) else responses.top_sheet(model, examples, place, table)


def print_top_inputs(table: list[list[TopInput]], patches: list[list[Any]]) -> None:
    """Prints a line for each input under its unit: where its receptive field is; of a text, the words in it."""
    for row, row_patches in zip(table[:MAX_PRINTED], patches, strict=False):
        output.line(f"unit {row[0].unit}")
        for entry, patch in zip(row, row_patches, strict=True):
            position = f"{entry.name}, rows {_span(entry.rows)}, columns {_span(entry.columns)}"
            text = repr(patch) if isinstance(patch, str) else position
            output.line(f"  {entry.activation:8.3g}  {entry.label}: {text}")


def _span(part: slice) -> str:
    return f"{part.start} to {part.stop - 1}"
