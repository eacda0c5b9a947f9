"""Order cards: what a person reads before, at and after their yes, and that the market cannot move in between."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from bot.confirm import FRESH_NS
from bot.order_words import Placed
from bot.orders import tidy
from bot.render import plain
from bot.room import ControlRoom
from bot.store import OpsStore
from bot.tickets import Ticket
from bot.verbs import run_line
from domain.commands import Approve, CancelOrder, Deny, Door, Halt, ManualLimit, ManualTarget
from domain.facts import CommandDone
from domain.market import Bbo, Book
from domain.order import OrderKind
from tests.bot.servers.discord_server import shown
from tests.bot.servers.telegram_server import Sent
from tests.bot.world import BTC, DISCORD, ETH, GROUP, TELEGRAM, Engine, World, actor, fresh_id, world

TINA, ROSA = TELEGRAM["tina"], TELEGRAM["rosa"]


async def say(engine: Engine, line: str, person: str = "tina", door: Door = Door.TERMINAL) -> str:
    return plain(await run_line(engine.room, actor(person, door), line, fresh_id()))


def sent(engine: Engine) -> list[CommandDone]:
    return [*engine.done("manual"), *engine.done("manual_limit")]


def touch(engine: Engine, bid: int, ask: int, instrument: str = BTC) -> None:
    contract = engine.driver.core.instruments[instrument]
    scale = contract.price_scale
    engine.put(Bbo(instrument=instrument, bid=bid * scale, bid_qty=10**9, ask=ask * scale, ask_qty=10**9))


# the preview


async def test_the_preview_says_what_it_would_cost_and_lead_to_and_sends_nothing() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    asked = await say(engine, "/order buy BTC 0.05")
    for words in (
        "Buy 0.05 BTC at the market?",
        "60000 bid, 60010 offered",
        "3,000.50 USD",
        "about 60010 on average",
        "0.008% off the middle",
        "by the best price alone, no book is known",
        "as taker",
        "position  0 -> +0.05 BTC",
        "none needed: less than 5,000.00 USD added in ten minutes",
        "/confirm C1 within 30 s",
        "Digest ",
    ):
        assert words in asked, words
    assert sent(engine) == []


async def test_slippage_is_walked_through_the_live_book_and_what_lies_deeper_is_said() -> None:
    engine = Engine()
    scale, lots = engine.driver.core.instruments[BTC].price_scale, engine.driver.core.instruments[BTC].qty_scale
    asks = ((60_010 * scale, lots // 100), (60_030 * scale, lots * 100))
    engine.put(Book(instrument=BTC, bids=((60_000 * scale, lots * 100),), asks=asks))
    asked = await say(engine, "/order buy BTC 0.02")
    assert "about 60020 on average, the worst part 60030" in asked
    assert "walked through the live book" in asked
    engine.put(Bbo(instrument=BTC, bid=60_000 * scale, bid_qty=lots, ask=60_011 * scale, ask_qty=lots // 100))
    asked = await say(engine, "/order buy BTC 0.03")
    assert "by the best price alone, no book is known; 0.02 lies deeper than that, its price is not known" in asked


async def test_limits_are_shown_as_bars_the_tightest_first() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_000)
    asked = await say(engine, "/order buy BTC 0.05")
    rows = [line for line in asked.splitlines() if "%" in line and "[" not in line and "█" in line]
    assert rows[0].startswith("without a vote  ██████░░░░ 60%")
    assert any(row.startswith("order ") and "3,000.00     10,000.00" in row for row in rows)


async def test_a_large_one_says_whose_vote_it_waits_for() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    assert "waits for a vote of one of: Rosa, Rolf, Adam" in await say(engine, "/order buy BTC 0.15")
    assert "waits for a vote of one of: Rolf, Adam" in await say(engine, "/order buy BTC 0.15", "rosa")


async def test_the_preview_and_the_core_agree_on_who_has_to_vote() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    for number, (qty, votes) in enumerate([("0.04", False), ("0.04", False), ("0.04", True)], 1):
        asked = await say(engine, f"/order buy BTC {qty} @ 59900")
        assert ("none needed: less than 5,000.00 USD" not in asked) is votes, asked
        told = await say(engine, f"/confirm C{number}")
        assert ("waits for a vote" in told) is votes, told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/order buy BTC $3k", "Buy 0.04999 BTC at the market?"),
        ("/order buy BTC 5% of equity", "Buy 0.08332 BTC at the market?"),
        ("/order sell BTC 0.01 @ 70000 for 2 h", "Sell 0.01 BTC at 70000 or better?"),
        ("/order sell BTC 0.01 limit=70k main", "for 24 h at most"),
        ("/order sell BTC 0.01 at 70,000.0 for 30m", "for 30 min at most"),
        ("/order buy BTC 0.01 @ 60500", "all of it at once, at about 60010: the market is there already"),
        ("/order buy BTC 0.01 @ 50000", "not at once: it rests until the market comes to it"),
    ],
)
async def test_amounts_prices_and_times_are_taken_as_people_write_them(line: str, said: str) -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    assert said in await say(engine, line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/order buy BTC 0.01 for 2h", "an order at the market does not wait"),
        ("/order buy BTC 0.01 @ much", "'@much' is not a number"),
        ("/order buy BTC 0.01 @ 60000 for ever", "'ever' is no length of time"),
        ("/order buy BTC 0.01 @ -5", "must be greater than zero"),
        ("/order buy BTC 0.01 @ 60000 nowhere", "no account is called 'nowhere'"),
        ("/order buy BTC 0.01 60000 main 61000", "is too much"),
    ],
)
async def test_what_cannot_be_understood_is_answered_with_what_could(line: str, said: str) -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    assert said in await say(engine, line)
    assert sent(engine) == []


def test_words_of_a_line_become_one_word_for_each_argument() -> None:
    assert tidy(["buy", "BTC", "25%", "of", "equity", "@", "65000", "for", "2", "hours", "main"]) == [
        "buy", "BTC", "25%eq", "@65000", "for=2hours", "main",
    ]  # fmt: skip
    assert tidy(["sell", "ETH", "1", "market"]) == ["sell", "ETH", "1"]


# refusals


async def test_what_would_be_refused_is_not_asked_and_the_answer_says_what_would_pass() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_000)
    refused = await say(engine, "/order buy BTC 0.5")
    assert "Refused, NOTIONAL_LIMIT" in refused
    assert "At most 0.16583 BTC would pass now." in refused, "what the first order may pay at most counts"
    assert "Nothing was sent." in refused
    assert engine.room.confirms.previews.open() == []


async def test_while_halted_the_answer_names_the_way_out() -> None:
    engine = Engine()
    await engine.desk.submit(Halt(), actor("tina"))
    assert "/resume asks for trading again; /flatten closes what is open" in await say(engine, "/order buy BTC 0.01")


async def test_an_estimate_never_touches_the_engine() -> None:
    engine = Engine()
    state = engine.driver.core.state
    before = (list(state.slots), list(state.strategies), state.seq, state.effects_hash)
    for command in (
        ManualTarget(account="PAPER:main", instrument=ETH, qty=Decimal(1)),
        ManualLimit(account="PAPER:main", instrument=ETH, qty=Decimal(-1), price=Decimal(2_000)),
        ManualTarget(account="NO:where", instrument=ETH, qty=Decimal(1)),
        ManualTarget(account="PAPER:main", instrument=ETH, qty=Decimal("1e-9")),
    ):
        engine.desk.by_hand.preview(command, "tina", engine.now_ns())
    assert (list(state.slots), list(state.strategies), state.seq, state.effects_hash) == before


# from yes to done


async def test_a_price_that_went_away_before_the_yes_is_asked_again() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    await say(engine, "/order buy BTC 0.05")
    touch(engine, 60_300, 60_310)
    again = await say(engine, "/confirm C1")
    assert "Not sent: the price has gone from 60010.00 to 60310.00, against you. Look again." in again
    assert "/confirm C2 within 30 s" in again
    assert sent(engine) == []
    assert "C1 is replaced by a newer one" in await say(engine, "/confirm C1")
    assert "Working:" in await say(engine, "/confirm C2")
    assert len(sent(engine)) == 1


async def test_a_better_price_is_not_asked_about() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    await say(engine, "/order buy BTC 0.05")
    touch(engine, 59_000, 59_010)
    assert "Working:" in await say(engine, "/confirm C1")


async def test_a_position_that_changed_before_the_yes_is_asked_again() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    await say(engine, "/order buy BTC 0.02")
    await say(engine, "/order buy BTC 0.03")
    await say(engine, "/confirm C1")
    engine.play(2)
    assert "it would now lead to a position of" in await say(engine, "/confirm C2")


async def test_a_halt_between_question_and_yes_refuses_it() -> None:
    engine = Engine()
    touch(engine, 60_000, 60_010)
    await say(engine, "/order buy BTC 0.02")
    await engine.desk.submit(Halt(), actor("tina"))
    assert "Refused, HALTED" in await say(engine, "/confirm C1")
    assert sent(engine) == []


async def pressed(w: World, line: str) -> Sent:
    """Tina's order in the group, confirmed by its button; the card that the answer took the place of."""
    w.telegram.say(TINA, line, chat=GROUP)
    card = await w.telegram.wait(lambda one: one.chat == GROUP and "/confirm C" in one.text)
    w.telegram.press(TINA, card, "Confirm")
    return card


