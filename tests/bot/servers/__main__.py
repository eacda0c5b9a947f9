"""A local chat server as a process of its own: `python -m tests.bot.servers telegram|discord`.

It writes one line of JSON with its addresses and lives until its input ends. `POST control/call` with
`{"method": ..., "args": [...], "kwargs": {...}}` does what a test does with the server object (`say`, `press`, `slash`,
`text`, ...), `POST control/fault` with `{"where": ..., "fault": {...}, "times": 1}` lets the next calls fail, and
`POST control/set` sets a switch such as `forgetful`. See `remote` for the other side.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import msgspec
from aiohttp import web

from tests.bot.servers.discord_server import DiscordServer
from tests.bot.servers.faults import Fault
from tests.bot.servers.telegram_server import TelegramServer

KINDS: dict[str, type[TelegramServer | DiscordServer]] = {"telegram": TelegramServer, "discord": DiscordServer}


def control(server: TelegramServer | DiscordServer) -> web.Application:
    """What a test may do with a server that is elsewhere."""

    async def call(request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            result = getattr(server, asked["method"])(*asked["args"], **asked["kwargs"])
            if asyncio.iscoroutine(result):
                result = await result
        except (TimeoutError, StopIteration) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"})
        return web.json_response({"result": msgspec.to_builtins(result)})

    async def fault(request: web.Request) -> web.Response:
        asked = await request.json()
        made = [Fault(**asked["fault"]) for _ in range(asked["times"])]
        server.faults.setdefault(asked["where"], []).extend(made)
        return web.json_response({"result": None})

    async def switch(request: web.Request) -> web.Response:
        for name, value in (await request.json()).items():
            assert hasattr(server, name), name
            setattr(server, name, value)
        return web.json_response({"result": None})

    app = web.Application()
    app.router.add_post("/call", call)
    app.router.add_post("/fault", fault)
    app.router.add_post("/set", switch)
    return app


async def main(kind: str) -> None:
    server = KINDS[kind]()
    await server.start()
    runner = web.AppRunner(control(server), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    says: dict[str, Any] = {"control": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    names = ("base_url", "file_url", "api_url", "gateway_url")
    says |= {name: getattr(server, name) for name in names if hasattr(server, name)}
    print(json.dumps(says), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
