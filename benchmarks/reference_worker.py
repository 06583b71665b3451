"""Worker of the reference, hivemind-bus-client; runs under the Python of its own environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from hivebench.cases import BUS_MESSAGE, FIRST_CHOICE, KEY, TTS_AUDIO, TTS_METADATA, Case, binary_payload
from hivebench.worker import Call, Json, Prepared, Side, check, main

#: The default of the reference client's `compress`.
_COMPRESS = True


class Reference(Side):
    """Seals and opens with the functions that the reference's `emit` and `on_message` call, in their order."""

    packages = (
        "hivemind-bus-client",
        "ovos-bus-client",
        "poorman-handshake",
        "pycryptodomex",
        "bitstring",
        "websocket-client",
        "z85base91",
        "pybase64",
    )

    def load(self) -> None:
        """Import the client."""
        self._package = import_module("hivemind_bus_client")
        self._message = import_module("hivemind_bus_client.message")
        self._serialization = import_module("hivemind_bus_client.serialization")
        self._encryption = import_module("hivemind_bus_client.encryption")
        self._util = import_module("hivemind_bus_client.util")
        self._ovos = import_module("ovos_bus_client.message")

    def create_keys(self) -> None:
        """Make and keep this node's RSA keys."""
        identity = import_module("hivemind_bus_client.identity").NodeIdentity()
        identity.create_keys()
        identity.IDENTITY_FILE.store()

    def prepare(self, case: Case) -> Prepared:
        """The call of a case."""
        cipher, encoding = self._chosen(case)
        message = self._hive_message(case)
        seal = partial(self._sealer(case), message, cipher, encoding)
        opened = partial(self._opener(case), seal(), cipher, encoding)
        sent, seen = message.payload, opened().payload
        check(_plain(sent), _plain(seen), case.name)
        call: Call = seal
        if case.direction == "open":
            call = opened
        elif case.direction == "deliver":
            call = partial(_payload_of, opened)
        return Prepared(call, len(seal()), cipher.value, encoding.value)

    def connect(self, target: Json) -> Call:
        """Make a client and return once its handshake is done."""
        client = self._package.HiveMessageBusClient(
            key=target["key"], password=target["password"], host=target["host"], port=target["port"]
        )
        client.connect()
        keyed = client.crypto_key or getattr(client, "noise_transport", None)
        if not client.handshake_event.is_set() or not keyed:
            raise RuntimeError("the reference returned from connect() without a key")
        close: Call = client.close
        return close

    def _chosen(self, case: Case) -> tuple[Any, Any]:
        encryption = self._encryption
        if case.cipher == FIRST_CHOICE:
            return encryption.optimal_ciphers()[0], next(iter(encryption.SupportedEncodings))
        return encryption.SupportedCiphers(case.cipher), encryption.SupportedEncodings(case.encoding)

    def _hive_message(self, case: Case) -> Any:
        types, hive_message = self._message.HiveMessageType, self._message.HiveMessage
        if not case.size:
            content = json.loads(json.dumps(BUS_MESSAGE))
            ovos = self._ovos.Message(content["type"], content["data"], content["context"])
            return hive_message(types.BUS, ovos)
        kind = self._message.HiveMindBinaryPayloadType(TTS_AUDIO)
        return hive_message(types.BINARY, binary_payload(case.size), metadata=TTS_METADATA, bin_type=kind)

    def _sealer(self, case: Case) -> Callable[..., Any]:
        return self._seal_text if case.form == "text" else self._seal_binary

    def _opener(self, case: Case) -> Callable[..., Any]:
        return self._open_text if case.form == "text" else self._open_binary

    def _seal_text(self, message: Any, cipher: Any, encoding: Any) -> Any:
        text = self._util.serialize_message(message)
        return self._encryption.encrypt_as_json(KEY, text, cipher=cipher, encoding=encoding)

    def _open_text(self, frame: str, cipher: Any, encoding: Any) -> Any:
        text = self._encryption.decrypt_from_json(KEY, frame, cipher=cipher, encoding=encoding)
        return self._message.HiveMessage(**json.loads(text))

    def _seal_binary(self, message: Any, cipher: Any, _encoding: Any) -> Any:
        bits = self._serialization.get_bitstring(
            hive_type=message.msg_type,
            payload=message.payload,
            compressed=_COMPRESS,
            binary_type=message.bin_type,
            hivemeta=message.metadata,
        )
        return self._encryption.encrypt_bin(KEY, bits.bytes, cipher=cipher)

    def _open_binary(self, frame: bytes, cipher: Any, _encoding: Any) -> Any:
        plain = self._encryption.decrypt_bin(KEY, frame, cipher=cipher)
        return self._serialization.decode_bitstring(plain)


def _payload_of(opened: Callable[[], Any]) -> Any:
    return opened().payload


def _plain(payload: Any) -> Any:
    return payload if isinstance(payload, bytes) else json.loads(payload.serialize())


if __name__ == "__main__":
    sys.exit(main(Reference()))
