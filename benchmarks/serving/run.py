"""How much does the server add to a bundle, how much load does it bear, what does it do with too much? Beside its peers, in turns.

    python benchmarks/serving/run.py --run RUN --data FOLDER [--text COL] [--split NAME] [--quick] [--out DIR]

RUN is a finished run: its `export/bundle` is served by smelt, LitServe and Ray Serve (both with batching on), its `train/model` by FastAPI
around the transformers pipeline. Texts are those of the split, in their real lengths. Per system: the median of a single text asked by one
client, over that of the bundle asked directly; texts per second of requests with 32 texts; the highest rate of single texts (Poisson, open
loop) of which 99 in 100 are answered within 50 ms, and that goodput. Of smelt alone: five times that rate (60 s; `--quick` 15 s), and the
recovery after it. All of it, the load generator too, on the cores of this machine. LitServe and Ray Serve are left out where they are not
installed (`pip install litserve "ray[serve]"`). About ten minutes; `--quick` four.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from load import Outcome, closed, most, poisson, request

from smelt.data.files import split_files
from smelt.data.formats import open_table
from smelt.runtime.bundle import open_bundle
from smelt.runtime.isa import cores, cpu_name
from smelt.runtime.manifest import read_manifest

HERE = Path(__file__).resolve().parent
LIMIT_MS = 50.0
ROUNDS, QUICK_ROUNDS = 3, 1


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    table = open_table(split_files(options.data)[options.split])
    texts = [str(record.values[0]) for record in table.records((options.text,))][:2000]
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    found: dict[str, list[dict]] = {}
    for lap in range(rounds):
        for name, command in _systems(options).items():
            with _served(command, options.out / f"{name}.log") as port:
                found.setdefault(name, []).append(asyncio.run(_measure(name, port, texts, options)))
            print(f"round {lap + 1}, {name}: {json.dumps(found[name][-1])}", flush=True)
    result = {
        "run": options.run.name, "data": options.data.name, "raw": _raw(options, texts), "systems": found,
        "medians": {name: {key: statistics.median(lap[key] for lap in laps) for key in laps[0]} for name, laps in found.items()},
        "overload": _overload(options, texts, statistics.median(lap["rate"] for lap in found["smelt"])),
        "machine": {"cpu": cpu_name(), "cores": cores(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("starlette", "uvicorn", "fastapi") if importlib.util.find_spec(name)},
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    (options.out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("raw", "medians", "overload")}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", default="text")
    parser.add_argument("--split", default="test")
    parser.add_argument("--quick", action="store_true", help="one round, shorter loads")
    parser.add_argument("--only", action="append", default=[], help="measure this system alone; repeat for more")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-serving"))
    return parser.parse_args()


def _systems(options: argparse.Namespace) -> dict[str, list[str]]:
    bundle, model = str(options.run / "export" / "bundle"), str(options.run / "train" / "model")
    threads = str(max(1, read_manifest(Path(bundle)).threads))
    most_tokens = str(getattr(open_bundle(bundle).codec.encoder, "max_tokens", 512))
    found = {
        "smelt": [sys.executable, "-m", "smelt", "serve", f"m={bundle}", "--port", "PORT"],
        "pipeline": [sys.executable, str(HERE / "peer_pipeline.py"), model, "PORT", most_tokens],
    }
    if importlib.util.find_spec("litserve"):
        found["litserve"] = [sys.executable, str(HERE / "peer_litserve.py"), bundle, "PORT", threads]
    if importlib.util.find_spec("ray") and importlib.util.find_spec("grpc_reflection"):
        found["ray"] = [sys.executable, str(HERE / "peer_ray.py"), bundle, "PORT", threads]
    return {name: command for name, command in found.items() if not options.only or name in options.only}


@contextlib.contextmanager
def _served(command: list[str], log: Path) -> Iterator[int]:
    """Start a server on a free port, wait until it answers, end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [str(port) if word == "PORT" else word for word in command], stdout=stream, stderr=stream, start_new_session=True
        )  # fmt: skip
    try:
        body = json.dumps({"input": ["a"]}).encode()
        path = "/v1/classify" if "serve" in command else "/predict"
        for _ in range(600):
            if process.poll() is not None:
                sys.exit(f"{command[1]} ended; see {log}")
            with contextlib.suppress(OSError):
                asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"})
                urllib.request.urlopen(asked, timeout=5).read()
                break
            time.sleep(0.1)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _requests(name: str, texts: list[str], size: int) -> list[bytes]:
    path = "/v1/classify" if name == "smelt" else "/predict"
    return [request(path, {"input": texts[place : place + size]}) for place in range(0, len(texts) - size + 1, size)]


