"""What compiled libraries print to standard error is kept from the terminal and told with the name of the file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from neocog.core.data import DataSpec
from neocog.core.inputs import FileInput
from neocog.core.native_output import in_one_line, native_stderr
from neocog.speech import audio, check, data
from recorded import words

PRINTED = b"Note: Illegal Audio-MPEG-Header 0x00000000 at offset 4.\nNote: Trying to resync...\n"
SENTENCE = "Note: Illegal Audio-MPEG-Header 0x00000000 at offset 4. (and 1 more)"


def test_output_of_compiled_libraries_is_collected(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr() as output:
        os.write(2, b"one\n\n  two\n")
        assert output.size == 11 and output.new_lines() == ["one", "two"] and output.new_lines() == []
        with native_stderr() as inner:
            os.write(2, b"three\n")
            assert inner.size == 0 and inner.new_lines() == [] and output.new_lines() == ["three"]
    os.write(2, b"four\n")
    assert capfd.readouterr().err == "four\n"
    assert in_one_line(["one"]) == "one" and in_one_line(["one", "two", "three"]) == "one (and 2 more)"


def test_pythons_own_output_goes_to_standard_error_as_before() -> None:
    code = (
        "import os, sys\nfrom neocog.core.native_output import native_stderr\nprint('before', file=sys.stderr)\n"
        "with native_stderr() as output:\n  print('within ä', file=sys.stderr)\n  os.write(2, b'hidden')\n"
        "  assert output.new_lines() == ['hidden']\nprint('after', file=sys.stderr)\nos.write(2, b'shown')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stderr.decode() == "before\nwithin ä\nafter\nshown"


def test_without_a_standard_error_nothing_is_collected() -> None:
    code = (
        "import os\nfrom neocog.core.native_output import native_stderr\nos.close(2)\n"
        "with native_stderr() as output:\n  print(output.size, output.new_lines())"
    )
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert run.stdout.split() == [b"0", b"[]"]


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings of which the decoder prints something about one."""
    root = words(tmp_path / "set", 20)
    defective = (root / "low" / "3.wav").read_bytes()
    decode_block = audio.blocks

    def blocks(file: object, start: int, stop: int, info: audio.RecordingInfo) -> object:
        content = getattr(file, "name", None)
        if isinstance(content, Path | str) or content.getvalue() == defective:  # type: ignore[union-attr]
            os.write(2, PRINTED)
        return decode_block(file, start, stop, info)

    monkeypatch.setattr(audio, "blocks", blocks)
    return root


def test_training_and_check_name_the_file_that_a_decoder_reports_on(noisy: Path, tmp_path: Path) -> None:
    spec = DataSpec(str(noisy), options={"cache": str(tmp_path / "cache")})
    remark = f"the decoder reports defects in 1 recording: {noisy}/low/3.wav ({SENTENCE})"
    assert remark in data.load(spec).remarks and remark in check.check(spec)["remarks"]


def test_predict_names_the_file_that_a_decoder_reports_on(noisy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(noisy / "low" / "3.wav")
    data.read(FileInput(path), {"rate": 8000, "samples": 8000})
    assert capfd.readouterr().err == f"{path}: its decoder reports: {SENTENCE}\n"
