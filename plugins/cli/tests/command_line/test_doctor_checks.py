"""Checks of plugins in `hivemind-client doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Callable

import click
import pytest

from hivemind_client_cli import DoctorCheck, Finding
from hivemind_core_client.errors import Command, HubRefused, Mend
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.testing import EmbeddedHub

from .doctor_tools import CHECKS, at
from .tools import KEY, PASSWORD, plugins_of

pytestmark = pytest.mark.usefixtures("cheap_keys")


@pytest.fixture(scope="module")
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({KEY: PASSWORD}) as hub:
        yield hub


def checking(*checks: Any) -> SimpleNamespace:
    """A plugin with these checks; a function is one by the name `check`."""
    made = [DoctorCheck("check", each) if callable(each) else each for each in checks]
    return SimpleNamespace(hivemind_doctor_checks=hookimpl(lambda: made))


def of_plugins(data: Any) -> list[dict[str, Any]]:
    return [each for each in data["checks"] if "plugin" in each]


def explode(client: Any) -> Finding:
    raise SystemExit("away")


class Unspeakable(BaseException):
    """Its text cannot be had, and it is no Exception."""

    def __str__(self) -> str:
        raise SystemExit("not even this")


def unspeakable(*_: Any) -> Any:
    raise Unspeakable


def test_what_cannot_even_say_why_it_failed_harms_nobody(run: Any, hub: EmbeddedHub) -> None:
    door = checking(DoctorCheck("odd", unspeakable), lambda client: Finding("ok", "fine"))
    broken = SimpleNamespace(
        hivemind_doctor_checks=hookimpl(lambda: unspeakable()),
        hivemind_cli_commands=hookimpl(lambda cli: unspeakable()),
        hivemind_cli_ready=hookimpl(lambda group: unspeakable()),
    )
    done = run(*at(hub.port, "--json"), plugins=plugins_of(broken=broken, door=door)).expect(1)
    odd, fine, of_broken = of_plugins(done.json)
    assert odd["remark"] == "the check raised Unspeakable, whose text cannot be made"
    assert fine["state"] == "ok" and of_broken["remark"].startswith(
        "hivemind_doctor_checks raised Unspeakable"
    )
    assert "plugin 'broken' could not add its commands: Unspeakable, whose text cannot be made" in done.err


def test_a_check_that_has_nothing_to_say_is_not_shown(run: Any, hub: EmbeddedHub) -> None:
    door = checking(lambda client: None, lambda client: Finding("ok", "fine"))
    data = run(*at(hub.port, "--json"), plugins=plugins_of(door=door)).expect(0).json
    assert [each["remark"] for each in of_plugins(data)] == ["fine"]


def test_a_check_says_ok_warn_or_fail(run: Any, hub: EmbeddedHub) -> None:
    seen = []

    def microphone(client: Any) -> Finding:
        click.echo("looking for microphones")
        seen.append(client.hub.node_id)
        return Finding("ok", f"2 microphones, {PASSWORD}")

    plugins = plugins_of(
        door=checking(
            DoctorCheck("microphone", microphone),
            DoctorCheck("disk", lambda client: Finding("warn", "90 % full", "remove old speech")),
        )
    )
    done = run(*at(hub.port), plugins=plugins).expect(0)
    assert done.out.splitlines()[-3:] == [
        "microphone  ok       2 microphones, ***",
        "disk        warn     90 % full",
        "mend of disk: remove old speech",
    ]
    assert done.err == "looking for microphones\n" and len(seen) == 1
    data = run(*at(hub.port, "--json"), plugins=plugins).expect(0).json
    assert [each["check"] for each in data["checks"][: len(CHECKS)]] == CHECKS
    assert of_plugins(data)[1] == {
        "check": "disk",
        "state": "warn",
        "remark": "90 % full",
        "mend": "remove old speech",
        "plugin": "door",
    }
    assert (data["failed"], data["error"], data["mend"], data["exit_code"]) == (None, None, None, 0)


def test_a_check_that_fails_is_the_exit_code(run: Any, hub: EmbeddedHub) -> None:
    mend = Mend("plug one in, then: ", Command(("doctor",), quoted=False))
    failing = checking(lambda client: Finding("fail", "no microphone", mend))
    data = run(*at(hub.port, "--json"), plugins=plugins_of(x=failing)).expect(1).json
    assert (data["failed"], data["error"], data["exit_code"]) == ("check", "no microphone", 1)
    assert data["mend"] == of_plugins(data)[0]["mend"] == "plug one in, then: hivemind-client doctor"
    assert "error: check failed" in run(*at(hub.port), plugins=plugins_of(x=failing)).expect(1).err


@pytest.mark.parametrize(
    ("check", "remark"),
    [
        (explode, "the check raised SystemExit: away"),
        (lambda client: "fine", "the check returned a str, not a Finding"),
        (lambda client: Finding("splendid"), "the check raised ValueError"),
        ("no check", "hivemind_doctor_checks returned a str, not a DoctorCheck"),
    ],
)
def test_a_broken_check_fails_alone(run: Any, hub: EmbeddedHub, check: Any, remark: str) -> None:
    sound = checking(lambda client: Finding("ok"))
    data = (
        run(*at(hub.port, "--json"), plugins=plugins_of(sound=sound, broken=checking(check))).expect(1).json
    )
    broken, fine = of_plugins(data)
    assert broken["state"] == "failed" and broken["remark"].startswith(remark)
    assert fine["state"] == "ok" and fine["plugin"] == "sound"


def test_a_hook_that_raises_fails_alone(run: Any, hub: EmbeddedHub) -> None:
    def hook() -> list[DoctorCheck]:
        raise RuntimeError("no checks today")

    broken = SimpleNamespace(hivemind_doctor_checks=hookimpl(hook))
    (row,) = of_plugins(run(*at(hub.port, "--json"), plugins=plugins_of(x=broken)).expect(1).json)
    assert row["remark"] == "hivemind_doctor_checks raised RuntimeError: no checks today"


def test_without_a_session_only_those_run_that_need_none(run: Any) -> None:
    plugins = plugins_of(
        x=checking(
            DoctorCheck("hub's disk", explode),
            DoctorCheck("own disk", lambda client: Finding("fail", "full"), needs_session=False),
        )
    )
    with EmbeddedHub({}) as hub:
        data = run(*at(hub.port, "--json"), plugins=plugins).expect(3).json
    assert [each["state"] for each in of_plugins(data)] == ["skipped", "failed"]
    assert (data["failed"], data["exit_code"]) == ("key", 3), "what bars the way comes first"


def test_an_error_of_the_library_says_its_mend_and_names_stay_apart(run: Any, hub: EmbeddedHub) -> None:
    def slow(client: Any) -> Finding:
        raise HubRefused("the hub said no", Mend("ask again"))

    make: Callable[[Any], Finding] = lambda client: Finding("ok")  # noqa: E731  # as short as its use
    plugins = plugins_of(b=checking(DoctorCheck("tcp", slow)), a=checking(make, make))
    rows = of_plugins(run(*at(hub.port, "--json"), plugins=plugins).expect(1).json)
    assert [row["check"] for row in rows] == ["check (a)", "check (a) #2", "tcp (b)"]
    assert "Ask again" in rows[2]["remark"]


def test_two_checks_of_one_name_are_both_shown_with_their_plugin(run: Any, hub: EmbeddedHub) -> None:
    disk = DoctorCheck("disk", lambda client: Finding("ok"))
    plugins = plugins_of(b=checking(disk), a=checking(disk), c=checking(DoctorCheck("door", disk.run)))
    rows = of_plugins(run(*at(hub.port, "--json"), plugins=plugins).expect(0).json)
    assert sorted(row["check"] for row in rows) == ["disk (a)", "disk (b)", "door"]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Finding("fine"), ValueError),
        (lambda: Finding("ok", 3), TypeError),  # type: ignore[arg-type]  # that is what is tried
        (lambda: DoctorCheck("", explode), ValueError),
        (lambda: DoctorCheck("x", "y"), TypeError),  # type: ignore[arg-type]  # that is what is tried
    ],
)
def test_what_a_check_is_made_of_is_looked_at(make: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()
