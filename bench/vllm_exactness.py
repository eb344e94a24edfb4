"""
Compare the tokens of the vLLM engine with those of `generate()`, for random segments of a tiny checkpoint.

    python bench/vllm_exactness.py --build FOLDER [--layout real]    # write the tiny checkpoint
    (start vLLM with it: see docs/engines/vllm.md)
    python bench/vllm_exactness.py FOLDER --url http://127.0.0.1:8000/v1

Each segment joins while the server decodes others.  The reference decodes each one alone, with transformers of this
environment, and with the tokenizer that transformers makes of the folder, because vLLM uses that one.

With `--embeddings` the encoder runs here, the server gets embeddings (`--enable-prompt-embeds`), and the reference
reads the tokenizer as it is, like the worker.  Fails if a text differs elsewhere than at a near-tie (near_ties.py).
"""

import argparse
import copy
import random
import shlex
import sys
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from support import granite_repository, tiny_granite
from support.granite_cases import random_utterance

from bench.near_ties import Answer, Comparison, Distance, LastReference, scored
from bench.recipe import recipe
from workers.engines.base import SHORTEST, Samples, Utterance
from workers.engines.common.hallucination import loudness
from workers.engines.granite.acoustic.mel import LEAST_SAMPLES
from workers.engines.granite.compat import modules_of
from workers.engines.granite.text.decode import DecodeRow
from workers.engines.granite.text.prompts import GRANITE_4_0
from workers.engines.granite.text.stopping import most_tokens
from workers.engines.vllm.chat import request
from workers.engines.vllm.client import ChatClient, Endpoint, R
from workers.engines.vllm.embeddings.decoder import ServerDecoder
from workers.engines.vllm.embeddings.loading import LoadedEncoder, load_encoder
from workers.engines.vllm.engine import VllmEngine
from workers.engines.vllm.settings import VllmSettings

_SILENT = -70.0
"""dBFS.  The engine answers such audio without a request."""

_HEAD_SIZE = 128
"""That of the real model.  vLLM has no attention on a CPU for the heads of 4 that the small width would have."""

_LAYOUT_HELP = (
    "of the checkpoint that is written: real is that of the vendor's repository, at small width"
)

FIRST_HELP = "number of the first case: a long run in parts"

_CHUNK = 8
"""Most segments that join between two steps."""


class TokenClient(ChatClient):
    """A client that also asks for the ids of the tokens, and keeps them by the audio of the request."""

    def __init__(self, settings: VllmSettings) -> None:
        super().__init__(settings)
        self._plain = httpx.Client(base_url=settings.url + "/", timeout=600, trust_env=False)
        self.answers: dict[str, Answer] = {}

    def ask(self, body: dict[str, Any], endpoint: Endpoint[R]) -> R:
        """See ChatClient.  Any failure of the server is an error here."""
        answer = self._plain.post(endpoint.path, json=body | {"return_token_ids": True})
        document = answer.raise_for_status().json()
        choice = document["choices"][0]
        log_probs = tuple(float(one["logprob"]) for one in choice["logprobs"]["content"])
        self.answers[key_of(body)] = Answer(tuple(choice["token_ids"]), log_probs)
        return endpoint.read(document)


def key_of(body: dict[str, Any]) -> str:
    """Audio and prompt of a request."""
    audio, text = body["messages"][0]["content"]
    return f"{audio['input_audio']['data']} {text['text']}"


def as_sent(utterance: Utterance) -> Utterance:
    """The utterance with its audio as a WAV file carries it: 16 bit."""
    samples = (np.rint(utterance.samples * 32_768) / 32_768).astype(np.float32)
    return Utterance(
        samples,
        language=utterance.language,
        translate_to=utterance.translate_to,
        keywords=utterance.keywords,
    )


def cases_of(count: int, first: int = 0) -> list[Utterance]:
    """`count` random segments that are long and loud enough for a request, without the `first` ones before them."""
    dice, made, number = random.Random(7), list[Utterance](), 0
    while len(made) < first + count:
        number += 1
        one = as_sent(random_utterance(dice, number))
        if len(one.samples) >= SHORTEST and loudness(one.samples) >= _SILENT:
            made.append(one)
    return made[first:]


def most_of(one: Utterance, most: int) -> int:
    """The longest text of a segment in tokens, at most `most`."""
    return min(most, most_tokens(len(one.samples)))


def groups(count: int) -> Iterator[range]:
    """The numbers of the cases that join before each step."""
    dice, first = random.Random(3), 0
    while first < count:
        last = min(count, first + dice.randrange(_CHUNK + 1))
        yield range(first, last)
        first = last


def by_audio(settings: VllmSettings, cases: Sequence[Utterance], most: int) -> list[Answer]:
    """The texts of the engine that sends audio."""
    client = TokenClient(settings)
    model = client.model()
    engine = VllmEngine(client, settings, model)
    open_ones = 0
    for group in groups(len(cases)):
        open_ones += len(engine.admit([cases[number] for number in group]))
        open_ones -= len(engine.step())
    while open_ones:
        open_ones -= len(engine.step())
    engine.close()
    bodies = [
        request(one, GRANITE_4_0, one.keywords, model, most_tokens(len(one.samples)))
        for one in cases
    ]
    texts = [client.answers[key_of(body)] for body in bodies]
    return [Answer(one.tokens[:most], one.log_probs[:most]) for one in texts]


