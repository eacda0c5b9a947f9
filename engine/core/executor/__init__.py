"""The executor closes the gap between what is approved and what is.

    targets      net exposure, counting filled + working + in flight
    quotes       resting prices, matched by side and price, amended in place
    protections  stops and take-profits at the venue, sized to what is filled
    takes        one-shot orders
    resting      people's own orders at a price
    sharing      one target over the two slots of a fail-over pair
    exposure     worst sides of a slot
    valuation    worst sides added up, and what they are worth
    adopted      what others placed at the venue and we let live
    place        the only way to an order: gate, derive the id, record, emit
    messages     how many requests may leave

`converge` is called for a slot whenever something about it changed; calling it again changes nothing.
"""

from domain.account import venue_of
from domain.facts import TradingState
from domain.order import Cancel, Role
from engine.core.core import Core
from engine.core.executor import adopted, protections, quotes, resting, sharing, targets
from engine.core.executor.place import cancel_of
from engine.core.state import MANUAL, Slot

__all__ = ["cancels", "converge", "converge_all", "converge_venue"]

HALTED = TradingState.HALTED
TARGET, FLATTEN, QUOTE = Role.TARGET, Role.FLATTEN, Role.QUOTE
LIMIT, ADOPTED = Role.LIMIT, Role.ADOPTED
NO_ROLES: frozenset[Role] = frozenset()


def converge(core: Core, slot: Slot) -> None:
    """Send what is needed to bring the venue nearer to what is approved for this slot.

    Before the venue has answered only what a person has ordered to stop or close goes out, and protections stay.
    """
    if core.legs:
        for leg in core.legs.get(slot.key, ()):
            converge_one(core, leg)  # what keeps this one from adding keeps those from it too
    if core.pairs and (pair := core.pairs.get(slot.key)) is not None:
        sharing.follow(core, pair, targets.wanted(core, pair.primary))
        converge_one(core, pair.backup)  # first: what is too much is closed where it stands in, the rest is left to
        converge_one(core, pair.primary)
    else:
        converge_one(core, slot)


def converge_one(core: Core, slot: Slot) -> None:
    """Converge a slot by itself."""
    if not core.state.accounts[slot.account].reconciled:
        converge_unanswered(core, slot)
        return
    roles = {order.role for order in slot.orders.values()} if slot.orders else NO_ROLES
    if ADOPTED in roles:
        adopted.converge(core, slot)
    if slot.stop_entry:  # a stop or a take-profit has one
        protections.converge(core, slot)
    if slot.target is not None or slot.flat or slot.hedge_lead or slot.ceilings or TARGET in roles or FLATTEN in roles:
        targets.converge(core, slot)
    if slot.quotes or QUOTE in roles:
        quotes.converge(core, slot)
    if slot.resting or (LIMIT in roles and slot.owner.startswith(MANUAL)):
        resting.converge(core, slot)
    if core.followers:
        for follower in core.followers.get(slot.key, ()):
            for half in halves(core, follower):
                targets.converge(core, half)


def converge_unanswered(core: Core, slot: Slot) -> None:
    """Converge a slot of an account that has not been compared with its venue yet."""
    if slot.hold or slot.flat or core.state.accounts[slot.account].trading is HALTED:
        targets.converge(core, slot)
        quotes.converge(core, slot)
        adopted.converge(core, slot)
    if slot.resting:
        resting.converge(core, slot)


def halves(core: Core, slot: Slot) -> tuple[Slot, ...]:
    """A slot, and before it the backup that stands in for it, which then wants the same."""
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is None:
        return (slot,)
    sharing.follow(core, pair, targets.wanted(core, pair.primary))
    return pair.backup, pair.primary


def cancels(core: Core) -> list[Cancel]:
    """Cancels for everything that does not protect a position: for drivers whose engine cannot step any more."""
    return [cancel_of(core, o) for slot in core.state.slots.values() for o in slot.orders.values() if not o.guards]


def converge_all(core: Core) -> None:
    """Converge every slot, in order of creation."""
    for slot in list(core.state.slots.values()):
        converge(core, slot)


def converge_venue(core: Core, venue: str) -> None:
    """Converge every slot of a venue, in order of creation."""
    for slot in list(core.state.slots.values()):
        if venue_of(slot.account) == venue:
            converge(core, slot)
