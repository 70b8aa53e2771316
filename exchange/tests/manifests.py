"""Read Kubernetes manifests, and say what in them does not hold together.

The law: a check returns what is wrong, in words, and knows nothing but the documents that it is given; so the same checks serve the
files as they are, copies that were broken on purpose, and whatever else makes manifests.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent.parent
FOLDER = PROJECT / "kubernetes"
RULES = ("critical-alerts.yml", "warning-alerts.yml")
"""Bare groups of Prometheus' rules, and no manifests."""

MADE_BY_HAND = {"prometheus-rules", "grafana-dashboards"}
"""ConfigMaps that are made of files by kubectl."""

VARIABLES_OF_IMAGES = re.compile(r"(POSTGRES|REDIS|REDISCLI|PG|GF|FLOWER)_?[A-Z_]*|KEEP_DAYS")
"""What the servers' own images read."""

WORKLOADS = ("Deployment", "Job", "CronJob")
Document = dict[str, Any]


def manifest_files() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.yml") if path.name not in RULES)


def read_manifests(*paths: Path) -> list[Document]:
    return [
        document for path in paths or manifest_files() for document in yaml.safe_load_all(path.read_text()) if document
    ]


def of_kind(documents: Sequence[Document], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def name_of(document: Document) -> str:
    return str(document["metadata"]["name"])


def pod_of(workload: Document) -> Document:
    """The template of a workload's pods."""
    spec = workload["spec"]
    template: Document = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    return template


def containers_of(workload: Document) -> list[Document]:
    spec = pod_of(workload)["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def all_containers(documents: Sequence[Document]) -> Iterator[tuple[Document, Document]]:
    for workload in of_kind(documents, *WORKLOADS):
        for container in containers_of(workload):
            yield workload, container


def settings_variables() -> set[str]:
    """Name every variable that the project reads from its environment."""
    read = re.compile(r"""(?:env\.\w+|environ\.get|getenv)\(\s*"([A-Z_]+)"|^\s+"([A-Z_]+)": "[^"]*",$""", re.MULTILINE)
    sources = [PROJECT / "exchange" / name for name in ("settings.py", "serve.py", "run.py", "embedded/var.py")]
    names = {name for path in sources for pair in read.findall(path.read_text()) for name in pair if name}
    return names | {"EMAIL_URL", "SHARD", "EXCHANGE_VAR"}


def wrong_references(documents: Sequence[Document]) -> list[str]:
    """Find secrets, keys, configurations and claims that are named and not there."""
    keys = {
        (document["kind"], name_of(document)): {*document.get("data", {}), *document.get("stringData", {})}
        for document in of_kind(documents, "Secret", "ConfigMap")
    }
    claims = {name_of(document) for document in of_kind(documents, "PersistentVolumeClaim")}
    wrong = []
    for workload, container in all_containers(documents):
        where = f"{name_of(workload)}/{container['name']}"
        for source in container.get("envFrom", []):
            named = source["configMapRef"]["name"] if "configMapRef" in source else source["secretRef"]["name"]
            kind = "ConfigMap" if "configMapRef" in source else "Secret"
            if (kind, named) not in keys:
                wrong.append(f"{where}: no {kind} {named}")
        for variable in container.get("env", []):
            for reference, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                found = variable.get("valueFrom", {}).get(reference)
                if found and found["key"] not in keys.get((kind, found["name"]), ()):
                    wrong.append(f"{where}: no {found['key']} in {kind} {found['name']}")
    for workload in of_kind(documents, *WORKLOADS):
        for volume in pod_of(workload)["spec"].get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in claims:
                wrong.append(f"{name_of(workload)}: no claim {claim}")
            configuration = volume.get("configMap", {}).get("name")
            if configuration and configuration not in MADE_BY_HAND and ("ConfigMap", configuration) not in keys:
                wrong.append(f"{name_of(workload)}: no ConfigMap {configuration}")
    return wrong


def wrong_mounts(documents: Sequence[Document]) -> list[str]:
    """Find mounts of volumes that a pod does not have, and volumes that nothing mounts."""
    wrong = []
    for workload in of_kind(documents, *WORKLOADS):
        volumes = {volume["name"] for volume in pod_of(workload)["spec"].get("volumes", [])}
        mounted = {
            mount["name"] for container in containers_of(workload) for mount in container.get("volumeMounts", [])
        }
        wrong += [f"{name_of(workload)}: {name} is mounted and no volume" for name in sorted(mounted - volumes)]
        wrong += [f"{name_of(workload)}: {name} is mounted nowhere" for name in sorted(volumes - mounted)]
    return wrong


def wrong_variables(documents: Sequence[Document]) -> list[str]:
    """Find variables that nobody reads, and uses of such as are not defined before."""
    known = settings_variables()
    wrong = [
        f"{name_of(document)}: nobody reads {name}"
        for document in of_kind(documents, "ConfigMap")
        if name_of(document) == "exchange-config"
        for name in document["data"]
        if name not in known
    ]
    for workload, container in all_containers(documents):
        where, defined = f"{name_of(workload)}/{container['name']}", set()
        for variable in container.get("env", []):
            name = variable["name"]
            if name not in known and not VARIABLES_OF_IMAGES.fullmatch(name):
                wrong.append(f"{where}: nobody reads {name}")
            used = re.findall(r"\$\((\w+)\)", variable.get("value", ""))
            wrong += [
                f"{where}: {name} uses {other}, which is not defined before it"
                for other in used
                if other not in defined
            ]
            defined.add(name)
        words = " ".join([*container.get("command", []), *container.get("args", [])])
        used = re.findall(r"\$\(([A-Z_]+)\)", words)
        wrong += [f"{where}: its command uses {name}, which is not defined" for name in used if name not in defined]
    return wrong


def wrong_selectors(documents: Sequence[Document]) -> list[str]:
    """Find workloads that do not select their own pods."""
    wrong = []
    for workload in of_kind(documents, "Deployment"):
        labels = pod_of(workload)["metadata"]["labels"]
        if not workload["spec"]["selector"]["matchLabels"].items() <= labels.items():
            wrong.append(f"{name_of(workload)}: does not select its own pods")
    return wrong


def wrong_ports(documents: Sequence[Document]) -> list[str]:
    """Find services of nothing, and ports of services, of the ingress and of probes that nobody has."""
    wrong = []
    services = of_kind(documents, "Service")
    for service in services:
        chosen = _chosen(documents, service["spec"]["selector"])
        if not chosen:
            wrong.append(f"Service {name_of(service)}: chooses no pods")
        wrong += [
            f"Service {name_of(service)}: {name_of(workload)} has no port {port['targetPort']}"
            for port in service["spec"]["ports"]
            for workload in chosen
            if port["targetPort"] not in _ports(workload)
        ]
    ports = {name_of(service): {port["port"] for port in service["spec"]["ports"]} for service in services}
    for ingress in of_kind(documents, "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            if backend["port"]["number"] not in ports.get(backend["name"], ()):
                wrong.append(f"Ingress: no {backend['name']}:{backend['port']['number']}")
    for workload, container in all_containers(documents):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if port is not None and port not in _ports(workload):
                wrong.append(f"{name_of(workload)}: its {probe} asks at {port}, which it does not have")
    return wrong


def _ports(workload: Document) -> set[Any]:
    ports = [port for container in pod_of(workload)["spec"]["containers"] for port in container.get("ports", [])]
    return {port["name"] for port in ports} | {port["containerPort"] for port in ports}


def _chosen(documents: Sequence[Document], labels: dict[str, str]) -> list[Document]:
    return [
        w for w in of_kind(documents, *WORKLOADS) if labels.items() <= pod_of(w)["metadata"].get("labels", {}).items()
    ]


def wrong_targets(documents: Sequence[Document]) -> list[str]:
    """Find scalers, budgets and policies of what is not there, and policies whose ports nobody has."""
    deployments = {name_of(document) for document in of_kind(documents, "Deployment")}
    wrong = [
        f"HorizontalPodAutoscaler: no Deployment {scaler['spec']['scaleTargetRef']['name']}"
        for scaler in of_kind(documents, "HorizontalPodAutoscaler")
        if scaler["spec"]["scaleTargetRef"]["name"] not in deployments
    ]
    for budget in of_kind(documents, "PodDisruptionBudget"):
        chosen = _chosen(documents, budget["spec"]["selector"]["matchLabels"])
        if not chosen:
            wrong.append(f"PodDisruptionBudget {name_of(budget)}: chooses no pods")
        wrong += [
            f"PodDisruptionBudget {name_of(budget)}: would forbid to drain {name_of(workload)}'s node"
            for workload in chosen
            if _pods(documents, workload) <= budget["spec"]["minAvailable"]
        ]
    for policy in of_kind(documents, "NetworkPolicy"):
        wrong += _wrong_policy(documents, policy)
    return wrong


def _pods(documents: Sequence[Document], workload: Document) -> int:
    """How many pods a Deployment has at least."""
    scaled = [
        scaler["spec"]["minReplicas"]
        for scaler in of_kind(documents, "HorizontalPodAutoscaler")
        if scaler["spec"]["scaleTargetRef"]["name"] == name_of(workload)
    ]
    return min([*scaled, *filter(None, [workload["spec"].get("replicas")])])


def _wrong_policy(documents: Sequence[Document], policy: Document) -> Iterator[str]:
    spec, name = policy["spec"], name_of(policy)
    own = _selected(documents, spec["podSelector"])
    if not own:
        yield f"NetworkPolicy {name}: chooses no pods"
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(way, []):
            found = [
                w
                for peer in rule.get(peers, [])
                if "podSelector" in peer
                for w in _selected(documents, peer["podSelector"])
            ]
            selects = [peer for peer in rule.get(peers, []) if "podSelector" in peer]
            if selects and not found:
                yield f"NetworkPolicy {name}: its {way} names no pods"
            for port in rule["ports"]:
                whose = own if way == "ingress" else found
                if whose and not any(port["port"] in _ports(workload) for workload in whose):
                    yield f"NetworkPolicy {name}: nobody has port {port['port']}"


def _selected(documents: Sequence[Document], selector: Document) -> list[Document]:
    if "matchExpressions" in selector:
        (expression,) = selector["matchExpressions"]
        return [w for value in expression["values"] for w in _chosen(documents, {expression["key"]: value})]
    return _chosen(documents, selector.get("matchLabels", {}))


def not_allowed(documents: Sequence[Document]) -> list[str]:
    """Find connections that processes need and no policy allows; by what each Service is for."""
    needed = [
        *((name, "postgres", 5432) for name in _apps(documents)),
        *((name, "redis", 6379) for name in _apps(documents) if name != "exchange-backup"),
        *(("prometheus", name, port) for name, port in SCRAPED.items()),
        ("grafana", "prometheus", 9090),
    ]
    there = {pod_of(w)["metadata"]["labels"]["app"] for w in of_kind(documents, *WORKLOADS)}
    return [
        f"{caller} may not reach {called}:{port}"
        for caller, called, port in needed
        if {caller, called} <= there
        and not (
            _allows(documents, "egress", caller, called, port) and _allows(documents, "ingress", called, caller, port)
        )
    ]


SCRAPED = {
    "exchange-api": 8080, "exchange-frontend": 5173, "exchange-matching": 9101, "exchange-worker": 9101,
    "exchange-beat": 9101, "exchange-flower": 5555,
}  # fmt: skip


def _apps(documents: Sequence[Document]) -> list[str]:
    labels = [pod_of(w)["metadata"]["labels"]["app"] for w in of_kind(documents, *WORKLOADS)]
    return sorted({label for label in labels if label.startswith("exchange-")})


def _allows(documents: Sequence[Document], way: str, whose: str, other: str, port: int) -> bool:
    """Tell whether some policy lets pods of one label reach, or be reached by, those of another."""
    for policy in of_kind(documents, "NetworkPolicy"):
        if not _means(policy["spec"]["podSelector"], whose):
            continue
        for rule in policy["spec"].get(way, []):
            peers = rule.get("to" if way == "egress" else "from", [])
            if any(_means(peer["podSelector"], other) for peer in peers if "podSelector" in peer) and any(
                allowed["port"] == port for allowed in rule["ports"]
            ):
                return True
    return False


def _means(selector: Document, app: str) -> bool:
    if "matchExpressions" in selector:
        return app in selector["matchExpressions"][0]["values"]
    return bool(selector.get("matchLabels", {}).get("app") == app)


def not_hardened(documents: Sequence[Document]) -> list[str]:
    """Find pods and containers that may do more than they need."""
    wrong = []
    for workload in of_kind(documents, *WORKLOADS):
        spec, name = pod_of(workload)["spec"], name_of(workload)
        context = spec.get("securityContext", {})
        wants = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        wrong += [f"{name}: {what} is not {value}" for what, value in wants.items() if context.get(what) != value]
        if not context.get("runAsUser"):
            wrong.append(f"{name}: runs as root")
        for what in ("enableServiceLinks", "automountServiceAccountToken"):
            if spec.get(what) is not False:
                wrong.append(f"{name}: {what} is not off")
    wants = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for workload, container in all_containers(documents):
        where = f"{name_of(workload)}/{container['name']}"
        context = container.get("securityContext", {})
        wrong += [f"{where}: {what} is not {value}" for what, value in wants.items() if context.get(what) != value]
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
            wrong.append(f"{where}: says not what it needs")
        image = container["image"]
        if ":" not in image or image.endswith(":latest"):
            wrong.append(f"{where}: {image} is of no version")
        if workload["kind"] == "Deployment" and container in pod_of(workload)["spec"]["containers"]:
            missing = {"readinessProbe", "livenessProbe"} - container.keys()
            wrong += [f"{where}: has no {probe}" for probe in sorted(missing)]
    return wrong


CHECKS = (
    wrong_references, wrong_mounts, wrong_variables, wrong_selectors, wrong_ports, wrong_targets, not_allowed, not_hardened,
)  # fmt: skip


def all_that_is_wrong(documents: Sequence[Document]) -> list[str]:
    return [found for check in CHECKS for found in check(documents)]
