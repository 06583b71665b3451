"""Checks of installed plugins that several kinds of tests make."""

from __future__ import annotations

from tests.packages.building import Environment


def check_noise_by_own_aes(
    environment: Environment, shell: str, host: str, port: int, key: str, password: str
) -> None:
    """The installed plugin `own_aes` seals and opens each frame of a Noise session with this hub, which answers."""
    met = environment.program("visitor", shell, host, str(port), key, password)
    assert met["pattern"] == "XXpsk2"
    assert met["answers"] == [f"you said: number {number}" for number in range(3)]
    for nonces in (met["sealed"], met["opened"]):
        assert len(nonces) >= 3
        assert nonces == [number.to_bytes(12, "big").hex() for number in range(len(nonces))]
