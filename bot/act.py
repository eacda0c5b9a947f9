"""The verbs that act: each builds one frozen command, sends it to the desk and tells the outcome."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.amounts import amount_for, held_of
from bot.call import Call
from bot.confirm import confirm
from bot.message import Message, Table, Text, base_name, number
from bot.outcome import submit
from bot.parse import (
    Argument,
    UsageError,
    account_of,
    accounts,
    instrument_of,
    nearest,
    params_of,
    suggest,
    symbols,
    venues,
)
from bot.rows import ACCOUNT, PARAMS, REASON, STRATEGY, SYMBOL, VENUE, acts, kinds, lowers, open_orders
from bot.show import strategy_of
from domain import commands
from domain.account import venue_of
from domain.facts import Severity
from domain.settings import RoleName, StrategySpec

if TYPE_CHECKING:
    from engine.desk import Desk

ALL = "all"
LIKE_A_VENUE = 0.75
"""A first word of `/resume` that is so like a venue's name is a slip and no reason to resume everywhere."""


async def halt(call: Call) -> Message:
    """Stop everything that adds risk, now."""
    return await submit(call, commands.Halt(reason=call.arguments.get("reason", "")))


async def resume(call: Call) -> Message:
    """Ask to trade again: at one venue where that is the first word, else everywhere.

    What may be meant as a venue and is none is refused: it must not become the reason for resuming everywhere. A reason
    has several words, or follows `all`.
    """
    word, reason = call.arguments.get("venue", ""), call.arguments.get("reason", "")
    venue, known = word.upper(), sorted({venue_of(account) for account in call.desk.accounts()})
    if word.lower() in {"", ALL}:
        return await submit(call, commands.Resume(reason=f"{word} {reason}" if reason else ""))
    if venue in known:
        return await submit(call, commands.Resume(reason=reason, venue=venue))
    meant = nearest(word, known, likeness=LIKE_A_VENUE)
    if meant or not reason or word.isupper():
        hint = f"did you mean {' or '.join(meant)}?" if meant else f"there is {', '.join(known) or 'none'}."
        raise UsageError(
            f"no venue is called {word!r}: {hint} Nothing was asked for. To resume everywhere: /resume all {word}"
        )
    return await submit(call, commands.Resume(reason=f"{word} {reason}"))


async def flatten(call: Call) -> Message:
    """Halt and close one position or all; where it is not known what is meant, halt, and ask."""
    text, reason = call.arguments.get("symbol", ""), call.arguments.get("reason", "")
    if text.lower() in {"", ALL}:
        return await submit(call, commands.Flatten(reason=reason))
    try:
        scope = instrument_of(call.desk, text)
    except UsageError as error:
        halted = await submit(call, commands.Halt(reason=f"flatten {text} {reason}".strip()))
        ask = f"Nothing is closed yet, because {error}"
        hint = f"Everything: /flatten all {text} {reason}".strip()
        blocks = (*halted.blocks, Text(ask), Text(hint), Text("One position: /flatten SYMBOL"))
        return structs.replace(halted, title="flatten: halted, what is to be closed?", blocks=blocks, ok=False)
    return await submit(call, commands.Flatten(scope=scope, reason=reason))


async def cancel(call: Call) -> Message:
    """Cancel one order by its client id, or by its end when only one ends so; or all, after a question."""
    wanted = call.arguments["id"]
    if wanted.lower() == ALL:
        return await _cancel_all(call)
    known = call.desk.by_hand.cancellable()
    hits = [wanted] if call.desk.by_hand.is_open(wanted) else [cid for cid in known if cid.endswith(wanted)]
    if len(hits) != 1:
        why = f"{len(hits)} open orders end with" if hits else "no open order is called"
        raise UsageError(f"{why} {wanted!r}: {suggest(wanted, hits or known)}")
    return await submit(call, commands.CancelOrder(cid=hits[0]))


async def _cancel_all(call: Call) -> Message:
    """Ask whether every open order is to be cancelled; what protects or only reduces is not among them."""
    everything = call.desk.orders()
    found = [view for view in everything if not view.reduce_only]
    left = f"{len(everything) - len(found)} that protect or only reduce stay."
    if not found:
        return Message(title="No orders to cancel", blocks=(Text(left),) if everything else ())
    names = call.desk.instruments()
    rows = tuple(
        (base_name(view.instrument, names), f"{view.side} {number(view.qty)}", number(view.price), view.cid)
        for view in found
    )
    notes = ["Their instruments are put on hold, so that no strategy places them again."]
    notes += [left] if len(found) < len(everything) else []
    return await confirm(
        call,
        title=f"Cancel all {len(found)} orders?",
        blocks=(Table(("symbol", "order", "price", "id"), rows, left=2), *map(Text, notes)),
        command=commands.CancelOrders(cids=tuple(view.cid for view in found)),
        severity=Severity.WARNING,
    )


async def hold(call: Call) -> Message:
    """Hold the slot of an account and instrument, so that no strategy acts on it, or ask to release it."""
    instrument = instrument_of(call.desk, call.arguments["symbol"])
    account = account_of(call.desk, call.arguments.get("account", ""), instrument)
    on = call.arguments.get("switch", "on").lower() == "on"
    return await submit(call, commands.SetHold(account=account, instrument=instrument, on=on))


