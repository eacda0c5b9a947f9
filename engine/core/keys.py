"""What people are told of keys and of the signer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.facts import Severity
from domain.keys import KeyExpires, SignerNews

if TYPE_CHECKING:
    from engine.core.core import Core


def on_signer_news(core: Core, event: SignerNews) -> None:
    """Without its signer the engine can neither place nor cancel: that is everybody's business at once."""
    if event.what == "lost":
        core.alert(Severity.CRITICAL, "signer_lost", event.text)
    elif event.what == "back":
        core.alert(Severity.INFO, "signer_back", event.text)
    else:
        core.alert(Severity.CRITICAL, "signer_refused", event.text)


def on_key_expires(core: Core, event: KeyExpires) -> None:
    """A key that is over signs nothing any more, so it is spoken of before."""
    core.alert(Severity.WARNING, "key_expires", event.text, account=event.account)
