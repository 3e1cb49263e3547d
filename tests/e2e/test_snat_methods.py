"""By which way do members leave, what may be had besides Azure's, and do ICMP messages pass?

Not here: how ports are used and come back (`test_snat.py`).
"""

import time
import unittest

import configuration as plan
import sockets
from harness import note, with_each_worker_count
from outside import SERVER_PORT, Outside, Server

DESTINATION_UNREACHABLE = 3
PORT_UNREACHABLE = 3
FRAGMENTATION_NEEDED = 4
TIME_EXCEEDED = 11
# A host behind the router outside and the next one, neither of which there is.
BEYOND = "192.0.2.200"
BEYOND_MTU = 1000
NEXT_ROUTER = "198.51.100.77"
CLOSED_PORT = 9999


@with_each_worker_count
class Ways(Outside):
    """The addresses by which members leave."""

    # Those of a load-balancing rule have Azure's times.
    ports_return = False
    # A member has 32 ports, and then four others take what is left of the first address.
    FIRST = 32
    EACH = 15_992
    OTHERS = ("10.0.0.101", "10.0.0.102", "10.0.0.103", "10.0.0.104")

    def test_members_leave_by_the_frontend_of_their_rule(self):
        self.lab.weir.apply(plan.with_implicit_snat(self.lab.document, "web"))
        server = self.listen()
        for member in (self.member, self.other):
            self.assertEqual(self.connect(server, member)[2][0], plan.FRONTEND)

    def test_a_rule_of_tcp_lets_no_udp_out(self):
        self.lab.weir.apply(plan.with_implicit_snat(self.lab.document, "web"))
        server, client = Server(self), self.datagrams()
        before = self.dropped("no_outbound")
        client.sendto(b"who am I?", server.ends[0].getsockname())
        self.assertTrue(sockets.silent(server.ends[0]))
        self.assertEqual(self.dropped("no_outbound"), before + 1)

    def test_the_next_frontend_is_used_when_the_ports_of_the_first_are(self):
        member = plan.MEMBERS[0]
        self.use_two_frontends(self.FIRST, [member])
        self.use_two_frontends(self.EACH, [*self.OTHERS, member])
        self.assertEqual(self.ports()[0], self.EACH)
        server = self.listen()
        seen = [self.connect(server)[2][0] for _ in range(self.FIRST + 8)]
        self.assertEqual(seen, [plan.OUTBOUND] * self.FIRST + [plan.SECOND_FRONTEND] * 8)

    def use_two_frontends(self, ports, members):
        document = plan.with_outbound_members(self.document(allocatedOutboundPorts=ports), members)
        self.lab.weir.apply(plan.with_second_outbound_frontend(document))

    def test_a_member_is_seen_by_its_own_address_and_port_and_others_are_not(self):
        self.lab.weir.apply(plan.with_instance_address(self.document(), 0))
        server = self.listen()
        client, _, seen = self.connect(server)
        self.assertEqual(seen, (plan.INSTANCE, client.getsockname()[1]))
        self.assertEqual(self.connect(server, self.other)[2][0], plan.OUTBOUND)
        client = self.datagrams()
        seen = Server(self).sees(client)
        self.assertEqual(seen, (plan.INSTANCE, client.getsockname()[1]))

    def test_the_world_calls_a_members_own_address_at_any_port_if_it_may(self):
        server = sockets.listen(self.member, plan.MEMBERS[0], SERVER_PORT)
        self.addCleanup(server.close)
        self.lab.weir.apply(plan.with_instance_address(self.document(), 0))
        before = self.dropped("instance_inbound_closed")
        with self.assertRaises(TimeoutError):
            sockets.connect(self.lab.client, plan.INSTANCE, SERVER_PORT, sockets.SILENCE_SECONDS)
        self.assertEqual(self.dropped("instance_inbound_closed"), before + 1)
        self.lab.weir.apply(plan.with_instance_address(self.document(), 0, inbound=True))
        client = sockets.connect(self.lab.client, plan.INSTANCE, SERVER_PORT)
        accepted, seen = server.accept()
        self.connections += [client, accepted]
        self.assertEqual(seen, client.getsockname())
        client.sendall(b"hello")
        self.assertEqual(sockets.read(accepted, 5), b"hello")

    def test_pings_of_a_members_own_address_pass_in_both_directions(self):
        self.lab.weir.apply(plan.with_instance_address(self.document(), 0))
        server = self.new_address()
        for namespace, address in ((self.member, server), (self.lab.client, plan.INSTANCE)):
            one = sockets.pings(namespace)
            self.addCleanup(one.close)
            sockets.ping(one, address)
            self.assertEqual(sockets.pong(one), (address, b"weir"))


