"""A gateway on a real loopback socket, and clients that are logged in to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from domain.commands import Actor
from domain.settings import Environment
from gateway import hub as hub_module
from gateway.app import create_app
from gateway.auth import Auth
from gateway.desk_source import DeskSource
from gateway.gateway import GatewayConfig
from gateway.hub import Hub
from gateway.server import GatewayServer
from tests.gateway.engine import Engine
from tests.gateway.stage import Stage


@dataclass
class Running:
    """A served gateway and what it was made of."""

    engine: Engine
    auth: Auth
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
        return {"Origin": self.url}

    async def log_in(self, client: httpx.AsyncClient, person: str = "tina") -> None:
        token = self.auth.new_link(person).removeprefix("/login/")
        answer = await client.post("/login", data={"token": token}, headers=self.origin)
        assert answer.status_code == 303, answer.text


@contextlib.asynccontextmanager
async def serve(engine: Engine, environment: Environment = Environment.PAPER) -> AsyncIterator[Running]:
    """Serve an engine's desk on a free port until the context ends."""
    auth = Auth()
    said: list[tuple[Actor, str]] = []
    unhealthy: list[str] = []

    async def console(actor: Actor, line: str) -> str:
        said.append((actor, line))
        return await engine.console(actor, line)

    config = GatewayConfig(environment=environment)
    source = DeskSource(engine.desk, engine.remote)
    app = create_app(engine.desk, console, config, auth, source, lambda: unhealthy)
    made = Running(engine=engine, auth=auth, server=GatewayServer(app, port=0), app=app, said=said, unhealthy=unhealthy)
    task = asyncio.create_task(made.server.run())
    try:
        yield made
    finally:
        await made.server.aclose()
        await asyncio.wait_for(task, 20)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A paper gateway."""
    async with serve(Engine()) as made:
        yield made


@pytest.fixture
async def stranger(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a session."""
    async with httpx.AsyncClient(base_url=running.url) as client:
        yield client


@pytest.fixture
async def tina(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is logged in as Tina."""
    async with httpx.AsyncClient(base_url=running.url) as client:
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
