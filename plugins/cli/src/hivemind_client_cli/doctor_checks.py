"""Checks that plugins add to `hivemind-client doctor`, by the hook `hivemind_doctor_checks`."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from attrs import field, frozen, validators

from hivemind_client_cli.plugin_commands import implementations
from hivemind_core_client.errors import HiveMindError, Mend
from hivemind_core_client.wire.text import described

if TYPE_CHECKING:
    from hivemind_core_client import HiveMessageBusClient
    from hivemind_core_client.plugins.manager import Plugins

_HOOK = "hivemind_doctor_checks"
#: What a check may say, and how the doctor shows it: as it shows its own.
_SHOWN = {"ok": "ok", "warn": "warn", "fail": "failed"}
FAILED, SKIPPED = "failed", "skipped"


@frozen
class Finding:
    """What a check found: `state` is "ok", "warn" or "fail", `text` says what, and `mend` what to do about it.

    Raises ValueError for another state, TypeError for what is no text; `mend` may be a Mend of the library too.
    """

    state: str = field(validator=validators.in_(tuple(_SHOWN)))
    text: str = field(default="", validator=validators.instance_of(str))
    mend: Union[str, Mend] = field(default="", validator=validators.instance_of((str, Mend)))


@frozen
class DoctorCheck:
    """A check of `hivemind-client doctor`. `run(client)` returns a Finding; `name` is a word or two.

    It returns None if it has nothing to say of this client: then the check is not shown.

    The client is connected where the doctor could connect it. Where it could not, the check is skipped, unless
    `needs_session` is False.
    """

    name: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))
    run: Callable[[HiveMessageBusClient], Optional[Finding]] = field(validator=validators.is_callable())
    needs_session: bool = True


@frozen
class Checked:
    """A check of a plugin, and what became of it: `state` is ok, warn, failed or skipped."""

    name: str
    plugin: str
    state: str
    remark: Union[str, Mend, HiveMindError] = ""
    mend: Union[str, Mend] = ""


def run_checks(
    plugins: Plugins, client: HiveMessageBusClient, stands: bool, taken: Collection[str]
) -> list[Checked]:
    """Run the checks of all plugins, one that fails like one that raises: alone. `stands`: there is a session.

    Names in `taken`, and those of more than one check, get the name of the plugin behind them.
    """
    with contextlib.redirect_stdout(sys.stderr):  # what a check prints must not mix with results
        found = list(_checks(plugins))
        names = _names([(plugin, check.name) for plugin, check in found], taken)
        checked = [
            check if isinstance(check, Checked) else _checked(name, plugin, check, client, stands)
            for name, (plugin, check) in zip(names, found)
        ]
    return [check for check in checked if check is not None]


def _names(found: list[tuple[str, str]], taken: Collection[str]) -> list[str]:
    """What each check is called, of its plugin and its own name: no two are called the same."""
    count = Counter(name for _, name in found)
    used: Counter[str] = Counter()
    names = []
    for plugin, name in found:
        if name in taken or count[name] > 1:
            name = f"{name} ({plugin})"
        used[name] += 1
        names.append(name if used[name] == 1 else f"{name} #{used[name]}")
    return names


def _checks(plugins: Plugins) -> Iterator[tuple[str, Union[DoctorCheck, Checked]]]:
    """Every check with its plugin; in the place of one that a plugin could not bring, what went wrong."""
    for implementation in implementations(plugins, _HOOK):
        plugin = implementation.plugin_name
        try:
            function: Callable[[], Any] = implementation.function
            checks = list(function() or ())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even exit
            yield plugin, Checked(plugin, plugin, FAILED, f"{_HOOK} raised {described(error)}")
            continue
        for check in checks:
            if isinstance(check, DoctorCheck):
                yield plugin, check
            else:
                text = f"{_HOOK} returned a {type(check).__name__}, not a DoctorCheck"
                yield plugin, Checked(plugin, plugin, FAILED, text)


def _checked(
    name: str, plugin: str, check: DoctorCheck, client: HiveMessageBusClient, stands: bool
) -> Optional[Checked]:
    if check.needs_session and not stands:
        return Checked(name, plugin, SKIPPED, "not reached")
    try:
        found = check.run(client)
    except KeyboardInterrupt:
        raise
    except HiveMindError as error:
        return Checked(name, plugin, FAILED, error)
    except BaseException as error:  # a plugin may even exit
        return Checked(name, plugin, FAILED, f"the check raised {described(error)}")
    if found is None:
        return None
    if not isinstance(found, Finding):
        return Checked(name, plugin, FAILED, f"the check returned a {type(found).__name__}, not a Finding")
    return Checked(name, plugin, _SHOWN[found.state], found.text, found.mend)
