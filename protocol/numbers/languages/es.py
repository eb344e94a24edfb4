"""Spanish number words."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "es",
    morphemes(
        units="cero uno dos tres cuatro cinco seis siete ocho nueve",
        teens="diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve",
        tens="veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
        hundred="",
        thousand="mil",
        million="millon millones",
        joiner="y",
        pairs=numbered(
            "veintiuno/veintiun/veintiuna veintidos veintitres veinticuatro veinticinco veintiseis veintisiete"
            " veintiocho veintinueve",
            21,
        ),
        hundreds=numbered(
            "cien/ciento doscientos/doscientas trescientos/trescientas cuatrocientos/cuatrocientas"
            " quinientos/quinientas seiscientos/seiscientas setecientos/setecientas ochocientos/ochocientas"
            " novecientos/novecientas",
            100,
            100,
        ),
    ),
    weak=numbered("o un/una"),
    and_in_tens=True,
    repeats={"doble": 2, "triple": 3},
    times=words("veces"),
    articles=words("el la"),
    fillers=words(
        "eh em este ah mm pues entonces si vale ok y guion espacio luego bueno despues por favor punto"
    ),
    corrections=words("no perdon espera espere disculpe digo mejor dicho perdona quiero decir"),
    negations=words(""),
    restarts=words("empiezo repito"),
)
