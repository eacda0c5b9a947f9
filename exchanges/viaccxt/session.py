"""One account at a venue: everything that its dialect needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from domain.errors import Unrepresentable
from domain.events import VenueEvent
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.ports import Clock
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
        """Fills and funding before this are not told; `CcxtVenue` sets it at the start where it is 0."""
        self.has_dead_man = False
        """Whether the venue has a dead man's switch for this account; its dialect finds out in `prepare`."""
        self._want_snapshot = want_snapshot

    def instrument(self, name: InstrumentId) -> Instrument:
        """The contract behind an id. Raises `Unrepresentable` for one that is not traded here."""
        found = self.by_id.get(name)
        if found is None:
            raise Unrepresentable(f"{name} is not among the contracts of {self.account.id}")
        return found

    def look_again(self) -> None:
        """The stream said what was not understood: the whole account is read."""
        self._want_snapshot(self.account.id)
