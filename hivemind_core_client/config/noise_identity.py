"""What an identity holds for protocol version 3: this node's static key, the hubs' pinned ones, and derived keys."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from typing import Any

from hivemind_core_client.config.identity_text import as_text
from hivemind_core_client.config.key_files import (
    PINS,
    UNNAMED,
    IdentityFile,
    identity_at,
    place_of,
)
from hivemind_core_client.config.static_keys import existing_static_key, static_key_at
from hivemind_core_client.config.stored_identity import StoredIdentity
from hivemind_core_client.wire.errors import IdentityFileError, InvalidOption, Mend, forget_server
from hivemind_core_client.wire.keys import STATIC_KEY_BYTES
from hivemind_core_client.wire.keys import static_key as key_of_hex
from hivemind_core_client.wire.text import safe_label

#: How many derived keys are remembered; the oldest goes first.
MOST_DERIVED = 16


class NoiseIdentity(StoredIdentity):
    """The part of NodeIdentity that Noise handshakes need. Every change is written at once, and nothing else with it.

    An identity in memory keeps all of it in memory. A dict-like object that can only be stored whole is.
    """

    _static_key: bytes | None = None

    @property
    def noise_key(self) -> str | None:
        """Absolute path of the file of the static key (64 hex digits), existing or not; None if there is no folder.

        Assign a path, which is taken relative to the folder of the identity file. Unset, it is `NAME_noise.key` in
        that folder.
        """
        stored = self.IDENTITY_FILE.get("noise_key")
        return self._key_path(
            stored if isinstance(stored, str) else None, _noise_key_name(self.IDENTITY_FILE)
        )

    @noise_key.setter
    def noise_key(self, value: str | os.PathLike[str] | None) -> None:
        self._write("noise_key", self._as_stored("noise_key", value))

    def static_key(self) -> bytes:
        """This node's static key (X25519, 32 bytes); made and written with mode 0600 where there is none.

        Hubs pin its public half, so the file goes on being used when the node gets another name: `noise_key` of the
        identity file says where it lies. Raises IdentityFileError for a file that cannot be read, written or
        understood.
        """
        with self._lock:
            path = self.noise_key
            if path is None:
                self._static_key = self._static_key or os.urandom(STATIC_KEY_BYTES)
                return self._static_key
            key = static_key_at(path)
            self._note_noise_key(path)
            return key

    def existing_static_key(self) -> bytes | None:
        """The static key if there is one. Raises IdentityFileError like `static_key`."""
        path = self.noise_key
        if path is None:
            return self._static_key
        return existing_static_key(path)

    @property
    def pinned_noise_keys(self) -> dict[str, str]:
        """The static keys pinned for hubs: `host:port` → 64 hex digits. Entries that make no sense are left out."""
        return self._hex_keys(PINS)

    def get_pinned_noise_key(self, node_id: str) -> str | None:
        """The static key (64 hex digits) pinned for the hub at `host:port`, as the file has it now, or None.

        Raises IdentityFileError for what is no key: to go on as if nothing was pinned would be to trust anybody.
        """
        pins = self._current(PINS)
        if isinstance(pins, dict) and node_id not in pins:
            return None
        key = key_of_hex(pins[node_id]) if isinstance(pins, dict) else None
        if key is None:
            raise IdentityFileError(
                f"{identity_at(self.path)}: what {PINS!r} says of {node_id} is no static key of 64 hex digits",
                Mend(
                    "correct it; or ask the hub's owner for its fingerprint, and run ",
                    forget_server(node_id),
                    ": the next contact pins what the hub shows",
                ),
                about=(PINS,),
                place=place_of(self.path),
            )
        return key.hex()

    def pin_noise_key(self, node_id: str, pubkey: str) -> None:
        """Pin the static key `pubkey` (64 hex digits) for the hub at `host:port`. Raises InvalidOption for no key."""
        key = key_of_hex(pubkey)
        if key is None:
            raise InvalidOption(f"a static key has {2 * STATIC_KEY_BYTES} hex digits")
        self._write_entries(PINS, {node_id: key.hex()})

    def forget_noise_key(self, node_id: str) -> bool:
        """Pin nothing for `host:port` any more; False if nothing was."""
        with self._lock:
            pins = self._current(PINS)
            if isinstance(pins, dict) and node_id not in pins:
                return False
            self._write_entries(PINS, {node_id: None})
            return True

    def derived_key(self, owner: str, node_id: str) -> bytes | None:
        """The remembered key that was derived for `owner`, an access key, and the hub of this node id."""
        return key_of_hex(self._hex_keys("derived_keys").get(_entry(owner, node_id)))

    def keep_derived_key(self, owner: str, node_id: str, key: bytes) -> None:
        """Remember a derived key; of more than 16 the oldest are forgotten."""
        entry = _entry(owner, node_id)
        with self._lock:
            known = self._current("derived_keys")
            others = [name for name in (known if isinstance(known, dict) else ()) if name != entry]
            excess: dict[str, str | None] = dict.fromkeys(others[: max(0, len(others) + 1 - MOST_DERIVED)])
            self._write_entries("derived_keys", {**excess, entry: key.hex()})

    def drop_derived_key(self, owner: str, node_id: str) -> None:
        """Forget a derived key, if it is remembered."""
        with self._lock:
            entry = _entry(owner, node_id)
            if entry in self._entries("derived_keys"):
                self._write_entries("derived_keys", {entry: None})

    def _note_noise_key(self, path: str) -> None:
        file = self.IDENTITY_FILE
        if not isinstance(file, IdentityFile) or file.get("noise_key"):
            return
        file["noise_key"] = os.path.basename(path)
        with contextlib.suppress(IdentityFileError):  # it is found by the node's name all the same
            file.store_only(("noise_key",))

    def _hex_keys(self, field: str) -> dict[str, str]:
        keys = {name: key_of_hex(digits) for name, digits in self._entries(field).items()}
        return {name: key.hex() for name, key in keys.items() if key is not None}


def _entry(owner: str, node_id: str) -> str:
    """What a derived key is filed under: neither the access key nor the hub shows."""
    return hashlib.sha256(f"{len(owner)}:{owner}{node_id}".encode("utf-8", "surrogatepass")).hexdigest()


def _noise_key_name(fields: Mapping[str, Any]) -> str:
    """The name of the file of the Noise key, where an identity with these fields does not name another."""
    owner = as_text(fields.get("name")) or UNNAMED
    return safe_label(f"{owner}_noise.key", "node_noise.key")
