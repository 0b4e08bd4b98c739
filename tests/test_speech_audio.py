"""Decoding of recordings: formats, rates, damaged files."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from neocog.core.sources.content import Unreadable
from neocog.speech.audio import FOREIGN, RECORDINGS, fit, loudest, sound, starts
from neocog.speech.containers import share_of_samples, streams
from recorded import hiss, tone, write

CHIRP = 0.5 * np.sin(2 * np.pi * (200 + 1500 * np.arange(8000) / 8000) * np.arange(8000) / 8000)

FORMATS = [  # suffix, subtype, the largest difference from what was written
    (".wav", "PCM_U8", 2 / 256),
    (".wav", "PCM_16", 1 / 32768),
    (".wav", "PCM_24", 1 / 32768),
    (".wav", "PCM_32", 1 / 32768),
    (".wav", "FLOAT", 1 / 32768),
    (".wav", "DOUBLE", 1 / 32768),
    (".wav", "ULAW", 0.02),
    (".wav", "ALAW", 0.02),
    (".flac", "PCM_16", 1 / 32768),
    (".flac", "PCM_24", 1 / 32768),
    (".aiff", "PCM_16", 1 / 32768),
    (".ogg", "VORBIS", 0.1),
    (".mp3", "MPEG_LAYER_III", 0.1),
]


def encoded(samples: np.ndarray, rate: int = 8000, form: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=form)
    return file.getvalue()


@pytest.mark.parametrize(("suffix", "subtype", "most"), FORMATS, ids=lambda value: str(value))
def test_every_format_is_decoded_to_the_written_sound(tmp_path: Path, suffix: str, subtype: str, most: float) -> None:
    path = write(tmp_path / f"chirp{suffix}", CHIRP, subtype=subtype)
    about, samples = sound(path.read_bytes(), 8000)
    assert samples.dtype == np.int16 and about.header.rate == 8000 and RECORDINGS.named(path.name)
    length = min(len(samples), len(CHIRP))
    assert abs(len(samples) - len(CHIRP)) < 2400  # MP3 pads to whole frames
    shift = int(np.correlate(samples[:length] / 32768, CHIRP[:length], "full").argmax()) - (length - 1)
    assert abs(shift) < 1200 and (shift == 0 or suffix == ".mp3")
    moved = samples[max(0, shift) :][:6000] / 32768
    assert np.abs(moved - CHIRP[: len(moved)]).max() < most


def test_opus_is_read_at_its_own_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "tone.opus", tone(440, 1, 48000), 48000, "OPUS", "OGG")
    about, samples = sound(path.read_bytes(), 16000)
    assert about.header.rate == 48000 and abs(len(samples) - 16000) < 200 and peak_of(samples, 16000) == 440


def test_sixteen_bits_at_the_same_rate_are_taken_as_they_are() -> None:
    wanted = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    assert np.array_equal(sound(encoded(wanted), 8000)[1], wanted)


def peak_of(samples: np.ndarray, rate: int) -> int:
    """The strongest frequency in whole hertz."""
    middle = samples[: rate // 2 * 2].astype(float)
    return round(float(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax()) * rate / len(middle))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 192000])
def test_a_tone_keeps_its_pitch_and_its_loudness_at_every_rate(rate: int) -> None:
    _, samples = sound(encoded(tone(1000, 1, rate), rate), 16000)
    assert len(samples) == 16000 and abs(peak_of(samples, 16000) - 1000) <= 1
    assert abs(np.abs(samples[2000:14000]).max() / 32768 - 0.5) < 0.01


def test_frequencies_above_the_new_nyquist_rate_are_filtered_out() -> None:
    """6 kHz at 48 kHz would fold back to 2 kHz at 8 kHz."""
    assert np.abs(sound(encoded(tone(6000, 1, 48000), 48000), 8000)[1][1000:7000]).max() < 40


def test_channels_are_mixed_and_time_is_not() -> None:
    """Six channels of k·0.1 give their mean, and as many samples as one of them has."""
    six = np.stack([np.full(4000, 0.1 * k) for k in range(6)], 1)
    about, samples = sound(encoded(six), 8000)
    assert about.header.channels == 6 and len(samples) == 4000
    assert np.abs(samples - 0.25 * 32768).max() <= 1
    left = np.stack([tone(440), np.zeros(2400)], 1)
    assert np.abs(sound(encoded(left), 8000)[1] - tone(440) / 2 * 32768).max() <= 1


def test_decoding_in_blocks_gives_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """As used for long recordings."""
    content = encoded(hiss(2, 44100), 44100)
    complete = sound(content, 16000)[1]
    monkeypatch.setattr("neocog.speech.audio.BLOCK", 5000)
    pieces = sound(content, 16000)[1]
    assert len(pieces) == len(complete) == 32000 and np.abs(pieces.astype(int) - complete).max() <= 1


def test_samples_above_full_scale_are_clipped() -> None:
    samples = sound(encoded(np.array([0.0, 2.0, -2.0] * 1000), subtype="FLOAT"), 8000)[1]
    assert samples.max() == 32767 and samples.min() == -32768


# --- unusable files -------------------------------------------------------------------------------------------------


def refused(content: bytes, **more: object) -> str:
    with pytest.raises(Unreadable) as problem:
        sound(content, 16000, **more)  # type: ignore[arg-type]
    return str(problem.value)


def test_damaged_files_are_reported_with_the_position(shared: Path) -> None:
    for name, where, words in (
        ("alexa_34.flac", "0.79 s of 1.74 s", "lost sync"),
        ("alexa_129.flac", "1.01 s of 2.46 s", "unknown error in flac decoder"),
    ):
        message = refused((shared / "speech/damaged" / name).read_bytes())
        assert message.startswith(f"is damaged: the decoder fails after {where}") and words in message


@pytest.mark.parametrize(("suffix", "subtype"), [("wav", "PCM_16"), ("wav", "ULAW"), ("aiff", "PCM_24")])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, subtype: str) -> None:
    """libsndfile decodes truncated files without an error."""
    content = write(tmp_path / f"a.{suffix}", tone(440, 1), 8000, subtype).read_bytes()
    message = refused(content[: len(content) * 6 // 10])
    assert message.startswith("is cut short: ") and message.endswith(
        "of the samples that its header promises are there"
    )
    assert 55 <= int(message.removeprefix("is cut short: ").partition("%")[0]) <= 60


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_a_wav_that_was_streamed_is_read_to_its_end(size: int) -> None:
    """Programs that write to a pipe leave the sizes in the header empty or full."""
    content = bytearray(encoded(tone(440, 1)))
    start = content.index(b"data") + 4
    content[start : start + 4] = content[4:8] = size.to_bytes(4, "little")
    assert len(sound(bytes(content), None)[1]) == 8000


def with_large_chunk(content: bytes) -> bytes:
    """A WAV file with 6 kB of iXML before its samples, as field recorders write it."""
    start = content.index(b"data")
    return content[:start] + b"iXML" + (6000).to_bytes(4, "little") + b"<x>" * 2000 + content[start:]


def contained(form: str, samples: np.ndarray) -> bytes:
    return with_large_chunk(encoded(samples)) if form == "iXML" else encoded(samples, form=form)


@pytest.mark.parametrize("form", ["RF64", "W64", "AU", "NIST", "CAF", "AIFF", "WAV", "iXML"])
def test_every_container_says_how_much_of_it_is_missing(form: str) -> None:
    content = contained(form, tone(440, 2))
    assert len(sound(content, None)[1]) == 16000
    message = refused(content[: len(content) // 2])
    share = int(message.removeprefix("is cut short: ").partition("%")[0])
    assert message.endswith("% of the samples that its header promises are there") and 40 <= share <= 50


@pytest.mark.parametrize("form", ["WAV", "AU", "W64"])
def test_samples_behind_a_length_of_zero_are_read(form: str) -> None:
    """A recorder that is switched off writes no length."""
    samples = (tone(440, 1) * 32767).astype(np.int16)
    content = bytearray(encoded(samples, form=form))
    start, width = {"WAV": (4, 4), "W64": (16, 8), "AU": (8, 4)}[form]
    start += 0 if form == "AU" else content.index(b"data")
    content[start : start + width] = bytes(width)
    assert np.array_equal(sound(bytes(content), None)[1], samples)


def test_a_recording_without_samples_stays_empty() -> None:
    content = encoded(np.zeros(0))
    assert refused(content + b"LIST" + (4).to_bytes(4, "little") + b"INFO").startswith("has 0 samples")


@pytest.mark.parametrize(
    ("form", "subtype", "rate"), [("OGG", "VORBIS", 16000), ("OGG", "OPUS", 48000), ("MP3", "MPEG_LAYER_III", 16000)]
)
def test_all_streams_of_a_file_are_read(tmp_path: Path, form: str, subtype: str, rate: int) -> None:
    """Internet radio and simple concatenation make such files."""
    parts = [encoded(tone(hertz, 1, rate), rate, form, subtype) for hertz in (440, 880, 1320)]
    content = b"".join(parts)
    (tmp_path / "a").write_bytes(content)
    assert [len(streams(io.BytesIO(part), len(part))) for part in (content, parts[0])] == [3, 1]
    for source in (content, tmp_path / "a"):
        info, samples = sound(source, rate)
        assert abs(len(samples) / rate - 3) < 0.3 and info.seconds == len(samples) / rate
        frequencies = [peak_of(part, rate) for part in np.array_split(samples, 3)]
        assert np.abs(np.array(frequencies) - [440, 880, 1320]).max() <= 3
    middle = sound(content, rate, (1.4, 1.9))[1]
    assert abs(peak_of(np.pad(middle, (0, rate - len(middle))), rate) - 880) <= 3


def test_streams_of_different_rates_are_refused() -> None:
    content = encoded(tone(440, 1), 8000, "OGG", "VORBIS") + encoded(tone(440, 1, 16000), 16000, "OGG", "VORBIS")
    assert refused(content) == (
        "holds 2 streams one after the other that differ (8,000 Hz, 1 channel; 16,000 Hz, 1 channel); split it, or "
        "convert it to one stream"
    )


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_file_from_a_pipe_is_read_without_its_length(tmp_path: Path, length: int) -> None:
    content = bytearray(write(tmp_path / "a.wav", tone(440, 1)).read_bytes())
    offset = content.index(b"data") + 4
    content[offset : offset + 4] = length.to_bytes(4, "little")
    assert share_of_samples(io.BytesIO(content), len(content)) == 1
    assert len(sound(bytes(content), None)[1]) == 8000


def test_a_path_and_its_content_give_the_same_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "é 日本.flac", tone(440, 1))
    assert np.array_equal(sound(path, 16000)[1], sound(path.read_bytes(), 16000)[1])
    assert sound(path, 16000)[0] == sound(path.read_bytes(), 16000)[0]
    for name, message in (
        ("empty.wav", "is empty"),
        ("text.wav", "holds text"),
        ("x.raw", "is not a recording that can"),
    ):
        (tmp_path / name).write_bytes({"empty.wav": b"", "text.wav": b"words\n"}.get(name, b"\x00\xff" * 99))
        with pytest.raises(Unreadable, match=message):
            sound(tmp_path / name, None)
    with pytest.raises(Unreadable, match="is not a file"):
        sound(tmp_path, None)
    with pytest.raises(Unreadable, match="does not exist"):
        sound(tmp_path / "nothing.wav", None)


def test_the_length_of_a_recording_is_that_of_its_decoded_samples(tmp_path: Path) -> None:
    """The header of a truncated MP3 counts the missing samples too."""
    content = write(tmp_path / "a.mp3", tone(440, 2, 16000), 16000).read_bytes()
    about, samples = sound(content[: len(content) // 2], 16000)
    assert about.header.seconds == 2 and about.seconds == pytest.approx(len(samples) / 16000) and about.seconds < 1.5


def test_an_empty_file_is_reported_as_empty() -> None:
    assert refused(b"") == "is empty (0 bytes)"


def test_an_mp3_named_wav_is_read_as_an_mp3(tmp_path: Path) -> None:
    mp3 = write(tmp_path / "a.mp3", tone(440, 1, 16000), 16000).read_bytes()
    info, samples = sound(mp3, 16000)
    assert info.header.format.startswith("MP3") and peak_of(samples, 16000) == 440


def test_m4a_says_how_to_convert_it() -> None:
    message = refused(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(200))
    assert message == "is M4A or MP4 (AAC); convert it to FLAC or WAV, as in: ffmpeg -i x.m4a x.flac"
    assert RECORDINGS.named("talk.M4A") and ".m4a" in FOREIGN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!AMR\n" + bytes(50), "is AMR; convert it"),
        (b"\x30\x26\xb2\x75" + bytes(50), "is WMA; convert it"),
        (b"\x1a\x45\xdf\xa3" + bytes(50), "is WebM or Matroska; convert it"),
        (b"\x1f\x8b\x08" + bytes(100), "is compressed with gzip, not a recording (readable are WAV, FLAC"),
        (b"RIFF is what I wrote\nbut not that\n", "holds text, not a recording (readable are WAV, FLAC"),
        (bytes(range(256)), "is not a recording that can be read: "),
    ],
)
def test_files_of_other_formats_are_named(content: bytes, message: str) -> None:
    assert refused(content).startswith(message)


def test_one_sample_is_no_recording() -> None:
    assert refused(encoded(np.array([0.5]))) == "has 1 sample; a recording lasts at least 10 ms"
    assert refused(encoded(np.zeros(0))) == "has 0 samples; a recording lasts at least 10 ms"


def test_samples_that_are_no_numbers_are_found() -> None:
    sound_ = tone(440, 1)
    sound_[4000] = np.nan
    assert refused(encoded(sound_, subtype="FLOAT")).startswith(
        "holds samples that are no numbers (NaN or infinite), first at 0.50 s"
    )


def test_a_segment_outside_the_recording_is_refused() -> None:
    content = encoded(tone(440, 1))
    for span in ((0.5, 2.0), (-1.0, 0.5), (0.7, 0.7), (0.9, 0.1), (3.0, 4.0)):
        message = refused(content, span=span)
        assert message.startswith(f"lasts 1.00 s; the table asks for {span[0]:g} to {span[1]:g} s")
    complete = sound(content, 8000)[1]
    assert np.array_equal(sound(content, 8000, (0.25, 0.5))[1], complete[2000:4000])


def test_clipping_and_silence_are_detected() -> None:
    assert (
        sound(encoded(np.clip(3 * tone(440), -1, 1)), 8000)[0].clipped
        and not sound(encoded(tone(440)), 8000)[0].clipped
    )
    assert sound(encoded(np.zeros(4000)), 8000)[0].silent and not sound(encoded(hiss(loud=0.01)), 8000)[0].silent


# --- windows --------------------------------------------------------------------------------------------------------


def test_a_short_recording_is_centred_in_silence() -> None:
    assert fit(np.array([1, 2, 3], np.int16), 8).tolist() == [0, 0, 1, 2, 3, 0, 0, 0]


def test_the_loudest_segment_of_a_long_recording_is_used() -> None:
    samples = np.zeros(1000, np.int16)
    samples[600:700] = 5000
    assert loudest(samples, 100) == 600 and fit(samples, 100).min() == 5000
    assert loudest(np.full(10, -3, np.int16), 4) == 0


def test_the_loudest_segment_agrees_with_an_exhaustive_search() -> None:
    samples = np.random.default_rng(0).integers(-3000, 3000, 500).astype(np.int16)
    power = [np.square(samples[k : k + 70].astype(float)).sum() for k in range(431)]
    assert loudest(samples, 70) == int(np.argmax(power))


@pytest.mark.parametrize("count", [1, 50, 100, 101, 149, 150, 151, 999])
def test_windows_cover_all_of_a_recording_and_overlap_by_half(count: int) -> None:
    samples = np.arange(1, count + 1).astype(np.int16)
    data = starts(count, 100)
    heard = {sample for start in data for sample in samples[start : start + 100].tolist()}
    assert data[0] == 0 and heard == set(range(1, count + 1))
    assert all(0 < b - a <= 50 for a, b in pairwise(data))
    assert data[-1] == max(0, count - 100)
