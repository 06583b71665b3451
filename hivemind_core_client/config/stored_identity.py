"""Where an identity is kept: in a file, or in any dict-like object."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import MutableMapping
from typing import Any, Union

from hivemind_core_client.config.given_texts import checked_field
from hivemind_core_client.config.identity_text import as_text
from hivemind_core_client.config.key_files import (
    FILE_NAME,
    IdentityFile,
    common_file,
    expanded,
    field_error,
    file_folder,
    prepare_private,
)
from hivemind_core_client.wire.errors import InvalidOption

PathOrMapping = Union[str, "os.PathLike[str]", MutableMapping[str, Any]]


class StoredIdentity:
    """The fields of an identity, how they are read and written, and where they lie."""

    def __init__(self, identity_file: PathOrMapping | None = None, app_name: str | None = None) -> None:
        self._lock = threading.RLock()
        #: The fields themselves, by their names in the file.
        self.IDENTITY_FILE: MutableMapping[str, Any] = _open(identity_file, app_name)

    @property
    def path(self) -> str | None:
        """Absolute path of the identity file (it need not exist); None for an identity in memory."""
        path = getattr(self.IDENTITY_FILE, "path", None)
        if not path or not isinstance(path, (str, os.PathLike)):
            return None
        return os.path.abspath(expanded(os.fsdecode(path)))

    def save(self) -> None:
        """Write the fields that were set on this object, keeping everything else in the file.

        Raises IdentityFileError if the file cannot be written, or is there but cannot be understood.
        """
        with self._lock:
            store = getattr(self.IDENTITY_FILE, "store", None)
            if store is None:
                return
            if self.path is not None and not isinstance(self.IDENTITY_FILE, IdentityFile):
                prepare_private(self.path)
            store()

    def reload(self) -> None:
        """Read the file again and forget what was not saved. A missing file gives an empty identity.

        Raises IdentityFileError, and then this object is as it was.
        """
        with self._lock:
            reload = getattr(self.IDENTITY_FILE, "reload", None)
            if reload is not None:
                reload()

    def _read_text(self, field: str) -> str | None:
        value = self.IDENTITY_FILE.get(field)
        text = as_text(value)
        if text is None and value is not None:
            raise field_error(self.path, field, "text")
        return text

    def _write_text(self, field: str, value: str | None) -> None:
        if value is not None and not isinstance(value, str):
            raise InvalidOption(f"{field} must be text or None, not {type(value).__name__}")
        self._write(field, None if value is None else checked_field(field, value))

    def _write(self, field: str, value: Any) -> None:
        with self._lock:
            if value is None:
                self.IDENTITY_FILE.pop(field, None)
            else:
                self.IDENTITY_FILE[field] = value

    def _folder(self) -> str | None:
        return None if self.path is None else file_folder(self.path)

    def _is_beside(self, path: str) -> bool:
        folder = self._folder()
        return folder is not None and os.path.realpath(os.path.dirname(path)) == os.path.realpath(folder)


def _open(identity_file: PathOrMapping | None, app_name: str | None) -> MutableMapping[str, Any]:
    app = None if app_name is None else _checked_app(app_name)
    if isinstance(identity_file, MutableMapping):
        return identity_file
    if identity_file is None:
        shared = common_file()
        own = shared if app is None else os.path.join(os.path.dirname(shared), app, FILE_NAME)
        return IdentityFile(own, None if app is None else shared)
    return IdentityFile(_checked_path(identity_file))


def _checked_path(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InvalidOption("identity_file must be the path of a file, a dict-like object or None")
    return os.path.abspath(expanded(os.fsdecode(path)))


def _checked_app(name: object) -> str:
    if isinstance(name, str) and name.isprintable() and re.search(r"[/\\]|^\s*\.{0,2}\s*$", name) is None:
        return name
    raise InvalidOption("app_name must be a plain folder name: not empty, not '..', no path separators")
