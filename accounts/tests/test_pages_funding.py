"""Deposits, withdrawals and the ledger on a trader's own pages."""

import csv
import time
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts import funding
from accounts.ledger import deposit
from accounts.models import Account, Balance, Deposit, Transfer, Withdrawal
from accounts.pages import ledger
from accounts.tests.builders import confirm_email, make_asset, make_trader, make_user

pytestmark = pytest.mark.django_db

DEPOSITS, WITHDRAWALS = "/portfolio/deposits", "/portfolio/withdrawals"
LEDGER, LEDGER_CSV = "/portfolio/ledger", "/portfolio/ledger.csv"
ASKED = {"asset": "USD", "amount": "60", "destination": "IBAN 1"}


@pytest.fixture
def trader() -> Account:
    make_asset("USD", scale=2)
    return confirm_email(make_trader(funds={"USD": "100"}))


@pytest.fixture
def client(client: Client, trader: Account) -> Client:
    return sign_in(client, trader)


def sign_in(client: Client, account: Account) -> Client:
    client.force_login(account.user)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session.save()
    return client


def ask(account: Account, amount: str = "60") -> Withdrawal:
    return funding.request_withdrawal(
        account_id=account.id, asset=make_asset("USD"), amount=Decimal(amount), destination="IBAN 1"
    )


@pytest.mark.parametrize("path", [DEPOSITS, WITHDRAWALS, LEDGER, LEDGER_CSV, "/portfolio"])
def test_page_is_for_traders_who_have_signed_in(path):
    anybody = Client()
    response = anybody.get(path)
    assert (response.status_code, response["Location"]) == (302, f"/account/login/?next={path}")
    anybody.force_login(make_user())
    response = anybody.get(path)
    assert response.status_code == 403
    assert "No trading account" in response.content.decode()


def test_withdrawal_is_asked_for_shown_and_canceled(client, trader):
    assert "100.00 available" in client.get(WITHDRAWALS).content.decode()
    response = client.post(WITHDRAWALS, ASKED)
    assert (response.status_code, response["Location"]) == (302, WITHDRAWALS)
    row = Withdrawal.objects.get()
    page = client.get(WITHDRAWALS).content.decode()
    assert f"Asked for: withdrawal {row.id}, 60.00 USD." in page
    assert "40.00 available" in page
    assert Balance.objects.get(account=trader).held == 60

    response = client.post(f"{WITHDRAWALS}/{row.id}/cancel", follow=True)
    assert f"Canceled: withdrawal {row.id}." in response.content.decode()
    again = client.post(f"{WITHDRAWALS}/{row.id}/cancel", follow=True)
    assert "The withdrawal is Canceled already." in again.content.decode()
    assert Balance.objects.get(account=trader).held == 0


def test_deposit_is_asked_for_shown_with_its_reason_and_canceled(client):
    assert client.post(DEPOSITS, {"asset": "USD", "amount": "5"})["Location"] == DEPOSITS
    row = Deposit.objects.get()
    assert client.post(f"{DEPOSITS}/{row.id}/cancel")["Location"] == DEPOSITS
    client.post(DEPOSITS, {"asset": "USD", "amount": "6"})
    funding.reject_deposit(Deposit.objects.latest("id").id, by=make_user(), reason="Nothing <came>.")
    page = client.get(DEPOSITS).content.decode()
    assert "Nothing &lt;came&gt;." in page
    assert [Deposit.objects.get(id=row.id).status, page.count("/cancel")] == ["Canceled", 0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": "100.01"}, ["100.01 USD", "100.00 USD is available"]),
        ({"amount": "1.001"}, ["at most 2 decimals", "You gave 1.001."]),
        ({"amount": "-1"}, ["more than 0", "You gave -1."]),
        ({"amount": "NaN"}, ["plain decimal number", "You gave NaN."]),
        ({"amount": ""}, ["Amount is required."]),
        ({"asset": "XXX"}, ["There is no asset XXX."]),
        ({"destination": "d" * 257}, ["1 to 256 printable characters"]),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(client, change, said):
    (field,) = change
    response = client.post(WITHDRAWALS, ASKED | change)
    page = response.content.decode()
    assert (response.status_code, Withdrawal.objects.count()) == (400, 0)
    assert f'aria-describedby="{field}-error"' in page
    assert [text for text in said if text not in page] == []
    assert [text for text in (ASKED | change).values() if text and f'value="{text}"' not in page] == (
        ["XXX"] if field == "asset" else []
    )


def test_withdrawal_with_an_unconfirmed_address_is_explained_and_refused(client, trader):
    trader.user.emailaddress_set.update(verified=False)
    page = client.get(WITHDRAWALS).content.decode()
    assert 'href="/account/email/"' in page
    response = client.post(WITHDRAWALS, ASKED)
    assert response.status_code == 400
    assert "Confirm your e-mail address first" in response.content.decode()


def test_withdrawals_ask_again_who_it_is(trader):
    trader.user.set_password("correct horse battery")
    trader.user.save()
    stale = Client()
    stale.force_login(trader.user)
    for response in (stale.get(WITHDRAWALS), stale.post(WITHDRAWALS, ASKED)):
        assert response.status_code == 302
        assert "/reauthenticate/" in response["Location"]
    assert not Withdrawal.objects.exists()


def test_what_is_anothers_is_not_there_and_forms_need_their_token(client, trader):
    row = ask(trader)
    other = sign_in(Client(), make_trader())
    assert other.post(f"{WITHDRAWALS}/{row.id}/cancel").status_code == 404
    assert other.post(f"{DEPOSITS}/1/cancel").status_code == 404
    assert "#" + str(row.id) not in other.get(WITHDRAWALS).content.decode()
    strict = sign_in(Client(enforce_csrf_checks=True), trader)
    for path in (DEPOSITS, WITHDRAWALS, f"{WITHDRAWALS}/{row.id}/cancel"):
        assert strict.post(path, ASKED).status_code == 403
    assert client.get(f"{WITHDRAWALS}/{row.id}/cancel").status_code == 405
    assert Withdrawal.objects.get().status == "Pending"


def test_ledger_is_filtered_by_asset_kind_and_day(client, trader):
    funding.approve_withdrawal(ask(trader).id, by=make_user())
    make_asset("BTC")
    today = f"{timezone.now():%Y-%m-%d}"
    assert "-60.00 USD" in client.get(f"{LEDGER}?kind=withdrawal&from={today}&to={today}").content.decode()
    everything = client.get(LEDGER).content.decode()
    assert "-60.00 USD" in everything
    assert "+100.00 USD" in everything
    for query in ("asset=BTC", "to=2020-01-01", "from=2100-01-01", "kind=trade"):
        assert "No entry is like that." in client.get(f"{LEDGER}?{query}").content.decode(), query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("asset=XXX", "There is no asset XXX."),
        ("kind=gift", "Kind must be one of"),
        ("from=2026-02-30", "You gave 2026-02-30."),
        ("to=9999-12-31", "to 9000-01-01. You gave 9999-12-31."),
        ("from=2026-02-02&to=2026-02-01", "To must not be before from, 2026-02-02."),
        ("cursor=x", "Cursor must be a whole number"),
    ],
)
def test_ledger_says_what_is_wrong_with_a_filter(client, query, said):
    response = client.get(f"{LEDGER}?{query}")
    assert response.status_code == 400
    page = response.content.decode()
    assert said in page
    assert "Nothing is shown" in page
    if "cursor" not in query:
        assert client.get(f"{LEDGER_CSV}?{query}")["Location"].startswith(LEDGER)


