"""Does every refusal say what is wrong, where, and what to do, and change nothing?

Not here: every rule of the configuration check (`weir-core`'s own tests).
"""

import copy
import json
import os
import shutil
import signal
import socket
import time
import unittest

import configuration as plan
from harness import LabCase
from lab import Lab
from processes import run, wait_until
from weir import ControlError, binary

REFUSED = 2
FAILED = 1
# Of a unix socket's reply; a client that stops reading must be gone before it.
PATIENCE_SECONDS = 15
UNKNOWN_METHOD = -32601
NOT_JSON = -32700


class Refusals(LabCase):
    """A running appliance that is asked for what it must not do."""

    workers = 1

    def test_an_invalid_apply_names_every_pointer_and_changes_nothing(self):
        broken, pointers = plan.with_all_members_in_doubt(self.lab.document)
        before = self.generation()
        with self.assertRaises(ControlError) as refused:
            self.lab.weir.apply(broken)
        said = json.dumps(refused.exception.error)
        for pointer in pointers:
            self.assertIn(pointer, said)
        self.assertEqual(self.generation(), before)

    def test_weirctl_apply_prints_the_pointers_and_fails(self):
        broken, pointers = plan.with_all_members_in_doubt(self.lab.document)
        path = self.lab.directory / "broken.json"
        path.write_text(json.dumps(broken), encoding="utf-8")
        result = self.lab.weir.weirctl_result("apply", path)
        self.assertNotEqual(result.returncode, 0)
        for pointer in pointers:
            self.assertIn(pointer, result.stdout + result.stderr)

    def test_a_reload_of_an_invalid_file_is_logged_and_changes_nothing(self):
        broken, pointers = plan.with_all_members_in_doubt(self.lab.document)
        before = self.generation()
        logged = self.lab.weir.log.stat().st_size
        self.lab.weir.write(broken)
        self.addCleanup(self.forgive, logged)
        self.lab.weir.process.signal(signal.SIGHUP)
        for pointer in pointers:
            self.wait_for_log(pointer, logged)
        self.assertEqual(self.generation(), before)
        self.assertTrue(self.lab.weir.process.running())

    def test_a_reload_of_a_valid_file_takes_effect(self):
        before = self.generation()
        self.lab.weir.write(plan.with_idle_timeout(self.lab.document, 9))
        self.lab.weir.process.signal(signal.SIGHUP)
        wait_until(lambda: self.generation() != before, 5, "the reloaded generation")

    def test_a_second_daemon_is_told_that_the_socket_is_in_use(self):
        path = self.lab.directory / "second.json"
        document = copy.deepcopy(self.lab.document)
        document["appliance"]["stateDirectory"] = str(self.lab.directory / "second-state")
        path.write_text(json.dumps(document), encoding="utf-8")
        eal = ["--no-pci", "--file-prefix", f"second-{self.lab.suffix}", "--no-telemetry"]
        arguments = [binary("weir"), "--config", path, "--", *eal]
        result = self.lab.start_namespace.run(*arguments, timeout=30)
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn(str(self.lab.weir.socket), result.stderr)
        self.assertTrue(self.lab.weir.call("version"), "the first daemon lost its socket")

    def test_broken_lines_get_errors_and_the_connection_goes_on(self):
        with self.lab.weir.connect() as control:
            control.send_line(b"this is not JSON")
            self.assertEqual(control.read_reply()["error"]["code"], NOT_JSON)
            with self.assertRaises(ControlError) as unknown:
                control.call("reboot")
            self.assertEqual(unknown.exception.error["code"], UNKNOWN_METHOD)
            self.assertTrue(control.call("version"))

    def test_a_huge_line_is_refused_and_others_are_served(self):
        with self.lab.weir.connect() as control:
            try:
                for _ in range(20):
                    control.connection.sendall(b"x" * (1 << 20))
                control.send_line(b"")
                self.assertIn("error", control.read_reply())
            except OSError:
                pass  # Closing on the way is an answer as well.
            self.assertTrue(self.lab.weir.call("version"))

    def test_a_client_that_stops_reading_is_dropped(self):
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "get"}).encode() + b"\n"
        with self.lab.weir.connect() as control:
            control.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            control.connection.settimeout(1)
            deadline = time.monotonic() + PATIENCE_SECONDS
            with self.assertRaises(ConnectionError):
                while time.monotonic() < deadline:
                    try:
                        control.connection.sendall(line)
                    except TimeoutError:
                        continue
            self.assertTrue(self.lab.weir.call("version"))

    def generation(self):
        return self.lab.weir.call("status")["generation"]

    def wait_for_log(self, text, start):
        def logged():
            with open(self.lab.weir.log, encoding="utf-8", errors="replace") as log:
                log.seek(start)
                return text in log.read()

        wait_until(logged, 5, f"`{text}` in {self.lab.weir.log}")

    def forgive(self, size):
        """The refused reload may be logged at ERROR; nothing else may."""
        self.lab.weir.write(self.lab.document)
        os.truncate(self.lab.weir.log, size)


