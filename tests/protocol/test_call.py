"""What names a call, and how it is configured."""

import pytest

from protocol.call import CallConfig, Keywords, call_id, language


@pytest.mark.parametrize("text", ["CA0123", "a", "0.b_c:d-e", "x" * 128])
def test_an_id(text: str) -> None:
    assert call_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../../etc/passwd",
        "a\n",
        "a b",
        ".hidden",
        "x" * 129,
        "a/b",
        "٣",
        "аdmin",
        "a\x00",
        "{p0}",
        "a\u200e",
    ],
)
def test_what_must_not_name_a_call(text: str) -> None:
    with pytest.raises(ValueError, match="a call id is"):
        call_id(text)


@pytest.mark.parametrize(
    ("tag", "code"), [("en", "en"), ("en-US", "en"), ("pt_BR", "pt"), ("JA", "ja")]
)
def test_a_language_is_known_by_its_code(tag: str, code: str) -> None:
    assert language(tag) == code


@pytest.mark.parametrize("tag", ["", "english", "e", "1x", "en\n"])
def test_what_is_no_language(tag: str) -> None:
    with pytest.raises(ValueError, match="en or en-US"):
        language(tag)


def test_new_keywords_come_under_the_next_revision() -> None:
    config = CallConfig(keywords=Keywords(("Acme",), 4))

    changed = config.with_keywords(("Orvanta",))

    assert changed.keywords == Keywords(("Orvanta",), 5)
    assert config.keywords == Keywords(("Acme",), 4)
