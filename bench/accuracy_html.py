"""The page of `bench/accuracy_page.py`: one HTML file with players and word differences.  Pure."""

import base64
import html
import io
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.accuracy_statistics import Change, Interval, Stretch
from protocol.audio import Pcm

_RATE = 8_000
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.25rem .8rem;border-bottom:1px solid #d8dde3;text-align:right}
th:first-child,td:first-child{text-align:left}h2{margin-top:2.5rem}
article{border-top:1px solid #d8dde3;padding:.6rem 0}
pre{font:13px/1.4 ui-monospace,monospace;overflow-x:auto}
audio{height:2rem;width:20rem;vertical-align:middle}h3{font-size:1rem;margin:.2rem 0}p{margin:.2rem 0}
small,.recipe{color:#59636e}del{background:#ffd8d3;color:#8b1a10}
ins{background:#cfeed8;color:#0b5a25;text-decoration:none}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e4e7ea}th,td,article{border-color:#343a41}
small,.recipe{color:#9aa4ae}del{background:#5c1f19;color:#ffd8d3}ins{background:#16462a;color:#d3f5de}}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One set: error rates of the engine alone and of the pipeline, and of the digits in the pipeline."""

    name: str
    recordings: int
    words: int
    alone: Interval
    pipeline: Interval
    digits: Interval | None
    """None: the texts have no digits."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One recording: audio at 8 kHz and the differences of both texts."""

    name: str
    pcm: Pcm
    wrong: int
    alone: Sequence[Stretch]
    pipeline: Sequence[Stretch]


def page(
    recipe: str,
    rows: Sequence[Row],
    tables: Sequence[str],
    sets: Sequence[tuple[str, Sequence[Shown]]],
) -> str:
    """
    The whole page.

    `tables`: further tables as plain text.  `sets`: the recordings of each set, with the most errors first.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Accuracy</title>",
        f"<style>{_STYLE}</style><h1>Accuracy</h1><p class=recipe>{html.escape(recipe)}</p>",
        _summary(rows),
        *(f"<pre>{html.escape(table)}</pre>" for table in tables),
    ]
    for name, shown in sets:
        parts.append(f"<h2>{html.escape(name)}</h2>")
        parts += (_recording(one) for one in shown)
    return "\n".join(parts)


def _summary(rows: Sequence[Row]) -> str:
    head = "".join(
        f"<th>{cell}"
        for cell in ("set", "recordings", "words", "engine alone", "pipeline", "digits, pipeline")
    )
    body = "".join(
        f"<tr><td>{html.escape(row.name)}<td>{row.recordings}<td>{row.words}"
        f"<td>{told(row.alone)}<td>{told(row.pipeline)}<td>{told(row.digits) if row.digits else '–'}"
        for row in rows
    )
    return (
        f"<table><tr>{head}{body}</table><p><small>Word error rates with 95 % confidence intervals (bootstrap over"
        " recordings). <del>Said</del> <ins>recognised</ins>.</small></p>"
    )


def told(interval: Interval) -> str:
    """A rate and its interval in percent."""
    return f"{100 * interval.rate:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _recording(one: Shown) -> str:
    both = "".join(
        f"<p><small>{name}</small> {''.join(_words(stretches))}</p>"
        for name, stretches in (("alone", one.alone), ("pipeline", one.pipeline))
    )
    return (
        f"<article><h3>{html.escape(one.name)} <small>{one.wrong} wrong</small></h3>"
        f'<audio controls preload=none src="data:audio/wav;base64,{_wav(one.pcm)}"></audio>{both}</article>'
    )


def _words(stretches: Sequence[Stretch]) -> Iterator[str]:
    for stretch in stretches:
        said, heard = html.escape(stretch.said), html.escape(stretch.heard)
        match stretch.change:
            case Change.EQUAL:
                yield said + " "
            case Change.DELETED:
                yield f"<del>{said}</del> "
            case Change.INSERTED:
                yield f"<ins>{heard}</ins> "
            case Change.SUBSTITUTED:
                yield f"<del>{said}</del> <ins>{heard}</ins> "


def _wav(pcm: Pcm) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(pcm.astype("<i2").tobytes())
    return base64.b64encode(file.getvalue()).decode()
