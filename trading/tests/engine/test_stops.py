"""Test stops: what triggers them, in which order they enter, and what they do then."""

import pytest

from orders.terms import LIMIT_TYPES, OrderType, Phase, Side, TimeInForce
from trading.engine.commands import Cancel, SetPhase, Trigger
from trading.tests.engine.scene import Scene, market, stop, trailing

BAND_OF_10_PERCENT = 10_000_000
RISING = [
    (OrderType.STOP_LIMIT, Side.BUY),
    (OrderType.STOP_MARKET, Side.BUY),
    (OrderType.TAKE_PROFIT, Side.SELL),
    (OrderType.TAKE_PROFIT_LIMIT, Side.SELL),
]
FALLING = [
    (OrderType.STOP_LIMIT, Side.SELL),
    (OrderType.STOP_MARKET, Side.SELL),
    (OrderType.TAKE_PROFIT, Side.BUY),
    (OrderType.TAKE_PROFIT_LIMIT, Side.BUY),
]


def traded_at(price: int, **rules: int) -> Scene:
    scene = Scene(**rules)
    scene.trade_at(price)
    return scene


def enter(
    scene: Scene, side: Side, stop_type: OrderType, stop_price: int, at: int = 100, **fields: object
) -> list[str]:
    send = scene.buy if side is Side.BUY else scene.sell
    return send(5, at=at, order_id=1, **stop(stop_type, stop_price, **fields))


@pytest.mark.parametrize(("stop_type", "side"), RISING)
def test_stop_above_the_market_triggers_where_the_price_rises_to_it(stop_type, side):
    for price in (105, 106):
        scene = traded_at(100)

        assert enter(scene, side, stop_type, 105) == ["await"]
        assert scene.trade_at(104) == []
        assert scene.trade_at(price) == [f"trigger 1 at {price}"]
        assert scene.awaiting() == []


@pytest.mark.parametrize(("stop_type", "side"), FALLING)
def test_stop_below_the_market_triggers_where_the_price_falls_to_it(stop_type, side):
    for price in (95, 94):
        scene = traded_at(100)

        assert enter(scene, side, stop_type, 95) == ["await"]
        assert scene.trade_at(96) == []
        assert scene.trade_at(price) == [f"trigger 1 at {price}"]


@pytest.mark.parametrize(
    ("stop_type", "side", "prices"), [(*s, (100, 99)) for s in RISING] + [(*s, (100, 101)) for s in FALLING]
)
def test_stop_on_the_wrong_side_of_the_last_price_is_rejected(stop_type, side, prices):
    for stop_price in prices:
        scene = traded_at(100)

        assert enter(scene, side, stop_type, stop_price) == ["end Rejected stop_would_trigger, 5 dropped"]
        assert scene.awaiting() == []


def test_stop_before_the_first_trade_waits_on_either_side():
    scene = Scene()

    assert scene.buy(5, **stop(OrderType.STOP_MARKET, 1)) == ["await"]
    assert scene.sell(5, **stop(OrderType.STOP_MARKET, 999)) == ["await"]


@pytest.mark.parametrize("stop_type", [*LIMIT_TYPES[1:], OrderType.STOP_MARKET, OrderType.TAKE_PROFIT])
def test_triggered_stop_enters_as_what_it_says(stop_type):
    scene = traded_at(100)
    side, price = (Side.BUY, 105) if (stop_type, Side.BUY) in RISING else (Side.SELL, 105)
    enter(scene, side, stop_type, price, at=104)
    scene.trade_at(price)

    rests = "rest 5@104" if stop_type in LIMIT_TYPES else "end Expired no_liquidity, 5 dropped"
    assert scene.enter_triggered() == ["enter 1", rests]


