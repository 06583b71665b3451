"""Who this node is: its credentials, its hub, its RSA key and the keys it trusts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import overload

from hivemind_core_client.config.certificate_identity import CertificateIdentity
from hivemind_core_client.config.given_texts import checked_field, cut, pem_text
from hivemind_core_client.config.key_files import (
    UNNAMED,
    IdentityFile,
    field_error,
    place_of,
    read_private,
    tighten,
    write_private,
)
from hivemind_core_client.config.noise_identity import NoiseIdentity
from hivemind_core_client.config.rsa_keys import generate_rsa_key
from hivemind_core_client.config.settings import port_of
from hivemind_core_client.wire.errors import IdentityFileError, InvalidOption, Mend
from hivemind_core_client.wire.keys import alias_of, public_pem
from hivemind_core_client.wire.mends import RESET_PGP, SHOW_KEY_THERE

KEY_STEM = "HiveMindComs"


class _Text:
    """A text field of the identity; None if unset, and setting None removes it."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type[NodeIdentity], field: str) -> None:
        self._field = field

    @overload
    def __get__(self, identity: None, owner: type[NodeIdentity]) -> _Text: ...

    @overload
    def __get__(self, identity: NodeIdentity, owner: type[NodeIdentity]) -> str | None: ...

    def __get__(self, identity: NodeIdentity | None, owner: type[NodeIdentity]) -> _Text | str | None:
        return self if identity is None else identity._read_text(self._field)

    def __set__(self, identity: NodeIdentity, value: str | None) -> None:
        identity._write_text(self._field, value)


