"""
The conformer encoder and the projector for clips of different lengths, without effects of padding.

The standard forward pass pads a batch to its longest clip, and the padding changes the results of shorter clips.
Here the frames of all clips are packed one after another.  Frame-wise layers, which are most of the computation,
see no padding; attention gets blocks with a mask; the convolution gets a line with gaps of zeros between the clips.
Modules and weights are those of the model.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their modules have no types here

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..compat import ModelModules


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions of the packed frames of a batch in the attention blocks and on the convolution line."""

    frames: int
    """Number of packed frames: those of all clips together."""

    context: int
    """Frames of one attention block."""

    in_blocks: torch.Tensor
    """[frames]: index of each frame among `blocks * context`."""

    real: torch.Tensor
    """[blocks, context]: False where a block holds no frame."""

    on_line: torch.Tensor
    """[frames]: index of each frame on the line with gaps."""

    line: int

    @classmethod
    def of(cls, lengths: Sequence[int], context: int, gap: int, device: torch.device) -> "Layout":
        """The layout of clips of `lengths` frames; a block is at most as long as the longest clip."""
        context = min(context, max(lengths))
        in_blocks, on_line, blocks, line = [], [], 0, 0
        for length in lengths:
            count = np.arange(length)
            in_blocks.append(blocks * context + count)
            on_line.append(line + count)
            blocks += -(-length // context)
            line += length + gap
        places = np.concatenate(in_blocks)
        real = np.zeros(blocks * context, np.bool_)
        real[places] = True
        there = [
            torch.from_numpy(one).to(device) for one in (places, real, np.concatenate(on_line))
        ]
        real_there = there[1].view(blocks, context)
        return cls(sum(lengths), context, there[0], real_there, there[2], line)


class RaggedEncoder:
    """The encoder, the CTC head and the projector of one loaded model."""

    def __init__(self, model: ModelModules) -> None:
        self._encoder = model.acoustic.encoder
        self._projector = model.acoustic.projector
        self.context = int(self._encoder.config.context_size)
        self._gap = int(self._encoder.config.conv_kernel_size) // 2

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = self._encoder.input_linear.weight.dtype
        return dtype

    def hidden(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Encode the features [frames, 160] of each clip to hidden states [frames, hidden]."""
        lengths = [len(clip) for clip in features]
        packed = torch.cat(list(features)).to(self._dtype)
        layout = Layout.of(lengths, self.context, self._gap, packed.device)
        return list(self._conform(packed, layout).split(lengths))

    def posteriors(self, hidden: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Log-probabilities [frames, labels] of the CTC head for each clip."""
        packed = self._encoder.out(torch.cat(list(hidden))).float().log_softmax(-1)
        return list(packed.split([len(clip) for clip in hidden]))

    def audio_tokens(self, hidden: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The audio tokens of each clip for the language model: [tokens, LLM hidden], three for 15 frames."""
        window = int(self._projector.window_size)
        windows = [-(-len(clip) // window) for clip in hidden]
        whole = [
            functional.pad(clip, (0, 0, 0, count * window - len(clip)))
            for clip, count in zip(hidden, windows, strict=True)
        ]
        heard = self._projector.qformer(
            query_embeds=self._projector.query,
            encoder_hidden_states=torch.cat(whole).view(sum(windows), window, -1),
            encoder_attention_mask=None,
            return_dict=True,
        ).last_hidden_state
        projected = self._projector.linear(heard)
        return [part.flatten(0, 1) for part in projected.split(windows)]

    def _conform(self, packed: torch.Tensor, layout: Layout) -> torch.Tensor:
        encoder = self._encoder
        context = layout.context
        distances = encoder.attention_dists[:context, :context]
        hidden: torch.Tensor = encoder.input_linear(packed)
        for number, block in enumerate(encoder.layers, start=1):
            hidden = 0.5 * block.ff1(hidden) + hidden
            hidden = _attend(block.attn, hidden, distances, layout) + hidden
            hidden = _convolve(block.conv, hidden, layout) + hidden
            hidden = block.post_norm(0.5 * block.ff2(hidden) + hidden)
            if number == encoder.num_layers // 2:
                hidden = hidden + encoder.out_mid(encoder.out(hidden).softmax(-1))
        return hidden


def _attend(
    attention: Any, hidden: torch.Tensor, distances: torch.Tensor, layout: Layout
) -> torch.Tensor:
    """Attention inside each block, with relative positions (Shaw et al.), with missing frames masked."""
    normed = attention.pre_norm(hidden)
    both = torch.cat([attention.to_q(normed), attention.to_kv(normed)], dim=-1)
    query, key, value = _in_blocks(both, layout, 3 * attention.num_heads).chunk(3, dim=1)
    relative = attention.rel_pos_emb(distances)
    bias = torch.einsum("bhcd,crd->bhcr", query, relative) * attention.scale
    bias = bias.masked_fill(~layout.real[:, None, None, :], torch.finfo(bias.dtype).min)
    heard = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias, scale=attention.scale
    )
    packed = heard.transpose(1, 2).flatten(0, 1).flatten(-2)[layout.in_blocks]
    attended: torch.Tensor = attention.to_out(packed)
    return attended


def _in_blocks(packed: torch.Tensor, layout: Layout, heads: int) -> torch.Tensor:
    """Reshape [frames, heads * d] to [blocks, heads, context, d], with zeros where there is no frame."""
    blocks = packed.new_zeros(layout.real.numel(), packed.shape[-1])
    blocks[layout.in_blocks] = packed
    return blocks.view(*layout.real.shape, heads, -1).transpose(1, 2)


def _convolve(module: Any, hidden: torch.Tensor, layout: Layout) -> torch.Tensor:
    """
    The convolution module.  Its point-wise convolutions are matrix products over the packed frames.

    Batch norm always runs in fp32: running variances of trained weights are so small that bf16 rounding would
    depend on the size of the batch.
    """
    opened = functional.linear(
        module.norm(hidden), module.up_conv.weight.squeeze(-1), module.up_conv.bias
    )
    gated = functional.glu(opened, dim=-1)
    line = gated.new_zeros(layout.line, gated.shape[-1])
    line[layout.on_line] = gated
    mixed = module.depth_conv(line.t().unsqueeze(0))[0].t()[layout.on_line]
    settled = module.silu(module.batch_norm(mixed.float())).to(hidden.dtype)
    return functional.linear(settled, module.down_conv.weight.squeeze(-1), module.down_conv.bias)
