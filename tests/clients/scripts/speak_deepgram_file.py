"""deepgram-sdk, pre-recorded: URL WAV."""

import sys
from pathlib import Path

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from phone_line import KEY, report


def main(url: str, path: str) -> None:
    here = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    client = DeepgramClient(api_key=KEY, environment=here)
    answer = client.listen.v1.media.transcribe_file(
        request=Path(path).read_bytes(), model="nova-3", keyterm=["pound key"]
    )
    best = answer.results.channels[0].alternatives[0]
    report(final=best.transcript, body=answer.model_dump(), parsed=type(answer).__name__)


main(*sys.argv[1:])
