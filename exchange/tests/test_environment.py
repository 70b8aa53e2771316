"""A test process has a Redis database of its own."""

import os

from django.conf import settings


def test_settings_have_what_this_process_was_given() -> None:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    assert os.environ["REDIS_URL"] == settings.REDIS_URL
    assert int(settings.REDIS_URL.rpartition("/")[2]) >= worker
    assert settings.CACHES["default"]["LOCATION"] == settings.REDIS_URL
    assert settings.RATE_LIMITS is False
