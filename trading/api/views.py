"""Serve what happened: public market data, and a trader's own fills.

The law: a view reads the request, makes one call and renders. Public views look at no credentials, so nothing in them
can depend on who asks.
Reading is trading/selectors.py and trading/candles.py; streams are trading/feed.py's.
"""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import trader_of
from accounts.api.lists import ListView
from accounts.api.schema import ID, TIME, between, problems, query
from accounts.bodies import BodyReader, integer_reader, read_id, text_reader
from accounts.times import read_time, render_time
from orders.api.symbols import SYMBOL_PARAMETER
from orders.rules import rules_of_market, rules_of_symbol
from orders.selectors import own_order
from trading import selectors
from trading.api import serializers
from trading.api.intervals import read_interval
from trading.api.rendering import (
    render_auction,
    render_book,
    render_candle,
    render_fill,
    render_history,
    render_prevention,
    render_ticker,
    render_trade,
)
from trading.candles import read_candles
from trading.intervals import CandleInterval
from trading.streams.depth import read_depth

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
LIMIT = between(1, LIMIT_MAX, default=LIMIT_DEFAULT)
_read_limit = integer_reader(1, LIMIT_MAX)
_read_symbol = text_reader(40)


class BookView(APIView):
    """A market's price levels, best first, at one sequence."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="get_book",
        tags=["markets"],
        parameters=[
            SYMBOL_PARAMETER,
            query("depth", "Levels a side.", schema=LIMIT),
        ],
        responses={200: serializers.BookSerializer, **problems(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        rules = rules_of_symbol(symbol)
        reader = BodyReader(request.query_params.dict())
        depth = reader.optional("depth", _read_limit) or LIMIT_DEFAULT
        reader.raise_faults()
        return Response(render_book(read_depth(rules, depth), rules))


class AuctionView(APIView):
    """What a market's call would give if it ended now."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="get_auction",
        tags=["markets"],
        parameters=[SYMBOL_PARAMETER],
        responses={200: serializers.AuctionSerializer, **problems(404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        rules = rules_of_symbol(symbol)
        return Response(render_auction(selectors.read_auction(rules.market_id), rules))


class TradesView(APIView):
    """A market's trades, newest first."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="list_trades",
        tags=["markets"],
        parameters=[
            SYMBOL_PARAMETER,
            query("limit", "How many at most.", schema=LIMIT),
            query("before", "Only trades with a lower id.", schema=ID),
        ],
        responses={200: serializers.TradesSerializer, **problems(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        rules = rules_of_symbol(symbol)
        reader = BodyReader(request.query_params.dict())
        limit = reader.optional("limit", _read_limit) or LIMIT_DEFAULT
        before = reader.optional("before", read_id)
        reader.raise_faults()
        trades = selectors.trades_of_market(rules.market_id, before=before, limit=limit)
        return Response({"results": [render_trade(trade, rules) for trade in trades]})


class CandlesView(APIView):
    """A market's prices and volumes by interval, oldest first and without gaps."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="list_candles",
        tags=["markets"],
        parameters=[
            SYMBOL_PARAMETER,
            query("interval", f"Default {CandleInterval.MINUTE}.", enum=[str(interval) for interval in CandleInterval]),
            query(
                "start", "From the first that opens at this time or later. Without it: the last so many.", schema=TIME
            ),
            query(
                "end",
                "Up to the last that opens at this time or before; default now, with the running one.",
                schema=TIME,
            ),
            query("limit", "How many at most.", schema=LIMIT),
        ],
        responses={200: serializers.CandlesSerializer, **problems(400, 404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        rules = rules_of_symbol(symbol)
        reader = BodyReader(request.query_params.dict())
        interval = reader.optional("interval", read_interval) or CandleInterval.MINUTE
        start, end = reader.optional("start", read_time), reader.optional("end", read_time)
        limit = reader.optional("limit", _read_limit) or LIMIT_DEFAULT
        if start is not None and end is not None and start > end:
            message = "start must not be after end."
            reader.refuse("start", "invalid_value", message, limit=render_time(end), value=render_time(start))
        reader.raise_faults()
        candles = read_candles(rules.market_id, interval, start=start, end=end, limit=limit)
        return Response({"results": [render_candle(candle, rules) for candle in candles]})


class TickerView(APIView):
    """A market's last 24 hours."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="get_ticker",
        tags=["markets"],
        parameters=[SYMBOL_PARAMETER],
        responses={200: serializers.TickerSerializer, **problems(404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        rules = rules_of_symbol(symbol)
        (ticker,) = selectors.read_tickers(rules.market_id)
        return Response(render_ticker(ticker, rules))


class TickersView(APIView):
    """Every market's last 24 hours."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="list_tickers", tags=["markets"], responses={200: serializers.TickersSerializer, **problems(503)}
    )
    def get(self, request: Request) -> Response:
        tickers = selectors.read_tickers()
        return Response({"results": [render_ticker(ticker, rules_of_market(ticker.market_id)) for ticker in tickers]})


class FillsView(ListView):
    """The caller's sides of trades, newest first."""

    serializer_class = serializers.FillSerializer

    @extend_schema(
        operation_id="list_fills",
        tags=["orders"],
        parameters=[query("symbol", "Only this market."), query("order_id", "Only this order.", schema=ID)],
        responses={200: serializers.FillSerializer(many=True), **problems(400, 401, 403, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        reader = BodyReader(request.query_params.dict())
        symbol = reader.optional("symbol", _read_symbol)
        order_id = reader.optional("order_id", read_id)
        reader.raise_faults()
        market_id = None if symbol is None else rules_of_symbol(symbol).market_id
        select = partial(selectors.fills_of, trader_of(request).account_id, market_id=market_id, order_id=order_id)
        return self.answer_page(request, select, lambda fill: render_fill(fill, rules_of_market(fill.market_id)))


class PreventionsView(ListView):
    """Trades with themselves that the caller was kept from, newest first."""

    serializer_class = serializers.PreventionSerializer

    @extend_schema(
        operation_id="list_preventions",
        tags=["orders"],
        responses={200: serializers.PreventionSerializer(many=True), **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        select = partial(selectors.preventions_of, trader_of(request).account_id)
        return self.answer_page(request, select, lambda row: render_prevention(row, rules_of_market(row.market_id)))


class OrderEventsView(APIView):
    """The life of one of the caller's orders, oldest first: what was asked, and what the engine made of it."""

    @extend_schema(
        operation_id="list_order_events",
        tags=["orders"],
        responses={200: serializers.HistorySerializer, **problems(400, 401, 403, 404, 503)},
    )
    def get(self, request: Request, order_id: int) -> Response:
        order = own_order(trader_of(request).account_id, order_id)
        rules = rules_of_market(order.market_id)
        history = selectors.read_history(order)
        return Response({"results": [render_history(entry, order.id, rules) for entry in history]})
