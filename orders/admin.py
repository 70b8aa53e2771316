"""Let operators look after markets and fees, and look at orders and the journal.

The law: a phase changes only by a journaled command, and what was asked or decided is only shown. Settings of a market
bump its rules_version (a trigger does), by which order intake and matching notice.
Phases and kill switches are orders/switchboard.py's.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.backoffice import ReadOnlyMixin, RecordAdmin, RecordInline, plain, show_amount, show_fields, show_owner
from accounts.errors import DomainError
from accounts.models import User
from orders.markets import create_market
from orders.models import (
    Command,
    DeadManSwitch,
    DisconnectLease,
    FeeRate,
    Market,
    MarketMakerProtection,
    MarketState,
    Order,
    choices,
    default_order_types,
)
from orders.protection import check_limits, remove_protection, reset_protection, set_protection
from orders.rules import rules_of_market
from orders.switchboard import PhasesAndKillSwitch, TraderAdmin
from orders.terms import OrderType

FIXED_BY_ORDERS = (show_amount("tick_size"), show_amount("lot_size"))


def _has_orders(market: Market) -> bool:
    return Order.objects.filter(market_id=market.id).exists()


class MarketForm(forms.ModelForm):
    order_types = forms.MultipleChoiceField(
        choices=choices(OrderType), initial=default_order_types, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Market
        fields = (
            "base", "quote", "tick_size", "lot_size", "order_types", "min_quantity", "max_quantity", "min_notional",
            "max_open_orders", "max_stop_orders", "max_iceberg_orders", "price_band", "protection_band", "reference_price",
            "volatility_band", "auction_band", "call_seconds", "call_random_seconds", "opens_at", "closes_at", "maker_fee",
            "taker_fee", "shard",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        decimals = [name for name, field in self.fields.items() if isinstance(field, forms.DecimalField)]
        for name in decimals:
            if self.initial.get(name) is not None:
                self.initial[name] = plain(self.initial[name])


admin.site.unregister(User)
admin.site.register(User, TraderAdmin)


@admin.register(Market)
class MarketAdmin(PhasesAndKillSwitch):
    """Look after markets."""

    form = MarketForm
    list_display = ("symbol", "phase", "tick_size", "lot_size", "maker_fee", "taker_fee", "price_band", "shard")
    list_select_related = ("state",)
    list_filter = ("shard",)
    search_fields = ("symbol",)
    ordering = ("symbol",)
    fieldsets = (
        (None, {"fields": ("base", "quote", "tick_size", "lot_size", "order_types")}),
        ("Sizes", {"fields": ("min_quantity", "max_quantity", "min_notional")}),
        ("Open orders", {"fields": ("max_open_orders", "max_stop_orders", "max_iceberg_orders")}),
        ("Prices", {"fields": ("price_band", "protection_band", "reference_price")}),
        ("Calls", {"fields": ("volatility_band", "auction_band", "call_seconds", "call_random_seconds")}),
        ("Hours", {"fields": ("opens_at", "closes_at")}),
        ("Fees", {"fields": ("maker_fee", "taker_fee")}),
        ("Operation", {"fields": ("shard", "phase", "rules_version", "fee_account", "created_at")}),
    )
    add_fieldsets = (*fieldsets[:-1], ("Operation", {"fields": ("shard",)}))

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return show_fields(Market, self.list_display)

    def get_fieldsets(self, request: HttpRequest, obj: Market | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not _has_orders(obj):
            return fieldsets
        (title, options), *rest = fieldsets
        return [(title, options | {"fields": ("base", "quote", *FIXED_BY_ORDERS, "order_types")}), *rest]

    def get_readonly_fields(self, request: HttpRequest, obj: Market | None = None) -> tuple[Any, ...]:
        if obj is None:
            return ()
        fixed = FIXED_BY_ORDERS if _has_orders(obj) else ()
        return ("base", "quote", *fixed, "phase", "rules_version", "fee_account", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: Market | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Market, form: Any, change: Any) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        rules = {name: value for name, value in form.cleaned_data.items() if name not in ("base", "quote")}
        created = create_market(symbol=f"{obj.base}/{obj.quote}", **rules)
        obj.pk = created.pk
        obj.refresh_from_db()

    @admin.display(description="phase")
    def phase(self, market: Market) -> str:
        return market.state.phase


@admin.register(MarketState)
class MarketStateAdmin(ReadOnlyMixin, ModelAdmin):
    """Look at where markets stand."""

    list_display = (
        "market",
        "phase",
        "call_ends_at",
        "indicative_price",
        "last_sequence",
        "last_price",
        "best_bid",
        "best_ask",
        "updated_at",
    )
    list_filter = ("phase",)
    list_select_related = ("market",)
    ordering = ("market__symbol",)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return show_fields(MarketState, self.list_display)


@admin.register(FeeRate)
class FeeRateAdmin(ModelAdmin):
    """Look after departures from the markets' fees. Orders keep the rates they were accepted with."""

    list_display = ("id", "account", "tier", "market", "maker_fee", "taker_fee")
    list_select_related = ("account", "market")
    list_filter = ("market", "tier")
    autocomplete_fields = ("account",)
    ordering = ("-id",)


