"""Cases by number: a command line, the files that it reads, and the exit codes that are right for it."""

import io
import os
import random
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from . import grammar, mutate
from .world import DOMAINS, World

SEED = 18
DONE, FAILED, USAGE, DATA = 0, 1, 2, 3  # exit codes


@dataclass(frozen=True)
class Case:
    """A command line in a folder of its own."""

    kind: str
    arguments: list[str]
    codes: frozenset[int]  # that are right
    stdin: bytes = b""
    environment: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """An option of a command, by introspection of the command line."""

    name: str  # "--epochs"
    type: str  # "int", "float", "str", "path", "bool"


@cache
def commands() -> dict[tuple[str, ...], list[Option]]:
    """All commands with their options."""
    import typer.main
    from neocog.cli import application

    return dict(_commands(typer.main.get_command(application()), ()))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Option]]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))
    if not hasattr(command, "commands"):
        yield path, [Option(max(p.opts, key=len), _type(p)) for p in command.params if p.opts[0][:2] == "--"]


def _type(param: Any) -> str:
    words = param.bare_type().lower()
    return next((name for name in ("bool", "int", "float", "path") if name in words), "str")


@cache
def layer_names() -> list[str]:
    from neocog.core.network import KINDS

    return sorted(KINDS)


def case(world: World, number: int, folder: Path) -> Case:
    """The case with a number; its files are written into `folder`."""
    rng = random.Random(f"{SEED}-{number}")
    kinds, weights = zip(*KINDS.items(), strict=True)
    build = rng.choices(kinds, weights)[0]
    built: Case = build(rng, world, folder)
    if rng.random() < 0.25 and "--json" not in built.arguments:
        command = next((path for path in commands() if tuple(built.arguments[: len(path)]) == path), ())
        if any(option.name == "--json" for option in commands().get(command, [])):
            built = replace(
                built, arguments=[*built.arguments[: len(command)], "--json", *built.arguments[len(command) :]]
            )
    if rng.random() < 0.06:
        built = replace(built, environment=built.environment | rng.choice(ENVIRONMENTS))
    return built


ENVIRONMENTS: list[dict[str, str | None]] = [
    {"HOME": None},
    {"HOME": "/nonexistent"},
    {"COLUMNS": "1"},
    {"COLUMNS": "x"},
    {"NEOCOG_CACHE": ""},
    {"TERM": "dumb"},
    {"NEOCOG_CACHE": "/proc/1/x"},
    {"NO_COLOR": "1"},
    {"FORCE_COLOR": "1"},
    {"TMPDIR": "/nonexistent"},
    {"LANG": "xx"},
]


UNKNOWN = "--nothing"  # an option that no command has


# --- valid command lines, to which a case does something --------------------------------------------------------------


