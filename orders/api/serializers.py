"""Describe the shapes of orders/api for the OpenAPI schema.

The law: these serializers document; they neither read nor check (orders/requests.py does) nor write (rendering.py
does). Tests hold the views to them.
"""

from collections.abc import Iterable
from enum import StrEnum

from rest_framework import serializers

from accounts.api.serializers import ProblemSerializer
from orders import dead_man, protection
from orders.requests import TRAILING_OFFSET_MAX
from orders.terms import OrderStatus, OrderType, Phase, Reason, SelfTradePrevention, Side, TimeInForce


def terms(values: Iterable[StrEnum]) -> list[str]:
    return [str(value) for value in values]


DECIMAL = "A decimal."


class TimeSerializer(serializers.Serializer):
    now = serializers.DateTimeField()


class MarketSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    base = serializers.CharField()
    quote = serializers.CharField()
    tick_size = serializers.CharField(help_text=DECIMAL)
    lot_size = serializers.CharField(help_text=DECIMAL)
    min_quantity = serializers.CharField(allow_null=True, help_text="Null: no limit.")
    max_quantity = serializers.CharField(allow_null=True, help_text="Null: no limit.")
    min_notional = serializers.CharField(allow_null=True, help_text="Null: no limit.")
    price_band = serializers.CharField(allow_null=True, help_text="A fraction of the reference price. Null: no limit.")
    volatility_band = serializers.CharField(allow_null=True, help_text="A trade outside it begins a call instead.")
    auction_band = serializers.CharField(allow_null=True, help_text="A call whose price is outside it goes on.")
    opens_at = serializers.TimeField(allow_null=True, help_text="UTC, every day. Null: the market does not close.")
    closes_at = serializers.TimeField(allow_null=True, help_text="UTC. DAY orders end then, else at midnight.")
    maker_fee = serializers.CharField(help_text="A fraction of what is received.")
    taker_fee = serializers.CharField(help_text="A fraction of what is received.")
    phase = serializers.ChoiceField(terms(Phase))
    order_types = serializers.ListField(child=serializers.ChoiceField(terms(OrderType)))
    max_open_orders = serializers.IntegerField(allow_null=True, help_text="Per account. Null: no limit.")


class MarketsSerializer(serializers.Serializer):
    results = MarketSerializer(many=True)


class MarketFeesSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    maker_fee = serializers.CharField(help_text="A fraction of what is received.")
    taker_fee = serializers.CharField(help_text="A fraction of what is received.")


class FeesSerializer(serializers.Serializer):
    results = MarketFeesSerializer(many=True)


class NewOrderSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    side = serializers.ChoiceField(terms(Side))
    order_type = serializers.ChoiceField(terms(OrderType))
    quantity = serializers.CharField(required=False, allow_null=True, help_text=DECIMAL)
    quote_quantity = serializers.CharField(required=False, allow_null=True, help_text="Market Buy, not with quantity.")
    price = serializers.CharField(required=False, allow_null=True, help_text="The limit, of a type that has one.")
    stop_price = serializers.CharField(
        required=False, allow_null=True, help_text="Of a stop or take profit; where a TrailingStop begins to trail."
    )
    trailing_offset = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=TRAILING_OFFSET_MAX, help_text="In basis points."
    )
    display_quantity = serializers.CharField(
        required=False, allow_null=True, help_text="How much of it the book shows at a time."
    )
    time_in_force = serializers.ChoiceField(
        terms(TimeInForce), required=False, allow_null=True, help_text="GTC unless it is given; of a Market order IOC."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Of a GTD order.")
    post_only = serializers.BooleanField(required=False, allow_null=True)
    client_order_id = serializers.RegexField(r"^[A-Za-z0-9._:/-]{1,64}$", required=False, allow_null=True)
    self_trade_prevention = serializers.ChoiceField(terms(SelfTradePrevention), required=False, allow_null=True)
    market_maker_protection = serializers.BooleanField(required=False, allow_null=True)


class OrderSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    client_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    side = serializers.ChoiceField(terms(Side))
    order_type = serializers.ChoiceField(terms(OrderType))
    time_in_force = serializers.ChoiceField(terms(TimeInForce))
    post_only = serializers.BooleanField()
    self_trade_prevention = serializers.ChoiceField(terms(SelfTradePrevention))
    market_maker_protection = serializers.BooleanField()
    price = serializers.CharField(allow_null=True)
    stop_price = serializers.CharField(allow_null=True)
    trailing_offset = serializers.IntegerField(allow_null=True, help_text="In basis points.")
    quantity = serializers.CharField(allow_null=True, help_text="Null under quote_quantity.")
    quote_quantity = serializers.CharField(allow_null=True)
    display_quantity = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Of a GTD or DAY order.")
    filled_quantity = serializers.CharField()
    filled_quote = serializers.CharField()
    prevented_quantity = serializers.CharField(help_text="What would have traded with an own order (Decrement).")
    remaining_quantity = serializers.CharField(allow_null=True, help_text="Null under quote_quantity; 0 once ended.")
    average_price = serializers.CharField(allow_null=True, help_text="Rounded half-even to the quote's scale.")
    status = serializers.ChoiceField(terms(OrderStatus))
    reason = serializers.ChoiceField(terms(Reason), allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class OrderTestSerializer(serializers.Serializer):
    held_asset = serializers.CharField()
    held_amount = serializers.CharField()
    maker_fee = serializers.CharField()
    taker_fee = serializers.CharField()
    fee_asset = serializers.CharField()


class BatchRequestSerializer(serializers.Serializer):
    orders = NewOrderSerializer(many=True)


class BatchOutcomeSerializer(serializers.Serializer):
    order = OrderSerializer(required=False)
    error = ProblemSerializer(required=False)


class BatchSerializer(serializers.Serializer):
    results = BatchOutcomeSerializer(many=True, help_text="One an order, in order: order or error.")


class AmendmentSerializer(serializers.Serializer):
    quantity = serializers.CharField(required=False, allow_null=True, help_text="The new one, filled part included.")
    price = serializers.CharField(required=False, allow_null=True, help_text="The new limit price.")


class RequestedSerializer(serializers.Serializer):
    requested = serializers.IntegerField(help_text="How many orders were open.")


class CancelAfterSerializer(serializers.Serializer):
    timeout_seconds = serializers.IntegerField(
        min_value=0, max_value=dead_man.SECONDS_MAX, help_text="Each call starts the countdown anew; 0 turns it off."
    )


class CancelAfterAnswerSerializer(serializers.Serializer):
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When all open orders are canceled. Null: off.")


class ProtectionLimitsSerializer(serializers.Serializer):
    symbol = serializers.CharField()
    window_ms = serializers.IntegerField(min_value=1, max_value=protection.WINDOW_MS_MAX)
    quantity_limit = serializers.CharField(help_text="More than this filled within the window trips it.")


class ProtectionSerializer(ProtectionLimitsSerializer):
    tripped_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when flagged orders are refused. Null: they are not."
    )


class ProtectionsSerializer(serializers.Serializer):
    results = ProtectionSerializer(many=True)


class ProtectionResetSerializer(serializers.Serializer):
    symbol = serializers.CharField()
