"""Questions about an account, as the local Bybit answers them: pages, newest first, within seven days.

And the settings of an account: leverage, margin mode, position mode.
"""

from collections.abc import Callable
from typing import Any

from domain.instrument import Instrument
from tests.exchanges.bybit.exchange_room import Refused, Room
from tests.exchanges.bybit.listing import ApiKey
from tests.exchanges.bybit.records import MS, OPEN

WEEK_MS = 7 * 86_400_000


def page(rows: list[dict[str, Any]], asked: dict[str, str], usual: int, most: int) -> dict[str, Any]:
    """One page of rows; the cursor is where the next one begins."""
    size = max(1, min(int(asked.get("limit", usual)), most))
    first = int(asked.get("cursor") or 0)
    cursor = str(first + size) if first + size < len(rows) else ""
    return {"category": "linear", "list": rows[first : first + size], "nextPageCursor": cursor}


def span(asked: dict[str, str], now_ms: int) -> tuple[int, int]:
    """The time that is asked about, in milliseconds; both ends count."""
    start, end = int(asked.get("startTime") or 0), int(asked.get("endTime") or 0)
    if not start:
        start = (end or now_ms) - WEEK_MS
    if not end:
        end = start + WEEK_MS
    if end - start > WEEK_MS:
        raise Refused(10001, "params error: the time range between startTime and endTime must be within 7 days")
    return start, end


