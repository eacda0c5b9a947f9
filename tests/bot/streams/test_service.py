"""Streams reach who wants them: fills once and right, across restarts; a ticker that edits one message."""

import pytest
from msgspec.structs import replace

from bot.config import AlertConfig
from bot.render import plain
from bot.streams.service import Streams
from bot.verbs import run_line
from domain.facts import FillBooked, OrderChanged
from tests.bot.streams.rooms import DAY_NS, MINUTE_NS, SECOND_NS, Carrier, control_room, say, settled, trade
from tests.bot.world import GROUP, TELEGRAM, Engine, actor, fresh_id, until, world

CHAT = f"telegram:{GROUP}"
TINA, VERA = (f"telegram:{TELEGRAM[name]}" for name in ("tina", "vera"))


class Clock:
    """The wall, moved by hand."""

    def __init__(self, ns):
        self.ns = ns

    def __call__(self):
        return self.ns

    def forward(self, seconds):
        self.ns += int(seconds * SECOND_NS)


async def fed(streams, engine, told, clock, seconds=0.0):
    """The engine's new facts to the streams, then what is due after a while."""
    for fact in engine.facts[told:]:
        streams.take(fact)
    clock.forward(seconds)
    await streams.step(clock())
    return len(engine.facts)


async def test_the_chats_and_who_subscribed_hear_of_an_order_each_in_one_message(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns())
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await room.people.change("vera", timezone="Asia/Kolkata")
        reply = plain(await say(room, "vera", "/subscribe fills"))
        assert "to you alone on Telegram" in reply
        streams = Streams(room, AlertConfig(), clock)
        await streams.step(clock())
        told = await fed(streams, engine, 0, clock)
        await trade(room, "0.01")
        engine.play(2)
        told = await fed(streams, engine, told, clock, 2)
        await streams.step(clock())
        await settled(room)
        ((_, to_chat),), ((_, to_vera),) = carrier.to(CHAT), carrier.to(VERA)
        assert to_chat.startswith("by hand: bought 0.01 BTC at ")
        fills = next(line for line in to_chat.splitlines() if line.startswith("fills"))
        assert fills not in to_vera, "her clock is another"
        assert "ref fills::" in to_chat
        assert not carrier.to(TINA)


async def test_trades_of_one_strategy_go_to_who_asked_for_them_alone(tmp_path):
    engine, carrier = Engine(strategies=True, start_ns=1_795_860_000 * SECOND_NS), Carrier()
    clock = Clock(engine.now_ns())
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        strategy = room.desk.strategies()[0].id
        await say(room, "vera", f"/subscribe trades of {strategy}")
        streams = Streams(room, AlertConfig(fills=False), clock)
        await streams.step(clock())
        await trade(room, "1", instrument="SOL-USDC-PERP.PAPER")
        engine.play(60)
        await fed(streams, engine, 0, clock, 60)
        await settled(room)
        assert any(strategy in text for _, text in carrier.to(VERA))
        assert not [text for _, text in carrier.to(VERA) if "by hand" in text]
        assert not carrier.to(CHAT)


async def test_a_run_that_is_killed_after_any_look_tells_every_fill_once(tmp_path):
    engine = Engine()
    carrier = Carrier()
    clock = Clock(engine.now_ns())
    for number in range(6):
        async with control_room(tmp_path, engine, carrier=carrier) as room:
            streams = Streams(room, AlertConfig(), clock)
            await streams.resume()
            told = len(engine.facts)
            await trade(room, "0.001")
            engine.play(1)
            told = await fed(streams, engine, told, clock)
            if number % 2:
                await fed(streams, engine, told, clock, 3)
            await settled(room)
            # killed here: what was counted after the last look is lost with the process
            await trade(room, "-0.001")
            engine.play(1)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        streams = Streams(room, AlertConfig(), clock)
        await streams.resume()
        for _ in range(10):
            clock.forward(30)
            await streams.step(clock())
        await settled(room)
    titles = [text.splitlines()[0] for _, text in carrier.to(CHAT)]
    orders = sum(int(title.split()[3]) if title.startswith("Fills:") else 1 for title in titles)
    assert orders == 12, titles