@pytest.mark.parametrize(
    ("time_in_force", "told"),
    [
        (TimeInForce.GTC, ["trade 2@105 with 2, 0 left", "rest 3@106"]),
        (TimeInForce.IOC, ["trade 2@105 with 2, 0 left", "end Expired ioc_remainder, 3 dropped"]),
        (TimeInForce.FOK, ["end Expired fok_unfillable, 5 dropped"]),
        (TimeInForce.AUCTION_ONLY, ["park"]),
    ],
)
def test_triggered_stop_limit_keeps_its_time_in_force(time_in_force, told):
    scene = traded_at(100)
    enter(scene, Side.BUY, OrderType.STOP_LIMIT, 105, at=106, time_in_force=time_in_force)
    scene.fill_book("ask 105 | 2:3")

    assert scene.buy(1, at=105) == ["trade 1@105 with 2, 2 left", "end Filled", "trigger 1 at 105"]
    assert scene.enter_triggered() == ["enter 1", *told]


def test_triggered_stop_limit_that_is_post_only_is_rejected_where_it_would_take():
    scene = traded_at(100)
    enter(scene, Side.BUY, OrderType.STOP_LIMIT, 105, at=106, post_only=True)
    scene.fill_book("ask 105 | 2:3")
    scene.buy(1, at=105)

    assert scene.enter_triggered() == ["enter 1", "end Rejected post_only_would_take, 5 dropped"]


def test_triggered_market_order_goes_no_further_than_its_protection_price():
    scene = traded_at(100)
    enter(scene, Side.BUY, OrderType.STOP_MARKET, 105, at=110)
    scene.fill_book("""
        ask 111 | 3:9
        ask 110 | 2:2
    """)

    assert scene.trade_at(105) == ["trigger 1 at 105"]
    assert scene.enter_triggered() == [
        "enter 1",
        "trade 2@110 with 2, 0 left",
        "end Expired protection_price, 3 dropped",
    ]


def test_stops_trigger_by_stop_price_then_by_priority():
    scene = traded_at(100)
    for order_id, stop_price in ((1, 107), (2, 105), (3, 106), (4, 105)):
        scene.buy(1, order_id=order_id, **stop(OrderType.STOP_MARKET, stop_price))

    assert scene.trade_at(107) == [f"trigger {order_id} at 107" for order_id in (2, 4, 3, 1)]
    assert scene.enter_triggered()[::2] == ["enter 2", "enter 4", "enter 3", "enter 1"]


def test_falling_stops_trigger_from_the_highest_down():
    scene = traded_at(100)
    for order_id, stop_price in ((1, 93), (2, 95), (3, 94), (4, 95)):
        scene.sell(1, order_id=order_id, **stop(OrderType.STOP_MARKET, stop_price))

    assert scene.trade_at(93) == [f"trigger {order_id} at 93" for order_id in (2, 4, 3, 1)]


def test_stops_trigger_by_the_trades_of_a_command_one_after_the_other():
    scene = traded_at(100)
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 103))
    scene.sell(1, order_id=2, **stop(OrderType.TAKE_PROFIT, 102))
    scene.fill_book("""
        ask 103 | 4:1
        ask 102 | 3:1
    """)

    assert scene.buy(2, at=103)[3:] == ["trigger 2 at 102", "trigger 1 at 103"]


def test_rising_stops_trigger_before_falling_ones():
    scene = Scene()
    scene.sell(1, order_id=1, **stop(OrderType.STOP_MARKET, 110))
    scene.buy(1, order_id=2, **stop(OrderType.STOP_MARKET, 90))

    assert scene.trade_at(100) == ["trigger 2 at 100", "trigger 1 at 100"]


def test_stops_cascade_and_each_is_matched_to_the_end_before_the_next():
    scene = traded_at(100)
    scene.sell(2, order_id=1, **stop(OrderType.STOP_MARKET, 99))
    scene.sell(2, order_id=2, **stop(OrderType.STOP_MARKET, 99))
    scene.sell(1, order_id=3, **stop(OrderType.STOP_MARKET, 98))
    scene.fill_book("""
        bid 99 | 4:2
        bid 98 | 5:1
        bid 97 | 6:9
    """)

    assert scene.sell(1, at=99) == ["trade 1@99 with 4, 1 left", "end Filled", "trigger 1 at 99", "trigger 2 at 99"]
    assert scene.enter_triggered() == [
        "enter 1",
        "trade 1@99 with 4, 0 left",
        "trade 1@98 with 5, 0 left",
        "end Filled",
        "trigger 3 at 98",
        "enter 2",
        "trade 2@97 with 6, 7 left",
        "end Filled",
        "enter 3",
        "trade 1@97 with 6, 6 left",
        "end Filled",
    ]


