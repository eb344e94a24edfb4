"""
Word error rate of any engine, with and without a keyword list.

    python bench/wer.py MANIFEST --engine granite [--option model=/models/granite] [--keywords terms.txt]

MANIFEST has one JSON object on each line: `file` (WAV, mixed to mono, relative to the manifest), `text`,
`language`, and optionally `keywords`, a list of terms for that clip, spoken or not.  Lines without `text` are
skipped.  English is normalised with Whisper's English normaliser, other languages with its basic normaliser.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jiwer
import numpy as np
import soxr
from pydantic import ValidationError
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from protocol.audio import Encoding, decode
from workers.engines import registry
from workers.engines.base import Engine, Samples, Utterance
from workers.engines.errors import EngineError

RATE = 16_000
_ENGLISH, _OTHERS = EnglishTextNormalizer(), BasicTextNormalizer()


@dataclass(frozen=True, slots=True)
class ManifestClip:
    """One line of the manifest."""

    file: Path
    text: str = field(repr=False)
    language: str
    keywords: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Errors:
    """Word errors over many clips: errors and words are summed before the division."""

    words: int = 0
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    @property
    def rate(self) -> float:
        """Word error rate."""
        return (self.substituted + self.deleted + self.inserted) / max(self.words, 1)


@dataclass(frozen=True, slots=True)
class Spotted:
    """Counts of keywords over many clips."""

    said: int = 0
    found: int = 0
    inserted: int = 0
    """Occurrences of terms in the text that were not spoken."""

    @property
    def recall(self) -> float:
        """Share of spoken terms that were found; 1 if none was spoken."""
        return self.found / self.said if self.said else 1.0


def normalised(text: str, language: str) -> str:
    """`text`, normalised for comparison."""
    return str((_ENGLISH if language == "en" else _OTHERS)(text)).strip()


def word_errors(pairs: Iterable[tuple[str, str]]) -> Errors:
    """Word errors of pairs (reference, recognised), both normalised; an empty reference counts only insertions."""
    words = substituted = deleted = inserted = 0
    for reference, heard in pairs:
        if not reference:
            inserted += len(heard.split())
            continue
        found = jiwer.process_words(reference, heard)
        words += len(reference.split())
        substituted += found.substitutions
        deleted += found.deletions
        inserted += found.insertions
    return Errors(words, substituted, deleted, inserted)


def spotted(triples: Iterable[tuple[str, str, Sequence[str]]]) -> Spotted:
    """Found and falsely inserted terms in (reference, recognised, terms), all normalised."""
    said = found = inserted = 0
    for reference, heard, terms in triples:
        for term in terms:
            true, claimed = _count(term, reference), _count(term, heard)
            said += true
            found += min(true, claimed)
            inserted += max(0, claimed - true)
    return Spotted(said, found, inserted)


def read_manifest(path: Path, extra: Sequence[str]) -> list[ManifestClip]:
    """The clips that have a reference; `extra` are keywords for all of them."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [
        ManifestClip(
            path.parent / line["file"], line["text"], line.get("language", "en"),
            tuple(dict.fromkeys([*line.get("keywords", []), *extra])),
        )
        for line in lines
        if line.get("text")
    ]  # fmt: skip


