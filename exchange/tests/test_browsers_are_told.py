"""What browsers are told with each page, by WSGI and ASGI; and what the API pays for it: nothing."""

import asyncio

import pytest
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from accounts.tests.builders import make_client, make_trader
from accounts.tests.codes import turn_on

STRICT = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' {streams}; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def directives(response):
    return {part.strip() for part in response["Content-Security-Policy"].split(";")}


def strict(streams):
    return {part.strip() for part in STRICT.format(streams=streams).split(";")}


@pytest.mark.django_db
def test_pages_run_nothing_that_is_not_a_file_of_ours():
    response = Client(headers={"host": "exchange.example:8080"}).get("/account/login/")
    assert directives(response) == strict("ws://exchange.example:5173")
    assert (response["Referrer-Policy"], response["X-Frame-Options"]) == ("same-origin", "DENY")
    cookie = response.cookies["csrftoken"]
    assert (cookie["httponly"], cookie["samesite"], bool(cookie["secure"])) == (True, "Lax", False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/account",
        "/account/api-keys",
        "/account/email/",
        "/account/login/",
        "/fees",
    ],
)
def test_what_a_cookie_has_a_say_in_is_kept_nowhere(path):
    user = make_trader().user
    turn_on(user)
    browser = Client()
    if path != "/account/login/":
        browser.force_login(user)
    response = browser.get(path)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]


def test_what_no_cookie_has_a_say_in_may_be_kept():
    assert "Cache-Control" not in Client().get("/metrics")


def test_a_host_that_is_not_ours_is_refused_and_nothing_breaks(settings):
    settings.ALLOWED_HOSTS = ["exchange.example"]
    response = Client(headers={"host": "evil.example"}).get("/account/login/")
    assert response.status_code == 400
    assert "connect-src 'self'" in directives(response)


@pytest.mark.django_db(transaction=True)
def test_pages_are_told_the_same_by_asgi(settings):
    settings.IS_FRONTEND = True
    response = asyncio.run(AsyncClient().get("/account/login/"))
    assert response.status_code == 200
    assert directives(response) == strict("ws://testserver")
    assert "X-Request-Id" in response


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "may_eval"), [("/admin/login/", True), ("/api/docs", False)])
def test_libraries_pages_are_less_strict_each_below_its_own_path(path, may_eval):
    told = directives(Client().get(path))
    scripts = next(part for part in told if part.startswith("script-src"))
    assert "'unsafe-inline'" in scripts
    assert ("'unsafe-eval'" in scripts) == may_eval
    assert {"object-src 'none'", "frame-ancestors 'none'"} <= told


@pytest.mark.django_db
def test_a_call_of_the_api_touches_no_session_and_no_user():
    account = make_trader()
    api = make_client(account)
    browser = Client()
    browser.force_login(account.user)
    api.cookies = browser.cookies
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert api.get("/api/v1/balances").status_code == 200
    assert [query["sql"] for query in queries if '"balances"' not in query["sql"]] == []


@pytest.mark.django_db
def test_a_page_notes_its_use_once_a_minute():
    browser = Client()
    browser.force_login(make_trader().user)
    browser.get("/account")
    with CaptureQueriesContext(connection) as queries:
        browser.get("/account")
    assert not [query for query in queries if query["sql"].startswith(("UPDATE", "INSERT"))]
