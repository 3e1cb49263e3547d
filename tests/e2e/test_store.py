"""Does what was applied survive a restart, a crash, a full disk and an edited file?

Not here: every kind of damage to a stored file (the daemon's own tests).
"""

import copy
import json
import random
import shutil
import signal
import threading
import time
import unittest

import configuration as plan
from harness import note
from lab import Lab
from processes import check, wait_until
from weir import ControlError, binary

REFUSED = 2
FAILED = 1
KEPT = 11
APPLIES = 1000
CRASHES = 4
DISK_KIB = 128
NOT_STORED = -32004


class Restarts(unittest.TestCase):
    """An appliance that is started again and again. No traffic: only its word counts."""

    def setUp(self):
        self.lab = Lab(1)
        self.addCleanup(self.lab.stop)
        self.lab.start_namespace.create()
        self.weir = self.lab.weir
        self.state = self.lab.directory / "state"
        self.weir.start()

    def test_an_applied_configuration_survives_a_restart(self):
        number = self.weir.apply(self.variant(9))["number"]
        self.restart()
        self.assertEqual(self.minutes(), 9)
        self.wait_for_log(f"starting with the stored configuration {self.state}/applied-{number}")
        newest = self.in_force()
        self.assertEqual(newest["number"], number, "a restart stores nothing new")
        self.assertEqual(newest["appliedBy"]["source"], "Socket")
        self.assertEqual(newest["appliedBy"]["user"], 0)

    def test_a_file_that_changed_is_the_last_word_and_stays_it(self):
        applied = self.weir.apply(self.variant(9))["number"]
        self.weir.write(self.variant(7))
        self.restart()
        self.assertEqual(self.minutes(), 7)
        self.wait_for_log(f"weirctl rollback {applied}")
        self.restart()
        self.assertEqual(self.minutes(), 7)
        self.assertEqual(self.in_force()["appliedBy"], {"source": "File", "user": None, "process": None})

    def test_a_directory_with_one_edited_file_is_the_last_word(self):
        directory = self.split()
        self.restart()
        applied = self.weir.apply(self.variant(9))["number"]
        self.restart()
        self.assertEqual(self.minutes(), 9, "no file has changed")
        self.wait_for_log(f"{directory} has not changed since")
        self.write_part(self.variant(7)["resources"], "20-resources.json")
        self.restart()
        self.assertEqual(self.minutes(), 7)
        self.wait_for_log(f"weirctl rollback {applied}")
        self.assertEqual(self.in_force()["appliedBy"]["source"], "File")
        self.weir.apply(self.variant(9))
        self.restart()
        self.assertEqual(self.minutes(), 9, "it was applied after the edit")
        (directory / "20-resources.json").rename(directory / "30-resources.json")
        self.restart()
        self.assertEqual(self.minutes(), 7, "a renamed file is a change")

    def test_a_directory_is_read_again_and_a_refusal_names_the_file(self):
        directory = self.split()
        self.restart()
        path = self.write_part(self.variant(7)["resources"], "20-resources.json")
        self.weir.process.signal(signal.SIGHUP)
        wait_until(lambda: self.minutes() == 7, 5, "the directory to be read again")
        appliance = copy.deepcopy(self.lab.document["appliance"])
        appliance["workers"] += 1
        self.write_part({"appliance": appliance}, "10-appliance.json")
        self.weir.process.signal(signal.SIGHUP)
        self.wait_for_log(f"{directory}/10-appliance.json: /appliance/workers: RestartRequired")
        self.weir.log.write_text("", encoding="utf-8")
        self.end()
        broken, pointers = plan.with_all_members_in_doubt(self.lab.document)
        self.write_part(broken["resources"], path.name)
        result = self.lab.start_namespace.run(*self.weir.arguments(), timeout=30)
        self.assertEqual(result.returncode, REFUSED, result.stderr)
        for pointer in pointers:
            self.assertIn(f"{path}: {pointer.removeprefix('/resources')}: ", result.stderr)
        self.assertIn("--stored ", result.stderr)

    def test_a_file_that_was_read_again_is_overruled_by_what_is_applied_after(self):
        self.weir.write(self.variant(7))
        self.weir.process.signal(signal.SIGHUP)
        wait_until(lambda: self.in_force_or({}).get("appliedBy", {}).get("source") == "Signal",
                   5, "the reloaded file to be stored")
        self.weir.apply(self.variant(9))
        self.restart()
        self.assertEqual(self.minutes(), 9)

    def test_ignore_stored_starts_with_the_file_and_stored_with_a_number(self):
        first = self.in_force()["number"]
        applied = self.weir.apply(self.variant(9))["number"]
        self.restart("--ignore-stored")
        self.assertNotEqual(self.minutes(), 9)
        self.restart("--stored", applied)
        self.assertEqual(self.minutes(), 9)
        self.assertEqual(self.in_force()["restores"], applied)
        self.restart()
        self.assertEqual(self.minutes(), 9, "the last word was --stored")
        self.assertLess(first, applied)

    def test_rollback_goes_to_the_one_before_or_to_a_number(self):
        first = self.in_force()["number"]
        for minutes in (5, 6, 7):
            self.weir.apply(self.variant(minutes))
        dry = self.weir.call("rollback", dryRun=True)
        self.assertTrue(dry["changed"])
        self.assertEqual(self.minutes(), 7)
        self.assertIn("Stored as number", self.weir.weirctl("rollback"))
        self.assertEqual(self.minutes(), 6)
        self.weir.call("rollback", to=first)
        self.assertEqual(self.minutes(), plan_minutes(self.lab.document))
        self.assertEqual(self.in_force()["restores"], first)
        self.restart()
        self.assertEqual(self.minutes(), plan_minutes(self.lab.document))
        with self.assertRaises(ControlError) as refused:
            self.weir.call("rollback", to=999)
        self.assertEqual(refused.exception.error["code"], NOT_STORED)
        shown = self.weir.weirctl("history")
        self.assertIn("in force", shown)
        self.assertIn(f"rolled back to {first}", shown)
        self.assertEqual(len(json.loads(self.weir.weirctl("history", "-o", "json"))["configurations"]), 6)

    def test_the_newest_eleven_are_kept_and_the_same_again_is_not_stored_again(self):
        for minutes in range(4, 20):
            last = self.weir.apply(self.variant(minutes))["number"]
        self.assertEqual(self.weir.apply(self.variant(19))["number"], last)
        kept = [one["number"] for one in self.weir.call("history")["configurations"]]
        self.assertEqual(kept, list(range(last, last - KEPT, -1)))
        self.assertEqual(len(list(self.state.glob("applied-*.json"))), KEPT)

    def test_a_damaged_newest_file_is_refused_with_the_way_on(self):
        for minutes in (8, 9):
            last = self.weir.apply(self.variant(minutes))["number"]
        self.end()
        path = self.state / f"applied-{last}.json"
        path.write_bytes(path.read_bytes()[:-40])
        result = self.lab.start_namespace.run(*self.weir.arguments(), timeout=30)
        self.assertEqual(result.returncode, FAILED, result.stderr)
        for part in (str(path), "is cut off", f"--stored {last - 1}", "--ignore-stored"):
            self.assertIn(part, result.stderr)
        self.run_again("--stored", last - 1)
        self.assertEqual(self.minutes(), 8)
        self.restart()
        self.assertEqual(self.minutes(), 8)
        self.assertIn("damaged", self.weir.weirctl("history"))

    def test_a_refused_file_names_the_stored_configuration_to_go_on_with(self):
        number = self.weir.apply(self.variant(9))["number"]
        self.end()
        self.weir.write(plan.with_all_members_in_doubt(self.lab.document)[0])
        before = self.lab.start_namespace.run(*self.weir.arguments(), timeout=30)
        self.assertEqual(before.returncode, REFUSED, before.stderr)
        self.assertIn(f"--stored {number}", before.stderr)
        self.run_again("--stored", number)
        self.assertEqual(self.minutes(), 9)

    def test_two_appliances_with_one_state_directory_are_refused(self):
        document = copy.deepcopy(self.lab.document)
        document["appliance"]["controlSocket"] = str(self.lab.directory / "second.sock")
        path = self.lab.directory / "second.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        eal = ["--no-pci", "--file-prefix", f"second-{self.lab.suffix}", "--no-telemetry"]
        arguments = [binary("weir"), "--config", path, "--", *eal]
        result = self.lab.start_namespace.run(*arguments, timeout=30)
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn(f"{self.state} is in use by another weir", result.stderr)

    def test_a_full_and_a_read_only_disk_keep_nothing_from_coming_in_force(self):
        self.end()
        shutil.rmtree(self.state)
        self.state.mkdir(mode=0o750)
        check(["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k,mode=750", "weir-lab", self.state])
        self.addCleanup(check, ["umount", "--lazy", self.state])
        self.run_again()
        good = self.weir.apply(self.variant(5))["number"]
        ballast = self.state / "ballast"
        fill(ballast)
        self.expect_unstored(6, "No space left on device")
        self.assertIn("not stored", self.weir.weirctl("history"))
        self.assertEqual(self.weir.counters()["configurations_not_persisted"], 1)
        self.assertEqual(list(self.state.glob(".applied-*")), [], "a temporary file was left")
        ballast.unlink()
        kept = self.weir.apply(self.variant(6))["number"]
        self.assertGreater(kept, good)
        check(["mount", "-o", "remount,ro", self.state])
        self.expect_unstored(7, "Read-only file system")
        self.restart()
        self.assertEqual(self.minutes(), 6, "what was stored is what a restart begins with")
        check(["mount", "-o", "remount,rw", self.state])
        wait_until(self.in_force_or, 15, "what could not be stored to be stored after all")
        self.weir.log.write_text("", encoding="utf-8")

    def test_a_process_killed_in_the_middle_of_a_thousand_applies_starts_with_the_last(self):
        seed = time.time_ns()
        note(f"seed {seed}")
        moments = random.Random(seed)
        for _ in range(CRASHES):
            confirmed, begun = self.kill_while_applying(moments.uniform(0.2, 2))
            self.run_again()
            self.assertIn(self.minutes(), {confirmed, begun}, "a confirmed configuration is lost")
            left = list(self.state.glob(".applied-*"))
            self.assertEqual(left, [], "half-written files outlive a start")
            self.assertLessEqual(len(list(self.state.glob("applied-*.json"))), KEPT)

    def kill_while_applying(self, seconds):
        """Applies until the process is gone; the last one confirmed, and the one under way."""
        timer = threading.Timer(seconds, self.weir.process.kill)
        timer.start()
        confirmed = begun = self.minutes()
        count = 0
        with self.weir.connect() as control:
            try:
                for count in range(APPLIES):
                    begun = 4 + (begun - 3) % 26
                    control.call("apply", configuration=self.variant(begun))
                    confirmed = begun
            except Exception as ended:  # noqa: BLE001 - whatever a killed peer looks like
                note(f"killed after {count} applies: {ended}")
        timer.join()
        return confirmed, begun

    def expect_unstored(self, minutes, cause):
        reply = self.weir.apply(self.variant(minutes))
        self.assertIsNone(reply["number"])
        warnings = [one for one in reply["warnings"] if one["code"] == "NotPersisted"]
        self.assertEqual(len(warnings), 1, reply)
        self.assertIn(cause, warnings[0]["message"])
        self.assertIn(str(self.state), warnings[0]["message"])
        self.assertEqual(self.minutes(), minutes)

    def split(self):
        """From the next start on, the configuration is a directory of two files."""
        self.weir.configuration = self.lab.directory / "parts"
        self.weir.configuration.mkdir()
        self.write_part({"appliance": self.lab.document["appliance"]}, "10-appliance.json")
        self.write_part(self.lab.document["resources"], "20-resources.json")
        return self.weir.configuration

    def write_part(self, part, name):
        path = self.weir.configuration / name
        path.write_text(json.dumps(part), encoding="utf-8")
        return path

    def variant(self, minutes):
        return plan.with_idle_timeout(self.lab.document, minutes)

    def minutes(self):
        """The idle timeout of the configuration in force."""
        return plan_minutes(self.weir.call("get")["configuration"])

    def in_force(self):
        found = wait_until(self.in_force_or, 5, "the configuration in force to be stored")
        return found

    def in_force_or(self, otherwise=None):
        stored = self.weir.call("history")["configurations"]
        return next((one for one in stored if one["inForce"]), otherwise)

    def end(self):
        self.assertEqual(self.weir.process.stop(), 0)

    def restart(self, *options):
        self.end()
        self.run_again(*options)

    def run_again(self, *options):
        """Starts the process without touching its file."""
        self.weir.start_again(*options)

    def wait_for_log(self, text):
        def logged():
            return text in self.weir.log.read_text(encoding="utf-8", errors="replace")

        wait_until(logged, 5, f"`{text}` in {self.weir.log}")


def plan_minutes(document):
    rules = document["resources"][-1]["properties"]["loadBalancingRules"]
    return rules[0]["properties"].get("idleTimeoutInMinutes", 4)


def fill(path):
    """Writes until the disk is full to the last byte."""
    with open(path, "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
