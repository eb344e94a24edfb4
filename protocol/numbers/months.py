"""Names of months, folded."""

from collections.abc import Mapping

from .lexicon import words

MONTHS_OF: Mapping[str, frozenset[str]] = {
    "en": words(
        "january february march april may june july august september october november december"
    ),
    "de": words(
        "januar janner februar marz april mai juni juli august september oktober november dezember"
    ),
    "nl": words(
        "januari februari maart april mei juni juli augustus september oktober november december"
    ),
    "fr": words(
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"
    ),
    "es": words(
        "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre"
    ),
    "pt": words(
        "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro"
    ),
    "it": words(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"
    ),
}
"""The months by ISO 639 code of the language."""

MONTHS = frozenset[str]().union(*MONTHS_OF.values())
"""The months of all languages at once: an expiry date may be `September twenty seven`."""

BEFORE_YEAR = words("of de del di van in the do year")
"""Words between the name of a month and its year."""
