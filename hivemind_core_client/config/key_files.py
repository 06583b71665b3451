"""Files that only their owner may read: the identity file, and the private key beside it."""

from __future__ import annotations

import contextlib
import copy
import errno
import json
import logging
import os
import stat
import time
from collections.abc import Collection, Iterator, MutableMapping
from typing import Any

from hivemind_core_client.config.home import at_home, config_home
from hivemind_core_client.config.identity_text import parse
from hivemind_core_client.wire.errors import (
    Command,
    IdentityFileError,
    IdentityPlace,
    InvalidOption,
    Mend,
    Setting,
)

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

LOG = logging.getLogger(__name__)
FILE_NAME = "_identity.json"
#: How long a writer waits for another, and how often it asks, in seconds.
_LOCK_SECONDS = 5.0
_LOCK_PAUSE = 0.02
#: The largest file that is read, in bytes: a thousand trusted keys are half a mebibyte.
_MOST_BYTES = 16 * 2**20
UNNAMED = "unnamed-node"
#: The field of the pins of hubs, by `host:port`.
PINS = "pinned_noise_keys"
#: The field of the pins of hubs' certificates, by `host:port`.
CERTIFICATES = "pinned_certificates"
_OLD_PINS = "hub_pins"
_GONE = object()
_warned: set[str] = set()


def common_file() -> str:
    """The path of the identity file that is used where no other is named (`$XDG_CONFIG_HOME` is heeded).

    Raises IdentityFileError where this user has no home folder.
    """
    folder = config_home()
    if folder is None:
        raise IdentityFileError(
            "there is no folder for the identity file: this user has no home folder, and no variable names one",
            Mend("set ", Setting("HOME"), " or ", Setting("XDG_CONFIG_HOME"), ", or name an identity file"),
        )
    return os.path.abspath(os.path.join(folder, "hivemind", FILE_NAME))


def expanded(path: str) -> str:
    """A path with `~` replaced. Raises IdentityFileError where nobody knows the folder."""
    found = at_home(path)
    if found is None:
        raise IdentityFileError(
            f"the home folder in {path!r} is not known: this user has none, and HOME does not name one",
            Mend("set ", Setting("HOME"), ", or give the whole path"),
        )
    return found


def place_of(path: str | None) -> IdentityPlace:
    """What errors say of an identity in the file `path`, None for one in memory."""
    folder = config_home()
    return IdentityPlace(path, is_default=folder is not None and path == common_file())


def read_private(path: str, what: str) -> bytes | None:
    """The bytes of the regular file `path`; None if nothing is there.

    `what` names the file in messages ("identity file"). Logs one warning per path if others than
    the owner may read it. Raises IdentityFileError if it cannot be read.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {_MOST_BYTES // 2**20} MiB")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise IdentityFileError(
            f"cannot read the {what} {path!r} ({_reason(exc)}); it was left as it is",
            Mend("make it a plain file that belongs to this user and has mode 600"),
        ) from exc
    if _is_wide(mode) and path not in _warned:
        _warned.add(path)
        LOG.warning("%s %s is open to other users of this machine: run chmod 600 on it", what, path)
    return data


def write_private(path: str, data: bytes, what: str) -> None:
    """Put `data` at `path` in one step, mode 0600 from the first byte; a symlink keeps pointing there.

    Folders that are missing are made with mode 0700.
    Raises IdentityFileError, and then the old file is whole.
    """
    target = os.path.realpath(path)
    try:
        make_folder(os.path.dirname(target))
        _replace(target, data)
    except (OSError, ValueError) as exc:
        raise IdentityFileError(
            f"cannot write the {what} {path!r} ({_reason(exc)}); what was there is left as it was",
            Mend("check that this user may write in its folder and that the disk is not full"),
        ) from exc
    _warned.discard(path)


def _replace(target: str, data: bytes) -> None:
    temporary = f"{target}.{os.urandom(6).hex()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    # The rename must survive a power cut too. Not every system lets a folder be opened or synced.
    with contextlib.suppress(OSError):
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def make_folder(folder: str) -> None:
    """Like os.makedirs, but the folders in between get mode 0700 as well."""
    if os.path.isdir(folder):
        return
    make_folder(os.path.dirname(folder))
    # Another process may have made it meanwhile; if something else stands there, writing says so.
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def prepare_private(path: str) -> None:
    """Make sure that a file which someone else's code is about to write has mode 0600; best effort."""
    with contextlib.suppress(OSError):
        make_folder(os.path.dirname(os.path.abspath(path)))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        tighten(path)