async def _measure(name: str, port: int, texts: list[str], options: argparse.Namespace) -> dict[str, float]:
    single, many = _requests(name, texts, 1), _requests(name, texts, 32)
    seconds = 3.0 if options.quick else 6.0
    await closed(port, single, 1, 1.0)
    alone = await closed(port, single, 1, seconds)
    batched = await closed(port, many, 2, seconds)
    rate, best = await most(lambda rate: poisson(port, single, rate, seconds), 50.0, LIMIT_MS, 4 if options.quick else 6)  # pyright: ignore[reportArgumentType]
    found = {
        "single_ms_p50": alone.percentile(50), "single_ms_p99": alone.percentile(99),
        "texts_per_s_32": 32 * len(batched.latencies_ms) / batched.seconds, "rate": rate, "goodput": best.within(LIMIT_MS),
        "p99_ms": best.percentile(99),
    }  # fmt: skip
    if name == "smelt":
        found["padding_waste"] = _padding(port)
    return found


def _padding(port: int) -> float:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    values = {
        line.split("{")[0]: float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith(("smelt_tokens_total", "smelt_padding"))
    }
    padding = values.get("smelt_padding_tokens_total", 0.0)
    return padding / max(1.0, padding + values["smelt_tokens_total"])


def _raw(options: argparse.Namespace, texts: list[str]) -> dict[str, float]:
    """Ask the bundle directly: a text at a time, and 32 sorted by nothing, as they come in a request."""
    folder = options.run / "export" / "bundle"
    bundle = open_bundle(folder, threads=max(1, read_manifest(folder).threads))
    bundle.answers(texts[:64])
    latencies = []
    for text in texts[:1000]:
        began = time.perf_counter()
        bundle.answers([text])
        latencies.append((time.perf_counter() - began) * 1000)
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < 5.0:
        for place in range(0, len(texts) - 31, 32):
            bundle.answers(texts[place : place + 32])
        rounds += 1
    rate = rounds * 32 * len(range(0, len(texts) - 31, 32)) / (time.perf_counter() - began)
    return {"single_ms_p50": statistics.median(latencies), "texts_per_s_32": rate}


def _overload(options: argparse.Namespace, texts: list[str], rate: float) -> dict[str, float]:
    """Put five times the rate on smelt; then a tenth of it."""
    seconds = 15.0 if options.quick else 60.0
    single = _requests("smelt", texts, 1)
    with _served(_systems(options)["smelt"], options.out / "overload.log") as port:
        before = _memory(port)
        much = asyncio.run(poisson(port, single, 5 * rate, seconds))
        after = _memory(port)
        recovered = asyncio.run(poisson(port, single, max(5.0, rate / 10), 4.0))
    return {
        "rate": 5 * rate, "seconds": seconds, "answered_per_s": len(much.latencies_ms) / seconds,
        "share_of_peak": len(much.latencies_ms) / seconds / rate,
        "p50_ms": much.percentile(50), "p99_ms": much.percentile(99), "refused": float(len(much.refusals_ms)),
        "failed": float(much.failures),
        "refusal_ms_p99": _percentile(much), "memory_mib": after, "memory_growth_mib": after - before,
        "after_p99_ms": recovered.percentile(99), "after_failed": float(recovered.failures + len(recovered.refusals_ms)),
    }  # fmt: skip


def _percentile(outcome: Outcome) -> float:
    refusals = sorted(outcome.refusals_ms)
    return refusals[int(0.99 * (len(refusals) - 1))] if refusals else 0.0


def _memory(port: int) -> float:
    """Return the resident memory of whoever listens there, in MiB."""
    done = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True, check=False).stdout
    number = done.split("pid=")[1].split(",")[0]
    status = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
