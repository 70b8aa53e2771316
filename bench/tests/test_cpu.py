"""CPU time of a process tree: that of grandchildren counts, while they live and afterwards."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bench.cpu import tree_cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {BURN!r} + chr(10) + "print(flush=True); time.sleep(60)"])
sys.stdin.readline()
child.kill()
child.wait()
print("ended", flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_descendants_count_while_they_live_and_when_they_have_ended() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        assert parent.stdout.readline() == "\n"  # the grandchild has burned its time
        living = tree_cpu_seconds(parent.pid)
        assert 0.3 <= living < 10
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "ended\n"
        assert tree_cpu_seconds(parent.pid) >= living
    finally:
        parent.kill()
        parent.communicate()


def test_others_do_not_count() -> None:
    parent = subprocess.Popen(["sleep", "60"])
    try:
        begin = time.process_time()
        while time.process_time() - begin < 0.1:
            pass
        assert tree_cpu_seconds(parent.pid) < 0.1
        assert tree_cpu_seconds(os.getpid()) >= 0.1
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()


def test_process_that_is_gone_has_used_nothing() -> None:
    assert tree_cpu_seconds(2**22 + 1) == 0
