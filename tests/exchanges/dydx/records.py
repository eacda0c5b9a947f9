"""One order on the local chain."""

from dataclasses import dataclass

from domain.order import Place
from exchanges.dydx.chain import OrderKey
from exchanges.dydx.markets import Market


@dataclass
class Until:
    """What the chain keeps of an order beside its terms."""

    good_til_block: int
    good_til_block_time: int
    time_in_force: int
    client_metadata: int


@dataclass
class Rec:
    """One order, as the chain and the indexer know it; `status` is the indexer's word."""

    key: OrderKey
    wire: Until
    market: Market
    place: Place
    status: str
    filled: int = 0
    removal: str = ""
    made_height: int = 0
    version: int = 0

    @property
    def id(self) -> str:
        return self.key.uuid
