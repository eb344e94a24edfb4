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

from ..compat import ModelModules, joined
from ..kernels.operators import convolve, uses_triton


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

    first: torch.Tensor
    """[frames]: first frame of the clip of each frame."""

    end: torch.Tensor
    """[frames]: the frame after the last one of that clip."""

    @classmethod
    def of(
        cls,
        lengths: Sequence[int],
        context: int,
        gap: int,
        device: torch.device,
        *,
        full: bool = False,
    ) -> "Layout":
        """The layout of clips of `lengths` frames; unless `full`, no block is longer than the longest clip."""
        context = context if full else min(context, max(lengths))
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
        ends = np.cumsum(lengths)
        tables = (
            places, real.reshape(blocks, context), np.concatenate(on_line),
            np.repeat(ends - lengths, lengths), np.repeat(ends, lengths),
        )  # fmt: skip
        there = [torch.from_numpy(one).to(device) for one in tables]
        return cls(sum(lengths), context, there[0], there[1], there[2], line, there[3], there[4])

    def filled(self, frames: int, blocks: int, gap: int) -> "Layout":
        """
        The same clips among `frames` frames and `blocks` blocks: more than there are.

        The additional frames share the last block, which counts as empty, and stand behind all clips on the line.
        """
        more = torch.arange(frames - self.frames, device=self.real.device)
        real = functional.pad(self.real, (0, 0, 0, blocks - len(self.real)))
        last = (blocks - 1) * self.context + more % self.context
        return Layout(
            frames, self.context, torch.cat([self.in_blocks, last]), real,
            torch.cat([self.on_line, self.line + more]), frames + gap * blocks,
            torch.cat([self.first, torch.full_like(more, self.frames)]),
            torch.cat([self.end, torch.full_like(more, frames)]),
        )  # fmt: skip

    def become(self, other: "Layout") -> None:
        """Overwrite the tables with those of a layout of the same size."""
        self.in_blocks.copy_(other.in_blocks)
        self.real.copy_(other.real)
        self.on_line.copy_(other.on_line)
        self.first.copy_(other.first)
        self.end.copy_(other.end)

    def hidden_frames(self, heads: int, dtype: torch.dtype) -> torch.Tensor:
        """What is added to scores: a very low number where there is no frame, [blocks * heads, context]."""
        low = torch.finfo(dtype).min
        mask = torch.zeros(self.real.shape, dtype=dtype, device=self.real.device)
        return mask.masked_fill_(~self.real, low).repeat_interleave(heads, 0)


