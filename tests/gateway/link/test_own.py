"""The whole gateway over the link, as in a process of its own: it serves what it can while the engine is away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from bot.rules import verb_rules
from gateway import hub as hub_module
from gateway import own
from gateway.access.doors import AccessSetup, Doors
from gateway.app import create_app
from gateway.desk_source import DeskSource
from gateway.gateway import GatewayConfig
from gateway.limits import Limits, Rate
from gateway.link import client
from gateway.link.client import LinkSource
from gateway.link.server import LinkServer
from gateway.server import GatewayServer
from tests.gateway.conftest import Running
from tests.gateway.engine import Engine
from tests.gateway.test_feed import begin, connect, hear


class Apart:
    """A gateway that reaches its engine over the socket only."""

    def __init__(self, running: Running, data: Path) -> None:
        self.running = running
        self.data = data

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[None]:
        """The engine is there."""
        desk = self.running.engine.desk
        server = LinkServer(self.data, lambda: DeskSource(desk, self.running.engine.remote))
        await server.start()
        try:
            yield
        finally:
            await server.aclose()


@pytest.fixture
async def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Apart]:
    for name in ("RETRY_S", "LONGEST_RETRY_S"):
        monkeypatch.setattr(client, name, 0.02)
    monkeypatch.setattr(hub_module, "RETRY_S", 0.02)
    engine = Engine()
    doors = Doors(AccessSetup(), tmp_path, NoSecrets(), engine.desk)
    link = LinkSource(tmp_path)
    front = replace(doors.front(verb_rules()), limits=Limits(dict.fromkeys(Rate, 1e6)))
    app = create_app(GatewayConfig(), front, link)
    server = GatewayServer(app, port=0)
    doors.leads_to(server.url)
    running = Running(engine=engine, access=doors.access, doors=doors, server=server, app=app, said=[], unhealthy=[])
    tasks = [asyncio.create_task(server.run()), asyncio.create_task(link.keep())]
    yield Apart(running, tmp_path)
    tasks[1].cancel()
    await server.aclose()
    await asyncio.gather(*tasks, return_exceptions=True)
    doors.access.close()


class NoSecrets:
    """There are none."""

    def get(self, name: str) -> str:
        raise AssertionError(name)

    def has(self, name: str) -> bool:
        return False

    def names(self) -> list[str]:
        return []


async def answer_of(http: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
    """The answer, as soon as it has this status."""
    async with asyncio.timeout(20):
        while (answer := await http.get(path)).status_code != status:  # noqa: ASYNC110 - it is another process's part
            await asyncio.sleep(0.02)
    return answer


async def test_while_the_engine_is_away_it_says_so_and_then_goes_on_by_itself(apart: Apart):
    running = apart.running
    async with httpx.AsyncClient(base_url=running.url) as http:
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["the engine does not answer"])
        await running.log_in(http)
        # nobody has said yet who may act: that is no reason to log anybody out
        unknown = await http.get("/api/v1/status")
        assert (unknown.status_code, unknown.json()["code"]) == (503, "engine_lost")
        async with apart.engine():
            status = await answer_of(http, "/api/v1/status", 200)
            assert status.json()["equity"] == str(running.engine.desk.status().equity)
            assert (await http.get("/health/ready")).status_code == 200
            said = await http.post("/api/v1/verbs/halt", json={"arguments": {}}, headers=running.origin)
            assert said.json()["ok"], said.text
            assert running.engine.desk.status().trading_state == "halted"
        gone = await answer_of(http, "/api/v1/positions", 503)
        assert gone.json()["code"] == "engine_lost"
        assert (await http.get("/")).status_code == 200


async def test_a_page_that_is_open_hears_that_the_engine_goes_and_comes(apart: Apart):
    running = apart.running
    async with httpx.AsyncClient(base_url=running.url) as http, aiohttp.ClientSession() as session:
        async with apart.engine():
            await running.log_in(http)
            await answer_of(http, "/api/v1/status", 200)
            socket = await connect(running, http, session)
            first = await begin(socket)
            assert first["connected"]
            await socket.send_json({"type": "watch", "topic": "market:BTC-USDC-PERP.PAPER"})
            while (frame := await hear(socket))["type"] != "market":
                pass
            assert frame["data"]["bids"]
        while (frame := await hear(socket))["type"] != "link":
            pass
        assert frame["connected"] is False
        async with apart.engine():
            heard: dict[str, Any] = {}
            while not {"snapshot", "market"} <= heard.keys():
                frame = await hear(socket)
                heard[frame["type"]] = frame
            assert heard["snapshot"]["connected"]
            assert heard["snapshot"]["stream"] != first["stream"]
        await socket.close()


async def test_a_verb_whose_answer_was_lost_is_found_by_its_key(apart: Apart, monkeypatch: pytest.MonkeyPatch):
    running = apart.running
    calls = []
    remote = running.engine.remote
    inner = remote.run
    go = asyncio.Event()

    async def slow(*args: object) -> object:
        calls.append(args)
        await go.wait()
        return await inner(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(remote, "run", slow)
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as http:
        server = LinkServer(apart.data, lambda: DeskSource(running.engine.desk, remote))
        await server.start()
        await running.log_in(http)
        await answer_of(http, "/api/v1/positions", 200)
        headers = running.origin | {"Idempotency-Key": "k1"}
        asked = asyncio.create_task(http.post("/api/v1/verbs/halt", json={"arguments": {}}, headers=headers))
        async with asyncio.timeout(10):
            while not calls:  # noqa: ASYNC110 - the engine tells nobody that it was asked
                await asyncio.sleep(0.01)
        for link in list(server._links):
            link._writer.transport.abort()
        lost = await asked
        assert (lost.status_code, lost.json()["code"]) == (503, "engine_lost")
        assert "ask again with the same Idempotency-Key" in lost.json()["detail"]
        go.set()
        await answer_of(http, "/api/v1/positions", 200)
        again = await http.post("/api/v1/verbs/halt", json={"arguments": {}}, headers=headers)
        assert again.json()["ok"], again.text
        assert "HALTED" in json.dumps(again.json())
        assert len(calls) == 1
        await server.aclose()


async def test_a_gateway_whose_link_breaks_by_a_defect_ends_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    link = LinkSource(tmp_path)

    async def breaks() -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(link, "keep", breaks)
    doors = Doors(AccessSetup(), tmp_path, NoSecrets(), Engine().desk)
    server = GatewayServer(create_app(GatewayConfig(), doors.front(verb_rules()), link), port=0)
    with capture_logs() as said:
        await asyncio.wait_for(own.serve(server, link), 10)
    assert [line["task"] for line in said if line["log_level"] == "error"] == ["gateway link"]


@pytest.mark.parametrize(("managed", "ends"), [(True, True), (False, False)])
async def test_a_gateway_whose_engine_stays_away_ends_unless_a_person_has_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, managed: bool, ends: bool
):
    monkeypatch.setattr(own, "ALONE_S", 0.02)
    monkeypatch.setattr(own, "LOOK_S", 0.01)
    waiting = asyncio.create_task(own.left_alone(LinkSource(tmp_path, managed=managed)))
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert bool(done) is ends
    waiting.cancel()


async def test_a_gateway_whose_data_folder_is_gone_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own, "LOOK_S", 0.01)
    folder = tmp_path / "data"
    folder.mkdir()
    waiting = asyncio.create_task(own.left_alone(LinkSource(folder)))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    folder.rmdir()
    await asyncio.wait_for(waiting, 10)
