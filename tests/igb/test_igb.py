"""Does Weir agree with a real PCI driver? An emulated Intel 82576 behind net_e1000_igb.

    host: frames over unix datagram sockets ── QEMU without KVM: two `igb` cards ── vfio-pci
          guest: `igb` (tests/igb/src), which says what the driver says of each frame; then `weir`

Exits with 77 and a reason where the emulator cannot be had. `SEED=…` repeats a run.

Not here: how the emulator is found (`emulator.py`), what is in the guest (`image.py`).
"""

import copy
import json
import os
import random
import sys
import tempfile
import time
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))

import configuration as plan  # noqa: E402 (the path is set above)
import frames  # noqa: E402
import image  # noqa: E402
import weir  # noqa: E402
from emulator import Emulator, Unavailable  # noqa: E402
from frames import ACK, SYN, TCP, UDP  # noqa: E402
from guest import MARK, Guest  # noqa: E402
from processes import Failure, wait_until  # noqa: E402

SKIPPED = 77
WORKER_COUNTS = (2, 3, 4)
FLOWS_AT_ONCE = 96
FLOWS_ONE_BY_ONE = 16
FRAME_SECONDS = 5
START_SECONDS = 30
ENTRIES = 128
PLAIN_COUNTERS = ("handoff_out_packets", "handoff_in_packets", "dropped_packets")
READINGS = 20
CLIENT_NETWORK = "192.0.2."

seed = int(os.environ.get("SEED", time.time_ns() % 2**32))
guest = None


def note(text):
    print(f"\n    {text}", file=sys.stderr, flush=True)


class Driver(unittest.TestCase):
    """What net_e1000_igb says of frames, under a key that is known here."""

    def setUp(self):
        self.random = random.Random(f"{seed} {self.id()}")

    def open(self, queues):
        key = self.random.randbytes(40).hex()
        guest.begin(f"igb {image.DEVICES[0]} {queues} {key}")
        self.read()
        self.addCleanup(self.close)
        # The link comes up a second or more after the start, and frames before that are lost.
        probe = self.tcp(0)
        wait_until(lambda: self.send([probe], 200), START_SECONDS, "the link")
        self.ask("receive 1000 300")

    def close(self):
        guest.shell.write("quit")
        while not guest.shell.read(START_SECONDS).startswith(MARK):
            pass

    def read(self):
        """The lines of an answer, up to `done`."""
        lines = []
        while (line := guest.shell.read(START_SECONDS)) != "done":
            if line.startswith(MARK):
                raise Failure(f"igb ended: {lines}\n{guest.tail()}")
            lines.append(line)
        return lines

    def ask(self, command):
        guest.shell.write(command)
        return self.read()

    def send(self, batch, milliseconds=FRAME_SECONDS * 1000):
        """Sends frames and returns what the driver said of each, by number."""
        for one in batch:
            guest.front.send(one)
        said = {}
        for line in self.ask(f"receive {len(batch)} {milliseconds}"):
            words = line.split()
            fields = dict(zip(words[0::2], words[1::2]))
            said[int(fields["frame"])] = fields
        return said

    def tcp(self, number, protocol=TCP, version=4, spoil=()):
        if version == 4:
            ends = [f"10.{self.random.randbytes(1)[0]}.0.{1 + number % 250}", "203.0.113.10"]
        else:
            ends = [f"2001:db8::{self.random.getrandbits(32) & 0xFFFF:x}", "2001:db8:1::10"]
        ports = (self.random.randrange(1024, 65536), self.random.randrange(1, 65536))
        macs = (frames.mac_of("10.0.0.9"), frames.mac_of("10.0.0.1"))
        return frames.frame(macs, ends, ports, number, protocol, SYN, spoil)

    def kinds(self, count):
        """Frames of both protocols and both families, numbered."""
        choice = [(TCP, 4), (UDP, 4), (TCP, 6), (UDP, 6)]
        return [self.tcp(1 + number, *choice[number % 4]) for number in range(count)]

    def test_a_frame_arrives_where_the_owner_function_says(self):
        for queues in WORKER_COUNTS:
            with self.subTest(queues=queues):
                self.open(queues)
                said = self.send(self.kinds(FLOWS_AT_ONCE))
                self.assertEqual(len(said), FLOWS_AT_ONCE, "frames lost")
                wrong = [it for it in said.values() if it["queue"] != it["owner"]]
                self.assertEqual(wrong, [])
                self.assertEqual(len({it["queue"] for it in said.values()}), queues)
                entries = self.ask("reta")[0].split()[1:]
                dealt = [str(entry % queues) for entry in range(ENTRIES)]
                note(f"{queues} queues: all of {len(said)} frames on their owner's; the table "
                     f"{'is' if entries == dealt else 'is NOT'} dealt in turn by the driver")
                self.doCleanups()

    def test_the_table_can_be_rewritten_and_the_hash_is_exact(self):
        self.open(4)
        batch = self.kinds(48)
        for digit in range(4):
            self.ask(f"digits {digit}")
            said = self.send(batch)
            self.assertEqual(len(said), len(batch), "frames lost")
            for it in said.values():
                expected = (int(it["hash"]) % ENTRIES) // 4**digit % 4
                self.assertEqual(int(it["queue"]), expected, it)

    def test_checksums_are_flagged_right(self):
        self.open(2)
        cases = {}
        for protocol in (TCP, UDP):
            for spoil, ip, transport in (
                ((), "Good", "Good"),
                (("ip",), "Bad", None),
                (("transport",), "Good", "Bad"),
            ):
                number = len(cases) + 1
                cases[number] = (self.tcp(number, protocol, 4, spoil), ip, transport)
        for spoil, transport in (((), "Good"), (("transport",), "Bad")):
            number = len(cases) + 1
            cases[number] = (self.tcp(number, TCP, 6, spoil), None, transport)
        said = self.send([case[0] for case in cases.values()])
        self.assertEqual(len(said), len(cases), "frames lost")
        for number, (_, ip, transport) in cases.items():
            if ip:
                self.assertEqual(said[number]["ip"], ip, said[number])
            if transport:
                self.assertEqual(said[number]["transport"], transport, said[number])


