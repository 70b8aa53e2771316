"""Describe the shapes of accounts/api for the OpenAPI schema.

The law: these serializers document; they neither read nor check (accounts/bodies.py does) nor write (rendering.py
does). A test holds each equal to what the views answer.
"""

from rest_framework import serializers

from accounts.errors import STATUS_OF_CODE
from accounts.models import AccountStatus, TransferKind


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
    email = serializers.EmailField()
    password = serializers.CharField()


class RegistrationSerializer(serializers.Serializer):
    user_id = serializers.IntegerField()
    account_id = serializers.IntegerField()
    email = serializers.EmailField()


class TokenRequestSerializer(serializers.Serializer):
    email = serializers.EmailField()
    password = serializers.CharField()
    otp = serializers.CharField(required=False, allow_null=True, help_text="Must be absent or null.")


class TokensSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()


class RefreshRequestSerializer(serializers.Serializer):
    refresh = serializers.CharField()


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
