"""The command `demo`: a synthetic call through the whole pipeline."""

import argparse
import contextlib
import json
import secrets
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from runtime.process import on_interrupt, run_loop
from streaming.settings import GatewaySettings
from transcripts.formats.render import render
from transcripts.settings import RecorderSettings
from transcripts.transcript import Transcript
from transcripts.wer import WordErrors, word_errors

from ..call_source import local_calls
from ..captions import Captions
from ..common import data_folder, prepare_weights, settings_of, store_url
from ..live_view import play_with_captions
from ..recording import read_recording
from ..simulated_bridge import CallPlan, Playback
from .pipeline import pipeline
from .places import check_ports, places_of

_DEMO = Path(__file__).parent.parent / "demo"


def demo(options: argparse.Namespace) -> int:
    """Play a synthetic call through the whole pipeline, show captions and count word errors."""
    script = json.loads((_DEMO / "script.json").read_text())
    recording = read_recording(_DEMO / "call.wav")
    check_ports(options, with_api=options.browser)
    prepare_weights(options)
    print(
        f"{script['notice']}\n{recording.seconds:.0f} s of audio are"
        " sent in the format of Twilio: 8 kHz mu-law, two tracks,"
        f" real time.\nKeywords: {', '.join(script['keywords'])}\n"
    )
    plan = CallPlan(
        f"demo-{secrets.token_hex(3)}", ("agent", "customer"), "en", tuple(script["keywords"])
    )

    async def run() -> Captions:
        hang_up = on_interrupt()
        log_file = data_folder() / "demo.log"
        places = places_of(options) if options.browser else None
        async with pipeline(options, log_file, places) as url:
            if places:
                _open_page(f"{places.api_url}/calls/{plan.call_id}")
            playback = Playback(url, "twilio", recording, plan)
            captions = await play_with_captions(playback, hang_up)
            if places and not hang_up.is_set():
                print(
                    f"The call is over.  {places.api_url} stays open: press Ctrl-C to stop.",
                    flush=True,
                )
                await hang_up.wait()
            return captions

    captions = run_loop(run())
    with local_calls(options) as calls:
        transcript = calls.whole(plan.call_id)
    Console(highlight=False).print("\n", render(transcript, plan.keywords))
    errors = _errors(transcript, script["turns"])
    print(f"\nWord error rate {100 * errors.rate:.1f} % of {errors.reference} words.")
    if lags := sorted(captions.lags):
        middle = lags[len(lags) // 2]
        print(
            f"Finals arrived {middle:.0f} ms after the end of their segment, which is"
            f" {GatewaySettings().endpointing.kept_ms} ms after its last speech (median of {len(lags)})."
        )
    print(f"Stored in {store_url(settings_of(options, 'recorder', RecorderSettings))}")
    print(f"Show it again: trunkline show {plan.call_id}")
    return 0


def _open_page(url: str) -> None:
    """Print the address of a page, and open it in the browser of this machine, if there is one."""
    print(f"The call is at {url}\n", flush=True)
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(url)


def _errors(transcript: Transcript, turns: Sequence[dict[str, Any]]) -> WordErrors:
    """Return the sum of the word errors of all channels."""
    total = WordErrors()
    for channel in range(len(transcript.call.roles)):
        reference = " ".join(turn["text"] for turn in turns if turn["channel"] == channel)
        total += word_errors(reference, transcript.text_of(channel))
    return total
