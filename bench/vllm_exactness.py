"""
Compare the tokens of the vLLM engine with those of `generate()`, for random segments of a tiny checkpoint.

    python bench/vllm_exactness.py --build FOLDER                    # write the tiny checkpoint
    (start vLLM with it: see docs/engines/vllm.md)
    python bench/vllm_exactness.py FOLDER --url http://127.0.0.1:8000/v1

Each segment joins while the server decodes others.  The reference decodes each one alone, with transformers of this
environment, and with the tokenizer that transformers makes of the folder, because vLLM uses that one.
"""

import argparse
import random
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from support import tiny_granite
from support.granite_cases import random_utterance

from bench.recipe import recipe
from workers.engines.base import SHORTEST, Utterance
from workers.engines.common.hallucination import loudness
from workers.engines.granite.text.prompts import GRANITE_4_0
from workers.engines.granite.text.stopping import most_tokens
from workers.engines.vllm.chat import ChatReply, read, request
from workers.engines.vllm.client import ChatClient
from workers.engines.vllm.engine import VllmEngine
from workers.engines.vllm.settings import VllmSettings

_SILENT = -70.0
"""dBFS.  The engine answers such audio without a request."""

_CHUNK = 8
"""Most segments that join between two steps."""


class TokenClient(ChatClient):
    """A client that also asks for the ids of the tokens, and keeps them by the audio of the request."""

    def __init__(self, settings: VllmSettings) -> None:
        super().__init__(settings)
        self._plain = httpx.Client(base_url=settings.url + "/", timeout=600, trust_env=False)
        self.ids: dict[str, tuple[int, ...]] = {}
        self.busy = self.busiest = 0

    def ask(self, body: dict[str, Any]) -> ChatReply:
        """See ChatClient.  Any failure of the server is an error here."""
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        answer = self._plain.post("chat/completions", json=body | {"return_token_ids": True})
        self.busy -= 1
        document = answer.raise_for_status().json()
        self.ids[key_of(body)] = tuple(document["choices"][0]["token_ids"])
        return read(document)


def key_of(body: dict[str, Any]) -> str:
    """Audio and prompt of a request."""
    audio, text = body["messages"][0]["content"]
    return f"{audio['input_audio']['data']} {text['text']}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A segment with the tokens of the reference."""

    utterance: Utterance
    expected: tuple[int, ...]


def as_sent(utterance: Utterance) -> Utterance:
    """The utterance with its audio as a WAV file carries it: 16 bit."""
    samples = (np.rint(utterance.samples * 32_768) / 32_768).astype(np.float32)
    return Utterance(
        samples,
        language=utterance.language,
        translate_to=utterance.translate_to,
        keywords=utterance.keywords,
    )


def instruction_of(one: Utterance) -> str:
    """What follows the audio in the prompt."""
    asked = GRANITE_4_0.instruction(one.language, one.translate_to, keywords=bool(one.keywords))
    return asked + ", ".join(one.keywords)


def comparisons(vendor: tuple[Any, Any], count: int) -> list[Comparison]:
    """`count` random segments, each decoded alone by transformers."""
    dice, made, number = random.Random(7), list[Comparison](), 0
    while len(made) < count:
        number += 1
        one = as_sent(random_utterance(dice, number))
        if len(one.samples) < SHORTEST or loudness(one.samples) < _SILENT:
            continue
        most = most_tokens(len(one.samples))
        ids = tiny_granite.generated(vendor, one.samples, instruction_of(one), most)
        made.append(Comparison(one, tuple(ids)))
    return made


def stock(folder: Path) -> tuple[Any, Any]:
    """Processor and model of transformers, with the tokenizer that it makes of the folder."""
    processor, model = tiny_granite.reference(folder)
    processor.tokenizer = tiny_granite.stock_tokenizer(folder)
    return processor, model


def heard(engine: VllmEngine, utterances: Sequence[Utterance]) -> None:
    """Transcribe all; a few more join between two steps."""
    dice, waiting, open_ones = random.Random(3), list(utterances), 0
    while waiting or open_ones:
        coming = [waiting.pop(0) for _ in range(min(len(waiting), dice.randrange(_CHUNK + 1)))]
        open_ones += len(engine.admit(coming))
        open_ones -= len(engine.step())


def compare(folder: Path, url: str, count: int, rows: int) -> int:
    """Print the number of segments with the same tokens.  Returns the number of others."""
    settings = VllmSettings(url=url, max_batch=rows, max_keywords=50, timeout_seconds=600)
    client = TokenClient(settings)
    model = client.model()
    engine = VllmEngine(client, settings, model)
    vendor = stock(folder)
    cases = comparisons(vendor, count)
    began = time.monotonic()
    heard(engine, [case.utterance for case in cases])
    spent = time.monotonic() - began
    engine.close()
    audio = vendor[0].tokenizer.convert_tokens_to_ids(tiny_granite.AUDIO)
    others = strange = 0
    for place, case in enumerate(cases):
        one = case.utterance
        body = request(one, GRANITE_4_0, one.keywords, model, most_tokens(len(one.samples)))
        got, expected = client.ids.get(key_of(body), ()), case.expected
        if audio in expected:  # written by the random model
            strange += got != expected
            end = expected.index(audio) + 1
            got, expected = got[:end], expected[:end]
        if got != expected:
            others += 1
            print(f"{place}: {len(one.samples)} samples, {difference(vendor, case, got)}")
    texts = len({case.expected for case in cases})
    print(
        f"{len(cases) - others} of {len(cases)} segments ({texts} different texts) have the tokens of generate();"
        f" {strange} of them up to the audio token, which the random model writes; up to {client.busiest} at once,"
        f" {spent:.0f} s"
    )
    return others


def difference(vendor: tuple[Any, Any], case: Comparison, got: Sequence[int]) -> str:
    """Where the first other token is, and by how much the reference prefers its own."""
    pairs = zip(got, case.expected, strict=False)
    at = next((at for at, pair in enumerate(pairs) if pair[0] != pair[1]), None)
    if at is None:
        return f"{len(got)} tokens instead of {len(case.expected)}"
    logits = reference_logits(vendor, case, at)
    gap = float(logits[case.expected[at]] - logits[got[at]])
    spread = float(logits.std())
    return f"token {at} differs: its logit is {gap:.4f} below the reference's own; all deviate by {spread:.3f}"


def reference_logits(vendor: tuple[Any, Any], case: Comparison, at: int) -> torch.Tensor:
    """Logits of the reference behind its first `at` tokens: [vocabulary]."""
    processor, model = vendor
    content = tiny_granite.AUDIO + instruction_of(case.utterance)
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    inputs = processor(prompt, torch.from_numpy(case.utterance.samples), return_tensors="pt")
    written = torch.tensor([list(case.expected[:at])], dtype=torch.long)
    inputs["input_ids"] = torch.cat([inputs["input_ids"], written], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        logits: torch.Tensor = model(**inputs).logits[0, -1]
    return logits


def main() -> int:
    """Build the checkpoint, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--build", type=Path, help="write the tiny checkpoint there, and end")
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--cases", type=int, default=240)
    parser.add_argument("--rows", type=int, default=8, help="most requests at the same time")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.build:
        chosen.build.mkdir(parents=True, exist_ok=True)
        tiny_granite.build(chosen.build)
        return 0
    import transformers  # noqa: PLC0415 - seconds to import

    print(f"transformers {transformers.__version__}, torch {torch.__version__}; {recipe()}")
    print(f"command: python bench/vllm_exactness.py {shlex.join(sys.argv[1:])}\n")
    return 1 if compare(chosen.folder, chosen.url, chosen.cases, chosen.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