def valid(rng: random.Random, world: World, command: tuple[str, ...], domain: str, folder: Path) -> list[str]:
    """A command line that ends well, and in a second or two."""
    run, data, file = (str(path) for path in (world.run(domain), world.data(domain), world.input(domain)))
    out = str(folder / "out")
    network = ["--network", _small(domain), "--epochs", "1", "--batch", "8", "--set", "checked=8"]
    match command:
        case ("train",):
            return ["train", domain, data, *network, "--out", out]
        case ("resume",):
            shutil.copytree(run, folder / "run")
            return ["resume", str(folder / "run"), "--epochs", "3"]
        case ("evaluate",):
            return [*command, run, data]
        case ("attack",):
            return ["attack", run, data, *(["--card"] if domain in ("text", "go") else [])]
        case ("predict",) | ("explain",):
            return [*command, run, file]
        case ("filters",):
            return ["filters", run, *rng.choice(([], ["--maps", file], ["--top", data, "--unit", "0"]))]
        case ("imagine",):
            return ["imagine", run, "--steps", "1", "--label", _label(domain), "--out", f"{out}.png"]
        case ("describe",):
            return ["describe", rng.choice((run, "conv(4, 3), relu, flatten, dense(classes)", "lenet5"))]
        case ("recipes",):
            return ["recipes", domain]
        case ("convert",):
            return ["convert", str(world.run("vision")), *rng.choice(([], [str(world.input("vision"))])), "--out", out]
        case ("convert-labels",):
            (folder / "boxes.csv").write_text(
                "filename,height,width,class,xmin,ymin,xmax,ymax\na.png,9,9,cat,1,1,5,5\n"
            )
            formats = ("coco", "voc", "yolo", "csv", "labelme", "label-studio", "cvat", "open-images")
            return ["convert-labels", str(folder / "boxes.csv"), out, "--to", rng.choice(formats)]
        case ("check",):
            return ["check", domain, data]
        case ("demo",):
            return ["demo", "--quick", "--out", str(world.run(domain))]  # exists
        case ("dream",):
            vision = str(world.run("vision"))
            return [
                "dream",
                vision,
                str(world.input("vision")),
                "--steps",
                "1",
                "--octaves",
                "1",
                "--out",
                f"{out}.png",
            ]
        case ("style",):
            picture = str(world.input("vision"))
            small = ["--model", str(world.run("vision")), "--steps", "1", "--size", "16", "--out", f"{out}.png"]
            return ["style", picture, picture, *small]
        case ("go", "show"):
            return ["go", "show", str(world.input("go"))]
        case ("go", "planes"):
            return ["go", "planes", str(world.input("go")), "--moves", "last", "--out", f"{out}.npz"]
        case ("go", "pack"):
            return ["go", "pack", str(world.input("go")), "--workers", "1", "--out", out]
        case ("go", "gtp"):
            return ["go", "gtp", str(world.run("go"))]
        case ("go", "match"):
            program = f"{sys.executable} -S -E {world.folder / 'program.py'}"
            small = ["--games", "1", "--size", "5", "--limit", "4", "--timeout", "5", "--out", out]
            return ["go", "match", program, program, *small]
        case ("go", "annotate"):
            return ["go", "annotate", str(world.input("go")), "--model", str(world.run("go"))]
        case ("features",):
            return ["features", run, data, "--out", f"{out}.npz"]
        case ("similar",):
            return ["similar", run, file, "--in", data]
        case ("export",):
            return ["export", run, "--out", f"{out}.txt"]  # an ending that has no format: exporting takes long
        case ("runs",):
            return ["runs", str(world.folder / "runs")]
        case ("compare",):
            return ["compare", run, run]
        case ("clean",):
            return ["clean", run, data, "--folds", "2", "--set", "epochs=1", "--out", f"{out}.csv"]
        case ("curve",):
            return ["curve", run, data, "--keep", "0,all", "--out", f"{out}.png"]
        case ("playground",):
            return ["playground", "1", "--starts", "1"]
        case ("serve",) | ("play",):
            return [*command, run, run]  # two models of one name: refused, and no server waits
        case ("go", "review"):
            return [
                *("go", "review", str(world.input("go")), "--model", str(world.run("go"))),
                *("--visits", "1", "--out", out),
            ]
        case ("go", "analysis"):
            return ["go", "analysis", str(world.run("go")), "--visits", "1"]
    return [*command, UNKNOWN]  # a command without cases of its own


def _small(domain: str) -> str:
    from test_contract import SMALL

    return str(SMALL[domain])


def _label(domain: str) -> str:
    return {"vision": "red", "speech": "low", "text": "cats", "go": "D4"}[domain]


# --- options ----------------------------------------------------------------------------------------------------------

