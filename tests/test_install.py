"""Tests of the installation: compiled dependencies load and run; one that does not load is reported in a sentence."""

import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from neocog.core.dependencies import import_problem

ROOT = Path(__file__).parents[1]
TRIOS = {("2.11.0", "0.26.0", "2.11.0"), ("2.12.1", "0.27.1", "2.11.0")}  # torch, torchvision, torchaudio


def stub(folder: Path, package: str, code: str) -> Path:
    """Writes a package whose import runs `code`."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(code, encoding="utf-8")
    return folder


def run_with(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a new process that imports packages of `folder` before all others."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "neocog", *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)


def installed_version(package: str) -> str:
    return metadata.version(package).partition("+")[0]


def test_the_installed_versions_are_a_tested_combination():
    versions = tuple(installed_version(package) for package in ("torch", "torchvision", "torchaudio"))
    assert versions in TRIOS


def test_the_declared_bounds_admit_only_tested_combinations():
    """Checked with packaging, which pip uses; candidates are the releases from torch 2.10 to 2.15."""
    requirements = pytest.importorskip("packaging.requirements")
    with open(ROOT / "pyproject.toml", "rb") as file:
        lines = tomllib.load(file)["project"]["dependencies"]
    bounds = {requirement.name: requirement.specifier for requirement in map(requirements.Requirement, lines)}
    torches = ("2.10.0", "2.11.0", "2.12.0", "2.12.1", "2.13.0", "2.14.0", "2.14.1", "2.15.0")
    visions = ("0.25.0", "0.26.0", "0.27.0", "0.27.1", "0.28.0", "0.29.0", "0.29.1", "0.29.2")  # each names its torch
    pairs = [pair for pair in zip(torches, visions, strict=True) if pair[0] in bounds["torch"]]
    pairs = [pair for pair in pairs if pair[1] in bounds["torchvision"]]
    audios = [version for version in ("2.10.0", "2.11.0", "2.11.1") if version in bounds["torchaudio"]]
    assert {(*pair, audio) for pair in pairs for audio in audios} == TRIOS
    assert "2.12.1+cpu" in bounds["torch"] and "2.11.0+cpu" in bounds["torchaudio"]  # PyTorch's own builds


def test_torchvisions_compiled_operators_run():
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    assert nms(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5).tolist() == [1, 2]


def test_torchaudios_griffin_lim_runs_on_a_spectrogram():
    """`neocog imagine` makes the spectrograms of a speech model audible with it; its library must load for that."""
    from torchaudio.functional import griffinlim

    window, wave = torch.hann_window(64), torch.sin(torch.arange(640) * 0.3)
    power = torch.stft(wave, 64, 16, window=window, return_complex=True).abs() ** 2
    audible = griffinlim(power, window, 64, 16, 64, 2.0, 32, 0.99, 640, True)
    assert audible.shape == (640,) and torch.isfinite(audible).all()
    again = torch.stft(audible, 64, 16, window=window, return_complex=True).abs() ** 2
    assert torch.corrcoef(torch.stack([power.flatten(), again.flatten()]))[0, 1] > 0.9


def test_a_dependency_that_does_not_load_is_a_sentence_with_the_command_that_installs_it(tmp_path: Path):
    broken = stub(tmp_path, "torch", "raise OSError('libtorch.so: undefined symbol: x')")
    ended = run_with(broken, "describe", "lenet5")
    assert ended.returncode == 1 and ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("neocog: torch ") and "cannot be imported (libtorch.so: undefined symbol: x)" in line
    assert "pip install --force-reinstall 'torch" in line and "'torchaudio" in line


def test_debug_shows_the_traceback_of_a_dependency_that_does_not_load(tmp_path: Path):
    broken = stub(tmp_path, "torch", "raise OSError('libtorch.so: undefined symbol: x')")
    ended = run_with(broken, "--debug", "describe", "lenet5")
    assert ended.returncode == 1 and "Traceback" in ended.stderr and "OSError" in ended.stderr


def test_a_missing_dependency_is_named_with_the_command_that_installs_it(tmp_path: Path):
    missing = stub(tmp_path, "PIL", "raise ModuleNotFoundError(\"No module named 'PIL'\", name='PIL')")
    ended = run_with(missing, "check", "vision", "digits")
    assert ended.returncode == 1 and ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line == "neocog: the package pillow is not installed; install it with: pip install 'pillow>=11'"


def test_the_first_exception_of_a_chain_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """torchaudio wraps the loader's message in another exception, which names the file only."""
    code = (
        "try:\n    raise OSError('undefined symbol: y')\nexcept OSError as error:\n    raise OSError('no') from error\n"
    )
    monkeypatch.syspath_prepend(stub(tmp_path, "torchaudio", code))
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with pytest.raises(OSError) as caught:
        import torchaudio  # noqa: F401
    problem = import_problem(caught.value)
    assert problem is not None and problem.code == 1
    assert "torchaudio 2.11.0 cannot be imported (undefined symbol: y)" in str(problem)


def test_an_exception_of_this_package_keeps_its_traceback():
    with pytest.raises(ImportError) as caught:
        from neocog.core import no_such_module  # noqa: F401
    assert import_problem(caught.value) is None
    assert import_problem(ValueError("a mistake of ours")) is None
