"""French number words, with those of Belgium and Switzerland."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "fr",
    morphemes(
        units="zero un deux trois quatre cinq six sept huit neuf",
        teens="dix onze douze treize quatorze quinze seize",
        tens="vingt/vingts trente quarante cinquante soixante septante huitante/octante nonante",
        hundred="cent cents",
        thousand="mille",
        million="million millions",
        joiner="et",
    ),
    weak=numbered("o une/hein de toi/trop cat/quatres saint 6 cet/cette huits neufs"),
    scores=True,
    repeats={"double": 2, "triple": 3},
    times=words("fois"),
    articles=words("le la les"),
    fillers=words(
        "euh heu hum ah alors puis ensuite oui ok d'accord et tiret espace voila donc bon apres s'il vous plait"
        " point"
    ),
    corrections=words("non pardon attendez desole desolee plutot erreur excusez je veux dire moi"),
    negations=words("pas"),
    restarts=words("recommence reprends"),
)
