"""The engine room of the local Hyperliquid: orders, nonces and signatures, as its words on the wire.

Signatures are verified by recovering the signer; nonces, expiries and batches are checked, answers and errors have the
venue's words (its docs' "error responses"). Orders are matched by our `PaperExchange`; modifying gives a new oid.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.errors import Unrepresentable
from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    FundingPaid,
    Rejected,
    VenueEvent,
)
from domain.instrument import Instrument
from domain.order import Amend, ArmDeadMan, Cancel, Liquidity, OrderKind, Place
from domain.verdict import Reason
from exchanges.hyperliquid.info import MetaAsset, instrument_of
from exchanges.hyperliquid.signing import Signature, l1_payload, recover, signed_bytes
from tests.exchanges.hyperliquid.exchange_agents import Agents
from tests.exchanges.hyperliquid.exchange_leverage import Leverages
from tests.exchanges.hyperliquid.exchange_limits import DONE, Quota, err, ok, told
from tests.exchanges.matching import MatchingRoom

MS = 1_000_000
ASSETS = [MetaAsset("BTC", 5, 40), MetaAsset("ETH", 4, 25), MetaAsset("DOGE", 0, 10)]
AGENT_KEY = "0x" + "11" * 32
AGENT = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
MASTER = "0x" + "ab" * 20
WORDS = {
    Reason.MIN_NOTIONAL: "Order must have minimum value of $10. asset={}",
    Reason.DUPLICATE: "Duplicate cloid. asset={}",
    "insufficient margin": "Insufficient margin to place order. asset={}",
    "post-only": "Post only order would have immediately matched, bbo was {bbo}. asset={}",
    "reduce-only": "Reduce only order would increase position. asset={}",
}
NO_MATCH = "Order could not immediately match against any resting orders. asset={}"
GONE = "Order was never placed, already canceled, or filled. asset={}"


@dataclass
class Rec:
    """One order as the venue tells of it; a modification changes `oid`, `size` and `base`."""

    cid: str
    address: str
    instrument: Instrument
    asset: int
    wire: dict[str, Any]
    place: Place
    oid: int
    size: int
    made_ms: int
    base: int = 0
    filled: int = 0
    status: str = "open"
    status_ms: int = 0

    def order(self) -> dict[str, Any]:
        place, instrument = self.place, self.instrument
        kind = {OrderKind.STOP: "Stop Market", OrderKind.TAKE_PROFIT: "Take Profit Market"}.get(place.kind, "Limit")
        return {
            "coin": instrument.venue_symbol,
            "side": "B" if place.side > 0 else "A",
            "limitPx": self.wire["p"],
            "sz": instrument.qty_text(self.base + self.size - self.filled),
            "oid": self.oid,
            "timestamp": self.made_ms,
            "origSz": instrument.qty_text(self.size),
            "cloid": self.wire.get("c"),
        } | {
            "triggerCondition": "N/A",
            "isTrigger": "trigger" in self.wire["t"],
            "triggerPx": self.wire["t"].get("trigger", {}).get("triggerPx", "0.0"),
            "children": [],
            "isPositionTpsl": False,
            "reduceOnly": self.wire["r"],
            "orderType": kind,
            "tif": self.wire["t"].get("limit", {}).get("tif"),
        }

    def update(self, status: str, **changes: Any) -> dict[str, Any]:
        order = dict(list(self.order().items())[:8]) | changes
        return {"order": order, "status": status, "statusTimestamp": self.status_ms}


class Room(MatchingRoom):
    """State and rules; `streams` collects what the WebSockets are to be told."""

    def __init__(self, cash: str) -> None:
        self.instruments = [instrument_of(asset) for asset in ASSETS]
        super().__init__("HYPERLIQUID", self.instruments, {MASTER: Decimal(cash)})
        self.roles: dict[str, dict[str, Any]] = {
            AGENT: {"role": "agent", "data": {"user": MASTER}},
            MASTER: {"role": "user"},
        }
        self.quota = Quota()
        self.agents = Agents()
        self.leverages = Leverages(ASSETS)
        self.seen: list[dict[str, Any]] = []
        """Verified actions, with the road that they came by."""
        self.recs: dict[str, Rec] = {}
        self.fills: list[dict[str, Any]] = []
        self.fundings: list[dict[str, Any]] = []
        self.streams: list[dict[str, Any]] = []
        self._nonces: dict[str, set[int]] = {}
        self._oid = 1_000
        self._tid = 0
        self._modified: tuple[dict[str, Any], int] = ({}, 0)

    # actions

    def act(self, body: dict[str, Any], road: str) -> dict[str, Any]:
        """Verify and carry out one signed action."""
        action, vault, expires = body["action"], body.get("vaultAddress"), body.get("expiresAfter")
        if action["type"] == "approveAgent":
            return self.agents.approve(body, self.roles, self.now_ns() // MS)
        payload = l1_payload(action, body["nonce"], is_mainnet=False, vault=vault or "", expires_ms=expires or 0)
        try:
            signer = recover(payload, signed_bytes(Signature(**body["signature"])))
        except ValueError:
            return err("Invalid signature")
        role = self.roles.get(signer)
        if role is None or role["role"] not in {"agent", "user"}:
            return err(f"User or API Wallet {signer} does not exist.")
        address = vault or role.get("data", {}).get("user", signer)
        now_ms = self.now_ns() // MS
        used = self._nonces.setdefault(signer, set())
        if body["nonce"] in used:
            return err(f"Invalid nonce: duplicate nonce {body['nonce']}")
        if not now_ms - 2 * 86_400_000 < body["nonce"] < now_ms + 86_400_000:
            return err(f"Invalid nonce: {body['nonce']} is too far from {now_ms}")
        used.add(body["nonce"])
        if expires is not None and expires < now_ms:
            return err(f"Action expired: {expires} is before {now_ms}")
        refused = self.quota.refuses(address, action, self.quota.volume(address, self.fills))
        if refused:
            return err(refused)
        self.seen.append({"road": road, "expires": expires, **action})
        return DONE if action["type"] == "noop" else self._carry_out(action, address)

    def _carry_out(self, action: dict[str, Any], address: str) -> dict[str, Any]:
        match action["type"]:
            case "order":
                bad = [wire for wire in action["orders"] if self._ill_formed(wire)]
                if bad:
                    return ok(
                        "order", [{"error": "Price must be divisible by tick size. asset={}".format(bad[0]["a"])}]
                    )
                return ok("order", [self._place(address, wire) for wire in action["orders"]])
            case "batchModify":
                return ok("order", [self._modify(modify) for modify in action["modifies"]])
            case "cancelByCloid" | "cancel":
                return ok("cancel", [self._cancel(cancel) for cancel in action["cancels"]])
            case "scheduleCancel":
                at_ms = action.get("time", 0)
                if at_ms and at_ms < self.now_ns() // MS + 5_000:
                    return err("Scheduled cancel time too early, must be at least 5 seconds from now.")
                self._submit(ArmDeadMan(account=address, deadline_ns=at_ms * MS))
                return DONE
            case "updateLeverage":
                account = self.exchange.floor.accounts.get(address)
                held = account.qty(self.instruments[action["asset"]].id) if account is not None else 0
                refused = self.leverages.update(address, action, held)
                return err(refused) if refused else DONE
        return err(f"Unknown action {action['type']}")

    def _ill_formed(self, wire: dict[str, Any]) -> bool:
        instrument = self.instruments[wire["a"]]
        try:
            price = instrument.price(wire["p"])
            return instrument.qty(wire["s"]) <= 0 or price <= 0 or price % instrument.price_step(price) > 0
        except Unrepresentable:
            return True

    def _place(self, address: str, wire: dict[str, Any]) -> Any:
        instrument = self.instruments[wire["a"]]
        self._oid += 1
        trigger: dict[str, Any] = wire["t"].get("trigger", {})
        kinds = {"Gtc": OrderKind.LIMIT, "Alo": OrderKind.POST_ONLY, "Ioc": OrderKind.IOC}
        place = Place(
            cid=wire.get("c") or f"oid{self._oid}",
            account=address,
            instrument=instrument.id,
            side=1 if wire["b"] else -1,
            kind=(OrderKind.STOP if trigger["tpsl"] == "sl" else OrderKind.TAKE_PROFIT)
            if trigger
            else kinds[wire["t"]["limit"]["tif"]],
            qty=instrument.qty(wire["s"]),
            price=instrument.price(wire["p"]),
            trigger=instrument.price(trigger["triggerPx"]) if trigger else 0,
            reduce_only=wire["r"],
        )
        is_new = place.cid not in self.recs
        now_ms = self.now_ns() // MS
        if is_new:
            self.recs[place.cid] = Rec(
                place.cid, address, instrument, wire["a"], wire, place, self._oid, place.qty, now_ms, status_ms=now_ms
            )
        events = self._submit(place)
        refused = next((event for event in events if isinstance(event, Rejected)), None)
        if refused is not None:
            if is_new:
                del self.recs[place.cid]
            return {"error": self._words(refused, instrument, wire["a"])}
        rec = self.recs[place.cid]
        if place.kind is OrderKind.IOC and not rec.filled:
            return {"error": NO_MATCH.format(wire["a"])}
        return self._met(rec)

    def _met(self, rec: Rec) -> dict[str, Any]:
        cloid = {"cloid": rec.wire["c"]} if "c" in rec.wire else {}
        if rec.status == "open":
            return {"resting": {"oid": rec.oid, **cloid}}
        met = rec.filled - rec.base
        return {"filled": {"totalSz": rec.instrument.qty_text(met), "avgPx": rec.wire["p"], "oid": rec.oid, **cloid}}

    def _words(self, refused: Rejected, instrument: Instrument, asset: int) -> str:
        for key, words in WORDS.items():
            if refused.reason == key or refused.text.startswith(str(key)):
                market = self.exchange.floor.markets[instrument.id]
                bbo = f"{instrument.price_text(market.best(1))}@{instrument.price_text(market.best(-1))}"
                return words.format(asset, bbo=bbo)
        return f"{refused.text}. asset={asset}"

    def _modify(self, modify: dict[str, Any]) -> Any:
        wire = modify["order"]
        rec = self._named(modify["oid"])
        if rec is None or rec.status != "open" or self._ill_formed(wire):
            return {"error": "Cannot modify canceled or filled order"}
        self._oid += 1
        trigger = wire["t"].get("trigger")
        amend = Amend(
            cid=rec.cid,
            account=rec.address,
            instrument=rec.instrument.id,
            price=rec.instrument.price(wire["p"]),
            qty=rec.filled + rec.instrument.qty(wire["s"]),
            trigger=rec.instrument.price(trigger["triggerPx"]) if trigger else 0,
        )
        self._modified = (wire, self._oid)
        events = self._submit(amend)
        refused = next((event for event in events if isinstance(event, AmendRejected)), None)
        return {"error": f"{refused.text}. asset={rec.asset}"} if refused is not None else self._met(rec)

    def _named(self, name: str | int) -> Rec | None:
        """An order by the client's id, or by its own."""
        rec = self.recs.get(name) if isinstance(name, str) else None
        return rec or next((rec for rec in self.recs.values() if rec.oid == name), None)

    def _cancel(self, cancel: dict[str, Any]) -> Any:
        rec = self._named(cancel.get("cloid") or cancel["o"])
        if rec is None:
            return {"error": GONE.format(cancel.get("asset", cancel.get("a")))}
        events = self._submit(Cancel(cid=rec.cid, account=rec.address, instrument=rec.instrument.id))
        refused = any(isinstance(event, CancelRejected) for event in events)
        return {"error": GONE.format(rec.asset)} if refused else "success"

    # what the engine room says

    def digest(self, events: list[VenueEvent]) -> None:
        for event in events:
            if isinstance(event, FundingPaid):
                self._fund(event)
                continue
            rec = self.recs.get(getattr(event, "cid", ""))
            if rec is None:
                continue
            rec.status_ms = self.now_ns() // MS
            if isinstance(event, Accepted):
                self._update(rec, "open")
            elif isinstance(event, Filled):
                self._fill(rec, event)
            elif isinstance(event, Cancelled):
                rec.status = "scheduledCancel" if event.text == "dead man" else "canceled"
                if rec.place.kind is OrderKind.IOC and not rec.filled:
                    rec.status = "iocCancelRejected"
                self._update(rec, rec.status)
            elif isinstance(event, Amended):
                old = rec.update("canceled")
                rec.wire, new = self._modified
                rec.oid, rec.base = new, rec.filled
                rec.size = event.qty - rec.base
                self._update(rec, "open")
                self.streams.append({"channel": "orderUpdates", "data": [old]})

    def _update(self, rec: Rec, status: str) -> None:
        self.streams.append({"channel": "orderUpdates", "data": [rec.update(status)]})

    def _fill(self, rec: Rec, event: Filled) -> None:
        rec.filled += event.qty
        self._tid += 1
        fill = {
            "coin": rec.instrument.venue_symbol,
            "px": rec.instrument.price_text(event.price),
            "sz": rec.instrument.qty_text(event.qty),
            "side": "B" if event.side > 0 else "A",
            "time": event.venue_ts_ns // MS,
            "startPosition": "0.0",
            "dir": "Open Long",
            "closedPnl": "0.0",
            "hash": "0x" + "0" * 64,
            "oid": rec.oid,
            "crossed": event.liquidity is Liquidity.TAKER,
            "fee": f"{event.fee:f}",
            "tid": self._tid,
            "feeToken": "USDC",
            "cloid": rec.wire.get("c"),
        }
        self.fills.append({"user": rec.address, **fill})
        self.streams.append({"channel": "userFills", "data": {"user": rec.address, "fills": [fill]}})
        if rec.filled == rec.base + rec.size:
            rec.status = "filled"
            self._update(rec, "filled")

    def _fund(self, event: FundingPaid) -> None:
        coin = event.instrument.partition("-")[0]
        paid = {
            "time": event.venue_ts_ns // MS,
            "coin": coin,
            "usdc": f"{event.amount:f}",
            "szi": "0",
            "fundingRate": "0",
        }
        self.fundings.append({"user": event.account, **paid})
        self.streams.append({"channel": "userFundings", "data": {"user": event.account, "fundings": [paid]}})

    def tell(self, question: dict[str, Any]) -> Any:
        """The answer to a question of POST /info."""
        user, since = question.get("user", "").lower(), question.get("startTime", 0)
        match question["type"]:
            case "meta":
                answer: Any = {"universe": self.leverages.universe()}
            case "userRole":
                answer = self.roles.get(user, {"role": "missing"})
            case "userRateLimit":
                answer = self.quota.tell(user, self.quota.volume(user, self.fills))
            case "extraAgents":
                answer = self.agents.tell(user)
            case "clearinghouseState":
                answer = self._state(user)
            case "activeAssetData":
                answer = self.leverages.tell(user, question["coin"])
            case "frontendOpenOrders":
                answer = [rec.order() for rec in self.recs.values() if rec.status == "open" and rec.address == user]
            case "orderStatus":
                rec = self._named(question["oid"])
                answer = {"status": "unknownOid"}
                if rec is not None:
                    found = {"order": rec.order(), "status": rec.status, "statusTimestamp": rec.status_ms}
                    answer = {"status": "order", "order": found}
            case "userFillsByTime":
                answer = [told(f) for f in self.fills if f["user"] == user and f["time"] >= since][:2_000]
            case "userFunding":
                mine = [f for f in self.fundings if f["user"] == user and f["time"] >= since]
                answer = [
                    {"time": f["time"], "hash": "0x0", "delta": {"type": "funding", **told(f)}} for f in mine[:500]
                ]
            case other:
                raise AssertionError(f"nobody taught the local venue {other}")
        return answer

    def _state(self, user: str) -> dict[str, Any]:
        now = self.now_ns()
        floor = self.exchange.floor
        if user not in floor.accounts:
            return {"marginSummary": {"accountValue": "0.0"}, "assetPositions": [], "time": now // MS}
        books, positions = self.books(user), []
        for held in books.positions:
            instrument = floor.instruments[held.instrument]
            value = instrument.notional(floor.mark(held.instrument), held.qty)
            details = {
                "coin": instrument.venue_symbol,
                "szi": instrument.qty_text(held.qty),
                "entryPx": str(abs(held.entry_value / Decimal(instrument.qty_text(held.qty)))),
                "positionValue": f"{abs(value):f}",
                "unrealizedPnl": f"{value - held.entry_value:f}",
                "leverage": self.leverages.of(user, instrument.venue_symbol),
            }
            positions.append({"type": "oneWay", "position": details})
        return {
            "marginSummary": {"accountValue": f"{self.equity(books):f}"},
            "assetPositions": positions,
            "time": now // MS,
        }
