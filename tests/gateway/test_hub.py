"""The hub: one reading for all clients, who may be many, slow, late or gone."""

import asyncio

import pytest

from gateway import hub as hub_module
from gateway.hub import Client
from gateway.ring import Ring
from gateway.source import Frame, NotKnown, SourceLost
from tests.gateway.stage import BTC, STATUS, WHOLE, Stage, Wire, fact, numbers, until


async def test_a_snapshot_comes_first_and_then_every_number(stage: Stage):
    _, wire = stage.client()
    stage.source.play(STATUS, WHOLE, fact(2), fact(3), fact(4))
    await until(lambda: len(wire.said()) >= 1 and wire.said()[-1]["n"] == 3)
    first, *rest = wire.said()
    assert (first["type"], first["data"], first["connected"]) == ("snapshot", {"status": {"seq": 1}}, True)
    assert numbers(rest) == list(range(first["n"] + 1, 4))


async def test_a_frame_is_made_once_for_all(stage: Stage):
    wires = [stage.client()[1] for _ in range(100)]
    stage.source.play(STATUS, WHOLE)
    await until(lambda: all(wire.frames for wire in wires))
    stage.source.play(fact(2), fact(3))
    await until(lambda: all(wire.said()[-1]["n"] == 2 for wire in wires))
    assert stage.source.read == 1
    assert len({id(part) for wire in wires for part in wire.frames}) <= 3


async def test_who_comes_back_goes_on_after_the_frame_it_has(stage: Stage):
    client, wire = stage.client()
    stage.source.play(STATUS, WHOLE, *(fact(n) for n in range(2, 30)))
    await until(lambda: wire.said() and wire.said()[-1]["n"] == 28)
    stream = wire.said()[0]["stream"]
    stage.hub.leave(client)
    stage.source.play(fact(30))
    _, again = stage.client(stream=stream, n=10)
    await until(lambda: again.said() and again.said()[-1]["n"] == 29)
    first, *rest = again.said()
    assert (first["type"], first["n"], first["stream"]) == ("resumed", 10, stream)
    assert numbers(rest) == list(range(11, 30))


@pytest.mark.parametrize(("known", "n"), [(False, 1), (True, 10**9), (True, -1)])
async def test_who_asks_for_what_there_is_not_gets_a_snapshot(stage: Stage, known: bool, n: int):
    _, wire = stage.client()
    stage.source.play(STATUS, WHOLE, fact(2))
    await until(wire.said)
    stream = wire.said()[0]["stream"] if known else "another"
    _, again = stage.client(stream=stream, n=n)
    await until(again.said)
    assert again.said()[0]["type"] == "snapshot"


async def test_a_slow_client_waits_alone_and_misses_nothing_when_it_takes_again(stage: Stage):
    _, slow = stage.client()
    _, quick = stage.client()
    stage.source.play(STATUS, WHOLE)
    await until(lambda: slow.frames and quick.frames)
    slow.stuck = True
    for n in range(2, 42):
        stage.source.play(fact(n, size=20_000))
        await until(lambda n=n: quick.said()[-1]["n"] == n - 1)
    assert slow.waiting <= hub_module.HIGH_WATER_BYTES + hub_module.CHUNK_BYTES
    slow.take()
    await until(lambda: slow.said()[-1]["n"] == 40)
    assert numbers(slow.said()) == list(range(41))
    assert not slow.code


async def test_a_client_that_takes_nothing_for_ten_seconds_is_dropped_and_nobody_else(stage: Stage):
    _, slow = stage.client()
    _, quick = stage.client()
    slow.stuck = True
    stage.source.play(STATUS, WHOLE)
    await until(lambda: slow.frames and quick.frames)
    stage.source.play(*(fact(n, size=20_000) for n in range(2, 32)))
    await until(lambda: quick.frames and quick.said()[-1]["n"] == 30 and slow.waiting > hub_module.HIGH_WATER_BYTES)
    stage.now_s += 9.0
    await asyncio.sleep(0.05)
    assert not slow.code
    stage.now_s += 2.0
    await until(lambda: slow.code)
    assert (slow.code, quick.code) == (4408, 0)


async def test_a_client_that_fell_out_of_what_is_kept_is_dropped(stage: Stage):
    _, slow = stage.client()
    _, quick = stage.client()
    stage.hub._ring = Ring(kept_frames=20)
    slow.stuck = True
    stage.source.play(STATUS, WHOLE)
    for n in range(2, 60):
        stage.source.play(fact(n, size=20_000))
        await until(lambda n=n: quick.frames and quick.said()[-1]["n"] == n - 1)
    slow.take()
    await until(lambda: slow.code)
    assert (slow.code, quick.code) == (4408, 0)


async def test_an_engine_that_goes_away_is_told_and_one_that_comes_back_begins_anew(stage: Stage):
    _, wire = stage.client()
    stage.source.play(STATUS, WHOLE, SourceLost("the engine does not answer"))
    await until(lambda: wire.frames and wire.said()[-1].get("connected") is False)
    assert "does not answer" in wire.said()[-1]["text"]
    _, late = stage.client()
    await until(lambda: late.frames)
    assert (late.said()[0]["connected"], late.said()[0]["data"]) == (False, {"status": {"seq": 1}})
    stage.source.play(STATUS, WHOLE)
    await until(lambda: all(w.said()[-1]["type"] == "snapshot" and w.said()[-1]["connected"] for w in (wire, late)))
    assert wire.said()[-1]["stream"] != wire.said()[0]["stream"]


