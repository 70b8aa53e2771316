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


def total(pid: int) -> float:
    return sum(tree_cpu_seconds(pid).values())


def test_descendants_count_while_they_live_and_when_they_have_ended() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        assert parent.stdout.readline() == "\n"  # the grandchild has burned its time
        living = total(parent.pid)
        assert 0.3 <= living < 10
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "ended\n"
        assert total(parent.pid) >= living
    finally:
        parent.kill()
        parent.communicate()


def test_parts_are_told_apart_by_command_lines_and_children_go_with_their_parents() -> None:
    burning = [sys.executable, "-c", f"{BURN}\nprint(flush=True); time.sleep(60)"]
    child = f"import subprocess; subprocess.run({burning!r})"
    named = subprocess.Popen([sys.executable, "-c", child, "matching-0"], stdout=subprocess.PIPE)
    assert named.stdout is not None
    try:
        named.stdout.readline()
        seconds = tree_cpu_seconds(os.getpid(), {"matching-0": "matching", "nobody": "nobody"})
        assert 0.3 <= seconds["matching"] < 10
        assert seconds["rest"] > 0
        assert "nobody" not in seconds
    finally:
        for pid in subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(named.pid)], capture_output=True, check=False
        ).stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        named.wait()


def test_others_do_not_count() -> None:
    parent = subprocess.Popen(["sleep", "60"])
    try:
        begin = time.process_time()
        while time.process_time() - begin < 0.1:
            pass
        assert total(parent.pid) < 0.1
        assert total(os.getpid()) >= 0.1
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()


def test_process_that_is_gone_has_used_nothing() -> None:
    assert total(2**22 + 1) == 0
