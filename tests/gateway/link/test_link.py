"""Engine and gateway in two processes' roles, over a real socket: what crosses, what breaks, what is found again."""

import asyncio
import contextlib
import json
import random
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from domain.commands import Actor, Door
from gateway.desk_source import DeskSource
from gateway.link import client, server, wire
from gateway.link.client import LinkSource
from gateway.link.server import LinkServer
from gateway.news import PUSHED
from gateway.source import Answer, BadArgument, Frame, NotKnown, Source, SourceLost
from tests.gateway.engine import Engine
from tests.gateway.stage import Script, fact

TINA = Actor(person="tina", door=Door.DASHBOARD)
BTC = "market:BTC-USDC-PERP.PAPER"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(past_s=30)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_RETRY_S", 0.02)
    monkeypatch.setattr(server, "LOOK_S", 0.02)


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - the other side tells nobody what it has done
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def serving(data: Path, open_source: Callable[[], Source], build: str = "") -> AsyncIterator[LinkServer]:
    made = LinkServer(data, open_source, build)
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


@contextlib.asynccontextmanager
async def linked(data: Path, build: str = "", *, managed: bool = False) -> AsyncIterator[LinkSource]:
    made = LinkSource(data, build=build, managed=managed)
    made.address = "http://127.0.0.1:8420"
    task = asyncio.create_task(made.keep())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def link(tmp_path: Path, engine: Engine) -> AsyncIterator[LinkSource]:
    async with serving(tmp_path, lambda: DeskSource(engine.desk, engine.remote)), linked(tmp_path) as made:
        await until(lambda: made.is_connected)
        yield made


async def first(news: AsyncIterator[Frame], count: int) -> list[Frame]:
    async with asyncio.timeout(10):
        return [await anext(news) for _ in range(count)]


async def test_views_verbs_and_refusals_cross(link: LinkSource, engine: Engine):
    assert json.loads(await link.view("status", {}))["equity"] == str(engine.desk.status().equity)
    assert (await link.run(TINA, "status", {}, "r1")).ok
    assert "did you mean /status" in (await link.say(TINA, "/statuz", "r2")).text
    assert [person.id for person in link.persons()] == [person.id for person in engine.desk.persons()]
    with pytest.raises(NotKnown, match="passwords"):
        await link.view("passwords", {})
    with pytest.raises(NotKnown):
        await link.run(TINA, "withdraw", {}, "r3")
    with pytest.raises(BadArgument, match="limit"):
        await link.view("trades", {"limit": "0"})


@pytest.mark.parametrize("door", [Door.TELEGRAM, Door.TERMINAL, Door.SYSTEM])
async def test_nobody_passes_for_a_chat_or_a_terminal(link: LinkSource, door: Door):
    with pytest.raises(BadArgument, match="door"):
        await link.run(Actor(person="tina", door=door), "halt", {}, "r1")


async def test_news_and_watched_markets_cross_and_end_with_the_gateway(tmp_path: Path, engine: Engine):
    async with serving(tmp_path, lambda: DeskSource(engine.desk, engine.remote)):
        async with linked(tmp_path) as link:
            await until(lambda: link.is_connected)
            async with link.news() as news:
                begin = await first(news, len(PUSHED) + 1)
                assert [frame.name for frame in begin[:-1]] == [one.name for one in PUSHED]
                await link.watch([BTC])
                while (frame := (await first(news, 1))[0]).kind != "market":
                    pass
                assert frame.name == BTC
                assert engine.desk.readers
            await until(lambda: not engine.desk.readers)
            async with link.news() as news:
                await first(news, 1)
                assert engine.desk.readers
        # the gateway is killed: nothing is computed for it any more
        await until(lambda: not engine.desk.readers and not engine.desk.markets.minutes.watched)


