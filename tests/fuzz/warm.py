"""Imports in the parent what the commands import, so that a forked process begins at once."""

import os
import pkgutil
import warnings
from importlib import import_module

LIBRARIES = (
    *("torch", "torchvision", "torchaudio", "sklearn.linear_model", "sklearn.feature_extraction.text", "scipy.signal"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "PIL.Image"),
    *("soundfile", "soxr", "rich.table", "rich.progress", "typer.rich_utils", "jinja2", "tomlkit", "safetensors.torch"),
    *("captum.attr", "sgfmill.sgf", "pyarrow.parquet", "pillow_heif", "regex", "html.parser", "multiprocessing.pool"),
)


def warm() -> None:
    """Imports the package and its libraries, and compiles the functions of the board."""
    os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads cannot be forked
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            import_module(name)
        import neocog
        import torch
        from PIL import Image

        torch.set_num_threads(1)
        Image.init()
        for module in pkgutil.walk_packages(neocog.__path__, "neocog."):
            if module.name.split(".")[1] not in ("tests", "benchmarks", "__main__"):
                import_module(module.name)
        from neocog.go.board import Board
        from neocog.go.planes import planes

        planes(Board(19).position)
