"""The verb table over a real desk and kernel: every verb, its role, its age limit, and its errors."""

import time

import pytest

from bot.call import Effect
from bot.render import plain
from bot.verbs import VERBS, effect_of, is_urgent, menu, run_line
from domain import commands
from domain.facts import TradingState
from domain.settings import RoleName
from domain.verdict import Reason
from domain.views import BudgetView, KeyView, VenueView, WaitingView
from engine.core import trading
from engine.core.roles import ROLE_NEEDED
from tests.bot.world import BTC, Engine, actor, fresh_id, order, sure, wall_ns

SECOND_NS = 1_000_000_000
OLD_NS = 120 * SECOND_NS


@pytest.fixture
def engine():
    return Engine()


async def ask(engine, line, person="rosa", sent_ns=0):
    return plain(await run_line(engine.room, actor(person), line, fresh_id(), sent_ns))


async def test_every_reply_says_environment_market_time_and_data_age(engine):
    for line in ("/status", "/nonsense", "/halt", "/order"):
        stamp = (await ask(engine, line)).splitlines()[-1]
        assert stamp.startswith("PAPER · market: simulated (seed 7) · ")
        assert " UTC · data " in stamp


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("/status", "Status: ACTIVE"),
        ("/ping", "Status: ACTIVE"),
        ("/positions", "No open positions"),
        ("/positions btc", "No open positions in BTC-USDC-PERP.PAPER"),
        ("/orders", "No open orders"),
        ("/oo recent", "No recent orders"),
        ("/pnl", "PNL: +0.00, today ("),
        ("/profit 7d account", "PNL: +0.00, the last 7 days"),
        ("/balance", "Balance"),
        ("/pf", "Balance"),
        ("/trades", "No trades yet"),
        ("/history 5 eth", "No trades yet in ETH-USDC-PERP.PAPER"),
        ("/strategies", "No strategies loaded"),
        ("/strategies list", "No strategies loaded"),
        ("/venues", "No venues"),
        ("/breakers", "Breakers: "),
        ("/pending", "Nothing waits for approval"),
        ("/whoami", "You are Rosa"),
        ("/help", "What you may do here"),
        ("/help strategies load", "/strategies load"),
        ("status", "Status: ACTIVE"),
    ],
)
async def test_a_reading_verb_answers(engine, line, title):
    assert (await ask(engine, line)).startswith(title)


async def test_halt_really_halts_and_resume_waits_for_two_others(engine):
    assert (await ask(engine, "/halt markets are odd")).startswith("halt: done")
    assert "HALTED (markets are odd, by rosa)" in await ask(engine, "/status", "vera")
    assert (await ask(engine, "/resume")).startswith("resume: waits for approval")
    assert "OWN_REQUEST" in await ask(engine, "/approve R1")
    await ask(engine, "/approve r1", "rolf")
    assert "1 of 2 (rolf)" in await ask(engine, "/pending")
    assert "HALTED" in await ask(engine, "/status")
    await ask(engine, "/approve #R1", "adam")
    assert engine.trading is TradingState.ACTIVE


async def test_resume_takes_a_venue_for_its_first_word_and_anything_else_for_the_reason(engine):
    await ask(engine, "/halt")
    assert "PAPER is not held back by itself" in await ask(engine, "/resume paper all is well")
    slip = await ask(engine, "/resume paprr all is well")
    assert "no venue is called 'paprr': did you mean PAPER?" in slip
    assert not engine.desk.pending(), "a slip of the pen does not ask to resume everywhere"
    assert "waits for approval" in await ask(engine, "/resume all is well")
    asked = engine.driver.core.state.requests["R1"].command
    assert asked == commands.Resume(reason="all is well")


async def test_status_names_the_venue_that_is_held_back_and_how_to_let_it_go(engine):
    core = engine.driver.core
    trading.latch_venue(core, "PAPER", TradingState.REDUCING, "reconciliation", "foreign order x on PAPER:main")
    said = await ask(engine, "/status")
    assert "REDUCING (PAPER: foreign order x on PAPER:main, by reconciliation)" in said
    assert "/resume PAPER" in said
    assert "resume: waits for approval" in await ask(engine, "/resume paper looked at it")


