"""The folder of recordings beside the project: the option of the benches that measure on it."""

import argparse
from pathlib import Path

from bench.recipe import recipe
from cli.common import engine_loaded
from streaming.audio.voice_activity.silero import Silero, silero_weights
from workers.engines.base import Engine

_SHARED_AUDIO = Path(__file__).parent.parent.parent / "shared" / "audio"


def add_audio_option(parser: argparse.ArgumentParser, folder: str = "manifest.jsonl") -> None:
    """Add `--audio`.  `folder`: what must be in it."""
    parser.add_argument("--audio", type=Path, default=_SHARED_AUDIO, help=f"folder with {folder}")


def silero_and_engine(options: argparse.Namespace) -> tuple[Silero, Engine] | None:
    """
    Print the recipe, and load what a bench needs that cuts the recordings in `options.audio` for `options.engine`.

    None, told in one line, if the recordings or Silero are absent.
    """
    silero = silero_for(options.audio)
    if silero is None:
        return None
    print(recipe())
    return silero, engine_loaded(argparse.Namespace(config=None), options.engine)


def silero_for(audio: Path) -> Silero | None:
    """Load Silero for the recordings in `audio`; None, told in one line, if either is absent."""
    weights = silero_weights()
    if weights is None or not (audio / "manifest.jsonl").is_file():
        print(f"There is no {audio}, or no Silero: nothing measured.")
        return None
    return Silero(weights)
