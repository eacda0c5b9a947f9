"""The shared reading, and the alerts that are kept for the screens."""

import asyncio
from collections.abc import Callable

import pytest

from domain.commands import Actor, Door, Halt
from domain.facts import Severity
from gateway import activity
from gateway.activity import Activity
from gateway.gateway import CHART_POINTS, GatewayConfig, Reader
from tests.gateway.engine import Engine

TINA = Actor(person="tina", door=Door.TELEGRAM)


async def soon(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def engine() -> Engine:
    return Engine()


def count_calls(monkeypatch: pytest.MonkeyPatch, engine: Engine, name: str) -> list[int]:
    calls: list[int] = []
    real = getattr(engine.desk, name)

    def counted(*arguments: object) -> object:
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(engine.desk, name, counted)
    return calls


def test_ten_tabs_read_the_desk_once_per_refresh(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    reader = Reader(engine.desk, GatewayConfig(refresh_s=60, chart_refresh_s=60))
    reads, curves = count_calls(monkeypatch, engine, "status"), count_calls(monkeypatch, engine, "equity_curve")
    first = reader.snapshot()
    for _ in range(10):
        assert reader.snapshot() is first
        reader.equity()
    assert (len(reads), len(curves)) == (1, 1)
    engine.play(1)
    assert reader.snapshot(newer=True).status.seq > first.status.seq


def test_a_long_curve_is_thinned_and_keeps_its_newest_point(engine: Engine):
    engine.play(200)
    newest = engine.desk.equity_curve()[-1]
    engine.desk.preload((), [newest] * 5000)
    *samples, now = Reader(engine.desk, GatewayConfig()).equity()
    assert len(samples) <= CHART_POINTS
    assert samples[-1] == newest
    assert (now.ts_ns, now.equity) == (engine.now_ns(), engine.desk.status().equity)


def test_the_curve_moves_before_the_first_sample_is_recorded(engine: Engine):
    reader = Reader(engine.desk, GatewayConfig(refresh_s=0, chart_refresh_s=0))
    assert engine.desk.equity_curve() == []
    for seconds in range(1, 4):
        engine.play(1)
        assert len(reader.equity()) == seconds
    engine.play(60)
    assert len(engine.desk.equity_curve()) == 1
    assert [point.ts_ns for point in reader.equity()] == [engine.desk.equity_curve()[0].ts_ns, engine.now_ns()]


async def test_alerts_are_newest_first_and_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    kept = Activity(engine.desk)
    following = asyncio.create_task(kept.run())
    await soon(lambda: bool(engine.desk.readers))
    await engine.desk.submit(Halt(reason="first"), TINA)
    await soon(lambda: bool(kept.newest()))
    assert "first" in kept.newest()[0].text
    for _ in range(activity.KEPT + 50):
        engine.driver.core.alert(Severity.INFO, "test", "again")
    engine.play(1)
    await soon(lambda: len(kept.newest()) == activity.KEPT)
    assert {item.text for item in kept.newest()} == {"again"}
    following.cancel()


async def test_a_broken_fact_stream_is_followed_anew(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(activity, "RETRY_S", 0.01)
    real = engine.desk.facts
    broken = [1]

    def facts() -> object:
        if broken and broken.pop():
            raise RuntimeError("stream lost")
        return real()

    monkeypatch.setattr(engine.desk, "facts", facts)
    kept = Activity(engine.desk)
    following = asyncio.create_task(kept.run())
    await soon(lambda: bool(engine.desk.readers))
    await engine.desk.submit(Halt(reason="after"), TINA)
    await soon(lambda: bool(kept.newest()))
    following.cancel()
