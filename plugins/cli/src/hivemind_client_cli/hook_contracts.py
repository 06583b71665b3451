"""What the specification of a hook says of it: its signature, when it is called, and a line of example."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from hivemind_client_cli import plugin

if TYPE_CHECKING:
    from hivemind_core_client.plugins.manager import Plugins
    from hivemind_core_client.wire.json_text import Json

#: Lines of a docstring that say one thing, up to the next such line, or an empty one.
_NOTE = re.compile(r"^(Called|Example): (.*(?:\n(?!\n|Called:|Example:).+)*)", re.MULTILINE)


@frozen
class HookContract:
    """One hook: `signature` as Python has it, what it is for, when it is `called`, and a line of `example`.

    `specified_in` is the module or class with its specification, `plugins` are those that implement it, in the order
    in which they are called. Texts are empty where its docstring does not say.
    """

    name: str
    signature: str
    returns: str
    purpose: str
    called: str
    example: str
    specified_in: str
    plugins: tuple[str, ...]

    @property
    def as_json(self) -> Json:
        """The object of `--json`; null where the specification does not say."""
        return {
            "name": self.name,
            "signature": self.signature,
            "returns": self.returns or None,
            "purpose": self.purpose or None,
            "called": self.called or None,
            "example": self.example or None,
            "specified_in": self.specified_in,
            "plugins": list(self.plugins),
        }

    @property
    def text(self) -> str:
        """What people read."""
        rows = {
            "called": self.called,
            "example": self.example,
            "from": self.specified_in,
            "plugins": ", ".join(self.plugins),
        }
        lines = [f"{self.name}{self.signature}", *(f"    {line}" for line in self.purpose.splitlines())]
        return "\n".join([*lines, *(f"    {name + ':':<9}{value}" for name, value in rows.items() if value)])


def contracts(plugins: Plugins) -> dict[str, HookContract]:
    """Every hook that has a specification, by name and in order: those of the library first, then by name."""
    plugin.hivemind_addhooks(
        plugins.pm
    )  # the hooks of the command line are there where its plugin is blocked too
    found = [
        _contract(name, caller)
        for name, caller in vars(plugins.pm.hook).items()
        if getattr(caller, "spec", None) is not None
    ]
    found.sort(key=lambda each: (not each.specified_in.startswith("hivemind_core_client."), each.name))
    return {each.name: each for each in found}


def _contract(name: str, caller: Any) -> HookContract:
    function = caller.spec.function
    signature = inspect.signature(function)
    if "self" in signature.parameters:  # the specification is a method
        kept = [each for each in signature.parameters.values() if each.name != "self"]
        signature = signature.replace(parameters=kept)
    docstring = inspect.getdoc(function) or ""
    notes = {kind: " ".join(text.split()) for kind, text in _NOTE.findall(docstring)}
    returns = signature.return_annotation
    namespace = caller.spec.namespace
    return HookContract(
        name=name,
        signature=str(signature).replace("'", ""),
        returns="" if returns is inspect.Signature.empty else str(returns),
        purpose=_NOTE.sub("", docstring).strip(),
        called=notes.get("Called", ""),
        example=notes.get("Example", ""),
        specified_in=getattr(namespace, "__name__", type(namespace).__name__),
        plugins=tuple(each.plugin_name for each in reversed(caller.get_hookimpls())),
    )
