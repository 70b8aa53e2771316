"""Balances and the ledger through the HTTP API."""

import csv
from decimal import Decimal
from io import StringIO

import pytest
from django.db import connection

from accounts.ledger import deposit
from accounts.models import Transfer
from accounts.selectors import _LEDGER
from accounts.tests.builders import make_asset, make_client, make_trader

pytestmark = pytest.mark.django_db


def test_balances_are_shown_with_the_asset_scale():
    make_asset("USD", scale=2)
    account = make_trader(funds={"USD": "1000.5", "BTC": "1"})
    account.balances.filter(asset__code="USD").update(available=Decimal(900), held=Decimal("100.5"))
    assert make_client(account).get("/api/v1/balances").json() == {
        "results": [
            {"asset": "BTC", "available": "1.00000000", "held": "0.00000000", "total": "1.00000000"},
            {"asset": "USD", "available": "900.00", "held": "100.50", "total": "1000.50"},
        ]
    }


def make_history():
    """Give an account five deposits, and a payment of 2 USD to another."""
    account, other = make_trader(), make_trader()
    usd = make_asset("USD", scale=2)
    for amount in range(1, 6):
        deposit(account=account, asset=usd, amount=Decimal(amount), reference=f"wire {amount}")
    Transfer.objects.create(
        asset=usd, debit_account=account, credit_account=other, amount=Decimal(2), kind="trade", trade_id=77
    )
    return account, other


def test_ledger_shows_both_directions_newest_first():
    account, other = make_history()
    results = make_client(account).get("/api/v1/ledger").json()["results"]
    assert [(entry["amount"], entry["kind"], entry["reference"]) for entry in results] == [
        ("-2.00", "trade", "77"),
        *((f"{amount}.00", "deposit", f"wire {amount}") for amount in (5, 4, 3, 2, 1)),
    ]
    assert set(results[0]) == {"id", "asset", "amount", "kind", "reference", "created_at"}
    assert len(results[0]["created_at"]) == len("2026-01-31T12:00:00.000000Z")
    assert [entry["amount"] for entry in make_client(other).get("/api/v1/ledger").json()["results"]] == ["2.00"]


def test_ledger_pages_follow_each_other_without_gap_or_repeat(django_assert_num_queries):
    client = make_client(make_history()[0])
    amounts, cursor = [], None
    for _ in range(3):
        with django_assert_num_queries(1):
            page = client.get("/api/v1/ledger", {"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        amounts += [entry["amount"] for entry in page["results"]]
        cursor = page["next_cursor"]
    assert amounts == ["-2.00", "5.00", "4.00", "3.00", "2.00", "1.00"]
    assert cursor is None


def test_ledger_is_filtered_by_asset_and_kind():
    account, _ = make_history()
    make_asset("BTC")
    client = make_client(account)
    assert client.get("/api/v1/ledger?asset=btc").json() == {"results": [], "next_cursor": None}
    assert len(client.get("/api/v1/ledger?asset=USD&kind=deposit").json()["results"]) == 5
    assert len(client.get("/api/v1/ledger?kind=trade").json()["results"]) == 1


@pytest.mark.parametrize(
    "query",
    ["asset=XXX", "kind=gift", "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1.5", "cursor=!", "cursor=eA"],
)
def test_ledger_refuses_a_faulty_query_by_its_field(query):
    response = make_client(make_trader()).get(f"/api/v1/ledger?{query}")
    assert response.status_code == 400
    name, _, value = query.partition("=")
    fault = response.json()["errors"][0]
    assert (fault["field"], fault["code"], fault["value"]) == (name, "invalid_value", value)


def test_ledger_as_csv_has_the_same_rows_and_runs_no_formula():
    account = make_trader()
    deposit(account=account, asset=make_asset("USD", scale=2), amount=Decimal(1), reference='=1+1,"x"')
    deposit(account=account, asset=make_asset("USD"), amount=Decimal(2), reference="wire")
    response = make_client(account).get("/api/v1/ledger?limit=1", HTTP_ACCEPT="text/csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response.content.endswith(b"\r\n")
    [row] = csv.DictReader(StringIO(response.content.decode()))
    assert (row["amount"], row["reference"]) == ("2.00", "wire")
    rest = make_client(account).get(f"/api/v1/ledger?cursor={response['X-Next-Cursor']}", HTTP_ACCEPT="text/csv")
    [row] = csv.DictReader(StringIO(rest.content.decode()))
    assert row["reference"] == '\'=1+1,"x"'
    assert "X-Next-Cursor" not in rest


def test_ledger_problem_is_json_even_when_csv_was_asked_for():
    response = make_client(make_trader()).get("/api/v1/ledger?limit=0", HTTP_ACCEPT="text/csv")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_ledger_never_scans_the_table():
    account, _ = make_history()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind, trade_id)"
            " SELECT 1, 1000 + n % 500, 2000 + n % 500, 1, 'trade', n FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE transfers")
        statement = _LEDGER.format(conditions="")
        cursor.execute(f"EXPLAIN {statement}", {"account_id": account.id, "after": 0, "before": 10**9, "limit": 101})
        plan = "\n".join(line for [line] in cursor.fetchall())
    assert "Seq Scan on transfers" not in plan
    assert "transfers_debit" in plan
    assert "transfers_credit" in plan
