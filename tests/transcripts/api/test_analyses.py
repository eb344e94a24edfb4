"""Analyses over HTTP: read, ask again, and delete with the call."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.api import RunningApi, bearer, running_api
from support.call_records import CALL, final, recorded, started
from support.chat_server import fitting
from support.credentials import Site, site

from cli import keys
from protocol.auth.credentials import Scope
from transcripts.analysis.template import DEFAULT
from transcripts.analysis.values import AnalysisState, Answered, Coverage
from transcripts.api.settings import ApiSettings
from transcripts.store import Store

SUMMARY = "the zebra crossed the invoice"


@pytest.fixture
def made(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.fixture
def admin(made: Site) -> str:
    scopes = (Scope.ADMIN,)
    return keys.create(made.file, owner="acme", scopes=scopes, days=None, note="", now=0.0)


@pytest.fixture
async def api(redis: Redis, store: Store, made: Site, admin: str) -> AsyncIterator[RunningApi]:
    store.record(recorded("acme/c1", *CALL))
    store.record(recorded("acme/live", started(), final("hello")))
    analysed(store)
    async with running_api(redis, store, ApiSettings(keys_file=str(made.file))) as running:
        yield running


def analysed(store: Store) -> None:
    store.analyses.ask_again("acme/c1")
    (job,) = store.analyses.claim(lambda jobs, _: jobs)
    answer = fitting(DEFAULT.schema) | {"summary": SUMMARY}
    store.analyses.done(job, Answered(answer, "small", "default-1", Coverage(9, 4, 2), 7, 3, 900))


async def test_an_analysis_is_read_alone_and_with_its_call(api: RunningApi, made: Site) -> None:
    key = bearer(made.acme_reader)
    alone = (await api.client.get("/v1/calls/c1/analysis", headers=key)).json()
    call = (await api.client.get("/v1/calls/c1", headers=key)).json()
    without = (await api.client.get("/v1/calls/live", headers=key)).json()

    assert call["analysis"] == alone
    assert without["analysis"] is None
    result = alone["result"]
    assert alone["state"] == "done"
    assert result["summary"] == SUMMARY
    assert result["action_items"] == [{"text": "they talked about an invoice", "owner": "agent"}]
    assert (result["segments_read"], result["segments"], result["parts"]) == (4, 9, 2)
    assert (result["model"], result["template"]) == ("small", "default-1")


async def test_a_call_is_analysed_again_by_a_key_that_may_write(
    api: RunningApi, made: Site, store: Store
) -> None:
    path = "/v1/calls/c1/analysis"
    refused = await api.client.post(path, headers=bearer(made.acme_reader))
    accepted = await api.client.post(path, headers=bearer(made.acme))
    live = await api.client.post("/v1/calls/live/analysis", headers=bearer(made.acme))

    assert refused.status_code == 403
    assert (accepted.status_code, accepted.json()["state"]) == (202, AnalysisState.WAITING)
    assert accepted.json()["result"]["summary"] == SUMMARY
    assert (live.status_code, live.json()["error"]["code"]) == (409, "call_in_progress")
    assert [job.call_id for job in store.analyses.claim(lambda jobs, _: jobs)] == ["acme/c1"]


async def test_of_a_call_that_was_not_analysed_and_of_another_tenant_there_is_none(
    api: RunningApi, made: Site
) -> None:
    ours = await api.client.get("/v1/calls/live/analysis", headers=bearer(made.acme))
    theirs = await api.client.get("/v1/calls/c1/analysis", headers=bearer(made.globex))

    assert (ours.status_code, ours.json()["error"]["code"]) == (404, "no_analysis")
    assert (theirs.status_code, theirs.json()["error"]["code"]) == (404, "no_such_call")


async def test_deleting_a_call_erases_what_was_answered_about_it(
    api: RunningApi, admin: str, store: Store, store_url: str
) -> None:
    answer = await api.client.delete("/v1/calls/c1", headers=bearer(admin))

    assert answer.status_code == 204
    file = Path(store_url.removeprefix("sqlite:///"))
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM analyses").fetchone() == (0,)
    kept = [one.read_bytes() for one in file.parent.glob(f"{file.name}*")]
    assert not any(b"zebra" in one for one in kept)
