"""What a call has become in the store, once all of it is there."""

import asyncio

from transcripts.store import Store
from transcripts.transcript import Transcript

PATIENCE = 60  # seconds; only a failing test waits as long


async def stored_call(store: Store, call_id: str) -> Transcript:
    """The transcript of a call, as soon as its end is stored; TimeoutError if that does not come."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await asyncio.to_thread(store.transcript, call_id)
            if found and found.call.ended_reason:
                return found
