"""The verbs that read: each asks the desk and lays the answer out."""

from __future__ import annotations

from decimal import Decimal

from bot.buttons import PAGE, cancel_buttons
from bot.call import Call
from bot.message import (
    Button,
    Message,
    Pairs,
    Table,
    Text,
    age_text,
    base_name,
    money,
    number,
    signed,
)
from bot.parse import account_of, count_of, instrument_of
from bot.times import clock_in, zone_short
from domain.account import venue_of
from domain.commands import Door
from domain.settings import RoleName
from domain.views import (
    OrderView,
    PositionView,
    owner_words,
)

MAX_TRADES = 500
KEPT_TRADES = 10_000
"""More than the desk keeps: all of them."""
LONGEST = 24
"""Characters of a button's subject."""
MOST_BUTTONS = 8


async def positions(call: Call) -> Message:
    """Open positions, one row each, with the sum."""
    wanted = _symbol(call)
    found = [view for view in call.desk.positions() if view.qty and wanted in {"", view.instrument}]
    if not found:
        return Message(title="No open positions" + (f" in {wanted}" if wanted else ""))
    names = call.desk.instruments()
    rows = tuple(
        (
            base_name(view.instrument, names),
            signed(view.qty),
            number(view.entry_price),
            number(view.mark_price),
            money(view.unrealised, sign=True),
            _to_liquidation(view),
            owner_words(view.owner),
        )
        for view in found
    )
    total = sum((view.unrealised for view in found), Decimal(0))
    table = Table(("symbol", "qty", "entry", "mark", "uPNL", "to liq.", "owner"), rows)
    return Message(title=f"Positions: {len(found)}, {money(total, sign=True)} unrealised", blocks=(table,))


def _to_liquidation(view: PositionView) -> str:
    """How far the price is from where this position alone would be liquidated, with the direction."""
    price = view.liquidation_price
    if price is None or not view.mark_price:
        return "none"
    return f"{(price - view.mark_price) / view.mark_price:+.0%}"


async def orders(call: Call) -> Message:
    """Open orders, or the recent ones."""
    recent = call.arguments.get("which", "").lower() == "recent"
    wanted = _symbol(call)
    found = [view for view in call.desk.orders(recent=recent) if not wanted or view.instrument == wanted]
    kind = "recent" if recent else "open"
    if not found:
        return Message(title=f"No {kind} orders" + (f" in {wanted}" if wanted else ""))
    names = call.desk.instruments()
    if recent:
        columns: tuple[str, ...] = ("symbol", "order", "filled", "average", "fee", "status", "age", "whose")
    else:
        columns = ("symbol", "order", "filled", "price", "status", "age", "id")
    row = _recent_row if recent else _order_row
    table = Table(columns, tuple(row(view, names) for view in found), left=2)
    may_cancel = not recent and call.person.role >= RoleName.TRADER
    buttons = _cancel_buttons(call, found, names) if may_cancel else ()
    return Message(title=f"Orders: {len(found)} {kind}", blocks=(table,), buttons=buttons)


def _cancel_buttons(call: Call, found: list[OrderView], names: list[str]) -> tuple[Button, ...]:
    """One for each of the oldest orders, where the door has buttons."""
    rows = [
        (view.cid, f"Cancel {view.side} {number(view.qty)} {base_name(view.instrument, names)}")
        for view in found[:MOST_BUTTONS]
    ]
    return cancel_buttons(call.room.confirms.bots.get(call.actor.door.value), rows)


def _recent_row(view: OrderView, names: list[str]) -> tuple[str, ...]:
    """What became of an order: how much of it filled, at which price on average, for which fee, and for whom."""
    return (
        base_name(view.instrument, names),
        f"{view.side} {number(view.qty)} {view.role}",
        number(view.filled),
        number(view.average.quantize(view.price)) if view.average is not None else "-",
        number(view.fee) if view.filled else "-",
        view.status,
        age_text(view.age_s),
        owner_words(view.owner),
    )


def _order_row(view: OrderView, names: list[str]) -> tuple[str, ...]:
    price = f"at {number(view.trigger)}" if view.trigger else number(view.price)
    return (
        base_name(view.instrument, names),
        f"{view.side} {number(view.qty)} {view.role}",
        number(view.filled),
        price,
        view.status,
        age_text(view.age_s),
        view.cid,
    )


