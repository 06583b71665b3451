"""Where an identity is kept: in a file, or in any dict-like object."""

from __future__ import annotations

import logging
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
from hivemind_core_client.wire.errors import InvalidOption, Mend

log = logging.getLogger(__name__)

#: It becomes a folder, so nothing that could lead elsewhere.
_APP_NAME = re.compile(r"[A-Za-z\d][\w.-]{,63}", re.ASCII)
#: The files whose absence was told.
_told: set[str] = set()

PathOrMapping = Union[str, "os.PathLike[str]", MutableMapping[str, Any]]


class StoredIdentity:
    """The fields of an identity, how they are read and written, and where they lie."""

    def __init__(
        self,
        identity_file: PathOrMapping | None = None,
        app_name: str | None = None,
        shared_fallback: bool = True,
    ) -> None:
        self._lock = threading.RLock()
        #: The application whose identity this is, or None.
        self.app_name = app_name
        #: Whether the shared file may stand in for a missing one of the application.
        self.shared_fallback = shared_fallback
        #: Whether the application had no file of its own, so that the shared one is read and written.
        self.uses_shared_fallback = False
        #: The fields themselves, by their names in the file.
        self.IDENTITY_FILE: MutableMapping[str, Any] = self._open(identity_file)

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

    def _current(self, field: str) -> Any:
        """What the file holds now in a field, a dict with entries for hubs. Raises IdentityFileError."""
        file = self.IDENTITY_FILE
        return file.current(field) if isinstance(file, IdentityFile) else file.get(field, {})

    def _entries(self, field: str) -> dict[str, Any]:
        entries = self.IDENTITY_FILE.get(field)
        return dict(entries) if isinstance(entries, dict) else {}

    def _write_entries(self, field: str, changes: dict[str, str | None]) -> None:
        """Set entries of the object in a field, or with None remove them, and write them at once: nothing else."""
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

    def _open(self, identity_file: PathOrMapping | None) -> MutableMapping[str, Any]:
        if self.app_name is not None:
            return IdentityFile(self._app_file(identity_file, self.app_name))
        if isinstance(identity_file, MutableMapping):
            return identity_file
        return IdentityFile(common_file() if identity_file is None else _checked_path(identity_file))

    def _app_file(self, identity_file: PathOrMapping | None, app: str) -> str:
        """The file of this application: its own, or the shared one that stands in for it. Raises InvalidOption."""
        _check_app(app)
        if identity_file is not None:
            raise InvalidOption("an identity is in identity_file or that of app_name, not both")
        shared = common_file()
        own = os.path.join(os.path.dirname(shared), app, FILE_NAME)
        if not self.shared_fallback or os.path.lexists(own) or not os.path.lexists(shared):
            return own
        self.uses_shared_fallback = True
        if own not in _told:
            _told.add(own)
            log.warning(
                "%s has no identity of its own and uses the one in %s, as every other program here does that has none: "
                "'hivemind-client --app %s set-identity' gives it one",
                app,
                shared,
                app,
            )
        return shared

    def _folder(self) -> str | None:
        return None if self.path is None else file_folder(self.path)

    def _key_path(self, stored: str | None, name: str) -> str | None:
        """Where the key file lies that is stored so, else the one of this name; None if there is no folder for that.

        A relative path is one in the folder of the identity file. Other clients store absolute ones, which go stale
        when that folder is moved: then it is the file of that name beside the identity file.
        """
        folder = self._folder()
        if folder is None:
            return os.path.abspath(expanded(stored)) if stored else None
        path = os.path.join(folder, expanded(stored or name))
        beside = os.path.join(folder, os.path.basename(path))
        return beside if os.path.isfile(beside) and not os.path.exists(path) else path

    def _as_stored(self, field: str, value: str | os.PathLike[str] | None) -> str | None:
        """A path as the file has it: by its name alone if it lies beside the identity file. Raises InvalidOption."""
        if value is not None and not isinstance(value, (str, os.PathLike)):
            raise InvalidOption(f"{field} must be a path or None, not {type(value).__name__}")
        path = None if value is None else expanded(os.fsdecode(value))
        return os.path.basename(path) if path and os.path.isabs(path) and self._is_beside(path) else path

    def _is_beside(self, path: str) -> bool:
        folder = self._folder()
        return folder is not None and os.path.realpath(os.path.dirname(path)) == os.path.realpath(folder)


def _checked_path(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InvalidOption("identity_file must be the path of a file, a dict-like object or None")
    return os.path.abspath(expanded(os.fsdecode(path)))


def _check_app(name: object) -> None:
    if isinstance(name, str) and _APP_NAME.fullmatch(name):
        return
    raise InvalidOption(
        f"app_name {name!r} is no name of an application",
        Mend(
            "it becomes a folder: take 64 letters (a to z), digits, '.', '_' and '-' at most, "
            "and a letter or a digit first",
            joint=": ",
        ),
    )
