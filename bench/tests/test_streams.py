"""The streams are what they were, and both books make the right trades of them."""

import pytest

from bench.streams import EXPECTED, LENGTHS, LONG, stream
from bench.worker import BOOKS, verify
from bench.yardstick import Yardstick


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize(("name", "length"), [key for key in EXPECTED if key[1] < LONG])
def test_books_make_the_expected_trades(name: str, length: int, book: str) -> None:
    assert len(stream(name, length)) == length
    assert verify(name, book, length) == EXPECTED[name, length]


@pytest.mark.parametrize("name", LENGTHS)
def test_an_order_meets_none_of_its_owner(name: str) -> None:
    """Else an engine with self-trade prevention and one without would differ."""
    owner_of = {}
    book = Yardstick()
    for cancels, order_id, buys, price, quantity, owner in stream(name, 5_000):
        owner_of[order_id] = owner
        if cancels:
            assert book.cancel(order_id) == quantity
        else:
            trades = book.new(order_id, buys, price, quantity, owner)
            assert all(owner_of[maker] != owner for maker, *_ in trades)
