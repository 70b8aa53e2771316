"""Let operators look after users, accounts, assets and API keys, and look at balances and the ledger.

The law: money moves only by accounts/ledger.py; here that is a deposit, and what accounts/deciding.py approves. Nobody is deleted: users are deactivated and
accounts frozen; only an API key may be, which revokes it. Nobody sees a key's secret. Only a superuser makes operators, touches others and says
what they may.
"""

from decimal import Decimal
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, BaseDialogForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.backoffice import BoundedPaginator, RecordAdmin, RecordInline, back_to, show_amount, show_owner
from accounts.deciding import DepositAdmin, WithdrawalAdmin
from accounts.errors import DomainError
from accounts.ledger import deposit
from accounts.models import (
    Account,
    AccountKind,
    AccountStatus,
    ApiKey,
    Asset,
    Balance,
    Deposit,
    Transfer,
    User,
    Withdrawal,
)
from accounts.numbers import parse_positive
from accounts.registration import follow_address, forget_wishes, open_account

# Operators sign in as everybody does, with a second factor if they have one. (A stub does not let a method be replaced.)
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]


def _change_password(_: HttpRequest, **_more: Any) -> HttpResponse:
    """Django's own form has no limit of guesses at the old password."""
    return redirect("account_change_password")


admin.site.password_change = _change_password  # type: ignore[method-assign, assignment]

# Tokens, sessions and authenticators are bookkeeping; nothing in them is for operators. Addresses are shown with their users.
admin.site.unregister([Group, OutstandingToken, BlacklistedToken, EmailAddress, Authenticator, UserSession])

admin.site.register(Deposit, DepositAdmin)
admin.site.register(Withdrawal, WithdrawalAdmin)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Name sets of permissions that operators share. Who may fill one that they are in, may everything."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)


class LowerCaseEmail(forms.ModelForm):
    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()


