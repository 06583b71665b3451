"""Ciphers that come as packages: one that is good and of our own choice, and three that are not what they say."""

from __future__ import annotations

import json
import sys

import pytest

from hivemind_core_client.testing import EmbeddedHub
from tests.packages.building import SHELLS, Environment
from tests.packages.checking import check_noise_by_own_aes

BAD = {
    "cipher_of_nothing": "cipher NOTHING does not hide what it seals",
    "cipher_without_nonce": "cipher CARELESS seals alike with another nonce; "
    "cipher AES-GCM does not seal as hubs do under its name",
    "cipher_with_half_a_tag": "cipher HALF accepts a changed ciphertext",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_cipher_of_its_own_name_is_used_where_the_user_lists_it(
    environment: Environment, shell: str
) -> None:
    options = {"ciphers": ["XCHACHA20-POLY1305"], "max_protocol_version": 1}
    met = environment.program("meeting", shell, "xchacha", OPTIONS=json.dumps(options))
    assert (met["version"], met["cipher"]) == (1, "XCHACHA20-POLY1305")
    assert met["heard"] == [["speak", met["heard"][0][1]]]


def test_it_is_not_offered_where_nobody_lists_it(environment: Environment) -> None:
    met = environment.program("meeting", "threads", "xchacha", OPTIONS='{"max_protocol_version": 1}')
    assert met["states"]["xchacha"] == ["loaded", ""]
    assert met["cipher"] in ("AES-GCM", "CHACHA20-POLY1305")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Noise needs Python 3.10")
@pytest.mark.parametrize("shell", SHELLS)
def test_an_own_aes_seals_the_frames_of_a_noise_session(environment: Environment, shell: str) -> None:
    password = "seven green lanterns above the quiet harbour"
    with EmbeddedHub({"KEY": password}, versions=(3, 3)) as hub:
        check_noise_by_own_aes(environment, shell, hub.host, hub.port, "KEY", password)


def test_ciphers_that_do_not_protect_are_refused_with_the_reason(environment: Environment) -> None:
    met = environment.program("meeting", "threads", *BAD, OPTIONS='{"max_protocol_version": 1}')
    assert {name: met["states"][name] for name in BAD} == {
        name: ["failed", text] for name, text in BAD.items()
    }
    assert met["cipher"] in ("AES-GCM", "CHACHA20-POLY1305")
    assert met["heard"]
    listed = json.loads(environment.command("plugins", "--json", HIVEMIND_CLIENT_PLUGINS=",".join(BAD)))
    assert {row["name"]: row["error"] for row in listed["plugins"] if row["name"] in BAD} == BAD
