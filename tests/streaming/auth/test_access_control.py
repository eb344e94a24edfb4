"""Access control: how long invalid credentials wait for their answer, on a clock of the test's own."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from support.credentials import Site, site

from broker.http.request_access import ANSWER_SECONDS
from protocol.auth.authenticator import FORBIDDEN, STRANGER, Refusal
from protocol.auth.credentials import Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from streaming.auth.access_control import AccessController
from streaming.settings import GatewaySettings

CHECKING = 0.125
"""Seconds by the test's clock that a check of credentials takes."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site(tmp_path_factory.mktemp("site"))


class Waits:
    """A controller, and the seconds that its answers were held back."""

    def __init__(self, file: Path, **settings: float) -> None:
        self.waited: list[float] = []
        self._ticks = itertools.count()
        values = GatewaySettings(keys_file=str(file), **settings)
        self.access = AccessController(values, clock=self._clock, sleep=self._sleep)

    def _clock(self) -> float:
        return 1_000.0 + CHECKING * next(self._ticks)

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    async def answer(self, key: str, wanted: Scope = Scope.INGEST) -> Permit | Refusal:
        headers = (("authorization", f"Bearer {key}"),) if key else ()
        return await self.access.authenticate(RequestCredentials("/v1/calls", headers), wanted)


@pytest.mark.parametrize(
    ("whose", "refusal"),
    [
        (lambda _: "", STRANGER),
        (lambda _: "a guess", STRANGER),
        (lambda it: it.acme[:-1] + "!", STRANGER),
        (lambda it: it.expired, STRANGER),
        (lambda it: it.revoked, STRANGER),
        (lambda it: it.acme_reader, FORBIDDEN),
    ],
    ids=["none", "guessed", "almost right", "expired", "revoked", "of another scope"],
)
async def test_invalid_credentials_are_answered_after_the_same_time_whatever_is_wrong(
    known: Site, whose: Callable[[Site], str], refusal: Refusal
) -> None:
    it = Waits(known.file)

    assert await it.answer(whose(known)) == refusal
    assert it.waited == [ANSWER_SECONDS - CHECKING]


async def test_valid_credentials_are_answered_at_once(known: Site) -> None:
    it = Waits(known.file)

    assert isinstance(await it.answer(known.acme), Permit)
    assert it.waited == []


async def test_a_valid_key_that_comes_too_often_is_told_when_to_come_again_instead(
    known: Site,
) -> None:
    it = Waits(known.file, connects_per_second=0.001)
    answers = [await it.answer(known.acme) for _ in range(50)]

    refused = [one for one in answers if isinstance(one, Refusal)]
    assert refused
    assert all((one.retry_after or 0) > 0 for one in refused)
    assert it.waited == []
