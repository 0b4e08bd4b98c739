"""neocog filters: what the layers of a network look for, what they answer, and what excites them most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..core.problem import USAGE, Problem
from ..core.progress import progress, say
from . import tell, typed
from .explain import OUT
from .flags import DEVICE, FORCE, JSON, MODEL, MOVE, QUIET, flag

if TYPE_CHECKING:
    from ..core.explain.filters import Phrases
    from ..core.explain.places import Place
    from ..core.explain.responses import Excited
    from ..core.explain.sheet import Sheet
    from ..core.model import Model

SHOWN = 20  # filters over words, and units, that a terminal is told of


def filters(
    model: MODEL,
    layer: Annotated[str | None, flag("A number of neocog describe; default the first convolution.")] = None,
    maps: Annotated[str | None, flag("What the layer answers to this input.")] = None,
    top: Annotated[str | None, flag("The inputs of this data that excite the layer's units most.")] = None,
    unit: Annotated[int | None, flag("With --top: this unit, from 0.")] = None,
    out: OUT = None,
    force: FORCE = False,
    move: MOVE = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """The learned filters as pictures, of texts the words they answer to; what a layer answers; what excites it most.

    [bold]neocog filters runs/vision-… --out filters.png[/bold]
    [bold]neocog filters runs/vision-… --maps cat.jpg --layer 3 --out maps.png[/bold]
    [bold]neocog filters runs/vision-… --top photos/ --layer 5 --unit 12 --out top.png[/bold]
    """
    from .. import load
    from ..core.explain import places, sheet
    from ..core.explain.filters import place_of
    from ..core.presentation import Readable

    sheet.free(out, force)
    if maps is not None and top is not None:
        raise Problem("--maps shows one input, --top many; ask for one of them", USAGE)
    if unit is not None and top is None:
        raise Problem("--unit is for --top DATA", USAGE)
    found = load(model, device or "auto")
    if out and maps is None and found.domain.capability(Readable):
        raise Problem("filters over texts are words rather than pictures: leave --out out, or take --json", USAGE)
    if maps is None and top is None:
        place = None if layer is None else place_of(found, layer)
        drawn = _filters(found, place, json)
    else:
        place = places.layer(found.network, layer) if layer is not None else place_of(found, None)
        if maps is not None:
            drawn = _maps(found, maps, place, json, typed.input_options(found.domain, {"move": move}))
        else:
            assert top is not None
            drawn = _top(found, top, place, None if unit is None else places.unit(place, unit), json, quiet)
    if out and drawn is not None:
        sheet.write(drawn, out, force)
        say(f"wrote {out}")
    elif not json and not quiet and drawn is not None:
        say("see it: --out FILE.png")


def _filters(model: Model, place: Place | None, json: bool) -> Sheet | None:
    from ..core.explain import filters

    words = [each for each in filters.over_words(model) if place is None or each.number == place.number]
    if words:
        every = [each for one in words for each in filters.phrases(model, one)]
        tell.document([phrase_facts(each) for each in every]) if json else tell_phrases(every)
        return None
    place = place or filters.place_of(model, None)
    weights = filters.weights(model, place)
    if json:
        tell.document({"layer": place.number, "word": str(place.row.layer), "filters": weights.tolist()})
    else:
        count, channels, height, width = weights.shape
        print(f"{place.name}: {count} filters of {height}×{width} over {channels} channel{'s' * (channels > 1)}")
    return filters.sheet(model, place)


def phrase_facts(each: Phrases) -> dict[str, Any]:
    tokens = [[{"token": token, "adds": value} for token, value in place] for place in each.tokens]
    return {"layer": each.place.number, "filter": each.number, "places": tokens}


def tell_phrases(every: list[Phrases]) -> None:
    """For each filter the words that raise it most, place by place, the filters that answer most first."""
    strongest = sorted(every, key=lambda each: -sum(place[0][1] for place in each.tokens))
    for each in strongest[:SHOWN]:
        print(f"{each.place.name}, filter {each.number}")
        for number, place in enumerate(each.tokens, 1):
            print(f"  word {number}: " + ", ".join(f"{token} {value:+.2f}" for token, value in place))
    if len(every) > SHOWN:
        print(f"… and {len(every) - SHOWN:,} more; all of them with --json")


def _maps(model: Model, source: str, place: Place, json: bool, reading: dict[str, Any]) -> Sheet | None:
    from ..core.explain import responses
    from ..core.presentation import Readable

    found = typed.with_options(model.domain.expand_paths([source]), reading)
    if len(found) != 1:
        raise Problem(f"--maps takes one input; {source} is {len(found)}", USAGE)
    inputs = model.domain.read(found[0], model.card.preprocessing)
    values = responses.responses(model, inputs, place)
    if json:
        tell.document({"input": source, "layer": place.number, "size": list(values.shape), "maps": values.tolist()})
    else:
        largest = values.flatten(1).amax(1) if values.ndim == 3 else values
        order = largest.argsort(descending=True)[:5].tolist()
        print(f"{place.name}: the units that answer most are " + ", ".join(f"{k} ({largest[k]:.3g})" for k in order))
    name = Path(found[0].name).name if not model.domain.capability(Readable) else "the text"
    return responses.maps_sheet(model, inputs, place, name)


def _top(model: Model, data: str, place: Place, unit: int | None, json: bool, quiet: bool) -> Sheet | None:
    from dataclasses import replace

    from ..core.explain import responses
    from ..core.presentation import Readable

    source = typed.source(data, {}, **model.split_options)
    with progress("reading", "files", quiet) as reading:
        loaded = model.load(replace(source, progress=reading))
    examples, _ = model.examples(loaded)
    with progress("looking", "inputs", quiet) as looking:
        told = responses.excited(model, examples, place, unit, looking)
    if json:
        tell.document([each.to_dict() for row in told for each in row])
    else:
        tell_excited(model, told, [[responses.part(model, examples, each) for each in row] for row in told])
    return None if model.domain.capability(Readable) else responses.top_sheet(model, examples, place, told)


def tell_excited(model: Model, told: list[list[Excited]], parts: list[list[Any]]) -> None:
    """A line for each input under its unit; of a text, the words that the unit saw."""
    for row, seen in zip(told[:SHOWN], parts, strict=False):
        print(f"unit {row[0].unit}")
        for each, part in zip(row, seen, strict=True):
            what = (
                repr(part)
                if isinstance(part, str)
                else f"{each.name}, rows {span(each.rows)}, columns {span(each.columns)}"
            )
            print(f"  {each.activation:8.3g}  {each.label}: {what}")


def span(part: slice) -> str:
    return f"{part.start} to {part.stop - 1}"
