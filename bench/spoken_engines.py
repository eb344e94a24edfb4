"""
Real engines in which spoken digits can be recognised; for bench/chaos.py.

The tiny Granite has random weights, and the server of vLLM is a fake.  Their work is real (encoder, language model,
continuous batching; HTTP requests, busy answers, broken connections); their texts are those of the Reader.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.spoken import Reader
from workers.engines.base import (
    Capabilities,
    ContinuousEngine,
    Engine,
    EngineError,
    Hypothesis,
    Utterance,
)

ENGINES = ("reader", "granite", "vllm")
_SECONDS = 15.0
_SERVERS = ExitStack()
"""Open until the process ends."""


class Reading:
    """A continuous engine whose texts are replaced by those of `reader`, or kept if there is none."""

    def __init__(
        self, engine: ContinuousEngine, capabilities: Capabilities, reader: Reader | None
    ) -> None:
        self._engine, self._reader = engine, reader
        self.capabilities = capabilities
        self._begun: dict[int, Utterance] = {}

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine."""
        return self._engine.transcribe(batch)

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See ContinuousEngine."""
        tickets = self._engine.admit(
            [replace(one, language="en", keywords=()) for one in utterances]
        )
        self._begun |= dict(zip(tickets, utterances, strict=True))
        return tickets

    def step(self) -> list[tuple[int, Hypothesis | EngineError]]:
        """See ContinuousEngine."""
        return [(ticket, self._read(ticket, heard)) for ticket, heard in self._engine.step()]

    def _read(self, ticket: int, heard: Hypothesis | EngineError) -> Hypothesis | EngineError:
        utterance = self._begun.pop(ticket)
        return heard if self._reader is None else self._reader.transcribe([utterance])[0]


def engine_of(name: str, language: str, model: Path | None = None) -> Engine:
    """The engine `name` of ENGINES for one language; `model`: the folder of the tiny Granite, if it is loaded."""
    reader = Reader(language)
    match name:
        case "granite":
            can = replace(
                reader.capabilities, name="granite-tiny", max_batch=4, max_seconds=_SECONDS
            )
            return Reading(_granite(model), can, reader)
        case "vllm":
            can = replace(reader.capabilities, name="vllm-fake", max_batch=4, word_times=None)
            return Reading(_vllm(language), can, None)
        case _:
            return reader


def _granite(folder: Path | None) -> ContinuousEngine:
    """The tiny model: from a folder as a worker loads it, or without files."""
    import torch  # noqa: PLC0415 - seconds to import, and only for this engine

    torch.set_num_threads(1)
    if folder is not None:
        from workers.engines.granite import Drafts, GraniteSettings, load  # noqa: PLC0415

        return load(
            GraniteSettings(
                model=str(folder), max_batch=4, max_seconds=_SECONDS, drafts=Drafts.NEVER
            )
        )
    from bench.random_granite import TINY, build  # noqa: PLC0415

    bench = build(TINY, torch.device("cpu"))
    return bench.engine(bench.decoder_factory(4, _SECONDS, graphs=False), _SECONDS)


def _vllm(language: str) -> ContinuousEngine:
    """A client, and its server in the same process; every third request meets a fault."""
    from support import vllm_server as fake  # noqa: PLC0415

    from workers.engines.vllm.engine import load  # noqa: PLC0415
    from workers.engines.vllm.settings import VllmSettings  # noqa: PLC0415

    reader = Reader(language, mortal=False)

    def says(request: dict[str, Any]) -> str:
        samples = fake.parts(request)[1].astype(np.float32) / np.float32(32_768)
        return reader.transcribe([Utterance(samples, language=language)])[0].text

    server = _SERVERS.enter_context(fake.vllm_server())
    server.says = says
    server.faults = _Faults(
        [fake.status(503), fake.broken_off, fake.status(429, Retry_After="0.2")]
    )
    return load(VllmSettings(url=server.url, max_batch=4))


class _Faults(list[Any]):
    """Faults without an end: two requests without, then one of the list."""

    _count = 0

    def __bool__(self) -> bool:
        self._count += 1
        return self._count % 3 == 0

    def pop(self, _place: Any = 0) -> Any:  # noqa: ANN401 - as of a list
        return self[self._count // 3 % len(self)]
