"""The protocol, sans IO: bytes and messages in, messages and bytes out (docs/architecture.md).

Nothing here knows a socket, a thread, an event loop, a clock or the OVOS bus.
"""
