"""The OpenAPI schema: valid, checked in, and true of what the operations answer."""

import re
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from accounts.errors import STATUS_OF_CODE

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = DOCS / "openapi.yaml"


def test_the_checked_in_schema_is_the_one_served(tmp_path):
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    command = "manage.py spectacular --file docs/openapi.yaml"
    assert made.read_text() == SCHEMA.read_text(), f"run: {command}"


SIGNED = {"apiKey": [], "apiTimestamp": [], "apiSignature": []}


def test_every_private_operation_documents_that_it_needs_a_token_or_a_key():
    for path, operations in yaml.safe_load(SCHEMA.read_text())["paths"].items():
        for method, operation in operations.items():
            ways = operation.get("security", [])
            is_private = {"accessToken": []} in ways
            is_signed = SIGNED in ways
            about_sessions = path.startswith("/api/v1/auth/")
            assert is_private == ("401" in operation["responses"]) or about_sessions, (method, path)
            # A key manages no keys; whatever else is private, it may do, or be refused for its headers or scopes.
            assert is_signed == (is_private and not about_sessions), (method, path)
            assert not is_signed or {"400", "401", "403"} <= set(operation["responses"]), (method, path)


def test_prose_names_every_operation_and_every_code():
    prose = (DOCS / "API.md").read_text()
    paths = [path.removeprefix("/api/v1") for path in yaml.safe_load(SCHEMA.read_text())["paths"]]
    named = [re.sub("{[a-z]+_id}", "{id}", path) for path in paths if path != "/api/schema"]
    assert [path for path in named if path not in prose] == []
    assert [code for code in STATUS_OF_CODE if f"`{code}`" not in prose] == []


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/schema", "/api/docs"])
def test_schema_and_documentation_are_served(path):
    response = APIClient().get(path)
    assert response.status_code == 200
    assert "X-Request-Id" in response


@pytest.mark.django_db
def test_documentation_loads_nothing_from_elsewhere():
    page = APIClient().get("/api/docs").content.decode()
    assert "/static/drf_spectacular_sidecar/" in page
    assert "//cdn" not in page


@pytest.mark.django_db
def test_metrics_are_served():
    response = APIClient().get("/metrics")
    assert response.status_code == 200
    assert b"python_info" in response.content
