"""
Speed of the Granite engine at true size, with random weights.

    python bench/granite.py                       # with a GPU: true size
    python bench/granite.py --size tiny           # on any machine: shows that everything runs, not the speed

Speed depends on lengths, not on weights: each text has exactly 3.5 tokens per second of speech, as English speech
has. For comparison, `generate()` of transformers runs with the same weights, lengths and machine.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.granite_concurrency import print_concurrency
from bench.random_granite import RATE, TINY, TRUE, Bench, build, text_length
from bench.recipe import percentile, recipe
from workers.engines.base import Effort, Samples, Utterance
from workers.engines.granite.device import device_named
from workers.engines.granite.model import DecoderFactory
from workers.engines.granite.text.prompts import GRANITE_4_0, written
from workers.engines.granite.warmup import measure

PARTIAL_EVERY = 0.5
KEYWORDS = tuple(f"Name {letter}" for letter in "ABCDEFGHIJKLMNOPQRST")


def noise(seconds: float, seed: int) -> Samples:
    """Random audio, float32, `[n]`, at 16 kHz: only its length matters."""
    made = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * made).astype(np.float32)


def timed(act: Callable[[], object], repeats: int) -> float:
    """Median duration of `repeats` runs, in seconds, after one run that is not counted."""
    act()
    spent = []
    for _ in range(repeats):
        before = time.perf_counter()
        act()
        spent.append(time.perf_counter() - before)
    return float(np.median(spent))


def finals(
    bench: Bench, decoder_factory: DecoderFactory, batch: int, seconds: float, repeats: int
) -> float:
    """Duration, in seconds, of `batch` finals of `seconds` each, with keywords."""
    engine = bench.engine(decoder_factory, seconds)
    utterances = [Utterance(noise(seconds, seed), keywords=KEYWORDS) for seed in range(batch)]
    return timed(lambda: engine.transcribe(utterances), repeats)


def plain_generate(bench: Bench, batch: int, seconds: float, repeats: int) -> float:
    """The same with `generate()` of transformers; all clips have one length, so there is no padding."""
    model, device = bench.model, bench.parts.llm.device
    tokens = bench.parts.prompts.tokens
    audio = tokens.id_of("<|audio|>")
    asked = GRANITE_4_0.instruction("en", None, keywords=True)
    assert written(asked, KEYWORDS)
    clips = [noise(seconds, seed) for seed in range(batch)]
    most = text_length(len(clips[0]))

    def run() -> None:
        features = torch.stack([bench.parts.frontend.whole(clip) for clip in clips]).to(model.dtype)
        heard = -(-features.shape[1] // 15) * 3
        ids = [*tokens.before_audio(), *[audio] * heard, *tokens.behind_audio(asked, KEYWORDS)]
        rows = torch.tensor([ids] * batch, device=device)
        model.generate(
            input_ids=rows, attention_mask=torch.ones_like(rows), input_features=features,
            input_features_mask=torch.ones(batch, heard, dtype=torch.bool, device=device),
            max_new_tokens=most, min_new_tokens=most, do_sample=False, num_beams=1,
        ).cpu()  # fmt: skip

    # The vendor's forward pass does not support fp32 batch norm in a bf16 model: autocast converts the types.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        return timed(run, repeats)


def partials(
    bench: Bench, decoder_factory: DecoderFactory, batch: int, seconds: float, repeats: int
) -> float:
    """Duration, in seconds, of one partial for each of `batch` open segments of `seconds` with earlier partials."""
    engine = bench.engine(decoder_factory, max(seconds + 60.0, 90.0))
    length = round(seconds * RATE)
    clips = [noise(seconds + 2, seed) for seed in range(batch)]
    moments = iter(range(0, RATE, RATE // (repeats + 3)))

    def once() -> None:
        end = length + next(moments)
        engine.transcribe(
            [Utterance(clip[:end], Effort.PARTIAL, key=str(n)) for n, clip in enumerate(clips)]
        )

    once()
    return timed(once, repeats)


@dataclass(frozen=True, slots=True, order=True)
class TimedRequest:
    """A request of one voice at one moment of the load test."""

    at: float
    voice: int
    segment: int
    seconds: float
    """Length of the segment so far."""

    final: bool


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies of finals and partials in seconds, and the number of partials that were dropped."""

    finals: list[float]
    partials: list[float]
    dropped: int


def timetable(voices: int, span: float) -> list[TimedRequest]:
    """
    Finals and partials of `voices` speakers without pauses, for `span` seconds.

    Segments have 1 to 15 s, 5 s on average.  Lengths are exponential and speakers begin at random, so finals form a
    Poisson process.
    """
    dice = np.random.default_rng(1)
    due = []
    for voice in range(voices):
        begun, segment = -float(dice.uniform(0, 5)), 0
        while begun < span:
            length = float(np.clip(dice.exponential(5.0), 1.0, 15.0))
            moments = np.arange(PARTIAL_EVERY, length, PARTIAL_EVERY)
            due += [
                TimedRequest(begun + float(t), voice, segment, float(t), final=False)
                for t in moments
            ]
            due.append(TimedRequest(begun + length, voice, segment, length, final=True))
            begun, segment = begun + length, segment + 1
    return sorted(one for one in due if 0 <= one.at < span)


