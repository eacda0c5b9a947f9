"""The verbs of strategies: what is asked first, what the question shows, and that a yes is for exactly that."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.render import plain
from bot.verbs import run_line
from domain.commands import Door
from domain.facts import StrategyStatus
from engine.config.load import load_config
from tests.bot.servers.discord_server import shown
from tests.bot.streams.rooms import control_room, say
from tests.bot.world import BTC, DISCORD, TELEGRAM, Engine, actor, fresh_id, order, sure, world

LOAD = "/strategies load turtle t1 BTC PAPER:main entry_bars=20"
TINA = TELEGRAM["tina"]


@pytest.fixture
def engine() -> Engine:
    return Engine()


async def ask(engine: Engine, line: str, person: str = "tina", door: Door = Door.TERMINAL) -> str:
    return plain(await run_line(engine.room, actor(person, door), line, fresh_id()))


def status(engine: Engine, name: str = "t1") -> str:
    return next((view.status for view in engine.desk.strategies() if view.id == name), "")


async def test_a_strategy_is_loaded_shown_paused_set_started_and_unloaded(engine: Engine) -> None:
    assert "did you mean turtle" in await ask(engine, "/strategies load turtel t1 BTC PAPER:main")
    assert "strategies load: done" in await sure(engine, LOAD)
    assert "t1" in await ask(engine, "/strategies")
    assert "entry_bars" in await ask(engine, "/strategies show T1")
    assert "strategies pause: done" in await ask(engine, "/strategies stop t1"), "what lowers risk is not asked about"
    assert "strategies set: done" in await sure(engine, "/strategies set t1 strength=0.5")
    asked = await sure(engine, "/strategies set t1 entry_bars=30")
    assert "strategies set: waits for approval" in asked
    assert "change t1: entry_bars from 20 to 30 (entry_bars may add risk)" in asked
    await ask(engine, "/approve R1", "rosa")
    assert "new parameters" in await ask(engine, "/approve R1", "adam")
    assert "30" in await ask(engine, "/strategies show t1")
    assert "done" in await sure(engine, "/strategies start t1")
    assert "did you mean t1" in await ask(engine, "/strategies pause t2")
    assert "strategies unload: done" in await sure(engine, "/strategies unload t1")


async def test_loading_shows_code_account_instruments_and_every_parameter_and_does_nothing_before_the_yes(
    engine: Engine,
) -> None:
    asked = await ask(engine, LOAD)
    for text in ("Load turtle as t1?", BTC, "PAPER:main", "entry_bars: 20\n", "As usual: ", "atr_bars 20", "none"):
        assert text in asked
    assert not engine.desk.strategies()
    assert "t1 is loading" in await ask(engine, "/confirm C1")
    assert "It was carried out once" in await ask(engine, "/confirm C1")


async def test_a_strategy_of_two_venues_is_loaded_with_an_account_at_each() -> None:
    paper = load_config(None).to_settings()
    far = replace(paper.instruments[0], id="BTC-USDT-PERP.BETA", aliases=())
    accounts = (*paper.accounts, *(replace(paper.accounts[0], id=name) for name in ("BETA:main", "BETA:sub")))
    engine = Engine(replace(paper, instruments=(*paper.instruments, far), accounts=accounts))
    line = f"/strategies load two_leg t1 {BTC},{far.id}"
    assert "say which account: BETA:main, BETA:sub" in await ask(engine, f"{line} PAPER:main")
    assert "are at one venue" in await ask(engine, f"{line} PAPER:main,BETA:main,BETA:sub")
    assert "none of its instruments is at the venue of BETA:sub" in await ask(
        engine, f"/strategies load two_leg t1 {BTC} PAPER:main,BETA:sub"
    )
    assert "PAPER:main, BETA:sub" in await ask(engine, f"{line} PAPER:main,BETA:sub qty=0.1 naked_cap=0.1")
    assert "t1 is loading" in await ask(engine, "/confirm C1")
    assert "PAPER:main, BETA:sub" in await ask(engine, "/strategies show t1")


async def test_new_parameters_are_shown_beside_the_old_ones_with_those_that_add_risk(engine: Engine) -> None:
    await sure(engine, LOAD)
    asked = await ask(engine, "/strategies set t1 entry_bars=30 strength=0.5")
    assert "entry_bars: 20 -> 30, may add risk" in asked
    assert "strength: 1.0 -> 0.5\n" in asked
    assert "its quotes and entries are pulled, its protections stay" in asked
    assert "it waits until 2 others agree" in asked
    assert not engine.desk.pending(), "nobody is bothered before the yes"


async def test_unloading_shows_what_is_held_and_works_and_is_refused_at_once_where_it_cannot_be() -> None:
    engine = Engine(strategies=True)

    def held_by_maker() -> Decimal:
        return sum((view.qty for view in engine.desk.positions() if view.owner == "maker-btc"), Decimal(0))

    for _ in range(600):
        engine.play(1)
        if held_by_maker() and any(one.owner == "maker-btc" for one in engine.desk.orders()):
            break
    refused = await ask(engine, "/strategies unload maker-btc")
    assert "it holds" in refused
    assert "/strategies unload maker-btc keep. Nothing was done." in refused
    asked = await ask(engine, "/strategies unload maker-btc keep")
    [held] = [view for view in engine.desk.positions() if view.owner == "maker-btc" and view.qty]
    assert f"{held.qty.normalize():+f} BTC" in asked
    working = [one for one in engine.desk.orders() if one.owner == "maker-btc"]
    assert f"open orders  {len(working)}" in asked
    assert "no strategy looks after it any more" in asked
    for _ in range(600):
        engine.play(1)
        if held_by_maker() not in {Decimal(0), held.qty}:
            break
    assert "maker-btc is unloaded" in await ask(engine, "/confirm C1"), "the size of what is held may change meanwhile"


async def test_starting_shows_why_it_stands_still_what_it_wanted_last_and_that_nothing_can_be_added_yet(
    engine: Engine,
) -> None:
    await sure(engine, LOAD)
    assert "It is running already. Nothing was done." in await ask(engine, "/strategies start t1")
    await ask(engine, "/strategies pause t1")
    await ask(engine, "/halt")
    asked = await ask(engine, "/strategies start t1")
    assert "paused (paused by tina)" in asked
    assert "Trading is HALTED there: it adds nothing before that is over." in asked
    assert status(engine) == "paused"


async def test_where_money_is_real_a_start_is_confirmed_and_then_takes_another_person() -> None:
    base = load_config(None).to_settings()
    engine = Engine(replace(base, approvals=replace(base.approvals, load_votes=1)))
    asked = await ask(engine, LOAD)
    assert "it waits until another person agrees" in asked
    assert "waits for approval" in await ask(engine, "/confirm C1")
    assert not engine.desk.strategies()
    await ask(engine, "/approve R1", "rosa")
    await ask(engine, "/strategies pause t1")
    assert "waits for approval" in await sure(engine, "/strategies start t1")
    assert status(engine) == "paused"
    assert "OWN_REQUEST" in await ask(engine, "/approve R2") or status(engine) == "paused"
    await ask(engine, "/approve R2", "rosa")
    assert status(engine) == "running"


async def test_a_question_whose_strategy_is_another_by_now_is_asked_again(engine: Engine) -> None:
    await sure(engine, LOAD)
    await ask(engine, "/strategies set t1 strength=0.5")
    await sure(engine, "/strategies set t1 strength=0.25")
    again = await ask(engine, "/confirm C2")
    assert "Not sent: the parameters would be strength: 0.25 -> 0.5" in again
    assert engine.desk.strategies()[0].params["strength"] == 0.25
    assert "C2 is replaced by a newer one" in await ask(engine, "/confirm C2")
    await ask(engine, "/strategies unload t1")
    await sure(engine, "/strategies unload t1")
    gone = await ask(engine, "/confirm C5")
    assert "No strategy is called t1. Nothing was done." in gone


async def test_what_cannot_be_is_refused_without_a_question(engine: Engine) -> None:
    await sure(engine, LOAD)
    for line, said in (
        (LOAD, "t1 is loaded already"),
        ("/strategies load turtle t2 BTC PAPER:main", "belongs to t1"),
        ("/strategies load turtle T2! ETH PAPER:main", "is no name"),
        ("/strategies load turtle t2 ETH PAPER:main entry_bars=-1", "entry_bars"),
        ("/strategies set t1 entry_bars=-1", "entry_bars"),
        ("/strategies set t1 colour=red", "colour"),
    ):
        assert said in await ask(engine, line), line
        assert "Nothing was done." in await ask(engine, line)
    assert not engine.room.confirms.previews.open()


async def test_yeses_from_two_doors_at_the_same_moment_load_it_once(engine: Engine) -> None:
    await ask(engine, LOAD)
    doors = (Door.TERMINAL, Door.DASHBOARD) * 3
    await asyncio.gather(*(ask(engine, "/confirm C1", door=door) for door in doors))
    assert len([done for done in engine.done("load") if done.ok]) == 1


async def test_the_list_tells_what_each_strategy_wanted_last_and_how_long_ago(engine: Engine) -> None:
    await sure(engine, "/strategies load market_maker mm BTC PAPER:main qty=0.01 levels=1 max_position=0.05")
    await sure(engine, "/strategies load turtle t1 ETH PAPER:main entry_bars=20")
    engine.play(60)
    rows = {line.split()[0]: line for line in (await ask(engine, "/strategies")).splitlines() if line.strip()}
    assert "BTC 2 quotes, " in rows["mm"]
    assert rows["mm"].endswith(" ago")
    assert rows["t1"].endswith("none yet")
    before = engine.desk.strategies()[0].signal_ns
    assert before > 0
    await ask(engine, "/strategies pause mm")
    engine.play(120)
    now = engine.desk.strategies()[0]
    assert now.status == StrategyStatus.PAUSED
    assert now.signal_ns > before, "what is paused goes on wanting, and that is shown"
    assert "last signal" in await ask(engine, "/strategies show mm")


async def test_telegram_and_discord_ask_with_buttons_and_a_press_is_the_yes(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram", "discord") as w:
        w.telegram.say(TINA, LOAD)
        card = await w.telegram.wait(lambda one: one.buttons and one.chat == TINA)
        assert "Load turtle as t1?" in card.text
        w.telegram.press(TINA, card, "Confirm")
        await w.telegram.text("t1 is loading")
        await w.discord.slash(DISCORD["tina"], "strategies unload", id="t1")
        asked = await w.discord.wait(lambda one: one["components"] and "Unload t1?" in shown(one))
        await w.discord.click(DISCORD["rosa"], asked, "Confirm")
        await w.discord.text("only tina answers it")
        await w.discord.click(DISCORD["tina"], asked, "Confirm")
        await w.discord.text("t1 is unloaded")
        assert not w.desk.strategies()


async def test_a_question_survives_a_restart(tmp_path: Path, engine: Engine) -> None:
    async with control_room(tmp_path, engine) as room:
        await say(room, "tina", LOAD)
    async with control_room(tmp_path, engine) as room:
        assert "t1 is loading" in plain(await say(room, "tina", "/confirm C1"))
        assert "It was carried out once" in plain(await say(room, "tina", "/confirm C1"))


async def test_halt_only_stops_a_venue_an_instrument_or_a_strategy_and_what_nobody_knows_stops_everything(
    engine: Engine,
) -> None:
    await sure(engine, LOAD)
    assert "Everything else trades on" in await ask(engine, "/halt only t1 it is odd")
    assert status(engine) == "paused"
    assert "ETH is on hold" in await ask(engine, "/halt only ETH, it is odd")
    assert all(slot.hold for slot in engine.driver.core.state.slots.values() if slot.instrument.startswith("ETH"))
    assert engine.trading == "active"
    assert "PAPER is HALTED" in await ask(engine, "/halt only paper it is odd")
    assert "PAPER: it is odd" in await ask(engine, "/status")
    assert engine.driver.core.state.latched == "active", "only that venue is held back"


async def test_a_halt_whose_scope_is_unknown_or_is_a_part_of_the_reason_stops_everything(engine: Engine) -> None:
    said = await ask(engine, "/halt only bybt")
    assert "'bybt' is no venue, instrument or strategy here, so everything is halted." in said
    assert engine.driver.core.state.latched == "halted"
    other = Engine()
    await ask(other, "/halt PAPER is slow")
    assert other.driver.core.state.latched == "halted"
    assert (await order(other.desk, "tina", str(Decimal("0.01")))).ok is False
