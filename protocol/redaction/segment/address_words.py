"""The words with which e-mail and web addresses are spoken."""

from collections.abc import Mapping, Sequence

from ...numbers.lexicon import Phrase, phrases, words

AT = {
    "en": words("at"), "de": words("at klammeraffe"), "fr": words("arobase"), "es": words("arroba"),
    "it": words("chiocciola"), "pt": words("arroba"), "nl": words("at apenstaartje"),
}  # fmt: skip

SEPARATORS: Mapping[str, Sequence[tuple[Phrase, str]]] = {
    language: tuple(
        (phrase, sign) for sign, text in zip("._-", said, strict=True) for phrase in phrases(text)
    )
    for language, said in {
        "en": ("dot", "underscore", "dash, hyphen"),
        "de": ("punkt, dot", "unterstrich", "bindestrich, minus, strich"),
        "fr": ("point", "tiret bas, underscore", "tiret, trait d'union"),
        "es": ("punto", "guion bajo, subrayado", "guion"),
        "it": ("punto", "trattino basso, underscore", "trattino"),
        "pt": ("ponto", "sublinhado, underline, underscore", "hifen, traco"),
        "nl": ("punt", "liggend streepje, underscore", "streepje, koppelteken"),
    }.items()
}
"""The words between the parts of an address, and their signs."""

TLDS = words("com org net info eu de fr es it pt nl uk io ai us be ch at br mx edu gov biz dev app")
