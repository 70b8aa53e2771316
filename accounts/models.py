"""Model who trades, what they own, what they ask to bring in and take out, and the keys that their programs sign with.

The law: a Transfer takes from one account what it gives another, so every asset sums to zero over all accounts, the
outside world included; a Balance is the running sum of an account's transfers and is never negative for anybody but
the outside world. Rows of Transfer are inserted, never changed (a trigger holds that). What an account is told has its own
sequence, without a gap.
Only accounts/ledger.py writes Balance and Transfer, only accounts/funding.py Deposit and Withdrawal, only accounts/events.py
AccountStream and AccountEvent; only accounts/issuing.py makes keys; only accounts/places.py writes SignInPlace.
"""

import re
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Length, Lower, Now
from django.db.models.lookups import Exact, LessThan

AMOUNT_DIGITS = 36
AMOUNT_SCALE_MAX = 18
AMOUNT_LIMIT = Decimal(10) ** (AMOUNT_DIGITS - AMOUNT_SCALE_MAX)
"""The first amount that no column holds: numeric(36,18) has eighteen whole digits."""

OUTSIDE_WORLD_ID = 1

ALLOWED_IPS_MAX = 50

ASSET_CODE = re.compile(r"[A-Z0-9]{1,16}", re.ASCII)


class AmountField(models.DecimalField):
    """Hold an exact amount of some asset: numeric(36,18)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", AMOUNT_DIGITS)
        kwargs.setdefault("decimal_places", AMOUNT_SCALE_MAX)
        super().__init__(*args, **kwargs)


def numbers(*fields: str) -> Q | LessThan:
    """Build the condition of a CHECK constraint that keeps NaN out of amounts; PostgreSQL takes it for the greatest number.

    It passes over nulls. Every statement that writes to a table reads all of the table's conditions anew, so it is short.
    """
    if len(fields) == 1:
        return Q(**{f"{fields[0]}__lt": AMOUNT_LIMIT})
    return LessThan(Greatest(*fields), AMOUNT_LIMIT)


def one_of(field: str, values: Any) -> Q:
    """Build the condition of a CHECK constraint that allows just these values."""
    return Q(**{f"{field}__in": [str(value) for value in values]})


class ClockTimestamp(models.Func):
    """The time at this very moment; Now() is when the statement began, and it may have waited for a lock since."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in, by e-mail address (kept in lower case)."""

    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False, help_text="May sign in to the back office.")
    is_active = models.BooleanField(default=True, help_text="Clear this instead of deleting a user.")
    date_joined = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "users"
        constraints = [models.CheckConstraint(name="users_email_lower", condition=Q(email=Lower("email")))]

    def __str__(self) -> str:
        return self.email


class AccountKind(models.TextChoices):
    TRADER = "trader"
    FEES = "fees"
    OUTSIDE = "outside"


class AccountStatus(models.TextChoices):
    ACTIVE = "active"
    FROZEN = "frozen"


