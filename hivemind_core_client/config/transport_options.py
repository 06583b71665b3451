"""What the transport of a client is told: of the client, of its address, of the environment and of its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from hivemind_core_client.config.addresses import query_options
from hivemind_core_client.config.given_texts import variable
from hivemind_core_client.wire.errors import InvalidOption, Mend

if TYPE_CHECKING:
    from hivemind_core_client.config.addresses import Address
    from hivemind_core_client.plugins.contract import Transport


def checked_transport_options(options: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The same, and none for None. Raises InvalidOption for what are no options."""
    if options is not None and not isinstance(options, Mapping):
        mend = Mend("pass a dict, by the names that the transport knows", joint="; ")
        raise InvalidOption(f"transport_options is a {type(options).__name__}", mend)
    return dict(options or {})


def transport_options(
    transport: Transport, address: Address, given: Mapping[str, Any], kept: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of a connection. `given` goes first, then the address, the environment, and what is `kept`.

    Address and environment count for a transport that declares its options. Their values are text.
    """
    if not transport.options:
        return {**kept, **given}
    named = {option.name: variable(option.variable) for option in transport.options if option.variable}
    set_there = {name: value for name, value in named.items() if value is not None}
    return {**kept, **set_there, **query_options(transport, address.query), **given}


def secrets_in(transport: Transport, options: Mapping[str, Any]) -> list[str]:
    """The values among these options that nobody else may see."""
    secret = {option.name for option in transport.options if option.secret}
    return [str(value) for name, value in options.items() if name in secret and value]
