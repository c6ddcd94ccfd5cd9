"""The listening socket: opened early, closed without turning away who was let in."""

import contextlib
import ctypes
import socket
import sys
from dataclasses import dataclass

from smelt.errors import EnvironmentFault
from smelt.language import say

NOTICE_SECONDS, CLOSING_SECONDS = 0.5, 0.1
"""For so long a server that will end says that it is not ready, and still answers, so that balancers turn away; then it lets nobody in
any more, and after the second time it stops to listen."""
_BACKLOG = 2048
_ATTACH_FILTER = 26
"""Linux's SO_ATTACH_FILTER."""
_NO_BEGINNINGS = (
    (0x30, 0, 0, 13),  # load the byte of the TCP header that holds the flags
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep all of it
)
"""A program for the kernel's packet filter (classic BPF): code, jump if true, jump if false, operand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the server listens, and how it ends."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    drain_seconds: float = 20.0
    """Requests that were taken on have so long to be answered."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


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


def let_nobody_in(listener: socket.socket) -> None:
    """Let no new connection begin; those that have begun can still be accepted. Where the system cannot do that, do nothing.

    A listening socket that is closed breaks off the connections that nobody has accepted yet. So it is given a filter first that
    drops the first packet of every connection: who comes now tries again, and finds the port closed.
    """
    if sys.platform == "linux":
        program = (_Instruction * len(_NO_BEGINNINGS))(*_NO_BEGINNINGS)
        told = _Program(len(program), ctypes.cast(program, ctypes.POINTER(_Instruction)))
        with contextlib.suppress(OSError):  # some kernels let only root do it; then who is on the way is turned away
            listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, bytes(told))
