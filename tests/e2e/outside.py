"""What do tests of outbound flows have in common? A world outside, and both ends of each flow.

Not here: the claims (`test_snat*.py`), and the sockets themselves (`sockets.py`).
"""

import ipaddress
import itertools

import configuration as plan
import sockets
from processes import wait_until

# Addresses set aside for tests of boxes like this one (RFC 2544): all are the world outside.
WORLD = ipaddress.ip_network("198.18.0.0/15")
SERVER_PORT = 7000
# A test that waits for ports cannot wait for Azure's 15 and 240 seconds.
SECONDS_AFTER_RESET = 1
SECONDS_AFTER_FIN = 2
# The shortest that a mapping may have.
UDP_IDLE_SECONDS = 10
EXTENSIONS = {
    "tcpResetTimeoutInSeconds": SECONDS_AFTER_RESET,
    "tcpFinTimeoutInSeconds": SECONDS_AFTER_FIN,
    "udpIdleTimeoutInSeconds": UDP_IDLE_SECONDS,
}


class Outside:
    """Members and servers outside. A test case beside `LabCase`."""

    # Whether every test waits for its ports to come back.
    ports_return = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.client.ip(f"route add local {WORLD} dev lo")
        cls.numbers = itertools.count(1)

    def setUp(self):
        super().setUp()
        self.member, self.other = (member.namespace for member in self.lab.members[:2])
        self.connections = []
        if self.ports_return:
            self.addCleanup(self.expect_tcp_ports_to_return)
        self.addCleanup(lambda: sockets.reset(*self.connections))

    def new_address(self):
        """The address of a server that no test has used: towards it every port is free."""
        return str(WORLD[next(self.numbers)])

    def document(self, **properties):
        """With other properties of the outbound rule."""
        extensions = {**EXTENSIONS, **properties.pop("extensions", {})}
        return plan.with_outbound_rule(self.lab.document, extensions=extensions, **properties)

    def use(self, **properties):
        """Puts other properties of the outbound rule in force, up to the next change."""
        self.lab.weir.apply(self.document(**properties))

    def listen(self, address=None, port=SERVER_PORT):
        server = sockets.listen(self.lab.client, address or self.new_address(), port)
        self.addCleanup(server.close)
        return server

    def connect(self, server, namespace=None, seconds=sockets.REPLY_SECONDS):
        """Both ends of a new connection, and the address and port that the server sees."""
        client = sockets.connect(namespace or self.member, *server.getsockname(), seconds)
        self.connections.append(client)
        accepted, seen = server.accept()
        accepted.settimeout(sockets.REPLY_SECONDS)
        self.connections.append(accepted)
        return client, accepted, seen

    def expect_silence(self, server, namespace=None):
        """The SYN is dropped, and nobody tells the member."""
        address = server.getsockname()
        with self.assertRaises(TimeoutError):
            sockets.connect(namespace or self.member, *address, sockets.SILENCE_SECONDS)

    def datagrams(self, namespace=None):
        """A member's UDP socket."""
        client = sockets.datagrams(namespace or self.member)
        self.addCleanup(client.close)
        return client

    def ports(self, member=0, protocol="Tcp"):
        """How many ports a member has, and how many of them are in use."""
        found = self.allocations(protocol, member=plan.MEMBERS[member])
        allotted = sum(it["portsAllocated"] for it in found)
        return allotted, sum(it["portsUsed"] for it in found)

    def allocations(self, protocol, **parameters):
        found = self.lab.weir.call("snat", **parameters)["allocations"]
        return [it for it in found if it["protocol"] == protocol]

    def wait_for_ports(self, used, seconds):
        """Waits until the first member has so many in use."""
        wait_until(lambda: self.ports()[1] == used, seconds, f"{used} ports to be in use")

    def expect_tcp_ports_to_return(self):
        def none_in_use():
            return not any(it["portsUsed"] for it in self.allocations("Tcp"))

        seconds = SECONDS_AFTER_FIN + sockets.REPLY_SECONDS
        wait_until(none_in_use, seconds, "all ports of TCP to return")

    def dropped(self, reason):
        return self.lab.weir.counters()[f"drop_{reason}_packets"]


class Server:
    """A server outside that tells whom it sees, at two ports of its address."""

    PORTS = (3478, 3479)

    def __init__(self, case):
        address = case.new_address()
        self.ends = [sockets.datagrams(case.lab.client, address, port) for port in self.PORTS]
        for end in self.ends:
            case.addCleanup(end.close)

    def sees(self, client, end=0):
        """The address and port that the client's datagram comes from; it gets an answer."""
        client.sendto(b"who am I?", self.ends[end].getsockname())
        _, seen = self.ends[end].recvfrom(64)
        self.tell(seen, end)
        _, server = client.recvfrom(64)
        assert server == self.ends[end].getsockname(), server
        return seen

    def tell(self, seen, end=0):
        self.ends[end].sendto(f"{seen[0]}:{seen[1]}".encode(), seen)
