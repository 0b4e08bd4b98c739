"""neocog export: a model as one file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core import files
from ..core.problem import USAGE, Problem
from ..core.progress import progress
from . import output
from .flags import FORCE, JSON, MODEL, QUIET, SYMMETRIES, flag

ENDINGS = {"onnx": ".onnx", "pt2": ".pt2"}


def export(
    model: MODEL,
    out: Annotated[Path, typer.Option("--out", help="The file to write: FILE.onnx or FILE.pt2.", show_default=False)],
    format_: Annotated[str | None, flag("onnx or pt2.", None, "--format", default="by the ending of --out")] = None,
    opset: Annotated[int, typer.Option(help="The operator set of ONNX, 18 to 23.")] = 20,
    parity: Annotated[
        str | None,
        flag("Compare predictions for these files too: data as for evaluate, or files as for predict."),
    ] = None,
    quantise: Annotated[str | None, flag("int8: weights and activations of 8 bits.", default="float32")] = None,
    calibrate: Annotated[
        str | None, flag("Data for --quantise: calibrates with the training split, judges by the test split.")
    ] = None,
    symmetries: SYMMETRIES = None,
    seed: Annotated[int, typer.Option(help="Seed of the random inputs that are compared.")] = 0,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Export a model as one file for other programs: ONNX, or PyTorch's .pt2.

    Preprocessing is inside; batches may have any size, and inputs any length that the network takes. The file is
    compared with the model before it is written. A difference of more than 0.0001 is an error.

    [bold]neocog export runs/vision-swift-… --out photos.onnx --parity photos/[/bold]
    [bold]neocog export runs/speech-… --out words.onnx --quantise int8 --calibrate recordings/[/bold]
    """
    format_name = format_of(out, format_)
    check_quantise(quantise, calibrate)
    files.check_output(out, force, (ENDINGS[format_name],))
    from ..core.ranges import check_range

    check_range("opset", opset, "--opset")
    from .. import load
    from ..core.export import exported

    request = exported.Request(format_name, opset, parity, calibrate, seed)
    exported.check_request(request)
    loaded = load(model, "cpu", symmetries)
    with progress("comparing", "examples", quiet) as bar:
        result = exported.exported(loaded, request, bar)
    files.write(out, lambda temporary: temporary.write_bytes(result.content))
    summary = {"file": str(out), "model": model, **result.summary}
    output.document(summary) if json else print_summary(summary)


def format_of(out: Path, format_name: str | None) -> str:
    """The format of --format, or that of the file's ending. Raises Problem if there is none."""
    if format_name is None:
        endings = {ending: name for name, ending in ENDINGS.items()}
        if out.suffix.lower() not in endings:
            raise Problem(f"{out} ends in none of {', '.join(endings)}: the ending decides the format", USAGE)
        return endings[out.suffix.lower()]
    if format_name not in ENDINGS:
        raise Problem(f"--format is {' or '.join(ENDINGS)}; got {format_name}", USAGE)
    return format_name


def check_quantise(quantise: str | None, calibrate: str | None) -> None:
    """Raises Problem unless --quantise and --calibrate are both given or both left out."""
    if quantise not in (None, "int8"):
        raise Problem(f"--quantise is int8; got {quantise}", USAGE)
    if quantise and not calibrate:
        raise Problem("--quantise int8 needs --calibrate DATA: the data that the model was trained on", USAGE)
    if calibrate and not quantise:
        raise Problem("--calibrate is for --quantise int8; give both, or neither", USAGE)


def print_summary(summary: dict[str, Any]) -> None:
    """The file, its input, and how it compares with the model."""
    graph_input, parity = summary["input"], summary["parity"]
    shape = "×".join(map(str, graph_input["shape"]))
    output.line(f"{summary['file']}  {summary['bytes']:,} bytes")
    output.line(f"input               {graph_input['name']}, {graph_input['dtype']}, {shape}")
    for comparison in parity["comparisons"]:
        shape = "×".join(map(str, comparison["shape"]))
        output.line(
            f"compared            {comparison['inputs']}, {shape}: largest difference {comparison['difference']:.1e}, "
            f"equal labels {comparison['equal_labels']:,} of {comparison['examples']:,}"
        )
    if results := summary.get("int8"):
        print_int8(results)


def print_int8(results: dict[str, Any]) -> None:
    """Size, first metric and speed before and after quantisation."""
    for title in ("float32", "int8"):
        judged = results[title]
        interval = judged["interval"]
        extent = f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
        output.line(
            f"{title:<19} {judged['bytes']:,} bytes, {judged['metric']} {judged['value']:.4f}{extent} on "
            f"{judged['examples']:,} test examples, {judged['examples_per_cpu_second']:,} per CPU second"
        )
