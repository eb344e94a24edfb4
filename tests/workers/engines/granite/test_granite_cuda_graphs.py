"""Steps of a few fixed sizes give the same text as steps of exact size; the bf16 path of a GPU runs."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.recorded import replayed

from workers.engines.base import Effort, Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.loading import assemble, prepared, take_apart  # noqa: E402
from workers.engines.granite.model import DecoderFactory  # noqa: E402
from workers.engines.granite.recording import bucket  # noqa: E402
from workers.engines.granite.settings import GraniteSettings  # noqa: E402
from workers.engines.granite.text.cuda_graphs import ROWS, GraphStepper, stepper_for  # noqa: E402
from workers.engines.granite.text.decode import DecodeRow, EagerStepper, Written  # noqa: E402 - needs the optional extra


def texts(decoder_factory: DecoderFactory, rows: Sequence[DecodeRow]) -> dict[int, Written]:
    """Decode `rows`, two joining at a time."""
    decoder = decoder_factory.decoder(frozenset(), cut_loops=False)
    waiting = list(rows)
    found: dict[int, Written] = {}
    while waiting or decoder.running:
        joining = min(2, decoder.free, len(waiting))
        if joining:
            decoder.admit([waiting.pop(0) for _ in range(joining)])
        found |= {one.ticket: one for one in decoder.step()}
    return found | {one.ticket: one for one in decoder.step()}


@pytest.mark.parametrize("operators", [True, False], ids=["operators", "torch"])
def test_rounded_steps_write_what_exact_steps_write(
    parts: Any, operators: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: segments that come and go, across the border between two widths
    rows = []
    for number in range(14):
        heard = parts.frontend.encode(
            [parts.frontend.whole(tiny_granite.babble(0.5 + number, number))]
        )
        prompt = parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], "transcribe this", ())
        rows.append(DecodeRow(number, prompt, 5 + 7 * number % 40, (3, 4) if number % 3 else ()))
    exact = parts.decoder_factory(7, 700, graphs=False)
    cache = parts.llm.cache(7, 700)
    stepper = GraphStepper(parts.llm, cache, replayed)
    rounded = DecoderFactory(parts.llm, cache, stepper)

    expected = texts(exact, rows)

    # when
    monkeypatch.setattr(parts.llm, "with_operators", operators)
    stepper.record_all(4)  # the rest is recorded in mid-decode
    found = texts(rounded, rows)

    # then
    assert {number: one.tokens for number, one in found.items()} == {
        number: one.tokens for number, one in expected.items()
    }
    assert len(found) == 14
    assert {rows for rows, _ in stepper._recorded} == {1, 2, 4, 7}
    assert {width for _, width in stepper._recorded} >= {128, 256}


def test_steps_are_eager_if_they_cannot_be_recorded(parts: Any) -> None:
    def refused(act: Callable[[], Any], _device: Any) -> Any:
        act()
        raise RuntimeError("operation not permitted when stream is capturing")

    stepper = stepper_for(parts.llm, parts.llm.cache(2, 128), 2, refused)

    assert isinstance(stepper, EagerStepper)


def test_a_lack_of_memory_while_recording_is_no_reason_to_go_on(parts: Any) -> None:
    def cramped(_act: Callable[[], Any], _device: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        stepper_for(parts.llm, parts.llm.cache(2, 128), 2, cramped)


@pytest.mark.parametrize(
    ("size", "most", "rounded"),
    [(1, 64, 1), (3, 64, 4), (64, 64, 64), (65, 80, 80), (9, 12, 12), (300, 300, 300)],
)
def test_sizes_are_rounded_up_but_never_beyond_the_cache(
    size: int, most: int, rounded: int
) -> None:
    assert bucket(size, ROWS, most) == rounded


@pytest.mark.long
def test_all_of_it_runs_in_bf16(vendor: Any, parts: Any) -> None:
    """As on a GPU: everything in bf16 but batch norm.  Texts may differ from those in fp32; silence may not."""
    model = prepared(copy.deepcopy(vendor[1]).bfloat16(), torch.device("cpu"))
    engine = assemble(
        take_apart(model, parts.prompts.tokens), GraniteSettings(model="tiny", max_batch=4)
    )
    batch = [
        Utterance(tiny_granite.babble(3.0, 1), keywords=("Ann",)),
        Utterance(tiny_granite.silence(1.0)),
        Utterance(tiny_granite.spoken("one garden", 2), Effort.PARTIAL, key="a"),
        Utterance(tiny_granite.babble(5.0, 4), translate_to="fr"),
    ]

    heard = engine.transcribe(batch)

    assert heard[0].words
    assert heard[1].words == ()
    assert heard[2].text == "one garden"
    assert heard[3].words
