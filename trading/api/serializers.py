"""Describe the shapes of trading/api for the OpenAPI schema.

The law: these serializers document; they neither read nor check nor write (rendering.py does).
Tests hold the views to them.
"""

from rest_framework import serializers

from orders.api.serializers import terms
from orders.terms import CommandKind, Phase, Reason, SelfTradePrevention, Side

LEVELS = "[price, quantity] of each level, best first."
LIQUIDITY = ["Maker", "Taker"]
EVENT_KINDS = [
    "rest", "park", "await", "trail", "trigger", "show", "trade", "prevent", "reduce", "amend", "refuse", "end",
]  # fmt: skip


class LevelField(serializers.ListField):
    child = serializers.CharField()

    def __init__(self) -> None:
        super().__init__(min_length=2, max_length=2)


class BookSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Of the last command the engine has taken.")
    bids = serializers.ListField(child=LevelField(), help_text=LEVELS)
    asks = serializers.ListField(child=LevelField(), help_text=LEVELS)


class AuctionSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    phase = serializers.ChoiceField(terms(Phase))
    indicative_price = serializers.CharField(allow_null=True, help_text="Null: nothing crosses, or there is no call.")
    indicative_volume = serializers.CharField(allow_null=True)
    surplus_side = serializers.ChoiceField(
        terms(Side), allow_null=True, help_text="Which side has more, at that price."
    )
    surplus = serializers.CharField(allow_null=True, help_text="By how much.")
    ends_at = serializers.DateTimeField(
        allow_null=True, help_text="Null: when an operator says so, or there is no call."
    )


class TradeSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    price = serializers.CharField()
    quantity = serializers.CharField()
    side = serializers.ChoiceField(terms(Side), help_text="The taker's.")
    executed_at = serializers.DateTimeField()
    sequence = serializers.IntegerField()


class TradesSerializer(serializers.Serializer):
    results = TradeSerializer(many=True)


class CandleField(serializers.ListField):
    """An array of eight: seven strings, then an integer, which OpenAPI 3.0 can only describe as any of them."""

    child = serializers.JSONField()

    def __init__(self) -> None:
        super().__init__(min_length=8, max_length=8)


class CandlesSerializer(serializers.Serializer):
    results = serializers.ListField(
        child=CandleField(), help_text="[open_time, open, high, low, close, volume, quote_volume, trades] of each."
    )


class TickerSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    last = serializers.CharField(allow_null=True, help_text="The last trade's price, however old.")
    bid = serializers.CharField(allow_null=True)
    ask = serializers.CharField(allow_null=True)
    open = serializers.CharField(allow_null=True, help_text="The first trade's price in the last 24 hours.")
    high = serializers.CharField(allow_null=True)
    low = serializers.CharField(allow_null=True)
    volume = serializers.CharField(help_text="In base.")
    quote_volume = serializers.CharField()
    change = serializers.CharField(allow_null=True, help_text="(last - open) / open, six decimals.")
    sequence = serializers.IntegerField()


class TickersSerializer(serializers.Serializer):
    results = TickerSerializer(many=True)


class FillSerializer(serializers.Serializer):
    trade_id = serializers.IntegerField()
    order_id = serializers.IntegerField()
    client_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    side = serializers.ChoiceField(terms(Side), help_text="The caller's.")
    liquidity = serializers.ChoiceField(LIQUIDITY)
    price = serializers.CharField()
    quantity = serializers.CharField()
    fee = serializers.CharField()
    fee_asset = serializers.CharField()
    executed_at = serializers.DateTimeField()


class PreventionSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    symbol = serializers.CharField()
    sequence = serializers.IntegerField()
    mode = serializers.ChoiceField(terms(SelfTradePrevention), help_text="The taker's.")
    price = serializers.CharField()
    quantity = serializers.CharField(help_text="What would have traded.")
    maker_order_id = serializers.IntegerField()
    taker_order_id = serializers.IntegerField()
    prevented_at = serializers.DateTimeField()


class HistoryEntrySerializer(serializers.Serializer):
    type = serializers.ChoiceField(["command", "event"])
    kind = serializers.ChoiceField([*terms(CommandKind), *EVENT_KINDS], help_text="reduce is both.")
    sequence = serializers.IntegerField(allow_null=True, help_text="Null while the engine has not taken it.")
    time = serializers.DateTimeField(help_text="When a command was accepted, or an event happened.")
    price = serializers.CharField(allow_null=True)
    quantity = serializers.CharField(allow_null=True, help_text="That rested, traded, was taken off or did not trade.")
    liquidity = serializers.ChoiceField(LIQUIDITY, allow_null=True)
    reason = serializers.ChoiceField(terms(Reason), allow_null=True)


class HistorySerializer(serializers.Serializer):
    results = HistoryEntrySerializer(many=True)