INTS = (
    "-1",
    "0",
    "1",
    "3",
    "nan",
    "1.5",
    "²",
    "１２",
    "1e3",
    "",
    " ",
    "x",
    "1_0",
    "9" * 5000,
    str(10**22),
    str(2**31),
    "0x10",
    "--1",
)
FLOATS = (
    "-1",
    "0",
    "0.5",
    "1",
    "2",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1e-400",
    "1e9",
    "1,5",
    "",
    "x",
    "²",
    "1e308",
    "0.05,",
)
TEXTS = (
    *(
        "",
        " ",
        "x",
        "none",
        "nan",
        "-1",
        "0",
        "1",
        "²",
        "\x1b[31m",
        "\udcff",
        "🦆",
        "a" * 5000,
        "a=b",
        "=",
        "a,b",
        ",",
        "\n",
    ),
    *(
        "{label}",
        "{",
        "{label}_{label}",
        "{0}",
        "(",
        "[",
        "a{99999999999}",
        "(a+)+$",
        "*",
        "take<5",
        "label=red",
        "<",
        "x<y",
    ),
    *(
        "flip, crop(4)",
        "crop(99999)",
        "rotate(nan)",
        "flip(",
        "noise(1e9)",
        "auto",
        "cpu",
        "cuda:99",
        "mps",
        "grey",
        "rgb",
    ),
    *(
        "smoothing=2",
        "epochs=nan",
        "lr=[]",
        "lr=1e999",
        "momentum=x",
        "average=1",
        "checked=-1",
        "size=0",
        "x=1",
        "clip={}",
    ),
    *(
        "saliency",
        "gradcam,lrp",
        "all",
        "fgsm",
        "pgd",
        "0.1,0.2",
        "nan,1",
        "sgd",
        "muon",
        "words",
        "bytes",
        "coarse",
        "test",
    ),
    *(
        "swift",
        "mlp",
        "mlp(units=0)",
        "mlp(units=10**9)",
        "mlp(x=1)",
        "lenet5",
        "swift(99999)",
        "every",
        "last",
        "ladder capture",
    ),
    *(
        "1x28x28",
        "3x0x0",
        "²x3x3",
        "1x1x" + "9" * 50,
        "-1x2x3",
        "1e3x1x1",
        "axb",
        "go",
        "vision",
        "text",
        "C:\\x",
        "/",
        "0.png",
    ),
)
INPUT_FILES = {
    "--settings",
    "--weights",
    "--test",
    "--valid",
    "--vectors",
    "--against",
    "--openings",
    "--guide",
    "--maps",
    "--top",
    "--in",
    "--index",
    "--data",
    "--parity",
    "--calibrate",
    "--exclude",
    "--label-names",
    "--model",
}
# options whose values may also name an unusable file, and arguments


def options(rng: random.Random, world: World, folder: Path) -> Case:
    """One or two options of a valid command line with bad or unusual values."""
    command = rng.choice([path for path in commands() for _ in range(_share(path))])
    domain = rng.choice(DOMAINS)
    arguments = valid(rng, world, command, domain, folder)
    codes = {DONE, USAGE}
    names = [option for option in commands()[command] if option.type != "bool"]
    if command == ("demo",):  # a valid one would take a minute
        return Case("options", ["demo", "--quick", "--out", str(world.run(domain))], frozenset({USAGE}))
    if not names:
        return Case("options", arguments, frozenset({DONE}))
    for option in rng.sample(names, min(len(names), rng.choice((1, 1, 2)))):
        text, usable = value_of(rng, world, folder, option)
        if not usable:
            codes = {USAGE}
        if option.name in INPUT_FILES or (command == ("go", "planes") and usable):  # no game may have such a position
            codes |= {DATA} if codes != {USAGE} or usable else set()
        arguments = (
            [*arguments, f"{option.name}={text}"]
            if text.startswith("-") or rng.random() < 0.3
            else [*arguments, option.name, text]
        )
    if UNKNOWN in arguments:
        codes = {USAGE}
    if rng.random() < 0.15:
        arguments.append("--force")
    if "--force" in arguments and not any(option.name == "--force" for option in commands()[command]):
        codes = {USAGE}
    return Case("options", arguments, frozenset(codes))


def _share(command: tuple[str, ...]) -> int:
    return {("train",): 8, ("check",): 4, ("evaluate",): 3, ("predict",): 3, ("demo",): 1, ("recipes",): 1}.get(
        command, 2
    )


def value_of(rng: random.Random, world: World, folder: Path, option: Option) -> tuple[str, bool]:
    """A value for an option, and whether its type allows it."""
    if option.type == "int":
        text = rng.choice(INTS)
        return text, _is(int, text)
    if option.type == "float":
        text = rng.choice(FLOATS)
        return text, _is(float, text) and text not in ("nan", "inf", "-inf", "1e999")
    if option.type == "path" or option.name in INPUT_FILES or rng.random() < 0.1:
        return path_value(rng, world, folder, option), True
    return rng.choice(TEXTS), True


