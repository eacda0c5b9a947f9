"""What can be said about a vault without opening it: is it private, whole, usable, and what a guess costs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from domain.setup import VaultFound
from vault import disk, files
from vault.config import VaultConfig
from vault.crypto import BOUNDS, KIB_PER_MIB, Bounds, Cost, stretch
from vault.errors import VaultError
from vault.format import VaultFile, parse
from vault.passphrase import GENERATED_BITS, LEAST_WORDS
from vault.unlock import find_passphrase

H100_GUESSES_PER_S = 20_000
"""Published for Argon2id with 16 MiB and 3 iterations; bandwidth bounds it, so it falls with memory x iterations."""
_H100_MEMORY_KIB, _H100_ITERATIONS = 16 * KIB_PER_MIB, 3
H100_USD_PER_H = 3.0
WORD_LIST = 7776
"""Words of a usual list for five dice."""
YEAR_S = 365.25 * 86_400
KEPT_FREE = 1.25
"""Memory that should be free, by the memory that opening takes."""


def records_of(path: Path, bounds: Bounds = BOUNDS) -> dict[str, int]:
    """When each record of a vault was given its value, by name; empty where there is none, or it cannot be read."""
    with suppress(VaultError):
        return {record.name: record.created_ns for record in parse(disk.read(path), bounds)[0].records}
    return {}


def look(data: Path, config: VaultConfig, needed: Sequence[str] = (), bounds: Bounds = BOUNDS) -> list[VaultFound]:
    """Everything there is to say about the vault of a data folder; nothing where there is none."""
    path = data / "vault"
    if not path.is_symlink() and not path.exists():
        return []
    try:
        file, _ = parse(disk.read(path), bounds)
    except VaultError as error:
        fix = "mend it as it says, or `moondev vault restore FILE`"
        return [VaultFound(text=str(error), ok=False, fix=fix)]
    cost = file.cost
    text = (
        f"{path}: write {file.sequence}, {len(file.records)} records, Argon2id {cost.memory_kib // KIB_PER_MIB} MiB/"
        f"{cost.iterations}/{cost.lanes}{', needs its key file' if file.needs_key_file else ''}"
    )
    found = [VaultFound(text=text), *_records(file, config, needed), *_key_file(file, path, config)]
    return [*found, *_source(path, config), *_plain(data), *_copies(path), *_memory(cost)]


def _records(file: VaultFile, config: VaultConfig, needed: Sequence[str]) -> Iterator[VaultFound]:
    kinds = {record.name: record.kind for record in file.records}
    if missing := sorted(set(needed) - set(kinds)):
        fix = f"`moondev vault add {missing[0]}`"
        yield VaultFound(text=f"{', '.join(missing)} is missing in the vault", ok=False, fix=fix)
    for name, kind in sorted(kinds.items()):
        wanted = config.kinds.get(name, kind)
        if wanted != kind:
            text = f"{name} is of kind {kind}, and the settings use it as {wanted}"
            fix = f"`moondev vault rm {name}`, then `moondev vault add {name}`"
            yield VaultFound(text=text, ok=False, fix=fix)


def _key_file(file: VaultFile, path: Path, config: VaultConfig) -> Iterator[VaultFound]:
    if file.needs_key_file and not config.key_file:
        yield VaultFound(
            text="the vault needs its key file, and no setting names it", ok=False, fix="set vault.key_file"
        )
    key_file = config.key_path
    if key_file is None:
        return
    try:
        files.read_private(key_file, "the key file", 2**20)
    except VaultError as error:
        yield VaultFound(text=str(error), ok=False, fix="mend it as it says")
        return
    if key_file.resolve().is_relative_to(path.parent.resolve()):
        text = f"the key file {key_file} lies beside the vault: who copies the folder has both"
        yield VaultFound(text=text, ok=False, severe=False, fix="keep it on another disk, and set vault.key_file")


def _source(path: Path, config: VaultConfig) -> Iterator[VaultFound]:
    try:
        passphrase = find_passphrase(config, path, interactive=False)
    except VaultError as error:
        yield VaultFound(text=str(error), ok=False, fix="mend it as it says; until then a start asks, or stays sealed")
        return
    if passphrase is None:
        yield VaultFound(text="a person types the passphrase at each start: without one the service stays sealed")
        return
    passphrase.wipe()
    yield VaultFound(text=f"the passphrase comes from {passphrase.source}")
    file = Path(config.passphrase_file).expanduser() if config.passphrase_file else None
    if file is not None and file.resolve().is_relative_to(path.parent.resolve()):
        text = f"the passphrase's file {file} lies beside the vault: who copies the folder has both"
        yield VaultFound(text=text, ok=False, severe=False, fix="keep it elsewhere, and set vault.passphrase.file")


def _plain(data: Path) -> Iterator[VaultFound]:
    plain = data / "secrets"
    if plain.is_symlink() or plain.exists():
        text = f"{plain} is left over and not read any more: whoever reads it has what is in it"
        yield VaultFound(text=text, ok=False, severe=False, fix=f"`moondev vault add --from-file {plain} --remove`")


def _copies(path: Path) -> Iterator[VaultFound]:
    for copy in [*disk.backups(path), disk.log_path(path)]:
        with suppress(FileNotFoundError):
            if problem := files.privacy_problem(copy.lstat(), copy):
                yield VaultFound(text=f"{copy} {problem}", ok=False, severe=False, fix="mend it as it says")


def _memory(cost: Cost) -> Iterator[VaultFound]:
    free = free_kib()
    if free is not None and free < cost.memory_kib * KEPT_FREE:
        text = f"opening the vault takes {cost.memory_kib // KIB_PER_MIB} MiB, and {free // KIB_PER_MIB} MiB are free"
        yield VaultFound(text=text, ok=False, severe=False, fix="give the machine or container more memory")


def free_kib() -> int | None:
    """Memory that can still be had: the machine's, or the container's where that is less. None where nobody tells."""
    found: list[int] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        found.append((limit - used) // 1024)
    return min(found, default=None)


def unlock_s(cost: Cost) -> float:
    """Seconds that one guess takes on this machine, measured."""
    begin = time.perf_counter()
    stretch(b"measured", bytes(16), cost, secret=b"", ad=b"")
    return time.perf_counter() - begin


def guessing(cost: Cost, took_s: float) -> list[str]:
    """What it costs to guess a passphrase, in words: on rented machines, and on this one."""
    scale = (_H100_MEMORY_KIB * _H100_ITERATIONS) / (cost.memory_kib * cost.iterations)
    per_s = H100_GUESSES_PER_S * scale
    usd = H100_USD_PER_H / 3600 / per_s
    first = (
        f"One guess takes {took_s * 1000:,.0f} ms here, and 1/{per_s:,.0f} s on an H100 (estimated from a published "
        f"{H100_GUESSES_PER_S:,}/s at 16 MiB, scaled by memory; ${H100_USD_PER_H:.0f}/h). On average, to guess:"
    )
    lines = [first]
    for what, guesses in (
        ("8 random small letters (refused)", 26**8 / 2),
        ("4 words by dice (refused)", WORD_LIST**4 / 2),
        (f"{LEAST_WORDS} words by dice", WORD_LIST**LEAST_WORDS / 2),
        (f"a generated passphrase ({GENERATED_BITS} bits)", 2.0**GENERATED_BITS / 2),
    ):
        lines.append(f"  {what:<40} ${_short(guesses * usd):<9} {_short(guesses * took_s / YEAR_S)} years here")
    return lines


def _short(amount: float) -> str:
    return f"{amount:,.0f}" if amount < 10**7 else f"{amount:.0e}".replace("e+", "e")
