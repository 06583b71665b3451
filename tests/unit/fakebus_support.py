"""A FakeBus that says some messages by two names, as newer ones of ovos-utils do, whichever is installed."""

from __future__ import annotations

import importlib.util
import sys
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, Callable
from unittest import mock

from ovos_utils.fakebus import FakeBus as Installed

from hivemind_core_client.shell import local_bus

Handler = Callable[[Any], Any]
#: What is said under the first name is said under the second one too, and the other way round.
PAIRS = (("speak", "ovos.utterance.speak"), ("recognizer_loop:utterance", "ovos.utterance.handle"))
TWINS = {**dict(PAIRS), **{new: old for old, new in PAIRS}}


class FakeBus(Installed):  # type: ignore[misc]
    """Who listens to both names is called once."""

    def __init__(self, **options: Any) -> None:
        self._around: dict[tuple[str, Handler], Handler] = {}
        self._heard: dict[Handler, Any] = {}
        super().__init__(**options, modernize=False, emit_legacy=False)

    def on(self, msg_type: str, handler: Handler) -> None:
        self.ee.on(msg_type, self._guarded(msg_type, handler))

    def once(self, msg_type: str, handler: Handler) -> None:
        self.ee.once(msg_type, self._guarded(msg_type, handler))

    def remove(self, msg_type: str, handler: Handler) -> None:
        super().remove(msg_type, self._around.pop((msg_type, handler), handler))

    def emit(self, message: Any) -> None:
        super().emit(message)
        twin = TWINS.get(message.msg_type)
        if twin is not None:
            self.ee.emit(twin, type(message)(twin, deepcopy(message.data), deepcopy(message.context)))

    def _guarded(self, msg_type: str, handler: Handler) -> Handler:
        if msg_type not in TWINS:
            return handler

        def guarded(message: Any) -> Any:
            data = repr(message.data)
            if self._heard.get(handler) == (TWINS[message.msg_type], data):
                return None
            self._heard[handler] = message.msg_type, data
            return handler(message)

        return self._around.setdefault((msg_type, handler), guarded)


def local_bus_over(fakebus: Any) -> Any:
    """The module of the internal bus, as it is where this is the FakeBus of the installed ovos-utils."""
    spec = importlib.util.spec_from_file_location("local_bus_over_another", local_bus.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"ovos_utils.fakebus": SimpleNamespace(FakeBus=fakebus)}):  # type: ignore[dict-item]
        spec.loader.exec_module(module)
    return module
