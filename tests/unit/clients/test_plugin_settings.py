"""Settings of plugins: from the argument and from the file, checked, and seen by handlers."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from attrs import field, frozen, make_class
from attrs.validators import ge

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, HiveMessageType, NodeIdentity
from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.plugins.contract import Actions, Context, Deliver, MessageHandler
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, Make
from tests.unit.support import PASSWORD

SECRET = "open-sesame"


@frozen
class BellSettings:
    tone: str = "ding"
    rings: int = field(default=1, validator=ge(1))
    pause: float = 0.5
    token: Optional[str] = field(default=None, repr=False)


class DoorBell:
    @hookimpl
    def hivemind_settings(self) -> list[type]:
        return [BellSettings]

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [MessageHandler(HiveMessageType.THIRDPRTY, "bell", self.receive)]

    def receive(self, context: Context, message: HiveMessage) -> Actions:
        data = {"tone": context.settings.tone, "rings": context.settings.rings}
        return [Deliver({"type": "door.bell", "data": data, "context": {}})]


BELL = DoorBell()


def fake(tables: Any = None, **options: Any) -> FakeHiveMessageBus:
    return FakeHiveMessageBus(plugins=[BELL], plugin_settings=tables, **options)


def at(folder: Path, text: str) -> NodeIdentity:
    """An identity with this text in the file beside it."""
    (folder / "plugins.toml").write_text(text, encoding="utf-8")
    (folder / "plugins.toml").chmod(0o600)
    return NodeIdentity(str(folder / "identity.json"))


def test_a_handler_sees_the_settings_of_its_plugin(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        with make(hub, plugins=[BELL], plugin_settings={"DoorBell": {"tone": "dong"}}) as client:
            told = Log()
            client.on_mycroft("door.bell", told)
            hub.broadcast(HiveMessage("3rdparty", {}))
            assert told.wait(1)[0].data == {"tone": "dong", "rings": 1}
            assert client.plugin_settings("doorbell") == BellSettings(tone="dong")
            assert client.plugin_settings("builtin_bus") is None


def test_without_any_they_are_the_defaults() -> None:
    assert fake().plugin_settings("DoorBell") == BellSettings()


def test_the_file_beside_the_identity_is_read_and_the_argument_wins(tmp_path: Path) -> None:
    identity = at(tmp_path, '[doorbell]\ntone = "dong"\npause = 2\n')
    assert fake(identity=identity).plugin_settings("doorbell") == BellSettings("dong", pause=2)
    own = fake({"doorbell": {"rings": 3}}, identity=identity).plugin_settings("doorbell")
    assert own == BellSettings(rings=3)


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        (
            {"doorbell": {"ton": SECRET}},
            "[doorbell] of plugin_settings has no setting 'ton'; did you mean 'tone'?",
        ),
        (
            {"doorbell": {"rings": SECRET}},
            "'rings' in [doorbell] of plugin_settings is a str; it must be int",
        ),
        ({"doorbell": {"rings": True}}, "'rings' in [doorbell] of plugin_settings is a bool; it must be int"),
        ({"doorbell": {"token": 5}}, "'token' in [doorbell] of plugin_settings is a int; it must be str"),
        (
            {"doorbell": {"rings": -7}},
            "'rings' in [doorbell] of plugin_settings has a value that the plugin refuses (ValueError)",
        ),
        ({"doorbell": SECRET}, "[doorbell] of plugin_settings is a str; it must be a table of settings"),
        (
            {"dorbell": {}},
            "no plugin in use reads the settings [dorbell] of plugin_settings; did you mean 'doorbell'?",
        ),
        (SECRET, "plugin_settings is a str; it must be a dict of tables"),
    ],
)
def test_what_makes_no_sense_is_told_without_its_value(tables: Any, reason: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        fake(tables)
    assert raised.value.what == reason and SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[doorbell]\nrings = 'many'\n", "'rings' in [doorbell] of {} is a str; it must be int"),
        ("[doorbell\n", "{} is no TOML (line 1, column 10)"),
        ("[doorbell", "{} is no TOML (end of document)"),
        ("[doorbell]\ntone = " + "[" * 5000, "{} is no TOML (RecursionError)"),
        ("[doorbell]\nrings = " + "9" * 5000, "{} is no TOML (ValueError)"),
        (
            "[doorbell]\n[DoorBell]\n",
            "[DoorBell] of {} is another table for the plugin doorbell: leave one of them",
        ),
    ],
)
def test_a_fault_in_the_file_names_the_file(tmp_path: Path, text: str, reason: str) -> None:
    identity = at(tmp_path, text)
    with pytest.raises(InvalidOption) as raised:
        fake(identity=identity)
    assert str(raised.value) == reason.format(tmp_path / "plugins.toml")


def test_a_file_that_anyone_may_write_to_is_refused(tmp_path: Path) -> None:
    identity = at(tmp_path, "")
    (tmp_path / "plugins.toml").chmod(0o666)
    with pytest.raises(InvalidOption, match="anyone may write to"):
        fake(identity=identity)


def test_a_table_of_the_file_that_nobody_reads_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake(identity=at(tmp_path, "[dorbell]\n[builtin_bus]\n"))
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    path = tmp_path / "plugins.toml"
    assert warnings == [f"no plugin in use reads the settings [dorbell] of {path}; did you mean 'doorbell'?"]


@pytest.mark.skipif(os.name != "posix", reason="there are no pipes in folders")
@pytest.mark.parametrize("make_it", [lambda path: os.mkfifo(path), Path.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make_it: Any) -> None:
    make_it(tmp_path / "plugins.toml")
    with pytest.raises(InvalidOption, match=r"not a regular file.*Make it a plain file"):
        fake(identity=NodeIdentity(str(tmp_path / "identity.json")))


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    identity = at(tmp_path, "[doorbell]\n")
    (tmp_path / "plugins.toml").chmod(0o644)
    fake(identity=identity)
    assert "plugins.toml is open to other users of this machine: run chmod 600 on it" in caplog.text


@frozen
class LoginSettings:
    """Two settings that go together only, one for which None stands for something, and one that is converted."""

    user: str = ""
    password: str = field(default="", repr=False)
    tone: Optional[str] = "ding"
    mode: str = field(default="", converter=lambda value: sys.exit(SECRET) if value else value)

    def __attrs_post_init__(self) -> None:
        if bool(self.user) != bool(self.password):
            raise ValueError(self.password)


class Plugin(DoorBell):
    def __init__(self, *declared: Any) -> None:
        self.declared = declared

    @hookimpl
    def hivemind_settings(self) -> list[Any]:
        return list(self.declared)


def with_login(table: dict[str, Any]) -> Any:
    client = FakeHiveMessageBus(plugins=[Plugin(LoginSettings)], plugin_settings={"plugin": table})
    return client.plugin_settings("plugin")


def test_settings_that_go_together_are_taken_together() -> None:
    assert with_login({"user": "me", "password": SECRET}) == LoginSettings("me", SECRET)
    with pytest.raises(InvalidOption) as raised:
        with_login({"tone": "dong", "password": SECRET})
    assert "'password' in [plugin] of plugin_settings has a value" in str(raised.value)


def test_none_is_a_value_of_what_is_optional() -> None:
    assert with_login({"tone": None}).tone is None
    with pytest.raises(InvalidOption, match=r"'user' in .* is a NoneType; it must be str"):
        with_login({"user": None})


def test_a_class_that_exits_ends_no_program() -> None:
    with pytest.raises(InvalidOption) as raised:
        with_login({"mode": "x"})
    assert "the plugin refuses (SystemExit)" in str(raised.value) and SECRET not in str(raised.value)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="`int | None` is of Python 3.10")
def test_a_union_may_be_written_with_a_bar() -> None:
    plugin = Plugin(make_class("Written", {"rings": field(default=None, type="int | None")}, frozen=True))
    FakeHiveMessageBus(plugins=[plugin], plugin_settings={"plugin": {"rings": 2}})
    with pytest.raises(InvalidOption, match=r"'rings' in .* is a str; it must be int"):
        FakeHiveMessageBus(plugins=[plugin], plugin_settings={"plugin": {"rings": "2"}})


def test_defaults_that_are_refused_later_are_told_of_by_the_name_of_the_plugin() -> None:
    defaults = iter([1])

    @frozen
    class Once:
        rings: int = field(factory=lambda: next(defaults))

    with pytest.raises(InvalidOption, match=r"the plugin plugin refuses its own defaults \(StopIteration\)"):
        FakeHiveMessageBus(plugins=[Plugin(Once)])


def test_a_class_that_declares_nothing_usable_fails_its_plugin() -> None:
    @frozen
    class Needy:
        key: str

    @frozen
    class Leaving:
        key: str = field(factory=sys.exit)

    for declared, reason in (
        ([Needy], "must have a default"),
        ([Leaving], "must have a default that it takes (SystemExit)"),
        ([5], "are a int, not an attrs class"),
        ([BellSettings, LoginSettings], "its settings LoginSettings are not used: another class declares"),
    ):
        client = FakeHiveMessageBus(plugins=[Plugin(*declared)])
        [info] = [info for info in client.plugins.report if info.source == "given"]
        assert info.state == "failed" and reason in info.error
