"""What an identity holds for protocol version 3: this node's static key, the hubs' pinned ones, and derived keys."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Any

from hivemind_core_client.config.key_files import (
    IdentityFile,
    expanded,
    identity_at,
    noise_key_file,
    place_of,
)
from hivemind_core_client.config.static_keys import existing_static_key, static_key_at
from hivemind_core_client.config.stored_identity import PathOrMapping, StoredIdentity
from hivemind_core_client.wire.errors import IdentityFileError, InvalidOption, Mend, forget_server
from hivemind_core_client.wire.keys import STATIC_KEY_BYTES, static_key

#: How many derived keys are remembered; the oldest goes first.
MOST_DERIVED = 16


class NoiseIdentity(StoredIdentity):
    """The part of NodeIdentity that Noise handshakes need. Every change is written at once, and nothing else with it.

    An identity in memory keeps all of it in memory. A dict-like object that can only be stored whole is.
    """

    def __init__(self, identity_file: PathOrMapping | None = None, app_name: str | None = None) -> None:
        super().__init__(identity_file, app_name)
        self._noise_key: bytes | None = None

    @property
    def noise_key_path(self) -> str | None:
        """Where the static key lies: in `noise_key` of the file, else `NAME_noise.key` beside it; None in memory."""
        folder = self._folder()
        if folder is None:
            return None
        return os.path.join(folder, expanded(noise_key_file(self.IDENTITY_FILE)))

    def noise_key(self) -> bytes:
        """This node's static key (X25519, 32 bytes); made and written with mode 0600 where there is none.

        Hubs pin its public half, so the file goes on being used when the node gets another name: `noise_key` of the
        identity file says where it lies. Raises IdentityFileError for a file that cannot be read, written or
        understood.
        """
        with self._lock:
            path = self.noise_key_path
            if path is None:
                self._noise_key = self._noise_key or os.urandom(STATIC_KEY_BYTES)
                return self._noise_key
            key = static_key_at(path)
            self._note_noise_key(path)
            return key

    def existing_noise_key(self) -> bytes | None:
        """The static key if there is one. Raises IdentityFileError like `noise_key`."""
        path = self.noise_key_path
        if path is None:
            return self._noise_key
        return existing_static_key(path)

    @property
    def hub_pins(self) -> dict[str, str]:
        """The static keys pinned for hubs: `host:port` → 64 hex digits. Entries that make no sense are left out."""
        return self._hex_keys("hub_pins")

    def pin_of(self, address: str) -> bytes | None:
        """The static key pinned for the hub at `host:port`, as the file has it now; None where there is none.

        Raises IdentityFileError for what is no key: to go on as if nothing was pinned would be to trust anybody.
        """
        pins = self._current("hub_pins")
        if isinstance(pins, dict) and address not in pins:
            return None
        key = static_key(pins[address]) if isinstance(pins, dict) else None
        if key is None:
            raise IdentityFileError(
                f"{identity_at(self.path)}: what 'hub_pins' says of {address} is no static key of 64 hex digits",
                Mend(
                    "correct it; or ask the hub's owner for its fingerprint, and run ",
                    forget_server(address),
                    ": the next contact pins what the hub shows",
                ),
                about=("hub_pins",),
                place=place_of(self.path),
            )
        return key

    def pin_hub(self, address: str, key: bytes) -> None:
        """Pin `key` (32 bytes) for the hub at `host:port`. Raises InvalidOption for another length."""
        if len(key) != STATIC_KEY_BYTES:
            raise InvalidOption(f"a static key has {STATIC_KEY_BYTES} bytes, not {len(key)}")
        self._write_entries("hub_pins", {address: key.hex()})

    def forget_hub(self, address: str) -> bool:
        """Pin nothing for `host:port` any more; False if nothing was."""
        with self._lock:
            pins = self._current("hub_pins")
            if isinstance(pins, dict) and address not in pins:
                return False
            self._write_entries("hub_pins", {address: None})
            return True

    def derived_key(self, owner: str, node_id: str) -> bytes | None:
        """The remembered key that was derived for `owner`, an access key, and the hub of this node id."""
        return static_key(self._hex_keys("derived_keys").get(_entry(owner, node_id)))

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

    def _current(self, field: str) -> Any:
        file = self.IDENTITY_FILE
        return file.current(field) if isinstance(file, IdentityFile) else file.get(field, {})

    def _entries(self, field: str) -> dict[str, Any]:
        entries = self.IDENTITY_FILE.get(field)
        return dict(entries) if isinstance(entries, dict) else {}

    def _hex_keys(self, field: str) -> dict[str, str]:
        keys = {name: static_key(digits) for name, digits in self._entries(field).items()}
        return {name: key.hex() for name, key in keys.items() if key is not None}

    def _write_entries(self, field: str, changes: dict[str, str | None]) -> None:
        with self._lock:
            file = self.IDENTITY_FILE
            if isinstance(file, IdentityFile):
                if not isinstance(file.get(field, {}), dict) or not isinstance(file.current(field), dict):
                    file[field] = {}
                for entry, value in changes.items():
                    file.set_entry(field, entry, value)
                file.store_only((field,))
                return
            merged = {**self._entries(field), **changes}
            file[field] = {entry: value for entry, value in merged.items() if value is not None}
            self.save()


def _entry(owner: str, node_id: str) -> str:
    """What a derived key is filed under: neither the access key nor the hub shows."""
    return hashlib.sha256(f"{len(owner)}:{owner}{node_id}".encode("utf-8", "surrogatepass")).hexdigest()
