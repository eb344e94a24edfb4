"""The receiver of docs/webhooks.md checks signatures, and tells an event that arrives twice."""

import asyncio
import re
import threading
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.call_records import recorded, started
from support.webhooks import ClockedStore, sending

from broker.outgoing.http_client import OutgoingHttp
from protocol.outgoing.destinations import destinations_in
from transcripts.webhooks.endpoint import DeliveryState
from transcripts.webhooks.events import EventKind

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


def receiver() -> dict[str, Any]:
    """The names of the page's receiver."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    names: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    return names


async def test_the_receiver_of_the_page_works(
    clocked_store: ClockedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    names, hooks = receiver(), clocked_store.store.webhooks
    server = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    try:
        endpoint = hooks.add("", url, [EventKind.CALL_STARTED])
        names["SECRET"] = endpoint.secrets[0].text
        async with sending(clocked_store.store):
            clocked_store.store.record(recorded("c1", started()))
            await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)
            (one,) = await clocked_store.deliveries(endpoint.webhook_id)
            hooks.send_again("", endpoint.webhook_id, one.delivery_id)
            await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)
        forged = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        refused = await OutgoingHttp(destinations_in("127.0.0.1")).post(url, forged, b"{}")
    finally:
        await asyncio.to_thread(server.shutdown)
        serving.join()
        server.server_close()

    assert refused.status == 400
    assert names["seen"] == {one.delivery_id}
    assert capsys.readouterr().out.count("call.started c1") == 1
