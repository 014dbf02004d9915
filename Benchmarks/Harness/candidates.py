"""The servers that are compared: where they are, how they start, and that they end."""

import itertools
import os
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOOR = ROOT / "Benchmarks/Floor/bin"
PEERS = ROOT / "Benchmarks/Peers"
# Another build can take its place: a change before it is committed, or an older commit.
ENGINE = Path(os.environ.get("ECHO_SERVER")
              or ROOT / "Examples/EchoServer/.build/release/echo-server")
HOLDER = ROOT / "Benchmarks/.build/release/engine-hold"
SERVER_CPU, CLIENT_CPU = 0, 1
# A server that outlives its harness ends by itself.
SECONDS = 900
# Below the kernel's own range and below the source ports of the clients.
ports = itertools.count(17000)


class Failed(Exception):
    """Something outside of our hands; one line that says what and what to do."""


@dataclass(frozen=True)
class Candidate:
    key: str
    title: str
    program: Path
    # Arguments before the common ones; of the engine, its backend.
    first: tuple = ()
    # The floor of its own kind, if it has one.
    floor: str = ""

    @property
    def is_installed(self):
        return self.program.exists()

    def command(self, port):
        if self.program == ENGINE:
            return [ENGINE, *self.first, str(port), str(SECONDS), str(SERVER_CPU)]
        return [self.program, *self.first, "--port", str(port), "--cpu", str(SERVER_CPU),
                "--seconds", str(SECONDS)]


REFERENCE = "floor-epoll"
FLOORS = [
    Candidate("floor-epoll", "C, epoll (floor)", FLOOR / "echo_epoll"),
    Candidate("floor-again", "the same again (A/A)", FLOOR / "echo_epoll", floor="floor-epoll"),
    Candidate("floor-uring", "C, io_uring (floor)", FLOOR / "echo_uring"),
]
ENGINES = [
    Candidate("uring", "engine, uring", ENGINE, ("uring",), floor="floor-uring"),
    Candidate("epoll", "engine, epoll", ENGINE, ("epoll",), floor="floor-epoll"),
    Candidate("threads", "engine, threads", ENGINE, ("threads",), floor="floor-epoll"),
]
OTHERS = [
    Candidate("nio", "SwiftNIO", PEERS / "SwiftNIO/.build/release/nio-peer", ("echo",)),
    Candidate("libuv", "libuv", PEERS / "bin/libuv-echo"),
    Candidate("go", "Go", PEERS / "bin/go-echo"),
]


def free_port():
    for port in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failed("no free port from 17000 on: close other servers")


@dataclass
class Server:
    candidate: Candidate
    process: subprocess.Popen
    port: int

    @property
    def name(self):
        """As the judges in Floor/ take it."""
        return f"{self.candidate.key}={self.process.pid}@{self.port}"


@contextmanager
def running(candidate):
    """A fresh server that accepts; it has ended afterwards."""
    port = free_port()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(candidate.command(port), stdout=subprocess.DEVNULL,
                                   stderr=errors)
        try:
            deadline = time.monotonic() + 10
            while not accepts(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    errors.seek(0)
                    raise Failed(f"{candidate.title} did not start: "
                                 + (errors.read().decode(errors="replace").strip() or "no reason"))
                time.sleep(0.02)
            yield Server(candidate, process, port)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def all_running(candidates):
    with ExitStack() as stack:
        yield [stack.enter_context(running(candidate)) for candidate in candidates]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
