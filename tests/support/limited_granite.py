"""
Transcribe a batch with limited memory: `limited_granite.py FOLDER`.

Torch and transformers are imported once, which takes seconds. Each run is a fork of that process: the first with all
memory, the second with a third of what the first used at its peak, the third without any. Prints for each run texts,
rows and the peak of the address space above that after the warm-up, or the name of the error: a JSON object.
"""

import json
import multiprocessing
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
from support import tiny_granite
from transformers import GraniteSpeechForConditionalGeneration  # noqa: F401 - loaded before the forks

from workers.engines.base import EngineBrokenError, Utterance
from workers.engines.granite import load
from workers.engines.granite.engine import GraniteEngine
from workers.engines.granite.settings import Drafts, GraniteSettings

ENDLESS = 1 << 40


def main(folder: str) -> dict[str, dict[str, Any]]:
    """Run the engine three times on 8 clips of 28 s."""
    torch.set_num_threads(1)
    unlimited = in_a_fork(folder, ENDLESS)
    limited = in_a_fork(folder, unlimited["peak"] // 3)
    return {"unlimited": unlimited, "limited": limited, "without": in_a_fork(folder, 0)}


def in_a_fork(folder: str, room: int) -> dict[str, Any]:
    """What `run` returns in a process of its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(run, (folder, room))


def run(folder: str, room: int) -> dict[str, Any]:
    """The outcome with at most `room` more bytes than after the warm-up."""
    engine = load(GraniteSettings(model=folder, max_batch=8, drafts=Drafts.NEVER))
    engine.transcribe([Utterance(tiny_granite.babble(1.0, 0))])
    clips = [Utterance(tiny_granite.babble(28.0, number)) for number in range(8)]
    before = address_space("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (before + room, resource.RLIM_INFINITY))
    try:
        return outcome(engine, clips) | {"peak": address_space("VmPeak") - before}
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def outcome(engine: GraniteEngine, clips: list[Utterance]) -> dict[str, Any]:
    """Texts and rows, or the error."""
    try:
        texts = [heard.text for heard in engine.transcribe(clips)]
    except EngineBrokenError as exc:
        return {"error": type(exc).__name__, "reason": str(exc)}
    return {"texts": texts, "rows": engine.rows}


def address_space(name: str) -> int:
    """A size of this process in bytes, as /proc reports it: `VmSize`, `VmPeak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (one for one in lines if one.startswith(f"{name}:"))
    return int(line.split()[1]) * 1_024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])))
