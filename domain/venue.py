"""What a venue can do, as its adapter declares it and as the core is told by `VenueOpened`."""

from __future__ import annotations

from msgspec import Struct


class VenueCaps(Struct, frozen=True, kw_only=True):
    """What a venue can do.

    `dead_man`: it cancels everything of an account, stops included, when it is not heard from in time.
    """

    amend: bool = True
    amend_keeps_queue: bool = False
    post_only: bool = True
    reduce_only: bool = True
    triggers: bool = True
    dead_man: bool = False
    batch: int = 1
