"""What can go wrong for a client.

ClientError
├── ApiProblem    the service said no: status, code and words
├── NoAnswer      nobody answered, and nothing was done
└── Unknown       no answer came to something that may have been carried out; ask again with the same key
"""

from __future__ import annotations

from domain.errors import MoonDevError


class ClientError(MoonDevError):
    """Base of what a client raises."""


class ApiProblem(ClientError):
    """An answer that is an error. `code` is what programs go by; `wait_s` > 0: ask again after so many seconds."""

    def __init__(self, status: int, code: str, detail: str, wait_s: float = 0.0) -> None:
        self.status = status
        self.code = code
        self.wait_s = wait_s
        super().__init__(f"{detail} [{status} {code}]")


class NoAnswer(ClientError):
    """The service cannot be reached; nothing was done."""


class Unknown(ClientError):
    """It was sent and no answer came: it may or may not have been carried out. The same `key` carries it out once."""

    def __init__(self, why: str, key: str) -> None:
        self.key = key
        super().__init__(f"no answer came ({why}): it may or may not have been carried out. Ask again with key {key}")
