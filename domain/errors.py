"""The error tree: what can go wrong, and what the reader should do about it.

    MoonDevError                 every error of ours; its text says what, where and what to do
    ├── ConfigError              a setting is wrong (file, line, key, nearest valid key)
    ├── DataError                market data that lies or cannot be read
    ├── Unrepresentable          a number that an instrument cannot carry exactly
    ├── JournalError             the journal cannot be read or written
    │   ├── JournalCorrupt       the hash chain or a record is broken, and where
    │   └── JournalFull          the disk refused a write
    ├── StrategyError            a strategy cannot be loaded, or broke its contract
    ├── VenueError               a venue answered something that we must not guess about
    └── ReplayMismatch           replay did not reproduce what the journal says

A refusal is not an error: see `domain.verdict`. What cannot be known (an order whose
answer never came) is a state, not an error: see `domain.order.OrderStatus.UNKNOWN`.
"""


class MoonDevError(Exception):
    """Base of every error that the product raises on purpose; its text tells a person what to do."""


class ConfigError(MoonDevError):
    """A setting is wrong: names the file, the line, the key and what was expected."""


class DataError(MoonDevError):
    """Market data that lies about itself or cannot be read: names the file and the row."""


class Unrepresentable(MoonDevError):
    """A price or quantity that the instrument's integer scale cannot carry exactly."""


class JournalError(MoonDevError):
    """The journal cannot be read or written."""


class JournalCorrupt(JournalError):
    """A record, the hash chain or a segment is broken: names the segment and the sequence number."""


class JournalFull(JournalError):
    """The disk refused a journal write; nothing after the last durable record was sent."""


class StrategyError(MoonDevError):
    """A strategy cannot be loaded or broke its contract."""


class VenueError(MoonDevError):
    """A venue answered something that must not be guessed about."""


class ReplayMismatch(MoonDevError):
    """Replay did not reproduce the recorded state or effects: names the first sequence number that differs."""
