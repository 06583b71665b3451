"""The built-in plugins, as a list in code: they are there whatever the metadata of installed distributions say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # This never runs. Tools that freeze a program follow what a module may import, and find the built-ins here.
    from hivemind_core_client.builtins import binary as binary
    from hivemind_core_client.builtins import binary_serializer as binary_serializer
    from hivemind_core_client.builtins import broadcast as broadcast
    from hivemind_core_client.builtins import bus as bus
    from hivemind_core_client.builtins import cascade as cascade
    from hivemind_core_client.builtins import ciphers_openssl as ciphers_openssl
    from hivemind_core_client.builtins import ciphers_pycryptodome as ciphers_pycryptodome
    from hivemind_core_client.builtins import encodings as encodings
    from hivemind_core_client.builtins import escalate as escalate
    from hivemind_core_client.builtins import handshake as handshake
    from hivemind_core_client.builtins import hello as hello
    from hivemind_core_client.builtins import ping as ping
    from hivemind_core_client.builtins import propagate as propagate
    from hivemind_core_client.builtins import query as query
    from hivemind_core_client.builtins import rendezvous as rendezvous
    from hivemind_core_client.builtins import shared_bus as shared_bus
    from hivemind_core_client.builtins import text_serializer as text_serializer
    from hivemind_core_client.builtins import thirdparty as thirdparty
    from hivemind_core_client.kernel.handshake import kinds as kinds
    from hivemind_core_client.testing import memory as memory
    from hivemind_core_client.transports.builtin import http as http
    from hivemind_core_client.transports.builtin import websocket as websocket

#: The distribution that the built-ins belong to. Its entry points are never read.
DISTRIBUTION = "hivemind-core-client"

_NAMES = (
    "binary",
    "binary_serializer",
    "broadcast",
    "bus",
    "cascade",
    "ciphers_openssl",
    "ciphers_pycryptodome",
    "encodings",
    "escalate",
    "handshake",
    "hello",
    "ping",
    "propagate",
    "query",
    "rendezvous",
    "shared_bus",
    "text_serializer",
    "thirdparty",
)

#: The module of each built-in plugin by the plugin's name.
BUILTIN_PLUGINS = {
    **{f"builtin_{name}": f"hivemind_core_client.builtins.{name}" for name in _NAMES},
    "builtin_http": "hivemind_core_client.transports.builtin.http",
    # For tests: it reaches the embedded hubs of this process, and nothing else.
    "builtin_memory": "hivemind_core_client.testing.memory",
    "builtin_websocket": "hivemind_core_client.transports.builtin.websocket",
    "builtin_handshake_kinds": "hivemind_core_client.kernel.handshake.kinds",
}
