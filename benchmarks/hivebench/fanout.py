"""The group `fanout`: 1, 100 and 1000 asyncio clients in one process, against the embedded hub in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hivebench.groups import Effort, Json
from hivebench.hubs import embedded_hub
from hivebench.results import COUNT, KIBIBYTES, RATE, SECONDS, Row, Sample
from hivebench.sides import BenchError, Side

Pick = Callable[[Json], float]


def fanout(hub_side: Side, sides: Sequence[Side], effort: Effort) -> Iterator[Row]:
    """Each crowd is a process of its own, with a hub of its own: what one leaves behind is no other's load."""
    for side in sides:
        # Making the RSA keys takes up to seconds and happens once in a node's life.
        side.ask("keys")
    alone: dict[str, Json] = {}
    unable: set[str] = set()
    for count in effort.crowds:
        able = [side for side in sides if side.name not in unable]
        answers = {side.name: _gathered(hub_side, side, count, effort) for side in able}
        # What came not together, or failed, is not tried with more.
        unable |= {name for name, answer in answers.items() if answer.get("connected", 0) < count}
        if count == 1:
            alone = answers
        yield from _rows(count, answers, alone)


def _gathered(hub_side: Side, side: Side, count: int, effort: Effort) -> Json:
    with embedded_hub(hub_side) as target:
        question = {
            "target": target,
            "count": count,
            "messages": effort.crowd_messages,
            "budget": effort.crowd_budget,
        }
        try:
            return side.crowd(question)
        except BenchError as error:
            return {"error": str(error)}


def _rows(count: int, answers: dict[str, Json], alone: dict[str, Json]) -> Iterator[Row]:
    crowd = "1 client" if count == 1 else f"{count} clients"

    def row(name: str, unit: str, pick: Pick, whole: bool = True) -> Row:
        samples = {side: _sample(answer, pick, count if whole else 0) for side, answer in answers.items()}
        return Row(
            "fanout", f"{crowd}: {name}", unit, samples.get("ours", Sample()), samples.get("reference")
        )

    yield row("connected", COUNT, lambda answer: answer["connected"], whole=False)
    yield row("connect rate", RATE, lambda answer: answer["connected"] / _spent(answer), whole=False)
    yield row(
        "computing for each", SECONDS, lambda answer: _spent(answer, "cpu") / answer["connected"], False
    )
    for way in ("up", "down"):
        yield row(
            f"messages {way}", RATE, lambda answer, way=way: answer["messages"] / _spent(answer, way=way)
        )
        yield row(
            f"computing for a message {way}",
            SECONDS,
            lambda answer, way=way: _spent(answer, "cpu", way) / answer["messages"],
        )
    if count > 1 and all(answer.get("idle") for answer in answers.values() if "error" not in answer):
        yield from _memory_rows(row, answers, alone)


def _memory_rows(row: Any, answers: dict[str, Json], alone: dict[str, Json]) -> Iterator[Row]:
    """What a client weighs: with its share of all that was imported, and what one more costs."""
    for kind in ("uss", "rss"):
        yield row(
            f"{kind.upper()} of each beyond bare Python",
            KIBIBYTES,
            lambda answer, kind=kind: (answer["idle"][kind] - answer["bare"][kind]) / answer["connected"],
        )
    if all(side in alone and "error" not in alone[side] for side in answers):
        first = {id(answers[side]): alone[side]["idle"]["rss"] for side in answers}
        yield row(
            "RSS of each beyond the first",
            KIBIBYTES,
            lambda answer: (answer["idle"]["rss"] - first[id(answer)]) / max(1, answer["connected"] - 1),
            whole=False,
        )


def _spent(answer: Json, what: str = "seconds", way: str = "connecting") -> float:
    return float(answer[way][what])


def _sample(answer: Json, pick: Pick, needed: int) -> Sample:
    """Nothing for a crowd that did not come together, where all of it is needed."""
    if "error" in answer:
        return Sample(error=answer["error"])
    if answer["connected"] < max(1, needed):
        return Sample()
    return Sample([pick(answer)], facts={"connected": answer["connected"]})