async def test_status_names_the_account_that_has_few_actions_left(engine):
    [account, *_] = engine.driver.core.state.accounts.values()
    assert "actions" not in await ask(engine, "/status")
    account.actions_left, account.actions_full, account.actions_step = 700, 9_000, 3
    said = await ask(engine, "/status")
    assert f"{account.id} has at most 10 % of its actions left (700 of 9,000)" in said
    assert "more than 8 bp off" in said


async def test_a_persons_order_is_worked_filled_shown_and_flattened(engine):
    assert (await order(engine.desk, "tina", "0.05")).ok
    engine.play(5)
    assert "+0.05" in await ask(engine, "/positions btc")
    assert "BTC     buy" in await ask(engine, "/trades")
    assert (await ask(engine, "/flatten BTC", "tina")).startswith("flatten: done")
    engine.play(5)
    assert (await ask(engine, "/positions")).startswith("No open positions")
    assert engine.trading is TradingState.HALTED


async def test_a_large_order_waits_and_one_deny_ends_it(engine):
    assert (await order(engine.desk, "tina", "-0.15")).request == "R1"
    assert "ROLE" in await ask(engine, "/approve R1", "vera")
    assert (await ask(engine, "/deny R1 too big", "rosa")).startswith("deny: done")
    assert "NOT_PENDING" in await ask(engine, "/approve R1", "rolf")


async def test_an_order_is_cancelled_by_the_end_of_its_id():
    engine = Engine(strategies=True)
    for _ in range(30):
        engine.play(10)
        if engine.desk.orders():
            break
    (order, *_) = engine.desk.orders()
    assert order.cid in await ask(engine, "/orders")
    assert (await ask(engine, f"/cancel {order.cid[3:]}", "tina")).startswith("cancel: done")


async def test_hold_and_cap_apply_at_once_and_their_release_waits(engine):
    assert (await ask(engine, "/hold BTC", "tina")).startswith("hold: done")
    assert (await ask(engine, "/cap BTC 0.5", "tina")).startswith("cap: done")
    assert (await ask(engine, "/hold BTC off", "tina")).startswith("hold: waits for approval")
    assert (await ask(engine, "/cap BTC none", "tina")).startswith("cap: waits for approval")


@pytest.mark.parametrize("line", ["/start", "/stop", "/stop everything", "/pause t1", "/start t1"])
async def test_bare_start_stop_and_pause_show_help_and_do_nothing(engine, line):
    before = engine.driver.core.state.seq
    reply = await ask(engine, line, "tina")
    assert "Nothing was done" in reply
    assert "/halt" in reply
    assert engine.driver.core.state.seq == before


async def test_an_unknown_person_is_refused_whatever_the_line(engine):
    for line in ("/status", "/halt", "/nonsense", "/help"):
        assert "UNKNOWN_PERSON" in await ask(engine, line, "mallory")
    assert engine.trading is TradingState.ACTIVE


async def test_a_viewer_reads_and_is_refused_what_acts(engine):
    assert (await ask(engine, "/positions", "vera")).startswith("No open positions")
    refused = await ask(engine, "/halt", "vera")
    assert "ROLE" in refused
    assert "needs trader, you are viewer" in refused
    assert engine.trading is TradingState.ACTIVE
    assert "/order " not in await ask(engine, "/help", "vera")


async def test_old_commands_that_add_risk_are_refused_in_words_and_halts_are_not(engine):
    sent_ns = time.time_ns() - OLD_NS
    for line in ("/order buy BTC 0.01", "/resume", "/strategies start x", "/hold BTC off", "/approve R1"):
        reply = await ask(engine, line, "rosa", sent_ns)
        assert "not executed" in reply
        assert "TOO_OLD" in reply
        assert "Send it again" in reply
    assert (await ask(engine, "/halt", "tina", sent_ns)).startswith("halt: done")
    assert engine.trading is TradingState.HALTED


@pytest.mark.parametrize("line", ["/flatten because of news", "/flatten everything", "/flatten NOPE"])
async def test_a_flatten_of_what_is_not_known_halts_and_asks_what_to_close(engine, line):
    await order(engine.desk, "tina", "0.01")
    engine.play(2)
    reply = await ask(engine, line, "tina")
    assert "HALTED" in reply
    assert "Nothing is closed yet, because no instrument is called" in reply
    assert "/flatten all" in reply
    assert engine.trading is TradingState.HALTED
    engine.play(2)
    assert "0.01" in await ask(engine, "/positions BTC")