class Appliance(unittest.TestCase):
    """The daemon between the two cards, asked over its control socket."""

    workers = 2

    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(f"{seed} {cls.__name__}")
        cls.flows = cls.distinct_flows()
        began = time.monotonic()
        guest.check(f"weir --config /weir-{cls.workers}.json > /tmp/log 2>&1 & "
                    "echo $! > /tmp/id")
        cls.addClassCleanup(cls.stop)
        wait_until(cls.is_ready, START_SECONDS, "ports with links, members with addresses", 0.2)
        macs = {port["name"]: bytes.fromhex(port["mac"].replace(":", ""))
                for port in cls.ask("status")["ports"]}
        cls.front_mac, cls.back_mac = macs["front"], macs["back"]
        wait_until(cls.both_ways, START_SECONDS, "a first packet both ways", 0.2)
        note(f"{cls.workers} workers: ready after {time.monotonic() - began:.1f} s")

    @classmethod
    def distinct_flows(cls):
        ports = cls.random.sample(range(1024, 65536), 4 * FLOWS_AT_ONCE)
        return iter([(f"{CLIENT_NETWORK}{cls.random.randrange(1, 255)}", port) for port in ports])

    @classmethod
    def stop(cls):
        began = time.monotonic()
        guest.run("kill $(cat /tmp/id); while kill -0 $(cat /tmp/id) 2>/dev/null; do "
                  "usleep 50000; done")
        log = guest.check("cat /tmp/log")
        (guest.directory / f"weir-{cls.workers}.log").write_text(log)
        if " ERROR " in log or "mbufs in use: 0" not in log:
            raise AssertionError(f"a bad end after {time.monotonic() - began:.1f} s:\n{log}")
        if "handed over" in log:
            raise AssertionError(f"a card and the owner function disagree, says the log:\n{log}")

    @classmethod
    def ask(cls, method):
        return json.loads(guest.check(f"weirctl -o json {method}"))

    @classmethod
    def is_ready(cls):
        text, code = guest.run("weirctl -o json status")
        if code != 0:
            if guest.run("kill -0 $(cat /tmp/id)")[1] != 0:
                raise Failure(guest.run("cat /tmp/log")[0])
            return False
        status = json.loads(text)
        links = all(port["link"]["up"] for port in status["ports"])
        return links and all(member["mac"] for member in status["members"])

    @classmethod
    def both_ways(cls):
        client = next(cls.flows)
        guest.front.send(cls.from_client(client, SYN))
        arrived = guest.back.take(1, 0.3)
        if not arrived:
            return False
        guest.back.send(cls.reply(frames.segment(arrived[0])))
        return bool(guest.front.take(1, 0.3))

    @classmethod
    def from_client(cls, client, flags):
        macs = (frames.mac_of(plan.CLIENT), cls.front_mac)
        ends, ports = (client[0], plan.FRONTEND), (client[1], 80)
        return frames.frame(macs, ends, ports, 1, TCP, flags)

    @classmethod
    def reply(cls, arrived):
        macs = (frames.mac_of(arrived.destination), cls.back_mac)
        ends = (arrived.destination, arrived.source)
        return frames.frame(macs, ends, arrived.ports[::-1], 2, TCP, SYN | ACK)

    def moves_since(self, before):
        """How far each counter of clients' and members' packets moved, on each worker. What the
        guest's kernel sends and is sent to keep its neighbours fresh is taken off."""
        pairs = list(zip(before["perWorker"], self.ask("stats")["perWorker"]))

        def moved(name):
            return [new[name] - old[name] for old, new in pairs]

        def without(name, other):
            return [all_ - kernel for all_, kernel in zip(moved(name), moved(other))]

        moves = {name: moved(name) for name in PLAIN_COUNTERS}
        moves["rx_packets"] = without("rx_packets", "punted_packets")
        moves["tx_packets"] = without("tx_packets", "rx_kernel_packets")
        return moves

    def pass_on(self, sender, receiver, batch):
        """Sends a batch, and returns what came out at the other side and what counters did."""
        before = self.ask("stats")
        for one in batch:
            sender.send(one)
        arrived = [frames.segment(one) for one in receiver.take(len(batch), FRAME_SECONDS)]
        moves = self.moves_since(before)
        for _ in range(READINGS):
            # Counters are read one by one, so that a reading may catch a neighbour's on its way.
            if sum(moves["rx_packets"]) == sum(moves["tx_packets"]) == len(batch):
                break
            moves = self.moves_since(before)
        self.assertEqual(len(arrived), len(batch), f"frames lost: {moves}")
        self.assertEqual(sum(moves["rx_packets"]), len(batch), moves)
        self.assertEqual(sum(moves["tx_packets"]), len(batch), moves)
        self.assertEqual(sum(moves["dropped_packets"]), 0, moves)
        self.assertEqual(sum(moves["handoff_out_packets"]), sum(moves["handoff_in_packets"]), moves)
        self.assertTrue(all(it.checksums_right and it.ttl == 63 for it in arrived), "spoilt")
        self.assertEqual(len({it.source + str(it.ports) for it in arrived}), len(batch))
        return arrived, moves

    def test_clients_arrive_at_their_owner_and_replies_are_handed_off_once(self):
        clients = [next(self.flows) for _ in range(FLOWS_AT_ONCE)]
        opening = [self.from_client(client, SYN) for client in clients]
        arrived, moves = self.pass_on(guest.front, guest.back, opening)
        self.assertEqual(sum(moves["handoff_out_packets"]), 0, f"the NIC disagrees: {moves}")
        self.assertTrue(all(moves["rx_packets"]), f"a queue without packets: {moves}")
        self.assertEqual({(it.source, it.ports[0]) for it in arrived}, set(clients))
        replies = [self.reply(it) for it in arrived]
        answered, moves_back = self.pass_on(guest.back, guest.front, replies)
        handed = sum(moves_back["handoff_out_packets"])
        self.assertLess(0, handed)
        self.assertLess(handed, len(replies))
        self.assertEqual(moves_back["tx_packets"], moves["rx_packets"], "not the owners sent")
        self.assertEqual({(it.destination, it.ports[1]) for it in answered}, set(clients))
        note(f"{self.workers} workers: {len(clients)} flows, received {moves['rx_packets']}, "
             f"none handed off; of their replies {handed} were, once each")

    def test_each_packet_meets_its_owner_and_nobody_else(self):
        for _ in range(FLOWS_ONE_BY_ONE):
            client = next(self.flows)
            arrived, there = self.pass_on(
                guest.front, guest.back, [self.from_client(client, SYN)]
            )
            owner = there["rx_packets"].index(1)
            self.assertEqual(there["tx_packets"].index(1), owner)
            self.assertEqual(sum(there["handoff_out_packets"]), 0)
            _, back = self.pass_on(guest.back, guest.front, [self.reply(arrived[0])])
            receiver = back["rx_packets"].index(1)
            expected = [int(worker == receiver != owner) for worker in range(self.workers)]
            self.assertEqual(back["handoff_out_packets"], expected)
            expected = [int(worker == owner != receiver) for worker in range(self.workers)]
            self.assertEqual(back["handoff_in_packets"], expected)
            self.assertEqual(back["tx_packets"].index(1), owner)

    def link_is_up(self):
        ports = self.ask("status")["ports"]
        return next(port["link"]["up"] for port in ports if port["name"] == "front")

    def test_flows_outlive_a_lost_link(self):
        clients = [next(self.flows) for _ in range(FLOWS_ONE_BY_ONE)]
        opening = [self.from_client(client, SYN) for client in clients]
        arrived, _ = self.pass_on(guest.front, guest.back, opening)
        guest.set_link(guest.front, False)
        lost = time.monotonic()
        wait_until(lambda: not self.link_is_up(), START_SECONDS, "the link to be lost", 0.1)
        lost = time.monotonic() - lost
        for one in opening:
            guest.front.send(one)
        self.assertEqual(guest.back.take(1, 0.3), [], "a frame over a lost link")
        guest.set_link(guest.front, True)
        back = time.monotonic()
        wait_until(self.link_is_up, START_SECONDS, "the link to return", 0.1)
        back = time.monotonic() - back
        wait_until(self.both_ways, START_SECONDS, "packets after the link returned", 0.1)
        again = [self.from_client(client, ACK) for client in clients]
        later, moves = self.pass_on(guest.front, guest.back, again)
        self.assertEqual(sum(moves["handoff_out_packets"]), 0, "the NIC forgot its table")
        chosen = {(it.source, it.ports): it.destination for it in arrived}
        self.assertEqual(chosen, {(it.source, it.ports): it.destination for it in later})
        note(f"link seen lost after {lost:.1f} s, back after {back:.1f} s")


