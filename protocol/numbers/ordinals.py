"""Ordinal number words, in seven languages: each as the cardinal from which it is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from .lexicon import Kind
from .morphemes import split
from .tokens import Token


def _pairs(text: str) -> dict[str, str]:
    """`first/one` as a mapping; alternatives of one cardinal are joined by commas."""
    found: dict[str, str] = {}
    for pair in text.split():
        ordinals, cardinal = pair.split("/")
        found |= dict.fromkeys(ordinals.split(","), cardinal)
    return found


_IRREGULAR: Mapping[str, Mapping[str, str]] = {
    "en": _pairs(
        "first/one second/two third/three fifth/five eighth/eight ninth/nine twelfth/twelve"
    ),
    "de": _pairs(
        "erste,ersten,erster,erstes,erstem/eins dritte,dritten,dritter,drittes,drittem/drei"
        " siebte,siebten,siebter,siebtes,siebtem/sieben achte,achten,achter,achtes,achtem/acht"
    ),
    "fr": _pairs(
        "premier,premiere/un quatrieme/quatre cinquieme/cinq neuvieme/neuf unieme/un"
        " second,seconde/deux"
    ),
    "es": _pairs(
        "primero,primera,primer/uno segundo,segunda/dos tercero,tercera,tercer/tres cuarto,cuarta/cuatro"
        " quinto,quinta/cinco sexto,sexta/seis septimo,septima/siete octavo,octava/ocho noveno,novena/nueve"
        " decimo,decima/diez undecimo,undecima/once duodecimo,duodecima/doce vigesimo,vigesima/veinte"
        " trigesimo,trigesima/treinta cuadragesimo,cuadragesima/cuarenta centesimo,centesima/cien"
        " quincuagesimo,quincuagesima/cincuenta"
    ),
    "it": _pairs(
        "primo,prima/uno secondo,seconda/due terzo,terza/tre quarto,quarta/quattro quinto,quinta/cinque"
        " sesto,sesta/sei settimo,settima/sette ottavo,ottava/otto nono,nona/nove decimo,decima/dieci"
    ),
    "pt": _pairs(
        "primeiro,primeira/um segundo,segunda/dois terceiro,terceira/tres quarto,quarta/quatro"
        " quinto,quinta/cinco sexto,sexta/seis setimo,setima/sete oitavo,oitava/oito nono,nona/nove"
        " decimo,decima/dez vigesimo,vigesima/vinte trigesimo,trigesima/trinta centesimo,centesima/cem"
        " quadragesimo,quadragesima/quarenta quinquagesimo,quinquagesima/cinquenta"
    ),
    "nl": _pairs("eerste/een derde/drie achtste/acht"),
}  # fmt: skip


def _english(word: str) -> Iterator[str]:
    if word.endswith("ieth"):
        yield word.removesuffix("ieth") + "y"
    if word.endswith("th"):
        yield word.removesuffix("th")


def _german(word: str) -> Iterator[str]:
    stem = word[:-1] if word[-1:] in "nrsm" and word[-2:-1] == "e" else word
    for ordinal, cardinal in (("ste", ""), ("te", ""), ("erste", "eins"), ("dritte", "drei")):
        if stem.endswith(ordinal):
            yield stem.removesuffix(ordinal) + cardinal


def _french(word: str) -> Iterator[str]:
    if word.endswith("ieme"):
        stem = word.removesuffix("ieme")
        yield from (stem, stem + "e", stem + "s")


def _italian(word: str) -> Iterator[str]:
    if word.endswith(("esimo", "esima")):
        stem = word[:-5]
        yield from (stem + vowel for vowel in ("", "o", "e", "i", "a"))


def _dutch(word: str) -> Iterator[str]:
    for ordinal in ("ste", "de"):
        if word.endswith(ordinal):
            yield word.removesuffix(ordinal)


def _by_list_only(_word: str) -> Iterator[str]:
    yield from ()


_REGULAR: Mapping[str, Callable[[str], Iterator[str]]] = {
    "en": _english, "de": _german, "fr": _french, "it": _italian, "nl": _dutch,
}  # fmt: skip
"""The cardinals that a word may be made from, by language."""


@lru_cache(maxsize=4_096)
def cardinal_of(word: str, language: str) -> str:
    """The cardinal of a folded ordinal: `twentieth` gives `twenty`. Empty if the word is no ordinal."""
    if found := _IRREGULAR.get(language, {}).get(word):
        return found
    candidates = _REGULAR.get(language, _by_list_only)(word)
    return next((one for one in candidates if _is_cardinal(one, language)), "")


def _is_cardinal(word: str, language: str) -> bool:
    parts = split(word, language)
    return bool(parts) and parts[-1][0] not in (Kind.AND, Kind.MILLION)


def with_cardinals(
    tokens: Sequence[Token], language: str
) -> tuple[tuple[Token, ...], frozenset[int]]:
    """The tokens with ordinals written as cardinals, and the indices of those."""
    found = {
        at: one for at, token in enumerate(tokens) if (one := cardinal_of(token.text, language))
    }
    changed = (
        replace(token, text=found[at]) if at in found else token for at, token in enumerate(tokens)
    )
    return tuple(changed), frozenset(found)
