"""Names and addresses that an engine finds are masked in finals; without the engine no word is shown."""

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis
from support.calls_by_length import spoken
from support.redis_watch import everything_in

from protocol.events import Final, Partial
from protocol.redaction.policy import CARD_DATA, DataKind, Policy
from protocol.redaction.redactor import Mask
from workers.names.finder import NamesError
from workers.names.presidio import PresidioNames, masks_of, models_of

NAMES = Policy(CARD_DATA | {DataKind.NAME})


class ListedNames:
    """Finds one name by a list."""

    languages = frozenset({"en"})

    def find(self, words: Sequence[str], language: str) -> list[Mask]:
        return [Mask(at, at, DataKind.NAME) for at, word in enumerate(words) if word == "Quenby"]


class BrokenNames(ListedNames):
    """Fails as an engine may fail."""

    def find(self, words: Sequence[str], language: str) -> list[Mask]:
        raise RuntimeError


async def test_names_are_masked_and_a_number_beside_them_is_revised(redis: Redis) -> None:
    texts = ["I am Quenby and it is 4738", "2916", "0563 7481"]
    async with spoken(redis, texts, NAMES, names=ListedNames()) as call:
        for number in range(3):
            await call.say(number)

    first = next(event for event in await call.events() if isinstance(event, Final))
    assert first.text == "I am [NAME] and it is [CARD_NUMBER]"
    assert [(one.kind, one.place) for one in first.redactions] == [("name", 2), ("card_number", 6)]
    left = await everything_in(redis)
    assert b"Quenby" not in left


@pytest.mark.parametrize("names", [None, BrokenNames()])
async def test_without_a_working_engine_the_words_are_withheld(
    redis: Redis, names: ListedNames | None
) -> None:
    async with spoken(redis, ["I am Quenby"], NAMES, names=names) as call:
        await call.say(0)

    (final,) = [event for event in await call.events() if isinstance(event, Final)]
    assert (final.text, final.flags) == ("", ("withheld:redaction_failed",))
    assert b"Quenby" not in await everything_in(redis)


async def test_a_partial_shows_nothing_if_names_are_redacted(redis: Redis) -> None:
    async with spoken(redis, ["I am Quenby"], NAMES, names=ListedNames()) as call:
        await call.begin_to_say(0)
        await call.say(0)

    assert await call.shown() == ["I am [NAME]"]
    assert not any(isinstance(event, Partial) and event.words for event in await call.events())
    assert b"Quenby" not in await everything_in(redis)


def test_the_words_that_a_span_touches_are_masked() -> None:
    words = ["I", "am", "Ada", "Quenby,", "from", "York."]
    spans = [(5, 15, DataKind.NAME), (22, 26, DataKind.ADDRESS)]

    assert masks_of(words, spans) == [Mask(2, 3, DataKind.NAME), Mask(5, 5, DataKind.ADDRESS)]


def test_models_are_named_by_language() -> None:
    assert models_of("en=en_core_web_sm, fr=fr_core_news_sm") == {
        "en": "en_core_web_sm",
        "fr": "fr_core_news_sm",
    }
    with pytest.raises(NamesError, match="LANGUAGE=MODEL"):
        models_of("en_core_web_sm")


def test_a_model_that_is_not_installed_is_named() -> None:
    with pytest.raises(NamesError, match="no_such_model"):
        PresidioNames({"en": "no_such_model"})
