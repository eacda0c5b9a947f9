"""Requests of the engine as signed actions: which go together, and what they look like on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from msgspec import UNSET, Struct, field

from domain.errors import Unrepresentable, VenueError
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.order import Amend, ArmDeadMan, Cancel, Place
from domain.ports import Clock, Signer, SignRequest
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.actions import Action, Builder, ModifyWire, OrderTerms
from exchanges.hyperliquid.config import HyperliquidAccount, HyperliquidConfig
from exchanges.hyperliquid.nonces import Nonces
from exchanges.hyperliquid.orders import Orders
from exchanges.hyperliquid.signing import l1_payload, signature_of
from exchanges.hyperliquid.wire import MS
from exchanges.shared.budget import Wanted
from exchanges.shared.meters import Costs, Priority, priority_of

EARLIEST_DEAD_MAN_NS = 6_000_000_000
"""The venue takes no time of the dead man's switch that is less than 5 s ahead."""
Request: TypeAlias = Place | Amend | Cancel | ArmDeadMan


class Batch(Struct, eq=False):
    """Requests of one kind, account and priority, in one action; `sizes` are those of its amendments.

    `refused` are those that cannot be written, and why; `instead` what is to be sent in their place. `wanted` is its
    place in the queue, `costs` what it has taken of the limits.
    """

    account: AccountId
    parts: list[Request]
    priority: Priority
    sizes: list[int] = field(default_factory=list)
    refused: list[tuple[Request, str]] = field(default_factory=list)
    instead: list[Request] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    wanted: Wanted | None = None
    costs: Costs = ()

    @property
    def until_ns(self) -> int:
        """When the first of its parts is no longer valid; 0 = all are, always."""
        times = [p.valid_until_ns for p in self.parts if isinstance(p, Place | Amend) and p.valid_until_ns]
        return min(times, default=0)

    @property
    def what(self) -> str:
        """In words, for the queue."""
        first = self.parts[0]
        more = f" and {len(self.parts) - 1} more" if len(self.parts) > 1 else ""
        kind = type(first).__name__.lower()
        return f"{kind} {getattr(first, 'instrument', self.account)}{more}"


def kind_of(request: Request) -> str:
    """What goes into one action; what somebody placed without a cloid is cancelled by an action of its own."""
    by_oid = isinstance(request, Cancel) and request.cid.startswith("oid-")
    return "cancel by oid" if by_oid else type(request).__name__


def batches(requests: Iterable[Request]) -> list[Batch]:
    """Neighbours of one kind, account and priority together, in their order."""
    found: list[Batch] = []
    for request in requests:
        priority = priority_of(request)
        last = found[-1] if found else None
        fits = last is not None and len(last.parts) < actions.MAX_BATCH and not isinstance(request, ArmDeadMan)
        if last is not None and fits and (last.account, last.priority, kind_of(last.parts[0])) == (
            request.account, priority, kind_of(request),
        ):  # fmt: skip
            last.parts.append(request)
        else:
            found.append(Batch(request.account, [request], priority))
    return found