async def test_a_page_that_is_opened_while_the_engine_is_away_is_told_so(stage: Stage):
    _, wire = stage.client()
    stage.source.play(SourceLost("not there"))
    await until(lambda: wire.frames)
    first = wire.said()[0]
    assert (first["type"], first["connected"], first["data"]) == ("snapshot", False, {})


async def test_lost_news_are_a_new_stream_for_everybody(stage: Stage):
    _, wire = stage.client()
    stage.source.play(STATUS, WHOLE)
    await until(lambda: wire.frames)
    stage.source.play(Frame(kind="gap", name="", data=b"null", seq=9), fact(9))
    await until(lambda: len(wire.said()) == 2 or wire.said()[-1]["type"] == "fact")
    snapshot = wire.said()[1]
    assert snapshot["type"] == "snapshot"
    assert snapshot["stream"] != wire.said()[0]["stream"]


async def test_nothing_is_read_while_nobody_is_there(stage: Stage):
    await asyncio.sleep(0.05)
    assert stage.source.read == 0
    client, wire = stage.client()
    stage.source.play(STATUS, WHOLE)
    await until(lambda: wire.frames)
    stage.hub.leave(client)
    await asyncio.sleep(0.05)
    assert stage.source.readers == 1
    stage.now_s += 61
    await until(lambda: not stage.source.readers)
    _, later = stage.client(stream=wire.said()[0]["stream"], n=0)
    stage.source.play(STATUS, WHOLE)
    await until(lambda: later.frames)
    assert later.said()[0]["type"] == "snapshot"


async def test_only_those_whose_session_has_ended_are_closed(stage: Stage):
    _, tina = stage.client("tina")
    _, omar = stage.client("omar")
    stage.standing.remove("omar")
    await until(lambda: omar.code)
    assert (omar.code, tina.code) == (4401, 0)


async def test_a_market_is_watched_while_somebody_looks_and_only_the_newest_is_told(stage: Stage):
    client, wire = stage.client()
    stage.source.play(STATUS, WHOLE)
    await until(lambda: wire.frames)
    await stage.hub.watch(client, BTC)
    await until(lambda: stage.source.watched == [BTC])
    prices = [Frame(kind="market", name=BTC, data=str(price).encode()) for price in range(50)]
    stage.source.play(*prices)
    await until(lambda: wire.said()[-1].get("data") == 49)
    told = [frame for frame in wire.said() if frame["type"] == "market"]
    assert len(told) < 50
    assert numbers(told) == sorted(set(numbers(told)))
    with pytest.raises(NotKnown):
        await stage.hub.watch(client, "market:MOON-USDC-PERP.PAPER")
    stage.hub.leave(client)
    await until(lambda: stage.source.watched == [])


async def test_a_connection_that_breaks_ends_nobody_elses_feed(stage: Stage):
    _, broken = stage.client()
    _, other = stage.client()

    def breaks(frames: bytes) -> None:
        raise RuntimeError("the transport is gone")

    broken.write = breaks  # type: ignore[method-assign]
    stage.source.play(STATUS, WHOLE, fact(2))
    await until(lambda: other.frames and other.said()[-1]["n"] == 1)
    assert (broken.code, stage.hub.clients) == (1012, 1)


async def test_markets_come_back_after_a_source_that_failed_for_once(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_module, "RETRY_S", 0.01)
    client, _ = stage.client()
    watch = stage.source.watch

    async def fails(_topics: object) -> None:
        monkeypatch.setattr(stage.source, "watch", watch)
        raise KeyError("a defect")

    monkeypatch.setattr(stage.source, "watch", fails)
    await stage.hub.watch(client, BTC)
    await until(lambda: stage.source.watched == [BTC])


async def test_one_session_does_not_take_the_places_of_all_others(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_module, "MOST_OF_ONE", 2)
    stage.client("tina")
    stage.client("tina")
    assert not stage.hub.join(Client(Wire(), "tina", lambda: asyncio.sleep(0, True)))
    stage.client("omar")


async def test_a_session_that_cannot_be_looked_at_goes_on_and_the_others_are_looked_at(stage: Stage):
    async def away() -> bool:
        raise SourceLost("the database is away")

    wire = Wire()
    assert stage.hub.join(Client(wire, "tina", away))
    _, omar = stage.client("omar")
    stage.standing.remove("omar")
    await until(lambda: omar.code)
    assert not wire.code


async def test_more_clients_than_there_may_be_are_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_module, "MOST_CLIENTS", 2)
    stage.client()
    stage.client()
    wire = Wire()
    assert not stage.hub.join(Client(wire, "tina", lambda: asyncio.sleep(0, True)))


async def test_a_view_is_known_while_it_is_fresh(stage: Stage):
    _, wire = stage.client()
    assert stage.hub.latest("status") is None
    stage.source.play(STATUS, WHOLE)
    await until(lambda: wire.frames)
    assert stage.hub.latest("status") == STATUS.data
    assert stage.hub.latest("passwords") is None
    stage.now_s += 0.6
    assert stage.hub.latest("status") is None
