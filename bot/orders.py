"""`/order`: a person's own order. Shown first, confirmed, voted on when large, then followed in one message.

Between the preview and the yes the market moves: it is looked at again, and asked again where it has gone further than
what was shown.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import structs

from bot.amounts import amount_for, decimal_of
from bot.call import Call, Verb
from bot.message import Message, Text, refusal
from bot.order_words import HELPS as HELPS  # noqa: PLC0414 - for who shows refusals elsewhere
from bot.order_words import Placed, most_that_passes, name_of, preview_blocks, reason_in, refused
from bot.outcome import outcome
from bot.parse import Argument, UsageError, account_of, instrument_of
from bot.previews import Preview
from bot.rows import ACCOUNT, SYMBOL, acts
from bot.tickets import Ticket
from bot.times import span_of
from domain.commands import ManualLimit, ManualTarget
from domain.facts import CommandDone
from domain.order_views import OrderPreview

if TYPE_CHECKING:
    from bot.confirm import Confirms

DRIFT: Final = Decimal("0.002")
"""Of the expected price: with more than that against the person, they are asked again."""
ORDINARY_NS: Final = 86_400_000_000_000
"""How long an order at a price rests when nothing is said."""
DRIFT_WORDS: Final = f"If the price goes {DRIFT * 100:.1f} % against you before you confirm, you are asked again."
SHOWN_DIGEST: Final = 8
_SHARE_OF: Final = {"equity": "eq", "eq": "eq", "position": "pos", "pos": "pos"}
Order: TypeAlias = ManualTarget | ManualLimit


def tidy(words: list[str]) -> list[str]:
    """The words of a typed line, so that price and time are one word each: `@ 65000 for 2 h` -> `@65000 for=2h`."""
    left, out = list(words), []
    while left:
        word = left.pop(0)
        low = word.lower()
        if low in {"@", "at", "limit"} and left:
            out.append(f"@{left.pop(0)}")
        elif low.startswith(("limit=", "price=", "@=")):
            out.append(f"@{word.partition('=')[2]}")
        elif low == "for" and left:
            span = left.pop(0)
            if re.fullmatch(r"[0-9.]+", span) and left and left[0].isalpha():
                span += left.pop(0)
            out.append(f"for={span}")
        elif low == "of" and left and out and out[-1].endswith("%") and left[0].lower() in _SHARE_OF:
            out[-1] += _SHARE_OF[left.pop(0).lower()]
        elif low not in {"market", "mkt"}:
            out.append(word)
    return out


async def order(call: Call) -> Message:
    """Show what the order would do, and ask."""
    command = command_of(call)
    view = call.desk.by_hand.preview(command, call.person.id, call.desk.clock.now_ns())
    if isinstance(view, str):
        return refusal("order: refused", f"{view} Nothing was sent.")
    if view.refusal:
        return refused(view, most_that_passes(call.desk, command, view, call.person.id))
    return await ask(call, command, view)


def command_of(call: Call) -> Order:
    """The command that the words mean. Raises `UsageError`."""
    given, desk = call.arguments, call.desk
    instrument = instrument_of(desk, given["symbol"])
    account = account_of(desk, given.get("account", ""), instrument)
    buys = given["side"].lower() == "buy"
    price = price_of(given.get("price", ""))
    amount = amount_for(desk, account, instrument, given["qty"], buys=buys, price=price)
    qty = amount.qty if buys else -amount.qty
    valid = given.get("valid", "").removeprefix("for=")
    if price is None:
        if valid:
            raise UsageError(
                "an order at the market does not wait: `for` goes with a price, /order buy BTC 1 @ 60000 for 2h"
            )
        return ManualTarget(account=account, instrument=instrument, qty=qty)
    valid_ns = span_of(valid) if valid else ORDINARY_NS
    return ManualLimit(account=account, instrument=instrument, qty=qty, price=price, valid_ns=valid_ns)


def price_of(text: str) -> Decimal | None:
    """A price as a person writes it: `@65000`, `65,000.5`, `$65k`; None when none is given. Raises `UsageError`."""
    digits = text.removeprefix("@").removeprefix("$").lower()
    if not text:
        return None
    thousand = digits.endswith("k")
    return decimal_of(digits.removesuffix("k"), "@", "") * (1000 if thousand else 1)


async def ask(call: Call, command: Order, view: OrderPreview, first: str = "") -> Message:
    """The preview, with Confirm and Cancel. `first` says why it is shown again."""
    rests = f"for {_span(command.valid_ns)} at most" if isinstance(command, ManualLimit) else ""
    blocks = preview_blocks(view, rests, "" if view.limit else DRIFT_WORDS)
    shown = {
        "average": str(view.average),
        "limit": str(view.limit),
        "votes": str(view.votes),
        "takes": str(view.takes),
        "after": str(view.after),
    }
    title = f"{name_of(view)}?"
    why = (Text(first),) if first else ()
    return await call.room.confirms.ask(call, title=title, blocks=(*why, *blocks), command=command, shown=shown)


def _span(span_ns: int) -> str:
    hours = Decimal(span_ns) / 3_600_000_000_000
    return f"{hours.normalize():f} h" if hours >= 1 else f"{hours * 60:.0f} min"


async def recheck(call: Call, preview: Preview) -> Message | None:
    """Look at the market once more; None when what was shown still holds."""
    command = preview.command
    if not isinstance(command, ManualTarget | ManualLimit):
        return None
    view = call.desk.by_hand.preview(command, call.person.id, call.desk.clock.now_ns())
    if isinstance(view, str):
        return refusal(f"{preview.verb}: refused", f"{view} Nothing was sent.")
    if view.refusal:
        return refused(view, most_that_passes(call.desk, command, view, call.person.id))
    moved = what_moved(preview.shown, view)
    if not moved:
        return None
    return await ask(structs.replace(call, verb=preview.verb), command, view, f"Not sent: {moved}. Look again.")


def what_moved(shown: dict[str, str], view: OrderPreview) -> str:
    """How things differ from what was shown, where that matters to who said yes; "" = it does not."""
    side = 1 if view.qty > 0 else -1
    before = Decimal(shown["average"])
    if str(view.after) != shown["after"]:
        return f"it would now lead to a position of {view.after}, {shown['after']} was shown"
    if str(view.votes) != shown["votes"]:
        return "it now needs a vote" if view.votes else "it needs no vote any more"
    if view.limit:
        return "the market has come to the price: it would fill at once" if Decimal(shown["takes"]) < view.takes else ""
    if (view.average - before) * side > before * DRIFT:
        return f"the price has gone from {before} to {view.average}, against you"
    return ""


async def told(call: Call, preview: Preview, done: CommandDone) -> Message:
    """What became of a confirmed order: a ticket that is kept up to date, or the refusal and what would help."""
    command = preview.command
    if not done.ok or not isinstance(command, ManualTarget | ManualLimit):
        code = done.reason if done.reason is not None else reason_in(done.text)
        said = outcome(preview.verb, done)
        help_ = (Text(HELPS[code]),) if code is not None and code in HELPS else ()
        foot = Text(f"{preview.id}, digest {preview.digest[:SHOWN_DIGEST]}. Nothing was sent.")
        return structs.replace(said, blocks=(*said.blocks, *help_, foot))
    placed = Placed(
        account=command.account,
        instrument=command.instrument,
        qty=command.qty,
        limit=Decimal(preview.shown["limit"]),
        expected=Decimal(preview.shown["average"]),
        digest=preview.digest[:SHOWN_DIGEST],
        number=preview.id,
    )
    is_asked = bool(done.request) and isinstance(command, ManualLimit)
    ticket = Ticket(
        event=preview.event,
        chat=preview.actor.chat,
        person=preview.actor.person,
        placed=placed,
        entry="" if is_asked else f"manual-{done.seq}",
        made_ns=call.desk.clock.now_ns(),
        request=done.request,
    )
    shown = await call.room.tickets.follow(ticket)
    return structs.replace(shown.message, blocks=(Text(done.text), *shown.message.blocks))


def register(confirms: Confirms) -> None:
    """Let confirmed orders be looked at again, and told as tickets."""
    for kind in (ManualTarget, ManualLimit):
        confirms.rechecks[kind] = recheck
        confirms.tellers[kind] = told


PRICE: Final = Argument(
    name="price",
    help="@ 65000: at that price or better, and it rests; at the market if not said",
    required=False,
    pattern=r"@.*|\$?[0-9][0-9.,_']*[kK]?",
)
VALID: Final = Argument(
    name="valid",
    help="for 2h: how long it rests at most, a day if not said",
    required=False,
    pattern=r"for=.*|[0-9.]+[a-zA-Z]+",
)

VERBS: Final[tuple[Verb, ...]] = (
    structs.replace(
        acts(
            "order",
            "Buy or sell in your own name",
            order,
            Argument(name="side", help="buy or sell", choices=("buy", "sell")),
            SYMBOL,
            Argument(name="qty", help="0.5, 0.5btc, $2k, 25%eq of equity, 25%pos of the position"),
            PRICE,
            VALID,
            ACCOUNT,
        ),
        gate="C or P1",
        examples=("/order buy BTC 0.5", "/order sell ETH $2k", "/order buy BTC 0.5 @ 65000 for 2h"),
        tidy=tidy,
    ),
)
