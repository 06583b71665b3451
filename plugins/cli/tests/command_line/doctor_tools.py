"""Running the doctor, and reading what it found."""

from __future__ import annotations

from typing import Any

from hivemind_client_cli.examination import CHECKS as EXAMINED

from .tools import LOGIN

CHECKS = ["name", "tcp", "tls", "websocket", "key", "version", "password", "cipher", "permission"]
OF_NOISE = ["hub key", "own Noise key"]


def states(data: Any) -> dict[str, str]:
    assert [each["check"] for each in data["checks"] if each["check"] not in OF_NOISE] == CHECKS
    assert [each["check"] for each in data["checks"]] == [
        each for each in EXAMINED if each in {one["check"] for one in data["checks"]}
    ]
    return {each["check"]: each["state"] for each in data["checks"]}


def failing(data: Any, check: str) -> None:
    """`check` failed; what comes before it did not, what comes after it was not reached."""
    found = states(data)
    place = list(found).index(check)
    assert data["failed"] == check
    assert [*found.values()][place:] == ["failed"] + ["skipped"] * (len(found) - place - 1)
    assert "failed" not in [*found.values()][:place]
    assert data["mend"]
    refused = data["type"].endswith(("Refused", "Denied", "Changed"))
    assert data["exit_code"] == (
        3 if refused else 2 if data["type"] in ("IdentityFileError", "InvalidOption") else 4
    )


def at(port: int, *more: str, host: str = "127.0.0.1") -> tuple[str, ...]:
    return ("doctor", *LOGIN, "--host", host, "--port", str(port), *more)
