"""The reference client's `protocol` module: its names, and what takes their place.

There a satellite made a protocol object and handed it to `connect`. Here the protocol is the kernel's Link, which the
client makes by itself for each connection. The old names can be imported, for annotations, say; making one, or a
subclass of one, raises InvalidOption, whose text says what to write now.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.states import State
from hivemind_core_client.wire.errors import InvalidOption, Mend

__all__ = [
    "CascadeAggregator",
    "HiveMindSlaveInternalProtocol",
    "HiveMindSlaveProtocol",
    "Link",
    "QueryLivenessTimer",
    "State",
]


class _Replaced:
    """A name that stays for those who import it; `mend` says what takes its place."""

    mend: ClassVar[str]

    def __new__(cls, *_: object, **__: object) -> NoReturn:
        raise InvalidOption(f"there is no {cls.__name__} to make", Mend(cls.mend, joint=": "))


class HiveMindSlaveProtocol(_Replaced):
    """Replaced by the client itself, by `client.on`, and by handler plugins."""

    mend = (
        "the client brings its protocol. Leave it out of connect(); pass share_bus, identity and query_timeout to "
        "HiveMessageBusClient, bus and site_id to connect(), and set client.cascade_select_callback. In place of a "
        "method handle_TYPE, call client.on(TYPE, function) or write a handler plugin (docs/plugins-handlers.md)"
    )


class HiveMindSlaveInternalProtocol(_Replaced):
    """Replaced by the options `internal_bus` and `share_bus`."""

    mend = (
        "the client connects the local OVOS bus by itself. Pass internal_bus and share_bus to "
        "HiveMessageBusClient, or bus to connect()"
    )


class CascadeAggregator(_Replaced):
    """Replaced by `client.cascade` and `client.cascade_select_callback`."""

    mend = (
        "client.cascade(message, timeout) returns all answers, and client.cascade_select_callback picks the one "
        "that is delivered"
    )


class QueryLivenessTimer(_Replaced):
    """Replaced by `client.query` and `client.query_timeout`."""

    mend = "client.query(message, timeout) is bounded by itself, by client.query_timeout where no timeout is given"