def test_triggered_stops_go_before_every_other_command_and_in_their_order():
    scene = traded_at(100)
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 105))
    scene.buy(1, order_id=2, **stop(OrderType.STOP_MARKET, 106))
    scene.trade_at(106)

    for command in (Trigger(2), Trigger(9), Cancel(1)):
        with pytest.raises(ValueError, match="triggered"):
            scene.do(command)


def test_nothing_that_has_not_triggered_can_enter():
    scene = traded_at(100)
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 105))

    with pytest.raises(ValueError, match="triggered"):
        scene.do(Trigger(1))


def test_trailing_buy_fires_where_the_price_retraces_from_the_lowest():
    scene = traded_at(43_000)
    assert scene.buy(5, order_id=1, **trailing(500)) == ["await from 43000"]

    assert scene.trade_at(42_000) == []
    assert scene.trade_at(44_099) == []
    assert scene.awaiting() == ["1:5 from 42000"]
    assert scene.trade_at(44_100) == ["trigger 1 at 44100"]


def test_trailing_sell_fires_where_the_price_retraces_from_the_highest():
    scene = traded_at(40_000)
    scene.sell(5, order_id=1, **trailing(500))

    assert scene.trade_at(42_000, 39_901) == []
    assert scene.trade_at(39_900) == ["trigger 1 at 39900"]


@pytest.mark.parametrize(("side", "not_yet", "reached"), [(Side.BUY, 105, 106), (Side.SELL, 96, 95)])
def test_trigger_price_between_two_ticks_is_the_one_further_away(side, not_yet, reached):
    # 101 × 1.04 = 105.04, 100 × 0.955 = 95.5
    scene = traded_at(101 if side is Side.BUY else 100)
    send = scene.buy if side is Side.BUY else scene.sell
    send(5, order_id=1, **trailing(400 if side is Side.BUY else 450))

    assert scene.trade_at(not_yet) == []
    assert scene.trade_at(reached) == [f"trigger 1 at {reached}"]


def test_trailing_stop_before_the_first_trade_starts_from_it():
    scene = Scene()

    assert scene.sell(5, order_id=1, **trailing(500)) == ["await"]
    assert scene.trade_at(100) == ["trail 1 from 100"]
    assert scene.trade_at(95) == ["trigger 1 at 95"]


@pytest.mark.parametrize(
    ("side", "stop_price", "short", "through", "fires"), [(Side.SELL, 105, 104, 106, 100), (Side.BUY, 95, 96, 94, 99)]
)
def test_trailing_stop_with_a_stop_price_is_armed_by_a_trade_at_or_through_it(side, stop_price, short, through, fires):
    scene = traded_at(100)
    send = scene.buy if side is Side.BUY else scene.sell
    assert send(5, order_id=1, **trailing(500, stop_price=stop_price)) == ["await"]

    assert scene.trade_at(short) == []
    assert scene.awaiting() == ["1:5"]
    assert scene.trade_at(through) == [f"trail 1 from {through}"]
    assert scene.trade_at(fires) == [f"trigger 1 at {fires}"]


@pytest.mark.parametrize(("side", "stop_price"), [(Side.SELL, 100), (Side.SELL, 99), (Side.BUY, 100), (Side.BUY, 101)])
def test_trailing_stop_that_would_be_armed_at_once_by_its_stop_price_is_rejected(side, stop_price):
    scene = traded_at(100)
    send = scene.buy if side is Side.BUY else scene.sell

    assert send(5, **trailing(500, stop_price=stop_price)) == ["end Rejected stop_would_trigger, 5 dropped"]


def test_stops_that_a_trade_arms_are_told_in_order_of_priority_with_where_it_ended():
    scene = Scene()
    scene.sell(5, order_id=2, **trailing(500))
    scene.sell(5, order_id=1, **trailing(500))
    scene.fill_book("""
        ask 103 | 4:1
        ask 102 | 3:1
    """)

    assert scene.buy(2, at=103)[3:] == ["trail 2 from 103", "trail 1 from 103"]


