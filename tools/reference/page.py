"""docs/reference-names.md, as text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from .comparison import (
    COMPAT,
    NOTHING,
    OURS,
    VERSIONS,
    Facts,
    Row,
    commands,
    difference_of,
    find,
    imports,
    reasons,
)

TOP = f"""\
# The names of the reference client

`tools/reference-names` writes this page, and a test says whether it is up to date. It lists every public name of the
reference client `hivemind_bus_client` {VERSIONS[0]} and {VERSIONS[1]}, and what the distribution of
[compat/](../compat/README.md) gives in its place. What the names do is told in [library.md](library.md).
What they do differently is told in [migration.md](migration.md#what-behaves-differently).

- **In** is the version of the reference that has the name. The parameters are those of the newer one. `...` is a
  default that is no plain value.
- **Here** is what `hivemind_bus_client` of ours has. *Same* is a promise that a test holds: each parameter stands at
  the same place under the same name, each keyword is taken, and plain defaults and values are equal.
- **Own** is the module of `hivemind_core_client` that has the name too. `—` is a name that only programs of the
  reference need.

"""


def page(rows: list[Row]) -> str:
    """The whole page."""
    modules = [
        "".join(_module(module, list(found))) for module, found in groupby(rows, lambda row: row.module)
    ]
    return TOP + _summary(rows) + "".join(modules) + _commands() + _imported()


def _summary(rows: list[Row]) -> str:
    missing = sum(row.missing for row in rows)
    different = sum(bool(row.differences) and not row.missing for row in rows)
    same = len(rows) - missing - different
    return f"Of {len(rows)} names, {same} are the same, {different} differ, and {missing} are left out.\n\n"


def _module(module: str, rows: list[Row]) -> Iterator[str]:
    yield f"## `{COMPAT}{'.' if module else ''}{module}`\n\n"
    passed_on = [row for row in rows if row.newest["kind"] == "name of"]
    own = [row for row in rows if row not in passed_on]
    if own:
        yield "| Name | In | Here | Own |\n|---|---|---|---|\n"
        for _, group in groupby(own, _group):
            yield from _lines(list(group))
        yield "\n"
    if passed_on:
        yield from _passed_on(passed_on)


def _group(row: Row) -> tuple[str, ...]:
    """What may share a line: attributes of one class, and plain values of one module, that are the same here."""
    owner, dot, _ = row.path.rpartition(".")
    alike = row.same and row.newest["kind"] in ("attribute", "value")
    return (owner if dot else row.module, _versions(row), str(_core(row))) if alike else (row.path,)


def _lines(rows: list[Row]) -> Iterator[str]:
    first = rows[0]
    names = ", ".join(f"`{_short(row)}`" for row in rows)
    yield f"| {names} | {_versions(first)} | {_here(first)} | {_core(first)} |\n"


def _short(row: Row) -> str:
    """The name with its parameters; a member without its class."""
    owner, dot, member = row.name.rpartition(".")
    parameters = row.newest.get("parameters")
    return f"{dot and '.'}{member if owner else row.name}{_call(row.newest, parameters)}"


def _call(facts: Facts, parameters: str | None) -> str:
    return "" if parameters is None or ("bases" in facts and not parameters) else f"({parameters})"


def _versions(row: Row) -> str:
    return "both" if len(row.facts) == len(VERSIONS) else next(iter(row.facts))


def _here(row: Row) -> str:
    if row.same:
        return "same"
    reason = row.reason or "no reason is given yet"
    return f"left out: {reason}" if row.missing else f"{_cell(difference_of(row))}: {reason}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _core(row: Row) -> str:
    name = row.name.partition(".")[0]
    if row.name != name:
        return ""
    if find(OURS, row.module, name) is not NOTHING:
        return f"`{row.module}`" if row.module else "the root"
    return "the root" if find(OURS, "", name) is not NOTHING else "—"


def _passed_on(rows: list[Row]) -> Iterator[str]:
    """Names that a module only has from another one, as a sentence for each thing that became of them."""
    there = [f"`{row.name}`" for row in rows if not row.missing]
    if there:
        yield f"From other modules, and here too: {', '.join(there)}.\n\n"
    for reason, group in groupby([row for row in rows if row.missing], lambda row: row.reason):
        yield f"From other modules, and left out here: {', '.join(f'`{r.name}`' for r in group)}. {reason}\n\n"


def _commands() -> str:
    """The command line."""
    lines = ["## `hivemind-client`\n\n", "| Command | Options | Here |\n|---|---|---|\n"]
    excused = reasons()["commands"]
    for name, (options, missing) in commands().items():
        told = "; ".join(
            f"no `{each}`: {excused.get(f'{name} {each}', 'no reason is given yet')}" for each in missing
        )
        lines.append(
            f"| `{name}` | {', '.join(f'`{each}`' for each in options) or 'none'} | {told or 'same'} |\n"
        )
    return "".join(lines) + "\n"


def _imported() -> str:
    """What packages import."""
    lines = ["## What packages import\n\n", "| Package | Names |\n|---|---|\n"]
    for package, facts in imports().items():
        names = ", ".join(f"`{path.replace(':', '.').strip('.')}`" for path in facts["names"])
        lines.append(f"| {package} {facts['version']} | {names or 'none'} |\n")
    lines.append("\nAll of them are here.\n")
    excused = reasons()["imported, and not of the reference"]
    if excused:
        lines[-1] = "\nAll of them are here, but for these, which the reference has not got either:\n\n"
        lines += [f"- `{path.replace(':', '.').strip('.')}`: {reason}\n" for path, reason in excused.items()]
    return "".join(lines)
