"""Who may ask the local Bybit, and how often: keys, signatures, times and rate limits."""

import hashlib
import hmac
from collections import defaultdict, deque
from collections.abc import Mapping

from tests.exchanges.bybit.exchange_room import Refused, Room
from tests.exchanges.bybit.listing import ApiKey, keys
from tests.exchanges.bybit.records import MS

AHEAD_MS = 1_000
"""A request's time may be this much before the server's."""
STALE = 10002, "invalid request, please check your server timestamp or recv_window param"
NO_KEY = 10003, "API key is invalid."
BAD_SIGN = 10004, "Error sign, please check your signature generation algorithm."
DENIED = 10005, "Permission denied, please check your API key permissions."
TOO_OFTEN = 10006, "Too many visits. Exceeded the API Rate Limit."


class Limits:
    """At most `orders_a_s` a second for each user and kind of action, and `calls` in 5 s for each address."""

    def __init__(self, orders_a_s: int = 10, calls: int = 600) -> None:
        self.orders_a_s = orders_a_s
        self.calls = calls
        self._spent: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self._calls: deque[int] = deque()

    def call(self, now_ms: int) -> bool:
        """Count a request of an address; False = it is one too many."""
        while self._calls and self._calls[0] <= now_ms - 5_000:
            self._calls.popleft()
        self._calls.append(now_ms)
        return len(self._calls) <= self.calls

    def spend(self, user: str, name: str, count: int, now_ms: int) -> tuple[bool, dict[str, str]]:
        """Whether `count` more orders fit, and the headers that say so."""
        spent = self._spent[user, name]
        while spent and spent[0] <= now_ms - 1_000:
            spent.popleft()
        fits = len(spent) + count <= self.orders_a_s
        if fits:
            spent.extend([now_ms] * count)
        reset_ms = spent[0] + 1_000 if spent and not fits else now_ms
        headers = {
            "X-Bapi-Limit": str(self.orders_a_s),
            "X-Bapi-Limit-Status": str(self.orders_a_s - len(spent)),
            "X-Bapi-Limit-Reset-Timestamp": str(reset_ms),
        }
        return fits, headers


class Gate:
    """Verifies; everything raises `Refused`."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.keys = keys()
        self.signed = 0
        """Signatures that were right."""

    def _check(self, name: str, text: str, signature: str) -> ApiKey:
        key = self.keys.get(name)
        if key is None:
            raise Refused(*NO_KEY)
        right = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            raise Refused(*BAD_SIGN)
        self.signed += 1
        return key

    def on_time(self, stamp: str, window: str) -> None:
        """Refuse a request from too long ago, or from the future."""
        now_ms = self.room.now_ns() // MS
        if not stamp.isdigit() or not window.isdigit():
            raise Refused(10001, "params error: timestamp or recv_window invalid")
        if not now_ms - int(window) <= int(stamp) < now_ms + AHEAD_MS:
            code, text = STALE
            raise Refused(code, f"{text}. req_timestamp[{stamp}],server_timestamp[{now_ms}],recv_window[{window}]")

    def rest(self, headers: Mapping[str, str], payload: str, *, writes: bool) -> tuple[str, ApiKey]:
        """The key of a signed request; `payload` is its query string or body, as it was sent."""
        name, stamp = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-TIMESTAMP", "")
        window = headers.get("X-BAPI-RECV-WINDOW", "5000")
        self.on_time(stamp, window)
        key = self._check(name, stamp + name + window + payload, headers.get("X-BAPI-SIGN", ""))
        if writes and key.read_only:
            raise Refused(*DENIED)
        return name, key

    def login(self, args: list[object]) -> ApiKey:
        """The key of a WebSocket's `auth`."""
        if len(args) != 3:
            raise Refused(10001, "Params Error")
        name, expires, signature = (str(arg) for arg in args)
        key = self._check(name, f"GET/realtime{expires}", signature)
        if not expires.isdigit() or int(expires) <= self.room.now_ns() // MS:
            raise Refused(10004, "auth expired, please check your expires parameter")
        return key
