"""The live feed for programs: in order, without a gap, over more than one connection, until the token ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.access import Scope
from domain.commands import Actor, Door, Halt
from gateway.client import ApiProblem, Client, Feed, Token
from gateway.client.feed import FeedFrame
from tests.gateway.served import Served, served_gateway


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_gateway(tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.url, Token(served.token("tina", Scope.READ)), sleep=lambda _: None) as made:
        yield made


def halt(served: Served, reason: str) -> None:
    served.do(served.engine.desk.submit(Halt(reason=reason), Actor(person="tina", door=Door.TERMINAL)))


def until_halt(frames: Iterator[FeedFrame], reason: str) -> list[FeedFrame]:
    """Frames up to the fact that tells of a halt."""
    seen: list[FeedFrame] = []
    for frame in frames:
        seen.append(frame)
        if frame.type == "fact" and reason in str(frame.data):
            return seen
    raise AssertionError("the feed ended")


def test_a_snapshot_then_news_in_order_over_two_connections(served: Served, client: Client):
    feed = client.feed()
    frames = iter(feed)
    first = next(frames)
    assert (first.type, first.data["status"]["environment"]) == ("snapshot", "paper")
    halt(served, "first")
    seen = until_halt(frames, "first")
    cut(feed)
    halt(served, "while it was away")
    seen += until_halt(frames, "while it was away")
    numbers = [frame.n for frame in seen if frame.n >= 0 and frame.type not in {"snapshot", "resumed"}]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [frame.type for frame in seen if frame.type in {"snapshot", "resumed"}] == ["resumed"]
    feed.close()


def cut(feed: Feed) -> None:
    """The connection is lost, without a word."""
    assert feed._socket is not None
    feed._socket.socket.shutdown(2)


def test_a_market_is_watched_again_after_the_connection_was_lost(served: Served, client: Client):
    feed = client.feed()
    feed.topics = ["market:BTC-USDC-PERP.PAPER"]
    frames = iter(feed)
    for _ in range(2):
        market = next(frame for frame in frames if frame.topic)
        assert market.data["instrument"] == "BTC-USDC-PERP.PAPER"
        cut(feed)
        served.play(1)
    feed.close()


def test_the_end_of_the_token_ends_the_feed(served: Served, tmp_path: Path):
    with Client(served.url, Token(served.token("rosa", Scope.READ)), sleep=lambda _: None) as client:
        frames = iter(client.feed())
        assert next(frames).type == "snapshot"
        served.end_sessions()
        with pytest.raises(ApiProblem):
            for _ in frames:
                pass
