"""An option that a client does not have: the error speaks of public names, and of the option that was meant."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

from hivemind_core_client import HiveMessageBusClient, HiveMindHTTPClient
from hivemind_core_client.fakebus import FakeHiveMessageBus

KINDS: list[Any] = [HiveMessageBusClient, HiveMindHTTPClient, FakeHiveMessageBus]
if sys.version_info >= (3, 10):
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient
    from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus

    KINDS += [AsyncHiveMessageBusClient, AsyncFakeHiveMessageBus]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "meant"), [("pasword", "password"), ("Hots", "host"), ("self_sined", "self_signed")]
)
def test_an_unknown_option_is_refused_with_the_nearest_one(kind: Any, given: str, meant: str) -> None:
    with pytest.raises(TypeError) as caught:
        kind(key="k", **{given: "x"})
    said = f"{kind.__name__}.__init__() got an unexpected keyword argument {given!r}: did you mean {meant!r}?"
    assert str(caught.value) == said


def test_options_of_one_kind_are_known_to_it() -> None:
    with pytest.raises(TypeError, match="did you mean 'polling'"):
        HiveMindHTTPClient(poling=None)  # type: ignore[call-arg]  # that is what is tried
    with pytest.raises(TypeError, match="did you mean 'session_id'"):
        FakeHiveMessageBus(sesion_id="x")
    with pytest.raises(TypeError, match=r"'xyzzy'$"):
        HiveMessageBusClient(xyzzy=1)  # type: ignore[call-arg]


class Room(HiveMessageBusClient):
    """A class of somebody else, with an option of its own."""

    def __init__(self, room: str, **options: Any) -> None:
        super().__init__(**options)
        self.room = room


def test_a_class_of_somebody_else_has_options_of_its_own() -> None:
    assert Room("kitchen", key="k", password="p" * 12, host="hub.invalid").room == "kitchen"
    assert list(inspect.signature(Room).parameters) == ["room", "options"]
    says = r"__init__\(\) got an unexpected keyword argument 'pasword'"
    with pytest.raises(TypeError, match=says) as caught:
        Room(room="kitchen", pasword="x")
    assert "BaseClient" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_signature_of_a_client_is_that_of_its_constructor(kind: Any) -> None:
    names = list(inspect.signature(kind).parameters)
    assert "_" not in names and ("args" in names or {"key", "password"} <= {*names})
