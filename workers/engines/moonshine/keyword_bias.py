"""The bias of Moonshine's search towards keywords.  Pure."""

from protocol.calls.keywords import name_parts

from ..common.beam_search import Bias
from .tokens import Vocabulary

BONUS = 2.0


def bias_of(vocabulary: Vocabulary, terms: tuple[str, ...], bonus: float = BONUS) -> Bias:
    """Leans towards every spelling of terms and parts of names, but not towards common words: Will, Mark."""
    parts = [part for term in terms for part in name_parts(term)]
    rows = (
        vocabulary.tokens(spelling)
        for term in dict.fromkeys([*terms, *parts])
        if not is_common_word(vocabulary, term)
        for spelling in sorted(_spellings(term))
    )
    return Bias(rows, bonus)


def is_common_word(vocabulary: Vocabulary, name: str) -> bool:
    """Whether a name in lower case is one token: leaning would give capitals to an ordinary word."""
    return name != name.lower() and len(vocabulary.tokens(name.lower())) == 1


def _spellings(term: str) -> set[str]:
    """The spellings in which the model may write a keyword."""
    return {term, term.lower(), term.title(), term[:1].upper() + term[1:]}