def by_embeddings(settings: VllmSettings, cases: Sequence[Utterance], most: int) -> list[Answer]:
    """The texts of the engine that sends embeddings."""
    client, parts = ChatClient(settings), load_encoder(settings)
    decoder = ServerDecoder(client, client.model(), settings.max_batch, parts.end, cut_loops=False)
    found: dict[int, Answer] = {}
    for group in groups(len(cases)):
        waiting = [
            DecodeRow(number, prompt_of(parts, cases[number]), most_of(cases[number], most))
            for number in group
        ]
        while waiting or decoder.running > settings.max_batch // 2:
            ready, waiting = waiting[: decoder.free], waiting[decoder.free :]
            decoder.admit(ready)
            found |= {one.ticket: Answer(one.tokens, one.log_probs) for one in decoder.step()}
    while decoder.running:
        found |= {one.ticket: Answer(one.tokens, one.log_probs) for one in decoder.step()}
    assert not decoder.take_refused()
    decoder.close()
    return [found[number] for number in range(len(cases))]


def prompt_of(parts: LoadedEncoder, one: Utterance) -> torch.Tensor:
    """The prompt of a segment as embeddings [tokens, hidden]."""
    heard = parts.frontend.encode([parts.frontend.whole(one.samples)])
    asked = GRANITE_4_0.instruction(one.language, one.translate_to, keywords=bool(one.keywords))
    return parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], asked, one.keywords)


def padded(samples: Samples) -> Samples:
    """At least the 0.3 s that our encoder hears of a shorter clip."""
    return np.pad(samples, (0, max(0, LEAST_SAMPLES - len(samples))))


def without_end(answer: Answer, stops: Container[int]) -> Answer:
    """The text up to one of the tokens `stops`."""
    cut = next((at for at, one in enumerate(answer.tokens) if one in stops), None)
    return Answer(answer.tokens[:cut], answer.log_probs[:cut])


def compare(chosen: argparse.Namespace) -> bool:
    """Print how many segments have the same tokens.  Returns whether all others are near-ties."""
    settings = VllmSettings(
        url=chosen.url, max_batch=chosen.rows, max_keywords=50, timeout_seconds=600, cut_loops=False,
        encoder=str(chosen.folder), encoder_device="cpu",
    )  # fmt: skip
    processor, whole = tiny_granite.reference(chosen.folder)
    model = copy.deepcopy(whole)
    if chosen.dtype == "bf16":  # as the server: the encoder stays in fp32 if it runs here
        (modules_of(model).decoder if chosen.embeddings else model).bfloat16()
        modules_of(model).head.bfloat16()
    if not chosen.embeddings:
        processor.tokenizer = tiny_granite.stock_tokenizer(chosen.folder)
    audio = int(processor.tokenizer.convert_tokens_to_ids(tiny_granite.AUDIO))
    stops = (int(model.config.text_config.eos_token_id), audio)
    reference, exact = (LastReference(processor, one, stops) for one in (model, whole))
    away, reference_away = Distance(exact), Distance(exact)
    cases = cases_of(chosen.cases, chosen.first)
    began = time.monotonic()
    answers = (by_embeddings if chosen.embeddings else by_audio)(settings, cases, chosen.most)
    spent = time.monotonic() - began
    result, texts, cut = Comparison(), set[tuple[int, ...]](), 0
    for number, one in enumerate(cases):
        most = most_of(one, chosen.most)
        if chosen.embeddings:
            one = replace(one, samples=padded(one.samples))  # noqa: PLW2901 - as the encoder hears it
        ids = reference.generated(one, most)
        texts.add(ids)
        cut += audio in ids
        expected = without_end(Answer(ids, ()), stops)
        answer = without_end(answers[number], stops)
        result.add(chosen.first + number, one, answer, expected, reference)
        away.add(one, answer)
        reference_away.add(one, scored(reference, one, expected.tokens))
    print(result.text())
    print(f"RMS of the differences of logits from those of transformers in fp32: {away}")
    print(f"the same for transformers in {chosen.dtype}: {reference_away}")
    print(f"{len(texts)} different texts; {cut} compared up to `<|audio|>`; {spent:.0f} s")
    return result.passed


def build(folder: Path, layout: str) -> None:
    """Write a checkpoint with random weights into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "real":
        granite_repository.build(folder, head_size=_HEAD_SIZE)
    else:
        tiny_granite.build(folder)


def main() -> int:
    """Build the checkpoint, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--build", type=Path, help="write the tiny checkpoint there, and end")
    parser.add_argument("--layout", choices=["tiny", "real"], default="tiny", help=_LAYOUT_HELP)
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--cases", type=int, default=240)
    parser.add_argument("--first", type=int, default=0, help=FIRST_HELP)
    parser.add_argument("--rows", type=int, default=8, help="most requests at the same time")
    parser.add_argument("--most", type=int, default=1_000, help="longest text in tokens")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="fp32", help="of the server")
    parser.add_argument("--embeddings", action="store_true", help="the encoder runs here")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.build:
        build(chosen.build, chosen.layout)
        return 0
    import transformers  # noqa: PLC0415 - seconds to import

    print(f"transformers {transformers.__version__}, torch {torch.__version__}; {recipe()}")
    print(f"command: python bench/vllm_exactness.py {shlex.join(sys.argv[1:])}\n")
    return 0 if compare(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
