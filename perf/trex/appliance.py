"""How does Weir run between TRex's two ports? The real daemon on two net_memif devices.

Weir has the memif server's role: its sockets are there before TRex comes, and it allocates
nothing that TRex would have to survive. No member is probed; TRex's members only answer ARP.

Not here: which addresses these are (`network.py`), and how a daemon is asked
(`tests/e2e/weir.py`).
"""

from collections import Counter
from dataclasses import dataclass

import network
from processes import Namespace, wait_until
from weir import Weir

RESOLVE_SECONDS = 30
LINK_SECONDS = 30


@dataclass
class Tally:
    """Packets that Weir counted: by port, those it kept to itself, and drops by reason."""

    received: list
    transmitted: list
    kept: int
    drops: Counter

    def since(self, before):
        """What happened between an earlier tally and this one."""
        return Tally(
            [now - then for now, then in zip(self.received, before.received)],
            [now - then for now, then in zip(self.transmitted, before.transmitted)],
            self.kept - before.kept,
            self.drops - before.drops,
        )

    @property
    def vanished(self):
        """Received packets without any outcome. The kernel's own packets (ARP) are transmitted
        without having been received, so a few of these could hide as many of those."""
        ended = sum(self.transmitted) + self.kept + sum(self.drops.values())
        return max(0, sum(self.received) - ended)


class Appliance:
    """Weir in a namespace of its own; `directory` holds its sockets and its log."""

    def __init__(self, directory, suffix, members, options):
        self.members = members
        self.namespace = Namespace(f"wt-start-{suffix}")
        self.twin = Namespace(f"wt-twin-{suffix}")
        self.sockets = (directory / "front.sock", directory / "back.sock")
        self.document = document(self, directory, options)
        self.weir = Weir(self.namespace, directory, self.document, f"weir-trex-{suffix}")

    def start(self):
        self.namespace.create()
        self.weir.start()

    def wait_for_links(self):
        def up():
            return all(port["link"]["up"] for port in self.weir.call("status")["ports"])

        wait_until(up, LINK_SECONDS, "both links between Weir and TRex to be up", every=0.2)

    def wait_for_neighbours(self):
        """Members and router answer ARP: without that, packets wait or are dropped."""

        def resolved():
            members = self.weir.call("status")["members"]
            known = [member for member in members if member["mac"]]
            return len(known) == len(self.members) and self.router_is_known()

        wait_until(resolved, RESOLVE_SECONDS, "Weir to resolve members and router", every=0.2)

    def router_is_known(self):
        arguments = ["ip", "-n", self.twin.name, "neigh", "show", network.ROUTER]
        return network.ROUTER_MAC in self.namespace.output(*arguments)

    def tally(self):
        """Weir's own account of packets so far."""
        status = self.weir.call("status")
        ports, packets = status["ports"], status["packets"]
        return Tally(
            [port["received"] for port in ports],
            [port["transmitted"] for port in ports],
            packets["punted"] + packets["answered"],
            Counter({drop["reason"]: drop["count"] for drop in status["drops"]}),
        )

    def flows(self):
        return sum(worker["flows"] for worker in self.weir.call("status")["workers"])

    def faults(self):
        """What went wrong inside, once it has been stopped."""
        code = self.weir.process.child.returncode
        ended = [f"Weir ended with {code}"] if code else []
        return ended + [f"Weir logged: {line}" for line in self.weir.errors_logged()]

    def stop(self):
        if self.weir.process:
            self.weir.process.stop()
        for namespace in (self.twin, self.namespace):
            if namespace.exists():
                namespace.delete()


def document(appliance, directory, options):
    """The whole configuration."""
    section = {
        "name": "trex",
        "workers": options.workers,
        "idle": options.idle,
        "ports": [
            port("front", 0, appliance.sockets[0], network.WEIR_FRONT_MAC, network.WEIR_FRONT),
            port("back", 1, appliance.sockets[1], network.WEIR_BACK_MAC, network.WEIR_BACK),
        ],
        "routes": [{"destination": "0.0.0.0/0", "nextHop": network.ROUTER}],
        "networkNamespace": appliance.twin.name,
        "controlSocket": str(directory / "weir.sock"),
        "stateDirectory": str(directory / "state"),
    }
    return {"appliance": section, "resources": resources(appliance.members)}


def port(name, number, socket, mac, address):
    device = f"net_memif{number},role=server,id={number},socket={socket},socket-abstract=no"
    return {"name": name, "device": f"{device},mac={mac}", "addresses": [f"{address}/24"]}


def resources(members):
    return [
        {
            "type": "Microsoft.Network/virtualNetworks",
            "name": "network",
            "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/24"]}},
        },
        {
            "type": "Microsoft.Network/publicIPAddresses",
            "name": "address",
            "sku": {"name": "Standard"},
            "properties": {"ipAddress": network.FRONTEND},
        },
        {
            "type": "Microsoft.Network/loadBalancers",
            "name": "balancer",
            "sku": {"name": "Standard"},
            "properties": {
                "frontendIPConfigurations": [
                    {
                        "name": "frontend",
                        "properties": {"publicIPAddress": {"id": "publicIPAddresses/address"}},
                    }
                ],
                "backendAddressPools": [pool(members)],
                "loadBalancingRules": [rule("tcp"), rule("udp")],
            },
        },
    ]


def pool(members):
    addresses = [
        {"name": f"member-{number}", "properties": {"ipAddress": member.address}}
        for number, member in enumerate(members, start=1)
    ]
    return {"name": "members", "properties": {"loadBalancerBackendAddresses": addresses}}


def rule(protocol):
    return {
        "name": protocol,
        "properties": {
            "frontendIPConfiguration": {"id": "frontendIPConfigurations/frontend"},
            "backendAddressPool": {"id": "backendAddressPools/members"},
            "protocol": protocol.capitalize(),
            "frontendPort": network.FRONTEND_PORTS[protocol],
            "backendPort": network.MEMBER_PORTS[protocol],
            "idleTimeoutInMinutes": 30,
            "disableOutboundSnat": True,
        },
    }
