"""Pages that are not there, or may not be seen, say so in the exchange's own words."""

import pytest
from django.test import Client
from django.test.utils import override_settings

from exchange.api.problems import server_error


@pytest.mark.django_db
def test_what_is_not_there_is_said_on_a_page_and_below_the_api_by_a_problem(client: Client) -> None:
    page = client.get("/nowhere")
    assert page.status_code == 404
    assert "There is no such page" in page.content.decode()
    assert client.get("/api/v1/nowhere").json()["code"] == "not_found"


def test_a_failure_has_a_page_that_asks_no_database(rf: object) -> None:
    page = server_error(rf.get("/orders"))  # type: ignore[attr-defined]
    assert page.status_code == 500
    assert "look whether it was done" in page.content.decode()


@pytest.mark.django_db
def test_a_form_that_another_site_sent_is_refused_on_a_page() -> None:
    page = Client(enforce_csrf_checks=True).post("/account/logout/")
    assert page.status_code == 403
    assert "Nothing was done" in page.content.decode()


@override_settings(ALLOWED_HOSTS=["venue.example"])
def test_a_host_that_is_not_ours_gets_a_page_too(client: Client) -> None:
    assert client.get("/nowhere", HTTP_HOST="evil.example").status_code == 400
