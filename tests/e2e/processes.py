"""How are programs started inside a namespace, and how do they surely end?

Every long-lived program gets a session of its own and is ended by its own id. Unless the lab is
kept, the kernel ends it as well when this process dies (`setpriv --pdeathsig`).

Not here: which programs the lab needs (`servers.py`, `weir.py`).
"""

import os
import signal
import subprocess
import time

STOP_SECONDS = 5.0


class Failure(Exception):
    """Something that the reader of the output can understand and act on."""


class Namespace:
    """A network namespace of our own. Only the network is separate: `nsenter`, not
    `ip netns exec`, so that mounts made by the program are seen by everyone."""

    def __init__(self, name):
        self.name = name

    def create(self):
        check(["ip", "netns", "add", self.name])
        self.ip("link set lo up")
        # Router solicitations would be noise in counters that tests compare exactly.
        self.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")

    def delete(self):
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)

    def exists(self):
        return os.path.exists(f"/run/netns/{self.name}")

    def command(self, arguments):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *map(str, arguments)]

    def ip(self, *lines):
        """Runs `ip` commands, one a line, in this namespace."""
        check(["ip", "-n", self.name, "-batch", "-"], text="\n".join(lines) + "\n")

    def sysctl(self, *settings):
        check(self.command(["sysctl", "-q", "-w", *settings]))

    def has_link(self, name):
        arguments = ["ip", "-n", self.name, "link", "show", "dev", name]
        return subprocess.run(arguments, capture_output=True, check=False).returncode == 0

    def run(self, *arguments, timeout=60, text=None):
        """Runs a program to its end; the caller looks at its exit code."""
        return run(self.command(arguments), timeout=timeout, text=text)

    def output(self, *arguments, timeout=60):
        """What a program prints; a failing program is a `Failure` with its own words."""
        return check(self.command(arguments), timeout=timeout)

    def start(self, arguments, log, keep=False):
        return Process(self.command(arguments), log, keep)


class Process:
    """A long-lived program and the file its output goes to."""

    def __init__(self, arguments, log, keep=False):
        prefix = [] if keep else ["setpriv", "--pdeathsig", "TERM", "--"]
        self.log = log
        self.arguments = list(map(str, arguments))
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                prefix + self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self.child.pid

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def wait(self, seconds):
        """The exit code, or None when the program is still there after `seconds`."""
        try:
            return self.child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        """Asks, waits, and at last kills the whole session; returns the exit code."""
        self.signal(signal.SIGTERM)
        if self.wait(STOP_SECONDS) is None:
            self.kill()
        return self.child.returncode

    def kill(self):
        """Ends the program and its children at once, as a crash would."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()

    def tail(self, lines=15):
        with open(self.log, encoding="utf-8", errors="replace") as output:
            return "".join(output.readlines()[-lines:])


def run(arguments, timeout=60, text=None):
    return subprocess.run(
        list(map(str, arguments)),
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def check(arguments, timeout=60, text=None):
    result = run(arguments, timeout, text)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise Failure(f"`{' '.join(map(str, arguments))}` ended with {result.returncode}: {said}")
    return result.stdout


def wait_until(claim, seconds, what, every=0.05):
    """Polls until `claim()` is true; says what was waited for when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(every)


def start_time(pid):
    """When a process started, in clock ticks since boot: tells a reused id from the old one."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return int(stat.read().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None
