"""Let operators approve and reject deposits and withdrawals in the back office.

The law: each decision needs its own permission, is logged with whoever made it, and is made by accounts/funding.py; what that
refuses is shown, and keeps no other request of the same action from being decided.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import funding
from accounts.asking import ask_first
from accounts.backoffice import RecordAdmin, RecordField, back_to, plain, show_owner
from accounts.errors import DomainError
from accounts.models import REASON_LENGTH_MAX, FundingRequest, RequestStatus

AT_ONCE_MAX = 100
Decision = Callable[[int], FundingRequest]


class RejectionForm(BaseDialogForm):
    reason = forms.CharField(
        max_length=REASON_LENGTH_MAX, widget=UnfoldAdminTextInputWidget, help_text="The trader is shown it."
    )


class RequestAdmin(RecordAdmin):
    """Look at what traders have asked for, and decide it."""

    list_display: Sequence[RecordField] = (
        "id",
        "status",
        "account",
        show_owner,
        "amount",
        "asset",
        "reason",
        "created_at",
        "decided_by",
    )
    list_filter = ("status", "asset")
    list_select_related = ("account__user", "asset", "decided_by")
    account_keys = ("account_id",)
    search_help_text = "Its id or an e-mail address."
    actions = ("approve", "reject")
    actions_detail = ("approve_this", "reject_this")

    def do_approve(self, request_id: int, *, by: Any) -> FundingRequest:
        raise NotImplementedError

    def do_reject(self, request_id: int, *, by: Any, reason: str) -> FundingRequest:
        raise NotImplementedError

    def has_approve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, "approve", object_id)

    def has_reject_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, "reject", object_id)

    def _may(self, request: HttpRequest, verb: str, object_id: Any) -> bool:
        """A decided one shows no buttons; whoever still posts to it is told what it is."""
        if object_id is not None and request.method == "GET":
            pending = self.model.objects.filter(pk=object_id, status=RequestStatus.PENDING)
            if not pending.exists():
                return False
        return request.user.has_perm(f"accounts.{verb}_{self.opts.model_name}")

    @admin.action(description="Approve", permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[FundingRequest]) -> None:
        self._approve(request, self._selected(request, queryset))

    @admin.action(description="Reject, for a reason", permissions=["reject"])
    def reject(self, request: HttpRequest, queryset: QuerySet[FundingRequest]) -> HttpResponse | None:
        rows = self._selected(request, queryset)
        if not rows:
            return None

        def do(reason: str) -> None:
            self._reject(request, rows, reason)

        effect = "These are rejected, and their traders are shown the reason. What a withdrawal holds is free again."
        return ask_first(self, request, rows, action="reject", effect=effect, button="Reject", do=do)

    @action(
        description="Approve",
        permissions=["approve"],
        dialog={
            "title": "Approve",
            "description": "The funds move at once. A transfer is final.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Approve",
        },
    )
    def approve_this(self, request: HttpRequest, _form: BaseDialogForm, object_id: int) -> HttpResponse:
        self._approve(request, self.model.objects.filter(pk=object_id))
        return back_to(request, self.model, object_id)

    @action(
        description="Reject",
        permissions=["reject"],
        dialog={
            "title": "Reject",
            "description": "What a withdrawal holds is free again.",
            "form_class": RejectionForm,
            "form_submit_text": "Reject",
        },
    )
    def reject_this(self, request: HttpRequest, form: RejectionForm, object_id: int) -> HttpResponse:
        self._reject(request, self.model.objects.filter(pk=object_id), form.cleaned_data["reason"])
        return back_to(request, self.model, object_id)

    def _approve(self, request: HttpRequest, rows: Iterable[FundingRequest]) -> None:
        self._decide(request, rows, "Approved", lambda pk: self.do_approve(pk, by=request.user))

    def _reject(self, request: HttpRequest, rows: Iterable[FundingRequest], reason: str) -> None:
        self._decide(request, rows, "Rejected", lambda pk: self.do_reject(pk, by=request.user, reason=reason))

    def _decide(self, request: HttpRequest, rows: Iterable[FundingRequest], done: str, decide: Decision) -> None:
        for row in rows:
            try:
                row = decide(row.pk)
            except DomainError as error:
                self.message_user(request, f"{row}: {error.detail}", messages.ERROR)
            else:
                what = f"{plain(row.amount):f} {row.asset}" + (f": {row.reason}" if row.reason else "")
                self.log_change(request, row, f"{done} {what}")
                self.message_user(request, f"{done} {row}, {what}", messages.SUCCESS)

    def _selected(self, request: HttpRequest, queryset: QuerySet[FundingRequest]) -> list[FundingRequest]:
        """Return those selected, oldest first; none where they are too many for a request's time."""
        rows = list(queryset.select_related("asset").order_by("id")[: AT_ONCE_MAX + 1])
        if len(rows) > AT_ONCE_MAX:
            self.message_user(request, f"At most {AT_ONCE_MAX} at once.", messages.ERROR)
            return []
        return rows


class DepositAdmin(RequestAdmin):
    """Decide about what traders say that they have sent."""

    do_approve: ClassVar[Any] = staticmethod(funding.approve_deposit)
    do_reject: ClassVar[Any] = staticmethod(funding.reject_deposit)


class WithdrawalAdmin(RequestAdmin):
    """Decide about what traders want to be sent."""

    list_display = (*RequestAdmin.list_display[:6], "destination", *RequestAdmin.list_display[6:])
    do_approve: ClassVar[Any] = staticmethod(funding.approve_withdrawal)
    do_reject: ClassVar[Any] = staticmethod(funding.reject_withdrawal)