class Starts(unittest.TestCase):
    """An appliance that cannot start says so in one sentence with the fix."""

    def setUp(self):
        self.lab = NoLab()
        self.addCleanup(shutil.rmtree, self.lab.directory, ignore_errors=True)

    def test_an_unreadable_file_is_refused(self):
        result = self.lab.start("/nowhere/weir.json")
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        self.assertIn("/nowhere/weir.json", result.stderr)

    def test_text_that_is_not_json_is_refused_with_its_line(self):
        result = self.lab.start(self.lab.write('{"appliance": {\n"name": lab}}'))
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        self.assertIn("line 2", result.stderr)

    def test_an_invalid_configuration_is_refused_with_every_pointer(self):
        broken, pointers = plan.with_all_members_in_doubt(self.lab.document)
        result = self.lab.start(self.lab.write(broken))
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        for pointer in pointers:
            self.assertIn(pointer, result.stderr)

    def test_an_unknown_device_is_named(self):
        self.lab.document["appliance"]["ports"][0]["device"] = "net_unheard_of0"
        result = self.lab.start(self.lab.write(self.lab.document))
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn("net_unheard_of0", result.stderr)

    def test_too_few_processors_for_polling_workers_are_named(self):
        self.lab.document["appliance"]["workers"] = 16
        self.lab.document["appliance"]["idle"] = "Poll"
        result = self.lab.start(self.lab.write(self.lab.document))
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn("lower appliance.workers", result.stderr)

    def test_an_lcore_that_does_not_exist_is_named(self):
        self.lab.document["appliance"]["workers"] = 1
        self.lab.document["appliance"]["lcores"] = {"control": 0, "workers": [999]}
        result = self.lab.start(self.lab.write(self.lab.document))
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn("processor 999", result.stderr)

    def test_missing_privileges_are_one_sentence(self):
        shutil.copy(binary("weir"), self.lab.directory / "weir")
        unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        unprivileged += ["--inh-caps=-all", "--bounding-set=-all", "--"]
        path = self.lab.write(self.lab.document)
        result = self.lab.start(path, prefix=unprivileged, program=self.lab.directory / "weir")
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertRegex(result.stderr, "CAP_|root|privilege")
        self.assertNotIn("panicked", result.stderr)


class NoLab:
    """A directory and a configuration, but no network: these daemons never get that far."""

    def __init__(self):
        lab = Lab(1)
        self.directory = lab.directory
        self.document = lab.document
        self.suffix = lab.suffix

    def write(self, document):
        path = self.directory / "weir.json"
        text = document if isinstance(document, str) else json.dumps(document)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, path, *eal, prefix=(), program=None):
        common = ["--no-pci", "--file-prefix", f"weir-{self.suffix}", "--no-telemetry"]
        daemon = [program or binary("weir"), "--config", path, "--", *common, *eal]
        # A network of its own, so that a daemon that starts after all disturbs nobody.
        return run(["unshare", "--net", "--", *prefix, *daemon], timeout=30)


if __name__ == "__main__":
    unittest.main(verbosity=2)
