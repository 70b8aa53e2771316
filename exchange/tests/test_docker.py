"""The images and the stack of docker/: nothing needless or secret gets in, names and ports agree, and what is built starts.

The law: what two files say of one thing is compared here, since no engine runs in the tests. `bin/image` builds and starts it all (long).
"""

import ast
import copy
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import compose_spec
import pytest
import yaml

from exchange.run import PROGRAMS
from exchange.tests.image import PROJECT, context_files, ignored_patterns, instructions, let_through

COMPOSE = PROJECT / "docker" / "compose.yml"
EXAMPLE = PROJECT / "docker" / "env.example"
TARGETS = {"api": 8080, "frontend": 5173}
PLACEHOLDER = "replace-me"
RUN_ONLY = "# The servers and the process supervisor that bin/run uses."


def values(name: str) -> list[str]:
    return [value for instruction, value in instructions((PROJECT / "Dockerfile").read_text()) if instruction == name]


def example() -> dict[str, str]:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@cache
def compose() -> dict[str, Any]:
    """Read the stack as compose does, with the example's values in the place of variables."""

    def value(found: re.Match[str]) -> str:
        return found["default"] if found["default"] is not None else example()[found["name"]]

    variable = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)\}")
    text = COMPOSE.read_text().replace("$$", "\0")
    stack = yaml.safe_load(variable.sub(value, text).replace("\0", "$$"))
    return {key: part for key, part in stack.items() if not key.startswith("x-")}


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if service["image"].startswith("exchange/")}


# --- the Dockerfile and what it is given ------------------------------------------------------------
def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), PROJECT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_a_rule_that_is_ignored_has_its_reason_above() -> None:
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    ignoring = [number for number, line in enumerate(lines) if "hadolint ignore" in line]
    assert ignoring
    assert all(lines[number - 1].startswith("# ") for number in ignoring)


@pytest.mark.parametrize(
    "path",
    [
        "docker/.env",
        ".env",
        "exchange/.env",
        ".git/config",
        ".venv/bin/python",
        "var/jwt_secret",
        "node_modules/lightweight-charts/package.json",
        "accounts/tests/test_ledger.py",
        "trading/tests/engine/oracle.py",
        "tests/js/decimal.test.js",
        "trading/__pycache__/books.cpython-311.pyc",
        "docs/API.md",
        "bench/load.py",
        "kubernetes/secrets.yml",
    ],
)
def test_what_is_secret_or_needless_stays_out(path: str) -> None:
    assert not let_through(path, ignored_patterns())


def test_all_of_the_project_that_runs_gets_in() -> None:
    given = set(context_files())
    for name in ("exchange", "accounts", "orders", "trading", "templates", "static"):
        kept = {
            str(path.relative_to(PROJECT))
            for path in (PROJECT / name).rglob("*")
            if path.is_file() and not {"tests", "__pycache__"} & set(path.parts[len(PROJECT.parts) :])
        }
        assert kept
        assert kept <= given, kept - given


def test_what_is_copied_is_there() -> None:
    given = context_files()
    for value in values("COPY"):
        *sources, _target = value.split()
        if not sources[0].startswith("--from="):
            for source in sources:
                assert any(path == source or path.startswith(f"{source}/") for path in given), source


