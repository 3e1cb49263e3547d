"""Where does the appliance stand while its control side is measured?

                     wc-start-N (weir's process)
    wc-client-N      ┌──────────────────────┐      wc-members-N
    weir-front ◄─tap─┤ front           back ├─tap─► weir-back
    198.51.100.254   └──────────────────────┘       every address of 10.1.0.0/17
    20 connections       wc-twin-N: kernel twins    answers probes, echoes

Two workers, each with a queue of both ports; no hugepages, no PCI. One process answers for all
members: the kernel of its namespace has the whole prefix as its own.

Not here: what the processes say (`peers.py`), what is measured (`steps.py`).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import document as plan
from processes import Failure, Namespace, wait_until
from weir import Control, Weir, move_kernel_ends

HERE = Path(__file__).resolve().parent
# DPDK leaves a directory for each file prefix.
DPDK_DIRECTORY = Path("/var/run/dpdk")
START_SECONDS = 30
HEALTHY_SECONDS = 60
QUIET_SECONDS = 2
STOP_SECONDS = 5


class Peer:
    """`peers.py` in a namespace: a command a line, an answer a line."""

    def __init__(self, namespace, role, log):
        program = [sys.executable, "-B", HERE / "peers.py", role]
        command = ["setpriv", "--pdeathsig", "TERM", "--", *namespace.command(program)]
        with open(log, "ab") as errors:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self.role = role
        self.answer()

    def say(self, command):
        self.child.stdin.write(command.encode() + b"\n")
        self.child.stdin.flush()

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            raise Failure(f"the {self.role} ended with {self.child.wait()}")
        return json.loads(line)

    def ask(self, command):
        self.say(command)
        return self.answer()

    def stop(self):
        self.child.stdin.close()
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()


class Stage:
    """Namespaces, peers and the appliance; left as it was found."""

    def __init__(self):
        suffix = str(os.getpid() % 1_000_000)
        self.directory = Path(tempfile.mkdtemp(prefix="weir-control-"))
        names = ("start", "twin", "client", "members")
        made = [Namespace(f"wc-{name}-{suffix}") for name in names]
        self.start_namespace, self.twin, self.client, self.members = made
        self.taps = (f"cf{suffix}", f"cb{suffix}")
        self.prefix = f"weir-control-{suffix}"
        devices = (f"net_tap0,iface={self.taps[0]}", f"net_tap1,iface={self.taps[1]}")
        appliance = plan.appliance(devices, self.twin.name, self.directory)
        self.whole, self.small = plan.whole(appliance), plan.small(appliance)
        self.weir = Weir(self.start_namespace, self.directory, self.small, self.prefix)
        self.peers = []

    def __enter__(self):
        try:
            for namespace in (self.start_namespace, self.client, self.members):
                namespace.create()
            self.start_peers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, kind=None, *_):
        if self.weir.process:
            self.weir.process.stop()
            if kind is not None and issubclass(kind, Failure):
                print(self.weir.process.tail(), file=sys.stderr)
        for peer in self.peers:
            peer.stop()
        for namespace in (self.twin, self.client, self.members, self.start_namespace):
            if namespace.exists():
                namespace.delete()
        for directory in (self.directory, DPDK_DIRECTORY / self.prefix):
            shutil.rmtree(directory, ignore_errors=True)

    def start_peers(self):
        self.members.ip(f"route add local {plan.MEMBERS_PREFIX} dev lo")
        log = self.directory / "peers.log"
        for namespace, role in ((self.members, "members"), (self.client, "clients")):
            self.peers.append(Peer(namespace, role, log))
        self.member_peer, self.client_peer = self.peers

    def start_weir(self, document):
        """Starts with `document` as the file; the seconds until it answers."""
        self.weir.write(document)
        began = time.monotonic()
        process = self.start_namespace.start(self.weir.arguments(), self.weir.log)
        self.weir.process = process
        while True:
            try:
                self.weir.call("version")
                return time.monotonic() - began
            except (ConnectionRefusedError, FileNotFoundError):
                pass
            waited = time.monotonic() - began
            if not process.running() or waited > START_SECONDS:
                raise Failure(f"weir did not start: {process.tail()}")
            time.sleep(0.002)

    def join(self):
        """Moves the taps' kernel ends to the peers, with a MAC address of their own."""
        move_kernel_ends(self.start_namespace, self.taps, self.client, self.members)
        self.client.ip(
            f"address add {plan.CLIENT}/24 dev weir-front",
            "link set weir-front up",
            f"route add 203.0.113.0/24 via {plan.FRONT}",
        )
        self.members.ip(
            f"address add {plan.MEMBERS_GATEWAY}/16 dev weir-back",
            "link set weir-back up",
            f"route add default via {plan.BACK}",
        )

    def wait_until_all_are_up(self):
        def all_up():
            states = self.weir.member_states()
            return states and all(states.values())

        wait_until(all_up, HEALTHY_SECONDS, "all members to be up", every=0.5)

    def wait_until_quiet(self):
        """Until no generation is published by itself: what a start or a change has set off
        (probes, neighbours) is over."""

        def quiet():
            before = self.generation()
            time.sleep(QUIET_SECONDS)
            return self.generation() == before

        wait_until(quiet, HEALTHY_SECONDS, "the generation to stay as it is")

    def generation(self):
        return self.weir.call("status")["generation"]

    def connect(self):
        return Control(self.weir.socket)

    def resident_bytes(self):
        """Memory of the process that is in use."""
        status = Path(f"/proc/{self.weir.process.pid}/status").read_text(encoding="ascii")
        (kibibytes,) = [line.split()[1] for line in status.splitlines() if "VmRSS" in line]
        return int(kibibytes) * 1024