def test_stop_that_one_command_arms_and_triggers_is_told_both():
    scene = Scene()
    scene.fill_book("""
        ask 101 | 6:1
        ask 98  | 5:1
    """)
    scene.buy(1, at=999, order_id=1, **trailing(100))

    assert scene.buy(2, at=101)[3:] == ["trail 1 from 98", "trigger 1 at 101"]


def test_trailing_stop_follows_silently_and_triggers_from_where_it_got():
    scene = traded_at(100)
    scene.buy(1, at=999, order_id=1, **trailing(100))
    scene.sell(9, at=999, order_id=2, **stop(OrderType.STOP_MARKET, 1))
    scene.fill_book("""
        bid 99 | 3:1
        bid 90 | 4:1
    """)
    scene.sell(1, at=99)

    assert scene.awaiting() == ["1:1 from 99", "2:9"]
    scene.fill_book("""
        ask 101 | 6:1
        ask 98  | 5:1
    """)
    assert scene.buy(2, at=101)[3:] == ["trigger 1 at 101"]


@pytest.mark.parametrize(("side", "worst"), [(Side.SELL, 86), (Side.BUY, 115)])
def test_triggered_trailing_stop_trades_up_to_its_protection_beyond_its_trigger_price(side, worst):
    # 95 × 0.9 = 85.5, 105 × 1.1 = 115.5
    scene = traded_at(100)
    send = scene.buy if side is Side.BUY else scene.sell
    send(2, at=999, order_id=1, **trailing(500, protection=BAND_OF_10_PERCENT))
    scene.trade_at(95 if side is Side.SELL else 105)
    beyond = worst - 1 if side is Side.SELL else worst + 1
    scene.fill_book("bid 86 | 2:1\nbid 85 | 3:1" if side is Side.SELL else "ask 116 | 3:1\nask 115 | 2:1")

    assert scene.enter_triggered() == [
        "enter 1",
        f"trade 1@{worst} with 2, 0 left",
        "end Expired protection_price, 1 dropped",
    ]
    assert f"{beyond} | 3:1" in scene.ladder()[0]


def test_triggered_trailing_buy_trades_no_further_than_what_was_held_for_it():
    scene = traded_at(100)
    scene.buy(2, at=112, order_id=1, **trailing(500, protection=BAND_OF_10_PERCENT))
    scene.trade_at(105)
    scene.fill_book("ask 113 | 2:1")

    assert scene.enter_triggered() == ["enter 1", "end Expired protection_price, 2 dropped"]


def test_stops_are_taken_in_a_call_and_fire_on_the_price_of_the_uncross():
    scene = traded_at(100)
    scene.call()
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 105))
    scene.sell(1, order_id=2, **trailing(500))
    scene.buy(5, at=105)
    scene.sell(5, at=105)

    assert scene.uncross()[-2:] == ["phase Continuous", "trigger 1 at 105"]
    assert scene.awaiting() == ["2:1 from 105"]
    assert scene.enter_triggered() == ["enter 1", "end Expired no_liquidity, 1 dropped"]


def test_stops_do_not_fire_where_the_uncross_leads_to_no_continuous_trading():
    scene = traded_at(100)
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 105))
    scene.sell(1, order_id=2, **trailing(500))
    scene.call()
    scene.buy(5, at=105)
    scene.sell(5, at=105)

    assert scene.uncross(to=Phase.POST_ONLY)[-1:] == ["phase PostOnly"]
    assert scene.awaiting() == ["1:1", "2:1 from 105"]
    assert scene.set_phase(Phase.CONTINUOUS) == ["phase Continuous", "trigger 1 at 105"]


def test_stops_do_not_fire_on_the_trades_that_led_to_an_interruption():
    scene = traded_at(100, volatility_band=BAND_OF_10_PERCENT)
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 105))
    scene.fill_book("""
        ask 111 | 3:1
        ask 105 | 2:1
    """)

    assert scene.buy(2, at=111) == ["trade 1@105 with 2, 0 left", "interrupt at 111", "phase Auction", "rest 1@111"]
    assert scene.awaiting() == ["1:1"]


