"""The newest frames of a stream, by number: what clients that are a little behind, or come back, still can have."""

from __future__ import annotations

from typing import Final

KEPT_FRAMES: Final = 4_096
KEPT_BYTES: Final = 16 << 20


class Ring:
    """Frames 1, 2, 3, ...; the oldest give way, by count and by bytes."""

    def __init__(self, kept_frames: int = KEPT_FRAMES, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_frames = kept_frames
        self._kept_bytes = kept_bytes
        self.clear()

    def clear(self) -> None:
        """Begin anew with number 1."""
        self._frames: list[bytes] = []
        self._gone = 0
        self._bytes = 0

    @property
    def last(self) -> int:
        """Number of the newest frame; 0 when there was none."""
        return self._gone + len(self._frames)

    def add(self, frame: bytes) -> None:
        """The next frame."""
        self._frames.append(frame)
        self._bytes += len(frame)
        if len(self._frames) > self._kept_frames or self._bytes > self._kept_bytes:
            self._shorten()

    def _shorten(self) -> None:
        """Let the oldest go until the rest fits, at least an eighth: taking off the front moves all the others."""
        going = max(1, len(self._frames) // 8)
        left = self._bytes - sum(map(len, self._frames[:going]))
        while left > self._kept_bytes and going < len(self._frames) - 1:
            left -= len(self._frames[going])
            going += 1
        del self._frames[:going]
        self._bytes = left
        self._gone += going

    def has(self, n: int) -> bool:
        """Whether everything after frame `n` is here."""
        return self._gone <= n <= self.last

    def after(self, n: int, until: int, most_bytes: int) -> tuple[int, bytes]:
        """Frames after `n` up to `until`, at least one and as many as fit: the last one's number, and their bytes."""
        taken: list[bytes] = []
        size = 0
        for frame in self._frames[n - self._gone : until - self._gone]:
            if taken and size + len(frame) > most_bytes:
                break
            taken.append(frame)
            size += len(frame)
        return n + len(taken), b"".join(taken)
