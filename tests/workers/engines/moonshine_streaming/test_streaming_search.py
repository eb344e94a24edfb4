"""The search writes the tokens of transformers' `generate()`, whatever draft it is given."""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import numpy as np
import pytest

made_moonshine = pytest.importorskip("support.made_moonshine")

from workers.engines.base import Samples  # noqa: E402 - needs the optional extra
from workers.engines.common.beam_search import Found  # noqa: E402
from workers.engines.moonshine_streaming.decoder import StreamingDecoder  # noqa: E402
from workers.engines.moonshine_streaming.encoder import StreamingEncoder  # noqa: E402
from workers.engines.moonshine_streaming.open_utterances import OpenUtterances  # noqa: E402
from workers.engines.moonshine_streaming.search import (  # noqa: E402
    DraftedSearch,
    Tokens,
    most_tokens,
)

_Result = TypeVar("_Result")

CLIPS = [made_moonshine.speech(0.3 + 0.17 * seed, seed) for seed in range(14)]


def finished(steps: Generator[None, None, _Result]) -> _Result:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: _Result = done.value
            return result


class Searched:
    """The search on one model; counts the runs of the decoder."""

    def __init__(self, model: Any) -> None:
        decoder = StreamingDecoder(model)
        self._open = OpenUtterances(StreamingEncoder(model.model.encoder), decoder)
        self._search = DraftedSearch(decoder, Tokens(made_moonshine.START, made_moonshine.END))
        self.runs = 0
        model.proj_out.register_forward_hook(self._count)

    def found(self, samples: Samples, draft: Sequence[int] = ()) -> Found:
        heard = finished(self._open.whole(samples))
        self.runs = 0
        return finished(self._search.run(heard, len(samples) / 16_000, draft))

    def _count(self, *_: object) -> None:
        self.runs += 1


@pytest.fixture(scope="session")
def searched(vendor: Any) -> Searched:
    return Searched(vendor)


@pytest.fixture(scope="session")
def generated(vendor: Any) -> list[list[int]]:
    """What `generate()` writes for each clip."""
    return [made_moonshine.generated(vendor, one, most_tokens(len(one) / 16_000)) for one in CLIPS]


def test_the_tokens_are_those_of_generate(searched: Searched, generated: list[list[int]]) -> None:
    found = [list(searched.found(one).tokens) for one in CLIPS]

    assert found == generated
    assert len({tuple(one) for one in found}) == len(CLIPS)
    assert sum(map(len, found)) > 8 * len(CLIPS)


def test_any_draft_leaves_the_tokens_as_they_are(
    searched: Searched, generated: list[list[int]]
) -> None:
    pick = np.random.default_rng(7)
    for number, (clip, tokens) in enumerate(zip(CLIPS[:10], generated, strict=False)):
        changed = [*tokens]
        changed[len(changed) // 2] = int(pick.integers(3, 300))
        noise = pick.integers(0, 300, 40).tolist()
        drafts = [
            tokens, tokens[:-3], changed, changed[2:], generated[number - 1], noise,
            [made_moonshine.END] * 5, tokens * 30,
        ]  # fmt: skip

        found = [list(searched.found(clip, draft).tokens) for draft in drafts]

        assert found == [tokens] * len(drafts)


def test_a_right_draft_is_read_in_one_run(searched: Searched, generated: list[list[int]]) -> None:
    long = max(range(len(CLIPS)), key=lambda one: len(generated[one]))
    plain = searched.found(CLIPS[long])
    runs_without = searched.runs

    drafted = searched.found(CLIPS[long], generated[long])

    assert searched.runs == 1
    assert runs_without > 1
    assert drafted.tokens == plain.tokens
    np.testing.assert_allclose(drafted.log_probs, plain.log_probs, atol=1e-4)


def test_behind_a_changed_token_the_draft_is_used_again(
    searched: Searched, generated: list[list[int]]
) -> None:
    long = max(range(len(CLIPS)), key=lambda one: len(generated[one]))
    inserted = [*generated[long][:5], 299, 298, *generated[long][5:]]

    searched.found(CLIPS[long], inserted)

    assert searched.runs < len(generated[long]) / 2


def test_a_text_ends_at_its_limit(searched: Searched) -> None:
    for clip in CLIPS:
        most = most_tokens(len(clip) / 16_000)

        found = searched.found(clip)

        assert len(found.tokens) <= most
        assert found.complete == (len(found.tokens) < most)
