"""
Measure the optional engine for names and addresses: recall, words masked by mistake, and milliseconds for a final.

    python bench/redaction_names.py --models en=en_core_web_sm,fr=fr_core_news_sm

Needs the extra `names` and the models. The sentences are made from lists: names of several origins, and places.
They are given as an engine with capitals writes them, and in lower case. A name counts as masked if all its words
are.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import percentile, recipe
from workers.names.presidio import PresidioNames, models_of

_NAMES = (
    "James Miller", "Olivia Johnson", "Priya Raghavan", "Mehmet Yılmaz", "Ngozi Okafor", "Sean O'Leary",
    "Anna Schmidt", "Chloé Lefèvre", "Luis Hernández", "Wei Zhang", "Fatima Haddad", "Mr Whitlock", "Margaret",
    "Aoife", "Dwayne Carter",
)  # fmt: skip
_PLACES = (
    "12 Oak Street", "48 Rue de la Paix", "Springfield", "Stockton on Tees", "Berlin", "7 Mill Lane, Leeds",
    "350 Fifth Avenue",
)  # fmt: skip
_SAID = {
    "en": (
        [
            "my name is {}",
            "this is {} calling about my bill",
            "could you put me through to {} please",
        ],
        ["I live at {}", "please send it to {}"],
    ),
    "fr": (
        ["je m'appelle {}", "c'est {} à l'appareil", "pouvez-vous me passer {} s'il vous plaît"],
        ["j'habite {}", "envoyez-le à {} s'il vous plaît"],
    ),
}
_WITHOUT = {
    "en": [
        "my internet has been down since this morning", "I would like to cancel my order please",
        "the invoice says twenty five dollars", "can you hold the line for a moment", "thank you, have a nice day",
        "I already restarted the router twice", "the green light is blinking", "I paid by card on Monday",
    ],
    "fr": [
        "ma connexion ne marche plus depuis ce matin", "je voudrais annuler ma commande", "merci et bonne journée",
        "pouvez-vous patienter un instant", "j'ai déjà redémarré la box", "le voyant vert clignote",
        "j'ai payé par carte lundi", "la facture est de vingt-cinq euros",
    ],
}  # fmt: skip

Sentence = tuple[str, str, list[str], set[int]]
"""Kind, language, words, and the indices of the words that must be masked."""


def sentences(language: str) -> Iterator[Sentence]:
    """The sentences of a language."""
    for kind, frames, names in zip(
        ("name", "address"), _SAID[language], (_NAMES, _PLACES), strict=True
    ):
        for frame, name in product(frames, names):
            first = len(frame.partition("{}")[0].split())
            places = set(range(first, first + len(name.split())))
            yield kind, language, frame.format(name).split(), places
    for sentence in _WITHOUT[language]:
        yield "none", language, sentence.split(), set()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--models", required=True)
    models = models_of(parser.parse_args().models)
    print(recipe())
    names, seconds = PresidioNames(models), []
    good, total = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for kind, language, words, secret in (one for code in models for one in sentences(code)):
        for way, said in (("capitals", words), ("lower case", [one.lower() for one in words])):
            began = time.process_time()
            masks = names.find(said, language)
            seconds.append(time.process_time() - began)
            hidden = {at for mask in masks for at in range(mask.first, mask.last + 1)}
            total[kind, language, way] += 1
            good[kind, language, way] += bool(hidden) if kind == "none" else secret <= hidden
    for key in sorted(total):
        print(f"{' '.join(key):24} masked {good[key]} of {total[key]}")
    warm = sorted(seconds[10:])
    print(
        f"CPU ms: median {1e3 * percentile(warm, 0.5):.1f}, p99 {1e3 * percentile(warm, 0.99):.1f}"
    )


if __name__ == "__main__":
    main()
