"""Virtual environments for programs of others: each once with this client, and once with the reference client."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from os import environ
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.interop.processes import HarnessError, run
from tests.interop.specs import HUBS, Environment, interpreter, locked, python_version

_REPOSITORY = Path(__file__).resolve().parents[2]
_DISTRIBUTION = "hivemind-bus-client"
_REFERENCE_VERSION = "1.2.12a1"
#: What stands in the place of the reference client, as folders of the repository.
_OURS = (".", "plugins/cli", "plugins/intercom", "compat")
_SOURCES = ("hivemind_core_client", "plugins/cli/src", "plugins/intercom/src", "compat/src")
_FOR_DEVELOPERS = frozenset({"fuzz", "lint", "packaging", "test"})
_INSTALL_SECONDS = 900.0
_REQUIREMENTS, _CODE = "installed.txt", "code.txt"

#: Which client a program gets: this one, or the reference client as the control.
OURS, REFERENCE = "ours", "reference"
SIDES = (OURS, REFERENCE)

#: What the hub that answers has too, in versions that were seen to work together.
OVOS = (
    "json_database==1.0.5a1",
    "ovos-bus-client==2.11.29a1",
    "ovos-config==3.9.0a1",
    "ovos-spec-tools==1.16.0a1",
    "ovos-utils==0.15.6a1",
    "poorman-handshake==2.0.3a1",
    "z85base91==0.0.7a1",
)


#: hivemind-core, and what the hub that answers has with it.
HUB = tuple(
    requirement
    for requirement in next(spec for spec in HUBS if spec.version == "5.3.10a1").requirements
    if not requirement.startswith("hivemind_bus_client")
)


@dataclass(frozen=True)
class EnvironmentSpec:
    """What is installed together: programs that share an environment name the same one.

    `requirements` are pip arguments, without the client: that is added for each side. `bare` are installed without what
    they require: it is among the requirements as far as the rows need it.
    """

    name: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()


def environment(spec: EnvironmentSpec, side: str) -> Environment:
    """The environment of `spec` with the client of `side`, made on first use and kept.

    It lies in `$HIVEMIND_INTEROP_ECOSYSTEM` (default `.cache/ecosystem` in the repository). It is made anew when its
    requirements change; when our sources change, only our own packages are installed again. Raises HarnessError if the
    installation fails, or brings another client than that of `side`.
    """
    python = interpreter()
    root = _cache() / f"{spec.name}-{side}-py{python_version(python)}"
    with locked(root.with_suffix(".lock")):
        requirements = _requirements(spec, side)
        if _read(root / _REQUIREMENTS) != requirements:
            _install(root, spec, side, python)
            (root / _REQUIREMENTS).write_text(requirements, encoding="utf-8")
        elif side == OURS and _read(root / _CODE) != _code():
            _pip(root, "install", "--no-deps", "--force-reinstall", *_wheels())
        if side == OURS:
            (root / _CODE).write_text(_code(), encoding="utf-8")
    return Environment(root)


def _install(root: Path, spec: EnvironmentSpec, side: str, python: str) -> None:
    # An environment without its marker was cut off half-way: what is in it cannot be trusted.
    if root.exists():
        shutil.rmtree(root)
    run([python, "-m", "venv", str(root)], seconds=120)
    client = _wheels() if side == OURS else [f"{_DISTRIBUTION}[async]=={_REFERENCE_VERSION}"]
    _pip(root, "install", *client, *spec.requirements)
    if spec.bare:
        _pip(root, "install", "--no-deps", *spec.bare)
    code = f"from importlib.metadata import version; print(version({_DISTRIBUTION!r}))"
    version = run([str(root / "bin" / "python"), "-c", code], seconds=30).strip()
    if ("+core." in version) is not (side == OURS):
        raise HarnessError(f"{spec.name} was to have the client {side}, and has {version}")


def _pip(root: Path, *arguments: str) -> None:
    pip = [str(root / "bin" / "python"), "-m", "pip", "-q", "--disable-pip-version-check"]
    try:
        run([*pip, *arguments], seconds=_INSTALL_SECONDS)
    except HarnessError as error:
        raise HarnessError(f"{root.name} could not be installed: {error}") from error


def _wheels() -> list[str]:
    """Our packages, built once for each state of the sources."""
    cache = _cache()
    folder = cache / f"wheels-{_code()}"
    with locked(cache / "wheels.lock"):
        if not (folder / _CODE).exists():
            for old in cache.glob("wheels-*/"):
                shutil.rmtree(old)
            build = [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--no-build-isolation"]
            run([*build, "-w", str(folder), *(str(_REPOSITORY / name) for name in _OURS)], seconds=300)
            (folder / _CODE).write_text(_code(), encoding="utf-8")
    return sorted(str(path) for path in folder.glob("*.whl"))


def _code() -> str:
    """What tells one state of our sources from another."""
    digest = hashlib.sha256()
    for path in sorted(_source_files()):
        digest.update(str(path.relative_to(_REPOSITORY)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        yield from (path for path in (_REPOSITORY / name).rglob("*") if _is_source(path))
    yield from _projects()


def _projects() -> list[Path]:
    return [_REPOSITORY / name / "pyproject.toml" for name in _OURS]


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _requirements(spec: EnvironmentSpec, side: str) -> str:
    """The content of the marker: what our packages require is a part of it."""
    texts = [_dependencies(path) for path in _projects()] if side == OURS else [_REFERENCE_VERSION]
    return "\n".join([*spec.requirements, *spec.bare, *texts]) + "\n"


def _dependencies(project_file: Path) -> str:
    """What a package of ours requires, without what only its developers do."""
    project = tomllib.loads(project_file.read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    kept = {name: extras[name] for name in extras if name not in _FOR_DEVELOPERS}
    return f"{project['name']} {project['dependencies']} {kept}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _cache() -> Path:
    path = Path(environ.get("HIVEMIND_INTEROP_ECOSYSTEM") or _REPOSITORY / ".cache" / "ecosystem")
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()