async def test_one_message_goes_from_question_over_progress_to_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.tickets.PACE_S", 0.05)
    async with world(tmp_path, "telegram") as w:
        card = await pressed(w, "/order buy BTC 0.05")
        works = await w.telegram.text("Buy 0.05 BTC at the market: works", chat=GROUP)
        assert (works.message_id, works.buttons) == (card.message_id, [])
        w.engine.play(2)
        done = await w.telegram.text("Buy 0.05 BTC at the market: filled", chat=GROUP)
        assert done.message_id == card.message_id
        for words in ("0.05 of 0.05 BTC [██████████]", "than the preview", "fees", "C1, digest "):
            assert words in done.text or "as in the preview" in done.text, words
        assert len([one for one in w.telegram.sent if one.method == "sendMessage" and "0.05 BTC" in one.text]) == 1


async def test_an_order_from_the_terminal_disturbs_no_message_of_the_chats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.tickets.PACE_S", 0.01)
    async with world(tmp_path, "telegram") as w:
        for line in ("/order buy BTC 0.01", "/confirm C1"):
            said = plain(await run_line(w.room, actor("tina"), line, fresh_id()))
        assert "Working:" in said
        await pressed(w, "/order buy ETH 0.1")
        await w.telegram.text("Buy 0.1 ETH at the market: works", chat=GROUP)
        w.engine.play(2)
        await w.telegram.text("Buy 0.1 ETH at the market: filled", chat=GROUP, within_s=8)


