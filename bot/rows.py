"""What rows of the verb table are made of: the arguments that several verbs take, and the three kinds of verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from bot.call import Effect, Handler, Verb
from bot.parse import Argument, accounts, symbols
from domain.settings import RoleName

if TYPE_CHECKING:
    from engine.desk import Desk


def _strategy_ids(desk: Desk) -> list[str]:
    return [view.id for view in desk.strategies()]


def _requests(desk: Desk) -> list[str]:
    return [view.id for view in desk.pending()]


def open_orders(desk: Desk) -> list[str]:
    """Ids of the working orders."""
    return [view.cid for view in desk.orders()]


def _venues(desk: Desk) -> list[str]:
    return [view.venue for view in desk.venues()]


def person_ids(desk: Desk) -> list[str]:
    """Everybody who may do anything here."""
    return [view.id for view in desk.persons()]


def kinds(desk: Desk) -> list[str]:
    """Kinds of strategies that can be loaded."""
    return desk.strategy_kinds()


def _shocks(desk: Desk) -> list[str]:
    return desk.shocks()


SYMBOL = Argument(name="symbol", help="an instrument: its id, an alias or the base asset", complete=symbols)
ONE_SYMBOL = structs.replace(SYMBOL, required=False, help="only this instrument")
ACCOUNT = Argument(name="account", help="which account, when there are several", required=False, complete=accounts)
VENUE = Argument(name="venue", help="only this one", required=False, complete=_venues)
REASON = Argument(name="reason", help="why, for the record", required=False, rest=True)
REQUEST = Argument(name="id", help="the request, see /pending", complete=_requests)
STRATEGY = Argument(name="id", help="the strategy, see /strategies", complete=_strategy_ids)
PARAMS = Argument(name="params", help="KEY=VALUE, several with spaces between", rest=True)

RISK = (
    Argument(name="view", help="stress: what shocks would do", required=False, choices=("stress",)),
    Argument(name="what", help="one shock, by name or in words: BTC -20", required=False, rest=True, complete=_shocks),
)


def reads(
    name: str,
    text: str,
    handler: Handler,
    *arguments: Argument,
    aliases: tuple[str, ...] = (),
    role: RoleName = RoleName.VIEWER,
    examples: tuple[str, ...] = (),
    gate: str = "",
    by_person: bool = False,
) -> Verb:
    """A verb that looks, or (`by_person`) changes only what people are told."""
    return Verb(
        name=name,
        help=text,
        handler=handler,
        arguments=arguments,
        aliases=aliases,
        role=role,
        examples=examples,
        gate=gate,
        by_person=by_person,
    )


def acts(
    name: str,
    text: str,
    handler: Handler,
    *arguments: Argument,
    aliases: tuple[str, ...] = (),
    role: RoleName = RoleName.TRADER,
    examples: tuple[str, ...] = (),
    gate: str = "",
) -> Verb:
    """A verb that may add risk."""
    return Verb(
        name=name,
        help=text,
        handler=handler,
        arguments=arguments,
        aliases=aliases,
        role=role,
        effect=Effect.ADDS,
        examples=examples,
        gate=gate,
    )


def lowers(
    name: str,
    text: str,
    handler: Handler,
    *arguments: Argument,
    aliases: tuple[str, ...] = (),
    adds_with: str = "",
    examples: tuple[str, ...] = (),
    gate: str = "",
) -> Verb:
    """A verb that only lowers risk, but for the word `adds_with`."""
    return Verb(
        name=name,
        help=text,
        handler=handler,
        arguments=arguments,
        aliases=aliases,
        adds_with=adds_with,
        role=RoleName.TRADER,
        effect=Effect.LOWERS,
        examples=examples,
        gate=gate,
    )
