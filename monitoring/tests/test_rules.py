"""The alerts: the runbook's word for word, each seen to fire and to be quiet, and all of metrics that exist.

The law: no rule without both cases (monitoring/tests/rules/), and none that leaves whoever is called without a first step.
"""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from exchange.celery import app
from exchange.metrics.venue import CHECKS, PARTS
from monitoring.tests.queries import OF_OTHERS, faults, known_metrics
from trading.models import MaintenanceRun, RunKind

PROJECT = Path(__file__).resolve().parent.parent.parent
FILES = {severity: PROJECT / f"kubernetes/{severity}-alerts.yml" for severity in ("critical", "warning")}
HANDBOOK = PROJECT / "docs/MONITORING.md"
OUR_PREFIXES = ("http_", "websocket_", "stream_", "exchange_", "celery_")
CASES = sorted(Path(__file__).with_name("rules").glob("*.yml"))
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="There is no promtool; as root, bin/prometheus installs it."
)


def groups(severity: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load(FILES[severity].read_text())["groups"])


RULES = {rule["alert"]: rule for severity in FILES for group in groups(severity) for rule in group["rules"]}
# As the runbook has them, to the letter.
OF_THE_RUNBOOK = {
    "APIHighErrorRate": {
        "alert": "APIHighErrorRate",
        "expr": 'rate(http_requests_total{status=~"5.."}[5m]) > 0.1',
        "for": "2m",
        "labels": {"severity": "critical"},
        "annotations": {
            "summary": "High error rate detected",
            "description": "Error rate is {{ $value }} errors per second",
        },
    },
    "OrderBookDown": {
        "alert": "OrderBookDown",
        "expr": 'up{job="exchange-api"} == 0',
        "for": "1m",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "Order book service is down"},
    },
    "HighLatency": {
        "alert": "HighLatency",
        "expr": "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m])) > 0.5",
        "for": "5m",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "High latency detected"},
    },
}
OURS = sorted(RULES.keys() - OF_THE_RUNBOOK.keys())


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("alert", OF_THE_RUNBOOK)
def test_the_runbooks_alerts_are_the_runbooks(alert: str) -> None:
    assert RULES[alert] == OF_THE_RUNBOOK[alert]


def test_files_are_bare_groups_named_as_in_the_runbook() -> None:
    assert [group["name"] for group in groups("critical")] == ["exchange-critical"]
    assert [group["name"] for group in groups("warning")] == ["exchange-warnings"]
    for severity in FILES:
        assert {rule["labels"]["severity"] for group in groups(severity) for rule in group["rules"]} == {severity}


def test_no_two_alerts_have_one_name() -> None:
    names = Counter(rule["alert"] for severity in FILES for group in groups(severity) for rule in group["rules"])
    assert max(names.values()) == 1


@pytest.mark.parametrize("alert", OURS)
def test_an_alert_says_what_is_wrong_and_what_to_do_first(alert: str) -> None:
    annotations = RULES[alert]["annotations"]
    assert annotations.keys() == {"summary", "description", "action"}
    # What has gone altogether has neither labels nor a value to tell of.
    assert "absent(" in RULES[alert]["expr"] or "{{ $" in annotations["description"]


def test_each_alert_is_in_the_handbook_as_it_is() -> None:
    rows = [line.split(" | ")[:3] for line in HANDBOOK.read_text().splitlines() if line.startswith("| ")]
    alerts = [row for row in rows if len(row) == 3 and row[1] in FILES]
    assert alerts == [[f"| {name}", rule["labels"]["severity"], rule["for"]] for name, rule in RULES.items()]


@pytest.mark.django_db(transaction=True)
def test_each_metric_of_ours_is_in_the_handbook() -> None:
    named = set(re.findall(r"`?\b([a-z]\w+)(?:\{[\w,]+\})?`", HANDBOOK.read_text()))
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in known_metrics() if name.startswith(OUR_PREFIXES)}
    assert sorted(ours - named) == []


@needs_promtool
def test_prometheus_accepts_the_rules() -> None:
    checked = promtool("check", "rules", *FILES.values())
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    tested = promtool("test", "rules", *CASES)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_seen_to_fire_and_to_be_quiet() -> None:
    seen: Counter[tuple[str, bool]] = Counter()
    for file in CASES:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for one in case["alert_rule_test"]:
                seen[one["alertname"], bool(one["exp_alerts"])] += 1
    assert {alert for alert, _ in seen} == RULES.keys()
    assert [alert for alert in RULES if not (seen[alert, True] and seen[alert, False])] == []


@pytest.mark.django_db(transaction=True)
def test_alerts_ask_for_metrics_and_labels_that_exist() -> None:
    MaintenanceRun.objects.create(kind=RunKind.BACKUP, started_at="2026-01-01T00:00:00Z", bytes=1)
    known = known_metrics()
    assert {alert: wrong for alert, rule in RULES.items() if (wrong := faults(rule["expr"], known))} == {}


def test_what_does_not_exist_is_found() -> None:
    known = {**OF_OTHERS}
    assert faults("rate(gone_total[5m])", known) == ["no metric gone_total"]
    assert faults('sum by (shard) (up{host="a"})', known) == ["up has no label host", "nothing here has a label shard"]
    assert faults('max by (instance) (up{job="exchange-api"})', known) == []


def test_alerts_name_tasks_checks_and_parts_that_exist() -> None:
    app.loader.import_default_modules()
    assert "orders.tasks.keep_time" in RULES["ClockStopped"]["expr"]
    assert "orders.tasks.keep_time" in app.tasks
    assert {"ledger", "all"} == set(CHECKS.values())
    assert "runs" in PARTS
