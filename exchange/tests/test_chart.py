"""The chart, rendered with several values by helm, or where there is none by a stand-in of helm's own libraries, holds together.

The law: what is rendered passes every check that the manifests pass.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from exchange.tests import manifests
from exchange.tests.manifests import Document, name_of, of_kind, pod_of

CHART = manifests.PROJECT / "helm"
LIBRARIES = Path("/usr/share/gocode")
SECRETS = {
    "POSTGRES_PASSWORD": "a", "REDIS_PASSWORD": "b", "JWT_SECRET": "c", "SECRET_KEY": "d", "API_KEY_SECRET": "e",
    "FLOWER_BASIC_AUTH": "operator:f", "GRAFANA_PASSWORD": "g",
}  # fmt: skip
EXTERNAL = {"external": True, "cidr": "192.0.2.0/24"}

Render = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Render the chart with some values."""
    folder = tmp_path_factory.mktemp("chart")
    given = folder / "values.json"
    if shutil.which("helm"):
        command = ["helm", "template", "exchange", CHART, "--namespace", "venue", "--values", given]
    elif shutil.which("go") and (LIBRARIES / "src/github.com/Masterminds/sprig").exists():
        stand_in = folder / "render"
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": str(LIBRARIES),
            "GOCACHE": str(folder / "cache"),
            "GOFLAGS": "",
        }
        source = manifests.PROJECT / "exchange/tests/chart/render.go"
        subprocess.run(["go", "build", "-o", stand_in, source], env=environment, check=True)
        command = [stand_in, CHART, "venue", given]
    else:
        pytest.skip("There is neither helm nor Go; as root, bin/golang installs Go.")

    def rendered(**values: Any) -> "subprocess.CompletedProcess[str]":
        given.write_text(json.dumps(values))
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return rendered


