"""Contracts as their venues have them now: read at every start, compared with those in force, taken over and told.

Fees, margins, minimums and steps change from one start to the next. So may the scale, the decimals that all integers of
an instrument are counted in; while it has positions or orders it cannot, because nobody could count them any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec.structs import fields, replace

from domain.errors import ConfigError
from domain.events import ContractsRead
from domain.facts import Severity
from domain.instrument import Instrument
from engine.core import samples
from engine.core.core import Core
from engine.core.review import review, withdraw_parked
from engine.core.state import Market, Slot

_DERIVED = frozenset({"unit", "price_scale", "qty_scale"})


def scale_of(instrument: Instrument) -> tuple[int, int, Decimal]:
    """What the integers of an instrument mean."""
    return instrument.price_decimals, instrument.qty_decimals, instrument.multiplier


def check_contracts(core: Core, listed: Sequence[Instrument]) -> None:
    """Refuse a scale that has changed under positions or orders. Raises `ConfigError` with what to do."""
    for instrument in listed:
        known = core.instruments.get(instrument.id)
        if known is None or scale_of(known) == scale_of(instrument):
            continue
        for slot in core.state.slots.values():
            if slot.instrument != instrument.id:
                continue
            if slot.orders or core.position(slot.account, slot.instrument):
                was = f"{known.price_decimals} and {known.qty_decimals}"
                now = f"{instrument.price_decimals} and {instrument.qty_decimals}"
                raise ConfigError(
                    f"{instrument.venue} counts {instrument.id} in other decimals than before (price and quantity "
                    f"{was}, now {now}), and {slot.account} has a position or orders in it, which are counted the old "
                    f"way. Take {instrument.id} out of the section venues, close its position and orders at the venue, "
                    "and start with a new data folder (--data); the old journal keeps its history"
                )


def news_of(core: Core, listed: Sequence[Instrument]) -> ContractsRead | None:
    """What of the contracts in force the venues have otherwise now; None when nothing is."""
    changed = [i for i in listed if i.id in core.instruments and core.instruments[i.id] != i]
    return ContractsRead(instruments=tuple(changed)) if changed else None


def on_contracts_read(core: Core, event: ContractsRead) -> None:
    """Take over what the venues say now, and tell people what is different."""
    old = dict(core.instruments)
    take_over(core, event)
    said = []
    for instrument in event.instruments:
        known = old.get(instrument.id)
        if known is None:
            continue
        said.append(f"{instrument.id}: {', '.join(differences(known, instrument))}")
        if scale_of(known) != scale_of(instrument):
            rescale(core, known, instrument)
    if said:
        core.alert(Severity.WARNING, "contracts", f"A venue has changed its contracts. {'; '.join(said)}.")


def take_over(core: Core, event: ContractsRead) -> None:
    """Put them into the settings in force."""
    new = {instrument.id: instrument for instrument in event.instruments}
    settings = core.state.settings
    kept = tuple(new.get(instrument.id, instrument) for instrument in settings.instruments)
    core.state.settings = replace(settings, instruments=kept)
    core.refresh()


def differences(old: Instrument, new: Instrument) -> Iterator[str]:
    """What is different, `field old -> new`."""
    for field in fields(Instrument):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after and field.name not in _DERIVED:
            yield f"{field.name} {before} -> {after}"


def rescale(core: Core, old: Instrument, new: Instrument) -> None:
    """Nothing is held or working: what is counted in the old scale is forgotten, and strategies are asked again."""
    core.markets[new.id] = Market()
    samples.forget_prices(core, new.id)
    for slot in list(core.state.slots.values()):
        if slot.instrument != new.id:
            continue
        withdraw_parked(core, slot)
        cap = None if slot.cap is None else int(Decimal(slot.cap).scaleb(new.qty_decimals - old.qty_decimals))
        core.state.slots[slot.key] = Slot(
            slot.key, slot.account, slot.instrument, owner=slot.owner, hold=slot.hold, cap=cap, consumed=slot.consumed
        )
    core.index_slots()
    core.index_pairs()
    for strategy in core.state.strategies.values():
        if new.id in strategy.spec.instruments:
            strategy.waiting.clear()
            review(core, strategy)
