"""Whether a plugin fits this contract: the version that it needs, and the hooks that it implements."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import pluggy

from hivemind_core_client.plugins.contract import API_VERSION
from hivemind_core_client.plugins.finding import PluginInfo
from hivemind_core_client.plugins.hookspecs import OF_COMMAND_LINE, OURS
from hivemind_core_client.plugins.warned import warn_once
from hivemind_core_client.wire.text import described

#: What a plugin calls the version of the contract that it needs: a whole number, an attribute of its module or object.
VERSION_ATTRIBUTE = "HIVEMIND_API_VERSION"
INCOMPATIBLE = "incompatible"

_CONTRACT = "hivemind_core_client.plugins."


def version_fault(plugin: object) -> str:
    """Why a plugin needs another version of the contract than this one; an empty text where it does not."""
    needed: Any = getattr(plugin, VERSION_ATTRIBUTE, 1)
    if type(needed) is not int or needed < 1:
        return f"{VERSION_ATTRIBUTE} is {needed!r}; it must be a whole number from 1 on"
    if needed > API_VERSION:
        return (
            f"it needs version {needed} of the plugin contract, and this library has {API_VERSION}:"
            " upgrade hivemind-core-client"
        )
    return ""


def import_fault(error: BaseException) -> str:
    """Why a plugin that could not be imported needs a newer contract; an empty text where it failed otherwise."""
    if isinstance(error, ImportError) and (error.name or "").startswith(_CONTRACT):
        return f"it needs a newer plugin contract than version {API_VERSION}: {described(error)}"
    return ""


def leave_out(info: PluginInfo, reason: str) -> None:
    """Mark a plugin as incompatible, and say so once in this process."""
    info.state, info.error = INCOMPATIBLE, reason
    warn_once(info.name, reason)


def judge_hooks(manager: pluggy.PluginManager, infos: Iterable[PluginInfo]) -> None:
    """Take out each plugin with a hook of ours that nobody specifies, unless it is marked `optionalhook`.

    pluggy's `check_pending` stops at the first. A hook of others that nobody specifies is nobody's fault, but one
    whose name is nearly that of ours is told.
    """
    known = [name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()]
    command_line = any(name.startswith(OF_COMMAND_LINE) for name in known)
    for info in infos:
        plugin = manager.get_plugin(info.name)
        pending = [] if plugin is None else _pending(manager, plugin)
        texts = {name: _unknown(name, known) for name in pending}
        # Where the command line is not loaded, nobody calls its hooks, and that is no fault.
        unknown = [
            text
            for name, text in texts.items()
            if name.startswith(OURS) and (command_line or not name.startswith(OF_COMMAND_LINE))
        ]
        nearly_ours = [text for text in texts.values() if "did you mean" in text]
        if unknown:
            manager.unregister(name=info.name)
            leave_out(info, "; ".join(unknown))
        elif nearly_ours:
            info.error = "; ".join(nearly_ours)
            warn_once(info.name, info.error)


def _pending(manager: pluggy.PluginManager, plugin: object) -> list[str]:
    """The hooks of a plugin that nobody specifies, and that it does not mark as optional."""
    return [
        caller.name
        for caller in manager.get_hookcallers(plugin) or []
        if not caller.has_spec()
        and any(each.plugin is plugin and not each.optionalhook for each in caller.get_hookimpls())
    ]


def _unknown(name: str, known: list[str]) -> str:
    text = f"the hook {name} does not exist in version {API_VERSION} of the plugin contract"
    for meant in difflib.get_close_matches(name, known, 1, 0.8):
        return f"{text}: did you mean {meant}?"
    return text
