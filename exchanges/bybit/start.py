"""What is checked and set before an account is traded: clock, key, contracts, modes, margin and leverage."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.views import KeyView
from exchanges.bybit.account import Account, number
from exchanges.bybit.config import CATEGORY, Network
from exchanges.bybit.markets import Contract, listed
from exchanges.bybit.wire import Envelope, WireAccount, WireKey, WirePosition, WireTime, decoded, opened
from exchanges.shared.keys import ANYWHERE, told, vouched
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

DEADLINE_DAYS = 7
NOT_MODIFIED = 110043
MARGINS = {"cross": "REGULAR_MARGIN", "isolated": "ISOLATED_MARGIN"}
KEY_REFUSED = frozenset({10003, 10004, 10005, 10007, 10010, 33004})


class Start:
    """Prepares one account."""

    def __init__(self, session: Session, network: Network, account: Account) -> None:
        self._session = session
        self._network = network
        self._account = account
        self._traded = list(session.by_id.values())
        self._margin_mode = ""
        """The account's, as `check` has found it."""
        self._positions: dict[str, list[WirePosition]] = {}
        """By symbol, likewise."""

    async def check(self) -> KeyView:
        """Refuse what is not safe to trade with. Raises `ConfigError`, `VenueError`."""
        session = self._session
        clock = decoded((await self._account.read("market/time", "public")).result, WireTime, "market/time")
        session.check_clock("Bybit", int(clock.time_nano))
        account = await self._first()
        key = await self._check_key() if self._network.tells_keys else vouched(session.account, "Bybit")
        await self._check_contracts()
        session.has_dead_man = account.dcp_status == "ON"
        self._margin_mode = account.margin_mode
        for instrument in self._traded:
            await self._check_mode(instrument.venue_symbol)
        return key

    async def prepare(self) -> None:
        """Set the terms. Raises `ConfigError`, `VenueError`."""
        await self._set_margin(self._margin_mode)
        for instrument in self._traded:
            await self._set_leverage(instrument)

    async def _first(self) -> WireAccount:
        """The first signed question: a key that is refused is a mistake of the settings."""
        answer = await self._session.client.ask("GET", "private", "v5/account/info", {})
        if answer.status in {200, 401}:
            said = decoded(answer.body or b"{}", Envelope, "account/info")
            if said.ret_code in KEY_REFUSED:
                raise ConfigError(
                    f"Bybit refuses the key of {self._session.account.id}: {said.ret_code} {said.ret_msg} Check the "
                    "API key and its secret, that it is of this network, and that this machine's address is on its list"
                )
        return decoded(opened(answer, "account/info").result, WireAccount, "account/info")

    async def _check_key(self) -> KeyView:
        name = self._session.account.id
        key = decoded((await self._account.read("user/query-api")).result, WireKey, "user/query-api")
        if "Withdraw" in key.permissions.get("Wallet", []):
            raise ConfigError(
                f"the key of {name} may withdraw; make one at Bybit with contract orders and positions and nothing else"
            )
        if key.read_only or not {"Order", "Position"} <= set(key.permissions.get("ContractTrade", [])):
            raise ConfigError(f"the key of {name} may not trade contracts; allow it orders and positions at Bybit")
        if not key.uta:
            raise ConfigError(f"{name} is a classic account; upgrade it to a unified trading account at Bybit")
        if 0 < key.deadline_day <= DEADLINE_DAYS:
            advice = "bind it to an IP address at Bybit, or make another"
            log.warning("the key of %s ends in %d days; %s", name, key.deadline_day, advice)
        can = "; ".join(f"{group} {', '.join(rights)}" for group, rights in key.permissions.items() if rights)
        open_to_all = not key.ips or "*" in key.ips
        bound = ANYWHERE if open_to_all else f"bound to {len(key.ips or ())} address(es)"
        return told(name, can, "" if key.ips is None else bound)

    async def _check_contracts(self) -> None:
        """The settings must count as the venue does; other contracts are known so that nothing of them is missed."""
        session = self._session
        found = [
            instrument
            async for page in self._account.pages("market/instruments-info", Contract, "public", limit=1000)
            for instrument in listed(page)
        ]
        for theirs in found:
            ours = session.by_symbol.setdefault(theirs.venue_symbol, theirs)
            same = ("price_decimals", "qty_decimals", "tick", "lot")
            wrong = [name for name in same if getattr(ours, name) != getattr(theirs, name)]
            if wrong:
                said = ", ".join(f"{name} {getattr(theirs, name)}" for name in wrong)
                raise ConfigError(f"{ours.id}: Bybit has {said}, the settings differ; correct them")
            session.by_id.setdefault(theirs.id, theirs)
        known = {instrument.venue_symbol for instrument in found}
        missing = [each.venue_symbol for each in self._traded if each.venue_symbol not in known]
        if missing:
            raise ConfigError(f"Bybit does not list {', '.join(missing)}; remove it or correct its venue symbol")

    async def _set_margin(self, mode: str) -> None:
        """The margin mode is the account's: all contracts must want the same one."""
        asked = sorted({terms.margin for terms in self._session.terms.values()})
        if len(asked) > 1:
            raise ConfigError(
                f"{self._session.account.id}: Bybit has one margin mode for a whole account; set cross or isolated for "
                "all of its instruments, or use a sub-account"
            )
        if asked and MARGINS[asked[0]] != mode:
            await self._set("account/set-margin-mode", asked[0], setMarginMode=MARGINS[asked[0]])

    async def _check_mode(self, symbol: str) -> None:
        """Refuse hedge mode."""
        pages = self._account.pages("position/list", WirePosition, symbol=symbol)
        rows = [row async for page in pages for row in page]
        if any(row.position_idx for row in rows):
            raise ConfigError(
                f"{symbol} of {self._session.account.id} is in hedge mode; close its positions and switch it to "
                "one-way mode (Bybit, Derivatives, Preferences, Position Mode)"
            )
        self._positions[symbol] = rows

    async def _set_leverage(self, instrument: Instrument) -> None:
        symbol, terms = instrument.venue_symbol, self._session.terms.get(instrument.id)
        leverage = terms.leverage if terms is not None else 0
        if leverage and all(Decimal(number(row.leverage)) != leverage for row in self._positions[symbol]):
            both = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
            await self._set("position/set-leverage", str(leverage), category=CATEGORY, symbol=symbol, **both)

    async def _set(self, path: str, value: str, **params: Any) -> None:  # noqa: ANN401 - whatever the setting takes
        answer = await self._session.client.ask("POST", "private", f"v5/{path}", params)
        envelope = decoded(answer.body, Envelope, path) if answer.status == 200 else Envelope(answer.status, "HTTP")
        if envelope.ret_code not in {0, NOT_MODIFIED}:
            raise ConfigError(
                f"Bybit does not set {path.partition('-')[2]} of {params.get('symbol', 'the account')} to {value}: "
                f"{envelope.ret_code} {envelope.ret_msg} Change the setting, or close what is open there"
            )