def documents_of(done: "subprocess.CompletedProcess[str]") -> list[Document]:
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def one(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = [document for document in of_kind(documents, kind) if name_of(document) == name]
    return found


VALUES: dict[str, dict[str, Any]] = {
    "as it is": {"secrets": SECRETS},
    "two shards": {"secrets": SECRETS, "shards": [0, 7]},
    "a secret of one's own": {"existingSecret": "mine"},
    "external servers": {
        "secrets": {**SECRETS, "DATABASE_URL": "postgresql://u:p@db:6432/e", "REDIS_URL": "redis://r:6380/0"},
        "postgres": {**EXTERNAL, "port": 6432},
        "redis": {**EXTERNAL, "port": 6380},
    },
    "TLS": {"secrets": SECRETS, "host": "trade.example", "tls": {"enabled": True, "secretName": "trade-tls"}},
    "little": {
        "secrets": SECRETS,
        "monitoring": {"enabled": False},
        "networkPolicies": {"enabled": False},
        "autoscaling": {"enabled": False},
        "backup": {"enabled": False},
    },
}


@pytest.mark.parametrize("case", VALUES)
def test_what_is_rendered_holds_together(render, case):
    documents = documents_of(render(**VALUES[case]))
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        assert document["metadata"]["namespace"] == "venue"
    titles = [(document["kind"], name_of(document)) for document in documents]
    assert len(titles) == len(set(titles))
    if case == "a secret of one's own":
        documents.append({"kind": "Secret", "metadata": {"name": "mine"}, "stringData": {**SECRETS, "EMAIL_URL": ""}})
    if case == "little":
        assert not of_kind(documents, "NetworkPolicy", "CronJob", "HorizontalPodAutoscaler")
        assert manifests.not_allowed(documents)
        documents = [document for document in documents if document["kind"] != "NetworkPolicy"]
        wrong = [
            found for check in manifests.CHECKS if check is not manifests.not_allowed for found in check(documents)
        ]
    else:
        wrong = manifests.all_that_is_wrong(documents)
    assert wrong == []


def test_without_values_it_is_the_manifests(render):
    """Apart from the secrets, the namespace, and what the chart leaves to init containers or makes of files."""
    rendered = documents_of(render(secrets=SECRETS))
    plain = {(d["kind"], name_of(d)): d for d in manifests.read_manifests()}
    ours = {(d["kind"], name_of(d)): d for d in rendered}
    assert plain.keys() - ours.keys() == {("Namespace", "exchange"), ("Job", "exchange-migrate")}
    assert ours.keys() - plain.keys() == {("ConfigMap", "prometheus-rules"), ("ConfigMap", "grafana-dashboards")}
    scaled = plain["Deployment", "exchange-api"]["spec"]
    del scaled["replicas"]
    for title in plain.keys() & ours.keys() - {("Secret", "exchange-secrets")}:
        ours[title]["metadata"]["namespace"] = "exchange"
        assert ours[title] == plain[title]


def test_rules_are_in_it_as_they_are(render):
    rules = one(documents_of(render(secrets=SECRETS)), "ConfigMap", "prometheus-rules")["data"]
    assert {name: rules[name] for name in manifests.RULES} == {
        name: (manifests.FOLDER / name).read_text() for name in manifests.RULES
    }


def test_each_shard_has_its_own_pod(render):
    documents = documents_of(render(**VALUES["two shards"]))
    shards = [
        d for d in of_kind(documents, "Deployment") if pod_of(d)["metadata"]["labels"]["app"] == "exchange-matching"
    ]
    assert {name_of(shard) for shard in shards} == {"exchange-matching-0", "exchange-matching-7"}
    for shard in shards:
        number = name_of(shard).rpartition("-")[2]
        (said,) = [v["value"] for v in pod_of(shard)["spec"]["containers"][0]["env"] if v["name"] == "SHARD"]
        assert said == shard["spec"]["selector"]["matchLabels"]["shard"] == number
        assert (shard["spec"]["replicas"], shard["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_with_external_servers_there_are_none_in_the_cluster(render):
    documents = documents_of(render(**VALUES["external servers"]))
    names = {name_of(document) for document in documents}
    assert not names & {"postgres", "redis", "exchange-backup", "postgres-data", "redis-data"}
    for _, container in manifests.all_containers(documents):
        variables = {variable["name"]: variable for variable in container.get("env", [])}
        if "DATABASE_URL" in variables:
            assert "value" not in variables["DATABASE_URL"]
            assert not variables.keys() & {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    egress = one(documents, "NetworkPolicy", "servers-of-apps")["spec"]["egress"]
    assert [(rule["to"][0]["ipBlock"]["cidr"], rule["ports"][0]["port"]) for rule in egress] == [
        ("192.0.2.0/24", 6432), ("192.0.2.0/24", 6380),
    ]  # fmt: skip


def test_with_tls_everything_says_https(render):
    documents = documents_of(render(**VALUES["TLS"]))
    (ingress,) = of_kind(documents, "Ingress")
    assert ingress["spec"]["tls"] == [{"hosts": ["trade.example"], "secretName": "trade-tls"}]
    config = one(documents, "ConfigMap", "exchange-config")["data"]
    assert (config["PUBLIC_URL"], config["SECURE"]) == ("https://trade.example", "1")
    assert config["STREAMS_URL"] == "wss://trade.example/ws/v1"
    assert "exchange.local" not in json.dumps(config)


def test_sizes_and_images_are_values(render):
    images = {"api": "registry.example/api", "tag": "v9", "pullSecrets": [{"name": "registry"}]}
    resources = {"exchange-worker": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}}
    more = {"storage": {"postgres-data": "1Ti"}, "storageClass": "fast", "config": {"LOG_LEVEL": "DEBUG"}}
    documents = documents_of(
        render(secrets=SECRETS, images=images, replicas={"exchange-worker": 3}, resources=resources, **more)
    )
    worker = one(documents, "Deployment", "exchange-worker")
    assert worker["spec"]["replicas"] == 3
    assert pod_of(worker)["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert {container["image"] for container in manifests.containers_of(worker)} == {"registry.example/api:v9"}
    assert pod_of(worker)["spec"]["containers"][0]["resources"] == resources["exchange-worker"]
    claim = one(documents, "PersistentVolumeClaim", "postgres-data")["spec"]
    assert (claim["resources"]["requests"]["storage"], claim["storageClassName"]) == ("1Ti", "fast")
    assert one(documents, "ConfigMap", "exchange-config")["data"]["LOG_LEVEL"] == "DEBUG"


def test_a_secret_that_is_not_given_is_asked_for(render):
    done = render(secrets={**SECRETS, "JWT_SECRET": ""})
    assert done.returncode != 0
    assert "secrets.JWT_SECRET is not given" in done.stderr
