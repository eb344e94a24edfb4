"""Call ids and the configuration of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.calls.call import (
    CallConfig,
    Keywords,
    adapted_call_id,
    call_id,
    language,
    original_call_id,
)


@pytest.mark.parametrize("text", ["CA0123", "a", "0.b_c:d-e", "x" * 255, "a=40b", "=2Fa"])
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
        "x" * 256,
        "a=4",
        "a=41",
        "a=ff",
        "a=FF",
        "a=",
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
    ("original", "adapted"),
    [
        ("CA0123", "CA0123"),
        ("a84b4c76e66710@pc33.example.com", "a84b4c76e66710=40pc33.example.com"),
        ("2-90@[2001:db8::1]", "2-90=40=5B2001:db8::1=5D"),
        ("-.!%*_+`'~()<>:\\\"/[]?{}", "=2D.=21=25=2A_=2B=60=27=7E=28=29=3C=3E:=5C=22=2F=5B=5D=3F=7B=7D"),
        ("acme/c-1", "acme=2Fc-1"),
        ("../x", "=2E.=2Fx"),
        ("v2:T02ll+/==", "v2:T02ll=2B=2F=3D=3D"),
        ("a=41", "a=3D41"),
        ("a=FF", "a=3DFF"),
        ("x\n\x00", "x=0A=00"),
        ("٣", "=D9=A3"),
    ],
)  # fmt: skip
def test_any_other_id_is_adapted_and_the_original_is_not_lost(original: str, adapted: str) -> None:
    assert adapted_call_id(original) == adapted
    assert original_call_id(adapted) == original
    assert call_id(adapted) == adapted


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(NAMES, NAMES)
def test_no_two_ids_become_the_same(one: str, other: str) -> None:
    ours, theirs = adapted_call_id(one), adapted_call_id(other)

    assert (ours == theirs) == (one == other) or ours == other or theirs == one
    assert "/" not in ours
    assert call_id(ours) == ours == adapted_call_id(ours)  # found under either


@pytest.mark.parametrize("sign", ["x", "@", "ä"])
def test_an_id_without_end_is_shortened_and_stays_apart_from_others(sign: str) -> None:
    long, longer = sign * 300, sign * 301

    shortened = [adapted_call_id(one) for one in (long, longer)]

    assert len(set(shortened)) == 2
    assert all(call_id(one) == one == adapted_call_id(one) and len(one) < 500 for one in shortened)
    assert original_call_id(shortened[0]) is None


def test_an_empty_id_is_none() -> None:
    with pytest.raises(ValueError, match="at least one character"):
        adapted_call_id("")


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
