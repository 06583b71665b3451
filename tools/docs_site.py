"""Brings into the docs site what lies outside of docs/, and leads links there. A hook of mkdocs (mkdocs.yml).

The pages are written to be read in the repository: a link such as ../CONTRIBUTING.md leads to a file there. On the
site each such file is a page of its own below repository/, so that no link leads out of the site.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "repository"
_LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".svg": "xml"}
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?(?P<after>\))")
_FENCED = re.compile(r"(^ *```.*?^ *```[ ]*$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, *, config: Any) -> Files:
    """Add a page for each file that a page links to, and for what those link to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        source = waiting.pop()
        for target in _targets(_text(source), _repository_path(source)):
            page = _site_path(target)
            if page is None or page in known or page in files.src_uris:
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
        page = None if target is None else _site_path(target)
        if page is None:
            return found[0]
        return f"{found['before']}{os.path.relpath(page, place)}{found['anchor'] or ''}{found['after']}"

    return _outside_of_fences(markdown, lambda text: _LINK.sub(moved, text))


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


def _site_path(path: str) -> str | None:
    """Where a file of the repository is on the site."""
    if path.startswith("docs/"):
        return path[len("docs/") :]
    return f"{FOLDER}/{path}" if path.endswith(".md") else f"{FOLDER}/{path}.code.md"


def _text(page: str) -> str:
    """The Markdown of a page: a file that is none is shown as it is."""
    path = ROOT / _repository_path(page)
    text = path.read_text(encoding="utf-8") if path.suffix in (".md", ".py", ".toml", "") else ""
    if not page.endswith(".code.md"):
        return text
    language = _LANGUAGES.get(path.suffix, "text")
    return f"# {path.name}\n\n````{language}\n{text}\n````\n"
