"""The benchmark runs from end to end on any machine; its results are meaningful on a GPU only."""

import re

import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")

from bench.granite import main, timetable  # noqa: E402 - needs the optional extra
from bench.random_granite import TRUE, text_length  # noqa: E402


def test_the_bench_runs_at_tiny_size(capsys: pytest.CaptureFixture[str]) -> None:
    main(
        "--size tiny --device cpu --batches 1,3 --seconds 2 --clip 1 --streams 3 --span 4 --repeats 1".split()  # noqa: SIM905
    )

    printed = capsys.readouterr().out
    assert len(re.findall(r"^\| [13] \|", printed, re.MULTILINE)) == 8
    assert "command: python bench/granite.py --size tiny" in printed
    assert re.search(r"3 voices .* p50 \d+ ms, p95 \d+ ms, p99 \d+ ms; \d+ partials", printed)


def test_the_true_size_is_the_published_one() -> None:
    """2,313,141,596 parameters, counted without giving them memory."""
    import torch
    from transformers import (
        Blip2QFormerConfig,
        GraniteConfig,
        GraniteSpeechConfig,
        GraniteSpeechEncoderConfig,
        GraniteSpeechForConditionalGeneration,
    )

    config = GraniteSpeechConfig(
        text_config=GraniteConfig(**TRUE["text"]),
        encoder_config=GraniteSpeechEncoderConfig(**TRUE["encoder"]),
        projector_config=Blip2QFormerConfig(**TRUE["projector"]),
        has_lora_adapter=False,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        model = GraniteSpeechForConditionalGeneration(config)

    assert sum(weights.numel() for weights in model.parameters()) == 2_313_141_596


def test_texts_are_three_and_a_half_tokens_a_second() -> None:
    assert text_length(160_000) == 35


def test_the_load_is_that_of_a_conversation() -> None:
    due = timetable(voices=50, span=60.0)

    finals = [one for one in due if one.final]
    partials = [one for one in due if not one.final]
    assert due == sorted(due)
    assert 50 * 60 / 6 < len(finals) < 50 * 60 / 4  # 5 s on average
    assert 1.5 < len(partials) / (50 * 60) < 2.0  # nearly two a second of speech
    assert {one.seconds >= 1.0 for one in finals} == {True}
