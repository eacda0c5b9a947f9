"""A gateway on a real loopback socket, and clients that are logged in to it."""

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

from bot.rules import verb_rules
from domain.answer import Answer
from domain.commands import Actor
from domain.errors import ConfigError
from domain.settings import Environment
from gateway import hub as hub_module
from gateway.access.access import Access
from gateway.access.doors import AccessSetup, Doors
from gateway.app import create_app
from gateway.desk_source import DeskSource
from gateway.gateway import GatewayConfig
from gateway.guard import CSRF_HEADER
from gateway.hub import Hub
from gateway.limits import Limits, Rate
from gateway.server import GatewayServer
from tests.gateway.engine import Engine
from tests.gateway.stage import Stage


class NoSecrets:
    """A data folder without secrets."""

    def get(self, name: str) -> str:
        raise ConfigError(f"there is no secret {name}")

    def has(self, name: str) -> bool:
        return False


SCRAPE = "the-scraper's-token-of-the-tests"


@dataclass
class Running:
    """A served gateway and what it was made of."""

    engine: Engine
    access: Access
    doors: Doors
    server: GatewayServer
    app: FastAPI
    said: list[tuple[Actor, str]]
    unhealthy: list[str]

    @property
    def hub(self) -> Hub:
        hub: Hub = self.app.state.hub
        return hub

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self.url, CSRF_HEADER: "tests"}

    async def log_in(self, client: httpx.AsyncClient, person: str = "tina") -> None:
        answer = await self.press(client, await self.access.new_link(person))
        assert answer.status_code == 303, answer.text

    async def press(self, client: httpx.AsyncClient, link: str) -> httpx.Response:
        """Open a login link and press its button."""
        page = await client.get(link)
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        return await client.post("/login", data=fields, headers=self.origin)


class Listening(DeskSource):
    """The engine's source, which writes down what is said at the console."""

    def __init__(self, engine: Engine, said: list[tuple[Actor, str]], unhealthy: list[str]) -> None:
        super().__init__(engine.desk, engine.remote, lambda: unhealthy)
        self._said = said

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        self._said.append((actor, line))
        return await super().say(actor, line, request_id)


@contextlib.asynccontextmanager
async def serve(
    engine: Engine, environment: Environment = Environment.PAPER, limits: Limits | None = None
) -> AsyncIterator[Running]:
    """Serve an engine's desk on a free port until the context ends; without `limits` nothing is limited."""
    folder = tempfile.TemporaryDirectory(prefix="moondev-access-")
    doors = Doors(AccessSetup(), Path(folder.name), NoSecrets(), engine.desk)
    access, engine.room.access = doors.access, doors.accounts
    said: list[tuple[Actor, str]] = []
    unhealthy: list[str] = []

    config = GatewayConfig(environment=environment)
    source = Listening(engine, said, unhealthy)
    front = replace(doors.front(verb_rules()), limits=limits or Limits(dict.fromkeys(Rate, 1e6)), scrape=SCRAPE)
    app = create_app(config, front, source)
    server = GatewayServer(app, port=0)
    doors.listens("127.0.0.1", server.port)
    made = Running(engine=engine, access=access, doors=doors, server=server, app=app, said=said, unhealthy=unhealthy)
    task = asyncio.create_task(made.server.run())
    try:
        yield made
    finally:
        await made.server.aclose()
        await asyncio.wait_for(task, 20)
        access.close()
        folder.cleanup()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A paper gateway."""
    async with serve(Engine()) as made:
        yield made


@pytest.fixture
async def stranger(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a session."""
    async with httpx.AsyncClient(base_url=running.url, verify=False) as client:  # no certificates to load
        yield client


@pytest.fixture
async def tina(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is logged in as Tina."""
    async with httpx.AsyncClient(base_url=running.url, verify=False) as client:  # no certificates to load
        await running.log_in(client)
        yield client


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A hub that runs, quicker than in earnest."""
    for name in ("TICK_S", "RETRY_S", "CHECK_S"):
        monkeypatch.setattr(hub_module, name, 0.01)
    made = Stage()
    task = asyncio.create_task(made.hub.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
