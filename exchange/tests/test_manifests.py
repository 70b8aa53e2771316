"""The manifests are of Kubernetes' schemas, refer to what is there, and are applied in the runbook's order; each check can fail."""

import copy
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from exchange import serve
from exchange.tests import manifests
from exchange.tests.manifests import Document, name_of, of_kind, pod_of

VERSIONS = ("1.31.0", kubernetes_validate.latest_version())

# What operators type, in this order; some of them know nothing of the files after the ingress.
APPLIED = (
    "namespace.yml", "secrets.yml", "configmap.yml", "postgres-deployment.yml", "redis-deployment.yml",
    "api-deployment.yml", "frontend-deployment.yml", "ingress.yml",
)  # fmt: skip


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return manifests.read_manifests()


def titled(document: Document) -> str:
    return f"{document['kind']}-{name_of(document)}"


@pytest.mark.parametrize("document", manifests.read_manifests(), ids=titled)
def test_a_manifest_is_of_its_schema(document):
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_schema_refuses_what_it_does_not_know(documents):
    (namespace,) = of_kind(documents, "Namespace")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**namespace, "specification": {}}, VERSIONS[-1], strict=True)


def test_everything_holds_together(documents):
    assert manifests.all_that_is_wrong(documents) == []


def test_everything_is_in_the_namespace_and_nothing_is_there_twice(documents):
    assert {document["metadata"].get("namespace", "exchange") for document in documents} == {"exchange"}
    titles = [titled(document) for document in documents]
    assert len(titles) == len(set(titles))


def test_what_the_runbook_applies_is_enough_for_an_api_that_answers():
    """Each file needs only those before it, and the API migrates by itself."""
    applied: list[Document] = []
    for name in APPLIED:
        applied += manifests.read_manifests(manifests.FOLDER / name)
        assert (
            manifests.wrong_references(applied) + manifests.wrong_mounts(applied) + manifests.wrong_selectors(applied)
            == []
        )
    (api,) = [d for d in of_kind(applied, "Deployment") if name_of(d) == "exchange-api"]
    assert pod_of(api)["spec"]["initContainers"][0]["command"] == ["python", "manage.py", "migrate", "--no-input"]


@pytest.mark.parametrize("name", ["postgres", "redis", "exchange-api", "exchange-frontend"])
def test_what_the_runbook_names_has_that_name(documents, name):
    """As in `kubectl logs -l app=NAME`, `kubectl exec deployment/NAME`, `kubectl set image deployment/NAME NAME=...`."""
    (deployment,) = [d for d in of_kind(documents, "Deployment") if name_of(d) == name]
    assert pod_of(deployment)["metadata"]["labels"]["app"] == name
    assert [container["name"] for container in pod_of(deployment)["spec"]["containers"]] == [name]
    assert name in {name_of(service) for service in of_kind(documents, "Service")}


def test_the_runbooks_images_database_and_paths(documents):
    images = {container["image"].partition(":")[0] for _, container in manifests.all_containers(documents)}
    assert {"exchange/api", "exchange/frontend"} <= images
    (postgres,) = [d for d in of_kind(documents, "Deployment") if name_of(d) == "postgres"]
    variables = {v["name"]: v.get("value") for v in pod_of(postgres)["spec"]["containers"][0]["env"]}
    assert (variables["POSTGRES_USER"], variables["POSTGRES_DB"]) == ("user", "exchange")
    (ingress,) = of_kind(documents, "Ingress")
    (rule,) = ingress["spec"]["rules"]
    assert (name_of(ingress), rule["host"]) == ("exchange-ingress", "exchange.local")
    backends = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
    assert {path: backend["name"] for path, backend in backends.items()} == {
        "/api": "exchange-api", "/admin": "exchange-api", "/ws": "exchange-frontend", "/": "exchange-frontend",
    }  # fmt: skip
    assert backends["/api"]["port"]["number"] == 8080


def test_a_shard_is_matched_by_one_pod_at_a_time(documents):
    shards = [
        d for d in of_kind(documents, "Deployment") if pod_of(d)["metadata"]["labels"]["app"] == "exchange-matching"
    ]
    assert shards
    for shard in shards:
        assert (shard["spec"]["replicas"], shard["spec"]["strategy"]) == (1, {"type": "Recreate"})
    scaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in of_kind(documents, "HorizontalPodAutoscaler")}
    assert not scaled & {name_of(shard) for shard in shards}


