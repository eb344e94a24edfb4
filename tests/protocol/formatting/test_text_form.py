"""What a client may ask for: punctuation, fillers, swear words, replacements."""

import pytest

from protocol.calls.text_form import AS_HEARD, AS_WRITTEN, Replacement, Signs, TextForm
from protocol.events import Final, Redaction, SegmentId, Span, Timing, Word
from protocol.formatting.formatter import formatted, shown_items, unformatted

PLAIN = TextForm(signs=Signs.RESTORED)
BARE = TextForm(signs=Signs.REMOVED)


def shown(said: str, form: TextForm, language: str = "en") -> str:
    items = shown_items([Word(word) for word in said.split()], language, form)
    return " ".join(item.text for item in items)


@pytest.mark.parametrize(
    ("form", "said", "left"),
    [
        (AS_HEARD, "Uh, it is shit.", "Uh, it is shit."),
        (TextForm(without_fillers=True), "uh, it is um fine", "it is fine"),
        (TextForm(without_profanity=True), "this is shit, Fucking hell", "this is ****, ******* hell"),
        (TextForm(replacements=(Replacement("new york", "NYC"),)), "in New York. now", "in NYC. now"),
        (TextForm(replacements=(Replacement("a b", "c"), Replacement("a", "d"))), "a b a", "c d"),
        (TextForm(replacements=(Replacement("basically"),)), "it is basically done", "it is done"),
        (TextForm(replacements=(Replacement("[card_number]", "x"),)), "my [CARD_NUMBER] ok", "my [CARD_NUMBER] ok"),
        (BARE, "Hello, Ann! It costs $3.50. [CARD_NUMBER].", "hello ann it costs $3.50 [CARD_NUMBER]"),
        (AS_WRITTEN, "uh call me at three thirty pm", "Uh call me at 3:30 pm."),
        (
            TextForm(numerals=True, without_fillers=True, replacements=(Replacement("four", "five"),)),
            "four um four uh five",
            "555",
        ),
    ],
)  # fmt: skip
def test_each_option_has_its_effect(form: TextForm, said: str, left: str) -> None:
    assert shown(said, form) == left


@pytest.mark.parametrize(
    ("language", "said", "left"),
    [
        ("en", "i was there on monday and i'm sure", "I was there on Monday and I'm sure."),
        ("en", "can you hear me", "Can you hear me?"),
        ("en", "what is your name", "What is your name?"),
        ("en", "my name is dr smith", "My name is dr Smith."),
        ("en", "Hello there", "Hello there"),
        ("en", "so it is, okay", "so it is, okay"),
        ("en", "yes", "Yes"),
        ("en", "and then i", "And then I."),
        ("en", "it is in the", "It is in the"),
        ("en", "my card is [CARD_NUMBER]", "My card is [CARD_NUMBER]"),
        ("de", "können sie mich hören", "Können sie mich hören?"),
        ("de", "ich komme am montag zu frau meier", "Ich komme am Montag zu Frau Meier."),
        ("fr", "combien ça coûte", "Combien ça coûte?"),
        ("es", "cómo se llama", "¿Cómo se llama?"),
        ("it", "dove abita", "Dove abita?"),
        ("pt", "onde mora", "Onde mora?"),
        ("nl", "hoe heet u", "Hoe heet u?"),
    ],
)
def test_capitals_and_end_signs_are_added_where_the_engine_gives_none(
    language: str, said: str, left: str
) -> None:
    assert shown(said, PLAIN, language) == left
    assert shown(left, PLAIN, language) == left


def test_a_final_in_any_form_goes_back_to_what_was_said() -> None:
    words = tuple(
        Word(text, 100 * at, 100 * at + 90)
        for at, text in enumerate(["uh", "it", "is", "[CARD_NUMBER]", "for", "twenty", "five"])
    )
    said = Final(
        SegmentId(0, 0), Span(0, 700), words, "en", 0, (), "engine", Timing(0, 0),
        redactions=(Redaction("card_number", 3, 300, 390),),
    )  # fmt: skip
    form = TextForm(numerals=True, signs=Signs.RESTORED, without_fillers=True)

    once = formatted(said, form)

    assert once.text == "It is [CARD_NUMBER] for 25."
    assert once.lexical == words
    assert [one.place for one in once.redactions] == [2]
    assert unformatted(once, form) == said
