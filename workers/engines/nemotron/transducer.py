"""
Greedy decoding of a transducer (Graves, "Sequence Transduction with Recurrent Neural Networks", arXiv 1211.3711).

A prediction network (an LSTM over the tokens written so far) and the encoder's frame together give the next token
or blank, which moves to the next frame.  The state after a frame is all that later frames need.
"""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Emission:
    """A token, the encoder's frame at which it was written, and its log-probability."""

    token: int
    frame: int
    log_prob: float


@dataclass(frozen=True, slots=True)
class DecoderState:
    """The prediction network after some tokens: `output` `[width]`, `hidden` and `cell` `[layers, 1, width]`."""

    output: torch.Tensor
    hidden: torch.Tensor
    cell: torch.Tensor


class Transducer:
    """Prediction and joint network of transformers' `Nemotron3_5AsrForRNNT`.  May be used in several threads."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers is optional, so it has no types here
        self._decoder, self._joint = model.decoder, model.joint
        self._blank = int(model.config.blank_token_id)
        self._most = int(model.config.max_symbols_per_step)
        self.start = self._predicted(self._blank, None)
        """The state before the first token."""

    @torch.inference_mode()
    def decode(
        self, state: DecoderState, encoded: torch.Tensor, first: int
    ) -> tuple[DecoderState, list[Emission]]:
        """
        Decode `encoded`, `[frames, width]`, whose first frame is number `first` of the utterance.

        At most `max_symbols_per_step` tokens of the model's config are written at one frame.  One frame is scored
        at a time: for more, the product with the matrix of 13,088 tokens takes longer, and a token makes it void.
        """
        emissions: list[Emission] = []
        for number, frame in enumerate(encoded, start=first):
            for _ in range(self._most):
                scores = self._joint(
                    decoder_hidden_states=state.output, encoder_hidden_states=frame
                )
                token = int(scores.argmax())
                if token == self._blank:
                    break
                emissions.append(Emission(token, number, float(scores.log_softmax(dim=-1)[token])))
                state = self._predicted(token, state)
        return state, emissions

    @torch.inference_mode()
    def _predicted(self, token: int, state: DecoderState | None) -> DecoderState:
        """The state after one more token; None: before the first."""
        embedded = self._decoder.embedding(torch.tensor([[token]]))
        before = None if state is None else (state.hidden, state.cell)
        output, (hidden, cell) = self._decoder.lstm(embedded, before)
        return DecoderState(self._decoder.decoder_projector(output)[0, 0], hidden, cell)
