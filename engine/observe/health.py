"""Is the process alive, and may it be relied on? The sources of `/health/live` and `/health/ready`.

Alive: the event loop turned within the last few seconds (if not, restarting helps).
Ready: every part that reported is well (if not, restarting usually does not help).
"""

from __future__ import annotations

STALL_NS = 5_000_000_000
"""The loop is taken for stuck when it has not turned for this long."""


class Health:
    """What each part of the service last said of itself. Call it from any thread."""

    def __init__(self) -> None:
        """Nothing reported yet: alive until proved otherwise, not ready."""
        self._parts: dict[str, str] = {}
        self._beat_ns = 0

    def expect(self, *parts: str) -> None:
        """Name parts that must report before the service is ready."""
        for part in parts:
            self._parts.setdefault(part, "starting")

    def well(self, part: str) -> None:
        """A part works."""
        self._parts[part] = ""

    def unwell(self, part: str, reason: str) -> None:
        """A part does not work; `reason` is for people and holds no secret."""
        self._parts[part] = reason or "not working"

    def beat(self, now_ns: int) -> None:
        """The event loop turned; call it about once a second. `now_ns` is a monotonic clock."""
        self._beat_ns = now_ns

    def live(self, now_ns: int) -> tuple[bool, str]:
        """Whether the loop turned lately, and if not, for how long it has not."""
        silent_ns = now_ns - self._beat_ns if self._beat_ns else 0
        if silent_ns <= STALL_NS:
            return True, ""
        return False, f"the event loop has not turned for {silent_ns / 1e9:.1f} s"

    def ready(self) -> tuple[bool, list[str]]:
        """Whether every part is well, and the reasons why not, sorted by part."""
        reasons = [f"{part}: {reason}" for part, reason in sorted(self._parts.items()) if reason]
        return bool(self._parts) and not reasons, reasons or ([] if self._parts else ["starting"])
