"""A client of the public API in Python: views as the structs they are made of, verbs with keys, the live feed.

    from gateway.client import Client, Token

    with Client("http://127.0.0.1:8765", Token.from_file("token")) as moondev:
        print(moondev.status().equity)
        answer = moondev.run("order", side="buy", symbol="BTC", qty="0.1")

It needs nothing but this, `domain`, httpx, msgspec and websockets.
"""

from gateway.client.client import Client, Said
from gateway.client.credentials import Credentials, ServiceFile, Session, Token
from gateway.client.errors import ApiProblem, ClientError, NoAnswer, Unknown
from gateway.client.feed import Feed

__all__ = [
    "ApiProblem",
    "Client",
    "ClientError",
    "Credentials",
    "Feed",
    "NoAnswer",
    "Said",
    "ServiceFile",
    "Session",
    "Token",
    "Unknown",
]
