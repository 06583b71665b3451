"""What a hub can do while keys are agreed on."""

from __future__ import annotations

import json
from typing import Any

from .peer import Peer, text
from .table import BROKEN, TIMEOUT, mode

_ENDS = (*BROKEN, "HandshakeError", "PasswordRefused", "NegotiationRefused", "VersionRefused", "HubRefused")


def _shake(payload: Any) -> bytes:
    return text(json.dumps({"msg_type": "shake", "payload": payload}))


@mode("an offer, then silence", TIMEOUT)
def only_offer(peer: Peer) -> None:
    peer.greet()
    peer.silence()


@mode("the offer again and again", BROKEN, records=2000)
def repeated_offers(peer: Peer) -> None:
    peer.greet()
    peer.beside(peer.listen)
    peer.flood(text(str(peer.link_of.greeting()[1])) * 100)


@mode("an offer that changes while the exchange runs", TIMEOUT)
def changing_offer(peer: Peer) -> None:
    peer.greet()
    peer.message()
    for version in (0, 1, 2, 3):
        peer.send(
            _shake({"handshake": True, "max_protocol_version": version, "ciphers": [], "password": True})
        )
    peer.silence()


@mode("the client's own envelope", _ENDS)
def reflected(peer: Peer) -> None:
    peer.greet()
    payload = json.loads(peer.message())["payload"]
    peer.send(_shake({**payload, "cipher": payload["ciphers"][0], "encoding": payload["encodings"][0]}))
    peer.silence()


@mode("the envelope of another password", ("PasswordRefused",), quick=True)
def other_password(peer: Peer) -> None:
    peer.greet(password="another password of forty bits and more")  # it is none of anybody's
    peer.take(peer.message())
    peer.silence()


@mode("an envelope that nobody asked for", TIMEOUT)
def unasked(peer: Peer) -> None:
    peer.upgrade()
    peer.send(_shake({"envelope": "00" * 24, "cipher": "AES-GCM", "encoding": "JSON-HEX"}))
    peer.silence()


_ODD_OFFERS: dict[str, dict[str, Any]] = {
    "no ciphers": {"ciphers": []},
    "unknown ciphers": {"ciphers": ["ROT13"], "encodings": ["JSON-LATIN"]},
    "ciphers that are no texts": {"ciphers": [1, None, {}], "encodings": [[]]},
    "a million ciphers": {"ciphers": ["AES-GCM"] * 200_000},
    "a version that is a text": {"max_protocol_version": "1", "min_protocol_version": None},
    "a version beyond all": {"max_protocol_version": 2**70, "min_protocol_version": 2**69},
    "no handshake at all": {"handshake": False, "password": False, "preshared_key": False},
    "Noise patterns of its own": {
        "max_protocol_version": 3,
        "noise": {"patterns": ["NN"], "suites": ["none"]},
    },
    "Noise that is a list": {"max_protocol_version": 3, "noise": [1, 2]},
}
for name, fields in _ODD_OFFERS.items():

    @mode(f"an offer with {name}", _ENDS, memory=64.0)
    def odd_offer(peer: Peer, more: dict[str, Any] = fields) -> None:
        peer.greet(**more)
        peer.silence()


_ODD_ANSWERS: dict[str, dict[str, Any]] = {
    "an empty envelope": {"envelope": ""},
    "an envelope that is no hex": {"envelope": "zz" * 24},
    "an envelope of 5 MB": {"envelope": "00" * 2_500_000},
    "an envelope that is a number": {"envelope": 1},
    "a cipher that was not proposed": {"envelope": "00" * 24, "cipher": "ROT13", "encoding": "JSON-HEX"},
    "a cipher that is a list": {"envelope": "00" * 24, "cipher": ["AES-GCM"], "encoding": {}},
    "Noise where none was agreed on": {"noise": {"msg": "00" * 48}},
}
for name, fields in _ODD_ANSWERS.items():

    @mode(f"answers the exchange with {name}", _ENDS, memory=64.0)
    def odd_answer(peer: Peer, payload: dict[str, Any] = fields) -> None:
        peer.greet()
        peer.message()
        peer.send(_shake(payload))
        peer.silence()


_NOISE: dict[str, Any] = {
    "garbage": {"msg": "5a" * 96},
    "no hex": {"msg": "zz"},
    "5 MB": {"msg": "00" * 2_500_000},
    "no message": {},
    "a list": [1],
}
for name, answer in _NOISE.items():

    @mode(f"answers Noise with {name}", _ENDS, memory=160.0)  # argon2id takes 64 MiB
    def noise_answer(peer: Peer, payload: Any = answer) -> None:
        peer.greet(versions=(3, 3))
        peer.message()
        peer.send(_shake({"noise": payload}))
        peer.silence()


@mode("takes the keys of Noise and is silent", ("", *TIMEOUT), memory=160.0)
def noise_then_silence(peer: Peer) -> None:
    peer.greet(versions=(3, 3))
    peer.take(peer.message())
    peer.silence()