class RaggedEncoder:
    """The encoder, the CTC head and the projector of one loaded model."""

    def __init__(self, model: ModelModules) -> None:
        self._encoder = model.acoustic.encoder
        self._projector = model.acoustic.projector
        self.context = int(self._encoder.config.context_size)
        self.gap = int(self._encoder.config.conv_kernel_size) // 2
        self._joined = _JoinedWeights(self._encoder.layers)
        self._norms = [_norm_of(layer.conv.batch_norm) for layer in self._encoder.layers]
        self.with_operators = uses_triton(self._encoder.input_linear.weight)
        """Whether `operators.convolve` is called: it is slower than torch without Triton, and cannot be trained."""

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = self._encoder.input_linear.weight.dtype
        return dtype

    def hidden(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Encode the features [frames, 160] of each clip to hidden states [frames, hidden]."""
        lengths = [len(clip) for clip in features]
        return list(self.packed(torch.cat(list(features)), self.layout(lengths)).split(lengths))

    def layout(self, lengths: Sequence[int], *, full: bool = False) -> Layout:
        """The layout of clips.  Blocks are as long as the longest clip, unless `full`: then as long as possible."""
        device = self._encoder.input_linear.weight.device
        return Layout.of(lengths, self.context, self.gap, device, full=full)

    def packed(self, features: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Hidden states [frames, hidden] of packed features [frames, 160].  Waits for nothing."""
        return self._conform(features.to(self._dtype), layout)

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the CTC head, fp32 [frames, labels]."""
        scores: torch.Tensor = self._encoder.out(hidden).float().log_softmax(-1)
        return scores

    def posteriors(self, hidden: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Log-probabilities [frames, labels] of the CTC head for each clip."""
        return list(self.scores(torch.cat(list(hidden))).split([len(clip) for clip in hidden]))

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
        mask = layout.hidden_frames(encoder.layers[0].attn.num_heads, hidden.dtype)
        for number, block in enumerate(encoder.layers):
            hidden = torch.add(hidden, block.ff1(hidden), alpha=0.5)
            bias = (distances, mask)
            hidden = hidden + _attend(block.attn, self._joined[number], hidden, bias, layout)
            hidden = hidden + self._convolve(number, block.conv, hidden, layout)
            hidden = block.post_norm(torch.add(hidden, block.ff2(hidden), alpha=0.5))
            if number + 1 == encoder.num_layers // 2:
                hidden = hidden + encoder.out_mid(encoder.out(hidden).softmax(-1))
        return hidden

    def _convolve(
        self, number: int, module: Any, hidden: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """The convolution module.  Its point-wise convolutions are matrix products over the packed frames."""
        opened = functional.linear(
            module.norm(hidden), module.up_conv.weight.squeeze(-1), module.up_conv.bias
        )
        opened = functional.glu(opened, dim=-1)
        if self.with_operators:
            weight = module.depth_conv.conv.weight.squeeze(1)
            settled = convolve(opened, layout.first, layout.end, weight, *self._norms[number])
        else:
            settled = _convolve_on_line(module, opened, layout)
        return functional.linear(
            settled, module.down_conv.weight.squeeze(-1), module.down_conv.bias
        )


class _JoinedWeights(Sequence[torch.Tensor]):
    """
    Query, key and value weights of each layer as one matrix, [3 * heads * size, hidden].

    They are joined once, and the modules get views; while the weights are being trained, they are joined each time.
    """

    def __init__(self, layers: Any) -> None:
        self._pairs = [(layer.attn.to_q, layer.attn.to_kv) for layer in layers]
        self._trained = any(one.weight.requires_grad for pair in self._pairs for one in pair)
        self._joined = [] if self._trained else [joined(pair) for pair in self._pairs]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: Any) -> Any:
        if self._trained:
            return torch.cat([one.weight for one in self._pairs[number]])
        return self._joined[number]


def _norm_of(norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch norm as factor and summand, both fp32 [channels]."""
    scale = norm.weight.float() / torch.sqrt(norm.running_var.float() + norm.eps)
    return scale, norm.bias.float() - norm.running_mean.float() * scale


def _attend(
    attention: Any, joined_weight: torch.Tensor, hidden: torch.Tensor,
    bias: tuple[torch.Tensor, torch.Tensor], layout: Layout,
) -> torch.Tensor:  # fmt: skip
    """
    Attention inside each block, with relative positions (Shaw et al.), with missing frames masked.

    `bias`: distances of the frames of a block, and `Layout.hidden_frames`.
    """
    both = functional.linear(attention.pre_norm(hidden), joined_weight)
    query, key, value = _in_blocks(both, layout, 3 * attention.num_heads).chunk(3, dim=1)
    distances, mask = bias
    relative = attention.rel_pos_emb(distances)
    blocks, heads, context, size = query.shape
    by_place = query.permute(2, 0, 1, 3).reshape(context, blocks * heads, size)
    scores = torch.baddbmm(mask, by_place, relative.transpose(1, 2), alpha=attention.scale)
    heard = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=scores.view(context, blocks, heads, -1).permute(1, 2, 0, 3),
        scale=attention.scale,
    )  # fmt: skip
    packed = heard.transpose(1, 2).flatten(0, 1).flatten(-2).index_select(0, layout.in_blocks)
    attended: torch.Tensor = attention.to_out(packed)
    return attended


def _in_blocks(packed: torch.Tensor, layout: Layout, heads: int) -> torch.Tensor:
    """Reshape [frames, heads * d] to [blocks, heads, context, d], with zeros where there is no frame."""
    blocks = packed.new_zeros(layout.real.numel(), packed.shape[-1])
    blocks = blocks.index_copy(0, layout.in_blocks, packed)
    return blocks.view(*layout.real.shape, heads, -1).transpose(1, 2)


def _convolve_on_line(module: Any, opened: torch.Tensor, layout: Layout) -> torch.Tensor:
    """
    See operators.convolve.

    Batch norm always runs in fp32: running variances of trained weights are so small that bf16 rounding would
    depend on the size of the batch.
    """
    line = opened.new_zeros(layout.line, opened.shape[-1])
    line[layout.on_line] = opened
    mixed = module.depth_conv(line.t().unsqueeze(0))[0].t()[layout.on_line]
    return module.silu(module.batch_norm(mixed.float())).to(opened.dtype)  # type: ignore[no-any-return]
