"""A prompt as a phone sends it.  Scripts in the clients' environment use it, so it imports no Trunkline module."""

import asyncio
import json
import os
import sys
import time
import wave
from collections.abc import AsyncIterator, Iterator

KEY = os.environ["CLIENT_KEY"]
"""The API key that the client sends."""

FRAME_SECONDS = 0.02
TAIL_SECONDS = 1.5
"""Silence behind the words, as a line that stays open has it."""


def frames(path: str) -> list[bytes]:
    """16 bit at 8 kHz, 20 ms each, with the tail."""
    with wave.open(path) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8_000, 2, 1)
        pcm = file.readframes(file.getnframes())
    pcm += bytes(int(TAIL_SECONDS * 16_000))
    return [pcm[start : start + 320] for start in range(0, len(pcm) - 319, 320)]


async def spoken(path: str) -> AsyncIterator[bytes]:
    """The frames in real time."""
    began = time.monotonic()
    for number, frame in enumerate(frames(path)):
        await asyncio.sleep(began + number * FRAME_SECONDS - time.monotonic())
        yield frame


def spoken_by_a_thread(path: str) -> Iterator[bytes]:
    """The same for clients that block; AssemblyAI wants 50 ms or more at a time."""
    began, all_frames = time.monotonic(), frames(path)
    for number in range(0, len(all_frames), 5):
        time.sleep(max(0.0, began + number * FRAME_SECONDS - time.monotonic()))
        yield b"".join(all_frames[number : number + 5])


def report(**line: object) -> None:
    """One line for the test."""
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()
