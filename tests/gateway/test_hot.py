"""Hot views come from the hub: many readers cost the engine nothing, and a change is read at once."""

import asyncio
import json

import pytest

from domain.commands import Actor, Door
from gateway.hot import HotSource
from gateway.source import Answer
from tests.gateway.stage import STATUS, WHOLE, Stage, until

TINA = Actor(person="tina", door=Door.DASHBOARD)


class Asked:
    """The stage's source, which counts what it is asked."""

    def __init__(self, made: Stage) -> None:
        self.count = 0
        self.stage = made
        made.source.view = self.view  # type: ignore[method-assign]
        made.source.run = self.run  # type: ignore[method-assign]
        self.hot = HotSource(made.source, made.hub, lambda: made.now_s)

    async def view(self, name: str, arguments: object) -> bytes:
        self.count += 1
        return json.dumps({"asked": self.count}).encode()

    async def run(self, actor: Actor, verb: str, arguments: object, request_id: str) -> Answer:
        return Answer(ok=True, text=verb)


@pytest.fixture
def asked(stage: Stage) -> Asked:
    return Asked(stage)


async def test_many_readers_are_answered_from_one_reading(asked: Asked):
    for _ in range(20):
        await asked.hot.view("status", {})
    asked.stage.source.play(STATUS, WHOLE)
    await until(lambda: asked.stage.hub.latest("status"))
    before = asked.count
    assert await asyncio.gather(*(asked.hot.view("status", {}) for _ in range(1_000))) == [STATUS.data] * 1_000
    assert asked.count == before
    await asked.hot.view("status", {"what": "else"})
    assert asked.count == before + 1


async def test_few_readers_wake_nobody(asked: Asked):
    for _ in range(20):
        asked.stage.now_s += 1.0
        await asked.hot.view("status", {})
    await asyncio.sleep(0.05)
    assert (asked.count, asked.stage.source.read) == (20, 0)


async def test_who_has_changed_something_reads_what_came_of_it(asked: Asked):
    asked.stage.client()
    asked.stage.source.play(STATUS, WHOLE)
    await until(lambda: asked.stage.hub.latest("status"))
    await asked.hot.run(TINA, "halt", {}, "r1")
    assert json.loads(await asked.hot.view("status", {})) == {"asked": 1}
    asked.stage.now_s += 0.2
    asked.stage.source.play(STATUS)
    await until(lambda: asked.stage.hub.latest("status"))
    assert await asked.hot.view("status", {}) == STATUS.data
    assert asked.count == 1