async def test_the_ticker_edits_one_message_and_begins_a_new_one_each_day(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns() // DAY_NS * DAY_NS + DAY_NS - 10 * MINUTE_NS)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        assert "One message, edited every 5 min" in plain(await say(room, "vera", "/subscribe pnl every 5m"))
        streams = Streams(room, AlertConfig(), clock)
        for _ in range(20 * 60):
            await streams.step(clock())
            clock.forward(1)
            if not clock.ns // SECOND_NS % 299:
                await settled(room)
        await settled(room)
        edits = [edited for edited, _ in carrier.to(VERA)]
        assert [bool(edited) for edited in edits] == [False, True, False, True]
        assert carrier.to(VERA)[0][1].startswith("PNL today +0.00 (+0.00%)\nequity  100,000.00\n")


async def test_a_ticker_goes_on_with_its_message_after_a_restart(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns() // DAY_NS * DAY_NS + DAY_NS // 2)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await say(room, "vera", "/subscribe pnl every 15s")
        await Streams(room, AlertConfig(), clock).step(clock())
        await settled(room)
    clock.forward(15)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await Streams(room, AlertConfig(), clock).step(clock())
        await settled(room)
    (first, _), (second, _) = carrier.to(VERA)
    assert (first, second) == ("", "m1")


async def test_a_ticker_whose_message_was_deleted_begins_one_and_edits_that(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns() // DAY_NS * DAY_NS + DAY_NS // 2)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await say(room, "vera", "/subscribe pnl every 15s")
        streams = Streams(room, AlertConfig(), clock)
        for number in range(4):
            await streams.step(clock())
            await settled(room)
            clock.forward(15)
            if number == 1:
                carrier.gone.add("m1")
    assert [edited for edited, _ in carrier.to(VERA)] == ["", "m1", "", "m3"]


async def test_a_ticker_that_falls_behind_shows_what_is_newest(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns() // DAY_NS * DAY_NS + DAY_NS // 2)
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        await say(room, "vera", "/subscribe pnl every 15s")
        await room.outbox.detach("telegram")
        streams = Streams(room, AlertConfig(), clock)
        for _ in range(100):
            await streams.step(clock())
            clock.forward(15)
        assert room.outbox.waiting() == 2, "the message and its newest edit"
        room.outbox.attach("telegram", carrier)
        await settled(room)
    assert len(carrier.to(VERA)) == 2


async def test_a_ticker_ends_by_itself_when_it_is_refused_and_when_nobody_wants_it(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns())
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        streams = Streams(room, AlertConfig(), clock)
        assert streams.ticker.next_ns() == 0, "nobody wants it"
        await say(room, "vera", "/subscribe pnl every 15s")
        carrier.blocked.add(VERA)
        for _ in range(3):
            await streams.step(clock())
            await settled(room)
            clock.forward(15)
        assert room.subscriptions.of("vera") == []
        assert streams.ticker.next_ns() == 0


async def test_in_a_running_service_fills_reach_the_chats_and_a_subscriber(tmp_path):
    async with world(tmp_path, "telegram", fill_wait_s=0.05) as w:
        await run_line(w.room, actor("vera"), "/subscribe fills", fresh_id())
        await until(lambda: w.chat.health().get("streams") == "up" or w.chat._streams._wanted)
        await trade(w.room, "0.002")
        w.engine.play(2)
        assert (await w.telegram.text("by hand: bought 0.002 BTC", chat=GROUP)).method == "sendMessage"
        await w.telegram.text("by hand: bought 0.002 BTC", chat=TELEGRAM["vera"])


async def test_fills_that_come_faster_than_they_are_read_are_read_again(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns())
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        streams = Streams(room, AlertConfig(), clock)
        await streams.resume()
        for quantity in ("0.001", "-0.001") * 2:
            await trade(room, quantity)
            engine.play(1)
        last = engine.facts[-1]
        await streams.fill_gap((last.seq, last.index))  # the subscription lost all of them
        clock.forward(3)
        await streams.step(clock())
        await settled(room)
        assert len(carrier.to(CHAT)) == 4


class Killed(Exception):
    """The process is gone."""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
async def test_a_service_killed_while_it_tells_a_fill_tells_it_once(tmp_path, monkeypatch, moment):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns())

    def kill(*_):
        raise Killed

    async with control_room(tmp_path, engine, carrier=carrier) as room:
        streams = Streams(room, AlertConfig(), clock)
        await streams.resume()
        told = len(engine.facts)
        await trade(room, "0.001")
        engine.play(1)
        await fed(streams, engine, told, clock)
        clock.forward(3)
        monkeypatch.setattr(
            room.store if moment == "before the commit" else room.outbox,
            "insert" if moment == "before the commit" else "accept",
            kill,
        )
        with pytest.raises(Killed):
            await streams.step(clock())
        monkeypatch.undo()
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        streams = Streams(room, AlertConfig(), clock)
        await streams.resume()
        for _ in range(4):
            clock.forward(20)
            await streams.step(clock())
        await settled(room)
    assert [text.partition(" at ")[0] for _, text in carrier.to(CHAT)] == ["by hand: bought 0.001 BTC"]


async def test_a_fill_that_nobody_here_ordered_counts_once(tmp_path):
    engine, carrier = Engine(), Carrier()
    clock = Clock(engine.now_ns())
    async with control_room(tmp_path, engine, carrier=carrier) as room:
        streams = Streams(room, AlertConfig(), clock)
        await streams.resume()
        told = len(engine.facts)
        await trade(room, "0.001")
        engine.play(1)
        for fact in engine.facts[told:]:
            streams.take(replace(fact, owner="") if isinstance(fact, FillBooked | OrderChanged) else fact)
        clock.forward(3)
        await streams.step(clock())
        await settled(room)
        ((_, text),) = carrier.to(CHAT)
        assert text.startswith("not ordered here: bought 0.001 BTC at ")
        assert "1, " in next(line for line in text.splitlines() if line.startswith("fills"))
