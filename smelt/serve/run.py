"""From bundles to a server that listens, and that ends without losing what it took on."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from smelt.errors import SmeltError
from smelt.serve.app import build_app
from smelt.serve.crew import is_member, leader_is_gone
from smelt.serve.guard import Rules
from smelt.serve.house import FOLLOW_SECONDS, House
from smelt.serve.listener import CLOSING_SECONDS, NOTICE_SECONDS, Place, let_nobody_in

_OBSERVE_SECONDS, _LAG_SECONDS = 1.0, 0.02
_LOG = logging.getLogger("smelt.serve")


def serve(house: House, rules: Rules, place: Place, listener: socket.socket, tell: Callable[[str], None]) -> None:
    """Answer until the process is told to end (SIGTERM, SIGINT).

    Args:
        house: models, open and warm.
        rules: whom to answer.
        place: how it ends.
        listener: socket.
        tell: hears the address when requests are taken.
    """
    config = uvicorn.Config(
        build_app(house, rules), log_config=None, access_log=False, lifespan="off", server_header=False, timeout_keep_alive=30,
        timeout_graceful_shutdown=int(place.drain_seconds), ws="none", proxy_headers=False, h11_max_incomplete_event_size=64 * 1024,
    )  # fmt: skip
    server = _Server(config)

    async def work() -> None:
        _spare_the_loop()
        house.start()
        await house.catch_up()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl+C is an exception
                loop.add_signal_handler(number, lambda: loop.create_task(_end(house, server, listener)))
        tasks = [loop.create_task(_observe(house)), loop.create_task(_follow(house, server, listener))]
        host, port = listener.getsockname()[:2]
        tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await server.serve(sockets=[listener])
        for task in tasks:
            task.cancel()
        await house.stop()

    asyncio.run(work())


def _spare_the_loop() -> None:
    """Keep the search for unreachable objects, which stops every thread, to what requests have made.

    What is loaded by now stays. Looked through again and again, as Python does by default, it stops the loop for 50 ms and more, and one
    refusal in a hundred waits for that (benchmarks/serving).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 1000)


async def _observe(house: House) -> None:
    """Write down once a second how much waits, so that it is known whichever process is asked; and all the time how far we are behind."""
    loop, told = asyncio.get_running_loop(), 0.0
    while True:
        due = loop.time() + _LAG_SECONDS
        await asyncio.sleep(_LAG_SECONDS)
        house.lag = loop.time() - due
        if due - told > _OBSERVE_SECONDS:
            told = due
            house.observe()


async def _follow(house: House, server: uvicorn.Server, listener: socket.socket) -> None:
    """Do what other processes were told, and end with the leader. Who cannot ends, and is started again, with all orders before it."""
    while house.orders:
        await asyncio.sleep(FOLLOW_SECONDS)
        if leader_is_gone():
            await _end(house, server, listener)
            return
        try:
            await house.follow()
        except (SmeltError, OSError):
            _LOG.exception("an order could not be carried out")
            house.drain()
            server.should_exit = True
            return


async def _end(house: House, server: uvicorn.Server, listener: socket.socket) -> None:
    """Say that we are not ready; a moment later let nobody in, and answer what was taken on."""
    house.leave()
    try:
        await asyncio.sleep(NOTICE_SECONDS)
        if not is_member() or leader_is_gone():  # of a crew the leader does that, for all at once
            let_nobody_in(listener)
        await asyncio.sleep(CLOSING_SECONDS)
    finally:  # nobody waits for this task: whatever it meets, the server has to end
        house.drain()
        server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn with our signals: its own would stop to listen at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def install_signal_handlers(self) -> None:
        """Do nothing: older versions ask this way."""
