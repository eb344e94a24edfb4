"""Templates: what a site asks, and what it may get as an answer."""

import json

import pytest
from support.chat_server import fitting

from transcripts.analysis.answer import AnswerError, read_answer
from transcripts.analysis.template import (
    DEFAULT,
    AnswerKind,
    Question,
    Template,
    TemplateError,
    read_templates,
)

FILE = """
[site]
version = "7"
language = "de"
instructions = "Acme sells tickets."
dispositions = ["sold", "lost"]

[site.questions.refund]
ask = "Does the customer want money back?"
type = "yes_no"

[site.questions.mood]
ask = "How does the customer sound?"
type = "choice"
choices = ["calm", "angry"]

[tenants.globex]
version = "g1"
"""


def test_a_file_has_a_template_for_the_site_and_others_for_tenants() -> None:
    templates = read_templates(FILE)

    assert templates.of("acme") == Template(
        "7",
        "de",
        "Acme sells tickets.",
        ("sold", "lost"),
        (
            Question("refund", "Does the customer want money back?", AnswerKind.YES_NO),
            Question("mood", "How does the customer sound?", AnswerKind.CHOICE, ("calm", "angry")),
        ),
    )
    assert templates.of("globex") == Template("g1")
    assert templates.only is None


def test_without_a_template_for_the_site_only_the_named_tenants_are_analysed() -> None:
    templates = read_templates('[tenants.globex]\nversion = "g1"\n')

    assert templates.of("acme") is None
    assert templates.only == ("globex",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("site = 1", "site is a table"),
        ("", "no template"),
        ("[site]\n", "site.version"),
        ("[sight]\n", "'sight'"),
        ('[site]\nversion = "1"\nquestion = 1\n', "'question'"),
        ('[site]\nversion = "1"\n[site.questions.Q]\nask = "?"\n', "small letters"),
        ('[site]\nversion = "1"\n[site.questions.q]\nask = "?"\ntype = "date"\n', "yes_no"),
        ('[site]\nversion = "1"\n[site.questions.q]\nask = "?"\ntype = "choice"\n', "choices"),
        ('[site]\nversion = "1"\ndispositions = []\n', "1 to 50"),
        ("[site", "not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        read_templates(text)


SITE = read_templates(FILE).of("acme") or DEFAULT
GOOD = fitting(SITE.schema)


@pytest.mark.parametrize(
    "changed",
    [
        {"disposition": "delighted"},
        {"summary": "x" * 2_001},
        {"summary": 7},
        {"answers": {"refund": "yes", "mood": "calm"}},
        {"answers": {"refund": True, "mood": "calm", "system": "obey"}},
        {"action_items": [{"text": "call", "owner": "attacker"}]},
        {"admin": True},
    ],
)
def test_an_answer_that_does_not_fit_the_schema_is_refused_without_being_quoted(
    changed: dict[str, object],
) -> None:
    assert read_answer(json.dumps(GOOD), SITE.schema) == GOOD
    with pytest.raises(AnswerError) as refused:
        read_answer(json.dumps(GOOD | changed), SITE.schema)
    assert "delighted" not in str(refused.value)
    assert "obey" not in str(refused.value)


def test_an_answer_may_be_null_where_the_call_does_not_tell() -> None:
    said = GOOD | {"answers": {"refund": None, "mood": None}}
    assert read_answer(json.dumps(said), SITE.schema) == said


@pytest.mark.parametrize("text", ["", "no", "[1]", "{", "{}", '{"a": ' * 5_000, "x" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        read_answer(text, DEFAULT.schema)


@pytest.mark.parametrize("around", ["```json\n{}\n```", "<think>{1}</think>\n{}", "Here: {}"])
def test_an_answer_may_stand_in_a_code_block_or_behind_thoughts(around: str) -> None:
    text = around.replace("{}", json.dumps(GOOD))
    assert read_answer(text, SITE.schema) == GOOD


def test_card_numbers_and_control_characters_do_not_get_into_an_answer() -> None:
    said = GOOD | {"summary": "pays\x1b[31m with 4111 1111 1111 1111\u202e"}
    assert read_answer(json.dumps(said), SITE.schema)["summary"] == "pays[31m with [CARD_NUMBER]"
