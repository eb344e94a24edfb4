"""
Make the reference of `bench/word_times.py`: word times of recordings with texts, by forced alignment.

    pip install pocketsphinx==5.1.1      # in an environment of its own, with numpy, soxr and av
    python bench/word_times_reference.py ../shared/audio bench/references/word_times.json

PocketSphinx aligns each text to its recording with the acoustic model of its package (en-us, Gaussian mixtures, 16
kHz, steps of 10 ms).  It shares neither model nor method with the engines that are measured.  A recording with a
word that is not in its dictionary (names, digits) is left out.  Texts are not stored, only times.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import Clip, read_clips

_FRAME_MS = 10


def plain_words(text: str) -> list[str]:
    """The words of a text as a dictionary lists them: lower case, letters and apostrophes only."""
    bare = (re.sub(r"[^a-z0-9']", "", word.lower()) for word in re.split(r"[\s–—-]+", text))
    return [word.strip("'") for word in bare if word.strip("'")]


def aligned(decoder: Any, clip: Clip) -> Iterator[tuple[str, int, int]]:  # noqa: ANN401  # its package has no types
    """Word, start and end in milliseconds, for each word of a clip.  Raises RuntimeError if it fits no path."""
    wide = soxr.resample(clip.pcm.astype(np.float32), 8_000, 16_000, quality="HQ")
    decoder.set_align_text(" ".join(plain_words(clip.text)))
    decoder.start_utt()
    decoder.process_raw(np.clip(wide, -32_768, 32_767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    for part in decoder.seg():
        if not part.word.startswith(("<", "(", "[")):
            yield (
                re.sub(r"\(\d+\)", "", part.word),
                part.start_frame * _FRAME_MS,
                (part.end_frame + 1) * _FRAME_MS,
            )


def main(audio: Path, target: Path) -> None:
    """Write `{file: [[start_ms, end_ms], ...]}` for the recordings below `audio` that can be aligned."""
    decoder = importlib.import_module("pocketsphinx").Decoder(
        lm=None, loglevel="FATAL", samprate=16_000
    )
    found: dict[str, list[tuple[int, int]]] = {}
    for clip in [*read_clips(audio, "prompts/"), *read_clips(audio, "read/")]:
        words = plain_words(clip.text)
        if any(decoder.lookup_word(word) is None for word in words):
            continue
        try:
            times = list(aligned(decoder, clip))
        except RuntimeError:
            continue
        if [word for word, _, _ in times] == words:
            found[clip.name] = [(start, end) for _, start, end in times]
    target.write_text(json.dumps(found, separators=(",", ":")).replace("]],", "]],\n") + "\n")
    print(f"{len(found)} recordings, {sum(map(len, found.values()))} words")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
