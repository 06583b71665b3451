"""What the repository tells people and services agrees with its tools: workflows, pre-commit, the check list."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import hivemind_core_client

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TESTS = ROOT / ".github" / "workflows" / "tests.yml"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def runs(path: Path) -> list[str]:
    """Every command line of a workflow."""
    steps = [step for job in loaded(path)["jobs"].values() for step in job["steps"]]
    return [line for step in steps if "run" in step for line in step["run"].splitlines()]


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))


def test_the_workflow_has_the_matrix_of_make_matrix() -> None:
    matrix = loaded(TESTS)["jobs"]["test"]["strategy"]["matrix"]
    script = text("tools/matrix")
    (pythons,) = re.findall(r"^for version in (.+); do$", script, re.MULTILINE)
    assert matrix["python"] == pythons.split()
    requirements = re.findall(r'try "[^"]+" "\$newest" \S+ "([^"]+)"', script)
    assert [extra["requirement"] for extra in matrix["include"]] == requirements
    assert {extra["python"] for extra in matrix["include"]} == {pythons.split()[-1]}


def test_the_workflow_runs_all_that_must_pass_before_a_merge() -> None:
    (targets,) = re.findall(r"^for target in (.+); do$", text(".ci/run"), re.MULTILINE)
    run = {word for line in runs(TESTS) if line.startswith("make ") for word in line.split()[1:]}
    assert set(targets.split()) <= run


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_targets_that_exist_and_may_only_read(path: Path) -> None:
    made = [line.split()[1:] for line in runs(path) if line.startswith("make ")]
    words = {word for line in made for word in line if "=" not in word and not word.startswith(".venv/")}
    assert words and words <= makefile_targets()
    assert loaded(path)["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in loaded(path)["jobs"].values())


def test_a_release_publishes_nothing_under_the_name_of_others() -> None:
    built = next(line for line in runs(ROOT / ".github/workflows/release.yml") if line.startswith("rm "))
    compat = tomllib.loads(text("compat/pyproject.toml"))["project"]["name"]
    assert built == f"rm dist/{compat.replace('-', '_')}-*"


def test_pre_commit_has_the_versions_of_make_lint() -> None:
    extra = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]["lint"]
    hooks = [hook for repo in loaded(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    pinned = [line for hook in hooks for line in hook.get("additional_dependencies", [])]
    assert pinned and set(pinned) <= set(extra)
    for script in re.findall(r"\btools/\w+", " ".join(hook["entry"] for hook in hooks)):
        assert (ROOT / script).is_file()


def test_the_check_list_names_targets_that_exist() -> None:
    named = set(re.findall(r"`make ([a-z]+)`", text("RELEASING.md")))
    assert {"dist", "matrix"} <= named <= makefile_targets()


def test_the_security_policy_speaks_of_this_version() -> None:
    minor = ".".join(hivemind_core_client.__version__.split(".")[:2])
    assert f"| {minor} | yes |" in text("SECURITY.md")


@pytest.mark.parametrize("name", ["fault", "wish"])
def test_an_issue_form_asks_something(name: str) -> None:
    form = loaded(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert form["name"] and form["description"]
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert any(field.get("validations", {}).get("required") for field in asked)
    for field in form["body"]:
        for path in re.findall(r"\bdocs/[\w/-]+\.md|\b[A-Z]+\.md", str(field)):
            assert (ROOT / path).is_file(), path
