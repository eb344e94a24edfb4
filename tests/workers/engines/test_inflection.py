"""The names that may be in an inflected or compound word."""

import pytest

from workers.engines.common.inflection import forms_in
from workers.engines.common.keyword_ranking import by_sound, sounding_like


@pytest.mark.parametrize(
    ("word", "language", "names"),
    [
        ("Quillons", "de", ["Quillon"]),
        ("(Ekwall's),", "de", ["Ekwall"]),
        ("Quillon-Vertrag", "de", ["Quillon", "Vertrag"]),
        ("l'Ekwall", "fr", ["Ekwall"]),
        ("d’Ekwalls.", "fr", ["Ekwalls", "Ekwall"]),
        ("Quillones", "es", ["Quillone", "Quillon"]),
        ("Bergen", "de", []),  # a name of its own
        ("Goldschmidt", "de", ["Goldsch"]),
        ("Quillons", "en", []),
        ("s", "de", []),
        ("", "de", []),
        ("s" * 65, "de", []),
    ],
)
def test_parts_of_a_word_that_may_be_names(word: str, language: str, names: list[str]) -> None:
    forms = forms_in(word, language)

    assert {form.text for form in forms} >= set(names)
    assert "Schmidt" not in {form.text.title() for form in forms}
    assert bool(forms) == bool(names)
    for form in forms:
        assert word[form.start : form.end] == form.text


def test_a_list_is_searched_for_the_name_inside_a_compound() -> None:
    terms = ("Bremer", "Quillon", "Vertrieb")

    assert by_sound(terms, "den Quilonrahmenvertrag", "de")[0] == "Quillon"
    assert sounding_like(terms, "den Quilonrahmenvertrag", 70.0, "de") == ("Quillon",)
    assert sounding_like(terms, "den Quilonrahmenvertrag", 70.0) == ()