def test_what_runs_imports_nothing_that_is_not_copied() -> None:
    copied = {Path(source).stem for value in values("COPY") for source in value.split()[:-1]}
    of_the_project = {path.stem for path in PROJECT.iterdir() if path.is_dir() or path.suffix == ".py"}
    for path in context_files():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse((PROJECT / path).read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                tops = {name.partition(".")[0] for name in names} & of_the_project
                assert tops <= copied, f"{path} imports {tops - copied}"
                assert not any(".tests" in f".{name}." for name in names if name.partition(".")[0] in tops), path


def test_packages_of_bin_run_alone_are_left_out() -> None:
    _, _, section = (PROJECT / "requirements.in").read_text().partition(RUN_ONLY)
    (removed,) = re.findall(r"uninstall --yes ([\w -]+)", "\n".join(values("RUN")))
    assert section.split() == removed.split()


def test_every_stage_is_of_one_pinned_base() -> None:
    stages = [value.split() for value in values("FROM")]
    names = {name for _, _, name in stages}
    assert {origin for origin, _, _ in stages} - names == {"python:3.13-slim-trixie"}
    assert [name for _, _, name in stages][-2:] == ["frontend", "api"]


def test_images_run_as_nobody_in_particular_and_serve_their_ports() -> None:
    assert values("USER") == ["10001:10001"]
    assert "HOST=0.0.0.0" in " ".join(values("ENV"))
    frontend, api = values("CMD")
    assert '"exchange.serve", "frontend"' in frontend
    assert '"exchange.serve", "api"' in api
    assert [int(value.split()[0]) for value in values("EXPOSE")] == [TARGETS["frontend"], TARGETS["api"]]


# --- the stack --------------------------------------------------------------------------------------
def test_the_stack_is_of_the_specification() -> None:
    assert set(compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose())).service_names()) == set(services())


def test_a_slip_in_the_stack_would_be_found() -> None:
    stack = copy.deepcopy(compose())
    stack["services"]["api"]["red_only"] = True
    with pytest.raises(ValueError, match="red_only"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(stack))


def test_services_wait_for_services() -> None:
    for name, service in services().items():
        for other, wait in service.get("depends_on", {}).items():
            assert other in services(), name
            healthy = services()[other].get("healthcheck", {}).get("disable") is not True
            assert healthy == (wait["condition"] == "service_healthy"), (name, other)


def test_volumes_are_declared_and_folders_mounted_read_only() -> None:
    for service in services().values():
        for volume in service.get("volumes", []):
            source, _target, *mode = volume.split(":")
            if source.startswith("."):
                assert mode == ["ro"], volume
            else:
                assert source in compose()["volumes"], volume


def test_what_docker_mounts_of_its_own_is_there() -> None:
    sources = [volume.partition(":")[0] for service in services().values() for volume in service.get("volumes", [])]
    own = [source for source in sources if source.startswith("./")]
    assert own
    assert all((COMPOSE.parent / source).exists() for source in own), own


def test_everything_is_confined() -> None:
    for name, service in services().items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert any(entry.startswith("/tmp") for entry in service["tmpfs"]), name  # noqa: S108 - a container's
        assert service["image"].startswith("exchange/") or service["user"].partition(":")[0] != "0", name


def test_no_port_is_open_to_others() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_pinned() -> None:
    for service in services().values():
        assert re.fullmatch(r"[\w./-]+:(v?\d[\w.-]*|dev)", service["image"]), service["image"]


def test_our_services_are_of_targets_that_are_built() -> None:
    built = {name: service["build"]["target"] for name, service in services().items() if "build" in service}
    assert built == {"api": "api", "frontend": "frontend"}
    assert {service["image"] for service in ours().values()} == {f"exchange/{name}:dev" for name in TARGETS}
    assert ours()["frontend"]["image"] == "exchange/frontend:dev"


@pytest.mark.parametrize("name", ["matching", "worker"])
def test_celery_is_started_as_bin_run_does(name: str) -> None:
    assert services()[name]["command"] == ["python", *PROGRAMS[name].format(level="INFO").split()]


def test_beat_is_started_as_bin_run_does() -> None:
    words = PROGRAMS["beat"].format(level="INFO", var="/tmp").split()  # noqa: S108 - a container's
    assert services()["beat"]["command"] == ["python", *words]


def test_urls_lead_to_services_and_their_passwords() -> None:
    for service in ours().values():
        database = urlsplit(service["environment"]["DATABASE_URL"])
        postgres = services()["postgres"]["environment"]
        assert (database.hostname, database.port) == ("postgres", 5432)
        assert (database.username, database.password) == (postgres["POSTGRES_USER"], postgres["POSTGRES_PASSWORD"])
        assert database.path == f"/{postgres['POSTGRES_DB']}"
        redis = urlsplit(service["environment"]["REDIS_URL"])
        assert (redis.hostname, redis.port) == ("redis", 6379)
        assert redis.password == services()["redis"]["environment"]["REDISCLI_AUTH"]