def test_pages_of_the_ledger_follow_each_other(client, trader, monkeypatch):
    monkeypatch.setattr(ledger, "ROWS_A_PAGE", 2)
    for amount in (1, 2, 3):
        deposit(account=trader, asset=make_asset("USD"), amount=Decimal(amount))
    first = client.get(f"{LEDGER}?kind=deposit")
    second = client.get(LEDGER + first.context["next_page"])
    amounts = [row["amount"] for page in (first, second) for row in page.context["rows"]]
    assert amounts == ["+3.00", "+2.00", "+1.00", "+100.00"]
    assert (second.context["next_page"], second.context["first_page"]) == (None, "?kind=deposit")


@pytest.mark.django_db
def test_days_bound_what_is_read():
    usd, trader = make_asset("USD"), make_trader()  # with no funds of today, which would come before those of long ago
    rows = [
        Transfer(
            asset=usd, debit_account_id=1, credit_account=trader, amount=1, kind="deposit",
            created_at=timezone.now() - timedelta(days=days),
        )
        for days in range(40, 0, -1)
    ]  # fmt: skip
    Transfer.objects.bulk_create(rows)
    now = timezone.now()
    since, until = now - timedelta(days=20, hours=1), now - timedelta(days=10, hours=1)
    within = ledger.selectors.transfers_between(since, until)
    inside = [row.id for row in rows if within.after < row.id < within.before]
    found = ledger.selectors.ledger_of(trader.id, since=since, until=until, within=within, limit=100)
    assert [entry.id for entry in reversed(found)] == [row.id for row in rows if since <= row.created_at < until]
    assert len(found) <= len(inside) <= len(found) + 2


def file_of(text: str) -> list[str]:
    return [row["amount"] for row in csv.DictReader(StringIO(text))]


def test_file_has_every_row_of_the_filters(client, trader, monkeypatch):
    monkeypatch.setattr(ledger, "ROWS_A_READ", 2)
    for amount in (1, 2, 3, 4):
        deposit(account=trader, asset=make_asset("USD"), amount=Decimal(amount), reference="=1+1")
    response = client.get(f"{LEDGER_CSV}?asset=usd")
    text = b"".join(response.streaming_content).decode()
    assert file_of(text) == ["4.00", "3.00", "2.00", "1.00", "100.00"]
    assert "'=1+1" in text
    assert response["Content-Disposition"].startswith("attachment")


@pytest.mark.django_db(transaction=True)
def test_file_is_sent_as_it_is_read_by_an_asynchronous_server_too(trader, recwarn):
    async def get() -> str:
        client = AsyncClient()
        await client.aforce_login(trader.user)
        response = await client.get(LEDGER_CSV)
        assert response.is_async
        return b"".join([part async for part in response.streaming_content]).decode()

    assert file_of(async_to_sync(get)()) == ["100.00"]
    assert [str(warning.message) for warning in recwarn if "iterator" in str(warning.message)] == []
