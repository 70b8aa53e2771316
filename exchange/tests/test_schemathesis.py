"""Let schemathesis search the public operations for answers that the schema does not allow.

The law: whatever is sent, the answer is one that docs/openapi.yaml describes, and never a server error. That what the schema allows may
still be refused is right: rules such as a password's strength are beyond a schema.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from exchange.tests.platform import PROJECT, Platform

pytestmark = pytest.mark.xdist_group("platform")

PUBLIC = ("markets", "system", "authentication")


@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.long)])
def test_schemathesis_finds_nothing_on_the_public_operations(platform, examples, tmp_path):
    found = search(platform, examples, tmp_path)

    assert found.returncode == 0, found.stdout[-6000:]
    assert "Stateful" in found.stdout
    assert "passed" in found.stdout


def search(platform: Platform, examples: int, folder: Path) -> "subprocess.CompletedProcess[str]":
    tags = [word for tag in PUBLIC for word in ("--include-tag", tag)]
    options = ["--exclude-path-regex", "auth/keys", "--exclude-checks", "positive_data_acceptance"]
    options += ["--max-examples", str(examples), "--no-color", "--generation-database", "none", "--warnings", "off"]
    # A loaded machine is slow, not wrong.
    options += ["--suppress-health-check", "all"]
    url = f"http://127.0.0.1:{platform.ports['API_PORT']}"
    command = [Path(sys.executable).with_name("schemathesis"), "run", PROJECT / "docs" / "openapi.yaml", "--url", url]
    return subprocess.run([*command, *tags, *options], cwd=folder, capture_output=True, text=True, check=False)
