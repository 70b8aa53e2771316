"""Test what one market's channels say between one flush and the next, and how fast a socket may ask."""

import json
import time
from decimal import Decimal
from itertools import count
from types import SimpleNamespace

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from trading.feed import CallNews, MarketNews, TradeNews
from trading.streams import limits
from trading.streams.follower import MarketReset
from trading.streams.markets import AUCTION, BOOK, SNAPSHOT_SECONDS, TRADES, TRADES_A_FRAME_MAX, MarketStream

RULES = SimpleNamespace(
    market_id=1,
    symbol="BTC/USD",
    tick_size=Decimal(1),
    lot_size=Decimal(1),
    price_decimals=0,
    quantity_decimals=0,
)
CALL = CallNews("Continuous", None, None, None, None)


class Box:
    """Keeps what is pushed to a subscriber."""

    def __init__(self) -> None:
        self.frames = []

    def push(self, frame) -> None:
        self.frames.append(json.loads(frame.message["text"]))

    def take(self):
        frames, self.frames = self.frames, []
        return frames


def reset(sequence: int, bids=(), asks=(), missed=(), call: CallNews = CALL) -> MarketReset:
    return MarketReset(1, sequence, [*bids], [*asks], call, [*missed])


def news(sequence: int, bids=(), asks=(), trades=(), previous: int | None = None) -> MarketNews:
    before = sequence - 1 if previous is None else previous
    return MarketNews(1, before, sequence, [*bids], [*asks], [*trades], CALL)


def a_trade(number: int) -> TradeNews:
    return TradeNews(number, 5, 1, "Buy", 1_700_000_000_000_000, number)


_now = count(100.0, SNAPSHOT_SECONDS)


def flush(stream: MarketStream) -> None:
    """Flush as late after the last time as a snapshot needs."""
    stream.flush(next(_now))


@pytest.fixture
def stream() -> MarketStream:
    return MarketStream(RULES)


@pytest.fixture
def box() -> Box:
    return Box()


def test_nothing_is_said_of_a_market_that_is_not_known_yet(stream, box):
    stream.subscribe(BOOK, box)
    flush(stream)
    assert box.take() == []
    stream.reset(reset(4, bids=[(3, 1)]))
    flush(stream)
    (snapshot,) = box.take()
    assert (snapshot["type"], snapshot["sequence"], snapshot["bids"]) == ("snapshot", 4, [["3", "1"]])


def test_news_between_two_flushes_are_one_delta_to_where_they_end(stream, box):
    stream.reset(reset(1, bids=[(3, 1), (2, 1)], asks=[(9, 1)]))
    stream.subscribe(BOOK, box)
    flush(stream)
    box.take()
    stream.apply(news(2, bids=[(3, 5)], asks=[(9, 0), (8, 2)]))
    stream.apply(news(3, bids=[(4, 1)]))
    stream.apply(news(4, bids=[(4, 0), (2, 0)], asks=[(8, 3)]))
    flush(stream)
    (delta,) = box.take()
    assert (delta["type"], delta["previous_sequence"], delta["sequence"]) == ("delta", 1, 4)
    assert delta["bids"] == [["3", "5"], ["2", "0"]]
    assert delta["asks"] == [["8", "3"], ["9", "0"]]
    flush(stream)
    assert box.take() == []


def test_level_that_is_as_it_was_is_left_out_and_the_sequence_moves_on(stream, box):
    stream.reset(reset(1, bids=[(3, 1)]))
    stream.subscribe(BOOK, box)
    flush(stream)
    box.take()
    stream.apply(news(2, bids=[(3, 5), (2, 1)]))
    stream.apply(news(3, bids=[(3, 1), (2, 0)]))
    flush(stream)
    (delta,) = box.take()
    assert (delta["previous_sequence"], delta["sequence"], delta["bids"], delta["asks"]) == (1, 3, [], [])


def test_whoever_comes_in_between_gets_the_book_as_it_is_and_the_others_a_delta_first(stream, box):
    stream.reset(reset(1))
    stream.subscribe(BOOK, box)
    flush(stream)
    box.take()
    stream.apply(news(2, bids=[(3, 5)]))
    late = Box()
    stream.subscribe(BOOK, late)
    flush(stream)
    (delta,), (snapshot,) = box.take(), late.take()
    assert (delta["type"], snapshot["type"], snapshot["sequence"]) == ("delta", "snapshot", 2)
    stream.apply(news(3, bids=[(3, 0)]))
    flush(stream)
    assert box.take() == late.take() != []


def test_snapshot_is_written_once_for_all_and_not_again_before_its_time(stream, box):
    stream.reset(reset(1, bids=[(3, 1)]))
    boxes = [Box() for _ in range(3)]
    for one in boxes:
        stream.subscribe(BOOK, one)
    assert stream.flush(10.0) is None
    assert [one.take()[0]["sequence"] for one in boxes] == [1, 1, 1]
    stream.subscribe(BOOK, box)
    stream.flush(10.0)
    assert [frame["sequence"] for frame in box.take()] == [1]  # nothing has changed: it is still there

    stream.apply(news(2, bids=[(4, 1)]))
    late = Box()
    stream.subscribe(BOOK, late)
    again_at = stream.flush(10.1)
    assert again_at == 10.0 + SNAPSHOT_SECONDS
    assert late.take() == []
    assert [frame["type"] for frame in box.take()] == ["delta"]
    stream.apply(news(3, bids=[(5, 1)]))
    assert stream.flush(again_at) is None
    assert [frame["sequence"] for frame in late.take()] == [3]
    assert [(frame["type"], frame["sequence"]) for frame in box.take()] == [("delta", 3)]