def test_no_secret_is_one_that_the_exchange_would_take(documents):
    (secret,) = of_kind(documents, "Secret")
    assert all("replace-me" in value for name, value in secret["stringData"].items() if name != "EMAIL_URL")


@pytest.mark.parametrize(
    ("password", "said"), [("replace-me", "is still the placeholder"), ("s3cret", "started as postgres -c")]
)
def test_a_database_is_not_begun_with_a_password_that_everybody_knows(documents, tmp_path, password, said):
    (postgres,) = [d for d in of_kind(documents, "Deployment") if name_of(d) == "postgres"]
    (container,) = pod_of(postgres)["spec"]["containers"]
    entrypoint = tmp_path / "docker-entrypoint.sh"
    entrypoint.write_text('#!/bin/sh\necho "started as $@"\n')
    entrypoint.chmod(0o755)
    begun = subprocess.run(
        [*container["command"], *container["args"]],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "POSTGRES_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in begun.stdout + begun.stderr
    assert (begun.returncode == 0) == (password == "s3cret")


def test_prometheus_is_asked_for_what_is_there(documents):
    """The jobs have the names that alerts go by, and their targets are services of ours, at those services' ports."""
    (config,) = [d for d in of_kind(documents, "ConfigMap") if name_of(d) == "prometheus-config"]
    jobs = {job["job_name"]: job for job in yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"]}
    assert set(jobs) == set(manifests.SCRAPED)
    assert jobs["exchange-api"]["static_configs"] == [{"targets": ["exchange-api:8080"]}]
    ports = {name_of(s): {port["port"] for port in s["spec"]["ports"]} for s in of_kind(documents, "Service")}
    for name, job in jobs.items():
        asked = [target.split(":") for static in job.get("static_configs", []) for target in static["targets"]]
        asked += [(host, found["port"]) for found in job.get("dns_sd_configs", []) for host in found["names"]]
        assert asked
        for host, port in asked:
            assert int(port) in ports[host], name


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="There is no kubectl.")
def test_rules_reach_the_cluster_as_they_are():
    files = [f"--from-file={manifests.FOLDER / name}" for name in manifests.RULES]
    command = [
        "kubectl",
        "create",
        "configmap",
        "prometheus-rules",
        "-n",
        "exchange",
        *files,
        "--dry-run=client",
        "-o",
        "yaml",
    ]
    made = yaml.safe_load(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert set(made["data"]) == set(manifests.RULES)
    assert made["data"]["critical-alerts.yml"] == (manifests.FOLDER / "critical-alerts.yml").read_text()


def test_servers_that_recover_are_not_ended(documents):
    """What begins anew from its log is not ready for minutes, and would begin again each time."""
    prometheus, postgres = (_workload(documents, name)["containers"][0] for name in ("prometheus", "postgres"))
    assert prometheus["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    for probe, answers in (("startupProbe", [0, 0, 1]), ("livenessProbe", [0, 0, 1]), ("readinessProbe", [0, 1, 1])):
        command = shlex.join(postgres[probe]["exec"]["command"]).replace("pg_isready", "answer")
        for said, expected in enumerate(answers):
            answer = f"answer() {{ return {said}; }}; export -f answer; {command.replace('sh -c', 'bash -c')}"
            begun = subprocess.run(["bash", "-c", answer], check=False)
            assert (begun.returncode != 0) == bool(expected), (probe, said)


def test_postgresql_has_connections_enough_for_all_that_may_be_scaled_up(documents):
    (scaler,) = of_kind(documents, "HorizontalPodAutoscaler")
    api = _other(documents, "Deployment", "exchange-api")
    pods = scaler["spec"]["maxReplicas"] + api["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    threads = int(serve.DEFAULTS["API_WORKERS"]) * int(serve.DEFAULTS["API_THREADS"])
    allowed = re.search(r"max_connections=(\d+)", str(_workload(documents, "postgres")["containers"][0]["args"]))
    assert allowed
    # The rest is for the frontend, the workers and operators.
    assert int(allowed[1]) >= pods * threads + 100


def _workload(documents: list[Document], name: str) -> Any:
    (found,) = [d for d in of_kind(documents, *manifests.WORKLOADS) if name_of(d) == name]
    return pod_of(found)["spec"]


def _other(documents: list[Document], kind: str, name: str) -> Any:
    (found,) = [d for d in of_kind(documents, kind) if name_of(d) == name]
    return found


BROKEN: dict[str, tuple[Callable[[list[Document]], object], str]] = {
    "a key that is missing": (
        lambda d: _other(d, "Secret", "exchange-secrets")["stringData"].pop("JWT_SECRET"), "no JWT_SECRET in Secret"),
    "a configuration that is missing": (
        lambda d: d.remove(_other(d, "ConfigMap", "exchange-config")), "no ConfigMap exchange-config"),
    "a claim that is missing": (
        lambda d: d.remove(_other(d, "PersistentVolumeClaim", "redis-data")), "no claim redis-data"),
    "a mount of nothing": (
        lambda d: _workload(d, "exchange-worker")["volumes"].clear(), "tmp is mounted and no volume"),
    "a volume for nobody": (
        lambda d: _workload(d, "exchange-beat")["volumes"].append({"name": "spare", "emptyDir": {}}), "spare is mounted nowhere"),
    "a variable that nobody reads": (
        lambda d: _other(d, "ConfigMap", "exchange-config")["data"].update(RUST_LOG="info"), "nobody reads RUST_LOG"),
    "a password that comes too late": (
        lambda d: _workload(d, "exchange-api")["containers"][0]["env"].reverse(), "which is not defined before it"),
    "a shard without a number": (
        lambda d: _workload(d, "exchange-matching-0")["containers"][0]["env"].pop(0), "its command uses SHARD"),
    "a service of nothing": (
        lambda d: _other(d, "Service", "redis")["spec"]["selector"].update(app="valkey"), "Service redis: chooses no pods"),
    "a port that pods do not have": (
        lambda d: _other(d, "Service", "exchange-api")["spec"]["ports"][0].update(targetPort="web"), "has no port web"),
    "a backend that is not there": (
        lambda d: _other(d, "Ingress", "exchange-ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"].update(
            number=80), "no exchange-api:80"),
    "a probe at another port": (
        lambda d: _workload(d, "exchange-flower")["containers"][0]["livenessProbe"]["httpGet"].update(port="metrics"), "asks at metrics"),
    "a scaler of nothing": (
        lambda d: _other(d, "HorizontalPodAutoscaler", "exchange-api")["spec"]["scaleTargetRef"].update(name="api"), "no Deployment api"),
    "a budget that forbids drains": (
        lambda d: _other(d, "PodDisruptionBudget", "exchange-api")["spec"].update(minAvailable=2), "would forbid to drain"),
    "a policy of nobody": (
        lambda d: _other(d, "NetworkPolicy", "grafana")["spec"]["podSelector"]["matchLabels"].update(app="graphs"), "chooses no pods"),
    "a policy for another port": (
        lambda d: _other(d, "NetworkPolicy", "redis")["spec"]["ingress"][0]["ports"][0].update(port=6380), "nobody has port 6380"),
    "a connection that is not allowed": (
        lambda d: d.remove(_other(d, "NetworkPolicy", "metrics")), "prometheus may not reach exchange-matching:9101"),
    "a container that runs as root": (
        lambda d: _workload(d, "exchange-api")["securityContext"].update(runAsUser=0), "runs as root"),
    "a container that may write": (
        lambda d: _workload(d, "redis")["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False), "readOnlyRootFilesystem"),
    "variables of services": (
        lambda d: _workload(d, "exchange-api").pop("enableServiceLinks"), "enableServiceLinks is not off"),
    "no limit of memory": (
        lambda d: _workload(d, "postgres")["containers"][0]["resources"].pop("limits"), "says not what it needs"),
    "an image of any version": (
        lambda d: _workload(d, "prometheus")["containers"][0].update(image="prom/prometheus:latest"), "is of no version"),
    "a container that nobody looks after": (
        lambda d: _workload(d, "exchange-worker")["containers"][0].pop("livenessProbe"), "has no livenessProbe"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_check_finds(documents, case):
    break_it, said = BROKEN[case]
    broken = copy.deepcopy(documents)
    break_it(broken)
    assert re.search(re.escape(said), "\n".join(manifests.all_that_is_wrong(broken)))