async def test_a_large_ones_message_waits_for_the_vote_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.tickets.PACE_S", 0.05)
    async with world(tmp_path, "telegram") as w:
        card = await pressed(w, "/order buy BTC 0.15")
        await w.telegram.text("Buy 0.15 BTC at the market: waits for a vote", chat=GROUP)
        vote = await w.telegram.wait(lambda one: one.chat == ROSA and bool(one.buttons))
        w.telegram.press(ROSA, vote, "Approve")
        await w.telegram.text("approve: done", chat=ROSA)
        w.engine.play(2)
        done = await w.telegram.text("Buy 0.15 BTC at the market: filled", chat=GROUP)
        assert done.message_id == card.message_id


async def test_a_denied_ones_message_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.tickets.PACE_S", 0.05)
    async with world(tmp_path, "telegram") as w:
        await pressed(w, "/order buy BTC 0.15")
        await w.telegram.text("at the market: waits for a vote", chat=GROUP)
        await w.desk.submit(Deny(request="R1", reason="too much today"), actor("rosa"))
        over = await w.telegram.text("Buy 0.15 BTC at the market: denied", chat=GROUP)
        assert "too much today" in over.text
        assert "Nothing was sent" in over.text


async def test_an_order_at_a_price_is_followed_over_a_restart_and_cancelled_by_its_button(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.tickets.PACE_S", 0.05)
    engine = Engine()
    async with world(tmp_path, "telegram", engine=engine) as first:
        await pressed(first, "/order buy BTC 0.01 @ 50000 for 2h")
        rests = await first.telegram.text("Buy 0.01 BTC at 50000 or better: works", chat=GROUP)
        assert [button["text"] for button in rests.buttons] == ["Cancel order"]
        assert len(rests.buttons[0]["callback_data"].encode()) <= 64
    async with world(tmp_path, "telegram", engine=engine) as w:
        press = w.telegram.press_of(TINA, rests, rests.buttons[0]["callback_data"])
        w.telegram.push({"update_id": 900, "callback_query": press})
        await w.telegram.text("cancel: done", chat=GROUP)
        engine.play(2)
        over = await w.telegram.text("Buy 0.01 BTC at 50000 or better: over", chat=GROUP)
        assert over.buttons == []
        press = w.telegram.press_of(TINA, rests, rests.buttons[0]["callback_data"])
        w.telegram.push({"update_id": 901, "callback_query": press})
        await w.telegram.text("That order is not open any more", chat=GROUP)


async def test_open_orders_are_cancelled_from_their_list(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        command = ManualLimit(account="PAPER:main", instrument=BTC, qty=Decimal("0.01"), price=Decimal(50_000))
        assert (await w.desk.submit(command, actor("tina"))).ok
        w.engine.play(1)
        (order,) = w.desk.orders()
        assert order.kind == OrderKind.LIMIT.name.lower()
        w.telegram.say(TINA, "/orders", chat=GROUP)
        listed = await w.telegram.text("Orders: 1 open", chat=GROUP)
        assert [button["text"] for button in listed.buttons] == ["Cancel buy 0.01 BTC"]
        w.telegram.press(ROSA, listed, "Cancel buy 0.01 BTC")
        await w.telegram.text("cancel: done", chat=GROUP)
        w.engine.play(1)
        assert w.desk.orders() == []
        assert len(w.engine.done("cancel_order")) == 1
        w.telegram.say(TELEGRAM["vera"], "/orders recent", chat=GROUP)
        assert (await w.telegram.text("Orders: 1 recent", chat=GROUP)).buttons == []


async def test_on_discord_the_question_becomes_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.tickets.PACE_S", 0.05)
    async with world(tmp_path, "discord") as w:
        await w.discord.slash(DISCORD["tina"], "order", side="buy", symbol="BTC", qty="0.05")
        card = await w.discord.wait(lambda one: one["components"])
        await w.discord.click(DISCORD["tina"], card, "Confirm")
        await w.discord.text("Buy 0.05 BTC at the market: works")
        w.engine.play(2)
        done = await w.discord.text("Buy 0.05 BTC at the market: filled")
        assert (done["id"], done["components"]) == (card["id"], [])
        await w.discord.slash(
            DISCORD["tina"], "order", side="sell", symbol="BTC", qty="0.01", price="70000", valid="2h"
        )
        asked = await w.discord.text("Sell 0.01 BTC at 70000 or better?")
        assert "for 2 h at most" in shown(asked)


async def test_an_expired_question_says_so_and_sends_nothing() -> None:
    engine = Engine()
    await say(engine, "/order buy BTC 0.01")
    engine.room.confirms.now_ns = lambda: time.time_ns() + FRESH_NS + 1
    assert "not confirmed within 30 s. Nothing was done." in await say(engine, "/confirm C1")
    assert sent(engine) == []


async def test_what_waits_to_be_placed_again_can_be_cancelled_by_its_id() -> None:
    engine = Engine()
    command = ManualLimit(account="PAPER:main", instrument=BTC, qty=Decimal("0.01"), price=Decimal(50_000))
    await engine.desk.submit(command, actor("tina"))
    (slot,) = [slot for slot in engine.driver.core.state.slots.values() if slot.resting]
    (wish,) = slot.resting
    assert (await engine.desk.submit(CancelOrder(cid=wish), actor("tina"))).ok
    assert slot.resting == {}


async def test_an_order_that_was_approved_while_nobody_here_listened_is_not_followed_for_ever(tmp_path: Path) -> None:
    engine = Engine()
    price = engine.desk.prices()[BTC].quantize(Decimal(1)) - 100
    command = ManualLimit(account="PAPER:main", instrument=BTC, qty=Decimal("0.15"), price=price, valid_ns=10**13)
    asked = await engine.desk.submit(command, actor("tina"), fresh_id())
    await engine.desk.submit(Approve(request=asked.request), actor("rosa"), fresh_id())
    room = ControlRoom(engine.desk, OpsStore(tmp_path / "ops.db"))
    await room.store.start()
    placed = Placed(
        account=command.account, instrument=BTC, qty=command.qty, limit=price, expected=price, digest="", number="C1"
    )
    ticket = Ticket(
        event="t:1", chat=f"telegram:{GROUP}", person="tina", placed=placed, entry="", made_ns=0, request=asked.request
    )
    now = await room.tickets.follow(structs.replace(ticket, made_ns=engine.desk.clock.now_ns()))
    assert not now.is_over
    now = await room.tickets.follow(ticket)
    assert now.is_over
    assert "see /orders" in plain(now.message)
    assert await room.store.run(lambda: room.store.db.execute("select count(*) from tickets").fetchone()) == (0,)
    await room.store.aclose()
