"""Does the session log tell who had which address and port, as lines and as IPFIX?

The decoder of IPFIX here is written from RFC 7011 and knows nothing of the daemon's encoder.

Not here: disks and collectors that take nothing (the daemon's own tests).
"""

import copy
import ipaddress
import json
import struct
import sys
import unittest

import configuration as plan
from harness import with_each_worker_count
from processes import Failure, wait_until
from servers import HERE

COLLECTOR = ("127.0.0.1", 4739)
TCP = 6
# A port rests for 15 s after a reset; its record is met a second later at most.
DELETED_WITHIN = 25
SEEN_WITHIN = 5


@with_each_worker_count
class SessionLog:
    """Real connections of members, and what the log says of them."""

    def setUp(self):
        self.path = self.lab.directory / f"sessions-{self.id().rpartition('.')[2]}"

    def log_sessions(self, settings):
        document = copy.deepcopy(self.lab.document)
        if settings:
            document["appliance"]["sessionLog"] = settings
        self.lab.weir.apply(document)
        self.addCleanup(self.lab.weir.apply, self.lab.document)

    def log_lines(self, **settings):
        self.log_sessions({"format": "JsonLines", "destination": str(self.path), **settings})

    def read(self, path=None):
        path = path or self.path
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def of(self, *events):
        return [it for it in self.read() if it["event"] in events]

    def visit(self, member):
        """A request of a member; returns the outside's view of its source port."""
        url = f"http://{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}/whoami"
        output = member.namespace.output("curl", "--silent", "--fail", "--max-time", "5", url)
        address, _, port = output.strip().rpartition(":")
        self.assertEqual(address, plan.OUTBOUND)
        return int(port)

    def wait_for(self, claim, what, seconds=SEEN_WITHIN):
        return wait_until(claim, seconds, f"the session log to tell of {what}")

    def counted(self, name):
        return self.lab.weir.counters()[name]

    def test_lines_tell_of_every_session_from_its_begin_to_its_end(self):
        written = self.counted("session_log_records_written")
        self.log_lines(records=["Session"])
        member = self.lab.members[0]
        peer = [sys.executable, HERE / "peer.py", "reset", plan.OUTSIDE, plan.OUTSIDE_WEB_PORT]
        source_port = json.loads(member.namespace.output(*peer))

        def own(event):
            return [it for it in self.of(event) if it["sourcePort"] == source_port]

        begun = self.wait_for(lambda: own("SessionCreated"), "its begin")
        expected = {"protocol": "Tcp", "source": member.address, "sourcePort": source_port,
                    "translatedAddress": plan.OUTBOUND}
        port = begun[0]["translatedPort"]
        told = {key: value for key, value in begun[0].items() if key in expected}
        self.assertEqual(told, expected)
        self.assertNotIn("destination", begun[0], "privacy is the default")
        ended = self.wait_for(lambda: own("SessionDeleted"), "its end", DELETED_WITHIN)
        self.assertEqual([it["translatedPort"] for it in begun + ended], [port, port])
        self.assertLess(begun[0]["time"], ended[0]["time"])
        self.assertEqual(self.counted("session_records_lost"), 0)
        self.wait_for(lambda: self.counted("session_log_records_written") - written
                      == len(self.read()), "what was counted")

    def test_blocks_of_ports_alone_name_the_member_behind_a_port(self):
        self.log_lines(records=["PortBlock"])
        blocks = self.wait_for(lambda: len(self.read()) == 6 and self.read(), "all blocks")
        self.assertEqual({it["event"] for it in blocks}, {"PortBlockAllocated"})
        for member in self.lab.members:
            port = self.visit(member)
            holders = [it["member"] for it in blocks if it["protocol"] == "Tcp"
                       and it["firstPort"] <= port < it["firstPort"] + it["ports"]]
            self.assertEqual(holders, [member.address])
        smaller = copy.deepcopy(self.lab.document)
        smaller["appliance"]["sessionLog"] = {
            "format": "JsonLines", "destination": str(self.path), "records": ["PortBlock"]}
        pool = smaller["resources"][-1]["properties"]["backendAddressPools"][0]["properties"]
        pool["loadBalancerBackendAddresses"].pop()
        self.lab.weir.apply(smaller)
        released = self.wait_for(lambda: self.of("PortBlockReleased"), "what was released")
        self.assertEqual({it["member"] for it in released}, {plan.MEMBERS[2]})
        self.assertEqual(len(self.read()), 6 + len(released), "sessions are not wanted")

    def test_a_file_that_was_moved_away_is_followed_by_a_new_one_and_nothing_is_lost(self):
        self.log_lines(records=["Session"], destinations=True)
        moved = self.path.with_suffix(".1")
        member = self.lab.members[1]
        ports = [self.visit(member)]
        self.wait_for(lambda: len(self.of("SessionCreated")) == 1, "the first session")
        self.path.rename(moved)
        ports.append(self.visit(member))
        wait_until(lambda: self.visit(member) and self.path.exists(), 10, "a new file")
        self.lab.weir.apply(self.lab.document)
        lines = [it for it in self.read(moved) + self.read() if it["event"] == "SessionCreated"]
        seen = [it["translatedPort"] for it in lines if it["source"] == member.address]
        self.assertEqual(seen[:2], ports)
        ends = {(it["destination"], it["destinationPort"]) for it in lines}
        self.assertEqual(ends, {(plan.OUTSIDE, plan.OUTSIDE_WEB_PORT)})
        size = self.path.stat().st_size
        self.visit(member)
        self.assertEqual(self.path.stat().st_size, size, "the log is off")

    def test_a_collector_is_told_by_messages_that_any_decoder_of_rfc_7011_reads(self):
        log = self.lab.directory / f"{self.id().rpartition('.')[2]}.hex"
        peer = [sys.executable, HERE / "peer.py", "collect", *COLLECTOR]
        process = self.lab.start_namespace.start(peer, log)
        self.addCleanup(process.stop)
        wait_until(lambda: "ready" in log.read_text(encoding="utf-8"), 10, "the collector")
        self.log_sessions({
            "format": "Ipfix", "destination": "%s:%d" % COLLECTOR, "destinations": True,
            "observationDomainId": 17, "templateRefreshInSeconds": 10})
        members = self.lab.members
        ports = {member.address: self.visit(member) for member in members}

        def decoded():
            lines = log.read_text(encoding="utf-8").splitlines()[1:]
            collector = Decoder()
            for line in lines:
                collector.take(bytes.fromhex(line))
            return collector

        def begun():
            records = [it for it in decoded().records if it.get("natEvent") == 4]
            return len(records) >= len(members) and records

        found = {}
        for record in self.wait_for(begun, "sessions"):
            self.assertEqual(record["protocolIdentifier"], TCP)
            self.assertEqual(record["postNATSourceIPv4Address"], plan.OUTBOUND)
            self.assertEqual(record["destinationIPv4Address"], plan.OUTSIDE)
            self.assertEqual(record["destinationTransportPort"], plan.OUTSIDE_WEB_PORT)
            found[record["sourceIPv4Address"]] = record["postNAPTSourceTransportPort"]
        self.assertEqual(found, ports)
        blocks = [it for it in decoded().records if it.get("natEvent") == 16]
        self.assertEqual(len(blocks), 6)
        for block in (it for it in blocks if it["protocolIdentifier"] == TCP):
            port = ports[block["sourceIPv4Address"]]
            self.assertIn(port, range(block["portRangeStart"], block["portRangeEnd"] + 1))
        self.assertEqual(decoded().domains, {17})
        told = decoded().templates_told
        wait_until(lambda: decoded().templates_told > told, 15, "templates to be told again")
        self.assertEqual(self.counted("session_records_lost"), 0)