@pytest.mark.parametrize("line", ["/resume NOPE", "/resume nope", "/resume NOPE it looks well"])
async def test_a_resume_of_an_unknown_venue_asks_for_nothing_and_names_the_venues(engine, line):
    await ask(engine, "/halt", "tina")
    reply = await ask(engine, line)
    assert "no venue is called" in reply
    assert "there is PAPER" in reply
    assert engine.desk.pending() == []
    assert "waits for approval" in await ask(engine, "/resume it was nothing")


async def test_an_old_flatten_halts_and_asks():
    engine = Engine(start_ns=wall_ns())  # how old a line is, is told by the wall clock
    reply = await ask(engine, "/flatten", "tina", time.time_ns() - OLD_NS)
    assert "TOO_OLD" in reply
    assert "send /flatten again" in reply
    assert engine.trading is TradingState.HALTED


async def test_the_same_request_is_carried_out_once(engine):
    for _ in range(2):
        reply = plain(await run_line(engine.room, actor("tina"), "/hold BTC", "update:1"))
    assert "hold: not done again" in reply
    assert [done.reason for done in engine.done("hold")] == [None, Reason.REPEATED]


def test_the_tables_roles_are_the_cores():
    sends: dict[str, type] = {
        "halt": commands.Halt,
        "resume": commands.Resume,
        "flatten": commands.Flatten,
        "approve": commands.Approve,
        "deny": commands.Deny,
        "order": commands.ManualTarget,
        "cancel": commands.CancelOrder,
        "hold": commands.SetHold,
        "cap": commands.SetCap,
        "breaker": commands.SetBreaker,
        "strategies load": commands.LoadStrategy,
        "strategies unload": commands.UnloadStrategy,
        "strategies start": commands.StartStrategy,
        "strategies pause": commands.PauseStrategy,
        "strategies set": commands.SetParams,
        "strategies reload": commands.ReloadStrategy,
        "override": commands.Override,
        "overrides end": commands.EndOverride,
        "breakglass": commands.BreakGlass,
        "review": commands.Review,
    }
    table = {verb.name: verb.role for verb in VERBS}
    needed = {kind.__name__: role for kind, role in ROLE_NEEDED.items()}
    assert {name: table[name] for name in sends} == {name: needed[kind.__name__] for name, kind in sends.items()}
    reading = {verb.name for verb in VERBS if verb.effect is Effect.READS}
    assert reading.isdisjoint(sends)
    private = {"audit": RoleName.RISK, "backtest": RoleName.TRADER} | dict.fromkeys(
        ("logs", "keys status", "users list", "config get", "config history", "config diff"), RoleName.ADMIN
    )
    assert {name: table[name] for name in reading if table[name] is not RoleName.VIEWER} == private


def test_names_are_unique_and_fit_every_channel():
    names = [name for verb in VERBS for name in (verb.name, *verb.aliases)]
    assert len(names) == len(set(names))
    for verb in VERBS:
        assert 1 <= len(verb.help) <= 100
        assert all(1 <= len(argument.help) <= 100 for argument in verb.arguments)
        assert len(verb.name.split()) <= 2
    assert len(menu()) == len({name for name, _ in menu()}) <= 100


def test_lines_are_classed_by_what_they_may_do():
    assert is_urgent(["halt"])
    assert is_urgent(["flatten", "BTC"])
    assert not is_urgent(["status"])
    assert not is_urgent([])
    classed = {
        "halt": Effect.LOWERS,
        "order buy BTC 1": Effect.ADDS,
        "hold BTC": Effect.LOWERS,
        "hold BTC off": Effect.ADDS,
        "cap BTC none": Effect.ADDS,
        "strategies start x": Effect.ADDS,
        "strategies pause x": Effect.LOWERS,
        "status": Effect.READS,
        "nonsense": Effect.READS,
        "": Effect.READS,
    }
    assert {line: effect_of(line.split()) for line in classed} == classed


