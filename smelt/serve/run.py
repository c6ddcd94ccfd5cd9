"""From bundles to a server that listens, and that ends without losing what it took on."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn

from smelt.errors import EnvironmentFault
from smelt.language import say
from smelt.serve.app import build_app
from smelt.serve.guard import Rules
from smelt.serve.house import House

_BACKLOG = 2048
_OBSERVE_SECONDS, _LAG_SECONDS = 1.0, 0.02
_LOG = logging.getLogger("smelt.serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the server listens, and how it ends."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    drain_seconds: float = 20.0
    """Requests that were taken on have so long to be answered."""
    notice_seconds: float = 0.5
    """For so long it says that it is not ready, and still answers, so that balancers turn away before it stops to listen."""


def listen(place: Place) -> socket.socket:
    """Return the listening socket.

    Raises:
        EnvironmentFault: the port is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    # Named outright: for a socket whose protocol is left open asyncio does not switch Nagle's algorithm off, and answers take 40 ms longer.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((place.host, place.port))
    except OSError as error:
        found.close()
        raise EnvironmentFault(
            say("cannot listen on {host}:{port}: {reason}", host=place.host, port=place.port, reason=error.strerror),
            step=say("Take another port with --port, or 0 for a free one."),
        ) from error
    found.listen(_BACKLOG)
    return found


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
        house.start()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, NotImplementedError):  # not in the main thread: whoever started us ends us
                loop.add_signal_handler(number, lambda: loop.create_task(_end(house, server, place)))
        observing = loop.create_task(_observe(house))
        host, port = listener.getsockname()[:2]
        tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await server.serve(sockets=[listener])
        observing.cancel()
        await house.stop()

    asyncio.run(work())


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


async def _end(house: House, server: uvicorn.Server, place: Place) -> None:
    """Say that we are not ready; a moment later stop to listen, and answer what was taken on."""
    house.leave()
    await asyncio.sleep(place.notice_seconds)
    house.drain()
    server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn with our signals: its own would stop to listen at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def install_signal_handlers(self) -> None:
        """Do nothing: older versions ask this way."""
