"""OpenAI's SDK, recordings: URL FILE..."""

import sys
from pathlib import Path

from openai import OpenAI
from phone_line import KEY, report


def main(url: str, *paths: str) -> None:
    client = OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)
    for path in paths:
        content = Path(path).read_bytes()
        answer = client.audio.transcriptions.create(
            model="whisper-1", file=(Path(path).name, content), prompt="pound key"
        )
        report(final=answer.text, parsed=type(answer).__name__)
    verbose = client.audio.transcriptions.create(
        model="whisper-1",
        file=("call.wav", content),
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    report(final=verbose.text, parsed=type(verbose).__name__, words=len(verbose.words or ()))
    for form in ("srt", "vtt", "text"):
        text = client.audio.transcriptions.create(
            model="whisper-1", file=("call.wav", content), response_format=form
        )
        report(form=form, text=str(text))
    streamed = client.audio.transcriptions.create(
        model="whisper-1", file=("call.wav", content), stream=True
    )
    for event in streamed:
        report(event=event.type, text=getattr(event, "text", ""))


main(*sys.argv[1:])
