"""English number words."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "en",
    morphemes(
        units="zero/oh/nought/naught/nil one two three four five/fife six seven eight nine/niner",
        teens="ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        tens="twenty thirty forty/fourty fifty sixty seventy eighty ninety",
        hundred="hundred",
        thousand="thousand",
        million="million",
        joiner="and",
    ),
    weak=numbered(
        "o won/wan to/too/tu tree/free for/fore/four's fives sex/sics heaven ate nein/mine/nines"
    ),
    repeats={"double": 2, "triple": 3, "treble": 3, "quadruple": 4},
    times=words("times"),
    fillers=words(
        "uh um er erm ah eh hmm hm mm so then okay ok and dash hyphen space slash right yeah yes well like please"
        " next followed by it's its dot point"
    ),
    corrections=words(
        "no sorry wait actually rather correction oops scratch mean i i'm pardon make that"
    ),
    negations=words("not"),
    restarts=words("again over restart start begin"),
)