class Reader:
    """Answers one user's questions. `dcp_s` is the window of the user's disconnection protection, 0 = off."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.dcp_s = 0
        self.may_dcp = False
        self.answers: dict[str, Callable[[str, dict[str, str]], dict[str, Any]]] = {
            "/v5/order/realtime": self._realtime,
            "/v5/order/history": self._history,
            "/v5/execution/list": self._executions,
            "/v5/position/list": self._positions,
            "/v5/account/info": self._info,
            "/v5/account/wallet-balance": self._wallet,
            "/v5/account/fee-rate": self._fees,
            "/v5/account/query-dcp-info": self._dcp,
        }
        self.settings: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "/v5/position/set-leverage": self._set_leverage,
            "/v5/position/switch-isolated": self._switch_isolated,
            "/v5/position/switch-mode": self._switch_mode,
            "/v5/account/set-margin-mode": self._set_margin_mode,
            "/v5/order/disconnected-cancel-all": self._set_dcp,
        }

    def key(self, name: str, key: ApiKey) -> dict[str, Any]:
        """GET /v5/user/query-api."""
        return key.tell(name)

    def _wanted(self, asked: dict[str, str]) -> Instrument | None:
        """The symbol of a question; None = all that settle in a coin."""
        if asked.get("symbol"):
            return self.room.instrument(asked)
        if asked.get("category") != "linear":
            raise Refused(10001, "params error: Category invalid")
        return None

    def _orders(self, user: str, asked: dict[str, str], *, is_open: bool) -> list[dict[str, Any]]:
        wanted = self._wanted(asked)
        found = [
            rec
            for rec in reversed(self.room.recs.values())
            if rec.user == user
            and (rec.status in OPEN) == is_open
            and (wanted is None or rec.instrument is wanted)
            and asked.get("orderId") in {None, "", rec.order_id}
            and asked.get("orderLinkId") in {None, "", rec.link_id}
        ]
        return [rec.order() for rec in found]

    def _realtime(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        if not any(asked.get(name) for name in ("symbol", "baseCoin", "settleCoin", "orderId", "orderLinkId")):
            text = "Missing some parameters that must be filled in, symbol or baseCoin or settleCoin"
            raise Refused(10001, text)
        return page(self._orders(user, asked, is_open=asked.get("openOnly", "0") == "0"), asked, 20, 50)

    def _history(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        first, last = span(asked, self.room.now_ns() // MS)
        rows = [row for row in self._orders(user, asked, is_open=False) if first <= int(row["createdTime"]) <= last]
        return page(rows, asked, 20, 50)

    def _executions(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        wanted = self._wanted(asked)
        first, last = span(asked, self.room.now_ns() // MS)
        rows = [
            row
            for owner, row in reversed(self.room.executions)
            if owner == user
            and (wanted is None or row["symbol"] == wanted.venue_symbol)
            and asked.get("execType") in {None, "", row["execType"]}
            and asked.get("orderId") in {None, "", row["orderId"]}
            and asked.get("orderLinkId") in {None, "", row["orderLinkId"]}
            and first <= int(row["execTime"]) <= last
        ]
        return page(rows, asked, 50, 100)

    def _positions(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        wanted = self._wanted(asked)
        if wanted is None and not asked.get("settleCoin"):
            raise Refused(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
        rows = [self.room.position(user, i) for i in self.room.instruments.values() if wanted in {None, i}]
        if self.room.is_hedged:
            rows = [row | {"positionIdx": index} for row in rows for index in (1, 2)]
        return page([row for row in rows if wanted is not None or row["side"]], asked, 20, 200)

    def _info(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        return {
            "marginMode": self.room.margin_mode,
            "updatedTime": "1697078946000",
            "unifiedMarginStatus": 5,
            "dcpStatus": "ON" if self.dcp_s else "OFF",
            "timeWindow": self.dcp_s or 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def _wallet(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        if asked.get("accountType") != "UNIFIED":
            raise Refused(10001, "accountType only support UNIFIED.")
        return {"list": [self.room.wallet(user)]}

    def _fees(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        wanted = self._wanted(asked)
        rows = [
            {"symbol": i.venue_symbol, "takerFeeRate": f"{i.taker_fee:f}", "makerFeeRate": f"{i.maker_fee:f}"}
            for i in self.room.instruments.values()
            if wanted in {None, i}
        ]
        return {"list": rows}

    def _dcp(self, user: str, asked: dict[str, str]) -> dict[str, Any]:
        if not self.may_dcp:
            return {"dcpInfos": []}
        status = "ON" if self.dcp_s else "OFF"
        return {"dcpInfos": [{"product": "DERIVATIVES", "dcpStatus": status, "timeWindow": str(self.dcp_s or 10)}]}

    def _set_leverage(self, user: str, asked: dict[str, Any]) -> None:
        symbol = self.room.instrument(asked).venue_symbol
        wanted = asked.get("buyLeverage")
        if wanted != asked.get("sellLeverage") or not isinstance(wanted, str) or not 1 <= float(wanted) <= 100:
            raise Refused(10001, "params error: buy leverage invalid")
        if self.room.leverage.get(symbol, "10") == wanted:
            raise Refused(110043, "Set leverage not modified")
        self.room.leverage[symbol] = wanted

    def _switch_isolated(self, user: str, asked: dict[str, Any]) -> None:
        raise Refused(100028, "The API cannot be accessed by unified account users.")

    def _switch_mode(self, user: str, asked: dict[str, Any]) -> None:
        is_hedged = asked.get("mode") == 3
        if is_hedged == self.room.is_hedged:
            raise Refused(110025, "Position mode is not modified")
        self.room.is_hedged = is_hedged

    def _set_margin_mode(self, user: str, asked: dict[str, Any]) -> None:
        mode = asked.get("setMarginMode")
        if mode not in {"ISOLATED_MARGIN", "REGULAR_MARGIN", "PORTFOLIO_MARGIN"}:
            raise Refused(10001, "params error: setMarginMode invalid")
        self.room.margin_mode = str(mode)

    def _set_dcp(self, user: str, asked: dict[str, Any]) -> None:
        if not self.may_dcp:
            raise Refused(10005, "Permission denied, please check your API key permissions.")
        if not 3 <= int(asked.get("timeWindow", 0)) <= 300:
            raise Refused(10001, "params error: timeWindow invalid")
        self.dcp_s = int(asked["timeWindow"])
