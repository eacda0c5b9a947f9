"""Between the floor and its store: taking an image, noting changes, and bringing a floor back to life."""

from __future__ import annotations

from copy import copy

from domain.errors import VenueError
from domain.events import Filled, FundingPaid
from domain.instrument import AccountId
from domain.order import ClientId
from exchanges.paper import clearing
from exchanges.paper.floor import Floor
from exchanges.paper.ledger import PaperAccount
from exchanges.paper.orders import ARMED, NOWHERE, OPEN, RESTING, PaperOrder
from exchanges.paper.store import Change, Image, PaperStore


def remember(floor: Floor, store: PaperStore) -> None:
    """Restore a new floor from its store (an empty one stays as it is) and start recording."""
    accounts: dict[AccountId, PaperAccount] = {}
    orders: dict[ClientId, PaperOrder] = {}
    for record in store.read():
        if isinstance(record, Image):
            floor.told |= record.told
            for name, events in record.history.items():
                floor.history.setdefault(name, floor.new_history()).extend(events)
        else:
            for event in record.news:
                _add_news(floor, event)
        floor.seq = record.seq
        accounts |= {account.id: account for account in record.accounts}
        for order in record.orders:
            orders.pop(order.cid, None)
            orders[order.cid] = order
        for name, due_ns in record.next_funding_ns.items():
            if name in floor.markets:
                floor.markets[name].next_funding_ns = due_ns
    for account in accounts.values():
        _restore_account(floor, account, store)
    _restore_orders(floor, orders)
    for account in floor.accounts.values():
        clearing.set_bands(floor, account)
        floor.set_dead_man(account)
    floor.recording = True
    store.compact(image(floor))


def _add_news(floor: Floor, event: Filled | FundingPaid) -> None:
    floor.history.setdefault(event.account, floor.new_history()).append(event)
    floor.told[event.account] = floor.told.get(event.account, 0) + 1


def _restore_account(floor: Floor, account: PaperAccount, store: PaperStore) -> None:
    for name, holding in account.holdings.items():
        if holding.qty and name not in floor.markets:
            raise VenueError(
                f"{store.path}: account {account.id} holds {name}, which is not configured; "
                "add the instrument again, or move the file away to start afresh"
            )
    for name in [name for name in account.holdings if name not in floor.markets]:
        closed = account.holdings.pop(name)
        account.deposits += closed.realised - closed.fees + closed.funding
    floor.accounts[account.id] = account


def _restore_orders(floor: Floor, orders: dict[ClientId, PaperOrder]) -> None:
    working = []
    for order in orders.values():
        where, order.where = order.where, NOWHERE
        if order.instrument not in floor.markets or order.account not in floor.accounts:
            continue
        floor.orders[order.cid] = order
        if order.status is OPEN:
            working.append((order.seq, where, order))
        else:
            floor.finished.append(order.cid)
    for _, where, order in sorted(working, key=lambda entry: entry[0]):
        floor.accounts[order.account].open[order.cid] = order
        market = floor.markets[order.instrument]
        if where is RESTING:
            market.rest(order)
        elif where is ARMED:
            market.arm(order)
        else:
            market.wait(order)


def image(floor: Floor) -> Image:
    """Everything the floor remembers now."""
    finished = [floor.orders[cid] for cid in floor.finished if cid in floor.orders]
    working = [order for order in floor.orders.values() if order.status is OPEN]
    return Image(
        seq=floor.seq,
        accounts=[_bare(account) for account in floor.accounts.values()],
        orders=finished + working,
        history={name: list(events) for name, events in floor.history.items()},
        told=floor.told,
        next_funding_ns={name: market.next_funding_ns for name, market in floor.markets.items()},
    )


def _bare(account: PaperAccount) -> PaperAccount:
    """The account without its working orders, which are kept by themselves."""
    bare = copy(account)
    bare.open = {}
    return bare


def save(floor: Floor, store: PaperStore) -> None:
    """Write what has changed since the last time, if anything."""
    if not (floor.changed or floor.news or floor.moved):
        return
    names = dict.fromkeys(order.account for order in floor.changed.values())
    names |= dict.fromkeys(event.account for event in floor.news)
    names |= dict.fromkeys(floor.moved)
    store.append(
        Change(
            seq=floor.seq,
            accounts=[_bare(floor.accounts[name]) for name in names],
            orders=list(floor.changed.values()),
            news=floor.news,
            next_funding_ns={name: market.next_funding_ns for name, market in floor.markets.items()},
        )
    )
    floor.changed, floor.news, floor.moved = {}, [], []
    if store.wants_compaction:
        store.compact(image(floor))
