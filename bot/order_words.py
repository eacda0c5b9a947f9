"""What a person reads of an order of theirs: the preview, the refusal with what would help, the progress."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from bot.message import Block, Message, Pairs, Table, Text, age_text, bar, money, number, signed
from domain.commands import ManualLimit, ManualTarget
from domain.facts import Severity
from domain.order_views import LimitUse, OrderPreview, OrderProgress
from domain.verdict import REASONS, Reason

if TYPE_CHECKING:
    from engine.desk import Desk

SOON: Final = Decimal("0.8")
"""From this share of a limit on it is pointed out."""
STALE_MS: Final = 5_000
HELPS: Final = {
    Reason.HALTED: "/resume asks for trading again; /flatten closes what is open, also now.",
    Reason.REDUCING: "What only closes passes: order no more than you hold, or see /status for what is waited for.",
    Reason.NOT_OWNER: "Use another account, or unload that strategy and keep the position: /strategies unload ID keep.",
    Reason.PRICE_UNKNOWN: "There is no fresh price: /status says which feed is silent.",
    Reason.PRICE_COLLAR: "The price is far from the market: look at it again.",
    Reason.PRICE_BAND: "The price has leapt; it is judged again when it stays.",
    Reason.BREAKER_OPEN: "/breakers says what opened it and when it is tried again.",
    Reason.CAPPED: "/cap SYMBOL none asks for the cap to be lifted.",
    Reason.SELF_MATCH: "It would trade with an order of ours: see /orders, or cancel that one first.",
    Reason.QUORUM_UNREACHABLE: "Fewer people could vote than are needed: order less at once, or see /users.",
    Reason.DAILY_LOSS: "Nothing is added today; what only closes passes.",
    Reason.DRAWDOWN: "Nothing is added until people have looked; what only closes passes.",
    Reason.LOSING_STREAK: "Nothing is added by hand today; what only closes passes.",
    Reason.MIN_QTY: "Order more: the venue takes no less.",
    Reason.MIN_NOTIONAL: "Order more: the venue takes no less.",
}
SMALLER_HELPS: Final = frozenset(
    {
        Reason.NOTIONAL_LIMIT,
        Reason.POSITION_LIMIT,
        Reason.EXPOSURE_LIMIT,
        Reason.ASSET_LIMIT,
        Reason.LEVERAGE,
        Reason.LIQUIDATION,
        Reason.CAPPED,
        Reason.REDUCING,
    }
)
"""A smaller one may pass."""
_CODE: Final = re.compile(r"Refused, ([A-Z_]+):")


class Placed(Struct, frozen=True, kw_only=True):
    """An order of a person's that was confirmed; prices and quantities as in its preview."""

    account: str
    instrument: str
    qty: Decimal
    limit: Decimal
    expected: Decimal
    """The average that the preview showed."""
    digest: str
    number: str


def name_of(order: OrderPreview | Placed) -> str:
    """`Buy 0.15 BTC at the market`, `Sell 0.5 BTC at 65000 or better`."""
    side = "Buy" if order.qty > 0 else "Sell"
    at = f"at {number(order.limit)} or better" if order.limit else "at the market"
    return f"{side} {number(abs(order.qty))} {order.instrument.partition('-')[0]} {at}"


def preview_blocks(view: OrderPreview, rests: str, drift: str) -> tuple[Block, ...]:
    """What would happen. `rests` says for how long an order at a price would rest, `drift` what is asked again."""
    base = view.instrument.partition("-")[0]
    rows = [
        ("contract", f"{view.instrument} on {view.account}"),
        ("market", _market(view)),
        ("worth", f"{money(view.notional)} USD"),
        *_prices(view),
        *_fees(view),
        ("position", f"{signed(view.before)} -> {signed(view.after)} {base}"),
        ("vote", _vote(view)),
    ]
    if view.limit:
        rows.insert(3, ("rests", rests))
    blocks: list[Block] = [Pairs(tuple(rows))]
    if view.limits:
        blocks.append(Table(("limit", "", "used", "of"), tuple(_use_row(use) for use in view.limits), left=2))
    elif not view.adds:
        blocks.append(Text("It only closes: no limit holds it back."))
    if drift:
        blocks.append(Text(drift))
    return tuple(blocks)


def _market(view: OrderPreview) -> str:
    if not (view.bid and view.ask):
        return "no bid and offer are known, only a last price"
    old = f", {age_text(view.price_age_ms / 1000)} old" if view.price_age_ms > STALE_MS else ""
    return f"{number(view.bid)} bid, {number(view.ask)} offered{old}"


def _prices(view: OrderPreview) -> list[tuple[str, str]]:
    """What it would pay, as honestly as the book is known."""
    if view.limit:
        if not view.takes:
            return [("fills", "not at once: it rests until the market comes to it")]
        part = "all of it" if view.takes == abs(view.qty) else f"{number(view.takes)} of it"
        return [("fills", f"{part} at once, at about {number(view.average)}: the market is there already")]
    worst = f", the worst part {number(view.worst)}" if view.worst != view.average else ""
    rows = [("pays", f"about {number(view.average)} on average{worst}")]
    cost = abs(view.average * view.slippage * view.qty)
    rows.append(("slippage", f"{view.slippage:.3%} off the middle, {money(cost)} USD, {_depth(view)}"))
    rows.append(("at most", f"{number(view.bound)} for the first order; what is left follows the market"))
    return rows


