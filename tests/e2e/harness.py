"""What must hold after every end-to-end test, whatever it did?

    the accounting identity   every packet received or originated has exactly one outcome
    no leak                   mbufs in use return to what they were at rest
    no allocation             workers never touched the heap after their start
    no error                  nothing was logged at ERROR
    a clean end               SIGTERM, exit code 0, within five seconds

`WORKERS=2 python3 -m unittest` narrows the worker counts.

Not here: the claims themselves (`test_*.py`).
"""

import json
import os
import shutil
import sys
import time
import unittest

from lab import Lab
from processes import STOP_SECONDS, Failure
from servers import HERE
from weir import ControlError, target_directory

WORKER_COUNTS = (1, 2, 4)


def with_each_worker_count(base):
    """Class decorator: makes one test case per worker count out of `base`, beside it."""
    module = sys.modules[base.__module__]
    wanted = [int(count) for count in os.environ.get("WORKERS", "").split()]
    for workers in wanted or WORKER_COUNTS:
        plural = "Worker" if workers == 1 else "Workers"
        name = f"{base.__name__}With{workers}{plural}"
        body = {"workers": workers, "__module__": base.__module__, "__doc__": base.__doc__}
        setattr(module, name, type(name, (base, LabCase), body))
    return base


class WordCase(unittest.TestCase):
    """A test case with an appliance without traffic: only its word counts."""

    def setUp(self):
        self.lab = Lab(1)
        self.addCleanup(self.lab.stop)
        self.lab.start_namespace.create()
        self.weir = self.lab.weir
        self.weir.start()

    def refused(self, method, **parameters):
        with self.assertRaises(ControlError) as raised:
            self.weir.call(method, **parameters)
        return raised.exception.error


class LabCase(unittest.TestCase):
    """A test case with a lab of its own. `workers` is set by `with_each_worker_count`."""

    workers = 1
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(cls.workers)
        cls.lab.__enter__()
        cls.addClassCleanup(cls.lab.stop)
        cls.addClassCleanup(cls.keep_log)
        # Let the probes' first connections end: what is left is what the rings hold at rest.
        time.sleep(1)
        cls.mbufs_at_rest = cls.lab.weir.mbufs_in_use()

    @classmethod
    def tearDownClass(cls):
        weir = cls.lab.weir
        started = time.monotonic()
        weir.process.signal(15)
        code = weir.process.wait(STOP_SECONDS)
        assert code == 0, f"SIGTERM: exit code {code} after {time.monotonic() - started:.1f} s"
        errors = weir.errors_logged()
        assert not errors, f"logged at ERROR: {errors}"

    @classmethod
    def keep_log(cls):
        """Leaves the daemon's log where someone who looks into a failure finds it."""
        logs = target_directory() / "e2e"
        logs.mkdir(parents=True, exist_ok=True)
        shutil.copy(cls.lab.weir.log, logs / f"{cls.__name__}.log")

    def tearDown(self):
        self.expect_rest()
        counters = self.lab.weir.counters()
        self.expect_accounts(counters)
        self.assertEqual(counters["worker_allocations"], 0, "heap allocations on workers")

    def expect_rest(self):
        in_use = self.lab.wait_for_rest(self.mbufs_at_rest)
        self.assertLessEqual(in_use, self.mbufs_at_rest, "mbufs still in use at rest")

    def expect_accounts(self, counters):
        """Probes and neighbours never rest for long, so a reading may catch a packet on its way;
        at rest one of a few readings does not."""
        for _ in range(20):
            entered, left = entered_and_left(counters)
            handed = counters["handoff_out_packets"], counters["handoff_in_packets"]
            if entered == left and handed[0] == handed[1]:
                return
            time.sleep(0.1)
            counters = self.lab.weir.counters()
        self.fail(f"entered {entered}, left {left}; handed off {handed}: {nonzero(counters)}")

    def ask(self, *arguments, seconds=60):
        """Runs `peer.py` on the client and returns what it counted."""
        text = self.lab.client.output(
            sys.executable, HERE / "peer.py", *arguments, timeout=seconds
        )
        return json.loads(text)

    def in_background(self, namespace, *arguments):
        """Starts `peer.py`; `finish` gives its count."""
        number = len(list(self.lab.directory.glob("peer-*.json")))
        log = self.lab.directory / f"peer-{number}.json"
        process = namespace.start([sys.executable, HERE / "peer.py", *arguments], log)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, seconds=60):
        code = process.wait(seconds)
        if code != 0:
            raise Failure(f"{' '.join(process.arguments)} ended with {code}: {process.tail()}")
        return json.loads(process.log.read_text(encoding="utf-8"))


def entered_and_left(counters):
    """Both sides of the accounting identity, without packets in flight."""
    entered = ("rx_packets", "rx_kernel_packets", "originated_packets")
    left = ("tx_packets", "answered_packets", "punted_packets", "dropped_packets")
    return sum(counters[name] for name in entered), sum(counters[name] for name in left)


def nonzero(counters):
    return {name: value for name, value in sorted(counters.items()) if value}


def note(text):
    """A measured number that a reader of the test's output wants to see."""
    print(f"\n    {text}", file=sys.stderr, flush=True)
