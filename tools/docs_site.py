"""Brings into the docs site what lies outside of docs/, and draws its drawings. A hook of mkdocs (mkdocs.yml).

The pages are written to be read in the repository: a link such as ../CONTRIBUTING.md leads to a file there. On the
site each such file is a page of its own below repository/, so that no link leads out of the site. Drawings are drawn
here too: the theme would have the browser fetch a script for them.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import mermaidx
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "repository"
_LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".svg": "xml"}
_LINK = re.compile(r"\[(?P<text>[^]\[]*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")
#: A link whose text is the path of a page: in the repository that is its name, on the site its title is.
_PATH = re.compile(r"`?(?:\.\./)*[\w/-]+\.md`?")
_NAMED = re.compile(r"docs/(?P<name>[\w-]+)\.md")
_DRAWING = re.compile(r"^```mermaid\n(?P<drawing>.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"(^ *```.*?^ *```[ ]*$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, *, config: Any) -> Files:
    """Add a page for each file that a page links to, and for what those link to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        source = waiting.pop()
        for number, drawing in enumerate(_DRAWING.finditer(_text(source)), 1):
            picture = mermaidx.render(drawing["drawing"]).svg()
            files.append(File.generated(config, _picture(source, number), content=picture))
        for target in _targets(_text(source), _repository_path(source)):
            page = _site_path(target)
            if page in known or page in files.src_uris:
                continue
            known.add(page)
            waiting.append(page)
            files.append(File.generated(config, page, content=_text(page)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead every link to where its file is on the site."""
    source = page.file.src_uri
    place = PurePosixPath(source).parent

    def moved(found: re.Match[str]) -> str:
        target = _resolved(found["target"], _repository_path(source))
        if target is None:
            return found[0]
        there = _site_path(target)
        text = _title(there) if _PATH.fullmatch(found["text"]) else found["text"]
        return f"[{text}]({os.path.relpath(there, place)}{found['anchor'] or ''})"

    if source == "index.md":
        page.meta["hide"] = ["navigation"]  # it would have one line

    numbers = itertools.count(1)

    def drawn(_: re.Match[str]) -> str:
        picture = os.path.relpath(_picture(source, next(numbers)), place)
        return f"![A drawing of what the text below says]({picture}){{ .drawing }}"

    return _outside_of_fences(_DRAWING.sub(drawn, markdown), lambda text: _LINK.sub(moved, text))


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    """Make links of the pages that docstrings name."""
    if not page.file.src_uri.startswith("api-"):
        return html

    def linked(found: re.Match[str]) -> str:
        name = found["name"]
        return (
            f'<a href="../{name}/">{_title(f"{name}.md")}</a>'
            if (ROOT / f"docs/{name}.md").is_file()
            else found[0]
        )

    return _NAMED.sub(linked, html)


def _picture(page: str, number: int) -> str:
    return f"figures/{PurePosixPath(page).stem}-{number}.svg"


def _outside_of_fences(markdown: str, change: Any) -> str:
    pieces = _FENCED.split(markdown)
    return "".join(piece if number % 2 else change(piece) for number, piece in enumerate(pieces))


def _targets(markdown: str, source: str) -> list[str]:
    """The files that a page links to, as paths in the repository."""
    found: list[str] = []
    prose = "".join(_FENCED.split(markdown)[::2])
    for link in _LINK.finditer(prose):
        target = _resolved(link["target"], source)
        if target is not None:
            found.append(target)
    return found


def _resolved(target: str, source: str) -> str | None:
    """A link of the file `source` as a path in the repository; None for one that leads elsewhere or nowhere."""
    if not target or re.match(r"[a-z]+:|/", target):
        return None
    path = os.path.normpath(os.path.join(os.path.dirname(source), target))
    if path.startswith(".."):
        return None
    if (ROOT / path).is_dir():
        path = os.path.normpath(os.path.join(path, "README.md"))
    return path if (ROOT / path).is_file() else None


def _repository_path(page: str) -> str:
    """Where the source of a page of the site lies in the repository."""
    if page.startswith(f"{FOLDER}/"):
        return page[len(FOLDER) + 1 :].removesuffix(".code.md")
    return f"docs/{page}"


def _site_path(path: str) -> str:
    """Where a file of the repository is on the site."""
    if path.startswith("docs/"):
        return path[len("docs/") :]
    return f"{FOLDER}/{path}" if path.endswith(".md") else f"{FOLDER}/{path}.code.md"


def _title(page: str) -> str:
    """The first heading of a page, else its file name."""
    heading = re.search(r"^# (.+)$", _text(page), re.MULTILINE)
    return heading[1] if heading else PurePosixPath(page).name


def _text(page: str) -> str:
    """The Markdown of a page: a file that is none is shown as it is."""
    path = ROOT / _repository_path(page)
    text = path.read_text(encoding="utf-8") if path.suffix in (".md", ".py", ".toml", "") else ""
    if not page.endswith(".code.md"):
        return text
    language = _LANGUAGES.get(path.suffix, "text")
    return f"# {path.name}\n\n````{language}\n{text}\n````\n"