class Account(models.Model):
    """An owner of balances: a user's trading account, a market's fee account, or the outside world (always id 1)."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts")
    kind = models.CharField(max_length=10, choices=AccountKind, default=AccountKind.TRADER)
    status = models.CharField(max_length=10, choices=AccountStatus, default=AccountStatus.ACTIVE)
    name = models.CharField(max_length=64, blank=True)
    fee_tier = models.PositiveSmallIntegerField(default=0)
    max_open_orders = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "accounts"
        constraints = [
            models.CheckConstraint(name="accounts_kind", condition=one_of("kind", AccountKind.values)),
            models.CheckConstraint(name="accounts_status", condition=one_of("status", AccountStatus.values)),
            models.CheckConstraint(
                name="accounts_trader_has_user",
                condition=Q(kind="trader", user__isnull=False) | (~Q(kind="trader") & Q(user__isnull=True)),
            ),
            models.CheckConstraint(
                name="accounts_outside_is_one",
                condition=Q(kind="outside", id=OUTSIDE_WORLD_ID) | (~Q(kind="outside") & ~Q(id=OUTSIDE_WORLD_ID)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.name}".strip()


class Asset(models.Model):
    """Something that is owned in amounts, in whole units of 10^-scale."""

    code = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=64, blank=True)
    scale = models.PositiveSmallIntegerField(
        validators=[MaxValueValidator(AMOUNT_SCALE_MAX)], help_text="Decimal places of its smallest unit."
    )

    class Meta:
        db_table = "assets"
        constraints = [
            models.CheckConstraint(name="assets_scale", condition=Q(scale__gte=0, scale__lte=AMOUNT_SCALE_MAX)),
            models.CheckConstraint(name="assets_code", condition=Q(code__regex=r"^[A-Z0-9]{1,16}$")),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        """Name by field what the database would refuse, and keep the scale that stored amounts were checked against."""
        errors = {}
        if not ASSET_CODE.fullmatch(self.code):
            errors["code"] = f"Must be 1 to 16 of A-Z 0-9, got {self.code!r}."
        if self.pk is not None:
            stored = Asset.objects.get(pk=self.pk)
            if (stored.code, stored.scale) != (self.code, self.scale) and self.balances.exists():
                errors["scale"] = (
                    f"Code and scale are fixed once somebody has a balance: {stored.code}, {stored.scale}."
                )
        if errors:
            raise ValidationError(errors)


class Balance(models.Model):
    """What an account has of an asset: free to use (available), and set aside for its orders and withdrawals (held)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="balances", db_index=False)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="balances", db_index=False)
    available = AmountField(default=Decimal(0))
    held = AmountField(default=Decimal(0))

    class Meta:
        db_table = "balances"
        constraints = [
            models.UniqueConstraint(name="balances_account_asset", fields=["account", "asset"]),
            models.CheckConstraint(
                name="balances_available_not_negative", condition=Q(available__gte=0) | Q(account_id=OUTSIDE_WORLD_ID)
            ),
            models.CheckConstraint(name="balances_held_not_negative", condition=Q(held__gte=0)),
            models.CheckConstraint(name="balances_numbers", condition=numbers("available", "held")),
            models.CheckConstraint(
                name="balances_outside_world_owes",
                condition=~Q(account_id=OUTSIDE_WORLD_ID) | Q(available__lte=0, held=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.asset_id}"

    @property
    def total(self) -> Decimal:
        return self.available + self.held


class TransferKind(models.TextChoices):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRADE = "trade"
    FEE = "fee"
    CORRECTION = "correction"


RARE_TRANSFERS = ~Q(kind__in=[TransferKind.TRADE.value, TransferKind.FEE.value])
"""All but those of trades."""


class Transfer(models.Model):
    """An amount of an asset that left the debit account for the credit account.

    Settlement inserts four of these a trade, so the accounts and the asset carry no foreign key in the database: the
    balances they move do, and verify_integrity compares the two. A trade is named by its plain id.
    """

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, db_constraint=False, db_index=False)
    debit_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="debits"
    )
    credit_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="credits"
    )
    amount = AmountField()
    kind = models.CharField(max_length=12, choices=TransferKind)
    trade_id = models.BigIntegerField(null=True, blank=True)
    reference = models.CharField(max_length=128, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "transfers"
        indexes = [
            models.Index(name="transfers_debit", fields=["debit_account", "id"]),
            models.Index(name="transfers_credit", fields=["credit_account", "id"]),
            # What is rare among them, such as deposits, would else be looked for in all that an account has traded.
            models.Index(name="transfers_debit_rare", fields=["debit_account", "id"], condition=RARE_TRANSFERS),
            models.Index(name="transfers_credit_rare", fields=["credit_account", "id"], condition=RARE_TRANSFERS),
        ]
        constraints = [
            models.CheckConstraint(name="transfers_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(name="transfers_number", condition=numbers("amount")),
            models.CheckConstraint(name="transfers_two_accounts", condition=~Q(debit_account=F("credit_account"))),
            models.CheckConstraint(name="transfers_kind", condition=one_of("kind", TransferKind.values)),
            models.CheckConstraint(
                name="transfers_trade",
                condition=Q(kind__in=["trade", "fee"], trade_id__isnull=False)
                | Q(kind__in=["deposit", "withdrawal"], trade_id__isnull=True)
                | Q(kind="correction"),
            ),
            models.CheckConstraint(
                name="transfers_outside_world",
                condition=Q(kind="deposit", debit_account=OUTSIDE_WORLD_ID)
                | Q(kind="withdrawal", credit_account=OUTSIDE_WORLD_ID)
                | (
                    Q(kind__in=["trade", "fee"])
                    & ~Q(debit_account=OUTSIDE_WORLD_ID)
                    & ~Q(credit_account=OUTSIDE_WORLD_ID)
                )
                | Q(kind="correction"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class RequestStatus(models.TextChoices):
    """How a deposit or withdrawal stands. All but Pending are for good."""

    PENDING = "Pending", "Pending"
    COMPLETED = "Completed", "Completed"
    REJECTED = "Rejected", "Rejected"
    CANCELED = "Canceled", "Canceled"


DESTINATION_LENGTH_MAX = 256
REASON_LENGTH_MAX = 256
_BY_OPERATORS = [RequestStatus.COMPLETED.value, RequestStatus.REJECTED.value]


class FundingRequest(models.Model):
    """What a trader asks to bring in or take out, and what an operator made of it.

    It is decided once (a trigger holds that): completed or rejected by an operator, or canceled by its owner.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="%(class)ss", db_index=False)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+", db_index=False)
    amount = AmountField()
    status = models.CharField(max_length=9, choices=RequestStatus, default=RequestStatus.PENDING)
    reason = models.CharField(
        max_length=REASON_LENGTH_MAX, blank=True, db_default="", help_text="Why it was rejected; the trader sees it."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, help_text="The operator."
    )
    transfer = models.OneToOneField(
        Transfer, on_delete=models.PROTECT, null=True, related_name="+", help_text="What moved, once it is completed."
    )

    class Meta:
        abstract = True
        indexes = [
            models.Index(name="%(class)ss_account", fields=["account", "id"]),
            # There are few, and each change of a balance's hold is checked with those of its account.
            models.Index(name="%(class)ss_pending", fields=["account", "id"], condition=Q(status="Pending")),
        ]
        constraints = [
            models.CheckConstraint(name="%(class)ss_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(name="%(class)ss_number", condition=numbers("amount")),
            models.CheckConstraint(name="%(class)ss_status", condition=one_of("status", RequestStatus.values)),
            models.CheckConstraint(
                name="%(class)ss_completed_moves",
                condition=Q(status="Completed", transfer__isnull=False)
                | (~Q(status="Completed") & Q(transfer__isnull=True)),
            ),
            models.CheckConstraint(
                name="%(class)ss_decided",
                condition=Q(status="Pending", decided_at__isnull=True)
                | (~Q(status="Pending") & Q(decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="%(class)ss_decided_by",
                condition=Q(status__in=_BY_OPERATORS, decided_by__isnull=False)
                | (~Q(status__in=_BY_OPERATORS) & Q(decided_by__isnull=True)),
            ),
            models.CheckConstraint(
                name="%(class)ss_rejected_for_a_reason",
                condition=(Q(status="Rejected") & ~Q(reason="")) | (~Q(status="Rejected") & Q(reason="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class Deposit(FundingRequest):
    """An amount to be credited to the account once an operator has seen it come in."""

    class Meta(FundingRequest.Meta):
        db_table = "deposits"
        permissions = [
            ("approve_deposit", "Can approve deposits"),
            ("reject_deposit", "Can reject deposits"),
        ]


class Withdrawal(FundingRequest):
    """An amount to be sent away; its account holds it from the request on."""

    destination = models.CharField(max_length=DESTINATION_LENGTH_MAX)

    class Meta(FundingRequest.Meta):
        db_table = "withdrawals"
        permissions = [
            ("approve_withdrawal", "Can approve withdrawals"),
            ("reject_withdrawal", "Can reject withdrawals"),
        ]
        constraints = [
            *FundingRequest.Meta.constraints,
            models.CheckConstraint(
                name="withdrawals_destination", condition=Q(destination__regex=r"^[^\u0001-\u001f\u007f]+$")
            ),
        ]


class Scope(models.TextChoices):
    """What an API key may be used for."""

    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"


class ApiKeyKind(models.TextChoices):
    HMAC = "HMAC", "HMAC"
    ED25519 = "Ed25519"


class ApiKey(models.Model):
    """A key that a trader's programs sign their requests with.

    Nothing but `last_used_at` ever changes, and a revoked key's row is deleted: nothing refers to it, and what is not there
    cannot be used by mistake. An HMAC secret must be known to be checked, so it is kept sealed (accounts/vault.py).
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=64)
    key = models.CharField(max_length=32, unique=True, help_text="Its public name.")
    kind = models.CharField(max_length=8, choices=ApiKeyKind, default=ApiKeyKind.HMAC)
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope))
    allowed_ips = ArrayField(models.CharField(max_length=43), default=list, help_text="Empty: any.")
    sealed_secret = models.BinaryField(null=True)
    public_key = models.BinaryField(null=True, help_text="32 bytes.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To the minute.")

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(name="api_keys_name", condition=~Q(name="")),
            models.CheckConstraint(name="api_keys_key", condition=Q(key__regex=r"^[A-Za-z0-9_-]{32}$")),
            models.CheckConstraint(
                name="api_keys_scopes",
                condition=Q(scopes__contained_by=Scope.values, scopes__len__gte=1, scopes__len__lte=len(Scope.values)),
            ),
            models.CheckConstraint(name="api_keys_allowed_ips", condition=Q(allowed_ips__len__lte=ALLOWED_IPS_MAX)),
            # A CHECK passes where it is null, so what must be there is said to be.
            models.CheckConstraint(
                name="api_keys_secret_of_kind",
                condition=Q(kind="HMAC", sealed_secret__isnull=False, public_key__isnull=True)
                | (
                    Q(kind="Ed25519", sealed_secret__isnull=True, public_key__isnull=False)
                    & Q(Exact(Length("public_key"), 32))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.key}"


class NotificationSettings(models.Model):
    """What a user wants to be told of by e-mail. Without a row: all of it."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="notification_settings")
    money = models.BooleanField("Deposits and withdrawals", default=True)
    api_keys = models.BooleanField("API keys that are made or revoked", default=True)
    sign_ins = models.BooleanField("Sign-ins from a new address or browser", default=True)

    class Meta:
        db_table = "notification_settings"
        verbose_name_plural = "notification settings"

    def __str__(self) -> str:
        return f"of user {self.user_id}"


class SignInPlace(models.Model):
    """An address and browser from which a user has signed in, condensed. Only the latest are kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64)
    last_used_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "sign_in_places"
        constraints = [models.UniqueConstraint(name="sign_in_places_user_digest", fields=["user", "digest"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.digest[:8]}"


class Channel(models.TextChoices):
    ORDERS = "orders"
    FILLS = "fills"
    BALANCES = "balances"


class AccountStream(models.Model):
    """How many events an account has been told. The row appears with the first, and is the lock that orders them."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    last_sequence = models.BigIntegerField()

    class Meta:
        db_table = "account_streams"
        constraints = [models.CheckConstraint(name="account_streams_sequence", condition=Q(last_sequence__gte=0))]

    def __str__(self) -> str:
        return f"{self.account_id} at {self.last_sequence}"


class AccountEvent(models.Model):
    """What an account has been told: an array of orders, fills or balances in JSON, as the API shows them.

    Kept for some hours (accounts/events.py). A hot table: the account carries no foreign key in the database, and
    verify_integrity compares it with the streams.
    """

    pk = models.CompositePrimaryKey("account_id", "sequence")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    sequence = models.BigIntegerField()
    channel = models.CharField(max_length=8, choices=Channel)
    payload = models.TextField()
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        db_table = "account_events"
        indexes = [models.Index(name="account_events_created", fields=["created_at"])]
        constraints = [
            models.CheckConstraint(name="account_events_sequence", condition=Q(sequence__gt=0)),
            models.CheckConstraint(name="account_events_channel", condition=one_of("channel", Channel.values)),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.sequence} {self.channel}"