class Writer:
    """Writes and signs actions. `assets` gives an instrument's contract and number."""

    def __init__(
        self,
        config: HyperliquidConfig,
        clock: Clock,
        signer: Signer,
        orders: Orders,
        accounts: Mapping[AccountId, HyperliquidAccount],
        assets: Mapping[InstrumentId, tuple[Instrument, int]],
    ) -> None:
        self.nonces: dict[str, Nonces] = {}
        """By name of the key; one signer has one."""
        self._config = config
        self._clock = clock
        self._signer = signer
        self._orders = orders
        self._accounts = accounts
        self._assets = assets
        self._builder = Builder(config.builder.lower(), config.builder_fee) if config.builder else UNSET

    def action(self, batch: Batch) -> Action | None:
        """The action of a batch; None when nothing of it can be written. What cannot be is moved to its `refused`."""
        first = batch.parts[0]
        if isinstance(first, ArmDeadMan):
            earliest_ns = self._clock.now_ns() + EARLIEST_DEAD_MAN_NS
            at_ns = max(first.deadline_ns, earliest_ns) if first.deadline_ns else 0
            return actions.ScheduleCancel(at_ns // MS or None)
        orders, modifies, cancels, by_oid = [], [], [], []
        good: list[Request] = []
        for part in batch.parts:
            try:
                if isinstance(part, Place):
                    orders.append(self._order(part))
                elif isinstance(part, Amend):
                    modify, size = self._modify(part, batch)
                    modifies.append(modify)
                    batch.sizes.append(size)
                elif isinstance(part, Cancel) and part.cid.startswith("oid-"):
                    asset = self._asset(part.instrument)[1]
                    by_oid.append(actions.CancelOidWire(asset, int(part.venue_id or part.cid.removeprefix("oid-"))))
                elif isinstance(part, Cancel):
                    cancels.append(actions.CancelWire(self._asset(part.instrument)[1], actions.cloid_of(part.cid)))
            except Unrepresentable as error:
                batch.refused.append((part, str(error)))
            else:
                good.append(part)
        batch.parts = good
        if orders:
            return actions.OrderAction(orders, builder=self._builder)
        if modifies:
            return actions.BatchModify(modifies)
        if by_oid:
            return actions.CancelByOid(by_oid)
        return actions.CancelByCloid(cancels) if cancels else None

    def _asset(self, instrument: InstrumentId) -> tuple[Instrument, int]:
        found = self._assets.get(instrument)
        if found is None:
            raise Unrepresentable(f"Hyperliquid does not list {instrument}")
        return found

    def _order(self, place: Place) -> actions.OrderWire:
        instrument, asset = self._asset(place.instrument)
        line = self._orders.placed(place, instrument)
        return actions.order_wire(instrument, asset, line.terms)

    def _modify(self, amend: Amend, batch: Batch) -> tuple[ModifyWire, int]:
        instrument, asset = self._asset(amend.instrument)
        line = self._orders.line(amend.cid)
        if line is None:
            raise Unrepresentable(f"the order {amend.cid} is not known here")
        if amend.qty <= line.total_filled:
            batch.instead.append(Cancel(cid=amend.cid, account=amend.account, instrument=amend.instrument))
            raise Unrepresentable("no more than has filled: cancelled instead")
        terms = OrderTerms(
            cid=amend.cid,
            side=line.terms.side,
            kind=line.terms.kind,
            price=amend.price,
            qty=amend.qty - line.total_filled,
            trigger=amend.trigger or line.terms.trigger,
            reduce_only=line.terms.reduce_only,
        )
        wire = ModifyWire(actions.cloid_of(amend.cid), actions.order_wire(instrument, asset, terms))
        return wire, self._orders.amending(line, amend)

    async def envelope(self, account_id: AccountId, action: Action, until_ns: int) -> actions.Envelope:
        """The signed action; orders always expire. Raises `VenueError` or `OSError` when it is not signed."""
        account = self._accounts.get(account_id)
        if account is None:
            raise VenueError(f"there is no Hyperliquid account {account_id}")
        now_ns = self._clock.now_ns()
        if not until_ns and isinstance(action, actions.OrderAction | actions.BatchModify):
            until_ns = now_ns + int(self._config.order_valid_s * 1e9)
        expires_ms = actions.expires_ms(until_ns)
        vault = account.address if account.is_vault else ""
        nonce = self.nonces.setdefault(account.key, Nonces()).next(now_ns)
        payload = l1_payload(action, nonce, is_mainnet=self._config.is_mainnet, vault=vault, expires_ms=expires_ms)
        request = SignRequest(key=account.key, action=actions.action_name(action), payload=payload)
        [signed] = await self._signer.sign([request])
        return actions.Envelope(action, nonce, signature_of(signed), vault or None, expires_ms or None)
