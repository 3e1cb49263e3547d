"""Do members reach the world outside with the ports they have, and what happens at their end?

Not here: how a member leaves, ports on demand, ICMP (`test_snat_methods.py`).
"""

import collections
import threading
import time
import unittest

import configuration as plan
import sockets
from crowd import Crowd, called
from harness import note, with_each_worker_count
from outside import (
    SECONDS_AFTER_FIN,
    SECONDS_AFTER_RESET,
    SERVER_PORT,
    UDP_IDLE_SECONDS,
    Outside,
    Server,
)
from processes import wait_until

CROWD = 60_000
CROWD_PORTS = 1024
# Blocks above 16,384 ports are spread over workers.
MANY_PORTS = 17_000
# Of four bytes each: 16 KiB.
WORDS = 4096


@with_each_worker_count
class Crowds(Outside):
    """Sixty thousand connections of one member at once."""

    def setUp(self):
        super().setUp()
        self.use(allocatedOutboundPorts=CROWD_PORTS)

    def crowd(self, destinations):
        """Which port the world sees how often while all is open, and carries bytes."""
        addresses = [self.new_address() for _ in range(destinations)]
        crowd = Crowd(self.member, self.lab.client, addresses, CROWD // destinations)
        self.addCleanup(crowd.end)
        times = [time.monotonic()]
        seen = crowd.open()
        times.append(time.monotonic())
        self.assertEqual(crowd.exchange(), CROWD)
        times.append(time.monotonic())
        self.assertEqual(seen.total(), CROWD)
        self.assertEqual({address for address, _ in seen}, {plan.OUTBOUND})
        self.assertEqual(self.ports(), (CROWD_PORTS, len(seen)))
        note(
            f"{self.workers} workers: {CROWD:,} connections on {len(seen)} ports open after "
            f"{times[1] - times[0]:.1f} s, bytes there and back in {times[2] - times[1]:.1f} s"
        )
        return {port: count for (_, port), count in seen.items()}

    def test_one_port_serves_sixty_thousand_destinations_at_once(self):
        self.assertEqual(list(self.crowd(CROWD).values()), [CROWD])

    def test_a_thousand_ports_serve_sixty_destinations_a_thousand_times_each(self):
        ports = self.crowd(60)
        self.assertEqual(len(ports), CROWD // 60)
        self.assertEqual(set(ports.values()), {60})


    def test_a_member_with_more_ports_than_one_worker_gives_uses_every_one(self):
        self.use(allocatedOutboundPorts=MANY_PORTS)
        server = self.listen()
        with called(self.member, server, MANY_PORTS) as seen:
            self.assertEqual(len(seen), MANY_PORTS)
            self.assertEqual(self.ports(), (MANY_PORTS, MANY_PORTS))
            self.expect_silence(server)


@with_each_worker_count
class Exhaustion(Outside):
    """A member that has a few ports only, and wants more towards one destination."""

    PORTS = 64

    def setUp(self):
        super().setUp()
        self.use(allocatedOutboundPorts=self.PORTS)
        self.server = self.listen()

    def fill(self):
        """Connections towards one destination on all ports of the member."""
        filled = [self.connect(self.server) for _ in range(self.PORTS)]
        self.assertEqual(self.ports(), (self.PORTS, self.PORTS))
        return [(client, port) for client, _, (_, port) in filled]

    def test_there_are_as_many_connections_to_one_destination_as_ports_and_then_silence(self):
        before = self.dropped("snat_ports_exhausted")
        ports = [port for _, port in self.fill()]
        self.assertEqual(len(set(ports)), self.PORTS)
        self.assertEqual(ports, sorted(ports), "the lowest goes first")
        self.expect_silence(self.server)
        self.assertGreater(self.dropped("snat_ports_exhausted"), before)
        self.assertEqual(self.ports(), (self.PORTS, self.PORTS))
        for page in ("snat", "status"):
            rows = [line.split() for line in self.lab.weir.weirctl(page).splitlines()]
            rows = [row for row in rows if plan.MEMBERS[0] in row]
            full = any({str(self.PORTS), "100%"} <= set(row) for row in rows)
            self.assertTrue(full, f"weirctl {page}: {rows}")

    def test_other_destinations_and_other_members_notice_nothing_of_it(self):
        ports = {port for _, port in self.fill()}
        address, port = self.server.getsockname()
        for server in (self.listen(address, port + 1), self.listen()):
            self.assertEqual(self.connect(server)[2], (plan.OUTBOUND, min(ports)))
        theirs = {self.connect(self.server, self.other)[2][1] for _ in range(self.PORTS)}
        self.assertEqual(len(theirs), self.PORTS)
        self.assertTrue(theirs.isdisjoint(ports))
        self.assertEqual(self.ports(member=1), (self.PORTS, self.PORTS))

    def test_a_port_serves_again_when_its_time_after_a_reset_is_over_and_not_before(self):
        client, port = self.fill()[self.PORTS // 2]
        began = time.monotonic()
        sockets.reset(client)
        seen = None
        while seen is None:
            self.assertLess(time.monotonic() - began, SECONDS_AFTER_RESET + sockets.REPLY_SECONDS)
            try:
                seen = self.connect(self.server, seconds=0.1)[2]
            except TimeoutError:
                pass
        seconds = time.monotonic() - began
        note(f"{self.workers} workers: the port that was reset serves after {seconds:.2f} s")
        self.assertEqual(seen, (plan.OUTBOUND, port))
        self.assertGreaterEqual(seconds, SECONDS_AFTER_RESET)

    def test_a_connection_that_waits_is_made_when_a_port_is_free(self):
        client, port = self.fill()[0]
        sockets.reset(client)
        # The member's kernel repeats the SYN after one second, and after three.
        self.assertEqual(self.connect(self.server)[2], (plan.OUTBOUND, port))


@with_each_worker_count
class Mappings(Outside):
    """A client asks servers how they see it, as STUN's clients do (RFC 5780)."""

    def setUp(self):
        super().setUp()
        self.servers = [Server(self) for _ in range(3)]
        self.client = self.datagrams()

    def test_a_mapping_belongs_to_one_destination_address_and_all_its_ports(self):
        self.use()
        first, second, _ = self.servers
        lowest = second.sees(self.datagrams())
        self.assertEqual(first.sees(self.client), lowest, "it is free towards this server")
        self.assertEqual(first.sees(self.client, end=1), lowest)
        seen = second.sees(self.client)
        self.assertEqual(second.sees(self.client, end=1), seen)
        self.assertNotEqual(seen, lowest)
        self.assertEqual({seen[0], lowest[0]}, {plan.OUTBOUND})

    def test_an_endpoint_independent_mapping_is_the_same_for_everyone(self):
        self.use(extensions={"enableEndpointIndependentMapping": True})
        another = self.servers[1].sees(self.datagrams())
        seen = {server.sees(self.client, end) for server in self.servers for end in (0, 1)}
        self.assertEqual(len(seen), 1)
        self.assertNotIn(another, seen)

    def test_who_was_not_sent_to_cannot_reply(self):
        first, second, _ = self.servers
        for independent in (False, True):
            with self.subTest(enableEndpointIndependentMapping=independent):
                self.use(extensions={"enableEndpointIndependentMapping": independent})
                client = self.datagrams()
                seen = first.sees(client)
                before = self.dropped("snat_flow_unknown")
                second.tell(seen)
                first.tell(seen, end=1)
                self.assertTrue(sockets.silent(client))
                self.assertEqual(self.dropped("snat_flow_unknown"), before + 2)
                first.tell(seen)
                self.assertFalse(sockets.silent(client))

    def test_a_mapping_lasts_while_it_is_used_and_ends_in_silence(self):
        self.use()
        server, quiet = self.servers[0], self.datagrams()
        seen, unused = server.sees(self.client), server.sees(quiet)
        for _ in range(3):
            time.sleep((UDP_IDLE_SECONDS + 0.5) / 3)
            self.assertEqual(server.sees(self.client), seen)
        server.tell(unused)
        self.assertTrue(sockets.silent(quiet))
        # Its port is free for the next one.
        self.assertEqual(server.sees(self.datagrams()), unused)


@with_each_worker_count
class Servers(Outside):
    """Servers that members call, and servers that call back."""

    CONTENT = bytes(range(256)) * 4096

    def setUp(self):
        super().setUp()
        self.use()

    def carry(self, sender, receiver):
        """Bytes one way, up to the sender's FIN."""

        def send():
            sender.sendall(self.CONTENT)
            sender.shutdown(sockets.socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        self.assertEqual(sockets.read_to_end(receiver), self.CONTENT)
        sending.join()

    def test_a_passive_server_is_called_for_control_and_for_data(self):
        control, data = self.listen(port=21), self.listen(port=30_021)
        client, server, _ = self.connect(control)
        server.sendall(b"227 %d\r\n" % data.getsockname()[1])
        self.assertEqual(sockets.read_line(client), b"227 30021\r\n")
        inner, outer, _ = self.connect(data)
        self.carry(outer, inner)
        server.sendall(b"226\r\n")
        self.assertEqual(sockets.read_line(client), b"226\r\n")

    def test_an_active_server_cannot_call_back_and_its_call_is_counted(self):
        control = self.listen(port=21)
        client, server, seen = self.connect(control)
        client.sendall(b"PORT %s,%d\r\n" % (seen[0].encode(), seen[1]))
        self.assertEqual(sockets.read_line(server), b"PORT %s,%d\r\n" % (seen[0].encode(), seen[1]))
        before = self.dropped("snat_flow_unknown")
        with self.assertRaises(TimeoutError):
            source = (control.getsockname()[0], 20)
            sockets.connect(self.lab.client, *seen, sockets.SILENCE_SECONDS, source)
        self.assertEqual(self.dropped("snat_flow_unknown"), before + 1)
        server.sendall(b"425\r\n")
        self.assertEqual(sockets.read_line(client), b"425\r\n")

    def test_every_byte_arrives_and_the_port_returns_whoever_ends_first(self):
        listening = self.listen()
        for member_is_first in (True, False):
            client, server, _ = self.connect(listening)
            first, second = (client, server) if member_is_first else (server, client)
            # Half of the connection is closed, and the other half still carries everything.
            self.carry(first, second)
            self.carry(second, first)
            first.close()
            second.close()
        self.assertEqual(self.ports()[1], 2)
        self.wait_for_ports(0, SECONDS_AFTER_FIN + sockets.REPLY_SECONDS)


class Traffic(threading.Thread):
    """Bytes there and back on every connection, and datagrams beside, until `end`."""

    def __init__(self, connections, conversations):
        super().__init__(daemon=True)
        self.connections = connections
        self.conversations = conversations
        self.ending = threading.Event()
        self.rounds = 0
        self.lost = collections.deque(maxlen=20)

    def run(self):
        while not self.ending.is_set():
            said = self.rounds.to_bytes(4, "big")
            for client, server, seen in self.connections:
                self.attempt(self.carry, said, client, server, seen)
            for client, server, seen in self.conversations:
                self.attempt(self.converse, said, client, server, seen)
            self.rounds += 1

    def attempt(self, action, said, client, server, seen):
        try:
            action(said, client, server, seen)
        except (OSError, ValueError) as failure:
            self.lost.append((action.__name__, seen, self.rounds, repr(failure)))

    def carry(self, said, client, server, _):
        """More than one packet, so that some are under way at any time."""
        client.sendall(said * WORDS)
        server.sendall(sockets.read(server, len(said) * WORDS))
        if sockets.read(client, len(said) * WORDS) != said * WORDS:
            raise ValueError("other bytes")

    def converse(self, said, client, server, seen):
        client.sendto(said, server.getsockname())
        heard, sender = server.recvfrom(64)
        server.sendto(heard, sender)
        if sender != seen or client.recv(64) != said:
            raise ValueError(sender)

    def more_rounds(self, number=3):
        wanted = self.rounds + number
        wait_until(lambda: self.lost or self.rounds >= wanted, 30, "rounds of traffic")

    def end(self):
        self.ending.set()
        self.join(30)


@with_each_worker_count
class Tiers(Outside):
    """Ports come and go while every port of a member is in use."""

    PORTS = 64

    def start(self, document):
        """Connections and conversations on all ports of the first member, and bytes on them."""
        self.lab.weir.apply(document)
        self.server = self.listen()
        address = self.server.getsockname()[0]
        self.outer = sockets.datagrams(self.lab.client, address, SERVER_PORT)
        self.addCleanup(self.outer.close)
        self.flows = [self.connect(self.server) for _ in range(self.PORTS)]
        self.traffic = Traffic(self.flows, [self.converse() for _ in range(self.PORTS)])
        self.addCleanup(self.traffic.end)
        self.traffic.start()
        self.expect_nothing_lost()

    def converse(self):
        client = self.datagrams()
        client.sendto(b"hello", self.outer.getsockname())
        return client, self.outer, self.outer.recvfrom(64)[1]

    def expect_nothing_lost(self):
        self.traffic.more_rounds()
        self.assertEqual(list(self.traffic.lost), [])

    def test_flows_go_on_while_ports_are_halved_and_doubled(self):
        self.start(self.document(allocatedOutboundPorts=self.PORTS))
        for ports in (self.PORTS // 2, self.PORTS, self.PORTS * 2, self.PORTS // 4, self.PORTS):
            self.use(allocatedOutboundPorts=ports)
            self.expect_nothing_lost()
            self.assertEqual(self.ports()[0], ports)

    def test_a_port_that_was_taken_away_serves_its_flow_to_the_end_and_no_other(self):
        self.start(self.document(allocatedOutboundPorts=self.PORTS))
        left = self.PORTS // 2
        self.use(allocatedOutboundPorts=left)
        self.expect_silence(self.server)
        lowest = sorted(port for _, _, (_, port) in self.flows)[:left]
        server = self.listen()
        self.assertEqual([self.connect(server)[2][1] for _ in range(left)], lowest)
        self.expect_silence(server)
        self.expect_nothing_lost()

    def test_nothing_is_lost_while_members_and_frontends_come_and_go(self):
        three = self.document(allocatedOutboundPorts=self.PORTS)
        self.start(three)
        for document in (
            plan.with_outbound_members(three, plan.MEMBERS[:1]),
            plan.with_outbound_members(three, plan.MEMBERS),
            plan.with_two_web_pools(three),
            three,
        ):
            self.lab.weir.apply(document)
            self.expect_nothing_lost()

    def test_a_pool_that_grows_beyond_fifty_members_leaves_each_half_of_its_ports(self):
        three = self.document(allocatedOutboundPorts=0)
        others = [f"10.0.0.{number}" for number in range(100, 148)]
        more = plan.with_outbound_members(three, [*plan.MEMBERS, *others])
        fifty = plan.with_outbound_members(three, [*plan.MEMBERS, *others[1:]])
        self.start(fifty)
        for document, ports in ((more, 512), (fifty, 1024)):
            self.lab.weir.apply(document)
            self.expect_nothing_lost()
            self.assertEqual(self.ports()[0], ports)


if __name__ == "__main__":
    unittest.main(verbosity=2)
