"""Words that say how the numbers beside them are written. Folded, see `protocol.numbers.tokens`."""

from collections.abc import Mapping

from ..numbers.lexicon import words

PERCENT: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "en": (("percent",), ("per", "cent")),
    "de": (("prozent",),),
    "fr": (("pour", "cent"), ("pourcent",)),
    "es": (("por", "ciento"),),
    "it": (("per", "cento"), ("percento",)),
    "pt": (("por", "cento"),),
    "nl": (("procent",),),
}
"""The words for `%`, of which the longest counts."""

CURRENCIES = {
    "dollars": "$", "dollar": "$", "dolares": "$", "dolar": "$", "dollari": "$",
    "pounds": "£", "pound": "£", "euros": "€", "euro": "€",
}  # fmt: skip

CENTS = words("cents cent centimes centimos centimo centesimi centesimo pence centavos")

POINTS = {
    "en": ("point", "."), "de": ("komma", ","), "fr": ("virgule", ","), "es": ("coma", ","),
    "it": ("virgola", ","), "pt": ("virgula", ","), "nl": ("komma", ","),
}  # fmt: skip
"""The word between whole and fraction, and its sign."""

HOURS = {"de": "uhr", "fr": "heures", "nl": "uur", "es": "horas", "pt": "horas", "it": "ore"}
"""The word between hour and minutes, or behind the hour."""

AT = {
    "en": words("at"), "de": words("at klammeraffe"), "fr": words("arobase"), "es": words("arroba"),
    "it": words("chiocciola"), "pt": words("arroba"), "nl": words("at apenstaartje"),
}  # fmt: skip

DOT = {
    "en": words("dot"), "de": words("punkt dot"), "fr": words("point"), "es": words("punto"),
    "it": words("punto"), "pt": words("ponto"), "nl": words("punt"),
}  # fmt: skip

TLDS = words("com org net info eu de fr es it pt nl uk io ai us be ch at br mx edu gov biz dev app")

COUNTRIES = {
    "en": ("US", "GB"), "de": ("DE", "AT", "CH"), "fr": ("FR", "BE"), "es": ("ES", "MX"), "it": ("IT",),
    "pt": ("PT", "BR"), "nl": ("NL", "BE"),
}  # fmt: skip
"""The countries whose telephone numbers are tried, in order."""

_UNITS = "first second third fourth fifth sixth seventh eighth ninth"
_TEENS = "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
ORDINALS: Mapping[str, int] = {
    **{word: 1 + place for place, word in enumerate(_UNITS.split())},
    **{word: 10 + place for place, word in enumerate(_TEENS.split())},
    "twentieth": 20,
    "thirtieth": 30,
}
"""English ordinals. `twenty first` is `twenty` and `first`."""
