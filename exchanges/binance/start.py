"""What is checked and set before an account is traded: clock, contracts, key, modes, margin and leverage."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from domain.errors import ConfigError
from domain.views import KeyView
from exchanges.binance.account import Account
from exchanges.binance.config import Network
from exchanges.binance.markets import ExchangeInfo, RateLimit, listed
from exchanges.binance.wire import WireError, decoded
from exchanges.shared.keys import ANYWHERE, told, vouched
from exchanges.viaccxt.session import Session


class Restrictions(Struct, rename="camel"):
    """What a key may do."""

    enable_withdrawals: bool
    enable_futures: bool
    permits_universal_transfer: bool = False
    enable_internal_transfer: bool = False
    enable_reading: bool = False
    enable_spot_and_margin_trading: bool = False
    ip_restrict: bool | None = None


class AccountConfig(Struct, rename="camel"):
    """How the account is set."""

    can_trade: bool
    dual_side_position: bool
    multi_assets_margin: bool = False


class SymbolConfig(Struct, rename="camel"):
    """How a symbol is margined."""

    symbol: str
    margin_type: str
    leverage: int


class FeeBurn(Struct):
    """Whether fees are paid in BNB."""

    on: bool = field(name="feeBurn")


class Start:
    """Prepares one account."""

    def __init__(self, session: Session, network: Network, account: Account) -> None:
        self._session = session
        self._network = network
        self._account = account
        self._traded = [instrument.venue_symbol for instrument in session.by_id.values()]

    async def check(self) -> KeyView:
        """Refuse what is not safe to trade with. Raises `ConfigError`, `VenueError`."""
        self._session.check_clock("Binance", await self._account.now_ns())
        await self._check_contracts()
        await self._check_account()
        return await self._check_key()

    async def prepare(self) -> None:
        """Set the terms. Raises `ConfigError`, `VenueError`."""
        for symbol in self._traded:
            await self._set_terms(symbol)

    async def _check_contracts(self) -> None:
        """The settings must count as the venue does; other contracts are known so that nothing of them is missed."""
        session = self._session
        info = decoded(await self._account.read("exchangeInfo", api="fapiPublic"), ExchangeInfo, "exchangeInfo")
        for limit in info.rate_limits:
            self._told(limit)
        known = {instrument.venue_symbol: instrument for instrument in listed(info)}
        for found in known.values():
            ours = session.by_symbol.setdefault(found.venue_symbol, found)
            same = ("price_decimals", "qty_decimals", "tick", "lot")
            wrong = [name for name in same if getattr(ours, name) != getattr(found, name)]
            if wrong:
                said = ", ".join(f"{name} {getattr(found, name)}" for name in wrong)
                raise ConfigError(f"{ours.id}: Binance has {said}, the settings differ; correct them")
            session.by_id.setdefault(found.id, found)
        missing = [symbol for symbol in self._traded if symbol not in known]
        if missing:
            raise ConfigError(f"Binance does not list {', '.join(missing)}; remove it or correct its venue symbol")

    def _told(self, limit: RateLimit) -> None:
        """The venue's limits as they are now."""
        if self._session.client.limits is not None:
            name = "weight" if limit.rate_limit_type == "REQUEST_WEIGHT" else limit.rate_limit_type.lower()
            span = f"{limit.interval_num}{limit.interval[:1].lower()}"
            self._session.client.limits.told(f"{name}-{span}", limit.limit)

    async def _check_account(self) -> None:
        name = self._session.account.id
        answer = await self._account.ask("accountConfig", weight=5)
        if answer.status in {400, 401, 403}:
            said = decoded(answer.body, WireError, "accountConfig")
            raise ConfigError(
                f"Binance refuses the key of {name}: {said.code} {said.msg} Check the API key and its secret, that it "
                "is of this network, and that this machine's address is on its list"
            )
        config = decoded(answer.body, AccountConfig, "accountConfig")
        if not config.can_trade:
            raise ConfigError(f"{name} may not trade at Binance; see the account's status there")
        if config.dual_side_position:
            raise ConfigError(
                f"{name} is in hedge mode; close its positions and switch it to one-way mode (Binance, Futures, "
                "Preferences, Position Mode)"
            )
        if config.multi_assets_margin:
            raise ConfigError(
                f"{name} is in multi-assets mode; switch it to single-asset mode (Preferences, Asset Mode)"
            )
        if decoded(await self._account.read("feeBurn"), FeeBurn, "feeBurn").on:
            raise ConfigError(f"{name} pays fees in BNB, which cannot be booked; switch that off (Futures, BNB fees)")

    async def _check_key(self) -> KeyView:
        name = self._session.account.id
        if not self._network.has_restrictions:
            return vouched(self._session.account, "Binance")
        body = await self._account.read("account/apiRestrictions", api="sapi")
        may = decoded(body, Restrictions, "account/apiRestrictions")
        if may.enable_withdrawals or may.permits_universal_transfer or may.enable_internal_transfer:
            raise ConfigError(
                f"the key of {name} may withdraw or transfer; make one at Binance with futures trading and nothing else"
            )
        if not may.enable_futures:
            raise ConfigError(f"the key of {name} may not trade futures; allow that at Binance")
        can = {
            "futures": may.enable_futures,
            "reading": may.enable_reading,
            "spot and margin": may.enable_spot_and_margin_trading,
        }
        bound = "" if may.ip_restrict is None else "bound to addresses" if may.ip_restrict else ANYWHERE
        return told(name, ", ".join(word for word, is_on in can.items() if is_on), bound)

    async def _set_terms(self, symbol: str) -> None:
        """Margin mode and leverage as configured; what is already so is left alone."""
        instrument = self._session.by_symbol[symbol]
        terms = self._session.terms.get(instrument.id)
        if terms is None:
            return
        body = await self._account.read("symbolConfig", weight=5, symbol=symbol)
        found = next(
            (each for each in decoded(body, list[SymbolConfig], "symbolConfig") if each.symbol == symbol), None
        )
        margin = "CROSSED" if terms.margin == "cross" else "ISOLATED"
        if found is None or found.margin_type != margin:
            await self._set("marginType", symbol, marginType=margin)
        if terms.leverage and (found is None or found.leverage != terms.leverage):
            await self._set("leverage", symbol, leverage=str(terms.leverage))

    async def _set(self, path: str, symbol: str, **params: Any) -> None:  # noqa: ANN401
        answer = await self._account.ask(path, method="POST", symbol=symbol, **params)
        if answer.status != 200:
            said = decoded(answer.body, WireError, path)
            value = next(iter(params.values()))
            raise ConfigError(
                f"Binance does not set {path} of {symbol} to {value}: {said.code} {said.msg} Change the setting, or "
                "close what is open there"
            )
