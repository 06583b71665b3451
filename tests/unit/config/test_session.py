"""The session that a client begins with: what OVOS is configured to, and nothing that OVOS makes up."""

from __future__ import annotations

from typing import Any

import pytest
from ovos_config.config import Configuration
from ovos_config.models import LocalConf

from hivemind_core_client.config.session import new_session

OWN = {"session_id": "s", "site_id": "kitchen"}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the OVOS configuration of this user holds."""

    def configure(fields: dict[str, Any]) -> None:
        layer = LocalConf(None)
        layer.update(fields)
        monkeypatch.setattr(Configuration, "xdg_configs", [layer])

    configure({})
    return configure


def test_without_a_configuration_it_is_id_and_site(configured: Any) -> None:
    assert new_session("s", "kitchen") == OWN


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lang": "pt-PT"}, {"lang": "pt-PT"}),
        ({"lang": "en-US"}, {"lang": "en-US"}),  # the same as the default, and yet said
        (
            {"system_unit": "imperial", "time_format": "half"},
            {"system_unit": "imperial", "time_format": "half"},
        ),
        ({"date_format": "MDY"}, {"date_format": "MDY"}),
        ({"intents": {"pipeline": ["a", "b"]}}, {"pipeline": ["a", "b"]}),
        ({"intents": {"blacklisted_intents": ["i"]}}, {"blacklisted_intents": ["i"]}),
        ({"skills": {"blacklisted_skills": ["s"]}}, {"blacklisted_skills": ["s"]}),
        ({"skills": {"blacklisted_skills": []}}, {}),
        ({"intents": "none", "tts": {"module": "x"}, "location": {}}, {}),
    ],
)
def test_what_is_configured_is_said_and_nothing_beside_it(
    configured: Any, fields: dict[str, Any], said: dict[str, Any]
) -> None:
    configured(fields)
    assert new_session("s", "kitchen") == {**OWN, **said}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"timezone": {"code": "Europe/Lisbon"}}, {"tz": "Europe/Lisbon"}),
        ({"coordinate": {"latitude": 0.0, "longitude": 2.5}}, {"lat": 0.0, "lon": 2.5}),
        ({"city": {"name": "Lisbon"}, "coordinate": None}, {}),
    ],
)
def test_of_a_place_only_what_is_configured_is_said_to_hubs_of_every_age(
    configured: Any, place: dict[str, Any], said: dict[str, Any]
) -> None:
    configured({"location": place})
    assert new_session("s", "kitchen") == {**OWN, "location": {**place, **said}}


def test_what_a_program_sets_while_it_runs_counts(configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = LocalConf(None)
    monkeypatch.setattr(Configuration, "_Configuration__patch", patch)
    Configuration()["lang"] = "de-DE"
    assert new_session("s", "kitchen")["lang"] == "de-DE"
