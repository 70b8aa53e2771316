"""Test the copy of a book against a plain dict, and its checksum against strings written by hand."""

from decimal import Decimal
from types import SimpleNamespace
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.streams.replica import BookReplica, Scales, SideReplica


def scales(tick: str, lot: str) -> Scales:
    tick_size, lot_size = Decimal(tick), Decimal(lot)
    return Scales(
        SimpleNamespace(
            tick_size=tick_size,
            lot_size=lot_size,
            price_decimals=-tick_size.as_tuple().exponent,
            quantity_decimals=-lot_size.as_tuple().exponent,
        )
    )


def book(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> BookReplica:
    found = BookReplica()
    found.load(1, bids, asks)
    return found


CENTS = scales("0.01", "0.00001")


@pytest.mark.parametrize(
    ("bids", "asks", "market", "digits"),
    [
        ([], [], CENTS, ""),
        ([(5_000_000, 100_000)], [], CENTS, "5000000" "100000"),
        ([], [(5_000_001, 1)], CENTS, "5000001" "1"),
        ([(1, 5), (3, 7)], [(9, 2), (8, 4)], CENTS, "8" "4" "9" "2" "3" "7" "1" "5"),
        # 0.00025 at 0.05: 25 lots of 0.00001 at 5 ticks of 0.01
        ([(5, 25)], [], CENTS, "5" "25"),
        # a tick of 0.5 and a lot of 0.25: 3 ticks are "1.5", 5 lots "1.25"
        ([(3, 5)], [], scales("0.5", "0.25"), "15" "125"),
        # whole numbers: no point to leave out
        ([(3, 5)], [(40, 60)], scales("1", "1"), "40" "60" "3" "5"),
    ],
    ids=["empty", "a bid", "an ask", "asks come first, best first", "zeros ahead", "coarse", "whole"],
)  # fmt: skip
def test_checksum_is_that_of_the_digits_written_by_hand(bids, asks, market, digits):
    assert book(bids, asks).checksum(market) == crc32(digits.encode())


def test_checksum_reads_ten_levels_a_side():
    deep = book([(n, 1) for n in range(1, 30)], [(n, 1) for n in range(100, 130)])
    same = book([(n, 1) for n in range(20, 30)], [(n, 1) for n in range(100, 110)])
    assert deep.checksum(CENTS) == same.checksum(CENTS)
    deep.bids.change(20, 2)
    assert deep.checksum(CENTS) != same.checksum(CENTS)


@pytest.mark.parametrize(
    ("tick", "price", "written"),
    [("0.01", 1, "0.01"), ("0.01", 123_456, "1234.56"), ("0.5", 3, "1.5"), ("1", 7, "7"), ("0.00001", 4_000, "0.04000"), ("10", 3, "30")],
)  # fmt: skip
def test_levels_are_written_with_the_decimals_of_tick_and_lot(tick, price, written):
    assert scales(tick, "0.001").levels([(price, 0), (price, 5)]) == [(written, "0.000"), (written, "0.005")]


@given(
    st.sampled_from([1, -1]),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), max_size=80),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), max_size=12, unique_by=lambda level: level[0]),
)
def test_side_is_what_a_dict_would_be(sign, changes, loaded):
    side, plain = SideReplica(sign), {price: lots for price, lots in loaded if lots}
    side.load(loaded)
    for price, lots in changes:
        assert side.lots_at(price) == plain.get(price, 0)
        side.change(price, lots)
        plain[price] = lots
        if not lots:
            del plain[price]
        best = sorted(plain.items(), key=lambda level: sign * level[0])
        assert side.best() == best
        assert side.best(3) == best[:3]
    assert side.sort(plain.items()) == side.best()