def _is(number: type, text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def path_value(rng: random.Random, world: World, folder: Path, option: Option) -> str:
    """A path: of a file of another kind, a folder, a pipe, a device, nothing, or of a name that is too long."""
    user = folder / "user"
    if not user.exists():
        user.mkdir()
        for name in ("there.png", "there.csv", "there.json", "there.wav", "there.html", "there.svg", "there.npz"):
            (user / name).write_bytes(b"the user's own")
        os.mkfifo(user / "pipe")
        (user / "folder.png").mkdir()
        (user / "dangling").symlink_to("nowhere")
        (user / "loop").symlink_to("loop")
    paths: list[str | Path] = [
        *user.iterdir(),
        "",
        " ",
        ".",
        "..",
        "missing/a.png",
        "a.png",
        "a.foo",
        "b.svg",
        "c.json",
        "d.csv",
    ]
    paths += [
        user / "there.png" / "x.png",
        "~nouser/x",
        "x" * 300 + ".png",
        "y/" * 3000,
        "\udcff.png",
        "\n.csv",
        "e.jsonl",
        "f.html",
    ]
    paths += ["g.wav", "h.TextGrid", "i.txt", "j.npz", "-", "[a].png", "\x1b[31m.png"]
    if option.name in INPUT_FILES:
        files = [path for domain in DOMAINS for path in world.files(domain)]
        paths += [rng.choice(files) for _ in range(20)] + [
            "/dev/zero",
            "/dev/null",
            world.folder / "card.json",
            world.run("text"),
        ] * 2
        paths += [world.data(domain) for domain in DOMAINS] + [world.run("vision") / "settings.toml", "/proc/self/mem"]
    return str(rng.choice(paths))


# --- networks ---------------------------------------------------------------------------------------------------------


def networks(rng: random.Random, world: World, folder: Path) -> Case:
    """The text of a network, measured or trained."""
    text = grammar.network(rng, layer_names())
    if rng.random() < 0.85:
        size = ["--input", rng.choice(("1x28x28", "3x32x32", "1x1x50", "48x19x19", "1x60000x60000", "1x1x1"))]
        return Case(
            "networks", ["describe", *(size if rng.random() < 0.8 else []), "--", text], frozenset({DONE, USAGE})
        )
    domain = rng.choice(DOMAINS)
    small = ["--epochs", "1", "--batch", "8", "--set", "checked=8", "--out", str(folder / "out")]
    return Case(
        "networks",
        ["train", domain, str(world.data(domain)), f"--network={text}", *small],
        frozenset({DONE, FAILED, USAGE}),
    )


# --- model files, settings, states ------------------------------------------------------------------------------------


def models(rng: random.Random, world: World, folder: Path) -> Case:
    """A damaged model file, in any command that takes one."""
    domain = rng.choice(DOMAINS)
    original = (world.run(domain) / "model.safetensors").read_bytes()
    path = folder / "model.safetensors"
    path.write_bytes(mutate.safetensors(rng, original, "neocog"))
    candidates = [
        ("predict",),
        ("predict",),
        ("evaluate",),
        ("explain",),
        ("filters",),
        ("imagine",),
        ("attack",),
        ("describe",),
        ("train",),
    ]
    candidates += [("go", "gtp"), ("go", "annotate")] if domain == "go" else []
    command = rng.choice(candidates)
    if command == ("train",):
        small = ["--weights", str(path), "--epochs", "1", "--set", "checked=8", "--out", str(folder / "out")]
        return Case("models", ["train", domain, str(world.data(domain)), *small], frozenset({DONE, USAGE, DATA}))
    if command == ("describe",):
        return Case("models", ["describe", str(path)], frozenset({DONE, DATA}))
    arguments = [
        str(path) if word == str(world.run(domain)) else word for word in valid(rng, world, command, domain, folder)
    ]
    return Case(
        "models", arguments, frozenset({DONE, DATA}) | ({USAGE} if command in (("imagine",), ("filters",)) else set())
    )


def settings(rng: random.Random, world: World, folder: Path) -> Case:
    """A damaged settings.toml, to train by or to resume with."""
    import tomllib

    import tomlkit

    domain = rng.choice(DOMAINS)
    run = folder / "run"
    shutil.copytree(world.run(domain), run)
    path = run / "settings.toml"
    if rng.random() < 0.4:
        path.write_bytes(mutate.content(rng, path.read_bytes()))
    else:
        tables = mutate.value(rng, tomllib.loads(path.read_text(encoding="utf-8")))
        try:
            path.write_text(tomlkit.dumps(tables if isinstance(tables, dict) else {}), encoding="utf-8")
        except Exception:  # TOML has no such value
            path.write_bytes(mutate.content(rng, path.read_bytes()))
    if rng.random() < 0.5:
        return Case(
            "settings",
            ["train", "--settings", str(path), "--epochs", "1", "--out", str(folder / "out")],
            frozenset({DONE, DATA}),
        )
    return Case("settings", ["resume", str(run), "--epochs", "3"], frozenset({DONE, DATA}))


def states(rng: random.Random, world: World, folder: Path) -> Case:
    """A damaged state, model, or other file of a run that is to be resumed."""
    run = folder / "run"
    shutil.copytree(world.run(rng.choice(DOMAINS)), run)
    name, key = rng.choice((("state.safetensors", "state"),) * 3 + (("model.safetensors", "neocog"),))
    path = run / name
    path.write_bytes(mutate.safetensors(rng, path.read_bytes(), key))
    for other in rng.sample(("summary.json", "metrics.jsonl", "model.safetensors"), rng.choice((0, 0, 1))):
        (run / other).write_bytes(mutate.content(rng, (run / other).read_bytes()))
    return Case(
        "states", ["resume", str(run), *rng.choice((["--epochs", "3"], ["--epochs", "3"], []))], frozenset({DONE, DATA})
    )


# --- data -------------------------------------------------------------------------------------------------------------

FOREIGN = ("a.exe", "b.docx", "c.pdf", "noname", ".hidden", "d.PNG", "e.wav.png")
NAMES = (
    *(
        "a",
        "=1+1",
        "-x",
        "a b",
        "\x1b[31mred",
        "a\nb",
        "é",
        "e\u0301",
        "\udcff",
        "x" * 200,
        "label",
        "train",
        "None",
        "1",
        "a\u200b",
    ),
    *("__MACOSX", "@eaDir", "a'b\"c", "<b>x", "$x_1$", "%s", "{x}", "\\alpha", "\u202eabc", "&amp;"),
)


def files(rng: random.Random, world: World, folder: Path) -> Case:
    """A damaged file of a domain, or one of another domain, that is predicted or checked or trained on."""
    domain = rng.choice(DOMAINS)
    source = rng.choice(world.files(domain if rng.random() < 0.9 else rng.choice(DOMAINS)))
    path = folder / (source.name if rng.random() < 0.9 else rng.choice(FOREIGN))
    path.write_bytes(_other_content(rng, domain) or mutate.content(rng, source.read_bytes()))
    run, command = str(world.run(domain)), rng.random()
    codes = frozenset({DONE, USAGE, DATA}) if path.suffix not in _endings(domain) else frozenset({DONE, DATA})
    if command < 0.45:
        return Case("files", ["predict", run, str(path)], codes)
    if command < 0.55:
        return Case("files", ["predict", run, "-"], codes, path.read_bytes())
    if command < 0.65:
        return Case("files", ["check", domain, str(path)], codes)
    if command < 0.75:
        return Case("files", ["evaluate", run, str(path)], codes)
    if command < 0.85 and domain == "go":
        sub = rng.choice(("show", "annotate", "pack", "planes"))
        arguments = [
            str(path) if word == str(world.input("go")) else word
            for word in valid(rng, world, ("go", sub), "go", folder)
        ]
        return Case("files", arguments, codes)
    small = [
        "--network",
        _small(domain),
        "--epochs",
        "1",
        "--batch",
        "8",
        "--set",
        "checked=8",
        "--out",
        str(folder / "out"),
    ]
    return Case("files", ["train", domain, str(path), *small], codes)


def _other_content(rng: random.Random, domain: str) -> bytes:
    """Content by a grammar, for some cases; empty for others."""
    if domain == "go" and rng.random() < 0.5:
        return grammar.record(rng)
    if domain == "text" and rng.random() < 0.6:
        return rng.choice((grammar.table, grammar.table, grammar.json_lines))(rng)
    return grammar.table(rng) if rng.random() < 0.05 else b""


def _endings(domain: str) -> set[str]:
    endings = {
        "vision": {".png", ".jpg", ".gif"},
        "speech": {".wav", ".flac", ".ogg"},
        "text": {".csv", ".jsonl"},
        "go": {".sgf"},
    }
    return endings[domain] | {".zip", ".gz", ".xz", ".bz2"}


def folders(rng: random.Random, world: World, folder: Path) -> Case:
    """A data set of which some files are damaged, foreign, empty or badly named, or lie in other folders."""
    domain = rng.choice(DOMAINS)
    data = folder / "data"
    shutil.copytree(world.data(domain), data)
    present = sorted(path for path in data.rglob("*") if path.is_file())
    for path in rng.sample(present, rng.choice((0, 1, 3, len(present)))):
        path.write_bytes(mutate.content(rng, path.read_bytes()))
    for parent in rng.sample(sorted(path for path in data.rglob("*") if path.is_dir()), 1 if domain != "go" else 0):
        _rename(parent, rng.choice(NAMES))
    for _ in range(rng.choice((0, 1, 3))):
        target = rng.choice([data, *sorted(path for path in data.rglob("*") if path.is_dir())])
        _add(rng, world, domain, target)
    command = rng.choice(
        (
            ["check", domain, str(data)],
            ["train", domain, str(data)],
            ["train", domain, str(data)],
            ["evaluate", str(world.run(domain)), str(data)],
        )
    )
    if command[0] == "train":
        command += [
            "--network",
            _small(domain),
            "--epochs",
            "1",
            "--batch",
            "8",
            "--set",
            "checked=8",
            "--out",
            str(folder / "out"),
        ]
    if rng.random() < 0.3:
        command += ["--max-bad", "1"]
        if command[0] == "check":
            command = command[:-2]
    return Case("folders", command, frozenset({DONE, DATA}))


def _rename(path: Path, name: str) -> None:
    target = path.with_name(name)
    if not target.exists():
        path.rename(target)


def _add(rng: random.Random, world: World, domain: str, folder: Path) -> None:
    """Adds an entry to a folder: a link, a pipe, an empty file, an archive, folders or a file with an odd name."""
    kind, name = rng.randrange(7), rng.choice(NAMES)
    path = folder / name
    if path.exists() or path.is_symlink():
        return
    if kind == 0:
        path.symlink_to(rng.choice((".", "..", "nowhere", "/dev/zero", name)))
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.with_name(f"{name[:100]}{world.input(domain).suffix}").write_bytes(b"")
    elif kind == 3:
        shutil.copy(rng.choice(world.files(domain)), folder)
    elif kind == 4:
        (path / "a" / "b" / "c").mkdir(parents=True)
    elif kind == 5:
        path.mkdir()
        shutil.copy(world.input(domain), path / f"1{world.input(domain).suffix}")
    else:
        shutil.copy(world.input(domain), path.with_name(f"{name[:100]}{world.input(domain).suffix}"))


def tables(rng: random.Random, world: World, folder: Path) -> Case:
    """A table by a grammar, in any domain that reads tables."""
    domain = rng.choice(("text", "text", "text", "vision", "speech"))
    lines = rng.random() < 0.25
    path = folder / rng.choice(("t.jsonl", "t.json") if lines else ("t.csv", "t.csv", "t.tsv", "t.txt", "t.csv.gz"))
    path.write_bytes((grammar.json_lines if lines else grammar.table)(rng))
    columns = (
        [f"--{rng.choice(('text', 'label'))}-column={rng.choice((*grammar.HEADERS, '1', '99', '-1', 'a,b'))}"]
        if rng.random() < 0.3
        else []
    )
    codes = frozenset({DONE, USAGE, DATA} if columns else {DONE, DATA})
    command = rng.random()
    if command < 0.4:
        return Case("tables", ["check", domain, str(path), *columns], codes)
    if command < 0.6:
        columns = [text for text in columns if text.startswith("--text")]
        return Case("tables", ["predict", str(world.run(domain)), str(path), *columns], codes)
    small = [
        "--network",
        _small(domain),
        "--epochs",
        "1",
        "--batch",
        "8",
        "--set",
        "checked=8",
        "--out",
        str(folder / "out"),
    ]
    return Case("tables", ["train", domain, str(path), *columns, *small], codes)


def archives(rng: random.Random, world: World, folder: Path) -> Case:
    """A zip archive whose entries have odd names, kinds or sizes."""
    domain = rng.choice(DOMAINS)
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    ) as archive:
        for path in sorted(world.data(domain).rglob("*")):
            if path.is_file() and rng.random() < 0.9:
                archive.write(path, path.relative_to(world.data(domain)))
        for _ in range(rng.choice((1, 3))):
            name = rng.choice(
                (
                    "../../evil",
                    "/etc/evil",
                    "a/../b",
                    "C:\\x",
                    "a\\b",
                    "",
                    "a/",
                    "é",
                    "x" * 300,
                    "red/a.png",
                    "dup",
                    "dup",
                )
            )
            name += rng.choice(("", world.input(domain).suffix, ".zip", ".csv"))
            entry = zipfile.ZipInfo(name or "n")
            entry.external_attr = rng.choice((0, 0o120777, 0o020666, 0o010644)) << 16
            content = rng.choice(
                (
                    b"",
                    b"../../../etc/passwd",
                    world.input(domain).read_bytes(),
                    bytes(30_000_000) if rng.random() < 0.2 else b"x",
                )
            )
            entry.compress_type = zipfile.ZIP_DEFLATED
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(entry, content)
    data = buffer.getvalue()
    path = folder / "data.zip"
    path.write_bytes(mutate.content(rng, data) if rng.random() < 0.5 else data)
    arguments = rng.choice(
        (
            ["check", domain, str(path)],
            ["evaluate", str(world.run(domain)), str(path)],
            ["predict", str(world.run(domain)), str(path)],
        )
    )
    return Case("archives", arguments, frozenset({DONE, DATA}))


