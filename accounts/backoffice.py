"""Build the back office's pages of records.

The law: what is final is only shown, never changed from here, and no page of a big table scans it: a search is by
exact keys that are indexed, lists are by id, newest first, and no count goes beyond COUNT_MAX.
Each app's admin module says what its records show.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import User
from accounts.numbers import EXACT

COUNT_MAX = 10_000
ID_MAX = 2**63 - 1
RecordField = str | Callable[[Any], Any]


class BoundedPaginator(Paginator):
    """Count to COUNT_MAX and no further, so that neither count(*) nor OFFSET reads a huge table."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        # A list bounds its own length; a QuerySet must not be sorted just to be counted.
        return rows.order_by()[:COUNT_MAX].count() if isinstance(rows, QuerySet) else len(rows)


def plain(value: Decimal) -> Decimal:
    """Drop the zeros that numeric(36,18) pads with; never leaves an exponent."""
    return Decimal(f"{EXACT.normalize(value):f}")


@cache
def show_amount(name: str) -> Callable[[Any], str | None]:
    """Make the column that shows a decimal field without padding; always the same one, since forms compare them."""

    @admin.display(description=name.replace("_", " "))
    def shown(row: Any) -> str | None:
        value = getattr(row, name)
        return None if value is None else f"{plain(value):f}"

    return shown


def show_fields(model: type[models.Model], names: Sequence[RecordField]) -> list[RecordField]:
    """Put columns without padding in the place of decimal fields."""
    decimals = {field.name for field in model._meta.fields if isinstance(field, models.DecimalField)}
    return [show_amount(name) if name in decimals and isinstance(name, str) else name for name in names]


@admin.display(description="owner")
def show_owner(row: Any) -> str:
    """Show whose account a row names: the user's e-mail address, or what the venue's own account is called."""
    return str(row.account.user or row.account.name)


def back_to(request: HttpRequest, model: type[models.Model], object_id: Any) -> HttpResponse:
    """Lead from a dialog to a record's page. It posts by htmx, which would follow a redirect inside the dialog."""
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[object_id])
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": page})
    return HttpResponseRedirect(page)


class ReadOnlyMixin:
    """Let nobody add, change or delete."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ExactSearchMixin:
    """Search by e-mail address or exact keys; several words must all match."""

    number_keys: Sequence[str] = ("id",)
    account_keys: Sequence[str] = ()
    text_keys: Sequence[str] = ()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        for word in search_term.split():
            queryset = queryset.filter(self._meaning_of(word))
        return queryset, False

    def _meaning_of(self, word: str) -> Q:
        meaning = Q(pk__in=[])
        if "@" in word:
            user = User.objects.filter(email=word.lower()).first()
            accounts = [] if user is None else list(user.accounts.values_list("id", flat=True))
            for key in self.account_keys:
                meaning |= Q(**{f"{key}__in": accounts})
        if word.isascii() and word.isdigit() and int(word) <= ID_MAX:
            for key in self.number_keys:
                meaning |= Q(**{key: int(word)})
        for key in self.text_keys:
            meaning |= Q(**{key: word})
        return meaning


class RecordAdmin(ReadOnlyMixin, ExactSearchMixin, ModelAdmin):
    """Show records of a table that may be huge."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    hidden_fields: Sequence[str] = ()
    extra_fields: Sequence[str] = ()

    def get_list_display(self, request: HttpRequest) -> list[RecordField]:
        return show_fields(self.model, self.list_display)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[RecordField]:
        names = [field.name for field in self.model._meta.fields if field.name not in self.hidden_fields]
        return show_fields(self.model, [*names, *self.extra_fields])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[RecordField]:
        return self.get_fields(request, obj)


class RecordInline(ReadOnlyMixin, TabularInline):
    """Show the records that belong to another."""

    extra = 0
    show_change_link = True
    ordering = ("id",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[RecordField]:
        return self.fields
