"""assemblyai, streaming: URL WAV."""

import sys
import threading

from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
    TerminationEvent,
    TurnEvent,
)
from phone_line import KEY, report, spoken_by_a_thread


def main(url: str, path: str) -> None:
    client = StreamingClient(StreamingClientOptions(api_key=KEY, api_host=url))
    over = threading.Event()

    def turn(_client: StreamingClient, event: TurnEvent) -> None:
        report(type="Turn", **({"final": event.transcript} if event.end_of_turn else {}))

    def ended(_client: StreamingClient, event: TerminationEvent) -> None:
        report(type="Termination", seconds=event.audio_duration_seconds)
        over.set()

    client.on(StreamingEvents.Begin, lambda _client, event: report(type="Begin", id=event.id))
    client.on(StreamingEvents.Turn, turn)
    client.on(StreamingEvents.Termination, ended)
    client.on(StreamingEvents.Error, lambda _client, error: report(type="Error", error=error))
    client.connect(
        StreamingParameters(
            sample_rate=8_000,
            format_turns=True,
            keyterms_prompt=["pound key"],
            speech_model="universal-streaming-english",
        )
    )
    client.stream(spoken_by_a_thread(path))
    client.disconnect(terminate=True)
    over.wait(60)


main(*sys.argv[1:])