@with_each_worker_count
class Scarcity(Outside):
    """What may be had instead of Azure's silence when ports run out."""

    FEW, MOST = 16, 64

    def test_a_busy_member_gets_more_than_it_was_allotted_up_to_its_most(self):
        extensions = {"enableOnDemandPorts": True, "maximumOutboundPorts": self.MOST}
        self.use(allocatedOutboundPorts=self.FEW, extensions=extensions)
        self.assertEqual(self.ports(), (self.FEW, 0))
        server = self.listen()
        began = time.monotonic()
        seen = {self.connect(server)[2] for _ in range(self.MOST)}
        note(f"{self.workers} workers: {self.MOST} ports in {time.monotonic() - began:.2f} s")
        self.assertEqual(len(seen), self.MOST)
        self.assertEqual(self.ports(), (self.MOST, self.MOST))
        self.expect_silence(server)
        self.assertEqual(self.ports(member=1), (self.FEW, 0))

    def test_a_connection_without_a_port_is_refused_at_once(self):
        self.use(allocatedOutboundPorts=self.FEW, extensions={"rejectWhenExhausted": True})
        server = self.listen()
        for _ in range(self.FEW):
            self.connect(server)
        began = time.monotonic()
        with self.assertRaises(ConnectionRefusedError):
            sockets.connect(self.member, *server.getsockname())
        self.assertLess(time.monotonic() - began, sockets.SILENCE_SECONDS)

    def test_a_datagram_without_a_port_is_refused_by_icmp(self):
        self.use(allocatedOutboundPorts=self.FEW, extensions={"rejectWhenExhausted": True})
        server = Server(self)
        for _ in range(self.FEW):
            server.sees(self.datagrams())
        client = self.datagrams()
        sockets.errors_wanted(client)
        client.sendto(b"who am I?", server.ends[0].getsockname())
        self.assertEqual(sockets.error(client)[1], DESTINATION_UNREACHABLE)


@with_each_worker_count
class Icmp(Outside):
    """Members ping the world, and ICMP errors find the socket that they concern."""

    IDENTIFIER = 77

    def pings(self, namespace):
        one = sockets.pings(namespace, self.IDENTIFIER)
        self.addCleanup(one.close)
        return one

    def test_members_ping_the_same_server_with_the_same_identifier(self):
        self.use(extensions={"enableIcmpEcho": True})
        server = self.new_address()
        both = {self.pings(self.member): b"first", self.pings(self.other): b"second"}
        for _ in range(3):
            for one, content in both.items():
                sockets.ping(one, server, content)
            for one, content in both.items():
                self.assertEqual(sockets.pong(one), (server, content))

    def test_without_the_extension_no_ping_goes_out(self):
        self.use()
        one = self.pings(self.member)
        sockets.ping(one, self.new_address())
        self.assertTrue(sockets.silent(one))

    def test_a_closed_port_outside_refuses_a_members_datagram(self):
        self.use()
        server = self.new_address()
        error = self.error_of(self.datagrams(), server, SERVER_PORT)
        expected = (server, DESTINATION_UNREACHABLE, PORT_UNREACHABLE)
        self.assertEqual(error[:3], expected)

    def test_a_closed_port_of_a_member_refuses_a_clients_datagram(self):
        rule = ("closed", "web", "Udp", CLOSED_PORT, CLOSED_PORT)
        self.lab.weir.apply(plan.with_rule(self.document(), *rule))
        error = self.error_of(self.datagrams(self.lab.client), plan.FRONTEND, CLOSED_PORT)
        expected = (plan.FRONTEND, DESTINATION_UNREACHABLE, PORT_UNREACHABLE)
        self.assertEqual(error[:3], expected)

    def test_a_member_traces_its_route_beyond_the_appliance(self):
        self.use()
        self.forward()
        client = self.datagrams()
        client.setsockopt(sockets.socket.IPPROTO_IP, sockets.socket.IP_TTL, 2)
        error = self.error_of(client, BEYOND, SERVER_PORT)
        self.assertEqual(error[:3], (plan.CLIENT, TIME_EXCEEDED, 0))

    def test_a_member_learns_the_mtu_of_a_path_outside(self):
        self.use()
        self.forward("mtu", "lock", str(BEYOND_MTU))
        error = self.error_of(self.datagrams(), BEYOND, SERVER_PORT, bytes(BEYOND_MTU + 200))
        expected = (plan.CLIENT, DESTINATION_UNREACHABLE, FRAGMENTATION_NEEDED, BEYOND_MTU)
        self.assertEqual(error, expected)

    def error_of(self, client, address, port, content=b"anybody?"):
        """The ICMP error that answers a datagram."""
        sockets.errors_wanted(client)
        client.connect((address, port))
        client.send(content)
        return sockets.error(client)

    def forward(self, *options):
        """The router outside forwards to another one, at which nobody is."""
        self.lab.client.sysctl("net.ipv4.ip_forward=1")
        self.addCleanup(self.lab.client.sysctl, "net.ipv4.ip_forward=0")
        route = f"{BEYOND} via {NEXT_ROUTER} dev weir-front {' '.join(options)}"
        self.lab.client.ip(f"route add {route}")
        self.addCleanup(self.lab.client.ip, f"route del {route}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
