"""How is TRex started, loaded with streams, and asked what it received?

TRex listens on TCP ports at every address, so it has a network namespace of its own, and this
process enters it before the first connection. `t-rex-64`, TRex's own starting script, is not
used: it ends other programs by name and binds network cards. `_t-rex-64` is what it runs.

Not here: what is sent (`profile_flows.py`), and what must come of it (`session.py`).
"""

import ctypes
import os
import sys
import time
import warnings
from pathlib import Path

import network
from processes import Failure, Namespace, wait_until

VARIABLE = "TREX_DIR"
PROGRAM = "_t-rex-64"
PYTHON = "automation/trex_control_plane/interactive"
START_SECONDS = 60
RPC_PORT = 4501
CLONE_NEWNET = 0x40000000
# Packets on their way when the last was sent: rings of a thousand at each end, drained in bursts.
SETTLE_SECONDS = 0.5
TOUR_SECONDS = 60
# Packets that one call fetches from a capture.
FETCH = 1000


class Missing(Exception):
    """TRex is not where it should be; the text says what to do."""


def directory():
    """TRex's `scripts` directory, of a source tree or of a release."""
    named = os.environ.get(VARIABLE)
    if not named:
        raise Missing(
            f"{VARIABLE} is not set. Set it to a directory with TRex built in it; "
            "perf/trex/README.md says how one is made."
        )
    for found in (Path(named) / "scripts", Path(named)):
        if (found / PROGRAM).exists() and (found / PYTHON).is_dir():
            return found.resolve()
    raise Missing(
        f"{VARIABLE}={named} has no {PROGRAM} and {PYTHON}, neither itself nor in `scripts`: "
        "build TRex there as perf/trex/README.md says."
    )


def import_client(scripts):
    """TRex's Python client comes with TRex; its own libraries are older than this Python's."""
    sys.path.insert(0, str(scripts / PYTHON))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from trex.stl import api
        except ImportError as error:
            raise Missing(f"TRex's Python client does not load here: {error}") from error
    return api


class Generator:
    """A TRex process with two ports, and the client that commands it."""

    def __init__(self, scripts, run_directory, suffix, sockets, processor):
        self.scripts = scripts
        self.directory = run_directory
        self.suffix = suffix
        self.sockets = sockets
        self.processor = processor
        self.namespace = Namespace(f"wt-trex-{suffix}")
        self.process = None
        self.client = None
        self.log = run_directory / "trex.log"
        self.before = None

    def start(self):
        self.namespace.create()
        configuration = self.directory / "trex.yaml"
        configuration.write_text(self.configuration(), encoding="utf-8")
        libraries = f"LD_LIBRARY_PATH={self.scripts / 'so/x86_64'}:{self.scripts}"
        program = ["-C", self.scripts, libraries, f"./{PROGRAM}"]
        arguments = ["-i", "--cfg", configuration, "--iom", "0", "--no-scapy-server"]
        self.process = self.namespace.start(["env", *program, *arguments], self.log)
        wait_until(self.listens, START_SECONDS, f"TRex to listen; see {self.log}", every=0.2)

    def configuration(self):
        """Both ports are the client's end of a memif. All threads share one processor and rest
        between packets (`low_end`), so that Weir has one too on a machine with two."""
        device = "--vdev=net_memif{0},role=client,id={0},socket={1},socket-abstract=no,rsize=12"
        interfaces = [device.format(number, path) for number, path in enumerate(self.sockets)]
        macs = (
            (network.ROUTER_MAC, network.WEIR_FRONT_MAC),
            (network.members(1)[0].mac, network.WEIR_BACK_MAC),
        )
        lines = [
            "- version: 2",
            "  port_limit: 2",
            "  low_end: true",
            f"  low_end_core: {self.processor}",
            f"  prefix: trex-{self.suffix}",
            "  interfaces:",
            *(f'    - "{interface}"' for interface in interfaces),
            "  port_info:",
        ]
        for own, next_hop in macs:
            lines += [f"    - src_mac: {own}", f"      dest_mac: {next_hop}"]
        return "\n".join(lines) + "\n"

    def listens(self):
        if not self.process.running():
            code = self.process.child.returncode
            raise Failure(f"TRex ended with {code} at its start:\n{self.process.tail()}")
        return f":{RPC_PORT} " in self.namespace.output("ss", "-Hltn")

    def connect(self, api):
        self.enter()
        self.client = api.STLClient(server="127.0.0.1", verbose_level="error")
        self.client.connect()
        self.client.reset(ports=[0, 1])
        self.client.set_port_attr(ports=[0, 1], promiscuous=True)
        # Captures are possible in service mode only.
        self.client.set_service_mode(ports=[0, 1])

    def enter(self):
        """This thread, and those that it starts from here on, join TRex's namespace."""
        self.before = os.open("/proc/self/ns/net", os.O_RDONLY)
        wanted = os.open(f"/run/netns/{self.namespace.name}", os.O_RDONLY)
        join(wanted)
        os.close(wanted)

    def send(self, streams, receiver, limit=None):
        """Sends the streams of one port (`{port: [stream, …]}`) to their end. With a `limit`,
        returns the first so many frames that `receiver` got."""
        capture = None
        if limit:
            capture = self.client.start_capture(rx_ports=[receiver], limit=limit)["id"]
        self.start_streams(streams)
        self.wait_for_end(streams, TOUR_SECONDS)
        frames = self.fetch(capture, limit) if limit else None
        self.remove_streams(streams)
        return frames

    def fetch(self, capture, limit):
        packets = []
        status = self.client.get_capture_status()[capture]
        self.client.fetch_capture_packets(
            capture, packets, pkt_count=min(status["count"], limit), fetch_limit=FETCH
        )
        self.client.stop_capture(capture)
        return [packet["binary"] for packet in packets]

    def start_streams(self, streams, seconds=-1):
        for port, some in streams.items():
            self.client.add_streams(some, ports=[port])
        self.client.start(ports=list(streams), duration=seconds, force=True)

    def wait_for_end(self, streams, seconds):
        """Until these ports' streams have ended and their last packets have arrived. The client's
        own `wait_on_traffic` would wait for other streams of the same port too."""

        def ended():
            sending = self.client.get_profiles_with_state("transmitting")
            return not any(str(profile) in streams for profile in sending)

        wait_until(ended, seconds, "TRex to send all packets", every=0.02)
        time.sleep(SETTLE_SECONDS)

    def remove_streams(self, streams):
        self.client.stop(ports=list(streams))
        self.client.remove_all_streams(ports=list(streams))

    def stop(self):
        """Safe at any point, and twice."""
        if self.client:
            self.client.disconnect()
            self.client = None
        if self.before is not None:
            join(self.before)
            os.close(self.before)
            self.before = None
        if self.process:
            self.process.stop()
        if self.namespace.exists():
            self.namespace.delete()


def join(descriptor):
    """`setns`; the standard library has it from Python 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "joining a network namespace")
