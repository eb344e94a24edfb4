"""Dutch number words."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "nl",
    morphemes(
        units="nul een/eens twee drie vier vijf zes zeven acht negen",
        teens="tien elf twaalf dertien veertien vijftien zestien zeventien achttien negentien",
        tens="twintig dertig veertig vijftig zestig zeventig tachtig negentig",
        hundred="honderd",
        thousand="duizend",
        million="miljoen",
        joiner="en",
    ),
    weak=numbered("o"),
    compound=True,
    units_first=True,
    repeats={"dubbel": 2, "dubbele": 2, "tweemaal": 2, "driemaal": 3, "driedubbel": 3, "viermaal": 4},
    times=words("keer maal"),
    articles=words("de het een"),
    fillers=words(
        "eh ehm uh uhm hm dus dan ja oke ok en streepje spatie precies alstublieft nog verder daarna punt"
    ),
    corrections=words("nee sorry wacht fout pardon correctie ik bedoel"),
    negations=words("niet"),
    restarts=words("opnieuw"),
)  # fmt: skip