class NodeIdentity(NoiseIdentity, CertificateIdentity):
    """The identity of this node, in `~/.config/hivemind/_identity.json` (`$XDG_CONFIG_HOME` is heeded).

    `save()` writes the fields that you set on this object. Everything else in the file stays as it is. Only two things
    are written without `save()`, and no other field with them: `create_keys()` writes the key and its path, and static
    keys and certificates of hubs are written when they are learned.

    You may set other attributes too; they are not saved. No secret is shown in the repr, or in the errors it raises.

    Args:
        identity_file: path of another file, or a dict-like object. If that has the methods `store` and
            `reload`, `save()` and `reload()` call them; if it has a `path`, the private key lies beside that.
        app_name: name of an application with an identity of its own, `…/hivemind/APP_NAME/_identity.json`:
            at most 64 letters, digits, `.`, `_` and `-`, the first one a letter or digit. Not together with
            `identity_file`.
        shared_fallback: with `app_name`, use the shared file where the application has none and the shared one
            exists: it is read and written then, a warning says so once, and `uses_shared_fallback` is True. With
            False the file is the application's own, whether it exists or not.

    Raises:
        IdentityFileError: the file is unreadable, no JSON object, or (when the field is read) a field
            has the wrong type. The file is left as it is.
        InvalidOption: arguments, or values assigned to fields, that make no sense. It is a ValueError.
    """

    _private_pem: str | None = None

    def __repr__(self) -> str:
        return f"NodeIdentity({self.path!r})" if self.path else "NodeIdentity(<in memory>)"

    access_key = _Text("The access key that the hub gave to this node, or None.")
    password = _Text("The password that this node shares with the hub, or None.")
    default_master = _Text("The address of the hub (`host`, `ws://host` or `wss://host`), or None.")
    site_id = _Text("The place this node stands in, such as `kitchen`, or None.")
    public_key = _Text("The public RSA key of this node as PEM text, or None.")

    @property
    def name(self) -> str:
        """A label for people, not unique; `unnamed-node` if unset."""
        return cut(self._read_text("name") or "") or UNNAMED

    @name.setter
    def name(self, value: str | None) -> None:
        with self._lock:
            path = self.noise_key
            self._write_text("name", value)
            if path is not None and os.path.exists(path):  # hubs have pinned the key that lies there
                self.IDENTITY_FILE.setdefault("noise_key", os.path.basename(path))

    @property
    def default_port(self) -> int | None:
        """The port of the hub, 1 to 65535, or None. In the file it may be digits as text, or `5678.0`."""
        value = self.IDENTITY_FILE.get("default_port")
        port = _port_in_file(value)
        if port is None and value is not None:
            raise field_error(self.path, "default_port", "a port number from 1 to 65535")
        return port

    @default_port.setter
    def default_port(self, value: int | str | None) -> None:
        port = port_of(value)
        if port is None and value is not None:
            raise InvalidOption("default_port must be a port number from 1 to 65535, or None")
        self._write("default_port", port)

    @property
    def secret_key(self) -> str | None:
        """Absolute path of the private key file (PEM), existing or not; None if there is no folder for it.

        Assign a path, which is taken relative to the folder of the identity file. Unset, it is
        `NAME.pem` in that folder.
        """
        return self._key_path(self._read_text("secret_key"), f"{os.path.basename(self.name)}.pem")

    @secret_key.setter
    def secret_key(self, value: str | os.PathLike[str] | None) -> None:
        path = self._as_stored("secret_key", value)
        with self._lock:
            self._write("secret_key", path)
            self._private_pem = None

    private_key = secret_key

    @property
    def trusted_keys(self) -> dict[str, str]:
        """Alias → public key (PEM text) of the peers this node trusts: a copy, assign it to change it."""
        keys = self.IDENTITY_FILE.get("trusted_keys")
        if keys is None:
            return {}
        if not _is_text_mapping(keys):
            raise field_error(self.path, "trusted_keys", "an object of texts")
        return dict(keys)

    @trusted_keys.setter
    def trusted_keys(self, value: Mapping[str, str]) -> None:
        if not _is_text_mapping(value):
            raise InvalidOption("trusted_keys must be a mapping of alias to public key, both text")
        self._write("trusted_keys", {checked_field("an alias", alias): key for alias, key in value.items()})

    def add_trusted_key(self, alias: str, pubkey: str) -> bool:
        """Trust `pubkey` (PEM text) under the name `alias`; False, and no change, if the alias is taken.

        Raises InvalidOption for an alias that is no text, and for what is no public key in PEM form.
        """
        if not isinstance(alias, str) or not alias.strip():
            raise InvalidOption("the alias of a trusted key must be text and not empty")
        alias = checked_field("the alias", alias)
        _check_public(alias, pubkey)
        with self._lock:
            if alias in self.trusted_keys:
                return False
            self._set_trusted(alias, pubkey)
            return True

    def remove_trusted_key(self, alias: str) -> bool:
        """Trust the key named `alias` no more; False if there is none."""
        with self._lock:
            if alias not in self.trusted_keys:
                return False
            self._set_trusted(alias, None)
            return True

    def is_trusted_key(self, pubkey: str | None) -> bool:
        """Whether `pubkey` is among the trusted keys; white space does not count."""
        return self.get_trusted_alias(pubkey) is not None

    def get_trusted_alias(self, pubkey: str | None) -> str | None:
        """The alias of the trusted key `pubkey` (the first, if it has several), or None."""
        return alias_of(pubkey, self.trusted_keys)

    def create_keys(self) -> None:
        """Make a new RSA key pair of 2048 bits, and write it at once: others know this node by its key.

        The private key goes into `HiveMindComs.pem` beside the identity file, mode 0600, and replaces the key this
        identity had there; a file of that name which this identity does not use is left alone and
        `HiveMindComs-2.pem` (and so on) is taken. `public_key` and `secret_key` go into the identity file;
        what else was set waits for `save()`. Without a folder the key stays in this object. A dict-like object
        with a `path` gets the two fields, and it is for `save()` to store them.
        Takes 0.1 s to some seconds. Raises IdentityFileError for a file that cannot be written or understood.
        """
        private, public = generate_rsa_key()
        with self._lock:
            folder = self._folder()
            if folder is None:
                self.secret_key = None
                self._private_pem = private
            else:
                path = self._key_file(folder)
                write_private(path, private.encode("ascii"), "private key file")
                self.secret_key = path
            self.public_key = public
            if isinstance(self.IDENTITY_FILE, IdentityFile):
                # A key that no file names would be left behind, and the next run would make another.
                self.IDENTITY_FILE.store_only(("public_key", "secret_key"))

    def private_key_pem(self) -> str | None:
        """The private key as PEM text, from its file or from memory; None if there is none.

        Raises IdentityFileError if the file is unreadable or holds no private key.
        """
        with self._lock:
            path, kept = self.secret_key, self._private_pem
        if kept is not None or path is None:
            return kept
        data = read_private(path, "private key file")
        if data is None:
            return None
        text = pem_text(data)
        if "-----BEGIN" not in text or "PRIVATE KEY-----" not in text:
            raise IdentityFileError(
                f"the private key file {path!r} holds no private key in PEM form; it was left as it is",
                Mend("put the key back, or make a new one with ", RESET_PGP),
                place=place_of(self.path),
            )
        return text

    def save(self) -> None:
        """Write the fields that were set on this object, keeping everything else in the file.

        Raises IdentityFileError if the file cannot be written, or is there but cannot be understood.
        """
        with self._lock:
            super().save()
            key = self.IDENTITY_FILE.get("secret_key")
            if isinstance(key, str) and self.secret_key and self._is_beside(self.secret_key):
                tighten(self.secret_key)

    def _set_trusted(self, alias: str, pubkey: str | None) -> None:
        if isinstance(self.IDENTITY_FILE, IdentityFile):
            # One entry only: a key that another process stops trusting must not come back with this one.
            self.IDENTITY_FILE.set_entry("trusted_keys", alias, pubkey)
            return
        others = {name: key for name, key in self.trusted_keys.items() if name != alias}
        self.trusted_keys = others if pubkey is None else {**others, alias: pubkey}

    def _key_file(self, folder: str) -> str:
        own = os.path.realpath(self.secret_key or "")
        names = itertools.chain([KEY_STEM], (f"{KEY_STEM}-{number}" for number in itertools.count(2)))
        paths = (os.path.join(folder, f"{name}.pem") for name in names)
        return next(path for path in paths if os.path.realpath(path) == own or not os.path.lexists(path))


def _port_in_file(value: object) -> int | None:
    """The port in a field: a number or digits, as `5678.0` too; None for anything else."""
    if isinstance(value, str):
        value = value.strip()
        value = value[:-2] if value.endswith(".0") else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return port_of(value)


def _is_text_mapping(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return all(isinstance(text, str) for pair in value.items() for text in pair)


def _check_public(alias: str, pem: object) -> None:
    """Raise InvalidOption for what is no public key in PEM form; what it is, is not quoted: it may be a secret."""
    if public_pem(pem) is not None:
        return
    what = "no public key in PEM form"
    if isinstance(pem, str) and "PRIVATE KEY" in pem:
        what = "a private key, which only its owner may have"
    raise InvalidOption(
        f"the key to trust as {alias!r} is {what}",
        Mend(
            "pass the whole text that begins with '-----BEGIN PUBLIC KEY-----': ",
            SHOW_KEY_THERE,
            " prints it on that node",
        ),
    )