def test_variables_are_ones_that_something_reads() -> None:
    sources = [path for path in (PROJECT / "exchange").rglob("*.py") if "tests" not in path.parts]
    read = "".join(path.read_text() for path in sources)
    of_flower = {"FLOWER_BASIC_AUTH"}
    for name, service in ours().items():
        for variable in set(service["environment"]) - of_flower - {"METRICS_PORT"}:
            assert f'"{variable}"' in read, (name, variable)


def test_every_process_says_where_its_metrics_are() -> None:
    config = yaml.safe_load((PROJECT / "docker" / "prometheus.yml").read_text())
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    expected: dict[str, list[str]] = {f"exchange-{name}": [f"{name}:{port}"] for name, port in TARGETS.items()}
    for name, service in ours().items():
        port = service["environment"].get("METRICS_PORT") or service["environment"].get("FLOWER_PORT")
        if port:
            expected[f"exchange-{name}"] = [f"{name}:{port}"]
    assert asked == expected


@pytest.mark.skipif(shutil.which("promtool") is None, reason="There is no promtool.")
def test_prometheus_takes_its_configuration() -> None:
    command = ["promtool", "check", "config", "--syntax-only", PROJECT / "docker" / "prometheus.yml"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_grafana_finds_what_is_mounted() -> None:
    provisioning = PROJECT / "docker" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "exchange.yml").read_text())["providers"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    targets = {volume.split(":")[1] for volume in services()["grafana"]["volumes"]}
    assert provider["options"]["path"] in targets
    assert urlsplit(source["url"]).hostname in services()


# --- secrets ----------------------------------------------------------------------------------------
def test_the_example_has_every_secret_and_nothing_but_placeholders() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert set(example()) == wanted
    assert set(example().values()) == {PLACEHOLDER}


def test_the_line_of_the_example_makes_secrets_of_their_own(tmp_path: Path) -> None:
    (line,) = re.findall(r"^#\s+(\(umask .*\))\s+#", EXAMPLE.read_text(), re.MULTILINE)
    folder = tmp_path / "docker"
    folder.mkdir()
    shutil.copy(EXAMPLE, folder)
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True)
    made = folder / ".env"
    assert made.stat().st_mode & 0o077 == 0
    pairs = [line.split("=", 1) for line in made.read_text().splitlines() if line and not line.startswith("#")]
    assert [name for name, _ in pairs] == list(example())
    assert len({value for _, value in pairs}) == len(pairs)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for _, value in pairs)


def test_secrets_are_never_committed() -> None:
    said = subprocess.run(["git", "check-ignore", "docker/.env"], cwd=PROJECT, capture_output=True, check=False)
    assert said.returncode == 0


# --- beside the manifests ---------------------------------------------------------------------------
def containers(part: Any) -> list[dict[str, Any]]:
    """All containers anywhere in a manifest."""
    if isinstance(part, list):
        return [found for item in part for found in containers(item)]
    if not isinstance(part, dict):
        return []
    here = [part] if isinstance(part.get("image"), str) else []
    return here + [found for item in part.values() for found in containers(item)]


def test_manifests_run_the_images_that_are_built() -> None:
    files = sorted((PROJECT / "kubernetes").glob("*.yml"))
    found = [
        container for path in files for part in yaml.safe_load_all(path.read_text()) for container in containers(part)
    ]
    images = {container["image"].partition(":")[0] for container in found if "exchange" in container["image"]}
    assert images <= {f"exchange/{name}" for name in TARGETS}


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="A root of one's own takes root.")
def test_the_images_are_built_and_start() -> None:
    said = subprocess.run([PROJECT / "bin" / "image"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-3000:]
    assert "All of it was built, started, found healthy and stopped." in said.stdout