def tighten(path: str) -> None:
    """Take the rights of group and others off `path`; best effort, nothing happens if it is missing."""
    with contextlib.suppress(OSError):
        if _is_wide(os.stat(path).st_mode):
            os.chmod(path, 0o600)
            _warned.discard(path)


def _is_wide(mode: int) -> bool:
    # Elsewhere the mode bits say nothing about who may read.
    return os.name == "posix" and bool(stat.S_IMODE(mode) & 0o077)


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc)


def read_object(path: str) -> dict[str, Any] | None:
    """The fields of the identity file `path`; None if there is no such file. Raises like `json_object`."""
    mend = Mend("correct it, or move it away and run ", Command(("set-identity",)))
    found = json_object(path, "identity file", mend, place_of(path))
    return None if found is None else _with_pins(found)


def json_object(
    path: str, what: str, mend: Mend, place: IdentityPlace | None = None
) -> dict[str, Any] | None:
    """The JSON object in the file `path`, which messages call `what`; None if there is no such file.

    Raises IdentityFileError, which never quotes the content, if it cannot be read or is something else.
    """
    raw = read_private(path, what)
    if raw is None:
        return None
    value: Any = None
    problem = "holds no JSON object"
    try:
        value = parse(raw)
    except json.JSONDecodeError as exc:
        problem = f"is no valid JSON (line {exc.lineno}, column {exc.colno})" if raw.strip() else "is empty"
    except (ValueError, RecursionError):
        problem = "is no valid JSON"
    if isinstance(value, dict):
        return value
    # Raised out here: a JSONDecodeError carries the whole text, secrets and all.
    raise IdentityFileError(f"the {what} {path!r} {problem}; it was left as it is", mend, place=place)


def _with_pins(data: dict[str, Any]) -> dict[str, Any]:
    """The fields with the pins where they belong: first releases had them in a field of another name.

    To leave them there would be to trust whatever hub comes next.
    """
    if _OLD_PINS in data:
        old, pins = data.pop(_OLD_PINS), data.get(PINS, {})
        data[PINS] = {**old, **pins} if isinstance(old, dict) and isinstance(pins, dict) else old
    return data


def identity_at(path: str | None) -> str:
    """What errors call the identity in the file `path`, None for one in memory."""
    return "the identity in memory" if path is None else f"the identity file {path!r}"


def field_error(path: str | None, field: str, wanted: str) -> IdentityFileError:
    """The error for a known `field` of the identity file `path` (None: in memory) that is not `wanted`."""
    return IdentityFileError(
        f"{identity_at(path)}: the field {field!r} is not {wanted}",
        Mend("correct it, or set it again with ", Command(("set-identity",))),
        about=(field,),
        place=place_of(path),
    )


