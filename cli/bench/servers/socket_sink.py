"""A server that reads WebSocket messages and drops them: the cost of the socket itself.  Prints its port."""

import argparse
import asyncio

from websockets.asyncio.server import ServerConnection, serve

from runtime.process import run_loop, say_ready, until_told_to_stop


async def with_websockets() -> None:
    """`websockets`, with the settings of the gateway."""

    async def drop(socket: ServerConnection) -> None:
        async for _ in socket:
            pass

    async with serve(drop, "127.0.0.1", 0, compression=None, max_queue=4) as server:
        say_ready(str(next(iter(server.sockets)).getsockname()[1]))
        await asyncio.get_running_loop().create_future()


async def with_picows() -> None:
    """`picows`, where it is installed."""
    import picows  # not a dependency

    class Drop(picows.WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: object, frame: object) -> None:
            pass

    server = await picows.ws_create_server(lambda _: Drop(), "127.0.0.1", 0)
    say_ready(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["websockets", "picows"])
    chosen = {"websockets": with_websockets, "picows": with_picows}
    run_loop(until_told_to_stop(chosen[parser.parse_args().library]()))
