"""How is the daemon started, asked and stopped? One process and its control socket.

Not here: what it is connected to (`lab.py`).
"""

import json
import socket
import subprocess
from pathlib import Path

from processes import Failure, check, run, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 30
REPLY_SECONDS = 30
TAP_SECONDS = 15


def binary(name):
    """A release binary of this repository."""
    path = target_directory() / "release" / name
    if not path.exists():
        raise Failure(f"{path.name} is not built: run `cargo build --release` first")
    return path


def target_directory():
    arguments = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    result = subprocess.run(
        arguments, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    return Path(json.loads(result.stdout)["target_directory"])


class Weir:
    """The daemon: `--config FILE -- EAL arguments`, and its control socket."""

    def __init__(self, namespace, directory, document, prefix, keep=False):
        self.namespace = namespace
        self.directory = directory
        self.document = document
        self.prefix = prefix
        self.keep = keep
        self.process = None
        self.configuration = directory / "weir.json"
        self.socket = Path(document["appliance"]["controlSocket"])
        self.log = directory / "weir.log"

    def arguments(self, *options):
        eal = ["--no-pci", "--file-prefix", self.prefix, "--no-telemetry"]
        return [binary("weir"), "--config", self.configuration, *options, "--", *eal]

    def write(self, document):
        text = document if isinstance(document, str) else json.dumps(document, indent=2)
        self.configuration.write_text(text, encoding="utf-8")

    def start(self):
        self.write(self.document)
        self.start_again()

    def start_again(self, *options):
        """Starts with the file as it is."""
        self.process = self.namespace.start(self.arguments(*options), self.log, self.keep)
        wait_until(self.answers, START_SECONDS, f"weir's control socket; see {self.log}")

    def answers(self):
        if not self.process.running():
            code = self.process.child.returncode
            raise Failure(f"weir ended with {code} at its start")
        try:
            return self.call("version")
        except (ConnectionRefusedError, FileNotFoundError):
            return None

    def connect(self):
        return Control(self.socket)

    def call(self, method, **parameters):
        """One request on a connection of its own."""
        with self.connect() as control:
            return control.call(method, **parameters)

    def apply(self, document):
        return self.call("apply", configuration=document)

    def counters(self):
        return self.call("stats")["counters"]

    def mbufs_in_use(self):
        return self.call("status")["mbufs"]["inUse"]

    def member_states(self):
        """Member address to whether it is up."""
        members = self.call("status")["members"]
        return {member["address"]: is_up(member["state"]) for member in members}

    def weirctl(self, *arguments):
        return check([binary("weirctl"), "--socket", self.socket, *arguments])

    def weirctl_result(self, *arguments):
        return run([binary("weirctl"), "--socket", self.socket, *arguments])

    def errors_logged(self):
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if " ERROR " in f" {line} "]


def move_kernel_ends(namespace, taps, client, members):
    """Moves the kernel ends of two ports to their peers' namespaces. They get a MAC address of
    their own: net_tap gives the kernel end the port's, and a peer must not answer to that."""
    front, back = taps
    for tap in taps:
        wait_until(lambda: namespace.has_link(tap), TAP_SECONDS, f"device {tap}")
    namespace.ip(
        f"link set {front} down",
        f"link set {front} address 02:00:00:00:01:fe",
        f"link set {front} netns {client.name} name weir-front",
        f"link set {back} down",
        f"link set {back} address 02:00:00:00:02:fe",
        f"link set {back} netns {members.name} name weir-back",
    )


class ControlError(Failure):
    """A JSON-RPC error reply."""

    def __init__(self, error):
        problems = (error.get("data") or {}).get("problems", [])
        told = [f"{it['pointer']}: {it['code']}: {it['message']}" for it in problems]
        super().__init__("\n".join([f"{error.get('message')} ({error.get('code')})", *told]))
        self.error = error


class Control:
    """A connection to the control socket: JSON-RPC 2.0, one message a line."""

    def __init__(self, path):
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.settimeout(REPLY_SECONDS)
        try:
            self.connection.connect(str(path))
        except OSError:
            self.connection.close()
            raise
        self.lines = self.connection.makefile("rb")
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.connection.close()

    def call(self, method, **parameters):
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method}
        if parameters:
            request["params"] = parameters
        self.send_line(json.dumps(request).encode())
        reply = self.read_reply()
        if "error" in reply:
            raise ControlError(reply["error"])
        return reply["result"]

    def send_line(self, line):
        self.connection.sendall(line + b"\n")

    def read_reply(self):
        line = self.lines.readline()
        if not line:
            raise Failure("weir closed the control connection without a reply")
        return json.loads(line)


def is_up(state):
    return str(state).lower().startswith("up")
