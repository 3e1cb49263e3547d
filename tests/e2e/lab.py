"""Which network does the appliance stand in? Namespaces, all named for one run.

                     wl-start-N (weir's process)
    wl-client-N      ┌──────────────────────┐      wl-servers-N        wl-member1..3-N
    weir-front ◄─tap─┤ net_tap0    net_tap1 ├─tap─► weir-back ─ bridge ─ eth0 10.0.0.11..13
    198.51.100.254   │  .1             .1   │                            nginx dnsmasq iperf3
    192.0.2.50 (lo)  └──────────────────────┘
    nginx, dnsmasq       wl-twin-N: the kernel twins

The kernel end of each net_tap port is moved to where its peer lives, so no veth and no AF_PACKET
is between the appliance and its peers. The client is the router of the front side and the world
outside at once.

Not here: what the programs do (`servers.py`, `weir.py`), and what is shown or claimed with them
(`demo.py`, `test_*.py`).
"""

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import configuration as plan
import servers
from processes import Failure, Namespace, check, start_time, wait_until
from weir import Weir, move_kernel_ends

HEALTHY_SECONDS = 20
# Mbufs come back when the last burst has left; a second is thousands of bursts.
REST_SECONDS = 10


class Member:
    """A server behind the appliance: its namespace and the programs in it."""

    def __init__(self, lab, number, address):
        self.number = number
        self.name = f"member-{number}"
        self.address = address
        self.namespace = Namespace(f"wl-member{number}-{lab.suffix}")
        self.directory = lab.directory / self.name
        self.keep = lab.keep
        self.content = lab.content
        self.nginx = None
        self.others = []

    def start(self):
        listen = [f"{self.address}:{plan.WEB_PORT}", f"{self.address}:{plan.ON_LINK_WEB_PORT}"]
        arguments = (self.namespace, self.directory, listen, self.name, self.content, self.keep)
        self.nginx = servers.Nginx(*arguments)
        self.nginx.start()
        self.others = [
            servers.start_dns(self.namespace, self.directory, self.address, self.name, self.keep),
            servers.start_iperf(self.namespace, self.directory, self.keep),
            servers.start_echo(self.namespace, self.directory, self.address, self.keep),
        ]

    def wait_until_listening(self):
        for protocol, port in (
            ("udp", plan.DNS_PORT),
            ("tcp", plan.IPERF_PORT),
            ("udp", plan.ECHO_PORT),
            ("tcp", plan.ECHO_PORT),
        ):
            what = f"{self.name} to listen on {protocol} {port}; see {self.directory}"
            wait_until(lambda: servers.listening(self.namespace, protocol, port), 10, what)

    def processes(self):
        return [server for server in [self.nginx and self.nginx.process, *self.others] if server]