def load_test(
    bench: Bench, decoder_factory: DecoderFactory, voices: int, span: float
) -> LoadResult:
    """
    Run the load test.

    A voice has at most one partial in the engine; newer ones are dropped while it waits.
    """
    engine = bench.engine(decoder_factory, 30.0)
    clips = [noise(15.0, seed) for seed in range(8)]
    due = timetable(voices, span)[::-1]
    begun: dict[int, float] = {}
    asked: dict[int, int] = {}
    waits: list[float] = []
    partial_waits: list[float] = []
    fallen = 0
    start = time.perf_counter()
    while due or engine.pending:
        now = time.perf_counter() - start
        while due and due[-1].at <= now:
            one = due.pop()
            samples = clips[one.voice % 8][: round(one.seconds * RATE)]
            if one.final:
                (ticket,) = engine.admit([Utterance(samples, keywords=KEYWORDS)])
                begun[ticket] = one.at
            elif one.voice in asked.values():
                fallen += 1
            else:
                key = f"{one.voice}-{one.segment}"
                (ticket,) = engine.admit([Utterance(samples, Effort.PARTIAL, key=key)])
                asked[ticket] = one.voice
                begun[ticket] = one.at
        for ticket, _ in engine.step():
            kind = waits if asked.pop(ticket, None) is None else partial_waits
            kind.append(time.perf_counter() - start - begun.pop(ticket))
        if due and not engine.pending:
            time.sleep(max(0.0, due[-1].at - (time.perf_counter() - start)))
    return LoadResult(waits, partial_waits, fallen)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print Markdown."""
    chosen = _grammar().parse_args(arguments)
    device = device_named(chosen.device)
    batches = [int(size) for size in chosen.batches.split(",")]
    bench = build(TRUE if chosen.size == "true" else TINY, device)
    decoder_factory = bench.decoder_factory(
        max(batches), max(chosen.seconds, 30.0), graphs=not chosen.no_graphs
    )
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    print(
        f"{accelerator}, torch {torch.__version__}, size {chosen.size}, random weights; {recipe()}"
    )
    print(f"command: python bench/granite.py {shlex.join(arguments or sys.argv[1:])}\n")
    print_finals(bench, decoder_factory, batches, chosen)
    print_partials(bench, decoder_factory, batches, chosen.repeats)
    print_drafts(bench, decoder_factory, batches)
    clips = [noise(chosen.clip, seed) for seed in range(8)]
    print_concurrency(bench.engine(decoder_factory, chosen.clip), clips, batches, chosen.repeats)
    for streams in [int(one) for one in chosen.streams.split(",") if one]:
        print_load(bench, decoder_factory, streams, chosen.span)


def _grammar() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=["true", "tiny"], default="true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batches", default="1,8,32,64,128")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a segment")
    parser.add_argument("--clip", type=float, default=8.0, help="length of clips at once")
    parser.add_argument(
        "--streams", default="100,250,500", help="voices of the load test; empty for none"
    )
    parser.add_argument("--span", type=float, default=30.0, help="seconds of the load test")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-graphs", action="store_true")
    parser.add_argument(
        "--no-generate", action="store_true", help="without plain generate() beside it"
    )
    return parser


def print_finals(
    bench: Bench,
    decoder_factory: DecoderFactory,
    batches: Sequence[int],
    chosen: argparse.Namespace,
) -> None:
    """Print a table of finals, compared with `generate()` unless `--no-generate` is given."""
    seconds = chosen.seconds
    print(f"Finals of {seconds:g} s, {text_length(round(seconds * RATE))} tokens, 20 keywords\n")
    print("| batch | engine, s | engine, RTFx | generate(), s | generate(), RTFx | ratio |")
    print("|---|---|---|---|---|---|")
    for batch in batches:
        own = finals(bench, decoder_factory, batch, seconds, chosen.repeats)
        line = f"| {batch} | {own:.3f} | {batch * seconds / own:.0f} |"
        if not chosen.no_generate:
            theirs = plain_generate(bench, batch, seconds, chosen.repeats)
            line += f" {theirs:.3f} | {batch * seconds / theirs:.0f} | {theirs / own:.2f} |"
        print(line, flush=True)


def print_partials(
    bench: Bench, decoder_factory: DecoderFactory, batches: Sequence[int], repeats: int
) -> None:
    """Print a table of partials, with the number of streams that they allow."""
    print("\nPartials of segments 6 s long\n")
    print("| batch | each, ms | streams at one per 0.5 s, nothing else running |")
    print("|---|---|---|")
    for batch in batches:
        each = partials(bench, decoder_factory, batch, 6.0, repeats) / batch
        print(f"| {batch} | {1_000 * each:.2f} | {PARTIAL_EVERY / each:.0f} |", flush=True)


def print_drafts(bench: Bench, decoder_factory: DecoderFactory, batches: Sequence[int]) -> None:
    """Print a table of the acceptance at which drafts save time."""
    print("\nDrafts: share that must be accepted for a draft to pay\n")
    print("| rows | step, ms | one more token in the prefill, ms | break-even |")
    print("|---|---|---|---|")
    for rows in batches:
        cost = measure(bench.parts, decoder_factory.endless(), rows, time.perf_counter)
        print(
            f"| {rows} | {1e3 * cost.step:.2f} | {1e3 * cost.verify:.3f} | {cost.verify / cost.step:.0%} |",
            flush=True,
        )


def print_load(bench: Bench, decoder_factory: DecoderFactory, streams: int, span: float) -> None:
    """Print the latency of finals at a load of `streams` voices, in one line."""
    done = load_test(bench, decoder_factory, streams, span)
    p50, p95, p99 = (1e3 * percentile(done.finals, share) for share in (0.50, 0.95, 0.99))
    early = [1e3 * percentile(done.partials or [0.0], share) for share in (0.50, 0.95)]
    print(
        f"\n{streams} voices without a pause for {span:g} s: {len(done.finals)} finals,"
        f" p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms; {len(done.partials)} partials,"
        f" p50 {early[0]:.0f} ms, p95 {early[1]:.0f} ms, {done.dropped} fell away",
        flush=True,
    )


if __name__ == "__main__":
    main()
