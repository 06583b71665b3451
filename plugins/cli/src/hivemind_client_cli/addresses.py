"""Addresses of hubs, as the installed transports read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address

from hivemind_client_cli.output import MASK


def shown_address(address: str | None) -> str | None:
    """An address as it was given, without its query, which may hold a secret; what is looked for is none."""
    from hivemind_core_client.wire.finding_errors import KNOWN_FINDERS

    before, query, _ = (address or "").partition("?")
    is_secret = query and before.strip().partition(":")[0].lower() not in KNOWN_FINDERS
    return f"{before}?{MASK}" if is_secret else address


def read(address: str, port: int | None = None, fallback: object = None) -> Address:
    """An address of any installed transport; `fallback` is the port of one that has none. Raises InvalidOption."""
    from hivemind_core_client.config.settings import read_address
    from hivemind_core_client.plugins.manager import load_plugins

    return read_address(address, port, fallback, transports=load_plugins().registry().transports)


def pin_name(address: str, port: int | None = None, fallback: object = None) -> str:
    """The `host:port` under which the hub at an address is pinned. Raises InvalidOption for what is no address."""
    return read(address, port, fallback).pin_name