async def test_an_engine_that_is_away_is_said_at_once_and_found_again(tmp_path: Path, engine: Engine):
    async with linked(tmp_path) as link:
        with pytest.raises(SourceLost):
            await link.view("status", {})
        await link.watch([BTC])
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serving(tmp_path, lambda: DeskSource(engine.desk, engine.remote)))
            await until(lambda: link.is_connected)
            await link.view("status", {})
            async with link.news() as news:
                await first(news, 1)
                assert engine.desk.markets.minutes.watched
                await stack.aclose()
                with pytest.raises(SourceLost):
                    await asyncio.wait_for(_drain(news), 10)
        with pytest.raises(SourceLost):
            await link.run(TINA, "halt", {}, "r1")
        async with serving(tmp_path, lambda: DeskSource(engine.desk, engine.remote)):
            await until(lambda: link.is_connected)
            await link.view("status", {})


async def _drain(news: AsyncIterator[Frame]) -> None:
    async for _ in news:
        pass


class Slow(Script):
    """A source whose verbs take until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.done: list[str] = []

    async def run(self, actor: Actor, verb: str, arguments: object, request_id: str) -> Answer:
        await self.go.wait()
        self.done.append(request_id)
        return Answer(ok=True, text=f"{verb} {len(self.done)}")


async def test_a_verb_under_way_when_the_link_breaks_is_done_once_and_found_by_its_request_id(tmp_path: Path):
    source = Slow()
    async with serving(tmp_path, lambda: source) as engine:
        async with linked(tmp_path) as link:
            await until(lambda: link.is_connected)
            asked = asyncio.create_task(link.run(TINA, "halt", {}, "r1"))
            await until(lambda: engine._begun)
        with pytest.raises(SourceLost, match="not known: ask again with the same Idempotency-Key"):
            await asked
        async with linked(tmp_path) as link:
            await until(lambda: link.is_connected)
            again = asyncio.create_task(link.run(TINA, "halt", {}, "r1"))
            await asyncio.sleep(0.02)
            source.go.set()
            assert (await again).text == "halt 1"
            assert (await link.run(TINA, "halt", {}, "r1")).text == "halt 1"
            assert (await link.run(TINA, "halt", {}, "r2")).text == "halt 2"
        assert source.done == ["r1", "r2"]


async def test_a_halt_waits_behind_no_view(tmp_path: Path):
    class Stuck(Script):
        async def view(self, name: str, arguments: object) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

        async def run(self, actor: Actor, verb: str, arguments: object, request_id: str) -> Answer:
            return Answer(ok=True, text="halted")

    async with serving(tmp_path, Stuck), linked(tmp_path) as link:
        await until(lambda: link.is_connected)
        views = [asyncio.create_task(link.view("status", {})) for _ in range(200)]
        await asyncio.sleep(0.02)
        assert (await link.run(TINA, "halt", {}, "r1")).text == "halted"
        for view in views:
            view.cancel()


async def test_a_halt_waits_behind_no_verb_that_takes_long(tmp_path: Path):
    """Who may only look can ask for more drawings than are made at once."""

    class Stuck(Script):
        async def run(self, actor: Actor, verb: str, arguments: object, request_id: str) -> Answer:
            if verb == "chart":
                await asyncio.Event().wait()
            return Answer(ok=True, text="halted")

        async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
            return Answer(ok=True, text=line)

    async with serving(tmp_path, Stuck), linked(tmp_path) as link:
        await until(lambda: link.is_connected)
        charts = [asyncio.create_task(link.run(TINA, "chart", {}, f"c{i}")) for i in range(200)]
        await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            assert (await link.run(TINA, "halt", {}, "r1")).text == "halted"
            assert (await link.say(TINA, "/halt now", "r2")).text == "/halt now"
        for chart in charts:
            chart.cancel()


async def test_a_gateway_that_takes_nothing_is_cut_off_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server, "MOST_WAITING_BYTES", 1 << 20)
    sources: list[Script] = []

    def open_source() -> Script:
        sources.append(Script())
        return sources[-1]

    async with serving(tmp_path, open_source) as engine, linked(tmp_path) as link:
        await until(lambda: link.is_connected)
        reader, writer = await asyncio.open_unix_connection(engine.path, limit=1)
        hello = wire.Hello(version=wire.VERSION, build="", managed=False, address="")
        writer.write(wire.framed(hello) + wire.framed(wire.AskNews(wanted=True)))
        await until(lambda: len(sources) == 2 and sources[1].readers)
        for n in range(40):
            sources[1].play(fact(n, size=100_000))
        await until(lambda: engine.links == 1)
        assert await link.view("status", {}) == b"{}"
        writer.close()
        del reader


async def test_garbage_ends_its_own_connection_and_no_other(tmp_path: Path, engine: Engine):
    chance = random.Random(7)
    hello = wire.framed(wire.Hello(version=wire.VERSION, build="", managed=False, address=""))
    async with serving(tmp_path, lambda: DeskSource(engine.desk, engine.remote)) as made, linked(tmp_path) as link:
        await until(lambda: link.is_connected)
        for number in range(40):
            reader, writer = await asyncio.open_unix_connection(made.path)
            garbage = chance.randbytes(chance.randrange(4, 400))
            body = len(garbage).to_bytes(4, "big") + garbage
            writer.write((b"", hello)[number % 2] + (garbage, body)[number // 2 % 2])
            writer.write_eof()
            async with asyncio.timeout(10):
                while await reader.read(65_536):
                    pass
            writer.close()
        assert made.links == 1
        await link.view("status", {})


async def test_a_message_beyond_the_bound_is_refused_before_it_is_read(tmp_path: Path):
    async with serving(tmp_path, Script) as made:
        reader, writer = await asyncio.open_unix_connection(made.path)
        writer.write((wire.MOST_ASKED_BYTES + 1).to_bytes(4, "big"))
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_the_socket_is_the_users_own_and_strangers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with serving(tmp_path, Script) as made, linked(tmp_path) as link:
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        await until(lambda: link.is_connected)
        monkeypatch.setattr(server, "peer_uid", lambda _: 4242)
        reader, writer = await asyncio.open_unix_connection(made.path)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_socket_that_somebody_removed_is_made_again(tmp_path: Path):
    async with serving(tmp_path, Script) as made:
        made.path.unlink()
        await until(made.path.is_socket)
        async with linked(tmp_path) as link:
            await until(lambda: link.is_connected)


@pytest.mark.parametrize(("managed", "stops"), [(True, True), (False, False)])
async def test_a_gateway_that_the_engine_started_ends_with_it(tmp_path: Path, managed: bool, stops: bool):
    async with linked(tmp_path, managed=managed) as link:
        async with serving(tmp_path, Script):
            await until(lambda: link.is_connected)
        await until(lambda: not link.is_connected)
        assert link.told_to_stop.is_set() is stops


async def test_a_gateway_of_other_code_that_the_engine_started_is_sent_away(tmp_path: Path):
    async with serving(tmp_path, Script, build="new"), linked(tmp_path, "old", managed=True) as link:
        await until(link.told_to_stop.is_set)
        async with linked(tmp_path, "old") as by_hand:
            await until(lambda: by_hand.is_connected)


async def test_an_engine_that_says_nothing_is_taken_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wire, "DEAD_S", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(wire.framed(wire.Welcome(version=wire.VERSION, team=wire.Team(persons=[], codes_needed=False))))
        while await reader.read(65_536):
            pass
        writer.close()

    async with await asyncio.start_unix_server(silent, tmp_path / wire.SOCKET), linked(tmp_path) as link:
        await until(lambda: link.is_connected)
        with pytest.raises(SourceLost):
            await asyncio.wait_for(link.view("status", {}), 10)


async def test_a_hub_that_is_too_slow_for_the_news_reads_them_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "KEPT_NEWS", 10)
    source = Script()
    async with serving(tmp_path, lambda: source), linked(tmp_path) as link:
        await until(lambda: link.is_connected)
        async with link.news() as news:
            source.play(*(fact(n) for n in range(30)))
            await until(source.news_now.empty)
            await asyncio.sleep(0.05)
            with pytest.raises(SourceLost, match="too slow"):
                await _drain(news)


async def test_a_team_that_changes_is_told(tmp_path: Path):
    codes = [False]
    async with linked(tmp_path) as link:
        assert link.codes_needed
        made = LinkServer(tmp_path, Script, "", lambda: codes[0])
        await made.start()
        await until(lambda: link.is_connected and not link.codes_needed)
        codes[0] = True
        await until(lambda: link.codes_needed)
        await made.aclose()
