"""How is the emulated machine run, spoken to, and its cards connected?

    shell    its second serial line: a command in, its output and exit code back
    monitor  QMP: a link goes down and comes back
    wires    one unix datagram socket a card, one frame a datagram

Not here: what is in the machine (`image.py`), frames (`frames.py`).
"""

import json
import os
import queue
import socket
import threading
import time

import frames
from image import DEVICES, HUGEPAGES
from processes import Failure, Process, wait_until

BOOT_SECONDS = 90
COMMAND_SECONDS = 30
MEMORY_MEGABYTES = 1024
MARK = "@@ "


class Wire:
    """The far end of a card: a switch port behind which the hosts in `addresses` answer ARP."""

    def __init__(self, directory, name):
        self.name = name
        self.card, self.path = directory / f"{name}-card", directory / f"{name}-wire"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.received = queue.Queue()
        self.addresses = set()
        threading.Thread(target=self.listen, daemon=True).start()

    def netdev(self):
        ends = f"local.type=unix,local.path={self.card},remote.type=unix,remote.path={self.path}"
        return f"dgram,id={self.name},{ends}"

    def listen(self):
        while True:
            try:
                frame = self.socket.recv(65536)
            except OSError:
                return
            answer = frames.arp_answer(frame, self.addresses)
            if answer:
                self.send(answer)
            elif frames.is_ours(frame):
                self.received.put(frame)

    def send(self, frame):
        self.socket.sendto(frame, str(self.card))

    def take(self, count, seconds):
        """The next `count` IPv4 frames, or as many as came in time."""
        taken = []
        deadline = time.monotonic() + seconds
        while len(taken) < count:
            try:
                left = max(deadline - time.monotonic(), 0)
                taken.append(self.received.get(timeout=left))
            except queue.Empty:
                break
        return taken

    def close(self):
        self.socket.close()


class Guest:
    """The machine: boots on `start`, ends on `stop`."""

    def __init__(self, emulator, directory, image):
        self.emulator = emulator
        self.directory = directory
        self.image = image
        self.front, self.back = Wire(directory, "front"), Wire(directory, "back")
        self.console = directory / "console.log"
        self.process = None
        self.shell = None
        self.monitor = None

    def arguments(self):
        directory = self.directory
        arguments = [self.emulator.program, "-nodefaults", "-display", "none", "-no-reboot"]
        for data in self.emulator.data_directories():
            arguments += ["-L", data]
        arguments += ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"]
        arguments += ["-smp", "2", "-m", str(MEMORY_MEGABYTES)]
        arguments += ["-kernel", self.emulator.kernel(), "-initrd", self.image]
        line = f"console=ttyS0 quiet panic=-1 intel_iommu=on hugepages={HUGEPAGES} tsc=reliable"
        arguments += ["-append", line]
        arguments += ["-device", "intel-iommu,intremap=on,aw-bits=48"]
        for wire, device in zip((self.front, self.back), DEVICES):
            place = f"bus=pcie.0,addr={device.split(':')[2].split('.')[0]}"
            arguments += ["-netdev", wire.netdev()]
            arguments += ["-device", f"igb,id=card-{wire.name},netdev={wire.name},{place},romfile="]
        arguments += ["-serial", f"file:{self.console}"]
        arguments += ["-serial", f"unix:{directory}/shell,server=on,wait=off"]
        arguments += ["-qmp", f"unix:{directory}/monitor,server=on,wait=off"]
        return arguments

    def start(self):
        environment = self.emulator.environment
        if environment:
            os.environ["LD_LIBRARY_PATH"] = environment["LD_LIBRARY_PATH"]
        try:
            self.process = Process(self.arguments(), self.directory / "emulator.log")
        finally:
            if environment:
                del os.environ["LD_LIBRARY_PATH"]
        self.shell = self.connect("shell")
        self.monitor = self.connect("monitor")
        self.monitor.read(COMMAND_SECONDS)
        self.ask_monitor("qmp_capabilities")
        while self.shell.read(BOOT_SECONDS) != "ready":
            pass

    def connect(self, name):
        def attempt():
            if not self.process.running():
                raise Failure(f"the emulator ended: {self.process.tail()}")
            try:
                return Line(self.directory / name)
            except (ConnectionRefusedError, FileNotFoundError):
                return None

        return wait_until(attempt, BOOT_SECONDS, f"the emulator's {name}")

    def ask_monitor(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            reply = json.loads(self.monitor.read(COMMAND_SECONDS))
            if "error" in reply:
                raise Failure(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    def set_link(self, wire, up):
        self.ask_monitor("set_link", name=wire.name, up=up)

    def begin(self, command):
        """Starts a shell command whose last line of output will be its exit code, marked."""
        self.shell.write(f'{command}; code=$?; echo; echo "{MARK}$code"')

    def run(self, command, seconds=COMMAND_SECONDS):
        """What a shell command in the guest prints, and its exit code."""
        self.begin(command)
        lines = []
        while True:
            line = self.shell.read(seconds)
            if line.startswith(MARK):
                return "\n".join(lines), int(line.removeprefix(MARK))
            lines.append(line)

    def check(self, command, seconds=COMMAND_SECONDS):
        text, code = self.run(command, seconds)
        if code != 0:
            raise Failure(f"in the guest `{command}` ended with {code}: {text}\n{self.tail()}")
        return text

    def tail(self):
        text = self.console.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-20:])

    def stop(self):
        for line in (self.shell, self.monitor):
            if line:
                line.close()
        for wire in (self.front, self.back):
            wire.close()
        if self.process:
            self.process.stop()


class Line:
    """A stream of lines over a unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.rest = b""

    def write(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def read(self, seconds):
        self.socket.settimeout(seconds)
        while b"\n" not in self.rest:
            try:
                more = self.socket.recv(65536)
            except TimeoutError as error:
                raise Failure(f"the guest said nothing for {seconds} s") from error
            if not more:
                raise Failure("the guest ended")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def close(self):
        self.socket.close()
