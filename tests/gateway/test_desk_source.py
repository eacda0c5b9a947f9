"""The gateway's source in the engine's own process: views, verbs and news of a real engine."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from domain.commands import Actor, Door, Halt
from gateway.desk_source import DeskSource
from gateway.news import PUSHED
from gateway.source import BadArgument, Frame, NotKnown
from tests.gateway.engine import Engine

TINA = Actor(person="tina", door=Door.DASHBOARD)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(past_s=30)


@pytest.fixture
def source(engine: Engine) -> DeskSource:
    return DeskSource(engine.desk, engine.remote)


async def first(news: AsyncIterator[Frame], count: int) -> list[Frame]:
    async with asyncio.timeout(20):
        return [await anext(news) for _ in range(count)]


async def test_a_view_is_json_with_decimals_as_text(source: DeskSource, engine: Engine):
    status = json.loads(await source.view("status", {}))
    assert status["equity"] == f"{engine.desk.status().equity:f}"
    assert len(json.loads(await source.view("trades", {"limit": "3"}))["items"]) == 3
    assert json.loads(await source.view("stress", {"what": "BTC -20"}))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("trades", {"limit": "0"}),
        ("trades", {"limit": "\u00b2"}),
        ("orders", {"recent": "yes"}),
        ("stress", {"where": "?"}),
    ],
)
async def test_an_argument_that_cannot_be_right_is_said(source: DeskSource, name: str, arguments: dict[str, str]):
    with pytest.raises(BadArgument):
        await source.view(name, arguments)


async def test_what_there_is_not_is_not_known(source: DeskSource):
    with pytest.raises(NotKnown):
        await source.view("passwords", {})
    with pytest.raises(NotKnown):
        await source.run(TINA, "withdraw", {}, "r1")


async def test_a_verb_answers_in_text_and_as_a_document(source: DeskSource):
    answer = await source.run(TINA, "status", {}, "r2")
    assert answer.ok
    assert json.loads(answer.message)["title"] in answer.text
    typed = await source.say(TINA, "/statuz", "r3")
    assert not typed.ok
    assert "did you mean /status" in typed.text


async def test_news_begin_with_every_view_and_go_on_with_what_happens(source: DeskSource, engine: Engine):
    async with source.news() as news:
        begin = await first(news, len(PUSHED) + 1)
        assert [(frame.kind, frame.name) for frame in begin[:-1]] == [("view", one.name) for one in PUSHED]
        assert begin[-1].kind == "whole"
        await engine.desk.submit(Halt(reason="test"), TINA)
        seen = await first(news, 2)
        assert ("fact", "trading_state") in [(frame.kind, frame.name) for frame in seen]
        assert json.loads(seen[0].data)["seq"] == seen[0].seq


async def test_a_view_that_did_not_change_is_not_sent_again(source: DeskSource):
    async with source.news() as news:
        await first(news, len(PUSHED) + 1)
        # the clock of this engine stands still: nothing changes, and an order that only grows older is no news
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await anext(news)


async def test_facts_that_are_lost_are_told_as_a_gap(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.desk_source.KEPT_FACTS", 5)
    source = DeskSource(engine.desk, engine.remote)
    async with source.news() as news:
        await first(news, len(PUSHED) + 1)
        engine.play(900)  # halted by now: little but samples of equity happens
        [gap] = await first(news, 1)
        assert gap.kind == "gap"


async def test_a_watched_market_comes_with_the_news_until_nobody_looks(source: DeskSource, engine: Engine):
    topic = "market:BTC-USDC-PERP.PAPER"
    async with source.news() as news:
        await first(news, len(PUSHED) + 1)
        await source.watch([topic, "market:MOON-USDC-PERP.PAPER"])
        while (frame := (await first(news, 1))[0]).kind != "market":
            pass
        assert frame.name == topic
        assert json.loads(frame.data) == json.loads(await source.view("book", {"instrument": topic[7:]}))
        assert engine.desk.markets.minutes.watched == {topic[7:]}
        await source.watch([])
        assert not engine.desk.markets.minutes.watched


@pytest.mark.parametrize("name", ["book", "candles", "fills"])
async def test_a_market_that_is_not_there_is_not_known(source: DeskSource, name: str):
    with pytest.raises(NotKnown):
        await source.view(name, {"instrument": "MOON-USDC-PERP.PAPER"})


async def test_fills_of_more_than_a_month_are_refused(source: DeskSource):
    asked = {"instrument": "BTC-USDC-PERP.PAPER", "since_ns": "1"}
    with pytest.raises(BadArgument, match="31 days"):
        await source.view("fills", asked)


async def test_a_view_that_fails_is_left_out_and_the_others_go_on(
    source: DeskSource, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    def broken() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(engine.desk, "risk", broken)
    async with source.news() as news:
        begin = await first(news, len(PUSHED))
        assert [frame.name for frame in begin[:-1]] == [one.name for one in PUSHED if one.name != "risk"]
        assert begin[-1].kind == "whole"
