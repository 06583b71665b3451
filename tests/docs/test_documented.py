"""What users can name in code or type at a prompt is named in the documentation."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest

import hivemind_core_client
from hivemind_client_cli import hookspecs as cli_hookspecs
from hivemind_client_cli.main import build_cli
from hivemind_core_client import errors
from hivemind_core_client.client import HiveMessageBusClient
from hivemind_core_client.config.settings import ENVIRONMENT
from hivemind_core_client.message import HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.plugins import contract, hookspecs
from hivemind_core_client.testing import EmbeddedHub

from .documents import ROOT, all_blocks, page, pages

#: The guide for authors of plugins.
GUIDE_PAGES = [path for path in pages() if path.parent.name == "docs" and path.name.startswith("plugins")]
GUIDE = "\n".join(path.read_text(encoding="utf-8") for path in GUIDE_PAGES)
EVERYTHING = "\n".join(path.read_text(encoding="utf-8") for path in pages())
HOOKS = sorted(
    name for module in (hookspecs, cli_hookspecs) for name in vars(module) if name.startswith("hivemind_")
)
ERRORS = sorted(
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.HiveMindError)
)
CONTRACT = sorted(
    name
    for name, value in vars(contract).items()
    if inspect.isclass(value) and value.__module__ == contract.__name__
)
VERBS = sorted(
    {
        name
        for parent in HiveMessageBusClient.__mro__
        if parent.__module__.startswith("hivemind_core_client.")
        for name, value in vars(parent).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
)


def named(name: str, text: str = EVERYTHING) -> bool:
    """True where `text` has this name as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


@pytest.mark.parametrize("name", dir(hivemind_core_client))
def test_a_public_name_is_documented(name: str) -> None:
    assert named(name)


@pytest.mark.parametrize("name", dir(hivemind_core_client))
def test_a_public_name_is_in_the_api_reference(name: str) -> None:
    assert f"\n| `{name}` |" in page("docs/api-reference.md")


@pytest.mark.parametrize("name", sorted(path.name for path in pages() if path.parent.name == "docs"))
def test_a_page_is_in_the_navigation_of_the_site(name: str) -> None:
    assert re.search(rf"^ *- (?:.+: )?{re.escape(name)}$", page("mkdocs.yml"), re.MULTILINE)


@pytest.mark.parametrize("name", sorted({*dir(hivemind_core_client)} - {*hivemind_core_client.__all__}))
def test_what_import_star_leaves_out_is_told(name: str) -> None:
    assert named(name, hivemind_core_client.__doc__ or "")


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_of_the_client_is_documented(name: str) -> None:
    assert named(name, page("docs/library.md"))


@pytest.mark.parametrize("name", inspect.signature(HiveMessageBusClient).parameters)
def test_an_option_of_the_client_is_documented(name: str) -> None:
    assert named(name, page("docs/library.md"))


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_contract_and_an_example(name: str) -> None:
    assert re.search(rf"^##+ `{name}\(", GUIDE, re.MULTILINE), f"no section for {name}"
    assert named(f"[`{name}`]", page("docs/plugins.md")), f"{name} is not in the table of hooks"
    examples = [block.text for block in all_blocks("python") if block.page in GUIDE_PAGES]
    assert any(f"def {name}(" in text for text in examples), f"no example of {name}"


@pytest.mark.parametrize("path", GUIDE_PAGES, ids=lambda path: path.name)
def test_a_page_of_the_guide_is_linked_from_its_start(path: Path) -> None:
    assert path.name == "plugins.md" or f"]({path.name})" in page("docs/plugins.md")


@pytest.mark.parametrize("name", CONTRACT)
def test_an_object_of_the_contract_is_explained(name: str) -> None:
    assert named(name, GUIDE)


@pytest.mark.parametrize("name", ["Cipher", "Encoding", "Serializer", "MessageHandler", "BinaryHandler"])
def test_each_field_of_what_plugins_offer_is_explained(name: str) -> None:
    for parameter in inspect.signature(getattr(contract, name)).parameters:
        assert named(parameter, GUIDE), parameter


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_explained_with_its_exit_code(name: str) -> None:
    code = getattr(errors, name).exit_code
    rows = re.findall(rf"^\| `{name}` \|(.*)\|$", page("docs/errors.md"), re.MULTILINE)
    assert len(rows) == 1
    assert rows[0].split("|")[-1].strip() == str(code)


@pytest.mark.parametrize("name", build_cli().commands)
def test_a_command_is_documented(name: str) -> None:
    assert named(f"hivemind-client {name}", page("docs/command-line.md"))


def test_the_commands_are_in_the_table_of_their_plugin() -> None:
    rows = re.findall(r"^\| (`.+?) \|", page("plugins/cli/README.md"), re.MULTILINE)
    listed = {code.split()[0] for row in rows for code in re.findall(r"`([^`]+)`", row)}
    assert listed == set(build_cli().commands)


@pytest.mark.parametrize("name", build_cli().commands)
def test_a_command_has_help_with_an_example(name: str) -> None:
    command: click.Command = build_cli().commands[name]
    assert command.help
    assert (command.epilog or "").startswith("Example: ")


@pytest.mark.parametrize(
    "variable",
    [
        *ENVIRONMENT.values(),
        "HIVEMIND_CLIENT_PLUGINS",
        "HIVEMIND_CLIENT_PLUGINS_BLOCK",
        "HIVEMIND_CLIENT_PLUGINS_DIR",
        "HIVEMIND_CLIENT_PLUGINS_TRACE",
    ],
)
def test_a_variable_is_documented(variable: str) -> None:
    assert named(variable, page("docs/library.md")) or named(variable, page("docs/plugins-loading.md"))


@pytest.mark.parametrize(
    "member", [*HiveMessageType, *HiveMindBinaryPayloadType], ids=lambda member: member.name
)
def test_a_type_on_the_wire_is_documented(member: HiveMessageType | HiveMindBinaryPayloadType) -> None:
    assert named(member.name, page("docs/protocol.md"))


@pytest.mark.parametrize("name", [name for name in vars(EmbeddedHub) if not name.startswith("_")], ids=str)
def test_a_verb_of_the_embedded_hub_is_documented(name: str) -> None:
    assert named(name, page("docs/plugins-testing.md")) or named(name, page("docs/testing.md"))


@pytest.mark.parametrize(
    "text",
    [
        "NodeIdentity not set",
        "timed out waiting for handshake",
        "got encrypted message, but could not decrypt!",
        "hive.policy.denied",
    ],
)
def test_a_text_that_people_search_for_is_in_troubleshooting(text: str) -> None:
    assert text in page("docs/troubleshooting.md")


#: The name of a variable of the environment, as a constant in the sources.
_VARIABLE = re.compile(r"""["']((?:HIVEMIND_|XDG_)[A-Z_]+|NO_COLOR|OVOS_DEFAULT_LOG_LEVEL)["']""")


def test_every_variable_of_the_environment_is_on_its_page() -> None:
    sources = [
        path for folder in ("hivemind_core_client", "plugins") for path in (ROOT / folder).rglob("*.py")
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources if "tests" not in path.parts)
    # The contract's version stands in a plugin; that folder is set for `demo`, and nothing of ours lies in it.
    read = {*_VARIABLE.findall(text)} - {"HIVEMIND_API_VERSION", "XDG_DATA_HOME"}
    told = {*re.findall(r"^\| `([A-Z_]+)` \|", page("docs/environment.md"), re.MULTILINE)}
    assert read - told == set()
    # Names of the journal's are put together of two pieces.
    assert [name for name in told if name not in text and name.rpartition("_")[0] not in text] == []