def test_whoever_leaves_while_waiting_for_a_snapshot_gets_none(stream, box):
    stream.subscribe(BOOK, box)
    stream.unsubscribe(BOOK, box)
    stream.reset(reset(1))
    flush(stream)
    assert box.take() == []


def test_news_that_do_not_go_on_from_what_is_known_are_not_taken(stream, box):
    stream.reset(reset(1))
    with pytest.raises(AssertionError):
        stream.apply(news(3, previous=2))
    stream.doubt()
    assert stream.reset(reset(1))


def test_chain_holds_over_flushes_that_nobody_listened_to(stream, box):
    stream.reset(reset(1))
    stream.apply(news(2, bids=[(3, 5)]))
    flush(stream)
    stream.apply(news(3, bids=[(4, 5)]))
    stream.subscribe(BOOK, box)
    flush(stream)
    stream.apply(news(4, bids=[(5, 5)]))
    flush(stream)
    snapshot, delta = box.take()
    assert (snapshot["sequence"], delta["previous_sequence"], delta["bids"]) == (3, 3, [["5", "5"]])


def test_reset_that_says_nothing_new_sends_nothing(stream, box):
    stream.reset(reset(1, bids=[(3, 1)]))
    stream.subscribe(BOOK, box)
    flush(stream)
    box.take()
    assert not stream.reset(reset(1, bids=[(3, 1)]))
    flush(stream)
    assert box.take() == []


def test_reset_is_a_snapshot_with_all_that_was_heard_since(stream, box):
    stream.reset(reset(1, bids=[(3, 1)]))
    for kind in (BOOK, TRADES):
        stream.subscribe(kind, box)
    flush(stream)
    box.take()
    stream.apply(news(2, bids=[(3, 2)]))
    assert stream.reset(reset(9, bids=[(7, 7)], missed=[a_trade(5)]))
    stream.apply(news(10, bids=[(6, 6)], trades=[a_trade(10)]))
    flush(stream)
    snapshot, trades = box.take()
    assert (snapshot["type"], snapshot["sequence"], snapshot["bids"]) == ("snapshot", 10, [["7", "7"], ["6", "6"]])
    assert [trade["id"] for trade in trades["trades"]] == [5, 10]


def test_trades_are_told_in_their_order_and_in_parts_where_there_are_very_many(stream, box):
    stream.reset(reset(1))
    stream.subscribe(TRADES, box)
    flush(stream)
    number = 2 * TRADES_A_FRAME_MAX + 1
    stream.apply(news(2, trades=[a_trade(n) for n in range(number)]))
    flush(stream)
    frames = box.take()
    assert [len(frame["trades"]) for frame in frames] == [TRADES_A_FRAME_MAX, TRADES_A_FRAME_MAX, 1]
    assert [trade["id"] for frame in frames for trade in frame["trades"]] == [*range(number)]


def test_trades_of_before_are_not_told_to_whoever_comes(stream, box):
    stream.reset(reset(1))
    stream.apply(news(2, trades=[a_trade(1)]))
    stream.subscribe(TRADES, box)
    flush(stream)
    assert box.take() == []


def test_call_is_told_where_it_has_changed_alone(stream, box):
    stream.reset(reset(1))
    stream.subscribe(AUCTION, box)
    flush(stream)
    (first,) = box.take()
    assert first["auction"]["phase"] == "Continuous"
    stream.apply(news(2, bids=[(3, 1)]))
    flush(stream)
    assert box.take() == []
    stream.apply(MarketNews(1, 2, 3, [], [], [], CallNews("Auction", "5", "1", "0", None)))
    flush(stream)
    (frame,) = box.take()
    assert (frame["auction"]["phase"], frame["auction"]["indicative_price"]) == ("Auction", "5")


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2), st.booleans(), st.integers(0, 5)), max_size=60))
def test_book_of_a_snapshot_and_deltas_is_the_book(changes):
    stream, box = MarketStream(RULES), Box()
    stream.reset(reset(0))
    stream.subscribe(BOOK, box)
    flush(stream)
    plain: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
    kept: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
    sequence = 0
    for n, (price, lots, is_bid, moment) in enumerate(changes, start=1):
        name = "bids" if is_bid else "asks"
        plain[name][str(price)] = str(lots)
        stream.apply(news(n, **{name: [(price, lots)]}))
        if moment:
            continue
        flush(stream)
        for frame in box.take():
            if frame["type"] == "delta":
                assert frame["previous_sequence"] == sequence
            sequence = frame["sequence"]
            for side in ("bids", "asks"):
                kept[side] |= dict(frame[side])
        assert sequence == n
        assert _full(kept) == _full(plain)


def _full(book: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {price: lots for price, lots in side.items() if lots != "0"} for name, side in book.items()}


# -- pace ----------------------------------------------------------------------------------------------


@override_settings(WS_MESSAGES_PER_SECOND=10)
def test_socket_may_ask_twice_a_seconds_worth_at_once_and_then_at_its_pace(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pace = limits.Pace()
    assert [pace.take(10, is_known=True) for _ in range(22)] == [True] * 20 + [False] * 2
    clock[0] += 0.5
    assert [pace.take(10, is_known=True) for _ in range(6)] == [True] * 5 + [False]
    clock[0] += 3600
    assert sum(pace.take(10, is_known=True) for _ in range(100)) == 20


@override_settings(WS_MESSAGES_PER_SECOND=10)
@pytest.mark.parametrize(
    ("size", "is_known", "most"), [(4096, True, 10), (40_960, True, 1), (512, False, 10), (1 << 20, True, 1)]
)
def test_long_messages_count_as_several(monkeypatch, size, is_known, most):
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    pace = limits.Pace()
    assert sum(pace.take(size, is_known=is_known) for _ in range(30)) == most
