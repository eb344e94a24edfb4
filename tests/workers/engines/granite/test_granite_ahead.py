"""The decode loop queues a step before it reads the tokens of the step before."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")

from workers.engines.granite.text.decode import DecodeRow, Stepper  # noqa: E402 - needs the optional extra
from workers.engines.granite.text.row_state import RowState, Tokens  # noqa: E402


class Noted:
    """Notes when steps are queued, with their rows, and when they are read."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self._count = 0
        self.notes: list[str] = []

    @property
    def state(self) -> RowState:
        return self._stepper.state

    def queue(self, rows: int, width: int) -> Callable[[], Tokens]:
        number, self._count = self._count, self._count + 1
        read = self._stepper.queue(rows, width)
        self.notes.append(f"queue {number}: {rows}")

        def noted() -> Tokens:
            self.notes.append(f"read {number}")
            return read()

        return noted


def decoding(parts: Any, lengths: list[int]) -> tuple[Noted, Any]:
    factory = parts.decoder_factory(4, 256, graphs=False)
    noted = Noted(factory.stepper)
    decoder = replace(factory, stepper=noted).endless()
    heard = parts.frontend.encode([parts.frontend.whole(tiny_granite.babble(2.0, 1))])
    prompt = parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], "transcribe this", ())
    decoder.admit([DecodeRow(number, prompt, most) for number, most in enumerate(lengths)])
    return noted, decoder


def test_a_step_is_queued_before_the_one_before_it_is_read(parts: Any) -> None:
    noted, decoder = decoding(parts, [4, 4])

    written = [one for _ in range(4) for one in decoder.step()]

    # the last step is queued once: then the host knows that both texts are complete
    assert noted.notes == [
        "queue 0: 2", "queue 1: 2", "read 0", "queue 2: 2", "read 1", "read 2",
    ]  # fmt: skip
    assert [len(one.tokens) for one in written] == [4, 4]
    assert decoder.running == 0


def test_a_finished_segment_takes_part_in_one_step_more(parts: Any) -> None:
    noted, decoder = decoding(parts, [3, 6, 6])

    written = {one.ticket: one for _ in range(6) for one in decoder.step()}

    assert noted.notes[:7] == [
        "queue 0: 3", "queue 1: 3", "read 0", "queue 2: 3", "read 1", "queue 3: 2", "read 2",
    ]  # fmt: skip
    assert {number: len(one.tokens) for number, one in written.items()} == {0: 3, 1: 6, 2: 6}
    assert written[1].tokens == written[2].tokens  # the same prompt, and one of them was moved
    assert written[0].tokens == written[1].tokens[:3]


def test_segments_that_are_withdrawn_leave_no_step_behind(parts: Any) -> None:
    noted, decoder = decoding(parts, [9])
    decoder.step()
    decoder.step()

    ((row, tokens),) = decoder.withdraw()
    decoder.admit([replace(row, draft=tokens)])
    written = [one for _ in range(9) for one in decoder.step()]

    assert len(tokens) == 2
    assert written[0].accepted == 2
    assert len(written[0].tokens) == 9
    assert "read 1" not in noted.notes
