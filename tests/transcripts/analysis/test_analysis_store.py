"""Work on analyses is derived from the store, claimed once, and outlives the process that has claimed it."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
from support.call_records import ended, final, recorded, started
from support.stores import with_tables

from protocol.events import SegmentRevised
from transcripts.analysis.analysis_store import LEASE_SECONDS, AnalysisStore
from transcripts.analysis.values import Analysis, AnalysisJob, AnalysisState, Answered, Coverage
from transcripts.database.opening import open_database
from transcripts.store import Store

NOW = 1_700_000_100.0
DAY = 86_400.0
ANSWER = Answered({"summary": "an invoice"}, "small-1", "v3", Coverage(7, 7, 1), 120, 30, 900)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    opened = Store(open_database(with_tables(store_url)), clock)
    yield opened
    opened.close()


@pytest.fixture
def analyses(store: Store) -> AnalysisStore:
    store.record(recorded("acme/c1", started(), final("hello"), ended()))
    return store.analyses


def everything(jobs: Sequence[AnalysisJob], _: Mapping[str, int]) -> Sequence[AnalysisJob]:
    return jobs


def claimed(analyses: AnalysisStore) -> AnalysisJob:
    (job,) = analyses.claim(everything)
    return job


def state_of(analyses: AnalysisStore, call_id: str = "acme/c1") -> AnalysisState | None:
    found = analyses.of_call(call_id)
    return found.state if found else None


def test_an_answer_is_stored_with_model_template_tokens_and_time(
    analyses: AnalysisStore, clock: Clock
) -> None:
    analyses.enlist(DAY, 0.0, None)
    job = claimed(analyses)
    assert state_of(analyses) is AnalysisState.RUNNING
    assert analyses.done(job, ANSWER)
    assert analyses.of_call("acme/c1") == Analysis(AnalysisState.DONE, 1, "", NOW, ANSWER)
    assert analyses.enlist(DAY, 0.0, None) == 0


def test_only_calls_that_have_ended_lately_are_enlisted(
    analyses: AnalysisStore, store: Store
) -> None:
    store.record(recorded("acme/live", started(), final("hello")))
    store.record(recorded("acme/old", started(NOW - 2 * DAY), ended()))
    store.record(recorded("acme/two", started(), ended()))
    store.record(recorded("acme/two~2", started(), final("hello")))
    store.record(recorded("globex/c1", started(), ended()))

    assert analyses.enlist(DAY, 0.0, ["acme"]) == 1
    assert state_of(analyses) is AnalysisState.WAITING
    assert analyses.enlist(DAY, 0.0, None) == 1
    assert state_of(analyses, "globex/c1") is AnalysisState.WAITING


def test_a_call_is_claimed_once_until_the_claim_ends(analyses: AnalysisStore, clock: Clock) -> None:
    analyses.enlist(DAY, 5.0, None)
    assert analyses.claim(everything) == []
    clock.now += 5
    first = claimed(analyses)
    assert analyses.claim(everything) == []
    clock.now += LEASE_SECONDS / 2
    assert analyses.renew(first)
    clock.now += LEASE_SECONDS / 2
    assert analyses.claim(everything) == []
    clock.now += LEASE_SECONDS
    second = claimed(analyses)

    assert (first.attempts, second.attempts) == (1, 2)
    assert not analyses.renew(first)
    assert not analyses.done(first, ANSWER)
    assert analyses.done(second, ANSWER)


def test_a_failed_attempt_is_made_again_after_its_pause(
    analyses: AnalysisStore, clock: Clock
) -> None:
    analyses.enlist(DAY, 0.0, None)
    assert analyses.try_later(claimed(analyses), 30.0, "no answer")
    assert analyses.claim(everything) == []
    clock.now += 30
    job = claimed(analyses)
    assert analyses.give_up(job, AnalysisState.FAILED, "no answer")
    assert analyses.of_call("acme/c1") == Analysis(
        AnalysisState.FAILED, 2, "no answer", clock.now, None
    )
    assert analyses.claim(everything) == []


def test_one_that_was_asked_for_again_keeps_its_answer_until_there_is_another(
    analyses: AnalysisStore,
) -> None:
    analyses.enlist(DAY, 0.0, None)
    job = claimed(analyses)
    analyses.done(job, ANSWER)
    assert analyses.ask_again("acme/c1")
    found = analyses.of_call("acme/c1")
    assert found is not None
    assert (found.state, found.answered) == (AnalysisState.WAITING, ANSWER)
    assert claimed(analyses).attempts == 1
    assert not analyses.ask_again("acme/unknown")


def test_hourly_numbers_count_each_tenant_by_itself(analyses: AnalysisStore, store: Store) -> None:
    store.record(recorded("globex/c1", started(), ended()))
    analyses.enlist(DAY, 0.0, None)
    seen: list[Mapping[str, int]] = []

    def first(jobs: Sequence[AnalysisJob], begun: Mapping[str, int]) -> Sequence[AnalysisJob]:
        seen.append(begun)
        return jobs[:1]

    (one,) = analyses.claim(first)
    analyses.claim(first)
    assert seen == [{}, {one.tenant: 1}]


@pytest.mark.parametrize("change", ["revised", "later stream", "later stream deleted", "deleted"])
def test_an_answer_about_words_that_have_changed_is_deleted(
    analyses: AnalysisStore, store: Store, change: str
) -> None:
    if change == "later stream deleted":
        store.record(recorded("acme/c1~2", started(), final("more"), ended()))
    analyses.enlist(DAY, 0.0, None)
    job = claimed(analyses)
    match change:
        case "revised":
            store.record(recorded("acme/c1", SegmentRevised(final("[NUMBER]"))))
        case "later stream":
            store.record(recorded("acme/c1~2", started(), final("more"), ended()))
        case "later stream deleted":
            store.delete("acme/c1~2")
        case _:
            store.delete("acme/c1")
    assert not analyses.done(job, ANSWER)
    assert analyses.of_call("acme/c1") is None
    assert analyses.enlist(DAY, 0.0, None) == (0 if change == "deleted" else 1)