async def cap(call: Call) -> Message:
    """Cap the position of an account and instrument, or lift the cap."""
    instrument = instrument_of(call.desk, call.arguments["symbol"])
    account = account_of(call.desk, call.arguments.get("account", ""), instrument)
    text = call.arguments["qty"].lower()
    held = held_of(call.desk, account, instrument)
    quantity: Decimal | None = None
    if text != "none":
        quantity = Decimal(0) if text == "0" else amount_for(call.desk, account, instrument, text, buys=held < 0).qty
    return await submit(call, commands.SetCap(account=account, instrument=instrument, qty=quantity))


async def start_strategy(call: Call) -> Message:
    """Let a strategy act again."""
    return await submit(call, commands.StartStrategy(strategy=strategy_of(call).id))


async def pause_strategy(call: Call) -> Message:
    """Pull a strategy's quotes and entries; its protections stay."""
    return await submit(call, commands.PauseStrategy(strategy=strategy_of(call).id))


async def unload_strategy(call: Call) -> Message:
    """Forget a strategy."""
    keep = "position" in call.arguments
    return await submit(call, commands.UnloadStrategy(strategy=strategy_of(call).id, keep_position=keep))


async def set_params(call: Call) -> Message:
    """Change a strategy's parameters."""
    params = params_of(call.arguments["params"])
    return await submit(call, commands.SetParams(strategy=strategy_of(call).id, params=params))


async def load_strategy(call: Call) -> Message:
    """Load a strategy of a known kind under a new id; several instruments are joined by commas."""
    desk, kind = call.desk, call.arguments["kind"].lower()
    kinds = desk.strategy_kinds()
    if kind not in kinds:
        raise UsageError(f"no strategy kind is called {kind!r}: {suggest(kind, kinds)}")
    instruments = tuple(instrument_of(desk, name) for name in call.arguments["symbols"].split(",") if name)
    if not instruments:
        raise UsageError("SYMBOLS names at least one instrument, for example: BTC or BTC,ETH")
    account = account_of(desk, call.arguments["account"], instruments[0])
    params = params_of(call.arguments.get("params", ""))
    spec = StrategySpec(id=call.arguments["id"], kind=kind, account=account, instruments=instruments, params=params)
    return await submit(call, commands.LoadStrategy(spec=spec))


def _caps(_: Desk) -> tuple[str, ...]:
    return ("none", "0")


def _cancellable(desk: Desk) -> list[str]:
    return [ALL, *open_orders(desk)]


STRATEGY_VERBS: Final = (
    acts(
        "strategies start",
        "Let a paused strategy act again",
        start_strategy,
        STRATEGY,
        examples=("/strategies start turtle1",),
    ),
    lowers(
        "strategies pause",
        "Pull its quotes and entries; protections stay",
        pause_strategy,
        STRATEGY,
        aliases=("strategies stop",),
        examples=("/strategies pause turtle1",),
    ),
    acts(
        "strategies load",
        "Load a strategy under a new id",
        load_strategy,
        Argument(name="kind", help="which strategy", complete=kinds),
        Argument(name="id", help="a name of your choice, not yet used"),
        Argument(name="symbols", help="instruments, joined by commas", complete=symbols),
        Argument(name="account", help="the account it trades on", complete=accounts),
        structs.replace(PARAMS, required=False),
        examples=("/strategies load turtle turtle1 BTC main entry_bars=20",),
    ),
    acts(
        "strategies unload",
        "Cancel its quotes and entries and forget it",
        unload_strategy,
        STRATEGY,
        Argument(name="position", help="keep the position it holds", required=False, choices=("keep",)),
        examples=("/strategies unload turtle1", "/strategies unload turtle1 keep"),
    ),
    acts(
        "strategies set",
        "Change parameters; it warms up again",
        set_params,
        STRATEGY,
        PARAMS,
        examples=("/strategies set turtle1 entry_bars=30",),
        gate="P2 to add",
    ),
)
STOP_VERBS: Final = (
    lowers(
        "halt",
        "Stop what adds risk, at once; protections stay",
        halt,
        REASON,
        aliases=("stopentry", "stopbuy"),
        examples=("/halt", "/halt prices look wrong"),
    ),
    acts(
        "resume",
        "Ask to trade again, everywhere or at one venue; others approve",
        resume,
        structs.replace(VENUE, complete=venues),
        REASON,
        role=RoleName.RISK,
        examples=("/resume", "/resume PAPER looked at it"),
        gate="P2",
    ),
    lowers(
        "flatten",
        "Halt, then close one position or all",
        flatten,
        Argument(name="symbol", help="an instrument, or all (default)", required=False, complete=symbols),
        REASON,
        aliases=("forceexit", "fx", "forcesell", "sell_all"),
        examples=("/flatten", "/flatten BTC"),
    ),
)
ORDER_VERBS: Final = (
    lowers(
        "cancel",
        "Cancel one order, or all of them after a question",
        cancel,
        Argument(name="id", help="the order, the end of its id, or all", complete=_cancellable),
        aliases=("coo", "cancel_open_order"),
        examples=("/cancel 4f2a", "/cancel all"),
        gate="C for all",
    ),
    lowers(
        "hold",
        "No strategy acts on this instrument",
        hold,
        SYMBOL,
        Argument(
            name="switch", help="on (default), or off to ask for its release", required=False, choices=("on", "off")
        ),
        ACCOUNT,
        adds_with="off",
        examples=("/hold BTC", "/hold BTC off"),
        gate="P2 to add",
    ),
    lowers(
        "cap",
        "Cap the position in an instrument",
        cap,
        SYMBOL,
        Argument(name="qty", help="the largest position: 0.5, $20k; none lifts the cap", complete=_caps),
        ACCOUNT,
        adds_with="none",
        examples=("/cap BTC 0.5", "/cap BTC none"),
        gate="P2 to add",
    ),
)
