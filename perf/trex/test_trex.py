"""Do the arithmetic, the checks and the tables hold, without TRex and without Weir?

    python3 -m unittest discover --start-directory perf/trex

Not here: a run against the real daemon (`run`).
"""

import os
import subprocess
import sys
import unittest
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "e2e")]

import appliance  # noqa: E402
import checks  # noqa: E402
import frames  # noqa: E402
import network  # noqa: E402
import report  # noqa: E402
import session  # noqa: E402


class Flows(unittest.TestCase):
    def test_every_number_has_a_client_of_its_own_and_is_found_by_it(self):
        for count in (1, 7, 256, 512, network.FLOWS_MAX):
            flows = network.Flows("tcp", count)
            clients = [flows.client(number) for number in range(count)]
            self.assertEqual(len(set(clients)), count)
            for number in {0, count // 2, count - 1}:
                self.assertEqual(flows.number(*clients[number]), number)

    def test_a_strange_client_has_no_number(self):
        flows = network.Flows("udp", 512)
        for address, port in (("198.18.0.0", 1024), ("198.18.0.3", 1024), ("198.18.0.1", 1280)):
            self.assertIsNone(flows.number(address, port))

    def test_counts_that_leave_a_row_unfilled_are_refused(self):
        for count in (0, 257, 1000, network.FLOWS_MAX + 256):
            with self.assertRaises(ValueError):
                network.Flows("tcp", count)

    def test_clients_members_and_the_timed_flow_do_not_meet(self):
        flows = network.Flows("tcp", network.FLOWS_MAX)
        self.assertIsNone(flows.number(*checks.TIMED))
        members = network.members(network.MEMBERS_MAX)
        self.assertEqual(len({member.address for member in members}), network.MEMBERS_MAX)
        self.assertEqual(len({member.mac for member in members}), network.MEMBERS_MAX)


class Frames(unittest.TestCase):
    def test_checksum_of_the_example_of_rfc_1071(self):
        self.assertEqual(frames.checksum(bytes.fromhex("0001f203f4f5f6f7")), 0xFFFF - 0xDDF2)

    def test_a_frame_has_its_length_and_checksums_that_sum_up_to_nothing(self):
        for protocol in frames.PROTOCOLS:
            for length, _ in frames.IMIX:
                data = frames.request(protocol, "198.18.0.1", 1024, length=length).bytes()
                self.assertEqual(len(data), length)
                self.assertEqual(frames.checksum(data[14:34]), 0)
                pseudo = data[26:34] + bytes([0, data[23]]) + (length - 34).to_bytes(2, "big")
                self.assertEqual(frames.checksum(pseudo + data[34:]), 0)

    def test_a_datagram_without_a_checksum_keeps_none(self):
        frame = frames.request("udp", "198.18.0.1", 1024, checksummed=False)
        member = network.members(1)[0]
        for data in (frame.bytes(), frames.forwarded_request(frame, member).bytes()):
            self.assertEqual(data[40:42], b"\0\0")

    def test_ends_are_read_as_they_were_written(self):
        data = frames.request("tcp", "198.18.3.4", 1030).bytes()
        ends = frames.Ends("tcp", "198.18.3.4", 1030, network.FRONTEND, 80)
        self.assertEqual(frames.ends_of(data), ends)

    def test_arp_and_stubs_have_no_ends(self):
        arp = frames.arp_reply("10.0.0.11", "02:00:00:00:03:00", "10.0.0.1", "02:00:00:00:02:01")
        for data in (b"", arp, frames.request("tcp", "198.18.0.1", 1).bytes()[:37]):
            self.assertIsNone(frames.ends_of(data))

    def test_a_change_is_named_by_its_field(self):
        expected = frames.request("tcp", "198.18.0.1", 1024).bytes()
        for at, name in (
            (0, "destination MAC"),
            (22, "time to live"),
            (25, "IP checksum"),
            (33, "destination address"),
            (37, "destination port"),
            (47, "TCP sequence, flags or window"),
            (51, "TCP checksum"),
            (59, "payload"),
        ):
            self.assertEqual(frames.differences("tcp", flipped(expected, at), expected), [name])
        self.assertEqual(len(frames.differences("tcp", expected[:-1], expected)), 1)


class Checks(unittest.TestCase):
    def setUp(self):
        self.flows = network.Flows("tcp", 8)
        self.members = network.members(2)
        self.owners = {number: self.members[number % 2] for number in range(8)}

    def at_members(self):
        """What members receive of a faultless appliance."""
        return [
            frames.forwarded_request(
                frames.request("tcp", *self.flows.client(number)), self.owners[number]
            ).bytes()
            for number in range(8)
        ]

    def at_clients(self):
        return [
            frames.forwarded_reply(
                frames.reply("tcp", self.owners[number], *self.flows.client(number))
            ).bytes()
            for number in range(8)
        ]

    def requests(self, received, owners=None):
        owners = dict(self.owners) if owners is None else owners
        return checks.requests(self.flows, range(8), self.members, received, owners)

    def replies(self, received):
        return checks.replies(self.flows, range(8), self.owners, received)

    def test_a_faultless_tour_passes_and_teaches_the_owners(self):
        learnt = {}
        self.assertTrue(self.requests(self.at_members(), learnt).passed)
        self.assertEqual(learnt, self.owners)
        self.assertTrue(self.replies(self.at_clients()).passed)

    def test_other_frames_do_not_count(self):
        arp = frames.arp_reply("10.0.0.11", "02:00:00:00:03:00", "10.0.0.1", "02:00:00:00:02:01")
        timed = frames.request("udp", *checks.TIMED).bytes()
        verdict = self.requests([arp, timed, *self.at_members()])
        self.assertTrue(verdict.passed)
        self.assertEqual(verdict.received, 8)

    def test_a_lost_and_a_doubled_packet_are_told_apart(self):
        received = self.at_members()
        verdict = self.requests([received[0], *received[:-1]])
        self.assertEqual((verdict.missing, verdict.duplicated), (1, 1))
        self.assertFalse(verdict.passed)

    def test_a_flow_that_changes_its_member_is_seen(self):
        received = self.at_members()
        sent = frames.request("tcp", *self.flows.client(0))
        received[0] = frames.forwarded_request(sent, self.members[1]).bytes()
        verdict = self.requests(received)
        self.assertEqual((verdict.moved, verdict.passed), (1, False))

    def test_every_rewritten_field_is_held_against_both_directions(self):
        for at in (0, 6, 22, 24, 50):
            for received, check in (
                (self.at_members(), self.requests),
                (self.at_clients(), self.replies),
            ):
                received[3] = flipped(received[3], at)
                verdict = check(received)
                self.assertFalse(verdict.passed, at)
                self.assertEqual(sum(verdict.wrong_fields.values()), 1, at)

    def test_a_reply_that_was_not_translated_is_wrong(self):
        untranslated = frames.reply("tcp", self.owners[0], *self.flows.client(0)).bytes()
        verdict = self.replies([untranslated, *self.at_clients()[1:]])
        self.assertIn("source address", verdict.wrong_fields)
        self.assertIn("source port", verdict.wrong_fields)

    def test_packets_of_nobody_are_strange(self):
        stranger = frames.request("tcp", "198.18.7.7", 1024)
        received = [frames.forwarded_request(stranger, self.members[0]).bytes()]
        self.assertEqual(self.requests(received).strange, 1)


class Reports(unittest.TestCase):
    def test_columns_are_as_wide_as_their_widest_cell(self):
        text = report.table(("name", "count"), [("a", 1), ("longer", 1_000_000)])
        self.assertEqual(text, "name        count\na               1\nlonger  1,000,000")

    def test_a_table_without_rows_is_its_heading(self):
        self.assertEqual(report.table(("one", "two"), []), "one  two")

    def test_a_faultless_load_has_no_failures(self):
        self.assertEqual(report.failures([], [load()], 0.0), [])

    def test_every_fault_of_a_load_is_a_sentence(self):
        for changes, word in (
            ({"forwarded": 999}, "lost 1 of 1,000"),
            ({"forwarded": 1001}, "more came out"),
            ({"offered": 0, "forwarded": 0}, "sent nothing"),
            ({"not_sent": 5, "forwarded": 995}, "could not send 5"),
            ({"timed": timed(out_of_order=2)}, "2 out of order"),
            ({"timed": timed(duplicated=3)}, "3 duplicated"),
        ):
            sentences = report.failures([], [load(**changes)], 0.0)
            self.assertEqual(len(sentences), 1, changes)
            self.assertIn(word, sentences[0])

    def test_loss_up_to_what_is_allowed_passes(self):
        self.assertEqual(report.failures([], [load(forwarded=999)], 0.1), [])

    def test_a_packet_without_an_outcome_fails_the_load(self):
        lossy = load(tally=appliance.Tally([1003, 0], [0, 1000], 1, Counter(queue_full=1)))
        self.assertIn("1 packets vanished", report.failures([], [lossy], 100.0)[0])

    def test_the_document_names_what_went_wrong(self):
        figures = SimpleNamespace(shares={}, flow_records=0, tours=[], loads=[load()])
        flows = network.Flows("tcp", 256)
        options = SimpleNamespace(flows=flows, imix=False, workers=1, idle="Auto")
        options.protocol = flows.protocol
        self.assertIn('"failures": [\n    "a"\n  ]', report.document(figures, options, ["a"]))


class Driver(unittest.TestCase):
    def test_without_trex_it_says_what_is_missing(self):
        for directory in ("", "/nonexistent"):
            ended = driver({"TREX_DIR": directory})
            self.assertEqual(ended.returncode, 2)
            self.assertIn("TREX_DIR", ended.stderr)
            self.assertIn("perf/trex/README.md", ended.stderr)

    def test_misspelt_arguments_are_refused(self):
        for arguments in (["--flows", "1000"], ["--rates", "100"], ["--members", "0"]):
            ended = driver({}, *arguments)
            self.assertEqual(ended.returncode, 2)
            self.assertIn(arguments[0], ended.stderr)


def driver(environment, *arguments):
    return subprocess.run(
        [sys.executable, str(HERE / "run"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def timed(**changes):
    latency = {"min": 1, "average": 2, "max": 3}
    return {"latency_us": latency, "lost": 0, "out_of_order": 0, "duplicated": 0, **changes}


def load(tally=None, **changes):
    figures = {"offered": 1000, "not_sent": 0, "forwarded": 1000, "timed": timed(), **changes}
    tally = tally or appliance.Tally([1000, 0], [0, 1000], 0, Counter())
    return session.Load(100, 10, [session.Trial("requests", **figures)], tally)


if __name__ == "__main__":
    unittest.main()