class Lab:
    """The whole topology as a context manager: entered running and healthy, left as it was."""

    def __init__(self, workers=2, keep=False):
        self.workers = workers
        self.keep = keep
        self.suffix = f"{os.getpid() % 1_000_000}{next_letter()}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"weir-lab-{self.suffix}-"))
        self.directory.chmod(0o755)
        self.content = servers.Content(self.directory / "content")
        self.start_namespace = Namespace(f"wl-start-{self.suffix}")
        self.twin = Namespace(f"wl-twin-{self.suffix}")
        self.client = Namespace(f"wl-client-{self.suffix}")
        self.servers = Namespace(f"wl-servers-{self.suffix}")
        self.members = [
            Member(self, number, address) for number, address in enumerate(plan.MEMBERS, start=1)
        ]
        self.outside = None
        self.outside_dns = None
        self.taps = (f"wf{self.suffix}", f"wb{self.suffix}")
        devices = (f"net_tap0,iface={self.taps[0]}", f"net_tap1,iface={self.taps[1]}")
        self.document = plan.configuration(
            workers, devices, self.twin.name, self.directory / "weir.sock", self.directory / "state"
        )
        prefix = f"weir-{self.suffix}"
        self.weir = Weir(self.start_namespace, self.directory, self.document, prefix, keep)

    def __enter__(self):
        try:
            self.start()
        except Failure as failure:
            said = self.weir.process.tail() if self.weir.process else ""
            self.stop()
            raise Failure(f"{failure}\n{said}".rstrip()) from failure
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, *_):
        if self.keep and kind is None:
            self.remember()
        else:
            self.stop()

    def start(self):
        for namespace in self.own_namespaces():
            namespace.create()
        self.start_servers()
        self.start_outside()
        self.start_weir()

    def own_namespaces(self):
        """Those that the lab makes."""
        members = [member.namespace for member in self.members]
        return [self.client, self.servers, *members, self.start_namespace]

    def namespaces(self):
        """With the one that the appliance makes for its kernel twins."""
        return [*self.own_namespaces(), self.twin]

    def start_servers(self):
        self.servers.ip("link add bridge type bridge", "link set bridge up")
        for member in self.members:
            self.connect(member)
        for member in self.members:
            member.directory.mkdir(exist_ok=True)
            shutil.rmtree(member.directory)
            member.start()
        for member in self.members:
            member.wait_until_listening()

    def connect(self, member):
        """A veth from the bridge to the member, whose gateway is the appliance."""
        peer = f"member{member.number}"
        self.servers.ip(
            f"link add {peer} type veth peer name eth0 netns {member.namespace.name}",
            f"link set {peer} master bridge up",
        )
        member.namespace.ip(
            f"address add {member.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {plan.WEIR_BACK}",
        )

    def start_outside(self):
        """The world that clients and outside servers share; without a dummy device (kernels may
        lack the module) the outside address sits on the loopback device."""
        self.client.ip(f"address add {plan.OUTSIDE}/32 dev lo")
        self.client.sysctl(
            "net.ipv4.ip_nonlocal_bind=1",
            "net.ipv4.ip_local_port_range=10000 65000",
            "net.ipv4.tcp_tw_reuse=1",
        )
        listen = [f"{address}:{plan.OUTSIDE_WEB_PORT}" for address in (plan.CLIENT, plan.OUTSIDE)]
        directory = self.directory / "outside"
        arguments = (self.client, directory, listen, "outside", self.content, self.keep)
        self.outside = servers.Nginx(*arguments)
        self.outside.start()
        self.outside_dns = servers.start_dns(
            self.client, directory, plan.OUTSIDE, "outside", self.keep
        )

    def start_weir(self):
        """Starts the appliance and joins its ports to the peers: see `join`."""
        self.weir.start()
        self.join()
        self.wait_until_healthy()

    def join(self):
        """Moves the taps' kernel ends to the peers."""
        move_kernel_ends(self.start_namespace, self.taps, self.client, self.servers)
        self.client.ip(
            f"address add {plan.CLIENT}/24 dev weir-front",
            "link set weir-front up",
            f"route add 203.0.113.0/24 via {plan.WEIR_FRONT}",
        )
        self.servers.ip("link set weir-back master bridge up")

    def healthy(self):
        states = self.weir.member_states()
        return len(states) == len(self.members) and all(states.values())

    def wait_until_healthy(self):
        wait_until(self.healthy, HEALTHY_SECONDS, "all three members to be healthy", every=0.1)

    def wait_for_state(self, member, up, seconds=HEALTHY_SECONDS):
        word = "up" if up else "down"
        wait_until(
            lambda: self.weir.member_states().get(member.address) == up,
            seconds,
            f"{member.name} to be {word}",
        )

    def wait_for_rest(self, mbufs):
        """Waits until no more than `mbufs` are in use; returns how many are."""
        deadline = time.monotonic() + REST_SECONDS
        while (in_use := self.weir.mbufs_in_use()) > mbufs and time.monotonic() < deadline:
            time.sleep(0.1)
        return in_use

    def processes(self):
        outside = [self.outside and self.outside.process, self.outside_dns]
        behind = [process for member in self.members for process in member.processes()]
        return [process for process in [self.weir.process, *outside, *behind] if process]

    def stop(self):
        """Ends what was started, newest last, and removes every trace. Safe at any point."""
        with interrupts_held():
            for process in self.processes():
                process.stop()
            for namespace in self.namespaces():
                if namespace.exists():
                    namespace.delete()
            shutil.rmtree(self.directory, ignore_errors=True)

    def remember(self):
        """Writes down what a later `clean` must end."""
        processes = [[process.pid, start_time(process.pid)] for process in self.processes()]
        names = [namespace.name for namespace in self.namespaces()]
        record = {"processes": processes, "namespaces": names}
        (self.directory / RECORD).write_text(json.dumps(record), encoding="utf-8")


RECORD = "lab.json"


def clean(directory):
    """Ends a kept lab: only processes that are still the ones it started."""
    directory = Path(directory)
    record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    alive = [pid for pid, started in record["processes"] if started == start_time(pid)]
    for pid in alive:
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + 5
    while any(start_time(pid) for pid in alive) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in alive:
        if start_time(pid):
            os.killpg(pid, signal.SIGKILL)
    for name in record["namespaces"]:
        if Namespace(name).exists():
            check(["ip", "netns", "delete", name])
    shutil.rmtree(directory)


class interrupts_held:
    """Cleaning up is not interrupted by a second Ctrl-C."""

    def __enter__(self):
        self.before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __exit__(self, *_):
        signal.signal(signal.SIGINT, self.before)


def next_letter():
    """Labs of one process get names of their own: a, b, c, …"""
    next_letter.count = getattr(next_letter, "count", -1) + 1
    return chr(ord("a") + next_letter.count % 26)
