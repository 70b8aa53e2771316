"""Let operators look at trades, prevented self-trades, batches, and when the books were checked. The law: nothing here is changed."""

from django.contrib import admin

from accounts.backoffice import RecordAdmin
from trading.models import Batch, MaintenanceRun, Prevention, Trade


@admin.register(Trade)
class TradeAdmin(RecordAdmin):
    """Look at trades."""

    list_display = (
        "id",
        "market",
        "sequence",
        "side",
        "price",
        "quantity",
        "quote_amount",
        "maker_account",
        "taker_account",
        "executed_at",
    )  # fmt: skip
    list_filter = ("market", "side")
    list_select_related = ("market", "maker_account", "taker_account")
    number_keys = ("id", "maker_order_id", "taker_order_id")
    account_keys = ("maker_account_id", "taker_account_id")
    search_help_text = "Trade id, order id or e-mail address."


@admin.register(Prevention)
class PreventionAdmin(RecordAdmin):
    """Look at self-trades that were prevented."""

    list_display = (
        "id",
        "market",
        "sequence",
        "mode",
        "price",
        "quantity",
        "maker_order_id",
        "taker_order_id",
        "prevented_at",
    )
    list_filter = ("market", "mode")
    list_select_related = ("market",)
    number_keys = ("id", "maker_order_id", "taker_order_id")
    account_keys = ("maker_account_id", "taker_account_id")
    search_help_text = "Prevention id, order id or e-mail address."


@admin.register(Batch)
class BatchAdmin(RecordAdmin):
    """Look at what each commit settled."""

    list_display = (
        "id",
        "market",
        "first_sequence",
        "last_sequence",
        "trades",
        "engine_version",
        "hash_hex",
        "committed_at",
    )
    list_filter = ("market",)
    list_select_related = ("market",)
    search_help_text = "Batch id."
    hidden_fields = ("hash",)
    extra_fields = ("hash_hex",)

    @admin.display(description="hash")
    def hash_hex(self, batch: Batch) -> str:
        return bytes(batch.hash).hex()


@admin.register(MaintenanceRun)
class MaintenanceRunAdmin(RecordAdmin):
    """Look at when the books were checked and backed up, and what was found."""

    list_display = ("id", "kind", "started_at", "ended_at", "differences", "bytes")
    list_filter = ("kind",)
