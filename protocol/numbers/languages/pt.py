"""Portuguese number words, of Brazil and of Portugal."""

from ..lexicon import Lexicon, morphemes, numbered, words

LEXICON = Lexicon(
    "pt",
    morphemes(
        units="zero um/uma dois/duas tres quatro cinco seis/meia sete oito nove",
        teens="dez onze doze treze catorze/quatorze quinze dezesseis/dezasseis dezessete/dezassete dezoito"
        " dezenove/dezanove",
        tens="vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
        hundred="",
        thousand="mil",
        million="milhao milhoes",
        joiner="e",
        hundreds=numbered(
            "cem/cento duzentos/duzentas trezentos/trezentas quatrocentos/quatrocentas quinhentos/quinhentas"
            " seiscentos/seiscentas setecentos/setecentas oitocentos/oitocentas novecentos/novecentas",
            100,
            100,
        ),
    ),
    weak=numbered("o"),
    and_in_tens=True,
    repeats={"duplo": 2, "dobro": 2, "triplo": 3},
    times=words("vezes"),
    articles=words("o a"),
    fillers=words(
        "eh ah hum ha entao depois sim ok certo e hifen traco espaco bom ta por favor ai ponto"
    ),
    corrections=words("nao desculpe desculpa espera espere alias perdao digo quero dizer"),
    negations=words(""),
    restarts=words("recomeco repito"),
)
