"""Partials from TurboCTC, on a tiny random one."""

import json
from pathlib import Path
from typing import Any

import pytest

from workers.engines.base import Effort, Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch
transformers = pytest.importorskip(
    "transformers", minversion="5.16", reason="TurboCTC needs transformers 5.16"
)

from workers.engines.granite.acoustic.turbo_ctc import TurboPartials, load_turbo  # noqa: E402
from workers.engines.granite.checkpoint import CheckpointError  # noqa: E402 - needs the optional extra
from workers.engines.granite.loading import assemble  # noqa: E402
from workers.engines.granite.settings import Drafts, GraniteSettings  # noqa: E402

SECONDS = [0.2, 1.0, 2.37, 10.3, 11.0, 4.0]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import (
        GraniteSpeech5CTCConfig,
        GraniteSpeech5EncoderConfig,
        GraniteSpeech5ForCTC,
    )

    made = tmp_path_factory.mktemp("tiny-turbo")
    encoder = GraniteSpeech5EncoderConfig(
        vocab_size=40, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GraniteSpeech5ForCTC(GraniteSpeech5CTCConfig(vocab_size=40, encoder_config=encoder))
    torch.nn.init.normal_(model.encoder.out.weight)
    model.save_pretrained(made)
    words = [
        "<blank>",
        *(f"▁w{number}" for number in range(20)),
        *(f"p{number}" for number in range(19)),
    ]
    document = {
        "version": "1.0",
        "model": {"type": "BPE", "vocab": {word: n for n, word in enumerate(words)}, "merges": []},
        "decoder": {
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": "always",
            "split": True,
        },
    }
    (made / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    return made


@pytest.fixture(scope="module")
def turbo(folder: Path) -> TurboPartials:
    return load_turbo(str(folder), None, None, CPU)


def test_features_equal_those_of_the_vendor(turbo: TurboPartials) -> None:
    tiny_granite.borrow_torchaudio()
    # By its own path: the shortcut was replaced by a dummy if transformers came in before torchaudio.
    from transformers.models.granite_speech5.feature_extraction_granite_speech5 import (
        GraniteSpeech5FeatureExtractor,
    )

    extractor = GraniteSpeech5FeatureExtractor()
    for number, seconds in enumerate([0.3, 1.0, 2.37, 4.001]):
        audio = tiny_granite.babble(seconds, number)

        expected = extractor(audio, sampling_rate=16_000, return_tensors="pt")

        found = turbo.features(torch.from_numpy(audio))
        assert expected["attention_mask"].sum() == len(found)
        assert torch.allclose(found, expected["input_features"][0], atol=1e-6)


def test_a_clip_in_a_ragged_batch_reads_as_it_does_alone(turbo: TurboPartials) -> None:
    clips = [
        tiny_granite.babble(max(s, 0.3), n)[: round(s * 16_000)] for n, s in enumerate(SECONDS)
    ]

    together = turbo.texts(clips)

    assert together == [turbo.texts([clip])[0] for clip in clips]
    assert len(set(together)) >= len(clips) - 1


def test_words_agreed_by_two_partials_are_stable(turbo: TurboPartials) -> None:
    clip = tiny_granite.babble(4.0, 1)

    first, second, other = (
        turbo.encode([Utterance(clip, Effort.PARTIAL, key=key)])[0] for key in ("a", "a", "b")
    )

    assert (first.flags, other.flags) == (("stable:0",), ("stable:0",))
    assert second.flags == (f"stable:{len(second.words)}",)
    assert second.words


def test_the_engine_asks_it_for_english_partials_only(parts: Any, turbo: TurboPartials) -> None:
    settings = GraniteSettings(model="tiny", max_batch=4, drafts=Drafts.NEVER, canary=False)
    plain, helped = assemble(parts, settings), assemble(parts, settings, others=turbo)
    clip = tiny_granite.spoken("one garden", 1)
    batch = [
        Utterance(clip, Effort.PARTIAL),
        Utterance(clip, Effort.PARTIAL, language="de"),
        Utterance(clip, Effort.PARTIAL, translate_to="fr"),
        Utterance(clip),
    ]

    found, usual = helped.transcribe(batch), plain.transcribe(batch)

    assert found[0].text == turbo.texts([clip])[0]
    assert [one.text for one in found[1:]] == [one.text for one in usual[1:]]


def test_another_kind_of_model_is_refused(tiny: Path) -> None:
    with pytest.raises(CheckpointError, match="granite_speech5_ctc"):
        load_turbo(str(tiny), None, None, CPU)
