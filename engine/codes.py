"""One-time codes (TOTP, RFC 6238): who has an authenticator enrolled, and whether a code is right.

The secrets come through the `Secrets` port, named `totp_PERSON`; neither they nor a code are ever journaled, logged or
told. What must be the same in a replay (a code counts once, misses lock) is in `engine.core.people`.
"""

from __future__ import annotations

import binascii
import hmac

import pyotp

from domain.errors import ConfigError
from domain.ports import Clock, Secrets

STEP_S = 30
TOLERANCE_STEPS = 1
"""A code is taken one step before and after its own, for clocks that differ and fingers that are slow."""
ISSUER = "MoonDev AlgoTrade"


class Codes:
    """Checks codes against the secrets that are enrolled."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        """Read secrets when they are needed: one that was just enrolled counts at once."""
        self._secrets = secrets
        self._clock = clock

    def enrolled(self, person: str) -> bool:
        """Whether a person has an authenticator. While that cannot be known they need a code, and none is right."""
        try:
            return self._secrets.has(secret_name(person))
        except ConfigError:
            return True

    def step_of(self, person: str, code: str, newer_than: int) -> int | None:
        """The time step that a code belongs to, newer than the last one used; None for a wrong or old code."""
        try:
            totp = pyotp.TOTP(self._secrets.get(secret_name(person)), interval=STEP_S)
            now = self._clock.now_ns() // (STEP_S * 1_000_000_000)
            steps = range(now - TOLERANCE_STEPS, now + TOLERANCE_STEPS + 1)
            right = [step for step in steps if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())]
        except (ConfigError, binascii.Error, ValueError):
            return None
        newer = [step for step in right if step > newer_than]
        return newer[0] if newer else right[0] if right else None


def secret_name(person: str) -> str:
    """Name of a person's secret."""
    return f"totp_{person}"


def new_secret() -> str:
    """A secret for a new authenticator, 160 bits in base 32."""
    return pyotp.random_base32()


def uri_of(person: str, secret: str) -> str:
    """The address that an authenticator app reads, typed or as a QR code. It holds the secret."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=person, issuer_name=ISSUER)
