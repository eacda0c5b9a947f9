"""One account at a venue: everything that its dialect needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from domain.errors import ConfigError, Unrepresentable
from domain.events import VenueEvent
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.ports import Clock
from domain.views import KeyView
from exchanges.shared.payloads import Payloads
from exchanges.shared.setup import Terms, VenueAccount
from exchanges.viaccxt.client import Client
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.orders import Orders


class Session:
    """An account, its client and its orders. `terms` say how instruments are to be margined.

    `want_snapshot` asks for a reading of the whole account: when something was not understood.
    """

    def __init__(
        self,
        account: VenueAccount,
        client: Client,
        clock: Clock,
        instruments: Sequence[Instrument],
        terms: Mapping[InstrumentId, Terms],
        patience: Patience,
        emit: Callable[[VenueEvent], None],
        want_snapshot: Callable[[AccountId], None],
    ) -> None:
        self.account = account
        self.client = client
        self.clock = clock
        self.terms = terms
        self.patience = patience
        self.emit = emit
        self.payloads = Payloads(account.id.partition(":")[0])
        """Where a dialect shows what it has decoded, so that fields that nobody knows are counted."""
        self.by_id = {instrument.id: instrument for instrument in instruments}
        self.by_symbol = {instrument.venue_symbol: instrument for instrument in instruments}
        self.orders = Orders(account.id, emit)
        self.since_ns = account.since_ns
        """Fills and funding before this are not told; where it is 0, `check_clock` sets it."""
        self.key: KeyView | None = None
        """How it is known that the key cannot withdraw; None before it is."""
        self.clock_off_ms: int | None = None
        self.has_dead_man = False
        """Whether the venue has a dead man's switch for this account; its dialect finds out in `prepare`."""
        self._want_snapshot = want_snapshot

    def check_clock(self, venue: str, now_ns: int) -> None:
        """Compare this machine's clock with the venue's `now_ns`. Raises `ConfigError` when it is off."""
        off_s = (self.clock.now_ns() - now_ns) / 1e9
        self.clock_off_ms = round(off_s * 1000)
        if abs(off_s) > self.patience.max_clock_skew_s:
            raise ConfigError(
                f"this machine's clock is {off_s:+.1f} s off {venue}'s: orders would be refused or expire at the wrong "
                "time; set it right (NTP) and start again"
            )
        self.since_ns = self.since_ns or now_ns

    def instrument(self, name: InstrumentId) -> Instrument:
        """The contract behind an id. Raises `Unrepresentable` for one that is not traded here."""
        found = self.by_id.get(name)
        if found is None:
            raise Unrepresentable(f"{name} is not among the contracts of {self.account.id}")
        return found

    def look_again(self) -> None:
        """The stream said what was not understood: the whole account is read."""
        self._want_snapshot(self.account.id)