class IdentityFile(MutableMapping[str, Any]):
    """The fields of an identity file as a mapping; nothing is written before `store()`.

    `store()` reads the file again and applies only what was assigned here since the last load, so
    what other processes wrote stays. Values are to be assigned whole, or by `set_entry`.

    Args:
        path: absolute path of the file; missing means empty.

    Raises:
        IdentityFileError: a file is there that cannot be read or understood.
    """

    #: What errors call it.
    what = "identity file"

    def __init__(self, path: str) -> None:
        self.path = path
        self._data: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}
        self._journal: dict[tuple[str, ...], Any] = {}
        self.reload()

    def __getitem__(self, field: str) -> Any:
        return self._data[field]

    def __setitem__(self, field: str, value: Any) -> None:
        self._data[field] = value
        self._note(field, value)

    def __delitem__(self, field: str) -> None:
        del self._data[field]
        self._note(field, _GONE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def _note(self, field: str, value: Any) -> None:
        self._journal = {step: old for step, old in self._journal.items() if step[0] != field}
        self._journal[(field,)] = value

    def set_entry(self, field: str, entry: str, value: Any) -> None:
        """Set, or with None remove, one `entry` of the object in `field`; its other entries are untouched."""
        step, new = (field, entry), _GONE if value is None else value
        self._apply(self._data, step, new)
        self._journal[step] = new

    def _apply(self, data: dict[str, Any], step: tuple[str, ...], value: Any) -> None:
        target = data
        if len(step) > 1:
            target = data[step[0]] = data.get(step[0]) or {}
            if not isinstance(target, dict):
                raise field_error(self.path, step[0], "an object")
        if value is _GONE:
            target.pop(step[-1], None)
        else:
            target[step[-1]] = value

    def reload(self) -> None:
        """Read the file again and forget what was assigned; nothing changes on IdentityFileError."""
        self._load(self.read() or {})

    def read(self) -> dict[str, Any] | None:
        """The fields as the file has them now; None if there is none. Raises IdentityFileError."""
        return read_object(self.path)

    def current(self, field: str) -> Any:
        """What the file holds now in `field`, whatever was read or assigned before; an empty dict where it is missing.

        Raises IdentityFileError.
        """
        data = self.read()
        return (self._loaded if data is None else data).get(field, {})

    def store(self) -> None:
        """Write the file. Raises IdentityFileError; a file that cannot be understood is left alone."""
        self._load(self._written(self._journal))

    def store_only(self, fields: Collection[str]) -> None:
        """Write of what was assigned these fields alone; the others wait for `store()`. Raises like that."""
        steps = {step: value for step, value in self._journal.items() if step[0] in fields}
        self._loaded = self._written(steps)
        self._journal = {step: value for step, value in self._journal.items() if step not in steps}

    def _load(self, data: dict[str, Any]) -> None:
        self._loaded, self._data, self._journal = data, copy.deepcopy(data), {}

    def _written(self, steps: dict[tuple[str, ...], Any]) -> dict[str, Any]:
        try:
            json.dumps([value for value in steps.values() if value is not _GONE])
        except (TypeError, ValueError) as error:
            raise InvalidOption(
                f"the {self.what} {self.path!r} holds JSON only; nothing was written"
            ) from error
        with only_one_writer(file_folder(self.path)):
            return self._write(steps)

    def _write(self, steps: dict[tuple[str, ...], Any]) -> dict[str, Any]:
        data = self.read()
        if data is None:
            data = copy.deepcopy(self._loaded)
            before = None
        else:
            before = copy.deepcopy(data)
        for step, value in steps.items():
            self._apply(data, step, value)
        if data == before:  # comments, and whatever form it was given, stay
            tighten(self.path)
        else:
            write_private(self.path, json.dumps(data, indent=4).encode("ascii") + b"\n", self.what)
        return data


@contextlib.contextmanager
def only_one_writer(folder: str) -> Iterator[None]:
    """Keep other processes and threads from writing between our reading and our writing, where the system can.

    The folder is made where it is missing. Raises IdentityFileError when another one holds it for five seconds.
    """
    try:
        make_folder(folder)
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # writing will say why, or the system opens no folders
        yield
        return
    try:
        if fcntl is not None:
            _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: str) -> None:
    # Asked again and again: a lock that is waited for can be waited for without end, and nothing interrupts that.
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise IdentityFileError(
                    f"another process holds the folder {folder!r} of the identity for longer than {_LOCK_SECONDS:g} s; "
                    "nothing was written",
                    Mend("end it, or wait and try again"),
                ) from error
        except OSError:  # such as a file system without locks
            return None
        time.sleep(_LOCK_PAUSE)


def file_folder(path: str) -> str:
    """The folder that the file `path` really lies in: that of its target if it is a symlink."""
    return os.path.dirname(os.path.realpath(path) if os.path.islink(path) else os.path.abspath(path))
