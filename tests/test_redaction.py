"""Redaction through the whole pipeline: bridge, gateway, worker, recorder.  Real sockets and Valkey."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.pipeline import calling, pipeline, stream
from support.stored import stored_call
from test_pipeline import mulaw, speech

from streaming.settings import GatewaySettings
from workers.engines.base import Capabilities, Effort, Hypothesis, RecognisedWord, Utterance

SAID = ("this is 4738", "2916 0563 7481 thanks", "my order is 5521")


class InTurn:
    """Recognises the next of `texts` in each segment; in a partial, the text of the segment so far."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._known: dict[str, str] = {}
        self.capabilities = Capabilities(
            name="in-turn", languages=frozenset({"en", "ja"}), max_batch=1
        )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        return [self._heard(one) for one in batch]

    def _heard(self, one: Utterance) -> Hypothesis:
        place = len(self._known) % len(self._texts)
        text = self._known.setdefault(one.key, self._texts[place])
        if one.effort is Effort.PARTIAL:
            text = text.rpartition(" ")[0]
        return Hypothesis(tuple(map(RecognisedWord, text.split())))


async def test_client_and_store_see_no_card_number(redis: Redis, tmp_path: Path) -> None:
    async with pipeline(redis, tmp_path, InTurn(SAID)) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, mulaw(speech(3)), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        transcript = await stored_call(it.store, "c1")

    shown = {event["segment_id"]: event["text"] for event in heard.of("segment.final")}
    shown |= {event["segment_id"]: event["text"] for event in heard.of("segment.revised")}
    stored = [segment.text for segment in transcript.segments]
    assert stored == list(shown.values())
    assert stored[:3] == ["this is [CARD_NUMBER]", "[CARD_NUMBER] thanks", "my order is 5521"]
    partials = " ".join(event["text"] for event in heard.of("segment.partial"))
    assert "4738" not in partials and "2916" not in partials
    assert b"2916" not in (tmp_path / "store.db").read_bytes()


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_a_call_is_told_if_number_words_of_its_language_are_not_known(
    redis: Redis, tmp_path: Path, language: str
) -> None:
    async with pipeline(redis, tmp_path, InTurn(SAID)) as it:
        async with calling(it.url, call_id="c1", language=language) as (bridge, heard):
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    codes = [event["code"] for event in heard.of("warning")]
    assert codes == ([] if language == "en" else ["redaction_limited"])


async def test_a_policy_file_decides(redis: Redis, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("kinds = []\n")
    settings = GatewaySettings(redaction_policy=policy)

    async with pipeline(redis, tmp_path, InTurn(SAID[1:]), gateway=settings) as it:
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, mulaw(speech(1)), frame=160, pace=20)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    assert heard.of("segment.final")[0]["text"] == SAID[1]


def test_a_gateway_does_not_start_without_its_policy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="redaction policy cannot be read"):
        GatewaySettings(redaction_policy=tmp_path / "missing.toml")
