"""Does the control socket show the connections that are there, and the ports they use?

Not here: every filter against every flow (`tests/golden/tests/listing.rs`).
"""

import ipaddress
import json
import sys
import unittest

import configuration as plan
from harness import with_each_worker_count
from processes import wait_until
from servers import HERE
from weir import ControlError

INVALID_PARAMETERS = -32602
NOT_FOUND = -32005
RULE = "loadBalancers/lab/loadBalancingRules/echo-tcp"
OUTBOUND_RULE = "loadBalancers/lab/outboundRules/outbound"
CONNECTIONS = 12
SECONDS = 60


@with_each_worker_count
class Listings:
    """Connections that say nothing, and what is told of them."""

    def hold(self, namespace, address, port, connections):
        """Holds connections until the test ends; returns their own ports."""
        number = len(list(self.lab.directory.glob("hold-*.json")))
        log = self.lab.directory / f"hold-{number}.json"
        peer = [sys.executable, HERE / "peer.py", "hold", address, port]
        options = ["--connections", connections, "--seconds", SECONDS]
        process = namespace.start([*peer, *options], log)
        self.addCleanup(process.stop)
        wait_until(lambda: log.read_text(encoding="utf-8").endswith("\n"), 15, "connections")
        return json.loads(log.read_text(encoding="utf-8"))

    def listed(self, method, entries, **parameters):
        """All entries of a listing, page by page."""
        page = self.lab.weir.call(method, **parameters)
        found = page[entries]
        while page["cursor"] is not None:
            page = self.lab.weir.call(method, **parameters, cursor=page["cursor"])
            self.assertLessEqual(len(page[entries]), parameters.get("limit", 100))
            found += page[entries]
        return found

    def flows(self, **parameters):
        return self.listed("flows", "flows", **parameters)

    def refused(self, method, **parameters):
        with self.assertRaises(ControlError) as raised:
            self.lab.weir.call(method, **parameters)
        return raised.exception.error

    def test_connections_of_clients_are_listed_as_they_are(self):
        ports = self.hold(self.lab.client, plan.FRONTEND, plan.ECHO_PORT, CONNECTIONS)
        flows = [flow for flow in self.flows(rule=RULE) if flow["state"] == "Established"]
        self.assertEqual(sorted(flow["sourcePort"] for flow in flows), sorted(ports))
        for flow in flows:
            self.assertEqual((flow["kind"], flow["protocol"]), ("Inbound", "Tcp"))
            self.assertEqual(flow["source"], plan.CLIENT)
            end = (flow["destination"], flow["destinationPort"])
            self.assertEqual(end, (plan.FRONTEND, plan.ECHO_PORT))
            self.assertEqual(flow["translatedPort"], plan.ECHO_PORT)
            self.assertEqual(flow["translatedAddress"], flow["member"])
            self.assertEqual((flow["loadBalancer"], flow["rule"]), ("lab", "echo-tcp"))
            self.assertLess(flow["idleSeconds"], SECONDS)
            self.assertAlmostEqual(flow["idleSeconds"] + flow["expiresInSeconds"], 240, delta=2)
        self.expect_filters_to_part(flows)

    def expect_filters_to_part(self, flows):
        """Every filter shows its part of these flows, and the parts make the whole."""

        def ports(**filters):
            shown = self.flows(rule=RULE.upper(), **filters)
            return sorted(it["sourcePort"] for it in shown if it["state"] == "Established")

        everything = sorted(flow["sourcePort"] for flow in flows)
        by_member = [ports(member=member) for member in plan.MEMBERS]
        self.assertEqual(sorted(sum(by_member, [])), everything)
        by_worker = [ports(worker=worker) for worker in range(self.workers)]
        self.assertEqual(sorted(sum(by_worker, [])), everything)
        network = ipaddress.ip_network(f"{plan.CLIENT}/25", strict=False)
        self.assertEqual(ports(source=str(network)), everything)
        self.assertEqual(ports(source="203.0.113.0/24"), [])
        self.assertEqual(ports(sourcePort=everything[0], destination=plan.FRONTEND), everything[:1])
        self.assertEqual(ports(protocol="Udp"), [])
        self.assertEqual(ports(limit=2), everything)

    def test_members_connections_are_listed_with_the_ports_that_they_use(self):
        towards = (plan.OUTSIDE, plan.OUTSIDE_WEB_PORT)
        first, second = self.lab.members[:2]
        many = self.hold(first.namespace, *towards, 5)
        self.hold(second.namespace, *towards, 2)
        allocations = self.listed("snat", "allocations", rule=OUTBOUND_RULE, limit=1)
        allocations = [it for it in allocations if it["protocol"] == "Tcp"]
        self.assertEqual([it["member"] for it in allocations], list(plan.MEMBERS))
        own = allocations[0]
        self.assertEqual((own["address"], own["portsAllocated"]), (plan.OUTBOUND, 1024))
        self.assertEqual([it["portsUsed"] for it in allocations], [5, 2, 0])
        flows = self.flows(member=first.address, destination=plan.OUTSIDE)
        self.assertEqual(sorted(flow["sourcePort"] for flow in flows), sorted(many))
        (block,) = own["blocks"]
        ports = range(block["firstPort"], block["lastPort"] + 1)
        self.assertEqual(len({flow["translatedPort"] for flow in flows}), 5)
        for flow in flows:
            self.assertIn(flow["translatedPort"], ports)
            told = [flow[it] for it in ("kind", "rule", "worker", "translatedAddress", "state")]
            expected = ["Outbound", "outbound", block["worker"], plan.OUTBOUND, "Established"]
            self.assertEqual(told, expected)
        destinations = self.listed("snat", "destinations", destinations=True, limit=1)
        told = [(it["member"], it["destination"], it["portsUsed"]) for it in destinations]
        expected = [(first.address, plan.OUTSIDE, 5), (second.address, plan.OUTSIDE, 2)]
        self.assertEqual(told, expected)

    def test_what_names_nothing_is_refused_with_its_name(self):
        for method, parameters, code in (
            ("flows", {"member": "10.0.0.99"}, NOT_FOUND),
            ("flows", {"rule": "loadBalancers/lab/loadBalancingRules/nothing"}, NOT_FOUND),
            ("flows", {"worker": self.workers}, INVALID_PARAMETERS),
            ("flows", {"protocol": "Sctp"}, INVALID_PARAMETERS),
            ("flows", {"source": "10.0.0.0/33"}, INVALID_PARAMETERS),
            ("flows", {"limit": 1001}, INVALID_PARAMETERS),
            ("flows", {"cursor": "0.0~0000000000000000"}, INVALID_PARAMETERS),
            ("snat", {"rule": RULE}, NOT_FOUND),
            ("snat", {"limit": 0}, INVALID_PARAMETERS),
        ):
            error = self.refused(method, **parameters)
            self.assertEqual(error["code"], code, error)
            named = str(next(iter(parameters.values())))
            self.assertTrue(next(iter(parameters)) in error["message"] or named in error["message"])


if __name__ == "__main__":
    unittest.main()