def _depth(view: OrderPreview) -> str:
    beyond = f"; {number(view.beyond)} lies deeper than that, its price is not known" if view.beyond else ""
    if view.depth == "book":
        return f"walked through the live book{beyond}"
    return f"by the best price alone, no book is known{beyond}"


def _fees(view: OrderPreview) -> list[tuple[str, str]]:
    if not view.limit:
        return [("fee", f"{money(view.fee_taker)} USD as taker")]
    parts = [f"{money(view.fee_taker)} USD as taker"] if view.takes else []
    parts += [f"{money(view.fee_maker)} USD as maker"] if view.takes != abs(view.qty) else []
    return [("fee", ", ".join(parts))]


def _vote(view: OrderPreview) -> str:
    if view.votes:
        who = ", ".join(view.approvers[:6]) or "nobody"
        return f"waits for {view.votes} vote(s) of: {who}" if view.votes > 1 else f"waits for a vote of one of: {who}"
    if not view.adds:
        return "none needed: it only closes"
    return f"none needed: less than {money(view.large)} USD added in ten minutes" if view.large else "none needed"


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else Decimal(1)


def _use_row(use: LimitUse) -> tuple[str, str, str, str]:
    unit = f" {use.unit}" if use.unit not in {"", "USD"} else ""
    text = number if use.unit != "USD" else money
    mark = " !" if use.after >= use.most * SOON else ""
    share = f" {use.after / use.most:.0%}{mark}" if use.most > 0 else ""
    return use.name, bar(_share(use.after, use.most)) + share, text(use.after), f"{text(use.most)}{unit}"


def refused(view: OrderPreview, most: Decimal) -> Message:
    """Why it would be refused now, and what would help; `most` of it would pass (0 = none)."""
    code = reason_in(view.refusal)
    lines = [view.refusal]
    if most:
        lines.append(f"At most {number(most)} {view.instrument.partition('-')[0]} would pass now.")
    if code is not None and code in HELPS:
        lines.append(HELPS[code])
    lines.append("Nothing was sent.")
    return Message(
        title=f"{name_of(view)}: refused",
        blocks=(*(Text(line) for line in lines), *preview_blocks(view, "", "")[1:]),
        severity=Severity.WARNING,
        ok=False,
    )


def reason_in(text: str) -> Reason | None:
    """The code that a refusal names."""
    found = _CODE.match(text)
    return REASONS.get(found[1]) if found is not None else None


def most_that_passes(desk: Desk, command: ManualTarget | ManualLimit, view: OrderPreview, person: str) -> Decimal:
    """The largest quantity of the same order that would not be refused now, by halving; 0 = none."""
    contract = desk.contract(view.instrument)
    if contract is None or reason_in(view.refusal) not in SMALLER_HELPS:
        return Decimal(0)
    step = Decimal(contract.lot).scaleb(-contract.qty_decimals)
    sign = 1 if view.qty > 0 else -1
    low, high = 0, int(abs(view.qty) / step)
    while high - low > 1:
        middle = (low + high) // 2
        tried = desk.by_hand.preview(replace(command, qty=sign * middle * step), person, desk.clock.now_ns())
        passes = not isinstance(tried, str) and not tried.refusal
        low, high = (middle, high) if passes else (low, middle)
    return low * step


def progress_blocks(placed: Placed, seen: OrderProgress | None, note: str) -> tuple[Block, ...]:
    """How far it is: filled, average and slippage against the preview, fees; None = nothing was sent."""
    base, all_of = placed.instrument.partition("-")[0], abs(placed.qty)
    blocks: list[Block] = []
    if seen is not None:
        rows = [
            ("filled", f"{number(seen.filled)} of {number(all_of)} {base} [{bar(_share(seen.filled, all_of))}]"),
            ("average", _average(placed, seen)),
            ("fees", f"{money(seen.fee)} USD"),
        ]
        blocks.append(Pairs(tuple(rows)))
    if note:
        blocks.append(Text(note))
    blocks.append(Text(f"{placed.number}, digest {placed.digest}."))
    return tuple(blocks)


def _average(placed: Placed, seen: OrderProgress) -> str:
    if not seen.filled:
        return "nothing has filled yet"
    if seen.average is None:
        return "not known any more; see /trades"
    shown = number(seen.average.quantize(placed.expected)) if placed.expected else number(seen.average)
    if not placed.expected or placed.limit:
        return shown
    side = 1 if placed.qty > 0 else -1
    worse = (seen.average - placed.expected) * side
    words = "worse" if worse > 0 else "better"
    off = abs(worse / placed.expected)
    against = "as in the preview" if not worse else f"{off:.3%} {words} than the preview"
    return f"{shown}, {against} ({money(-worse * seen.filled, sign=True)} USD)"
