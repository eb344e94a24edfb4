"""
The encoder in the worker, the language model on a server: prompt embeddings over real HTTP.

The server is a fake of vLLM's completion interface; the tiny checkpoint behind it is real.
"""

import base64
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from support import vllm_server as fake  # noqa: E402 - needs the optional extra
from support.examples import examples  # noqa: E402
from support.granite_cases import random_utterance  # noqa: E402
from support.once import once  # noqa: E402
from support.vllm_server import VllmServer, vllm_server  # noqa: E402

from workers.engines.base import (  # noqa: E402
    Effort,
    EngineBrokenError,
    EngineError,
    Hypothesis,
    Utterance,
)
from workers.engines.granite.checkpoint import CheckpointError, inspect  # noqa: E402
from workers.engines.granite.loading import take_apart, weights  # noqa: E402
from workers.engines.granite.text.decode import BatchDecoder, DecodeRow  # noqa: E402
from workers.engines.granite.text.prompts import GRANITE_4_0  # noqa: E402
from workers.engines.granite.text.stopping import StoppingRule, most_tokens  # noqa: E402
from workers.engines.granite.text.tokenizer import Tokens  # noqa: E402
from workers.engines.vllm.chat import ChatError  # noqa: E402
from workers.engines.vllm.embeddings.completions import Completion, read, written  # noqa: E402
from workers.engines.vllm.engine import load  # noqa: E402
from workers.engines.vllm.settings import VllmSettings  # noqa: E402

SECONDS = 9.0


