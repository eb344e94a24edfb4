"""Spells numbers from 0 to 9999 in seven languages. Written apart from `protocol/numbers`, which reads them."""

from collections.abc import Callable

_UNITS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    " siebzehn achtzehn neunzehn",
    "nl": "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien"
    " zeventien achttien negentien",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept"
    " dix-huit dix-neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis"
    " diecisiete dieciocho diecinueve",
    "pt": "zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis"
    " dezessete dezoito dezenove",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici"
    " sedici diciassette diciotto diciannove",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "fr": "vingt trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
}
_HUNDREDS = {
    "es": "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos",
    "pt": "cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
}
LANGUAGES = tuple(sorted(_UNITS))


def spell(number: int, language: str) -> str:
    """The words for `number`, 0 to 9999."""
    if number < 100:
        return _below_100(number, language)
    return _LARGE[language](number)


def _unit(number: int, language: str) -> str:
    return _UNITS[language].split()[number]


def _below_100(number: int, language: str) -> str:
    if number < 20:
        return _unit(number, language)
    tens, unit = divmod(number, 10)
    word = _TENS[language].split()[tens - 2]
    match language:
        case "fr":
            return _french(number)
        case _ if not unit:
            return word
        case "en":
            return f"{word} {_unit(unit, language)}"
        case "de":
            return f"{'ein' if unit == 1 else _unit(unit, language)}und{word}"
        case "nl":
            one = _unit(unit, language)
            return f"{one}{'ën' if one.endswith('e') else 'en'}{word}"
        case "es" if tens == 2:
            return "veinti" + {1: "uno", 2: "dós", 3: "trés", 6: "séis"}.get(
                unit, _unit(unit, "es")
            )
        case "es":
            return f"{word} y {_unit(unit, language)}"
        case "pt":
            return f"{word} e {_unit(unit, language)}"
        case _:
            return (word[:-1] if unit in (1, 8) else word) + _unit(unit, "it")


def _french(number: int) -> str:
    tens, unit = divmod(number, 10)
    if tens in (7, 9):
        base = "soixante" if tens == 7 else "quatre-vingt"
        joiner = " et " if number == 71 else "-"
        return f"{base}{joiner}{_unit(10 + unit, 'fr')}"
    word = _TENS["fr"].split()[tens - 2]
    if not unit:
        return word
    if tens == 8:
        return f"quatre-vingt-{_unit(unit, 'fr')}"
    return f"{word} et un" if unit == 1 else f"{word}-{_unit(unit, 'fr')}"


def _english(number: int) -> str:
    thousands, rest = divmod(number, 1_000)
    hundreds, small = divmod(rest, 100)
    words = [f"{_unit(thousands, 'en')} thousand"] if thousands else []
    words += [f"{_unit(hundreds, 'en')} hundred"] if hundreds else []
    words += [f"and {_below_100(small, 'en')}"] if small else []
    return " ".join(words)


def _joined(language: str, thousand: str, hundred: str) -> Callable[[int], str]:
    """German, Dutch and Italian: one word."""

    def of(number: int) -> str:
        thousands, rest = divmod(number, 1_000)
        hundreds, small = divmod(rest, 100)
        many = _many(thousands, language) + thousand if thousands else ""
        if language == "it" and thousands == 1:
            many = "mille"
        some = (_many(hundreds, language) if hundreds > 1 else "") + hundred if hundreds else ""
        return many + some + (_below_100(small, language) if small else "")

    return of


def _many(number: int, language: str) -> str:
    if number == 1:
        return {"de": "ein", "nl": "", "it": ""}[language]
    return _unit(number, language)


def _french_large(number: int) -> str:
    thousands, rest = divmod(number, 1_000)
    hundreds, small = divmod(rest, 100)
    words = [f"{_unit(thousands, 'fr')} mille" if thousands > 1 else "mille"] if thousands else []
    if hundreds:
        words.append(f"{_unit(hundreds, 'fr')} cent" if hundreds > 1 else "cent")
    words += [_below_100(small, "fr")] if small else []
    return " ".join(words)


def _iberian(language: str) -> Callable[[int], str]:
    def of(number: int) -> str:
        thousands, rest = divmod(number, 1_000)
        hundreds, small = divmod(rest, 100)
        joiner = " e " if language == "pt" else " "
        words = (
            [f"{_unit(thousands, language)} mil" if thousands > 1 else "mil"] if thousands else []
        )
        if hundreds:
            whole = {"es": "cien", "pt": "cem"}[language]
            names = _HUNDREDS[language].split()
            words.append(whole if (hundreds, small) == (1, 0) else names[hundreds - 1])
        words += [_below_100(small, language)] if small else []
        return joiner.join(words)

    return of


_LARGE: dict[str, Callable[[int], str]] = {
    "en": _english,
    "de": _joined("de", "tausend", "hundert"),
    "nl": _joined("nl", "duizend", "honderd"),
    "it": _joined("it", "mila", "cento"),
    "fr": _french_large,
    "es": _iberian("es"),
    "pt": _iberian("pt"),
}
