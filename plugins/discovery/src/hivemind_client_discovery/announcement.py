"""What a hub announces by mDNS, and the hub that it means. Sans IO: anybody in the network may have written it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Optional

from hivemind_core_client.plugins.contract import FoundHub

#: What hubs are announced as, among everything else that has a page on the web.
SERVICE = "_http._tcp.local."
#: The `type` that hivemind-presence gives to hubs.
HUB_TYPE = "hivemind-websocket"

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
#: What the address is made of, and so is not told again.
_IN_ADDRESS = frozenset({"type", "name", "ssl", "host", "port"})
#: Properties of a hub that are kept, and characters of each.
_MOST_PROPERTIES, _LONGEST = 20, 255


def hub_of(
    properties: Mapping[bytes, Optional[bytes]], addresses: Sequence[str], port: Optional[int]
) -> Optional[FoundHub]:
    """The hub that a service is; None for another service, and for a hub without an address.

    `addresses` and `port` are those of the service. What its properties say goes before them: hivemind-presence
    writes `type`, `name`, `ssl`, `host` and `port` there.
    """
    told = {_text(key).lower(): _text(value) for key, value in list(properties.items())[:_MOST_PROPERTIES]}
    if told.get("type", "").lower() != HUB_TYPE:
        return None
    hosts = [host for host in (told.get("host", ""), *addresses) if _HOST.fullmatch(host)]
    listens_at = told.get("port") or str(port or "")
    if not hosts or not (listens_at.isascii() and listens_at.isdigit()):
        return None
    scheme = "wss" if told.get("ssl", "").lower() in ("true", "1", "yes") else "ws"
    host = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0]
    about = {key: value for key, value in told.items() if key not in _IN_ADDRESS}
    return FoundHub(f"{scheme}://{host}:{listens_at}", told.get("name", ""), about)


def _text(value: Optional[bytes]) -> str:
    return (value or b"").decode("utf-8", "replace")[:_LONGEST]
