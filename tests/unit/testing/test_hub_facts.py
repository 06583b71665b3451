"""What each real hub was seen to do on the wire, and the embedded hub that is like it does too."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Optional
from urllib.parse import quote

import pytest

from hivemind_core_client import HiveMessage
from hivemind_core_client.errors import InvalidOption
from hivemind_core_client.kernel.handshake.password import new_exchange
from hivemind_core_client.testing import Account, EmbeddedHub
from hivemind_core_client.testing.hub_likeness import LIKENESSES
from tests.unit.raw_peer import RawPeer, SealedPeer, query_of
from tests.unit.support import PASSWORD, UTTERANCE, rsa_pair

STABLE, BETWEEN, NEWEST = "4.0.0", "4.15", "5.3"
OLDER = (STABLE, BETWEEN)
#: Python 3.9 speaks no version 3.
HUBS = [name for name in LIKENESSES if sys.version_info >= (3, 10) or name == STABLE]
KEY, ADMIN, OTHER = "key-1", "key-of-admin", "key-2"
PLAIN = (1005, "")
INVALID_MESSAGE = (1008, "invalid message")
REQUIRES_NOISE = (1008, "this node requires the v3 Noise handshake")
NO_LOGIN = (1008, "invalid authorization")
NO_KEY = (1008, "invalid api key")
#: A user agent whose login has a `+` in its base64.
PLUS = query_of(f"столовая:{KEY}").partition("=")[2]

each_hub = pytest.mark.parametrize("like", HUBS)


def facts(*rows: Any) -> Any:
    """Rows of a name, what is done, and what comes of it at each hub; the last outcome counts for further hubs."""
    found = []
    for name, done, *outcomes in rows:
        for like, outcome in zip(LIKENESSES, [*outcomes, *(3 - len(outcomes)) * outcomes[-1:]]):
            if like in HUBS:
                found.append(pytest.param(like, done, outcome, id=f"{like} {name}"))
    return pytest.mark.parametrize(("like", "done", "outcome"), found)


@pytest.fixture
def hub(like: str) -> Iterator[EmbeddedHub]:
    accounts = [
        Account(KEY, PASSWORD, name="sat1"),
        Account(ADMIN, PASSWORD, name="sat2", admin=True),
        Account(OTHER, PASSWORD, name="sat3", allowed=[UTTERANCE, "made.up"]),
        Account("key-of-mute", PASSWORD, name="sat4", can_escalate=False, can_propagate=False),
        Account("key-of-quiet", PASSWORD, name="sat5", admin=True, can_broadcast=False),
    ]
    with EmbeddedHub(accounts, like=like) as running:
        yield running


def joined(hub: EmbeddedHub, key: str = KEY, **options: Any) -> SealedPeer:
    return SealedPeer(hub, key, PASSWORD, **options)


def bus(ovos_type: str = "made.up", **fields: Any) -> HiveMessage:
    return HiveMessage("bus", {"type": ovos_type, "data": {"utterances": ["hi"]}, "context": {}, **fields})


def clear(msg_type: str, **payload: Any) -> str:
    return json.dumps({"msg_type": msg_type, "payload": payload})


def proposal(**fields: Any) -> str:
    return clear("shake", binarize=False, **{"ciphers": ["AES-GCM"], "encodings": ["JSON-HEX"], **fields})


def envelope(password: str = PASSWORD) -> str:
    return str(new_exchange(password).generate_handshake())


def test_a_hub_that_nobody_has_seen_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"4\.0\.0, 4\.15, 5\.3"):
        EmbeddedHub(like="6.0")


# logging in


@facts(
    ("unknown key", query_of("probe:nobody"), PLAIN, NO_KEY),
    ("no base64", "?authorization=!!!!", None, NO_LOGIN),
    ("no colon", query_of("nobody"), None, NO_LOGIN),
    ("two colons", query_of(f"probe:x:{KEY}"), None, NO_KEY),
    ("a plus as it stands", f"?authorization={PLUS}", "welcome", NO_LOGIN),
    ("a plus as %2B", f"?authorization={quote(PLUS, safe='')}", None, "welcome"),
)
def test_logging_in(like: str, done: str, outcome: Any, hub: EmbeddedHub) -> None:
    assert "+" in PLUS
    with RawPeer(hub, done) as peer:
        peer.settle()
        if outcome == "welcome":
            assert len(peer.frames) == 2 and not peer.ended
        else:
            assert peer.ended and (peer.frames, peer.end) == ([], outcome)


@facts(
    (
        "",
        None,
        ("probe::1::sat1::default", "master:0.0.0.0"),
        ("probe::1::sat1::", ""),
        ("probe::1::sat1::", ""),
    )
)
def test_its_hello(like: str, done: None, outcome: tuple[str, str], hub: EmbeddedHub) -> None:
    with RawPeer(hub, query_of(f"probe:{KEY}")) as peer:
        hello = json.loads(peer.settle().frames[0])["payload"]
    peer_name, node_id = outcome
    assert hello["peer"].startswith(peer_name)
    assert hello["node_id"] == (node_id or hub.public_key) and hello["pubkey"] == hub.public_key


_NEWEST_FIELDS = {"max_protocol_version", "binarize", "encodings", "ciphers", "noise"}
_FIELDS = {
    *_NEWEST_FIELDS,
    "handshake",
    "min_protocol_version",
    "preshared_key",
    "password",
    "crypto_required",
}


@facts(
    ("fields", None, (_FIELDS - {"noise"}, 0, 1), (_FIELDS, 2, 3), (_NEWEST_FIELDS, None, 3)),
)
def test_its_offer(
    like: str, done: None, outcome: tuple[set[str], Optional[int], int], hub: EmbeddedHub
) -> None:
    with RawPeer(hub, query_of(f"probe:{KEY}")) as peer:
        offer = json.loads(peer.settle().frames[1])["payload"]
    fields, lowest, highest = outcome
    assert set(offer) == fields
    assert (offer.get("min_protocol_version"), offer["max_protocol_version"]) == (lowest, highest)
    if like in OLDER:
        told = {name: offer[name] for name in ("handshake", "preshared_key", "password", "crypto_required")}
        kinds = {"preshared_key": True, "password": True, "crypto_required": True}
        assert told == {"handshake": like == BETWEEN, **kinds}


# the handshake


@facts(
    ("BUS in the clear", clear("bus", type="x"), PLAIN, INVALID_MESSAGE),
    ("garbage", "garbage", None, INVALID_MESSAGE),
    ("a type that nobody knows", clear("nope"), None, INVALID_MESSAGE),
    (
        "an empty HANDSHAKE",
        clear("shake"),
        PLAIN,
        (1008, "invalid or unrecognized handshake"),
        REQUIRES_NOISE,
    ),
    ("HELLO", clear("hello", session={"session_id": "x"}, site_id="x"), "stays"),
    ("no common cipher", proposal(ciphers=["ROT13"], envelope=envelope()), None, None, REQUIRES_NOISE),
    ("no common encoding", proposal(encodings=["ROT13"], envelope=envelope()), None, None, REQUIRES_NOISE),
    (
        "no lists",
        proposal(ciphers=[], encodings=[], envelope=envelope()),
        "answers",
        "answers",
        REQUIRES_NOISE,
    ),
    (
        "another password",
        proposal(envelope=envelope("another password than theirs 4711")),
        "answers",
        (1008, "password handshake verification failed"),
        REQUIRES_NOISE,
    ),
    (
        "RSA",
        proposal(pubkey=rsa_pair("satellite")[1]),
        "answers",
        (1008, "legacy handshake at protocol v1 is below the configured minimum v2"),
        REQUIRES_NOISE,
    ),
)
def test_what_is_said_first(like: str, done: str, outcome: Any, hub: EmbeddedHub) -> None:
    with RawPeer(hub, query_of(f"probe:{KEY}")) as peer:
        peer.settle().say(done)
        if outcome in ("answers", "stays"):
            assert not peer.ended and len(peer.frames) == (3 if outcome == "answers" else 2)
        else:
            assert peer.ended and peer.end == outcome
    if outcome == "answers":
        answer = json.loads(peer.frames[2])["payload"]
        assert (answer["cipher"], answer["encoding"]) == ("AES-GCM", "JSON-HEX")


@pytest.mark.skipif(BETWEEN not in HUBS, reason="Python 3.9 speaks no version 3")
@pytest.mark.parametrize("like", [name for name in HUBS if name != STABLE])
def test_a_noise_message_that_does_not_verify(like: str, hub: EmbeddedHub) -> None:
    noise = {"pattern": "XXpsk2", "suite": "25519_AESGCM_SHA256", "msg": "00" * 40}
    with RawPeer(hub, query_of(f"probe:{KEY}")) as peer:
        peer.settle().say(clear("shake", noise=noise))
    assert peer.end == (1008, "handshake failure: ")


@pytest.mark.parametrize("like", [None, STABLE])
def test_a_client_with_a_pre_shared_key_may_use_its_password(like: Optional[str]) -> None:
    account = Account(KEY, PASSWORD, "0123456789abcdef", allowed=[UTTERANCE])
    with EmbeddedHub([account], like=like) as hub:
        with SealedPeer(hub, KEY, PASSWORD) as peer:
            assert peer.link.negotiated is not None and peer.link.negotiated.kind == "password"
        with SealedPeer(hub, KEY, crypto_key="0123456789abcdef") as peer:
            assert peer.link.negotiated is not None and peer.link.negotiated.kind == "preshared"
            peer.send(bus(UTTERANCE))
            assert peer.came[0]["type"] == "speak"


# sessions


@facts(("", {"session_id": "default"}, PLAIN, "stays"))
def test_the_session_default(like: str, done: dict[str, str], outcome: Any, hub: EmbeddedHub) -> None:
    with joined(hub, session=dict(done)) as peer:
        assert (peer.end if peer.ended else "stays") == outcome
    with joined(hub, ADMIN, session=dict(done)) as peer:
        assert not peer.ended
    with joined(hub, OTHER) as peer:
        peer.send(bus(UTTERANCE, context={"session": {"session_id": "default"}}))
        assert (peer.end if peer.ended else "stays") == outcome


@facts(("", "another", "own", "another"))
def test_the_session_of_an_answer(like: str, done: str, outcome: str, hub: EmbeddedHub) -> None:
    with joined(hub, OTHER) as peer:
        peer.send(bus(UTTERANCE, context={"session": {"session_id": done}}))
        context = peer.came[0]["context"]
    assert context["session"]["session_id"] == (peer.session_id if outcome == "own" else done)
    assert context["destination"] == context["peer"] == f"probe::3::sat3::{peer.session_id}"


# what a client may send


def denial(denied: str, allowed: list[str], peer: str) -> dict[str, Any]:
    data = {
        "denied_type": denied,
        "code": "acl_disallowed_type",
        "reason": f"{denied} not in allowed_types",
        "data": {"msg_type": denied, "allowed": allowed},
    }
    context = {"source": "hivemind-core", "destination": peer}
    return {"type": "hive.policy.denied", "data": data, "context": context}


@facts(
    ("an utterance, by a new client", (KEY, UTTERANCE, []), "speak ovos.utterance.handled", "denied"),
    ("another type, by a new client", (KEY, "made.up", []), "", "denied"),
    ("another type, by an administrator", (ADMIN, "made.up", []), "", "denied"),
    ("a type that is allowed", (OTHER, "made.up", []), ""),
    ("a type that is not", (OTHER, "made.down", [UTTERANCE, "made.up"]), "", "denied"),
)
def test_the_allow_list(like: str, done: tuple[str, str, list[str]], outcome: str, hub: EmbeddedHub) -> None:
    key, ovos_type, allowed = done
    with joined(hub, key) as peer:
        peer.send(bus(ovos_type))
        assert not peer.ended
        came = [message.raw_payload for message in peer.came]
        name = f"probe::{hub.accounts[key].number}::{hub.accounts[key].name}::{peer.session_id}"
    if outcome == "denied":
        assert came == [denial(ovos_type, allowed, name)]
    else:
        assert [message["type"] for message in came] == outcome.split()


@facts(
    ("QUERY", "query", [], ["hive.policy.denied", "hive.query.timeout"], ["hive.policy.denied"]),
    ("CASCADE", "cascade", [], ["hive.policy.denied"]),
)
def test_a_question_is_denied_for_what_it_asks(
    like: str, done: str, outcome: list[str], hub: EmbeddedHub
) -> None:
    with joined(hub) as peer:
        peer.send(HiveMessage(done, bus(UTTERANCE)))
        assert not peer.ended
        assert [one["type"] if one.msg_type == "bus" else one.payload["type"] for one in peer.came] == outcome


@facts(
    (
        "ESCALATE",
        ("key-of-mute", "escalate"),
        "stays",
        (1000, ""),
        (4003, "ESCALATE is not allowed for this client"),
    ),
    ("QUERY", ("key-of-mute", "query"), "stays", (1000, ""), (4003, "QUERY is not allowed for this client")),
    (
        "PROPAGATE",
        ("key-of-mute", "propagate"),
        "stays",
        (1000, ""),
        (4003, "PROPAGATE is not allowed for this client"),
    ),
    (
        "CASCADE",
        ("key-of-mute", "cascade"),
        "stays",
        (1000, ""),
        (4003, "CASCADE is not allowed for this client"),
    ),
    (
        "BROADCAST",
        (KEY, "broadcast"),
        "stays",
        (1000, ""),
        (4003, "BROADCAST is not allowed for this client"),
    ),
)
def test_a_verb_that_is_not_one_s_to_use(
    like: str, done: tuple[str, str], outcome: Any, hub: EmbeddedHub
) -> None:
    key, verb = done
    with joined(hub, OTHER) as other, joined(hub, key) as peer:
        peer.send(HiveMessage(verb, bus(), target_site_id="kitchen"))
        assert (peer.end if peer.ended else "stays") == outcome
        other.came.clear()
        assert peer.came == [] and other.settle() and other.came == []


@pytest.mark.parametrize("like", [name for name in HUBS if name != STABLE])
def test_an_administrator_who_may_not_broadcast(like: str, hub: EmbeddedHub) -> None:
    with joined(hub, "key-of-quiet") as peer:
        peer.send(HiveMessage("broadcast", bus(), target_site_id="kitchen"))
        assert (
            peer.end
            == {BETWEEN: (1000, ""), NEWEST: (4003, "BROADCAST is not allowed for this client")}[like]
        )


@facts(
    ("THIRDPRTY", HiveMessage("3rdparty", {"a": 1}), "stays", INVALID_MESSAGE),
    ("a type that nobody knows", clear("nope"), None, INVALID_MESSAGE),
    ("garbage", "garbage", None, INVALID_MESSAGE),
    ("a payload in a string", '{"msg_type": "bus", "payload": "text"}', None, INVALID_MESSAGE),
    ("PING without a PROPAGATE", HiveMessage("ping", {"flood_id": "f"}), "stays"),
)
def test_what_ends_a_session(like: str, done: Any, outcome: Any, hub: EmbeddedHub) -> None:
    with joined(hub) as peer:
        peer.send(done)
        assert (peer.end if peer.ended else "stays") == outcome


@facts(("", None, [], ["error"]))
def test_a_mailbox_is_asked_for(like: str, done: None, outcome: list[str], hub: EmbeddedHub) -> None:
    with joined(hub) as peer:
        peer.send(HiveMessage("rendezvous", {"a": 1}))
        assert not peer.ended and [message["status"] for message in peer.came] == outcome


# beyond the hub


@facts(
    ("PROPAGATE", ("propagate", "made.up"), "bus", "propagate"),
    ("BROADCAST", ("broadcast", "made.up"), "bus", "broadcast"),
)
def test_what_reaches_the_others(like: str, done: tuple[str, str], outcome: str, hub: EmbeddedHub) -> None:
    verb, ovos_type = done
    with joined(hub, OTHER) as other, joined(hub, ADMIN) as sender:
        sender.send(HiveMessage(verb, bus(ovos_type), target_site_id="kitchen"))
        assert sender.ended == (like == STABLE and verb == "propagate") and sender.end is None
        other.came.clear()
        other.settle()
        [message] = other.came
    assert message.msg_type == outcome and message.target_site_id == "kitchen"
    assert message.route[0]["source"] == f"probe::2::sat2::{sender.session_id}"
    if like == STABLE:
        assert message["type"] == ovos_type and message.source_peer == "master:0.0.0.0"


@facts(
    ("QUERY", HiveMessage("query", bus(UTTERANCE)), ["stays"], ["speak", "hive.query.complete"]),
    ("CASCADE", HiveMessage("cascade", bus(UTTERANCE)), ["stays"], ["speak", "hive.query.complete"]),
    ("ESCALATE", HiveMessage("escalate", bus()), [], ["stays"]),
    (
        "a PING flood",
        HiveMessage("propagate", HiveMessage("ping", {"flood_id": "f", "peer": "x"})),
        [],
        ["ping", "stays"],
    ),
    (
        "PROPAGATE of INTERCOM",
        HiveMessage("propagate", HiveMessage("intercom", {"ciphertext": "x"})),
        [],
        ["stays"],
    ),
)
def test_what_the_sender_hears(like: str, done: HiveMessage, outcome: list[str], hub: EmbeddedHub) -> None:
    with joined(hub, OTHER) as peer:
        peer.send(done)
        assert peer.end is None
        heard = [_told_by(message) for message in peer.came] + ([] if peer.ended else ["stays"])
    assert heard == (outcome if not outcome or outcome[-1] == "stays" else [*outcome, "stays"])


def _told_by(message: HiveMessage) -> str:
    inner = message.payload
    return str(inner["type"] if inner.msg_type == "bus" else inner.msg_type.value)


@pytest.mark.parametrize("like", [None, STABLE])
def test_nothing_is_compressed_that_grows_by_it(like: Optional[str]) -> None:
    with EmbeddedHub([Account(KEY, PASSWORD)], binarize=True, like=like) as hub:
        with SealedPeer(hub, KEY, PASSWORD, binarize=True) as peer:
            assert peer.link.negotiated is not None and peer.link.negotiated.binarize
            for number, text in enumerate(("x", "x" * 1000)):
                hub.broadcast(bus("made.up", data={"text": text}))
                peer.settle()
                frame = peer.plain[-1]
                # 1, no version, the code of BUS, and whether it is compressed
                assert isinstance(frame, bytes) and frame[0] == 0b1_0_00001_0 + number
