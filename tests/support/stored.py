"""Wait for the complete transcript of a call in the store."""

from support.waiting import until_in_thread

from transcripts.store import Store
from transcripts.transcript import Transcript


async def stored_call(store: Store, call_id: str) -> Transcript:
    """Return the transcript when `call.ended` is stored.  Raises TimeoutError."""

    def complete() -> Transcript | None:
        found = store.transcript(call_id)
        return found if found and found.call.ended_reason else None

    return await until_in_thread(complete)