def test_stops_that_the_last_price_passed_before_an_interruption_fire_once_trading_goes_on():
    scene = traded_at(100, volatility_band=BAND_OF_10_PERCENT)
    scene.buy(1, order_id=1, **stop(OrderType.STOP_MARKET, 105))
    scene.fill_book("""
        ask 116 | 3:1
        ask 105 | 2:1
    """)
    scene.buy(2, at=116, time_in_force=TimeInForce.IOC)

    assert scene.uncross() == ["phase Continuous", "trigger 1 at 105"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (stop(OrderType.STOP_LIMIT, 105), "rest 1@120"),
        (stop(OrderType.STOP_LIMIT, 105, time_in_force=TimeInForce.DAY), "rest 1@120"),
        (stop(OrderType.STOP_LIMIT, 105, time_in_force=TimeInForce.AUCTION_ONLY), "park"),
        (stop(OrderType.STOP_MARKET, 105), "park"),
        (stop(OrderType.STOP_LIMIT, 105, time_in_force=TimeInForce.IOC), "end Rejected market_halted, 1 dropped"),
        (stop(OrderType.STOP_LIMIT, 105, time_in_force=TimeInForce.FOK), "end Rejected market_halted, 1 dropped"),
        (stop(OrderType.STOP_LIMIT, 105, post_only=True), "end Rejected market_halted, 1 dropped"),
    ],
)
def test_stop_that_has_triggered_before_an_interruption_enters_the_call_as_what_it_has_become(fields, told):
    scene = traded_at(100, volatility_band=BAND_OF_10_PERCENT)
    scene.buy(9, at=120, order_id=1, **stop(OrderType.STOP_LIMIT, 105))
    scene.buy(1, at=120, order_id=2, **fields)
    scene.fill_book("ask 118 | 3:1")
    scene.trade_at(105)

    assert scene.do(Trigger(1)) == ["interrupt at 118", "phase Auction", "rest 9@120"]
    assert scene.do(SetPhase(Phase.AUCTION, ends_at=9)) == ["call until 9"]
    assert scene.enter_triggered() == ["enter 2", told]


@pytest.mark.parametrize("phase", Phase)
def test_stop_can_be_canceled_in_every_phase(phase):
    scene = traded_at(100)
    scene.buy(5, order_id=1, **stop(OrderType.STOP_MARKET, 105))
    scene.set_phase(phase)

    assert scene.cancel(1) == ["end Canceled user_request, 5 dropped"]
    assert scene.set_phase(Phase.CONTINUOUS) == ["phase Continuous"]
    assert scene.trade_at(105) == []


def test_stop_can_be_reduced_and_keeps_its_place():
    scene = traded_at(100)
    for order_id in (1, 2):
        scene.buy(5, order_id=order_id, **stop(OrderType.STOP_MARKET, 105))

    assert scene.reduce(1, to=3) == ["reduce 1 by 2, 3 left"]
    assert scene.awaiting() == ["1:3", "2:5"]


def test_amended_stop_loses_its_place_and_keeps_its_extreme():
    scene = traded_at(100)
    for order_id in (1, 2):
        scene.sell(5, at=1, order_id=order_id, **trailing(500))
    scene.trade_at(102)

    assert scene.amend(1, to=6, at=1, extra=1) == ["amend to 6@1", "await from 102"]
    assert scene.awaiting() == ["2:5 from 102", "1:6 from 102"]
    assert scene.trade_at(96) == ["trigger 2 at 96", "trigger 1 at 96"]


def test_stop_that_market_orders_trigger_trades_with_what_they_left():
    scene = traded_at(100)
    scene.sell(1, order_id=1, **stop(OrderType.TAKE_PROFIT, 105))
    scene.fill_book("""
        ask 105 | 2:1
        bid 99  | 3:5
    """)

    assert scene.buy(1, **market())[-1] == "trigger 1 at 105"
    assert scene.enter_triggered() == ["enter 1", "trade 1@99 with 3, 4 left", "end Filled"]
