"""Words that say how the numbers beside them are written. Folded, see `protocol.numbers.tokens`."""

from collections.abc import Mapping, Sequence

from ..numbers.lexicon import Phrase, phrases, words

PERCENT: Mapping[str, Sequence[Phrase]] = {
    "en": phrases("percent, per cent"),
    "de": phrases("prozent"),
    "fr": phrases("pour cent, pourcent"),
    "es": phrases("por ciento"),
    "it": phrases("per cento, percento"),
    "pt": phrases("por cento"),
    "nl": phrases("procent"),
}
"""The words for `%`."""

SPACED_PERCENT = frozenset({"de", "fr"})
"""Languages with a space before `%`."""

CURRENCIES = {
    "dollars": "$", "dollar": "$", "dolares": "$", "dolar": "$", "dollari": "$",
    "pounds": "£", "pound": "£", "euros": "€", "euro": "€", "reais": "R$",
}  # fmt: skip

CENTS = words("cents cent centimes centimos centimo centesimi centesimo pence centavos")

CENTS_JOINERS: Mapping[str, tuple[frozenset[str], bool]] = {
    "en": (words("and"), True), "de": (words("und"), True), "fr": (words("et"), True), "nl": (words("en"), True),
    "es": (words("y con"), False), "it": (words("e"), False), "pt": (words("e"), False),
}  # fmt: skip
"""The word between euros and cents, and whether the word for cents must follow after it."""

POINTS = {
    "en": ("point", "."), "de": ("komma", ","), "fr": ("virgule", ","), "es": ("coma", ","),
    "it": ("virgola", ","), "pt": ("virgula", ","), "nl": ("komma", ","),
}  # fmt: skip
"""The word between whole and fraction, and its sign."""

MINUS = {
    "en": "minus", "de": "minus", "fr": "moins", "es": "menos", "it": "meno", "pt": "menos", "nl": "min",
}  # fmt: skip

PLUS = {
    "en": "plus", "de": "plus", "fr": "plus", "es": "mas", "it": "piu", "pt": "mais", "nl": "plus",
}  # fmt: skip
"""The word before the country code of a telephone number."""

HOURS = {
    "de": words("uhr"), "fr": words("heures heure"), "nl": words("uur"), "es": words("horas"),
    "pt": words("horas"), "it": words("ore"),
}  # fmt: skip
"""The word between hour and minutes, or behind the hour."""

BEFORE_TIME: Mapping[str, tuple[Sequence[Phrase], frozenset[str]]] = {
    "en": (phrases("at, by, until, till, around, before, after, from"), words("")),
    "es": (phrases("a las, a la"), words("y")),
    "it": (phrases("alle, alle ore, ore"), words("e")),
    "pt": (phrases("as"), words("e")),
}
"""The words before a time without a word for hours, and those between its hour and minutes."""

DURATIONS = words(
    "minute minutes minuten minuto minutos minuti minuut seconde secondes second seconds"
)
"""The words behind a number that is no minute of a time."""

_UNITS = {
    "en": """
        km: kilometer, kilometers, kilometre, kilometres; m: meter, meters, metre, metres;
        cm: centimeter, centimeters, centimetre, centimetres; mm: millimeter, millimeters, millimetre, millimetres;
        kg: kilogram, kilograms, kilo, kilos; g: gram, grams; mg: milligram, milligrams;
        l: liter, liters, litre, litres; ml: milliliter, milliliters, millilitre, millilitres;
        mph: miles per hour, mile per hour; km/h: kilometers per hour, kilometres per hour;
        m²: square meters, square metres, square meter; m³: cubic meters, cubic metres, cubic meter;
        °C: degrees celsius, degree celsius; °F: degrees fahrenheit, degree fahrenheit; V: volt, volts;
        W: watt, watts; kW: kilowatt, kilowatts; kWh: kilowatt hours, kilowatt hour""",
    "de": """
        km: kilometer; m: meter; cm: zentimeter; mm: millimeter; kg: kilogramm, kilo; g: gramm; mg: milligramm;
        l: liter; ml: milliliter; km/h: kilometer pro stunde, stundenkilometer; m²: quadratmeter; m³: kubikmeter;
        °C: grad celsius; V: volt; W: watt; kW: kilowatt; kWh: kilowattstunden, kilowattstunde""",
    "fr": """
        km: kilometre, kilometres; m: metre, metres; cm: centimetre, centimetres; mm: millimetre, millimetres;
        kg: kilogramme, kilogrammes, kilo, kilos; g: gramme, grammes; l: litre, litres; ml: millilitre, millilitres;
        km/h: kilometres heure, kilometres par heure, kilometres a l'heure; m²: metres carres, metre carre;
        m³: metres cubes, metre cube; °C: degres celsius, degre celsius; V: volt, volts; W: watt, watts;
        kW: kilowatt, kilowatts; kWh: kilowattheures, kilowattheure""",
    "es": """
        km: kilometro, kilometros; m: metro, metros; cm: centimetro, centimetros; mm: milimetro, milimetros;
        kg: kilogramo, kilogramos, kilo, kilos; g: gramo, gramos; l: litro, litros; ml: mililitro, mililitros;
        km/h: kilometros por hora; m²: metros cuadrados, metro cuadrado; m³: metros cubicos, metro cubico;
        °C: grados celsius, grado celsius, grados centigrados; V: voltios, voltio; W: vatios, vatio;
        kW: kilovatios, kilovatio; kWh: kilovatios hora, kilovatio hora""",
    "it": """
        km: chilometro, chilometri; m: metro, metri; cm: centimetro, centimetri; mm: millimetro, millimetri;
        kg: chilogrammo, chilogrammi, chilo, chili; g: grammo, grammi; l: litro, litri; ml: millilitro, millilitri;
        km/h: chilometri all'ora, chilometri orari; m²: metri quadrati, metro quadrato, metri quadri;
        m³: metri cubi, metro cubo; °C: gradi celsius, grado celsius, gradi centigradi; V: volt; W: watt;
        kW: chilowatt, kilowatt; kWh: chilowattora, kilowattora""",
    "pt": """
        km: quilometro, quilometros; m: metro, metros; cm: centimetro, centimetros; mm: milimetro, milimetros;
        kg: quilograma, quilogramas, quilo, quilos; g: grama, gramas; l: litro, litros; ml: mililitro, mililitros;
        km/h: quilometros por hora; m²: metros quadrados, metro quadrado; m³: metros cubicos, metro cubico;
        °C: graus celsius, grau celsius; V: volts, volt; W: watts, watt; kW: quilowatts, quilowatt;
        kWh: quilowatts hora""",
    "nl": """
        km: kilometer; m: meter; cm: centimeter; mm: millimeter; kg: kilogram, kilo; g: gram; mg: milligram;
        l: liter; ml: milliliter; km/h: kilometer per uur; m²: vierkante meter; m³: kubieke meter, kuub;
        °C: graden celsius, graad celsius; V: volt; W: watt; kW: kilowatt; kWh: kilowattuur""",
}
_BYTES = {"kB": "kilo", "MB": "mega", "GB": "giga", "TB": "tera"}
_HERTZ = {"Hz": "", "kHz": "kilo", "MHz": "mega", "GHz": "giga"}