class ApplianceWith3Workers(Appliance):
    workers = 3


class ApplianceWith4Workers(Appliance):
    workers = 4


def document(workers):
    """The lab's configuration on the two cards: every member is eligible, since none is probed."""
    place = Path("/run/weir")
    made = plan.configuration(workers, image.DEVICES, "weir", place / "control.sock", place)
    made["appliance"]["idle"] = "Adaptive"
    made["appliance"]["limits"] = {"flowsPerWorker": 65536, "hugepages": "Require"}
    balancer = copy.deepcopy(made["resources"][-1]["properties"])
    balancer["loadBalancingRules"] = balancer["loadBalancingRules"][:1]
    balancer["probes"] = []
    del balancer["loadBalancingRules"][0]["properties"]["probe"]
    made["resources"][-1]["properties"] = balancer
    return json.dumps(made)


def setUpModule():
    global guest  # The one machine that all tests share: booting takes longest.
    began = time.monotonic()
    emulator = Emulator(weir.target_directory() / "igb")
    emulator.find()
    found = time.monotonic() - began
    scratch = tempfile.TemporaryDirectory(prefix="weir-igb-")
    unittest.addModuleCleanup(scratch.cleanup)
    directory = Path(scratch.name)
    binaries = [weir.binary(name) for name in ("weir", "weirctl", "igb")]
    documents = {f"weir-{workers}.json": document(workers) for workers in WORKER_COUNTS}
    archive = directory / "initramfs"
    archive.write_bytes(image.build(emulator, binaries, documents))
    guest = Guest(emulator, directory, archive)
    unittest.addModuleCleanup(guest.stop)
    guest.front.addresses = {plan.CLIENT}
    guest.back.addresses = set(plan.MEMBERS)
    guest.start()
    note(f"SEED={seed}; emulator found in {found:.1f} s, guest of "
         f"{archive.stat().st_size / 2**20:.1f} MiB up after {time.monotonic() - began:.1f} s")


def main():
    try:
        Emulator(weir.target_directory() / "igb").find()
    except Unavailable as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