@dataclass(frozen=True)
class LanguageServer:
    """The language model behind the fake: reads requests as vLLM does."""

    decoder: Any
    end: frozenset[int]

    def __call__(self, request: fake.Json) -> tuple[list[int], list[float]]:
        assert {
            "temperature": 0.0,
            "logprobs": 0,
            "return_token_ids": True,
        }.items() <= request.items()
        assert set(request["stop_token_ids"]) == self.end
        file = io.BytesIO(base64.b64decode(request["prompt_embeds"], validate=True))
        prompt = torch.load(file, weights_only=True)
        self.decoder.admit([DecodeRow(0, prompt, request["max_tokens"])])
        texts = self.decoder.step()
        while self.decoder.running:
            texts += self.decoder.step()
        (text,) = texts
        ended = text.ending is StoppingRule.SAID
        return [*text.tokens, *([min(self.end)] * ended)], [*text.log_probs, *([-0.1] * ended)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return once(tmp_path_factory, "tiny-granite", tiny_granite.build)


@pytest.fixture(scope="module")
def language_server(folder: Path) -> LanguageServer:
    checkpoint = inspect(folder)
    parts = take_apart(weights(checkpoint, torch.device("cpu")), Tokens.read(checkpoint.tokenizer))
    decoder: BatchDecoder = parts.decoder_factory(1, 1_024, graphs=False).decoder(
        parts.end, cut_loops=False
    )
    return LanguageServer(decoder, parts.end)


@pytest.fixture(scope="module")
def running() -> Iterator[VllmServer]:
    with vllm_server() as server:
        yield server


@pytest.fixture(scope="module")
def loaded(running: VllmServer, language_server: LanguageServer, folder: Path) -> Iterator[Any]:
    running.completes = one_at_a_time(language_server)
    engine = load(settings(running, folder))
    yield engine
    engine.close()


@pytest.fixture
def server(running: VllmServer, language_server: LanguageServer) -> VllmServer:
    running.completes = one_at_a_time(language_server)
    running.faults = []
    running.requests.clear()
    return running


@pytest.fixture
def engine(server: VllmServer, loaded: Any) -> Any:
    return loaded


def one_at_a_time(decode: LanguageServer) -> Callable[[fake.Json], tuple[list[int], list[float]]]:
    import threading

    lock = threading.Lock()

    def completes(request: fake.Json) -> tuple[list[int], list[float]]:
        with lock:
            return decode(request)

    return completes


def settings(server: VllmServer, folder: Path, **more: Any) -> VllmSettings:
    return VllmSettings.model_validate(
        {
            "url": server.url, "encoder": str(folder), "max_seconds": SECONDS, "max_batch": 3,
            "least_support": 0.0, "cut_loops": False, "encoder_device": "cpu", **more,
        }
    )  # fmt: skip


def test_texts_of_segments_that_join_at_any_time_are_those_of_generate(
    engine: Any, folder: Path
) -> None:
    # given
    vendor, dice = tiny_granite.reference(folder), random.Random(5)
    cases = [random_utterance(dice, number) for number in range(examples(36))]
    cases = [one for one in cases if len(one.samples) >= 0.31 * 16_000]
    tokens = Tokens.read(folder / "tokenizer.json")

    # when
    waiting, heard = list(cases), dict[int, Hypothesis]()
    tickets = dict[int, Utterance]()
    while waiting or len(heard) < len(tickets):
        coming = [waiting.pop(0) for _ in range(min(len(waiting), dice.choice([0, 1, 4])))]
        tickets |= dict(zip(engine.admit(coming), coming, strict=True))
        heard |= dict(engine.step())

    # then
    spoken = {ticket: one for ticket, one in tickets.items() if heard[ticket].words}
    assert len(spoken) > len(cases) // 2
    for ticket, one in spoken.items():
        asked = GRANITE_4_0.instruction(one.language, one.translate_to, keywords=bool(one.keywords))
        content = asked + ", ".join(one.keywords)
        ids = tiny_granite.generated(vendor, one.samples, content, most_tokens(len(one.samples)))
        assert heard[ticket].text.split() == tokens.text(ids).split()


def test_partials_and_word_times_come_from_the_encoder_in_the_worker(
    engine: Any, server: VllmServer
) -> None:
    samples = tiny_granite.spoken("go bade", 3)

    (partial,) = engine.transcribe([Utterance(samples, Effort.PARTIAL, key="c")])
    asked_for_partial = len(server.requests)
    (final,) = engine.transcribe([Utterance(samples)])

    assert partial.words
    assert asked_for_partial == 0
    assert all(word.start is not None and word.confidence is not None for word in final.words)
    assert (engine.capabilities.name, engine.capabilities.partials) == ("vllm/granite-speech", True)


def test_a_segment_that_the_server_refuses_fails_alone(engine: Any, server: VllmServer) -> None:
    server.faults = [fake.status(400)]
    (first,) = engine.admit([Utterance(tiny_granite.spoken("go bade", 3))])
    outcomes = dict(engine.step())
    while first not in outcomes:
        outcomes |= dict(engine.step())

    (other,) = engine.transcribe([Utterance(tiny_granite.spoken("let go", 4))])

    assert isinstance(outcomes[first], EngineError)
    assert other.words


@pytest.mark.parametrize("fault", [fake.status(503), fake.broken_off, fake.body({"choices": []})])
def test_a_request_that_fails_is_sent_again(engine: Any, server: VllmServer, fault: Any) -> None:
    server.faults = [fault]

    (heard,) = engine.transcribe([Utterance(tiny_granite.spoken("go bade", 3))])

    assert heard.words
    assert len(server.requests) == 2


def test_a_server_that_refuses_at_the_start_is_named_with_the_option_that_it_lacks(
    server: VllmServer, folder: Path
) -> None:
    server.faults = [fake.status(400)]

    with pytest.raises(EngineError, match=r"--enable-prompt-embeds and --max-model-len"):
        load(settings(server, folder))


def test_a_server_that_is_away_ends_the_worker(server: VllmServer, folder: Path) -> None:
    engine = load(settings(server, folder, give_up_seconds=0.5))
    server.faults = [fake.status(503)] * 100

    with pytest.raises(EngineBrokenError, match="503"):
        engine.transcribe([Utterance(tiny_granite.spoken("go bade", 3))])
    engine.close()


def test_the_layers_of_the_language_model_are_not_kept(folder: Path) -> None:
    from workers.engines.vllm.embeddings.loading import take_encoder

    checkpoint = inspect(folder)
    model = weights(checkpoint, torch.device("cpu"))
    before = sum(one.numel() for one in model.parameters())

    take_encoder(model, Tokens.read(checkpoint.tokenizer), GRANITE_4_0)

    layers = 2 * (3 * 128 * 256 + 128 * (128 + 64 + 64) + 128 * 128 + 2 * 128)
    assert (
        before - sum(one.numel() for one in model.parameters())
        == layers + model.config.text_config.vocab_size * 128
    )


def test_a_folder_that_is_no_model_is_refused(server: VllmServer, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        load(settings(server, tmp_path))


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"token_ids": [1], "logprobs": None},
        {"token_ids": [1, 2], "logprobs": {"token_logprobs": [-0.1]}},
        {"token_ids": ["1"], "logprobs": {"token_logprobs": [-0.1]}},
        {"token_ids": [True], "logprobs": {"token_logprobs": [-0.1]}},
        {"token_ids": [-1], "logprobs": {"token_logprobs": [-0.1]}},
        {"token_ids": [1], "logprobs": {"token_logprobs": [None]}},
        {"token_ids": [1], "logprobs": {"token_logprobs": [float("nan")]}},
        {"token_ids": [], "logprobs": {"token_logprobs": []}},
    ],
)
def test_an_answer_of_another_form_is_none(choice: fake.Json) -> None:
    with pytest.raises(ChatError):
        read({"choices": [choice]})


@pytest.mark.parametrize(
    ("tokens", "most", "kept", "ending"),
    [
        ((5, 6, 1), 9, 2, StoppingRule.SAID),
        ((5, 6), 9, 2, StoppingRule.SAID),
        ((5, 6, 7), 3, 3, StoppingRule.LENGTH),
        ((5, 1, 7), 3, 1, StoppingRule.SAID),
        ((5,) + (7,) * 19, 20, 2, StoppingRule.LOOP),
    ],
    ids=["end token", "end without its token", "length", "end in the middle", "loop"],
)
def test_a_text_ends_by_the_rules_of_the_worker(
    tokens: tuple[int, ...], most: int, kept: int, ending: StoppingRule
) -> None:
    row = DecodeRow(3, torch.zeros(1, 1), most)
    answer = Completion(tokens, (-0.5,) * len(tokens))

    found = written(row, answer, frozenset({1}), cut_loops=True)

    assert (found.ticket, found.tokens, found.ending) == (3, tokens[:kept], ending)
    assert len(found.log_probs) == kept