class ProtectionForm(forms.ModelForm):
    class Meta:
        model = MarketMakerProtection
        fields = ("account", "market", "window_ms", "quantity_limit")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.initial.get("quantity_limit") is not None:
            self.initial["quantity_limit"] = plain(self.initial["quantity_limit"])

    def clean(self) -> dict[str, Any]:
        given = {**self.cleaned_data}
        market = given.get("market") or (self.instance.market if self.instance.pk else None)
        if market is not None and {"window_ms", "quantity_limit"} <= given.keys():
            try:
                check_limits(rules_of_market(market.id), given["window_ms"], given["quantity_limit"])
            except DomainError as error:
                for fault in error.errors:
                    self.add_error(fault.field, fault.message)
        return given


@admin.register(MarketMakerProtection)
class ProtectionAdmin(ModelAdmin):
    """Look after market makers' protections. Matching trips them."""

    form = ProtectionForm
    list_display = ("id", "account", show_owner, "market", "window_ms", show_amount("quantity_limit"), "tripped_at")
    list_select_related = ("account__user", "market")
    list_filter = ("market", ("tripped_at", EmptyFieldListFilter))
    search_fields = ("=account__id", "account__user__email")
    autocomplete_fields = ("account",)
    ordering = ("-id",)
    actions = ("reset",)

    def get_fields(self, request: HttpRequest, obj: MarketMakerProtection | None = None) -> tuple[str, ...]:
        return (
            "account",
            "market",
            "window_ms",
            "quantity_limit",
            *(("tripped_at", "tripped_sequence") if obj else ()),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: MarketMakerProtection | None = None) -> tuple[str, ...]:
        return ("account", "market", "tripped_at", "tripped_sequence") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: MarketMakerProtection | None = None) -> bool:
        # One by one only: a tripped one stays until it is reset.
        return obj is not None and obj.tripped_at is None and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: MarketMakerProtection, form: Any, change: Any) -> None:
        rules = rules_of_market(obj.market_id)
        obj.pk = set_protection(obj.account_id, rules, obj.window_ms, obj.quantity_limit).pk

    def delete_model(self, request: HttpRequest, obj: MarketMakerProtection) -> None:
        remove_protection(obj.account_id, rules_of_market(obj.market_id))

    @admin.action(description="Reset: take flagged orders again", permissions=["change"])
    def reset(self, request: HttpRequest, queryset: QuerySet[MarketMakerProtection]) -> None:
        protections = list(queryset.select_related("market"))
        for protection in protections:
            rules = rules_of_market(protection.market_id)
            _, command_id = reset_protection(protection.account_id, rules, by=request.user.get_username())
            self.log_change(request, protection, f"Asked for a reset, command {command_id}.")
        message = f"Asked for {len(protections)} resets. They take effect once matching has taken them."
        self.message_user(request, message)


@admin.register(DeadManSwitch)
class DeadManSwitchAdmin(ReadOnlyMixin, ModelAdmin):
    """Look at whose orders end when."""

    list_display = ("account", show_owner, "expires_at")
    list_select_related = ("account__user",)
    ordering = ("expires_at",)


@admin.register(DisconnectLease)
class DisconnectLeaseAdmin(ReadOnlyMixin, ModelAdmin):
    """Look at whose orders end when their socket is cut."""

    list_display = ("id", "account", show_owner, "expires_at")
    list_select_related = ("account__user",)
    ordering = ("expires_at",)


class CommandInline(RecordInline):
    model = Command
    fields = ("id", "kind", "sequence", "accepted_at", "processed_at", "events")


@admin.register(Order)
class OrderAdmin(RecordAdmin):
    """Look at orders."""

    list_display = (
        "id",
        show_owner,
        "market",
        "side",
        "order_type",
        "time_in_force",
        "price",
        "stop_price",
        "quantity",
        "filled_quantity",
        "status",
        "reason",
        "client_order_id",
        "created_at",
    )  # fmt: skip
    list_filter = ("market", "status", "side", "order_type", "time_in_force")
    list_select_related = ("account__user", "market")
    account_keys = ("account_id",)
    text_keys = ("client_order_id",)
    search_help_text = "Order id, client order id or e-mail address; several words must all match."
    hidden_fields = ("request_digest",)
    inlines = (CommandInline,)


class PendingFilter(SimpleListFilter):
    """Tell what waits for matching from what it has taken."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Pending"), ("taken", "Taken")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Command]) -> QuerySet[Command]:
        return queryset if self.value() is None else queryset.filter(sequence__isnull=self.value() == "pending")


@admin.register(Command)
class CommandAdmin(RecordAdmin):
    """Look at the journal."""

    list_display = ("id", "market", "sequence", "kind", "order_id", "account", "payload", "accepted_at", "processed_at")
    list_filter = (PendingFilter, "market", "kind")
    list_select_related = ("account", "market")
    number_keys = ("id", "order_id")
    search_help_text = "Command id or order id."
