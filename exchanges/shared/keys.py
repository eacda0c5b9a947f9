"""Keys that can withdraw are refused at every venue: by the venue's word, or, where it does not tell, by the settings'.

The settings never overrule a venue: what it says can withdraw is refused whatever they vouch for.
"""

from __future__ import annotations

import logging

from domain.errors import ConfigError
from domain.instrument import AccountId
from domain.views import KeyView
from exchanges.shared.setup import VenueAccount

log = logging.getLogger(__name__)

TOLD, VOUCHED = "told by the venue", "vouched for by the settings"


ANYWHERE = "NOT bound to addresses: it works from anywhere"


def told(account: AccountId, permissions: str = "", addresses: str = "") -> KeyView:
    """The venue itself has said that the account's key cannot withdraw."""
    return KeyView(account=account, cannot_withdraw=TOLD, permissions=permissions, addresses=addresses)


def vouched(account: VenueAccount, venue: str) -> KeyView:
    """The venue does not tell, so the settings must. Raises `ConfigError` when they do not."""
    if not account.cannot_withdraw:
        raise ConfigError(
            f"{account.id}: {venue} does not tell there whether a key can withdraw, and one that can is refused. Make "
            f"a key without withdrawals and transfers at {venue}, see at its page of API keys that it has neither, "
            "then write `cannot_withdraw: true` into this account's settings"
        )
    return KeyView(account=account.id, cannot_withdraw=VOUCHED)


def note(key: KeyView) -> None:
    """Write into the log how it is known that a key cannot withdraw."""
    log.info("the key of %s cannot withdraw: %s", key.account, key.cannot_withdraw)
