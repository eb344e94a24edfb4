"""German number words."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "de",
    morphemes(
        units="null eins zwei/zwo drei vier funf/fuenf sechs sieben acht neun",
        teens="zehn elf zwolf/zwoelf dreizehn vierzehn funfzehn/fuenfzehn sechzehn siebzehn achtzehn neunzehn",
        tens="zwanzig dreissig/dreiszig vierzig funfzig/fuenfzig sechzig siebzig achtzig neunzig",
        hundred="hundert",
        thousand="tausend",
        million="million millionen",
        joiner="und",
    ),
    weak=numbered("o ein/eine/einen/einer"),
    compound=True,
    units_first=True,
    repeats={
        "doppel": 2, "doppelt": 2, "doppelte": 2, "zweimal": 2, "dreimal": 3, "dreifach": 3, "viermal": 4,
    },
    times=words("mal"),
    articles=words("die der das"),
    fillers=words(
        "ah ahm eh ehm hm also dann ja okay ok und strich bindestrich leerzeichen genau bitte noch weiter danach"
        " punkt"
    ),
    corrections=words("nein sorry moment quatsch stop stopp falsch entschuldigung korrektur doch ich meine halt"),
    negations=words("nicht statt"),
    restarts=words("nochmal nochmals neu"),
)  # fmt: skip
