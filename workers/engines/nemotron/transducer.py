"""
Greedy decoding of a transducer (Graves, "Sequence Transduction with Recurrent Neural Networks", arXiv 1211.3711).

A prediction network (an LSTM over the tokens written so far) and the encoder's frame together give the next token
or blank, which moves to the next frame.  The state after a frame is all that later frames need.
"""

from dataclasses import dataclass
from typing import Any

import torch

_FRAMES_AT_ONCE = 8
"""Frames that are scored together: reading the matrix of 13,088 tokens takes as long for these as for one."""


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

        At most `max_symbols_per_step` tokens of the model's config are written at one frame.  Some frames are
        scored at once, because most are blank; after a token, those from its frame on are scored again.
        """
        emissions: list[Emission] = []
        at, written = 0, 0
        while at < len(encoded):
            few = encoded[at : at + _FRAMES_AT_ONCE]
            scores = self._joint(decoder_hidden_states=state.output, encoder_hidden_states=few)
            tokens = scores.argmax(dim=-1)
            speaking = (tokens != self._blank).nonzero()
            if not len(speaking):
                at, written = at + len(few), 0
                continue
            blanks = int(speaking[0])
            at, written = at + blanks, 0 if blanks else written
            token = int(tokens[blanks])
            log_prob = float(scores[blanks].log_softmax(dim=-1)[token])
            emissions.append(Emission(token, first + at, log_prob))
            state, written = self._predicted(token, state), written + 1
            if written == self._most:
                at, written = at + 1, 0
        return state, emissions

    @torch.inference_mode()
    def _predicted(self, token: int, state: DecoderState | None) -> DecoderState:
        """The state after one more token; None: before the first."""
        embedded = self._decoder.embedding(torch.tensor([[token]]))
        before = None if state is None else (state.hidden, state.cell)
        output, (hidden, cell) = self._decoder.lstm(embedded, before)
        return DecoderState(self._decoder.decoder_projector(output)[0, 0], hidden, cell)
