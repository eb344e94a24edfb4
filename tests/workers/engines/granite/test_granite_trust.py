"""`drafts = "trust"`: certain CTC text becomes the final; likely drafts are accepted."""

from dataclasses import replace
from typing import Any

import pytest

from workers.engines.base import Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")

from workers.engines.granite.engine import GraniteEngine  # noqa: E402 - needs the optional extra
from workers.engines.granite.loading import assemble  # noqa: E402
from workers.engines.granite.settings import Drafts, GraniteSettings  # noqa: E402
from workers.engines.granite.text.decode import DecodeRow, Written  # noqa: E402
from workers.engines.granite.text.prompts import GRANITE_4_0, GRANITE_4_1  # noqa: E402

SAID = "let go one garden"
UTTERANCE = Utterance(tiny_granite.spoken(SAID, 2))
NEVER = GraniteSettings(model="tiny", max_batch=4, drafts=Drafts.NEVER, canary=False)
TRUST = NEVER.model_copy(update={"drafts": Drafts.TRUST, "trust_entropy": 3.0})


@pytest.fixture(scope="module")
def exact(parts: Any) -> GraniteEngine:
    return assemble(parts, NEVER)


def test_a_certain_ctc_text_is_the_final_with_times_and_a_flag(parts: Any) -> None:
    engine = assemble(parts, TRUST)

    (heard,) = engine.transcribe([UTTERANCE])

    assert heard.text == SAID
    assert heard.flags == ("ctc_text",)
    assert all(word.start is not None and word.confidence for word in heard.words)


CAREFUL = {
    "an uncertain frame": (
        UTTERANCE,
        {"trust_entropy": 0.0, "trust_probability": 1.0},
        GRANITE_4_0,
    ),
    "keywords": (replace(UTTERANCE, keywords=("Ann",)), {}, GRANITE_4_0),
    "a translation": (replace(UTTERANCE, translate_to="fr"), {}, GRANITE_4_0),
    "Japanese": (replace(UTTERANCE, language="ja"), {}, GRANITE_4_0),
    "punctuation": (UTTERANCE, {}, GRANITE_4_1),
}


@pytest.mark.parametrize("case", CAREFUL)
def test_the_language_model_writes_what_ctc_text_cannot_hold(
    parts: Any, exact: GraniteEngine, case: str
) -> None:
    utterance, rule, table = CAREFUL[case]
    engine = assemble(parts, TRUST.model_copy(update=rule), table)
    reference = exact if table is GRANITE_4_0 else assemble(parts, NEVER, table)

    assert engine.transcribe([utterance]) == reference.transcribe([utterance])


@pytest.mark.parametrize(("trust", "accepted"), [(None, 0), (1.0, 0), (1e-12, 3)])
def test_a_draft_token_is_accepted_by_its_probability(
    parts: Any, trust: float | None, accepted: int
) -> None:
    # given: a draft of tokens that greedy decoding does not choose
    heard = parts.frontend.encode([parts.frontend.whole(UTTERANCE.samples)])
    prompt = parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], GRANITE_4_0.transcribe, ())
    decoder = parts.decoder_factory(1, 512, graphs=False).decoder(parts.end, cut_loops=False)
    draft = (3, 5, 4)

    # when
    decoder.admit([DecodeRow(0, prompt, 12, draft, trust)])
    written: list[Written] = []
    while decoder.running:
        written += decoder.step()

    # then
    assert written[0].accepted == accepted
    assert written[0].tokens[:accepted] == draft[:accepted]
    assert len(written[0].tokens) == len(written[0].log_probs) > 3
    assert all(score <= 0 for score in written[0].log_probs)
