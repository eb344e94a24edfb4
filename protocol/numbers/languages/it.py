"""Italian number words. `vent`, `trent` ...: the elided forms before `uno` and `otto`."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "it",
    morphemes(
        units="zero uno due tre quattro cinque sei sette otto nove",
        teens="dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove",
        tens="venti/vent trenta/trent quaranta/quarant cinquanta/cinquant sessanta/sessant settanta/settant"
        " ottanta/ottant novanta/novant",
        hundred="cento cent",
        thousand="mille mila",
        million="milione milioni",
    ),
    weak=numbered("o un/una duo/du tra/tre' quatro cinqui sai/lei set/sete oto move/nuove"),
    compound=True,
    repeats={"doppio": 2, "doppia": 2, "triplo": 3, "tripla": 3},
    times=words("volte"),
    articles=words("lo la il"),
    fillers=words(
        "eh ehm ah uh allora poi si ok e ed trattino spazio bene dunque dopo per favore ecco quindi va punto"
    ),
    corrections=words("no scusi scusa aspetti aspetta anzi errore pardon voglio dire volevo"),
    negations=words("non"),
    restarts=words("ricomincio ripeto daccapo"),
)
