"""A gateway in a thread with a loop of its own, for clients that block: programs, schemathesis, the command line."""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx

from domain.access import NewToken, Scope
from domain.commands import Actor, Door
from domain.settings import HOUR_NS
from gateway.client import Client, Session
from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine

T = TypeVar("T")


@dataclass
class Served:
    """A running gateway, and ways into it."""

    running: Running
    loop: asyncio.AbstractEventLoop
    links: list[str] = field(default_factory=list)
    """That were made so far."""

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def engine(self) -> Engine:
        return self.running.engine

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def play(self, seconds: float) -> None:
        """Let the market run on."""

        async def run() -> None:
            self.engine.play(seconds)

        self.do(run())

    def link(self, person: str) -> str:
        """A login link, whole."""

        self.links.append(f"{self.url}{self.do(self.running.access.new_link(person))}")
        return self.links[-1]

    def end_sessions(self) -> None:
        """Log everybody out."""

        async def end() -> None:
            self.running.access.lock_down()

        self.do(end())

    def client(self, person: str = "tina", kept: Path | None = None) -> Client:
        """A client that logs in as a person; it does not wait between tries."""
        return Client(self.url, Session(lambda: self.link(person), kept), sleep=lambda _: None)

    def headers(self, person: str) -> dict[str, str]:
        """What a browser sends that is logged in as a person."""
        with httpx.Client(base_url=self.url) as http:
            return Session(lambda: self.link(person)).headers(http)

    def token(self, person: str, *scopes: Scope) -> str:
        """A token of a person's."""
        name = f"tests-{uuid.uuid4().hex[:6]}"
        wanted = NewToken(name=name, person=person, scopes=scopes or tuple(Scope), life_ns=HOUR_NS)
        secret, _ = self.do(self.running.doors.accounts.create_token(wanted, Actor(person=person, door=Door.TERMINAL)))
        return secret

    @cached_property
    def adam(self) -> dict[str, str]:
        """Of Adam, who may do everything."""
        return self.headers("adam")


@contextlib.contextmanager
def served_gateway(folder: Path, past_s: int = 30) -> Iterator[Served]:
    """Serve the gateway over a real engine that has traded a while, with its control room open."""
    ready, over = threading.Event(), threading.Event()
    made: list[Served] = []

    async def life() -> None:
        engine = Engine(past_s=past_s, ops=folder / "ops.db")
        await engine.open_room()
        async with serve(engine) as running:
            made.append(Served(running, asyncio.get_running_loop()))
            ready.set()
            await asyncio.to_thread(over.wait)
        await engine.close_room()

    thread = threading.Thread(target=asyncio.run, args=(life(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield made[0]
    finally:
        over.set()
        thread.join(30)