def _units(text: str) -> tuple[tuple[Phrase, str], ...]:
    """Each phrase with its symbol, the longest phrases first."""
    pairs = (one.strip().partition(":") for one in text.split(";"))
    found = {phrase: symbol for symbol, _, said in pairs for phrase in phrases(said)}
    found |= {(f"{many}byte{s}",): symbol for symbol, many in _BYTES.items() for s in ("", "s")}
    found |= {(f"{many}hertz",): symbol for symbol, many in _HERTZ.items()}
    return tuple(sorted(found.items(), key=lambda one: -len(one[0])))


UNITS: Mapping[str, Sequence[tuple[Phrase, str]]] = {
    language: _units(text) for language, text in _UNITS.items()
}

SLASHES = {
    "en": words("slash"), "de": words("slash schragstrich"), "fr": words("slash barre"), "es": words("barra"),
    "it": words("barra slash"), "pt": words("barra"), "nl": words("slash"),
}  # fmt: skip

COUNTRIES = {
    "en": ("US", "GB"), "de": ("DE", "AT", "CH"), "fr": ("FR", "BE"), "es": ("ES", "MX"), "it": ("IT",),
    "pt": ("PT", "BR"), "nl": ("NL", "BE"),
}  # fmt: skip
"""The countries whose telephone numbers are tried, in order."""

WITH_ZERO = frozenset({"GB", "DE", "AT", "CH", "FR", "BE", "NL"})
"""Countries whose national numbers are said with a zero before them."""

GROUPING = {"en": ",", "de": ".", "fr": " ", "es": ".", "it": ".", "pt": ".", "nl": "."}
"""The sign between thousands: from 1,000 on in English, else from 10,000 on."""

WORDS_OF_A_LETTER: Mapping[str, frozenset[str]] = {
    "en": words("a i"), "fr": words("a y h"), "es": words("a e o u y"), "it": words("a e i o"),
    "pt": words("a e o"), "nl": words("u"),
}  # fmt: skip
"""Words that look like letters: they are letters only between others."""

AS_IN: Mapping[str, Sequence[Phrase]] = {
    "en": phrases("for, as in, like"), "de": phrases("wie"), "fr": phrases("comme, de"),
    "es": phrases("de, como"), "it": phrases("come, di"), "pt": phrases("de, como"), "nl": phrases("van, als"),
}  # fmt: skip
"""The words between a letter and the word that begins with it."""

LETTER_NAMES: Mapping[str, Mapping[str, str]] = {
    "en": {"zed": "Z", "zee": "Z", "aitch": "H", "jay": "J", "kay": "K", "ess": "S", "ex": "X"},
    "de": {"ypsilon": "Y", "eszett": "ß"},
}

_GERMAN_SPELLING = (
    "anton berta casar caesar dora emil friedrich gustav heinrich ida julius kaufmann konrad ludwig martha nordpol"
    " otto paula quelle richard samuel siegfried theodor ulrich viktor wilhelm xanthippe ypsilon zacharias zeppelin"
)
SPELLING: Mapping[str, Mapping[str, str]] = {
    "de": {word: word[0].upper() for word in _GERMAN_SPELLING.split()},
}
"""National spelling alphabets, beside that of the ICAO."""
