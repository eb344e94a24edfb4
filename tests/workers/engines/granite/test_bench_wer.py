"""The results of bench/wer.py."""

import json
import re
import shlex
import struct
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.wer import (
    ManifestClip,
    loaded,
    main,
    normalised,
    pieces,
    read_manifest,
    read_samples,
    report,
    spotted,
    transcribe,
    word_errors,
)
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance
from workers.engines.errors import EngineError

GRANITE_PAGE = Path(__file__).parents[4] / "docs/engines/granite.md"


def test_errors_are_added_up_before_they_are_divided() -> None:
    errors = word_errors([("a b c d", "a x c"), ("e", "e f"), ("", "g")])

    assert (errors.words, errors.substituted, errors.deleted, errors.inserted) == (5, 1, 1, 2)
    assert errors.rate == pytest.approx(4 / 5)
    assert word_errors([("a b", "a b")]).rate == 0.0


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "Hello, Mr. O'Brien: I'm twenty-five!", "hello mister o'brien i am 25"),
        ("de", "Grüß Gott, Herr Maier.", "grüß gott herr maier"),
    ],
)
def test_spelling_is_not_counted(language: str, one: str, other: str) -> None:
    assert normalised(one, language) == normalised(other, language)


def test_terms_are_found_missed_and_made_up() -> None:
    found = spotted(
        [
            ("ask ann lee and ann", "ask ann lee and and", ["ann", "ann lee", "bob"]),
            ("nobody", "bob nobody bob", ["ann", "bob"]),
        ]
    )

    assert (found.said, found.found, found.inserted) == (3, 2, 2)
    assert found.recall == pytest.approx(2 / 3)
    assert spotted([]).recall == 1.0


@pytest.mark.parametrize(("form", "bits"), [(1, 16), (7, 8), (6, 8)])
def test_a_recording_is_read_as_one_channel_at_the_engine_s_rate(
    tmp_path: Path, form: int, bits: int
) -> None:
    tone = 8_000 * np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)
    stereo = np.repeat(tone, 2).astype("<i2")
    if form == 1:
        data = stereo.tobytes()
    else:
        from protocol.audio import Encoding, encode

        data = encode(stereo, Encoding.MULAW if form == 7 else Encoding.ALAW)
    head = struct.pack("<HHIIHH", form, 2, 8_000, 8_000 * bits // 4, bits // 4, bits)
    body = (
        b"WAVEfmt "
        + struct.pack("<I", len(head))
        + head
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)

    samples = read_samples(path)

    assert samples.dtype == np.float32
    assert len(samples) == 16_000
    assert np.abs(samples).max() == pytest.approx(8_000 / 32_768, rel=0.05)


def test_long_recordings_are_cut_where_it_is_quiet() -> None:
    loud = np.ones(40_000, np.float32)
    loud[25_000:27_000] = 0.0

    parts = list(pieces(loud, 30_000))

    assert sum(map(len, parts)) == 40_000
    assert all(len(part) <= 30_000 for part in parts)
    assert 25_000 <= len(parts[0]) <= 27_000


class Parrot:
    """An engine that says how it was asked."""

    capabilities = Capabilities(
        "parrot", frozenset({"en"}), keywords=True, max_batch=2, max_seconds=1.0
    )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        assert len(batch) <= 2
        return [Hypothesis((RecognisedWord(" ".join(one.keywords) or "nothing"),)) for one in batch]


def test_clips_go_through_an_engine_with_and_without_their_lists(tmp_path: Path) -> None:
    # given
    head = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    data = np.zeros(24_000, "<i2").tobytes()
    (tmp_path / "a.wav").write_bytes(
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + head + b"data" + struct.pack("<I", len(data)) + data
    )
    lines = [
        {"file": "a.wav", "text": "Ann nothing", "keywords": ["Ann"]},
        {"file": "a.wav", "text": None},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))

    # when
    clips = read_manifest(tmp_path / "manifest.jsonl", ["Eve"])
    plain = transcribe(Parrot(), clips, with_list=False)
    biased = transcribe(Parrot(), clips, with_list=True)

    # then: 1.5 s are two utterances of an engine that takes 1 s
    assert clips == [ManifestClip(tmp_path / "a.wav", "Ann nothing", "en", ("Ann", "Eve"))]
    assert plain == ["nothing nothing"]
    assert biased == ["Ann Eve Ann Eve"]
    assert "| 1/1 (100.0%) | 3 |" in report(clips, biased, "with", 1.0)


def test_an_unknown_setting_of_an_engine_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"granite\.draughts: Extra inputs"):
        loaded("granite", ["draughts=trust"])


def test_each_engine_gets_its_settings_in_the_form_that_its_load_expects() -> None:
    with pytest.raises(EngineError, match=r"http://127\.0\.0\.1:9/v1/ is no usable server"):
        loaded("vllm", ["url=http://127.0.0.1:9/v1"])


def written_pcm(path: Path, samples: Any) -> None:
    """`samples`: float32 at 16 kHz, written as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())


@pytest.mark.long
def test_the_price_of_trusted_drafts_is_measured_by_the_documented_command(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given: clips that the CTC head spells rightly and the random language model does not
    from support import tiny_granite

    texts = ["let go one garden", "one ring more"]
    lines = []
    for number, text in enumerate(texts):
        written_pcm(tmp_path / f"{number}.wav", tiny_granite.spoken(text, number))
        lines.append(json.dumps({"file": f"{number}.wav", "text": text, "language": "en"}))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(lines))
    engine = [str(manifest), "--engine", "granite"]
    tiny_model = ["--option", f"model={tiny}", "--option", "max_seconds=8"]

    def rate(drafts: Sequence[str]) -> float:
        main([*engine, *tiny_model, *drafts])
        printed = capsys.readouterr().out
        assert f"{len(texts)} | 7 |" in printed
        found = re.search(r"\| ([\d.]+)% \|", printed)
        assert found is not None
        return float(found[1])

    # when
    commands = [
        shlex.split(line.partition("--engine granite")[2])
        for line in GRANITE_PAGE.read_text("utf-8").splitlines()
        if "bench/wer.py" in line and "drafts=" in line
    ]
    exact, trusted = map(rate, commands)

    # then: the command of the documentation for each of the two
    assert trusted == 0.0 < exact
