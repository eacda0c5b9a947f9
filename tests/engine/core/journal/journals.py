"""Small journals for tests: records that say who they are, and ways to write, read and damage them."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from domain.ports import MAIN_STREAM, MARKET_STREAM, Record
from engine.core.journal import FileJournal, JournalReader


def record(seq: int, stream: int = MAIN_STREAM, size: int = 12) -> Record:
    """A record whose payload follows from its seq."""
    return Record(stream, seq, 1_000 * seq, (b"%d/" % seq * (size // 2 + 1))[:size])


def mixed(count: int, first: int = 1, market_share: float = 0.7, seed: int = 5) -> list[Record]:
    """Records of both streams in a fixed shuffle, of different lengths, some empty."""
    dice = random.Random(seed)
    return [
        record(seq, MARKET_STREAM if dice.random() < market_share else MAIN_STREAM, dice.choice((0, 1, 12, 40)))
        for seq in range(first, first + count)
    ]


def append(journal: FileJournal, records: Iterable[Record]) -> None:
    for each in records:
        journal.append(each.stream, each.seq, each.ts_ns, each.payload)


def write(
    directory: Path, records: Sequence[Record], *, group: int = 0, segment_bytes: int = 1 << 20
) -> tuple[int, str]:
    """Write and close a journal, flushed every `group` records; returns its head."""
    with_groups = group or len(records) or 1
    journal = FileJournal(directory, fsync=False, segment_bytes=segment_bytes, max_age_s=60)
    for start in range(0, len(records), with_groups):
        append(journal, records[start : start + with_groups])
        journal.flush()
    head = journal.head
    journal.close()
    return head


def crashed(source: Path, target: Path) -> Path:
    """What a killed process would have left: the files of a journal that is open, copied as they are now."""
    target.mkdir(exist_ok=True)
    for path in source.glob("*.journal"):
        (target / path.name).write_bytes(path.read_bytes())
    return target


def write_crashed(source: Path, target: Path, records: Sequence[Record], *, group: int = 0) -> Path:
    """Write a journal and leave it as a crash would: flushed every `group` records, never closed."""
    with_groups = group or len(records)
    journal = FileJournal(source, fsync=False, max_age_s=60)
    for start in range(0, len(records), with_groups):
        append(journal, records[start : start + with_groups])
        journal.flush()
    crashed(source, target)
    journal.close()
    return target


def read(directory: Path) -> list[Record]:
    return list(JournalReader(directory).records())


def mains(directory: Path) -> list[Path]:
    return sorted(directory.glob("main-*.journal"))


def markets(directory: Path) -> list[Path]:
    return sorted(directory.glob("market-*.journal"))


def flip(path: Path, offset: int, mask: int = 0x01) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)