def read_samples(path: Path) -> Samples:
    """A WAV file (16-bit PCM or G.711), mixed to mono and resampled to 16 kHz."""
    raw = path.read_bytes()
    chunks = dict(_chunks(raw))
    form, channels, rate = (
        int.from_bytes(chunks[b"fmt "][a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8))
    )
    encoding = {1: Encoding.L16, 6: Encoding.ALAW, 7: Encoding.MULAW}.get(form)
    if encoding is None:
        raise SystemExit(f"{path}: neither 16-bit PCM nor G.711")
    whole = decode(chunks[b"data"], encoding)
    pcm = whole[: len(whole) // channels * channels].reshape(-1, channels)
    mono = pcm.astype(np.float32).mean(1) / 32_768
    return np.asarray(soxr.resample(mono, rate, RATE), dtype=np.float32)


def pieces(samples: Samples, longest: int) -> Iterator[Samples]:
    """`samples`, cut at quiet places, so that no piece is longer than `longest` samples."""
    while len(samples) > longest:
        energy = np.convolve(samples[:longest] ** 2, np.ones(1_600), "same")
        cut = longest // 2 + int(energy[longest // 2 :].argmin())
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def loaded(name: str, options: Sequence[str]) -> Engine:
    """
    Load the engine called `name`; `options`: its settings, `NAME=VALUE` for each.

    Raises EngineError when the engine cannot be loaded or has no such setting.
    """
    values = dict(option.split("=", 1) for option in options)
    try:
        settings = registry.settings_of(name).model_validate(values)
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)[0]
        raise EngineError(f"{name}.{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from exc
    return registry.load(name, **settings.options())


def transcribe(engine: Engine, clips: Sequence[ManifestClip], *, with_list: bool) -> list[str]:
    """The text of each clip by `engine`; `with_list`: with the keywords of the clip."""
    can = engine.capabilities
    jobs: list[tuple[int, Utterance]] = []
    for number, clip in enumerate(clips):
        terms = clip.keywords if with_list else ()
        for part in pieces(read_samples(clip.file), int(can.max_seconds * RATE)):
            jobs.append((number, Utterance(part, language=clip.language, keywords=terms)))
    texts: list[list[str]] = [[] for _ in clips]
    for start in range(0, len(jobs), can.max_batch):
        batch = jobs[start : start + can.max_batch]
        for (number, _), heard in zip(
            batch, engine.transcribe([job for _, job in batch]), strict=True
        ):
            texts[number].append(heard.text)
    return [" ".join(parts) for parts in texts]


def report(clips: Sequence[ManifestClip], heard: Sequence[str], title: str, seconds: float) -> str:
    """Lines of the table: one for all clips and, if there are several languages, one for each."""
    lines = []
    languages = sorted({clip.language for clip in clips})
    for group in [languages] if len(languages) == 1 else [languages, *([one] for one in languages)]:
        rows = [
            (
                normalised(clip.text, clip.language),
                normalised(text, clip.language),
                [normalised(term, clip.language) for term in clip.keywords],
            )
            for clip, text in zip(clips, heard, strict=True)
            if clip.language in group
        ]
        errors = word_errors((reference, text) for reference, text, _ in rows)
        terms = spotted(rows)
        lines.append(
            f"| {title} | {'+'.join(group)} | {len(rows)} | {errors.words} | {errors.rate:.2%}"
            f" | {errors.substituted}/{errors.deleted}/{errors.inserted}"
            f" | {terms.found}/{terms.said} ({terms.recall:.1%}) | {terms.inserted} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--engine", default=registry.DEFAULT, help="a name of workers/engines/registry.py"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the engine",
    )
    parser.add_argument("--keywords", type=Path, help="terms for all clips, one a line")
    parser.add_argument("--language", help="only clips in this language")
    chosen = parser.parse_args(arguments)

    extra = chosen.keywords.read_text("utf-8").split("\n") if chosen.keywords else []
    clips = read_manifest(chosen.manifest, [term.strip() for term in extra if term.strip()])
    clips = [clip for clip in clips if chosen.language in (None, clip.language)]
    engine = loaded(chosen.engine, chosen.option)
    spoken = {clip.language for clip in clips} - engine.capabilities.languages
    left_out = [clip for clip in clips if clip.language in spoken]
    clips = [clip for clip in clips if clip.language not in spoken]
    if not clips:
        raise SystemExit("no clip with a reference in a language of this engine")

    print(
        f"{engine.capabilities.name} on {platform.processor() or platform.machine()}, {_commit()}"
    )
    print(f"command: python bench/wer.py {shlex.join(arguments or sys.argv[1:])}")
    if left_out:
        print(f"left out, in languages that the engine does not know: {len(left_out)}")
    print(
        "| list | language | clips | words | WER | sub/del/ins | keywords found | false insertions | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for with_list in (False, True):
        if with_list and not (
            engine.capabilities.keywords and any(clip.keywords for clip in clips)
        ):
            print("no second run: no keywords, or the engine takes none")
            break
        before = time.perf_counter()
        heard = transcribe(engine, clips, with_list=with_list)
        title = "with" if with_list else "without"
        print(report(clips, heard, title, time.perf_counter() - before))


def _count(term: str, text: str) -> int:
    """Number of occurrences of `term` in `text`, as whole words."""
    words, sought = text.split(), term.split()
    if not sought:
        return 0
    return sum(words[at : at + len(sought)] == sought for at in range(len(words)))


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a RIFF file: (id, content)."""
    at = 12
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + 8], "little")
        yield raw[at : at + 4], raw[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return f"commit {done.stdout.strip() or 'unknown'}"


if __name__ == "__main__":
    main()