ADDRESSES = {8: "sourceIPv4Address", 12: "destinationIPv4Address", 225: "postNATSourceIPv4Address"}
NUMBERS = {
    4: "protocolIdentifier",
    7: "sourceTransportPort",
    11: "destinationTransportPort",
    144: "exportingProcessId",
    166: "notSentFlowTotalCount",
    167: "notSentPacketTotalCount",
    168: "notSentOctetTotalCount",
    227: "postNAPTSourceTransportPort",
    230: "natEvent",
    323: "observationTimeMilliseconds",
    361: "portRangeStart",
    362: "portRangeEnd",
    466: "natQuotaExceededEvent",
    473: "maxEntriesPerUser",
}


class Decoder:
    """A collector of one exporter: templates, sequence numbers and records."""

    def __init__(self):
        self.templates = {}
        self.templates_told = 0
        self.records = []
        self.domains = set()
        self.expected = 0

    def take(self, message):
        version, length, _, sequence, domain = struct.unpack(">HHIII", message[:16])
        if (version, length) != (10, len(message)) or length > 1400:
            raise Failure(f"no message of IPFIX: {message.hex()}")
        if sequence != self.expected:
            raise Failure(f"record {sequence} follows {self.expected}")
        self.domains.add(domain)
        before, at = len(self.records), 16
        while at < length:
            kind, size = struct.unpack_from(">HH", message, at)
            self.take_set(kind, message[at + 4:at + size])
            at += size
        self.expected += len(self.records) - before

    def take_set(self, kind, body):
        if kind in (2, 3):
            self.templates_told += 1
            return self.learn(body, scopes=kind == 3)
        fields = self.templates[kind]
        size = sum(length for _, length in fields)
        for start in range(0, len(body) - size + 1, size):
            self.records.append(read(fields, body[start:start + size]))

    def learn(self, body, scopes):
        while body:
            number, count = struct.unpack_from(">HH", body)
            body = body[6:] if scopes else body[4:]
            fields = [struct.unpack_from(">HH", body, 4 * nth) for nth in range(count)]
            self.templates[number] = fields
            body = body[4 * count:]


def read(fields, body):
    record = {}
    for element, length in fields:
        value, body = body[:length], body[length:]
        if element in ADDRESSES:
            record[ADDRESSES[element]] = str(ipaddress.IPv4Address(value))
        else:
            record[NUMBERS[element]] = int.from_bytes(value, "big")
    return record


if __name__ == "__main__":
    unittest.main()
