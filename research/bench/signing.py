"""Signatures a second and their latency: inside the signer, and through its process, single, batched and pipelined.

    inside   the venue's own signer called in this process: what the key costs
    hop      the same through `signer.sock`: a frame there, a frame back, another process woken in between
    batch    forty requests of one call; pipelined: two hundred and fifty-six calls under way at once

Keys and payloads are made up; nothing is sent to anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from domain.ports import Signer, SignRequest
from research.bench.journal import Row

KEY = "11" * 32
BATCH, UNDER_WAY = 40, 256
RULES = "the venue's list of actions read from the payload; key in memory"
HOP = f"{RULES}; Unix socket, peer credentials, bounded MessagePack frames; signer in a process of its own"
READY_WITHIN_S = 60.0


class Kind:
    """One way to sign, by the venue that has it."""

    def __init__(self, venue: str, name: str, action: str, payload: bytes) -> None:
        self.venue = venue
        self.name = name
        self.request = SignRequest(key="bench", action=action, payload=payload)


def kinds() -> list[Kind]:
    """An order of each. By name: research does not build on these venues."""
    signing = importlib.import_module("exchanges.hyperliquid.signing")
    chain = importlib.import_module("exchanges.dydx.chain")
    kind = {"limit": {"tif": "Alo"}}
    order = {"a": 0, "b": True, "p": "49000", "s": "0.01", "r": False, "t": kind, "c": "0x" + "ab" * 16}
    action = {"type": "order", "orders": [order], "grouping": "na"}
    agent = signing.l1_payload(action, 1_700_000_000_000, is_mainnet=False, expires_ms=1_700_000_030_000)
    key = chain.OrderKey("dydx1" + "q" * 38, 0, 7, chain.SHORT_TERM, 0)
    terms = chain.OrderTerms(key=key, side=1, quantums=10**7, subticks=10**9, until=10)
    doc = chain.sign_doc(
        chain.PLACE, chain.place_message(terms), public_key=b"\x02" + b"\x11" * 32, nonce=1, account_number=1,
        chain_id="dydx-testnet-4", authenticator=1,
    )  # fmt: skip
    form = b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.01&price=49000&timeInForce=GTX&timestamp=1700000000000"
    return [
        Kind("HYPERLIQUID", "Hyperliquid (secp256k1, EIP-712)", "order", agent),
        Kind("BINANCE", "HMAC-SHA256", "order", form),
        Kind("DYDX", "dYdX (secp256k1, protobuf)", "place", doc),
    ]


class Keys:
    """The `Secrets` port with one made-up key."""

    burned = ()

    def get(self, _name: str) -> str:
        """Thirty-two bytes."""
        return KEY

    def has(self, name: str) -> bool:
        """There is one."""
        return name == "bench"

    def names(self) -> list[str]:
        """Nothing is revealed."""
        return []

    def owners(self) -> list[str]:
        """None."""
        return []


def signers() -> dict[str, Signer]:
    """The venues' own signers."""
    fleet = importlib.import_module("exchanges.shared.fleet")
    fields = [
        {"venue": kind.venue, "network": "testnet", "accounts": [{"id": f"{kind.venue}:bench", "key": "bench"}]}
        for kind in kinds()
    ]
    found: dict[str, Signer] = fleet.open_signers(fields, Keys())
    return found


def run(count: int) -> list[Row]:
    """Every kind, `count` times."""
    with tempfile.TemporaryDirectory(prefix="moondev-signer-") as folder, serving(Path(folder)):
        return asyncio.run(rows(Path(folder), count))


async def rows(folder: Path, count: int) -> list[Row]:
    """Measured on this loop, as the engine signs."""
    client = importlib.import_module("vault.signer.client").SignerClient(folder)
    client.connect()
    inside, found = signers(), []
    try:
        for kind in kinds():
            found += await kind_rows(kind, inside[kind.venue], client.signers[kind.venue], count)
    finally:
        await client.aclose()
    return found


async def kind_rows(kind: Kind, inside: Signer, hop: Signer, count: int) -> list[Row]:
    """One kind, inside and through the process."""
    one, many = [kind.request], [kind.request] * BATCH
    found = []
    for where, signer, rules in (("inside", inside, RULES), ("through the process", hop, HOP)):
        times = await taken(lambda signer=signer: signer.sign(one), count)  # type: ignore[misc]
        batch = await taken(lambda signer=signer: signer.sign(many), max(5, count // BATCH))  # type: ignore[misc]
        found += [
            row(f"{kind.name} signed {where}, p50", quantile(times, 0.5), "us", rules),
            row(f"{kind.name} signed {where}, p99", quantile(times, 0.99), "us", rules),
            row(f"{kind.name} signed {where}, {BATCH} in one call", BATCH * 1e6 / quantile(batch, 0.5), "1/s", rules),
        ]
    began = time.perf_counter()
    waves = max(1, count // UNDER_WAY)
    for _ in range(waves):
        await asyncio.gather(*(hop.sign(one) for _ in range(UNDER_WAY)))
    rate = waves * UNDER_WAY / (time.perf_counter() - began)
    return [*found, row(f"{kind.name} signed through the process, {UNDER_WAY} under way", rate, "1/s", HOP)]


async def taken(work: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """Microseconds of each, in order of length."""
    for _ in range(min(50, count)):
        await work()
    gc.collect()
    found = []
    for _ in range(count):
        began = time.perf_counter_ns()
        await work()
        found.append((time.perf_counter_ns() - began) / 1_000)
    return sorted(found)


def quantile(times: Sequence[float], at: float) -> float:
    """Of sorted values."""
    return times[min(len(times) - 1, int(len(times) * at))]


def row(case: str, value: float, unit: str, rules: str) -> Row:
    """Without a rival: no peer has a signer of its own."""
    return Row(case=case, value=value, unit=unit, rules=rules, rivals=[])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[None]:
    """A signer in a process of its own."""
    child = subprocess.Popen([sys.executable, "-m", "research.bench.signing", str(folder)])  # noqa: S603 - ours
    end = time.monotonic() + READY_WITHIN_S
    try:
        while not (folder / "signer.sock").exists():
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the bench's signer did not start")
            time.sleep(0.02)
        yield
    finally:
        child.terminate()
        child.wait()


async def serve(folder: Path) -> None:
    """Sign until ended."""
    importlib.import_module("vault.signer.harden").harden()
    module: Any = importlib.import_module("vault.signer.server")
    await module.SignerServer(folder / module.SOCKET, signers(), Keys()).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
