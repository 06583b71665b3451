"""Worker of this library; runs under the Python that runs the benchmark."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from hivebench.cases import BUS_MESSAGE, FIRST_CHOICE, KEY, TTS_AUDIO, TTS_METADATA, Case, binary_payload
from hivebench.worker import Call, Json, Prepared, Side, check, main

#: The default of the client's `compress`, and of its limit on what a frame may inflate to.
_COMPRESS = True
_MAX_SIZE = 32 * 1024 * 1024


class Ours(Side):
    """Seals and opens with the serializer and the channel that a connection uses."""

    packages = (
        "hivemind-core-client",
        "hivemind-client-cli",
        "ovos-bus-client",
        "poorman-handshake",
        "cryptography",
        "pycryptodome",
        "websocket-client",
        "z85base91",
    )

    #: What a user imports.
    package = "hivemind_core_client"

    def load(self) -> None:
        """Import the client."""
        self._client = import_module(self.package).HiveMessageBusClient

    def create_keys(self) -> None:
        """Make and keep this node's RSA keys."""
        import_module(f"{self.package}.identity").NodeIdentity().create_keys()

    def prepare(self, case: Case) -> Prepared:
        """The call of a case."""
        from hivemind_core_client.kernel.crypto import CipherChannel
        from hivemind_core_client.plugins.manager import load_plugins

        registry = load_plugins().registry()
        cipher = registry.ciphers[_chosen(case.cipher, registry.ciphers)]
        encoding = registry.encodings[_chosen(case.encoding, registry.encodings)]
        channel = CipherChannel(cipher, encoding, KEY)
        serializer = registry.serializers[case.form]
        message = _hive_message(case)
        seal = partial(_seal, serializer.encode, channel.seal, message)
        opened = partial(_open, serializer.decode, channel.open, seal())
        check(message, opened(), case.name)
        check(_hive_message(case), opened(), case.name)
        call: Call = seal
        if case.direction == "open":
            call = opened
        elif case.direction == "deliver":
            call = partial(_payload_of, opened)
        return Prepared(call, len(seal()), cipher.name, encoding.name)

    def connect(self, target: Json) -> Call:
        """Make a client and return once its handshake is done."""
        client = self._client(
            key=target["key"], password=target["password"], host=target["host"], port=target["port"]
        )
        client.connect()
        if client.negotiated is None:
            raise RuntimeError("connect() returned and nothing was negotiated")
        close: Call = client.close
        return close


def _chosen(name: str, table: Any) -> str:
    return next(iter(table)) if name == FIRST_CHOICE else name


def _hive_message(case: Case) -> Any:
    from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType

    if not case.size:
        return HiveMessage(HiveMessageType.BUS, json.loads(json.dumps(BUS_MESSAGE)))
    kind = HiveMindBinaryPayloadType(TTS_AUDIO)
    payload = binary_payload(case.size)
    return HiveMessage(HiveMessageType.BINARY, payload, metadata=dict(TTS_METADATA), bin_type=kind)


def _seal(encode: Callable[..., Any], seal: Callable[..., Any], message: Any) -> Any:
    return seal(encode(message, _COMPRESS))[0]


def _open(decode: Callable[..., Any], unseal: Callable[..., Any], frame: Any) -> Any:
    return decode(unseal(frame), _MAX_SIZE)


def _payload_of(opened: Callable[[], Any]) -> Any:
    return opened().payload


if __name__ == "__main__":
    sys.exit(main(Ours()))
