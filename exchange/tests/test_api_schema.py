"""The OpenAPI schema: valid, checked in, and true of what the operations answer."""

from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


def test_the_checked_in_schema_is_the_one_served(tmp_path):
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    command = "manage.py spectacular --file docs/openapi.yaml"
    assert made.read_text() == SCHEMA.read_text(), f"run: {command}"


def test_every_private_operation_documents_that_it_needs_a_token():
    for path, operations in yaml.safe_load(SCHEMA.read_text())["paths"].items():
        for method, operation in operations.items():
            is_private = {"accessToken": []} in operation.get("security", [])
            assert is_private == ("401" in operation["responses"]) or path.startswith("/api/v1/auth/"), (method, path)


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