async def test_the_largest_lists_are_told_whole(engine):
    assert BTC in engine.desk.instruments()
    for _ in range(30):
        await order(engine.desk, "tina", "0.001")
        engine.play(1)
    rows = [line for line in (await ask(engine, "/trades 500")).splitlines() if "buy" in line]
    assert len(rows) == len(engine.desk.trades(500)) > 0


async def test_recent_orders_show_what_filled_at_which_price_for_which_fee_and_for_whom(engine):
    await order(engine.desk, "tina", "5", "SOL")
    engine.play(2)
    [shown] = [view for view in engine.desk.orders(recent=True) if view.instrument.startswith("SOL")]
    fills = [row for row in engine.desk.trades() if row.cid == shown.cid]
    assert shown.filled == 5
    assert shown.average == sum(row.qty * row.price for row in fills) / 5
    assert shown.average < shown.price, "the limit leaves room for slippage"
    assert shown.fee == sum(row.fee for row in fills) > 0
    said = await ask(engine, "/orders recent SOL")
    row = said.splitlines()[2].split("  ")
    assert f"{shown.average.quantize(shown.price).normalize():f}" in said
    assert row[-1].strip() == "by hand"


async def test_what_a_person_opens_after_a_strategy_is_gone_is_not_shown_as_the_strategys(engine):
    await sure(engine, "/strategies load turtle t1 SOL PAPER:main entry_bars=20 interval_s=60")
    await sure(engine, "/strategies unload t1")
    await order(engine.desk, "tina", "5", "SOL")
    engine.play(2)
    await ask(engine, "/flatten SOL", "tina")
    engine.play(2)
    await ask(engine, "/incident ack", "tina")
    await ask(engine, "/incident recover", "rosa")
    engine.play(2)
    await ask(engine, "/resume", "rosa")
    [request] = engine.desk.pending()
    for person in ("rolf", "adam"):
        await ask(engine, f"/approve {request.id}", person)
    await sure(engine, "/strategies load turtle t2 SOL PAPER:main entry_bars=20 interval_s=60")
    await sure(engine, "/strategies unload t2")
    await order(engine.desk, "tina", "-3", "SOL")
    engine.play(2)
    said = await ask(engine, "/positions SOL")
    assert "by hand" in said
    assert "t2" not in said
    assert "No strategies loaded" in await ask(engine, "/strategies")


async def test_the_venues_are_shown_with_what_is_used_and_what_waits(engine):
    limit = BudgetView(name="orders-10s", used=290, limit=300, reserved=30, window_ns=10 * SECOND_NS, held_ns=SECOND_NS)
    waiting = WaitingView(priority="add", what="place BTC", waited_ns=2 * SECOND_NS, left_ns=8 * SECOND_NS)
    key = KeyView(account="BINANCE:main", cannot_withdraw="vouched for by the settings")
    venue = VenueView(
        venue="BINANCE",
        network="testnet",
        connected=True,
        keys=(key,),
        budgets=(limit,),
        waiting=(waiting,),
        clock_off_ms=-12,
    )
    down = VenueView(venue="BYBIT", network="testnet", connected=False, detail="no answer", breakers=("open: orders",))
    engine.desk.venues = lambda: (venue, down)
    said = await ask(engine, "/venues")
    assert "Venues: 1 of 2 connected" in said
    assert "290 of 300, 30 kept for cancels and reductions, told to stop for 1 s" in said
    assert "place BTC, for 2 s, dropped in 8 s" in said
    assert "cannot withdraw: vouched for by the settings" in said
    assert "testnet, NOT connected, no answer" in said
    assert "-12 ms off the exchange's" in said
    assert "open: orders" in said
    assert "BYBIT" not in await ask(engine, "/venues binance")
    assert "did you mean BYBIT?" in await ask(engine, "/venues bybti")


async def test_a_secret_of_the_service_that_somebody_types_is_taken_out_before_anything_is_kept_or_answered(engine):
    engine.room.store.mask = lambda text: text.replace("123:secret-canary", "[redacted]")
    for line in ("/halt I pasted 123:secret-canary", "/123:secret-canary", "/order buy 123:secret-canary 1"):
        assert "secret-canary" not in await ask(engine, line)
    assert "I pasted [redacted]" in await ask(engine, "/status")
