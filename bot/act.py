"""The verbs that act: each builds one frozen command, sends it to the desk and tells the outcome."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bot.amounts import amount_for, held_of
from bot.call import Call
from bot.confirm import confirm
from bot.message import Block, Message, Table, Text, base_name, number
from bot.outcome import submit
from bot.parse import (
    Argument,
    UsageError,
    account_of,
    accounts,
    instrument_of,
    nearest,
    suggest,
    symbols,
    venues,
)
from bot.rows import ACCOUNT, REASON, SYMBOL, VENUE, acts, lowers, open_orders
from domain import commands
from domain.account import venue_of
from domain.facts import Severity
from domain.settings import RoleName

if TYPE_CHECKING:
    from engine.desk import Desk

ALL = "all"
ONLY = "only"
REST = "Everything else trades on: /halt stops that too."
LIKE_A_VENUE = 0.75
"""A first word of `/resume` that is so like a venue's name is a slip and no reason to resume everywhere."""


async def halt(call: Call) -> Message:
    """Stop everything that adds risk, now; with `only` in front what adds it at one venue, instrument or strategy.

    A name without `only` is a part of the reason, and a name that nobody knows halts everything: less than what was
    meant must never be what happens.
    """
    reason = call.arguments.get("reason", "")
    first, _, rest = reason.partition(" ")
    scope, _, why = rest.strip().partition(" ")
    if first.lower() != ONLY or not scope:
        return await submit(call, commands.Halt(reason=reason))
    done = await _halt_only(call, scope, why)
    if done is not None:
        return done
    halted = await submit(call, commands.Halt(reason=reason))
    why_all = f"{scope!r} is no venue, instrument or strategy here, so everything is halted."
    return structs.replace(halted, blocks=(Text(why_all), *halted.blocks))


async def _halt_only(call: Call, scope: str, reason: str) -> Message | None:
    """Halt a venue, hold an instrument at each of its accounts, or pause a strategy; None where it is none of these."""
    desk, name = call.desk, scope.strip(",:;.")
    if name.upper() in {venue_of(account) for account in desk.accounts()}:
        return await submit(call, commands.Halt(reason=reason, venue=name.upper()))
    strategy = next((view.id for view in desk.strategies() if view.id.lower() == name.lower()), None)
    if strategy is not None:
        done = await submit(call, commands.PauseStrategy(strategy=strategy))
        return structs.replace(done, blocks=(*done.blocks, Text(REST)))
    instrument = desk.instrument(name)
    if instrument is None:
        return None
    blocks: list[Block] = []
    for account in accounts(desk):
        if venue_of(account) == instrument.rpartition(".")[2]:
            hold = commands.SetHold(account=account, instrument=instrument, on=True)
            each = structs.replace(call, request_id=f"{call.request_id}:{account}")
            blocks += (await submit(each, hold)).blocks
    names = desk.instruments()
    hint = f"Quotes and entries are pulled, protections stay. /hold {base_name(instrument, names)} off releases it."
    return Message(title=f"halt: {base_name(instrument, names)} is on hold", blocks=(*blocks, Text(hint), Text(REST)))


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


def _only(desk: Desk) -> list[str]:
    names = [*venues(desk), *symbols(desk), *(view.id for view in desk.strategies())]
    return [f"{ONLY} {name}" for name in dict.fromkeys(names)]


def _caps(_: Desk) -> tuple[str, ...]:
    return ("none", "0")


def _cancellable(desk: Desk) -> list[str]:
    return [ALL, *open_orders(desk)]


STOP_VERBS: Final = (
    lowers(
        "halt",
        "Stop what adds risk, at once; protections stay",
        halt,
        structs.replace(
            REASON, help="why; `only VENUE`, SYMBOL or STRATEGY in front of it stops that alone", complete=_only
        ),
        aliases=("stopentry", "stopbuy"),
        examples=("/halt", "/halt prices look wrong", "/halt only PAPER it is slow"),
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
