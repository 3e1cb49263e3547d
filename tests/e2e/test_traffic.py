"""Do real clients reach real servers through the appliance, evenly and byte by byte?"""

import collections
import hashlib
import json
import unittest

import configuration as plan
from harness import note, with_each_worker_count
from processes import wait_until

REQUESTS = 10_000
# Of a fair share, not of each other: a perfect hash misses this once in two thousand runs.
TOLERANCE = 0.05
MIBIBYTES = 256


@with_each_worker_count
class Inbound:
    """Client to member, through a frontend."""

    def test_ten_thousand_requests_spread_evenly_and_none_fails(self):
        url = f"http://{plan.FRONTEND}/?[1-{REQUESTS}]"
        options = ["--silent", "--fail", "--parallel", "--parallel-max", "32", "--http1.0"]
        result = self.lab.client.run("curl", *options, "--max-time", "60", url, timeout=180)
        answers = collections.Counter(result.stdout.split())
        self.assertEqual(result.returncode, 0, f"curl failed after {answers}")
        self.assertEqual(answers.total(), REQUESTS)
        fair = REQUESTS / len(self.lab.members)
        note(f"{self.workers} workers: {dict(sorted(answers.items()))}")
        for member in self.lab.members:
            self.assertAlmostEqual(answers[member.name], fair, delta=TOLERANCE * fair)

    def test_a_large_download_through_a_frontend_is_byte_identical(self):
        expected = digest(self.lab.content.file(MIBIBYTES).read_bytes())
        url = f"http://{plan.FRONTEND}/files/{MIBIBYTES}MiB"
        self.assertEqual(download_digest(self.lab.client, url), expected)

    def test_an_on_link_frontend_answers_for_itself(self):
        url = f"http://{plan.ON_LINK_FRONTEND}/"
        answer = self.lab.client.output("curl", "--silent", "--max-time", "5", url)
        self.assertIn(answer.strip(), [member.name for member in self.lab.members])

    def test_dns_over_udp_is_answered_from_the_frontend(self):
        options = ["+short", "+tries=1", "+time=3", f"@{plan.FRONTEND}", "whoami.test"]
        answers = {self.lab.client.output("dig", *options).strip() for _ in range(30)}
        self.assertLessEqual(answers, set(plan.MEMBERS))
        self.assertGreater(len(answers), 1, "thirty queries met a single member")

    def test_iperf3_runs_through_a_frontend_in_both_directions(self):
        for direction in ([], ["--reverse"]):
            report = wait_until(lambda: self.iperf(*direction), 10, "iperf3 to be served")
            rate = report["end"]["sum_received"]["bits_per_second"]
            way = "to the client" if direction else "to the member"
            note(f"{self.workers} workers, iperf3 {way}: {rate / 1e6:.0f} Mb/s")
            self.assertGreater(rate, 10e6)

    def iperf(self, *options):
        """What iperf3 measures; None if its server is away, as it is for a moment after each
        client."""
        options = ["--client", plan.FRONTEND, "--time", "3", "--json", *options]
        report = json.loads(self.lab.client.run("iperf3", *options, timeout=30).stdout)
        return None if "Connection refused" in report.get("error", "") else report

    def test_hundreds_of_datagrams_a_second_come_back_and_none_is_lost(self):
        counted = self.ask("udp-stream", plan.FRONTEND, plan.ECHO_PORT, "--seconds", 3)
        self.assertEqual(counted["lost"], 0, counted)
        self.assertGreater(counted["received"], 500)

    def test_nothing_was_dropped_for_a_broken_checksum(self):
        counters = self.lab.weir.counters()
        broken = {name: value for name, value in counters.items() if "checksum" in name and value}
        self.assertEqual(broken, {})


@with_each_worker_count
class Outbound:
    """Member to the world, through SNAT."""

    def test_the_world_sees_the_outbound_address(self):
        for address in (plan.OUTSIDE, plan.CLIENT):
            for member in self.lab.members:
                url = f"http://{address}:{plan.OUTSIDE_WEB_PORT}/whoami"
                seen = member.namespace.output("curl", "--silent", "--max-time", "5", url)
                self.assertEqual(seen.strip().rpartition(":")[0], plan.OUTBOUND)

    def test_members_use_ports_of_their_own(self):
        ports = collections.defaultdict(set)
        url = f"http://{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}/whoami?[1-20]"
        for member in self.lab.members:
            seen = member.namespace.output("curl", "--silent", "--http1.0", url).split()
            ports[member.name] = {int(each.rpartition(":")[2]) for each in seen}
        sets = list(ports.values())
        self.assertFalse(sets[0] & sets[1] | sets[1] & sets[2] | sets[0] & sets[2], ports)

    def test_a_large_download_through_snat_is_byte_identical(self):
        expected = digest(self.lab.content.file(MIBIBYTES).read_bytes())
        url = f"http://{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}/files/{MIBIBYTES}MiB"
        self.assertEqual(download_digest(self.lab.members[0].namespace, url), expected)

    def test_dns_over_udp_goes_out_and_comes_back(self):
        options = ["+short", "+tries=1", "+time=3", f"@{plan.OUTSIDE}", "whoami.test"]
        answer = self.lab.members[1].namespace.output("dig", *options)
        self.assertEqual(answer.strip(), plan.OUTSIDE)


def download_digest(namespace, url):
    script = 'set -o pipefail; curl --silent --fail --max-time 120 "$1" | sha256sum'
    return namespace.output("bash", "-c", script, "bash", url, timeout=130).split()[0]


def digest(content):
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    unittest.main(verbosity=2)
