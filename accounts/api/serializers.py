"""Describe the shapes of accounts/api for the OpenAPI schema.

The law: these serializers document; they neither read nor check (accounts/bodies.py does) nor write (rendering.py
does). A test holds each equal to what the views answer.
"""

from rest_framework import serializers

from accounts.errors import STATUS_OF_CODE
from accounts.models import (
    ALLOWED_IPS_MAX,
    DESTINATION_LENGTH_MAX,
    AccountStatus,
    ApiKeyKind,
    RequestStatus,
    Scope,
    TransferKind,
)
from accounts.registration import PASSWORD_LENGTH_MAX


class FieldErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    limit = serializers.JSONField(required=False, help_text="The limit that was passed, where there is one.")
    value = serializers.JSONField(required=False, help_text="The value that was got.")


class ProblemSerializer(serializers.Serializer):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.ChoiceField(sorted(STATUS_OF_CODE))
    detail = serializers.CharField()
    request_id = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]  # a serializer's own errors are not wanted here


class RegistrationRequestSerializer(serializers.Serializer):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(min_length=8, max_length=PASSWORD_LENGTH_MAX)


class RegistrationSerializer(serializers.Serializer):
    user_id = serializers.IntegerField()
    account_id = serializers.IntegerField()
    email = serializers.EmailField()


class TokenRequestSerializer(serializers.Serializer):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(min_length=1, max_length=PASSWORD_LENGTH_MAX)
    otp = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="With two-factor on: a code of the authenticator app, or an unused recovery code. Else absent or null.",
    )


class TokensSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()


class RefreshRequestSerializer(serializers.Serializer):
    refresh = serializers.CharField(min_length=1, max_length=4096)


class ApiKeyRequestSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=64)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), min_length=1)
    allowed_ips = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        allow_null=True,
        max_length=ALLOWED_IPS_MAX,
        help_text="IPv4 and IPv6 addresses and networks (CIDR) that it may be used from; none: any.",
    )
    kind = serializers.ChoiceField(ApiKeyKind.choices, required=False, allow_null=True, help_text="HMAC by default.")
    public_key = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="Of an Ed25519 key: your own, its 32 raw bytes in base64. Without it, a pair is made.",
    )


class ApiKeySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    key = serializers.CharField(help_text="What X-API-Key names it by.")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    allowed_ips = serializers.ListField(child=serializers.CharField())
    kind = serializers.ChoiceField(ApiKeyKind.choices)
    public_key = serializers.CharField(allow_null=True, help_text="Of an Ed25519 key: 32 raw bytes in base64.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")


class NewApiKeySerializer(ApiKeySerializer):
    secret = serializers.CharField(
        allow_null=True,
        help_text="Shown this once. HMAC: sign with its characters. Ed25519: the private key, 32 raw bytes (the seed) in base64;"
        " null if the public key was yours.",
    )


class ApiKeysSerializer(serializers.Serializer):
    results = ApiKeySerializer(many=True)


class LimitsSerializer(serializers.Serializer):
    max_open_orders = serializers.IntegerField(allow_null=True)


class AccountSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = serializers.EmailField()
    status = serializers.ChoiceField(AccountStatus.choices)
    fee_tier = serializers.IntegerField()
    limits = LimitsSerializer()


class BalanceSerializer(serializers.Serializer):
    asset = serializers.CharField()
    available = serializers.CharField()
    held = serializers.CharField()
    total = serializers.CharField()


class BalancesSerializer(serializers.Serializer):
    results = BalanceSerializer(many=True)


class LedgerEntrySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    asset = serializers.CharField()
    amount = serializers.CharField(help_text="Negative for what went out.")
    kind = serializers.ChoiceField(TransferKind.choices)
    reference = serializers.CharField(help_text="The trade's id, or a text.", allow_blank=True)
    created_at = serializers.DateTimeField()


class DepositRequestSerializer(serializers.Serializer):
    asset = serializers.CharField()
    amount = serializers.CharField(help_text="More than 0, with at most the asset's decimals.")


class WithdrawalRequestSerializer(DepositRequestSerializer):
    destination = serializers.CharField(
        max_length=DESTINATION_LENGTH_MAX, help_text="Where to send it: printable characters."
    )


class WithdrawalSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    asset = serializers.CharField()
    amount = serializers.CharField()
    status = serializers.ChoiceField(RequestStatus.choices)
    destination = serializers.CharField()
    reason = serializers.CharField(allow_null=True, help_text="Why it was rejected.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class DepositSerializer(WithdrawalSerializer):
    destination = serializers.CharField(allow_null=True, help_text="Always null.")
