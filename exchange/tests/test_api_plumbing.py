"""What every reply has in common: request ids, problems, strict JSON, media types."""

import asyncio

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import AsyncClient
from rest_framework.test import APIClient

from accounts.tests.builders import make_client, make_trader

pytestmark = pytest.mark.django_db


def post_raw(body, content_type="application/json"):
    return APIClient().post("/api/v1/auth/register", body, content_type=content_type)


@pytest.mark.parametrize("given", ["mine", "a" * 128, "with space"])
def test_a_sane_request_id_is_echoed(given):
    assert APIClient().get("/api/v1/time", HTTP_X_REQUEST_ID=given)["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "with\ttab", "ä", " "])
def test_another_request_id_is_replaced(given):
    made = APIClient().get("/api/v1/time", HTTP_X_REQUEST_ID=given)["X-Request-Id"]
    assert made != given
    assert len(made) == 32


def test_requests_without_an_id_get_different_ones():
    client = APIClient()
    assert client.get("/api/v1/time")["X-Request-Id"] != client.get("/api/v1/time")["X-Request-Id"]


def test_the_request_id_is_on_replies_under_asgi_too():
    response = asyncio.run(AsyncClient().get("/api/v1/nowhere", headers={"X-Request-Id": "mine"}))
    assert (response.status_code, response["X-Request-Id"]) == (404, "mine")
    assert response.json()["request_id"] == "mine"


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/v1/nowhere", "/api/v1/orders/0x1"])
def test_an_unknown_path_is_a_problem(path):
    response = APIClient().get(path)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
    assert response.json() == {
        "type": "urn:exchange:problem:not_found",
        "title": "Not found",
        "status": 404,
        "code": "not_found",
        "detail": "There is nothing here.",
        "request_id": response["X-Request-Id"],
        "errors": [],
    }


def test_an_unknown_path_elsewhere_is_a_page():
    response = APIClient().get("/nowhere")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_a_wrong_method_is_a_problem_and_names_the_right_ones():
    response = APIClient().delete("/api/v1/time")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_an_unknown_media_type_is_not_acceptable():
    response = APIClient().get("/api/v1/time", HTTP_ACCEPT="application/xml")
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"email": NaN}',
        b'{"email": Infinity}',
        b'{"email": "a", "email": "b"}',
        b'{"email": "\\ud800"}',
        b'{"email": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 5000,
        b'{"email": 1e999}',
        b"[]",
        b'"text"',
        b"null",
    ],
)
def test_a_body_that_is_no_strict_json_object_is_malformed(body):
    response = post_raw(body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed" if body else "missing_field")
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
)
def test_a_body_of_another_type_is_refused(content_type):
    response = post_raw(b"email=a", content_type)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_a_charset_on_the_content_type_is_fine():
    assert post_raw(b"{}", "application/json; charset=utf-8").json()["code"] == "missing_field"


def test_a_body_over_the_limit_is_too_large():
    response = post_raw(b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_lost_database_is_unavailable_and_says_when_to_come_back(monkeypatch):
    client = make_client(make_trader())
    monkeypatch.setattr("accounts.selectors.balances_of", _lose_database)
    response = client.get("/api/v1/balances")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response["Retry-After"] == "1"
    assert "secret host" not in response.content.decode()


def _lose_database(account_id):
    raise OperationalError("connection to secret host failed")


def test_a_bug_is_an_internal_error_that_tells_nothing(monkeypatch):
    client = make_client(make_trader())
    client.raise_request_exception = False
    monkeypatch.setattr("accounts.selectors.balances_of", lambda _: 1 // 0)
    response = client.get("/api/v1/balances", HTTP_X_REQUEST_ID="mine")
    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")
    assert (response.json()["code"], response.json()["request_id"]) == ("internal_error", "mine")
    assert response["X-Request-Id"] == "mine"
    assert "ZeroDivision" not in response.content.decode()


def test_an_unknown_host_is_a_problem(settings):
    settings.ALLOWED_HOSTS = ["exchange.example"]
    response = APIClient().get("/api/v1/time", HTTP_HOST="evil.example")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_json_has_no_charset():
    assert APIClient().get("/api/v1/time")["Content-Type"] == "application/json"
