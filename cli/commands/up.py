"""The command `up`: the whole pipeline on this machine."""

import argparse

from runtime.process import on_interrupt, run_loop

from ..common import prepare_weights
from .pipeline import pipeline
from .places import Places, check_ports, places_of


def up(options: argparse.Namespace) -> None:
    """Run the whole pipeline on this machine, until Ctrl-C."""
    check_ports(options, with_api=True)
    prepare_weights(options)

    async def run() -> None:
        hang_up = on_interrupt()
        places = places_of(options)
        async with pipeline(options, None, places) as url:
            print(_invitation(places.http_url(url), url, places), flush=True)
            await hang_up.wait()
            print("\nStopping: calls in progress are finished first.", flush=True)

    run_loop(run())


def _invitation(http: str, url: str, places: Places) -> str:
    """Return the text with the address of the pages, and of bridges and subscribers."""
    from protocol.dialects import registry as dialects  # they import numpy: the parts come first

    others = [path for path in dialects.paths() if path not in ("/v1/calls", "/twilio")]
    return f"""
Trunkline is up.  Open

    {places.api_url}

in a browser: live calls, search, "Connect a phone system" and "Talk to it".

Bridges send calls to

    Twilio       {url}/twilio
    native       {url}/v1/calls
    Deepgram     {url}/v1/listen (live), {http}/v1/listen (recordings)
    AudioSocket  port {places.side_servers["audiosocket_port"]}, announce calls at {http}
    others       {" ".join(others)}
                 (docs/bridges.md shows how to configure each)

Programs read captions at {url}/v1/calls/CALL_ID/events
and calls at {places.api_url}/docs (docs/api.md is a tutorial).

Press Ctrl-C to stop."""
