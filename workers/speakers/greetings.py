"""
Finds the phrases with which agents open calls.  Pure.

Phrases are compared without capitals, accents and signs: the hyphen and the apostrophe separate words. `*` stands
for up to four words, `a/b` for one word or the other. Languages without phrases have no greetings.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Greeting:
    """A phrase of an agent in a segment: the words `[first, last]`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Phrases:
    agents: tuple[str, ...]
    """
    What other speakers do not say in their first sentences.

    A name with a company is no such phrase: callers from companies say it too.
    """

    others: tuple[str, ...] = ()
    """What is no greeting although it begins like one."""


_LANGUAGES = {
    "en": _Phrases(
        agents=(
            "thank/thanks * for calling/contacting",
            "how can/may/could i/we help/assist",
            "how can/may i direct your call",
            "this/your/the call is/may/will/might * recorded/monitored",
            "calls are/may/will/might * recorded/monitored",
        ),
        others=(
            "thank/thanks * for calling/contacting me",
            "thank/thanks * for calling/contacting back/again",
            "thank/thanks * for calling/contacting us/me back/again",
        ),
    ),
    "de": _Phrases(
        agents=(
            "dank/danke für ihren/deinen anruf",
            "wie kann/darf/können ich/wir helfen/weiterhelfen",
            "wie kann/darf/können ich/wir ihnen/dir * helfen/weiterhelfen/behilflich",
            "womit kann/darf ich ihnen/dir * helfen/weiterhelfen/dienen",
            "gespräch/anruf/telefonat wird/kann * aufgezeichnet",
        ),
    ),
    "es": _Phrases(
        agents=(
            "gracias por llamar/comunicarse/contactar",
            "gracias por su/tu llamada",
            "en qué le/te/lo/la puedo ayudar/servir",
            "en qué puedo ayudarle/ayudarte/ayudarlo/ayudarla/servirle",
            "cómo puedo ayudarle/ayudarte/ayudarlo/ayudarla",
            "cómo le/te/lo/la puedo ayudar",
            "llamada será/puede/está/podrá * grabada",
        ),
        others=("gracias por llamar de vuelta", "gracias por llamar otra vez"),
    ),
    "fr": _Phrases(
        agents=(
            "merci de/pour votre/ton appel",
            "merci d avoir appelé/contacté",
            "merci de nous avoir appelés/appelé/contactés/contacté",
            "comment puis je vous/t aider",
            "comment puis je vous être utile",
            "en quoi puis je vous aider",
            "en quoi puis je vous être utile",
            "appel/conversation est/sera/peut/pourra * enregistré/enregistrée",
        ),
    ),
    "it": _Phrases(
        agents=(
            "grazie per aver chiamato/contattato",
            "grazie per averci chiamato/chiamati/contattato/contattati",
            "grazie per la sua/tua chiamata/telefonata",
            "come posso aiutarla/aiutarti/aiutare",
            "come la/ti posso aiutare",
            "in che/cosa posso aiutarla/aiutarti",
            "in che/cosa/come posso esserle/esserti utile",
            "come posso esserle/esserti utile/aiuto",
            "chiamata/telefonata/conversazione è/sarà/può/potrà/potrebbe * registrata",
        ),
        others=("grazie per aver chiamato di/ancora",),
    ),
    "pt": _Phrases(
        agents=(
            "obrigado/obrigada por ligar/contatar/contactar",
            "obrigado/obrigada por nos ligar/contatar/contactar",
            "obrigado/obrigada pela sua/tua ligação/chamada",
            "obrigado/obrigada por sua ligação/chamada",
            "em que posso ajudar/ajudá",
            "em que posso ser útil",
            "em que lhe posso ser útil",
            "como posso ajudar/ajudá",
            "como lhe/o/a posso ajudar",
            "chamada/ligação será/pode/está/poderá * gravada",
        ),
        others=("obrigado/obrigada por ligar de", "obrigado/obrigada por ligar novamente/outra"),
    ),
}  # fmt: skip


def greetings(words: Sequence[str], language: str) -> list[Greeting]:
    """The greetings of agents in the words of a segment, in order.  `language`: ISO 639 code of the text."""
    patterns = _PATTERNS.get(language)
    if patterns is None:
        return []
    tokens = [(token, place) for place, word in enumerate(words) for token in _plain(word).split()]
    text = f" {' '.join(token for token, _ in tokens)} "
    barred = {match.start() for match in patterns.others.finditer(text)}
    places = [place for _, place in tokens]
    return [
        _greeting(text, match, places)
        for match in patterns.agents.finditer(text)
        if match.start() not in barred
    ]


@dataclass(frozen=True, slots=True)
class _Patterns:
    agents: re.Pattern[str]
    others: re.Pattern[str]


def _greeting(text: str, match: re.Match[str], places: Sequence[int]) -> Greeting:
    first = text.count(" ", 0, match.start())
    last = first + match[0].strip().count(" ")
    return Greeting(places[first], places[last])


def _plain(text: str) -> str:
    """Without capitals and accents; signs become spaces."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(part for part in parts if not unicodedata.combining(part))
    return "".join(letter if letter.isalnum() else " " for letter in letters)


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Matches a phrase in a text of plain words with a space around each; nothing, if there are no phrases."""
    return re.compile("|".join(map(_phrase, phrases)) or r"(?!)")


def _phrase(phrase: str) -> str:
    parts = []
    for part in phrase.split():
        choices = "|".join(re.escape(_plain(choice).strip()) for choice in part.split("/"))
        parts.append(r"(?: \S+){0,4}?" if part == "*" else f" (?:{choices})")
    return f"(?:{''.join(parts)}(?= ))"


_PATTERNS = {
    language: _Patterns(_pattern(one.agents), _pattern(one.others))
    for language, one in _LANGUAGES.items()
}