def words(rng: random.Random, world: World, folder: Path) -> Case:
    """Arguments in a wrong number, order or kind, and unknown options."""
    command = rng.choice(list(commands()))
    domain = rng.choice(DOMAINS)
    arguments = valid(rng, world, command, domain, folder)
    for _ in range(rng.choice((1, 1, 2))):
        position = rng.randrange(len(command), len(arguments) + 1)
        extra = rng.choice(
            (*TEXTS, UNKNOWN, "-x", "--", "--help", str(world.data(domain)), str(world.input(rng.choice(DOMAINS))))
        )
        arguments = (
            arguments[:position] + rng.choice(([], [extra], [extra])) + arguments[position + rng.choice((0, 1)) :]
        )
    if command == ("demo",) or (command == ("train",) and "--network" not in arguments):
        arguments = [*arguments[: len(command)], UNKNOWN]  # they would take a minute
    if command in (("serve",), ("play",)):
        arguments = [*arguments, UNKNOWN]  # with one model they would wait for requests
    return Case(
        "words",
        arguments,
        frozenset({DONE, USAGE, DATA}),
        rng.choice((b"", b"", b"a line\n", world.input(domain).read_bytes())),
    )


KINDS: dict[Callable[[random.Random, World, Path], Case], int] = {
    options: 30, networks: 10, models: 12, settings: 5, states: 4,
    files: 16, folders: 7, tables: 8, archives: 4, words: 4,
}  # fmt: skip
