"""Wait for the complete transcript of a call in the store."""

import asyncio

from transcripts.store import Store
from transcripts.transcript import Transcript

PATIENCE = 60  # seconds; only a failing test waits that long


async def stored_call(store: Store, call_id: str) -> Transcript:
    """Return the transcript when `call.ended` is stored.  Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await asyncio.to_thread(store.transcript, call_id)
            if found and found.call.ended_reason:
                return found