async def trades(call: Call) -> Message:
    """Fills, newest first, a page at a time."""
    count, wanted = count_of(call.arguments.get("n", "20"), MAX_TRADES), _symbol(call)
    page = int(call.arguments.get("page", "p1")[1:])
    known = [row for row in call.desk.trades(limit=KEPT_TRADES) if not wanted or row.instrument == wanted]
    first = (page - 1) * count
    found = known[first : first + count]
    if not found:
        none = f"No trades on page {page}" if known and page > 1 else "No trades yet"
        return Message(title=none + (f" in {wanted}" if wanted else ""))
    names, zone = call.desk.instruments(), call.room.zone(call.person.id)
    rows = tuple(
        (
            clock_in(row.ts_ns, zone),
            base_name(row.instrument, names),
            row.side,
            number(row.qty),
            number(row.price),
            number(row.fee),
            money(row.realised, sign=True),
        )
        for row in found
    )
    columns = (zone_short(found[0].ts_ns, zone), "symbol", "side", "qty", "price", "fee", "realised")
    is_all = page == 1 and len(found) == len(known)
    title = f"Trades: last {len(found)}" if is_all else f"Trades: {first + 1} to {first + len(found)} of {len(known)}"
    name = f" {base_name(wanted, names)}" if wanted else ""
    older = f"/trades {count} p{page + 1}{name}" if first + len(found) < len(known) else ""
    newer = f"/trades {count} p{page - 1}{name}" if page > 1 else ""
    hints = [f"Older: {older}"] if older else []
    hints += [f"Newer: {newer}"] if newer else []
    return Message(
        title=title,
        blocks=(Table(columns, rows, left=3), *map(Text, hints)),
        buttons=page_buttons(call, (("Newer", newer), ("Older", older))),
    )


def page_buttons(call: Call, pages: tuple[tuple[str, str], ...]) -> tuple[Button, ...]:
    """Buttons that show other pages of the trades; none where the door has no buttons."""
    bot = call.room.confirms.bots.get(call.actor.door.value)
    signer = bot.signer if bot is not None else None
    if signer is None:
        return ()
    subjects = [(label, line.removeprefix("/trades ")) for label, line in pages if line]
    return tuple(
        signer.button(subject, subject, PAGE, "y", label) for label, subject in subjects if len(subject) <= LONGEST
    )


async def balance(call: Call) -> Message:
    """Money of each account, of an exchange or everywhere, with the sums."""
    where, views = call.arguments.get("exchange", ""), call.desk.balances()
    if where.upper() in {venue_of(view.account) for view in views}:
        views = [view for view in views if venue_of(view.account) == where.upper()]
    elif where:
        wanted = account_of(call.desk, where)
        views = [view for view in views if view.account == wanted]
    if not views:
        return Message(title="No accounts")
    rows = [
        (view.account, *map(money, (view.cash, view.equity, view.margin_used, view.free)), view.currency)
        for view in views
    ]
    total = sum((view.equity for view in views), Decimal(0))
    if len(views) > 1:
        sums = (
            sum((getattr(v, name) for v in views), Decimal(0)) for name in ("cash", "equity", "margin_used", "free")
        )
        rows.append(("total", *map(money, sums), "USD"))
    columns = ("account", "cash", "equity", "locked", "free", "currency")
    return Message(title=f"Balance: {money(total)} equity", blocks=(Table(columns, tuple(rows)),))


async def whoami(call: Call) -> Message:
    """Who the service takes this person for."""
    person, chat = call.person, call.actor.chat.split(":")
    accounts = {Door.TELEGRAM: str(person.telegram_user_id), Door.DISCORD: str(person.discord_user_id)}
    rows = (
        ("person", f"{person.id} ({person.name})"),
        ("role", person.role.name.lower()),
        ("door", call.actor.door.value),
        ("account", accounts.get(call.actor.door, "") or "-"),
        ("chat", ":".join(chat[:2]) or "-"),
        *((("topic", chat[2]),) if len(chat) > 2 else ()),
        ("zone", call.room.zone(person.id)),
    )
    return Message(title=f"You are {person.name}", blocks=(Pairs(rows),))


def _symbol(call: Call) -> str:
    text = call.arguments.get("symbol", "")
    return instrument_of(call.desk, text) if text else ""
