"""An open-loop generator of load over HTTP: requests are sent when they are due, whether earlier ones are answered or not.

Latency counts from when a request was due, so that a server that stalls is not spared. Bounded in time and in requests under way.
"""

import asyncio
import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

MOST_UNDER_WAY = 4096
_PATIENCE = 10.0


@dataclass
class Outcome:
    """What came of a load."""

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    """Of requests that were answered."""
    refusals_ms: list[float] = field(default_factory=list)
    """Of 429 and 503, from when the request was sent."""
    failures: int = 0
    """Other statuses, broken connections, no answer, too many under way."""

    @property
    def sent(self) -> int:
        """Requests."""
        return len(self.latencies_ms) + len(self.refusals_ms) + self.failures

    def percentile(self, share: float) -> float:
        """Milliseconds below which that share of the answered requests is; infinite without one."""
        return float(np.percentile(self.latencies_ms, share)) if self.latencies_ms else float("inf")

    def within(self, milliseconds: float) -> float:
        """Requests per second that were answered within so long."""
        return sum(one <= milliseconds for one in self.latencies_ms) / self.seconds


class Pool:
    """Connections to one server, kept open."""

    def __init__(self, port: int) -> None:
        self._port, self._idle = port, []

    async def ask(self, raw: bytes) -> int:
        """Send a request; return the status of its answer."""
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            if b"transfer-encoding: chunked" in lower:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readexactly(2)
            else:
                await reader.readexactly(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
        except BaseException:  # a cancellation, too: what is half read must not be used again
            writer.close()
            raise
        if b"connection: close" in lower:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()


def request(path: str, body: object) -> bytes:
    """Return a request as bytes."""
    raw = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw


async def poisson(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Outcome:
    """Send requests at random times, so many per second on average.

    Args:
        port: of the server.
        requests: sent in turns.
        rate: per second.
        seconds: how long.
        seed: of the times.
    """
    gc.collect()
    gc.disable()  # a pause of ours would count as one of the server's
    try:
        return await _poisson(port, requests, rate, seconds, seed)
    finally:
        gc.enable()


async def _poisson(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int) -> Outcome:
    generator, pool, outcome = np.random.default_rng(seed), Pool(port), Outcome(seconds)
    due = np.cumsum(generator.exponential(1 / rate, size=int(rate * seconds * 1.2) + 10))
    due = due[due < seconds]
    tasks: set[asyncio.Task[None]] = set()
    start = time.perf_counter()

    async def one(raw: bytes, moment: float) -> None:
        sent = time.perf_counter()
        try:
            status = await asyncio.wait_for(pool.ask(raw), _PATIENCE)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError):
            outcome.failures += 1
            return
        now = time.perf_counter()
        if status == 200:
            outcome.latencies_ms.append((now - start - moment) * 1000)
        elif status in (429, 503, 504):
            outcome.refusals_ms.append((now - sent) * 1000)
        else:
            outcome.failures += 1

    for number, moment in enumerate(due):
        wait = start + moment - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if len(tasks) >= MOST_UNDER_WAY:
            outcome.failures += 1
            continue
        task = asyncio.ensure_future(one(requests[number % len(requests)], float(moment)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks, timeout=_PATIENCE)
    pool.close()
    return outcome


async def closed(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Outcome:
    """Let some clients ask one request after the other."""
    pool, outcome, end = Pool(port), Outcome(seconds), time.perf_counter() + seconds
    numbers = iter(range(10**9))

    async def client() -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            status = await pool.ask(requests[next(numbers) % len(requests)])
            if status == 200:
                outcome.latencies_ms.append((time.perf_counter() - began) * 1000)
            else:
                outcome.failures += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    pool.close()
    return outcome


async def most(attempt: Callable[[float], "asyncio.Future[Outcome]"], start: float, limit_ms: float, steps: int) -> tuple[float, Outcome]:
    """Return the highest goodput: answered within the limit, of a rate at which 99 in 100 are.

    Args:
        attempt: puts on a load of so many requests per second.
        start: first rate; doubled while it is borne, then halved towards the edge.
        limit_ms: within which an answer counts.
        steps: of the halving.
    """
    low, high, best = 0.0, 0.0, Outcome(1.0)
    rate = start
    while not high or steps > 0:
        found = await attempt(rate)
        borne = found.sent > 0 and sum(one <= limit_ms for one in found.latencies_ms) >= 0.99 * found.sent
        if borne:
            low, best = rate, found
        else:
            high = rate
        if high:
            steps -= 1
        rate = (low + high) / 2 if high else rate * 2
        if high and high - low < 0.08 * high:
            break
    return low, best
