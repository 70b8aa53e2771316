"""Attack the rules of the ledger, of deposits and withdrawals, and of API keys in the database."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from accounts.ledger import outside_world
from accounts.models import (
    OUTSIDE_WORLD_ID,
    Account,
    AccountEvent,
    AccountKind,
    AccountStream,
    ApiKey,
    Asset,
    Balance,
    Deposit,
    FundingRequest,
    SignInPlace,
    Transfer,
    User,
    Withdrawal,
)
from accounts.tests.attacks import NAN, refuse_all, truncate, unattacked
from accounts.tests.builders import make_asset, make_trader, make_user

pytestmark = pytest.mark.django_db


def _transfer(**changes: object) -> Transfer:
    trader = Account.objects.get(kind=AccountKind.TRADER)
    values = {
        "asset": Asset.objects.get(code="USD"), "debit_account": outside_world(), "credit_account": trader,
        "amount": Decimal(1), "kind": "correction",
    }  # fmt: skip
    return Transfer.objects.create(**(values | changes))


def _paid_outside(kind: str) -> Transfer:
    return _transfer(kind=kind, trade_id=1, debit_account=_somebody_else(), credit_account=outside_world())


def _withdrawn(**changes: object) -> Transfer:
    values = {"kind": "withdrawal", "debit_account": TRADERS.get(), "credit_account": outside_world()}
    return _transfer(**(values | changes))


def _somebody_else() -> Account:
    return Account.objects.create(kind=AccountKind.FEES)


def _event(**changes: object) -> AccountEvent:
    values = {"account": TRADERS.get(), "sequence": 2, "channel": "balances", "payload": "[]"}
    return AccountEvent.objects.create(**(values | changes))


def _same_balance() -> dict[str, object]:
    balance = OF_TRADERS.get()
    return {"account_id": balance.account_id, "asset_id": balance.asset_id}


def _place() -> SignInPlace:
    return SignInPlace.objects.create(user=TRADERS.get().user, digest="d")


def _key(**changes: object) -> ApiKey:
    values = {"account": TRADERS.get(), "name": "bot", "key": "k" * 32, "scopes": ["read"], "sealed_secret": b"sealed"}
    return ApiKey.objects.create(**(values | changes))


def _request(model: type[FundingRequest], **changes: object) -> FundingRequest:
    values = {"account": TRADERS.get(), "asset": Asset.objects.get(code="USD"), "amount": Decimal(1)}
    if model is Withdrawal:
        values["destination"] = "IBAN 1"
    return model.objects.create(**(values | changes))


def _decided(model: type[FundingRequest], **changes: object) -> FundingRequest:
    values = {"status": "Completed", "decided_at": Now(), "decided_by": User.objects.get(), "transfer": _transfer()}
    return _request(model, **(values | changes))


def _requested(model: type[FundingRequest], decided: bool = False):
    row = (_decided if decided else _request)(model)
    return model.objects.filter(id=row.id)


def _settled_twice(model: type[FundingRequest]) -> FundingRequest:
    return _decided(model, transfer=_decided(model).transfer)


def _attacks_on(model: type[FundingRequest], table: str) -> list[tuple[str, Callable[[], object]]]:
    ended = {"transfer": None}
    return [
        (f"{table}_amount_positive", lambda: _request(model, amount=0)),
        (f"{table}_amount_positive", lambda: _request(model, amount=-1)),
        (f"{table}_number", lambda: _request(model, amount=NAN)),
        (f"{table}_status", lambda: _request(model, status="Lost", decided_at=Now())),
        (f"{table}_completed_moves", lambda: _decided(model, transfer=None)),
        (f"{table}_completed_moves", lambda: _decided(model, status="Rejected", reason="no")),
        (f"{table}_completed_moves", lambda: _request(model, transfer=_transfer())),
        (f"{table}_decided", lambda: _decided(model, decided_at=None)),
        (f"{table}_decided", lambda: _request(model, decided_at=Now())),
        (f"{table}_decided_by", lambda: _decided(model, decided_by=None)),
        (f"{table}_decided_by", lambda: _decided(model, **ended, status="Rejected", reason="no", decided_by=None)),
        (f"{table}_decided_by", lambda: _decided(model, **ended, status="Canceled")),
        (f"{table}_decided_by", lambda: _request(model, decided_by=User.objects.get())),
        (f"{table}_rejected_for_a_reason", lambda: _decided(model, **ended, status="Rejected")),
        (f"{table}_rejected_for_a_reason", lambda: _request(model, reason="why not")),
        (f"{table}_transfer_id_key", lambda: _settled_twice(model)),
        (f"{table}_are_decided_once", lambda: _requested(model, decided=True).update(updated_at=Now())),
        (f"{table}_are_decided_once", lambda: _requested(model, decided=True).update(**CANCELED)),
        (f"{table}_are_decided_once", lambda: _requested(model).update(amount=2)),
        (f"{table}_are_decided_once", lambda: _requested(model).update(account=_somebody_else())),
        (f"{table}_are_decided_once", lambda: _requested(model).update(asset=make_asset("EUR"))),
        (f"{table}_are_decided_once", lambda: _requested(model).update(created_at=Now() - timedelta(days=1))),
        (f"{table}_stay", lambda: _requested(model).delete()),
        (f"{table}_are_not_truncated", lambda: truncate(table)),
    ]


CANCELED = {"status": "Canceled", "decided_by": None, "transfer": None}
ED25519 = {"kind": "Ed25519", "sealed_secret": None, "public_key": b"p" * 32}
TRADERS = Account.objects.filter(kind=AccountKind.TRADER)
OF_TRADERS = Balance.objects.exclude(account_id=OUTSIDE_WORLD_ID)
OF_OUTSIDE = Balance.objects.filter(account_id=OUTSIDE_WORLD_ID)
PAID = ("trade", "fee")

ATTACKS: list[tuple[str, Callable[[], object]]] = [
    ("users_email_lower", lambda: User.objects.update(email="Trader@example.com")),
    ("accounts_kind", lambda: TRADERS.update(kind="bank")),
    ("accounts_status", lambda: TRADERS.update(status="closed")),
    ("accounts_trader_has_user", lambda: TRADERS.update(user=None)),
    ("accounts_trader_has_user", lambda: Account.objects.create(kind="fees", user=make_user())),
    ("accounts_outside_is_one", lambda: Account.objects.create(kind="outside")),
    ("accounts_outside_is_one", lambda: Account.objects.filter(kind="outside").update(kind="fees")),
    ("assets_scale", lambda: Asset.objects.update(scale=19)),
    ("assets_scale", lambda: Asset.objects.update(scale=-1)),
    ("assets_code", lambda: Asset.objects.update(code="usd")),
    ("assets_code", lambda: Asset.objects.update(code="")),
    ("accounts_keep_their_owner", lambda: TRADERS.update(user=make_user())),
    ("assets_keep_their_scale", lambda: Asset.objects.update(scale=9)),
    ("assets_keep_their_scale", lambda: Asset.objects.update(code="EUR")),
    ("balances_account_asset", lambda: Balance.objects.create(**_same_balance())),
    ("balances_available_not_negative", lambda: OF_TRADERS.update(available=Decimal("-0.00000001"))),
    ("balances_held_not_negative", lambda: OF_TRADERS.update(held=-1)),
    ("balances_held_not_negative", lambda: Balance.objects.filter(account_id=OUTSIDE_WORLD_ID).update(held=-1)),
    ("balances_numbers", lambda: OF_TRADERS.update(available=NAN)),
    ("balances_numbers", lambda: OF_TRADERS.update(held=NAN)),
    ("balances_outside_world_owes", lambda: OF_OUTSIDE.update(available=1)),
    ("balances_outside_world_owes", lambda: OF_OUTSIDE.update(held=1)),
    ("balances_stay", lambda: Balance.objects.all().delete()),
    ("balances_keep_their_account", lambda: OF_TRADERS.update(account=_somebody_else())),
    ("balances_keep_their_account", lambda: OF_TRADERS.update(asset=make_asset("EUR"))),
    ("balances_are_not_truncated", lambda: truncate("balances")),
    ("transfers_amount_positive", lambda: _transfer(amount=0)),
    ("transfers_amount_positive", lambda: _transfer(amount=-1)),
    ("transfers_number", lambda: _transfer(amount=NAN)),
    ("transfers_two_accounts", lambda: _transfer(credit_account=outside_world())),
    ("transfers_kind", lambda: _transfer(kind="gift")),
    ("transfers_trade", lambda: _transfer(kind="deposit", trade_id=1)),
    *[("transfers_trade", lambda kind=kind: _transfer(kind=kind, debit_account=_somebody_else())) for kind in PAID],
    ("transfers_outside_world", lambda: _transfer(kind="deposit", debit_account=_somebody_else())),
    *[("transfers_outside_world", lambda kind=kind: _transfer(kind=kind, trade_id=1)) for kind in PAID],
    *[("transfers_outside_world", lambda kind=kind: _paid_outside(kind)) for kind in PAID],
    ("transfers_are_not_truncated", lambda: truncate("transfers CASCADE")),
    ("transfers_are_final", lambda: Transfer.objects.update(amount=2)),
    ("transfers_are_final", lambda: Transfer.objects.update(reference="what it really was")),
    ("transfers_are_final", lambda: Transfer.objects.all().delete()),
    ("transfers_trade", lambda: _withdrawn(trade_id=1)),
    ("transfers_outside_world", lambda: _transfer(kind="withdrawal")),
    *_attacks_on(Deposit, "deposits"),
    *_attacks_on(Withdrawal, "withdrawals"),
    ("withdrawals_are_decided_once", lambda: _requested(Withdrawal).update(destination="IBAN 2")),
    ("withdrawals_destination", lambda: _request(Withdrawal, destination="")),
    ("withdrawals_destination", lambda: _request(Withdrawal, destination="IBAN\n1")),
    ("api_keys_name", lambda: _key(name="")),
    ("sign_in_places_user_digest", lambda: [_place(), _place()]),
    ("api_keys_key", lambda: _key(key="k" * 31)),
    ("api_keys_key", lambda: _key(key="k" * 31 + " ")),
    ("api_keys_scopes", lambda: _key(scopes=[])),
    ("api_keys_scopes", lambda: _key(scopes=["read", "admin"])),
    ("api_keys_scopes", lambda: _key(scopes=["read", None])),
    ("api_keys_scopes", lambda: _key(scopes=["read"] * 4)),
    ("api_keys_allowed_ips", lambda: _key(allowed_ips=["10.0.0.1"] * 51)),
    ("api_keys_secret_of_kind", lambda: _key(kind="RSA")),
    ("api_keys_secret_of_kind", lambda: _key(sealed_secret=None)),
    ("api_keys_secret_of_kind", lambda: _key(public_key=b"p" * 32)),
    ("api_keys_secret_of_kind", lambda: _key(kind="Ed25519")),
    ("api_keys_secret_of_kind", lambda: _key(**ED25519 | {"public_key": None})),
    ("api_keys_secret_of_kind", lambda: _key(**ED25519 | {"public_key": b"p" * 31})),
    ("api_keys_secret_of_kind", lambda: _key(**ED25519 | {"sealed_secret": b"sealed"})),
    ("account_streams_sequence", lambda: AccountStream.objects.create(account=_somebody_else(), last_sequence=-1)),
    ("account_streams_go_on", lambda: AccountStream.objects.update(last_sequence=0)),
    ("account_streams_go_on", lambda: AccountStream.objects.update(last_sequence=F("last_sequence"))),
    ("account_streams_go_on", lambda: AccountStream.objects.update(account=_somebody_else(), last_sequence=9)),
    ("account_streams_stay", lambda: AccountStream.objects.all().delete()),
    ("account_streams_are_not_truncated", lambda: truncate("account_streams")),
    ("account_events_pkey", lambda: _event(sequence=1)),
    ("account_events_sequence", lambda: _event(sequence=0)),
    ("account_events_channel", lambda: _event(channel="trades")),
    ("account_events_are_final", lambda: AccountEvent.objects.update(payload="[]")),
]
SAID = {
    "transfers_are_final": "in transfers: its rows are final",
    "transfers_are_not_truncated": "TRUNCATE of transfers: its rows stay",
    "balances_stay": r"DELETE \d+ in balances: its rows are final",
    "balances_keep_their_account": r"UPDATE \d+ in balances: its rows are final",
    "balances_are_not_truncated": "TRUNCATE of balances: its rows stay",
    **{
        rule: said
        for table in ("deposits", "withdrawals")
        for rule, said in (
            (f"{table}_are_decided_once", rf"UPDATE \d+ in {table}: its rows are final"),
            (f"{table}_stay", rf"DELETE \d+ in {table}: its rows are final"),
            (f"{table}_are_not_truncated", f"TRUNCATE of {table}: its rows stay"),
        )
    },
    "accounts_keep_their_owner": "keeps its owner",
    "assets_keep_their_scale": "keeps its code and scale",
    "account_streams_go_on": "UPDATE of account .* in account_streams: its sequence only goes on",
    "account_streams_stay": "DELETE of account .* in account_streams: its sequence only goes on",
    "account_streams_are_not_truncated": "TRUNCATE of account_streams: its rows stay",
    "account_events_are_final": "UPDATE of account .* in account_events: its sequence only goes on",
}
"""What the triggers say instead of their names."""


def test_the_database_refuses(subtests: pytest.Subtests) -> None:
    make_trader(funds={"USD": "100"})
    refuse_all(subtests, ATTACKS, lambda rule: SAID.get(rule, rule))


def test_a_key_with_what_its_kind_needs_is_taken() -> None:
    make_trader()
    _key()
    _key(key="p" * 32, **ED25519)
    assert ApiKey.objects.count() == 2


def test_requests_of_each_fate_are_taken() -> None:
    make_trader(funds={"USD": "100"})
    for model in (Deposit, Withdrawal):
        _request(model)
        _decided(model)
        _decided(model, status="Rejected", transfer=None, reason="no")
        _decided(model, status="Canceled", transfer=None, decided_by=None)
    _withdrawn()
    assert (Deposit.objects.count(), Withdrawal.objects.count()) == (4, 4)


def test_every_rule_is_attacked() -> None:
    assert unattacked("accounts", [rule for rule, _ in ATTACKS]) == set()


def test_the_outside_world_alone_may_be_negative() -> None:
    make_trader(funds={"USD": "100"})
    assert Balance.objects.get(account_id=OUTSIDE_WORLD_ID).available == -100


def test_no_trigger_stands_before_the_update_of_a_balance() -> None:
    """With one, each posting would lock and read its rows once more, and tests of stale snapshots would prove nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'balances'::regclass AND NOT tgisinternal"
            " AND tgtype & 1 = 1 AND tgtype & 2 = 2 AND tgtype & 16 = 16"
        )
        assert cursor.fetchall() == []
