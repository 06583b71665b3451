"""Waiting for a client's session, and for its end. Who began to connect ends that where the wait is cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from hivemind_core_client.wire.errors import again

if TYPE_CHECKING:
    from hivemind_core_client.aio.base_worker import AsyncBaseWorker
    from hivemind_core_client.aio.client import AsyncHiveMessageBusClient


async def enter(client: AsyncHiveMessageBusClient) -> None:
    """Connect, unless somebody did. Raises like `connect`, and leaves nothing behind then."""
    if client._start(client.connect_retries):
        try:
            await client.connect()
        except BaseException:  # such as Ctrl-C
            await client.close()
            raise


async def until_connected(client: AsyncHiveMessageBusClient, retries: Optional[int], begins: bool) -> None:
    """Return when the session stands; `begins` where this call began to connect. Raises why there is none."""
    worker = client._worker
    try:
        await worker.wait_connected(worker.lifecycle.patience(retries))
    except BaseException:  # such as a cancellation, or Ctrl-C
        if begins:
            await client.close()
        raise
    if not worker.lifecycle.stands:
        await _give_up(client, worker, begins)


async def until_finished(client: AsyncHiveMessageBusClient, begins: bool) -> None:
    """Return when nothing more is tried. Raises what refused the client."""
    worker = client._worker
    try:
        await worker.wait_finished()
    except BaseException:  # such as a cancellation, or Ctrl-C
        if begins:
            await client.close()
        raise
    error = worker.lifecycle.last_error
    if not client._closed and error is not None and worker.lifecycle.is_final(error):
        raise again(error)


async def _give_up(client: AsyncHiveMessageBusClient, worker: AsyncBaseWorker, begins: bool) -> None:
    """No session came: raises why."""
    if worker.is_finished or worker.lifecycle.stopping:
        await worker.wait_finished(client.deadlines.close)
        if client._worker is worker:
            client.started_running = False
    error = worker.lifecycle.why_not_connected()
    if begins and not worker.is_finished:
        await client.close()
    raise error
