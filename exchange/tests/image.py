"""Build and start the images without a container engine: `bin/image`.

The law: every instruction of the Dockerfile is carried out in its order, in a root of its own, from nothing but what .dockerignore lets
through; what one does not know fails. Then the commands of docker/compose.yml run on that root, read-only but for /tmp, as the image's user,
until their health checks are content, and end when they are told to.

What differs from an engine: python:3.13-slim-trixie is Debian's own Python 3.13 on the same Debian, by mmdebstrap, under the names that
the official image has; there are no layers; processes share this machine's network; capabilities and limits of memory are the engine's.
"""

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.request import Request, urlopen

import yaml
from dockerfile_parse import DockerfileParser

from exchange.tests.platform import free_ports

PROJECT = Path(__file__).resolve().parent.parent.parent
BASE = "python:3.13-slim-trixie"
SUITE = "trixie"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SEARCH_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
HEALTHY_SECONDS_MAX = 90
STOP_SECONDS_MAX = 30
# What differs here from one container to the next, for all of them share this machine's ports.
OF_THE_MACHINE = {"HOST", "API_PORT", "FRONTEND_PORT"}
# How a package client of this machine reaches its registry, and no more of its environment.
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")


@dataclass
class Image:
    """A stage: its root, and what its instructions have set."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SEARCH_PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def instructions(text: str) -> list[tuple[str, str]]:
    """Read a Dockerfile as instructions and what follows each, comments left out."""
    with tempfile.TemporaryDirectory() as folder:
        parser = DockerfileParser(str(folder))
        parser.content = text
        return [(part["instruction"], part["value"]) for part in parser.structure if part["instruction"] != "COMMENT"]


def let_through(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore lets a file through: of the patterns that match it or a folder above it, the last one says."""
    through = True
    above = [path, *(str(folder) for folder in Path(path).parents)][:-1]
    for pattern in patterns:
        expression = re.compile(
            re.escape(pattern.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        )
        if any(expression.fullmatch(part) for part in above):
            through = pattern.startswith("!")
    return through


def ignored_patterns() -> list[str]:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def context_files() -> list[str]:
    """The files that a build is given, by their paths in the project."""
    patterns = ignored_patterns()
    found: list[str] = []
    for folder, folders, files in os.walk(PROJECT):
        here = Path(folder).relative_to(PROJECT)
        if here == Path():
            folders[:] = [name for name in folders if f"!{name}" in patterns]
        found += [path for name in files if let_through(path := str(here / name), patterns)]
    return found


class Builder:
    """Carry out a Dockerfile's instructions; its stages are folders below one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: dict[str, Image] = {}
        self.context = folder / "context"
        for path in context_files():
            target = self.context / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / path, target)

    def build(self, text: str) -> dict[str, Image]:
        image = None
        for instruction, value in instructions(text):
            say(f"{instruction} {value}")
            if instruction == "FROM":
                origin, _as, name = value.split()
                image = self.images[name] = self.begin(origin, self.folder / name)
            else:
                assert image is not None, instruction
                self.carry_out(image, instruction, value)
        return self.images

    def begin(self, origin: str, root: Path) -> Image:
        if origin in self.images:
            earlier = self.images[origin]
            copy_tree(earlier.root, root)
            return replace(earlier, root=root, environment=dict(earlier.environment), arguments={})
        assert origin == BASE, f"{origin} is not known here."
        base = self.folder / "base"
        if not base.exists():
            make_base(base)
        copy_tree(base, root)
        return Image(root)

    def carry_out(self, image: Image, instruction: str, value: str) -> None:
        match instruction:
            case "ENV":
                image.environment |= self.pairs(image, value)
            case "ARG":
                image.arguments |= self.pairs(image, value)
            case "WORKDIR":
                image.folder = value
                (image.root / value.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self.copy(image, shlex.split(value))
            case "RUN":
                run_in(image, ["sh", "-c", value], check=True)
            case "USER":
                image.user = value
            case "CMD":
                image.command = yaml.safe_load(value)
            case "HEALTHCHECK":
                image.health = yaml.safe_load(value.partition("CMD ")[2])
            case "LABEL" | "EXPOSE":
                pass  # for readers and engines
            case _:
                raise NotImplementedError(instruction)

    def pairs(self, image: Image, value: str) -> dict[str, str]:
        known = image.environment | image.arguments
        pairs = (word.partition("=") for word in shlex.split(value))
        return {name: re.sub(r"\$(\w+)", lambda found: known[found[1]], text) for name, _, text in pairs}

    def copy(self, image: Image, words: list[str]) -> None:
        source = self.context
        if words[0].startswith("--from="):
            source = self.images[words.pop(0).removeprefix("--from=")].root
        *names, target = words
        place = image.root / image.folder.lstrip("/") / target if target[0] != "/" else image.root / target[1:]
        for name in names:
            path = source / name.lstrip("/")
            if path.is_dir():
                copy_tree(path, place)
            else:
                shutil.copy2(path, place / path.name if target.endswith("/") else place)


def make_base(root: Path) -> None:
    """Make what stands in for the official image: its Debian, and its Python below /usr/local."""
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"]
    subprocess.run([*command, "--include=python3,python3-venv,ca-certificates", SUITE, str(root)], check=True)
    run_in(Image(root), ["python3", "-m", "venv", "/usr/local"], check=True)


def copy_tree(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", str(target)], check=True)


def enter(image: Image, command: list[str], environment: Mapping[str, str], *, read_only: bool) -> list[str]:
    """The command line that runs another in an image, with what an engine mounts; the mounts end with it."""
    root = shlex.quote(str(image.root))
    mounts = [f"mount --bind {root} {root}"]
    for file in ("/etc/resolv.conf", "/etc/hosts", str(CERTIFICATES)):
        (image.root / file[1:]).touch()
        mounts.append(f"mount --bind {file} {root}{file}")
    if read_only:
        mounts.append(f"mount -o remount,bind,ro {root}")
    mounts += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev", f"mount -t tmpfs tmpfs {root}/tmp"]  # noqa: S108
    words = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), "sh", "-c"]
    words += ['cd "$0" && exec "$@"', image.folder, *command]
    script = " && ".join([*mounts, f"exec chroot --userspec={image.user} {root} {shlex.join(words)}"])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]


def run_in(image: Image, command: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # As an engine has it: an image's files may be changed while it is built, and its ARGs are in the environment of RUN.
    environment = {**passed_on, "NODE_EXTRA_CA_CERTS": str(CERTIFICATES), **image.arguments, **image.environment}
    return subprocess.run(enter(image, command, environment, read_only=False), check=check)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="exchange-image-", ignore_cleanup_errors=True) as folder:
        images = Builder(Path(folder)).build((PROJECT / "Dockerfile").read_text())
        tell_sizes(images)
        start_all(images)
    say("All of it was built, started, found healthy and stopped.")
    return 0


def tell_sizes(images: dict[str, Image]) -> None:
    for name in ("api", "frontend"):
        for part in ("venv", "app", "app/staticfiles", ""):
            said = subprocess.run(["du", "-sm", images[name].root / part], capture_output=True, text=True, check=True)
            say(f"size of {name}:/{part}: {said.stdout.split()[0]} MB")


def start_all(images: dict[str, Image]) -> None:
    """Run each service of the compose file that is ours, one at a time, and after the migration."""
    compose = yaml.safe_load((PROJECT / "docker" / "compose.yml").read_text())
    ours = {name: service for name, service in compose["services"].items() if service["image"].startswith("exchange/")}
    known = {
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "REDIS_URL": os.environ["REDIS_URL"],
        **{name: secrets.token_hex(32) for name in ("JWT_SECRET", "SECRET_KEY", "API_KEY_SECRET")},
        "FLOWER_BASIC_AUTH": f"operator:{secrets.token_hex(32)}",
        "HOST": "127.0.0.1",  # the network is this machine's, where nothing is for others
        **free_ports(),
    }
    for name, service in ours.items():
        image = images[service["image"].partition("/")[2].partition(":")[0]]
        if "profiles" in service:
            say(f"--- {name}: left out, as it is of a profile")
            continue
        say(f"--- {name}")
        given = {key: value for key, value in known.items() if key in {*service["environment"], *OF_THE_MACHINE}}
        if service["restart"] == "no":
            run_to_its_end(image, service["command"], given)
        else:
            with running(image, service.get("command", image.command), given) as process:
                check_health(image, service.get("healthcheck", {}).get("test", image.health), given, process)
                check_confinement(image, process)
                if name == "frontend":
                    check_chart(given["FRONTEND_PORT"])
    for image in (images["api"], images["frontend"]):
        check_tools(image)


def run_to_its_end(image: Image, command: list[str], environment: Mapping[str, str]) -> None:
    subprocess.run(enter(image, unescaped(command), image.environment | environment, read_only=True), check=True)


def unescaped(command: list[str]) -> list[str]:
    """A command as an engine gets it from compose, which has a dollar sign doubled."""
    return [word.replace("$$", "$") for word in command]


@contextmanager
def running(image: Image, command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(enter(image, unescaped(command), image.environment | environment, read_only=True))
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        code = process.wait(STOP_SECONDS_MAX)
        say(f"ended {time.monotonic() - started:.1f} s after it was told to, with code {code}")
    finally:
        process.kill()
        process.wait()


def check_health(
    image: Image, test: list[str], environment: Mapping[str, str], process: subprocess.Popen[bytes]
) -> None:
    """Wait until the health check is content, as an engine would ask it."""
    command = {"CMD": test[1:], "CMD-SHELL": ["sh", "-c", *test[1:]]}.get(test[0], test)
    line = enter(image, unescaped(command), image.environment | environment, read_only=True)
    started = time.monotonic()
    while subprocess.run(line, check=False).returncode:
        assert process.poll() is None, "It ended by itself."
        assert time.monotonic() < started + HEALTHY_SECONDS_MAX, "It did not get healthy."
        time.sleep(0.5)
    say(f"healthy after {time.monotonic() - started:.1f} s")


def check_confinement(image: Image, process: subprocess.Popen[bytes]) -> None:
    """The process is the image's user, and nothing but /tmp and what the kernel has can be written."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    uid, _, gid = image.user.partition(":")
    assert f"Uid:\t{uid}\t{uid}" in status, status
    assert f"Gid:\t{gid}\t{gid}" in status, status
    options = {
        line.split()[1]: line.split()[3].split(",")
        for line in Path(f"/proc/{process.pid}/mounts").read_text().splitlines()
    }
    assert "ro" in options["/"], options
    assert "rw" in options["/tmp"], options  # noqa: S108 - the image's


def check_chart(port: str) -> None:
    """What npm brought is served, and compressed; so is what is the project's own."""
    for path in ("vendor/lightweight-charts.standalone.production.mjs", "js/stream.js"):
        request = Request(f"http://127.0.0.1:{port}/static/{path}", headers={"Accept-Encoding": "gzip"})
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - this machine's
            assert answer.headers["Content-Encoding"] == "gzip", path


def check_tools(image: Image) -> None:
    """What an operator asks for inside a container is there."""
    script = (
        "set -e; for tool in curl getent nslookup openssl; do command -v $tool; done; busybox --list | grep -x nslookup"
    )
    subprocess.run(enter(image, ["bash", "-c", script], image.environment, read_only=True), check=True)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for the person at the terminal


if __name__ == "__main__":
    sys.exit(main())
