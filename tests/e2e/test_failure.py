"""What do clients notice of a member that dies, of ten thousand changes, and of a flood?"""

import hashlib
import time
import unittest

import configuration as plan
from harness import note, with_each_worker_count

APPLIES = 10_000
APPLY_SECONDS = 300
FLOOD_SECONDS = 8
FLOOD_SENDERS = 2
# What the issue of overload is about; a small machine's kernel may not send so much.
FLOOD_PER_SECOND = 1_000_000
SLOW_BYTES_PER_SECOND = 4 << 20


@with_each_worker_count
class Dying:
    """A member is killed under load, and comes back."""

    def test_no_request_fails_that_started_after_the_probe_saw_it(self):
        victim = self.lab.members[1]
        arguments = ["requests", plan.FRONTEND, 80, "--seconds", 8, "--rate", 100]
        clients = [self.in_background(self.lab.client, *arguments) for _ in range(2)]
        time.sleep(2)
        victim.nginx.kill()
        self.lab.wait_for_state(victim, up=False)
        seen = time.time()
        done = [one for client in clients for one in self.finish(client)["requests"]]
        late = [one for one in done if one["started"] > seen]
        self.assertGreater(len(late), 100, "too few requests to claim anything")
        self.assertEqual([one for one in late if one["answer"] is None], [])
        self.assertNotIn(victim.name, {one["answer"] for one in late})
        victim.nginx.start()
        self.lab.wait_for_state(victim, up=True)
        answers = {one["answer"] for one in self.requests_for(3)}
        self.assertEqual(answers, {member.name for member in self.lab.members})

    def test_a_download_from_another_member_survives(self):
        content = self.lab.content.file(24)
        member, download, target = self.start_download(content)
        victim = next(one for one in self.lab.members if one is not member)
        victim.nginx.kill()
        self.lab.wait_for_state(victim, up=False)
        self.assertIsNone(download.wait(0.1), "the download ended before the member died")
        self.assertEqual(download.wait(60), 0, download.tail())
        self.assertEqual(digest(target), digest(content))
        victim.nginx.start()
        self.lab.wait_for_state(victim, up=True)

    def start_download(self, content):
        """A slow download, and the member that serves it."""
        target = self.lab.directory / f"download-{time.monotonic_ns()}"
        url = f"http://{plan.FRONTEND}/files/{content.name}?rate={SLOW_BYTES_PER_SECOND}"
        arguments = ["curl", "--silent", "--fail", "--max-time", 60, "--output", target, url]
        download = self.lab.client.start(arguments, self.lab.directory / "download.log")
        self.addCleanup(download.kill)
        return serving_member(self.lab), download, target

    def requests_for(self, seconds):
        arguments = ["requests", plan.FRONTEND, 80, "--seconds", seconds, "--rate", 100]
        return self.ask(*arguments)["requests"]


@with_each_worker_count
class Changing:
    """Configurations are applied under load."""

    def test_ten_thousand_applies_lose_no_packet(self):
        document = self.lab.document
        variants = [
            plan.with_idle_timeout(document, 5),
            plan.with_admin_state(document, 2, "Down"),
            plan.with_idle_timeout(document, 6),
            document,
        ]
        udp = ["udp-stream", plan.FRONTEND, plan.ECHO_PORT, "--rate", 200]
        tcp = ["tcp-stream", plan.FRONTEND, plan.ECHO_PORT, "--rate", 200]
        until_ended = ["--seconds", APPLY_SECONDS]
        streams = [self.in_background(self.lab.client, *one, *until_ended) for one in (udp, tcp)]
        time.sleep(0.5)
        begin = time.monotonic()
        with self.lab.weir.connect() as control:
            for number in range(APPLIES):
                control.call("apply", configuration=variants[number % len(variants)])
        seconds = time.monotonic() - begin
        note(f"{self.workers} workers: {APPLIES} applies in {seconds:.1f} s")
        self.assertLess(seconds, APPLY_SECONDS, "the streams may have ended before the applies")
        for stream in streams:
            self.assertTrue(stream.running(), stream.tail())
            stream.signal(15)
        udp_count, tcp_count = [self.finish(stream) for stream in streams]
        self.assertEqual(udp_count["lost"], 0, udp_count)
        self.assertFalse(tcp_count["broken"], tcp_count)


@with_each_worker_count
class Flooded:
    """A flood at the appliance's own address."""

    def test_a_flood_at_its_own_address_flips_no_probe(self):
        before = self.lab.weir.counters()
        arguments = ["flood", plan.WEIR_FRONT, 9, "--seconds", FLOOD_SECONDS]
        senders = [self.in_background(self.lab.client, *arguments) for _ in range(FLOOD_SENDERS)]
        states = []
        while any(sender.running() for sender in senders):
            states.append(self.lab.weir.member_states())
            time.sleep(0.2)
        per_second = sum(self.finish(sender)["per_second"] for sender in senders)
        after = self.lab.weir.counters()
        received = (after["rx_packets"] - before["rx_packets"]) / FLOOD_SECONDS
        note(
            f"{self.workers} workers: sent {per_second:,.0f} packets/s of {FLOOD_PER_SECOND:,}, "
            f"{received:,.0f}/s passed the tap"
        )
        down = [state for state in states if not all(state.values())]
        self.assertEqual(down, [], "a probe flipped")
        self.assertGreater(len(states), 10)


def serving_member(lab):
    """The only member with an established connection to its web server of a client."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for member in lab.members:
            filters = ["state", "established", f"sport = :{plan.WEB_PORT} and dst {plan.CLIENT}"]
            if member.namespace.output("ss", "-Htn", *filters).strip():
                return member
        time.sleep(0.05)
    raise AssertionError("no member serves the download")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    unittest.main(verbosity=2)
