"""Let operators look after markets and fees, and look at orders and the journal.

The law: a phase changes only by a journaled command, and what was asked or decided is only shown. Settings of a market
bump its rules_version (a trigger does), by which order intake notices.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.backoffice import ReadOnlyMixin, RecordAdmin, RecordInline, plain, show_amount, show_fields, show_owner
from orders.changes import ask_phase
from orders.markets import create_market
from orders.models import Command, FeeRate, Market, MarketState, Order, choices, default_order_types
from orders.terms import OrderType, Phase

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
            "max_open_orders", "price_band", "protection_band", "reference_price", "maker_fee", "taker_fee", "shard",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        decimals = [name for name, field in self.fields.items() if isinstance(field, forms.DecimalField)]
        for name in decimals:
            if self.initial.get(name) is not None:
                self.initial[name] = plain(self.initial[name])


@admin.register(Market)
class MarketAdmin(ModelAdmin):
    """Look after markets."""

    form = MarketForm
    list_display = ("symbol", "phase", "tick_size", "lot_size", "maker_fee", "taker_fee", "price_band", "shard")
    list_select_related = ("state",)
    list_filter = ("shard",)
    search_fields = ("symbol",)
    ordering = ("symbol",)
    actions = ("halt", "cancel_only", "resume")
    fieldsets = (
        (None, {"fields": ("base", "quote", "tick_size", "lot_size", "order_types")}),
        ("Limits", {"fields": ("min_quantity", "max_quantity", "min_notional", "max_open_orders")}),
        ("Prices", {"fields": ("price_band", "protection_band", "reference_price")}),
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

    @admin.action(description="Halt: no orders, no matching", permissions=["change"])
    def halt(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.HALTED)

    @admin.action(description="Cancel only: no new orders", permissions=["change"])
    def cancel_only(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.CANCEL_ONLY)

    @admin.action(description="Resume continuous trading", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.CONTINUOUS)

    def _ask_phase(self, request: HttpRequest, queryset: QuerySet[Market], phase: Phase) -> None:
        markets = list(queryset.order_by("symbol"))
        for market in markets:
            command_id = ask_phase(market, phase, reason="back office", by=request.user.get_username())
            self.log_change(request, market, f"Asked for phase {phase}, command {command_id}.")
        symbols = ", ".join(market.symbol for market in markets)
        self.message_user(request, f"Asked for phase {phase}: {symbols}. It takes effect once matching has taken it.")


@admin.register(MarketState)
class MarketStateAdmin(ReadOnlyMixin, ModelAdmin):
    """Look at where markets stand."""

    list_display = ("market", "phase", "last_sequence", "last_price", "best_bid", "best_ask", "updated_at")
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
        "price",
        "quantity",
        "filled_quantity",
        "status",
        "reason",
        "client_order_id",
        "created_at",
    )  # fmt: skip
    list_filter = ("market", "status", "side")
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