class NewUserForm(LowerCaseEmail, UserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


class UserForm(LowerCaseEmail, UserChangeForm):
    class Meta:
        model = User
        fields = ("email", "password", "is_active", "is_staff", "is_superuser", "groups", "user_permissions")
        field_classes: dict[str, type[forms.Field]] = {}


class PasswordForm(AdminPasswordChangeForm):
    def save(self, *arguments: Any, **options: Any) -> Any:
        user = super().save(*arguments, **options)
        forget_wishes(user)
        return user


class AccountInline(RecordInline):
    model = Account
    fields = ("id", "kind", "status", "fee_tier", "max_open_orders")


class EmailAddressInline(RecordInline):
    model = EmailAddress
    verbose_name_plural = "Addresses"
    fields = ("email", "verified", "primary")
    show_change_link = False


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Look after those who sign in."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    paginator = BoundedPaginator
    show_full_result_count = False
    list_display = ("email", "is_active", "is_staff", "is_superuser", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email",)
    ordering = ("-id",)
    sortable_by = ()
    readonly_fields = ("date_joined", "last_login")
    filter_horizontal = ("groups", "user_permissions")
    inlines = (AccountInline, EmailAddressInline)
    fieldsets = (
        (None, {"fields": ("email", "password", "is_active")}),
        ("Back office", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        powers = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*self.readonly_fields, *powers)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[type[RecordInline], ...]:
        return () if obj is None else self.inlines

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever gives another operator a password or an address, has what that one may."""
        other = obj is not None and (obj.is_superuser or obj.is_staff) and obj != request.user
        return (request.user.is_superuser or not other) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            open_account(obj)
        elif "email" in form.changed_data:
            follow_address(obj)


class DepositForm(BaseDialogForm):
    asset = forms.ModelChoiceField(Asset.objects.order_by("code"), widget=UnfoldAdminSelectWidget)
    amount = forms.CharField(max_length=40, widget=UnfoldAdminTextInputWidget)
    reference = forms.CharField(max_length=128, required=False, widget=UnfoldAdminTextInputWidget)

    def clean_amount(self) -> Decimal:
        try:
            return parse_positive("amount", self.cleaned_data["amount"])
        except DomainError as error:
            raise forms.ValidationError(error.detail) from None

    def clean(self) -> dict[str, Any]:
        asset, amount = self.cleaned_data.get("asset"), self.cleaned_data.get("amount")
        if asset is not None and amount is not None and amount != round(amount, asset.scale):
            self.add_error("amount", f"{asset} has at most {asset.scale} decimals.")
        return self.cleaned_data


class BalanceInline(RecordInline):
    model = Balance
    fields = ("asset", show_amount("available"), show_amount("held"))


class ApiKeyInline(RecordInline):
    model = ApiKey
    verbose_name_plural = "API keys"
    fields = ("key", "name", "kind", "scopes", "allowed_ips", "created_at", "last_used_at")


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    """Look after accounts. A trader's comes with the user, a market's fee account with the market."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_display = ("id", "user", "kind", "name", "status", "fee_tier", "max_open_orders", "created_at")
    list_filter = ("kind", "status")
    list_select_related = ("user",)
    search_fields = ("=id", "user__email", "name")
    search_help_text = "Id, or part of an e-mail address or name."
    ordering = ("-id",)
    sortable_by = ()
    fields = ("user", "kind", "name", "status", "fee_tier", "max_open_orders", "created_at")
    readonly_fields = ("user", "kind", "created_at")
    inlines = (BalanceInline, ApiKeyInline)
    actions = ("freeze", "activate")
    actions_detail = ("deposit",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        return False

    def has_deposit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("accounts.add_transfer")

    @admin.action(description="Freeze: no new orders", permissions=["change"])
    def freeze(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        self._set_status(request, queryset, AccountStatus.FROZEN)

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        self._set_status(request, queryset, AccountStatus.ACTIVE)

    def _set_status(self, request: HttpRequest, queryset: QuerySet[Account], status: AccountStatus) -> None:
        changed = list(queryset.filter(kind=AccountKind.TRADER).exclude(status=status))
        for account in changed:
            account.status = status
            account.save(update_fields=["status"])
            self.log_change(request, account, f"Status: {status.label}.")
        self.message_user(request, f"{len(changed)} traders' accounts are {status.label.lower()} now.")

    @action(
        description="Deposit",
        permissions=["deposit"],
        dialog={
            "title": "Deposit",
            "description": "Brings funds in from the outside world. A transfer is final.",
            "form_class": DepositForm,
            "form_submit_text": "Deposit",
        },
    )
    def deposit(self, request: HttpRequest, form: DepositForm, object_id: int) -> HttpResponse:
        account = Account.objects.get(id=object_id)
        asset, amount = form.cleaned_data["asset"], form.cleaned_data["amount"]
        try:
            if account.kind != AccountKind.TRADER:
                raise DomainError("forbidden", "Deposits are for traders' accounts.")
            deposit(account=account, asset=asset, amount=amount, reference=form.cleaned_data["reference"])
        except DomainError as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            self.log_change(request, account, f"Deposited {amount:f} {asset}.")
            self.message_user(request, f"Deposited {amount:f} {asset}.")
        return back_to(request, Account, object_id)


@admin.register(Asset)
class AssetAdmin(ModelAdmin):
    """Look after assets. Code and scale are fixed once somebody has a balance."""

    list_display = ("code", "name", "scale")
    search_fields = ("code", "name")
    ordering = ("code",)

    def get_readonly_fields(self, request: HttpRequest, obj: Asset | None = None) -> tuple[str, ...]:
        return ("code", "scale") if obj is not None and obj.balances.exists() else ()

    def has_delete_permission(self, request: HttpRequest, obj: Asset | None = None) -> bool:
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(RecordAdmin):
    """Look at API keys, and revoke them by deleting them."""

    list_display = ("id", "key", "name", "account", show_owner, "kind", "scopes", "created_at", "last_used_at")
    list_filter = ("kind",)
    list_select_related = ("account__user",)
    hidden_fields = ("sealed_secret", "public_key")
    account_keys = ("account_id",)
    text_keys = ("key",)
    search_help_text = "Key, its id, or e-mail address."

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return request.user.has_perm("accounts.delete_apikey")


@admin.register(Balance)
class BalanceAdmin(RecordAdmin):
    """Look at what accounts have."""

    list_display = ("id", "account", show_owner, "asset", "available", "held")
    list_filter = ("asset",)
    list_select_related = ("account__user", "asset")
    number_keys = ("id", "account_id")
    account_keys = ("account_id",)
    search_help_text = "E-mail address, account id or balance id."


@admin.register(Transfer)
class TransferAdmin(RecordAdmin):
    """Look at the ledger."""

    list_display = (
        "id",
        "kind",
        "amount",
        "asset",
        "debit_account",
        "credit_account",
        "trade_id",
        "reference",
        "created_at",
    )
    list_filter = ("kind", "asset")
    list_select_related = ("asset", "debit_account", "credit_account")
    account_keys = ("debit_account_id", "credit_account_id")
    search_help_text = "Transfer id or e-mail address."
