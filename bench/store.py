"""
The store at work: how fast the recorder fills it, and how fast a big one lists and searches.

    python bench/store.py --calls 100000 --store sqlite:////tmp/big.db

Fills a store with calls of 20 finals of ten words, then measures first pages of lists and searches, then lets the
recorder store further calls from the outbox of a Valkey, first into this store and then into an empty one.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import literal, select

from bench.recipe import percentile, recipe
from broker.connections.connection import connect
from broker.redis_keys import Partition
from protocol.calls.call import Role
from protocol.events import (
    CallEnded,
    CallStarted,
    ChannelTotals,
    Final,
    LoggedEvent,
    SegmentId,
    Span,
    Timing,
    Word,
)
from protocol.events.event_codec import encode_event, entry_of
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey
from transcripts.database import schema
from transcripts.database.opening import open_database
from transcripts.outbox import Recorded
from transcripts.recorder import Recorder
from transcripts.search.listing import Filters, Order
from transcripts.search.search_terms import read_query
from transcripts.settings import RecorderSettings
from transcripts.store import Store

_SEGMENTS = 20
_WORDS = 10
_DICE = random.Random(4)
_VOCABULARY = [f"word{number}" for number in range(20_000)]
_WEIGHTS = list(accumulate(1 / (number + 1) for number in range(len(_VOCABULARY))))
_BEGIN = 1_700_000_000.0


def call_events(number: int) -> list[LoggedEvent]:
    """A call of two people: 22 events."""
    roles = (Role.AGENT, Role.CUSTOMER)
    said = (("queue", f"queue-{number % 20}"), ("from", f"+1555{number:07d}"), ("trunk", "main"))
    started = CallStarted(roles, "en", "twilio", _BEGIN + 10.0 * number, said)
    length = 16_000 * (_SEGMENTS + number % 50)
    totals = ChannelTotals(transcribed=length)
    finals = [_final(number, place) for place in range(_SEGMENTS)]
    return [started, *finals, CallEnded("hangup", length, _SEGMENTS, (totals, totals))]


def _final(number: int, place: int) -> Final:
    words = _DICE.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=_WORDS)
    if place == 7 and number % 5_000 == 0:
        words[3] = "rhododendron"
    start = place * 16_000
    timed = tuple(
        Word(word, start + 800 * at, start + 800 * at + 700, 0.9) for at, word in enumerate(words)
    )
    return Final(
        SegmentId(place % 2, place // 2),
        Span(start, start + 8_000),
        timed,
        "en",
        0,
        ("Acme",) if number % 100 == 0 else (),
        "moonshine-base-en/int8",
        Timing(10, 100),
    )


def fill(store: Store, calls: range) -> None:
    """Store calls, many in one transaction."""
    batch: list[Recorded] = []
    for number in calls:
        name = f"acme/call-{number}" if number % 2 else f"call-{number}"
        events = call_events(number)
        batch += [Recorded(name, entry_of(event, seq), "a1") for seq, event in enumerate(events, 1)]
        if len(batch) > 20_000:
            store.record(batch)
            batch = []
    store.record(batch)


def tag(url: str) -> None:
    """Give each third call a tag, and few calls another one."""
    engine = open_database(url)
    with engine.begin() as connection:
        for name, nth in (("third", 3), ("rare", 9_973)):
            found = select(schema.calls.c.id, schema.calls.c.tenant, literal(name))
            rows = found.where(schema.calls.c.id % nth == 0)
            connection.execute(schema.tags.insert().from_select(["call", "tenant", "tag"], rows))
    engine.dispose()


def searches(store: Store, repeats: int) -> None:
    """Print the time of first pages: median and 95th percentile, and median CPU time of this process."""
    middle = _BEGIN + 500_000.0
    wanted = {
        "list, newest": Filters(),
        "list, longest": Filters(order=Order.LONGEST),
        "list, in a period": Filters(since=middle, before=middle + 50_000),
        "list, by keyword": Filters(keyword="acme"),
        "list, by a keyword of nobody": Filters(keyword="globex"),
        "list, by a frequent tag": Filters(tag="third"),
        "list, by a rare tag": Filters(tag="rare"),
        "list, by metadata of each 20th call": Filters(metadata=("queue", "queue-4")),
        "list, by metadata of one call": Filters(metadata=("from", "+15550000042")),
        "list, by metadata of all calls": Filters(metadata=("trunk", "main")),
        "search, the most frequent word": Filters(query=read_query("word0")),
        "search, a rare word": Filters(query=read_query("rhododendron")),
        "search, two frequent words": Filters(query=read_query("word1 word2")),
        "search, a phrase": Filters(query=read_query('"word0 word1"')),
        "search, oldest first": Filters(query=read_query("word3"), order=Order.OLDEST),
        "search, a word of nobody": Filters(query=read_query("nobody")),
        "search, by a tenant": Filters(tenant="acme", query=read_query("word0")),
        "search, by a tenant without calls": Filters(tenant="globex", query=read_query("word0")),
    }
    for name, filters in wanted.items():
        times, used = [], []
        for _ in range(repeats):
            began, cpu = time.perf_counter(), time.process_time()
            found = store.page(filters, 50)
            times.append(1_000 * (time.perf_counter() - began))
            used.append(1_000 * (time.process_time() - cpu))
        print(
            f"  {name:36} {percentile(times, 0.5):7.1f} ms (p95 {percentile(times, 0.95):6.1f}),"
            f" CPU {percentile(used, 0.5):5.1f} ms, {len(found.calls)} calls"
        )


async def recorder(url: str, calls: range) -> None:
    """Let a recorder store `calls` from the outbox of a Valkey of its own; print its speed."""
    with contextlib.closing(Store.open(url)) as store:
        async with embedded_valkey() as redis_url:
            redis = connect(RedisSettings(url=redis_url))
            outbox = Partition(0).outbox
            events = 0
            for some in _pieces(calls, 100):
                async with redis.pipeline(transaction=False) as pipe:
                    for name, seq, payload in some:
                        pipe.xadd(outbox, {"c": name, "s": seq, "e": payload, "l": "b1"})
                        events += 1
                    await pipe.execute()
            began, cpu = time.perf_counter(), time.process_time()
            work = Recorder(redis, store, [outbox], "bench", RecorderSettings())
            running = asyncio.ensure_future(work.run())
            while await redis.xlen(outbox):  # noqa: ASYNC110  # Redis does not tell when it is empty
                await asyncio.sleep(0.05)
            seconds, used = time.perf_counter() - began, time.process_time() - cpu
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await redis.aclose()
    print(
        f"  {events} events in {seconds:.1f} s: {events / seconds:.0f} events/s,"
        f" {1e6 * used / events:.0f} us of CPU each"
    )


def _pieces(calls: range, size: int) -> Iterator[list[tuple[str, int, bytes]]]:
    for first in range(calls.start, calls.stop, size):
        yield [
            (f"call-{number}", seq, encode_event(event))
            for number in range(first, min(first + size, calls.stop))
            for seq, event in enumerate(call_events(number), 1)
        ]


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--store", default="", help="SQLAlchemy URL; kept, and filled only once")
    parser.add_argument("--recorded", type=int, default=1_000, help="calls for the recorder")
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    print(recipe())
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"sqlite:///{folder}/big.db"
        with contextlib.closing(Store.open(url)) as store:
            if not store.calls(1):
                began = time.perf_counter()
                fill(store, range(options.calls))
                tag(url)
                print(f"filled with {options.calls} calls in {time.perf_counter() - began:.0f} s")
            print(f"first page of 50 calls, {options.repeats} times each:")
            searches(store, options.repeats)
        after = options.calls + int(time.time()) % 100_000_000
        print("the recorder, into this store:")
        asyncio.run(recorder(url, range(after, after + options.recorded)))
        print("the recorder, into an empty store:")
        asyncio.run(recorder(f"sqlite:///{folder}/empty.db", range(options.recorded)))


if __name__ == "__main__":
    main()
