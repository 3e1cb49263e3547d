"""Can one part of the configuration be read and changed while others are, and under traffic?

Not here: what ids and changes mean (weir-core's own tests), stored configurations (test_store).
"""

import threading
import time
import unittest

import configuration as plan
from harness import LabCase, WordCase
from test_failure import SLOW_BYTES_PER_SECOND, digest, serving_member
from weir import ControlError

REFUSED = -32001
INVALID_PARAMETERS = -32602
NOT_FOUND = -32005
PRECONDITION_FAILED = -32006
CLIENTS = 4
CHANGES_EACH = 10
POOL = "loadBalancers/lab/backendAddressPools/members"
# What is under way when addresses are exchanged may break; a request takes much less.
UNDER_WAY_SECONDS = 1


class Resources(WordCase):
    def setUp(self):
        super().setUp()
        found = self.weir.call("list", collection="loadBalancers")["resources"]
        self.balancer = found[0]["id"]
        self.probes = f"{self.balancer}/probes"

    def probe(self, port):
        return {"properties": {"protocol": "Tcp", "port": port, "intervalInSeconds": 5}}

    def test_a_resource_is_put_found_listed_and_deleted(self):
        extra = f"{self.probes}/extra"
        self.assertTrue(self.weir.call("put", id=extra, resource=self.probe(81))["changed"])
        found = self.weir.call("get", id=extra.upper())
        self.assertEqual((found["id"], found["resource"]["properties"]["port"]), (extra, 81))
        listed = self.weir.call("list", collection=self.probes)["resources"]
        self.assertIn(found, listed)
        self.weir.call("delete", id=extra, ifMatch=found["etag"])
        self.assertEqual(self.refused("get", id=extra)["code"], NOT_FOUND)
        remaining = self.weir.call("list", collection=self.probes)["resources"]
        self.assertEqual(remaining, [it for it in listed if it["id"] != extra])

    def test_a_stale_etag_changes_nothing(self):
        extra = f"{self.probes}/extra"
        self.weir.call("put", id=extra, resource=self.probe(81))
        etag = self.weir.call("get", id=extra)["etag"]
        self.weir.call("put", id=extra, resource=self.probe(82), ifMatch=etag)
        error = self.refused("put", id=extra, resource=self.probe(83), ifMatch=etag)
        self.assertEqual(error["code"], PRECONDITION_FAILED)
        found = self.weir.call("get", id=extra)
        self.assertEqual(found["resource"]["properties"]["port"], 82)
        self.assertIn(found["etag"], error["message"])

    def test_a_change_is_checked_as_a_whole_configuration_is(self):
        pool = self.weir.call("list", collection=f"{self.balancer}/backendAddressPools")
        before = self.weir.call("get")["configuration"]
        error = self.refused("delete", id=pool["resources"][0]["id"])
        self.assertEqual(error["code"], REFUSED)
        codes = {problem["code"] for problem in error["data"]["problems"]}
        self.assertIn("InvalidResourceReference", codes)
        self.assertEqual(self.weir.call("get")["configuration"], before)

    def test_clients_that_change_at_once_do_not_undo_each_other(self):
        def change(client):
            with self.weir.connect() as control:
                for number in range(CHANGES_EACH):
                    name = f"{self.probes}/client-{client}-{number}"
                    control.call("put", id=name, resource=self.probe(1000 + number))

        clients = [threading.Thread(target=change, args=(client,)) for client in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        listed = self.weir.call("list", collection=self.probes)["resources"]
        added = [it["id"] for it in listed if "/client-" in it["id"]]
        self.assertEqual(len(set(added)), CLIENTS * CHANGES_EACH)

    def test_a_changed_resource_survives_a_restart_with_its_etag(self):
        extra = f"{self.probes}/extra"
        self.weir.call("put", id=extra, resource=self.probe(81))
        found = self.weir.call("get", id=extra)
        self.assertEqual(self.weir.process.stop(), 0)
        self.weir.start_again()
        self.assertEqual(self.weir.call("get", id=extra), found)

    def test_a_whole_configuration_is_applied_to_the_one_that_was_looked_at(self):
        current = self.weir.call("get")
        changed = plan.with_idle_timeout(current["configuration"], 7)
        self.weir.call("apply", configuration=changed, ifMatch=current["etag"])
        for method, parameters in (("apply", {"configuration": changed}), ("rollback", {})):
            error = self.refused(method, ifMatch=current["etag"], **parameters)
            self.assertEqual(error["code"], PRECONDITION_FAILED)
            self.assertIn(self.weir.call("get")["etag"], error["message"])
        self.weir.call("rollback", ifMatch=self.weir.call("get")["etag"])
        self.assertEqual(self.weir.call("get")["etag"], current["etag"])

    def test_of_clients_that_looked_at_once_one_only_applies(self):
        current = self.weir.call("get")
        outcomes = []

        def apply(client):
            wanted = plan.with_idle_timeout(current["configuration"], 10 + client)
            try:
                self.weir.call("apply", configuration=wanted, ifMatch=current["etag"])
                outcomes.append(client)
            except ControlError as error:
                outcomes.append(error.error["code"])

        clients = [threading.Thread(target=apply, args=(client,)) for client in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(outcomes.count(PRECONDITION_FAILED), CLIENTS - 1, outcomes)
        winner = max(outcomes)
        expected = plan.with_idle_timeout(current["configuration"], 10 + winner)
        self.assertEqual(self.weir.call("get")["configuration"], expected)

    def test_members_come_change_and_go_by_name_or_address(self):
        before = self.weir.call("get", id=POOL)
        new = {"pool": POOL, "name": "extra", "ipAddress": "10.0.0.99", "weight": 3}
        self.assertTrue(self.weir.call("addMember", **new, dryRun=True)["changed"])
        self.assertEqual(self.weir.call("get", id=POOL), before)
        self.weir.call("addMember", **new, ifMatch=before["etag"])
        self.assertEqual(self.refused("addMember", **new)["code"], INVALID_PARAMETERS)
        extra = f"{POOL}/loadBalancerBackendAddresses/extra"
        etag = self.weir.call("get", id=extra)["etag"]
        down = {"pool": POOL, "member": "10.0.0.99", "adminState": "Down"}
        self.weir.call("setMember", **down, ifMatch=etag)
        stale = self.refused("setMember", **down, ifMatch=etag)
        self.assertEqual(stale["code"], PRECONDITION_FAILED)
        found = self.weir.call("get", id=extra)["resource"]["properties"]
        self.assertEqual((found["adminState"], found["extensions"]), ("Down", {"weight": 3}))
        self.weir.call("removeMember", pool=POOL, member="EXTRA")
        self.assertEqual(self.weir.call("get", id=POOL), before)
        gone = self.refused("removeMember", pool=POOL, member="extra")
        self.assertEqual(gone["code"], NOT_FOUND)
        out_of_range = self.refused("setMember", pool=POOL, member="member-1", weight=101)
        self.assertEqual(out_of_range["code"], REFUSED)

    def test_without_inbound_nat_a_member_has_no_ports(self):
        query = {"backendAddressPool": POOL, "ipAddress": plan.MEMBERS[0]}
        found = self.weir.call("queryInboundNatRulePortMapping", **query)
        self.assertEqual(found, {"inboundNatRulePortMappings": []})
        query["ipAddress"] = "10.0.0.99"
        self.assertEqual(self.refused("queryInboundNatRulePortMapping", **query)["code"], NOT_FOUND)


class Verbs(LabCase):
    """Members and addresses change under traffic."""

    workers = 2

    def test_members_come_and_go_and_drain_while_a_download_goes_on(self):
        content = self.lab.content.file(24)
        download, target = self.start_download(plan.FRONTEND, content)
        member = serving_member(self.lab)
        other = next(one for one in self.lab.members if one is not member)
        everybody = {one.name for one in self.lab.members}
        call = self.lab.weir.call
        call("removeMember", pool=POOL, member=other.address)
        self.assertEqual(self.answers(), everybody - {other.name})
        call("addMember", pool=POOL, name=other.name, ipAddress=other.address)
        self.lab.wait_for_state(other, up=True)
        self.assertEqual(self.answers(), everybody)
        call("setMember", pool=POOL, member=member.name, adminState="Down")
        self.assertEqual(self.answers(), everybody - {member.name})
        self.assertIsNone(download.wait(0.1), "the download ended before its member drained")
        self.assertEqual(download.wait(60), 0, download.tail())
        self.assertEqual(digest(target), digest(content))
        call("setMember", pool=POOL, member=member.address, adminState="None")
        self.lab.wait_for_state(member, up=True)
        self.assertEqual(self.answers(), everybody)

    def test_frontends_exchange_their_addresses_under_traffic(self):
        call, before = self.lab.weir.call, self.lab.weir.call("get")["configuration"]
        self.addCleanup(lambda: call("apply", configuration=before))
        call("apply", configuration=plan.with_two_web_pools(before))
        first, second = {"member-1", "member-2"}, {"member-3"}
        self.assertEqual(self.answers(plan.FRONTEND), first)
        self.assertEqual(self.answers(plan.SECOND_FRONTEND), second)
        content = self.lab.content.file(24)
        download, target = self.start_download(plan.ON_LINK_FRONTEND, content)
        both = plan.FRONTEND, plan.SECOND_FRONTEND
        streams = [
            self.in_background(self.lab.client, "requests", one, 80, "--seconds", 6, "--rate", 100)
            for one in both
        ]
        time.sleep(2)
        began = time.time()
        call("swapPublicIpAddresses", frontendIPConfigurations=self.exchange())
        ended = time.time()
        done = [self.finish(stream)["requests"] for stream in streams]
        for requests, was, becomes in ((done[0], first, second), (done[1], second, first)):
            early = {it["answer"] for it in requests if it["started"] < began - UNDER_WAY_SECONDS}
            late = [it["answer"] for it in requests if it["started"] > ended]
            self.assertEqual((early, set(late)), (was, becomes))
            self.assertGreater(len(late), 100, "too few requests to claim anything")
        self.assertEqual(download.wait(60), 0, "a frontend that kept its address")
        self.assertEqual(digest(target), digest(content))

    def exchange(self):
        """The frontends `web` and `second` get each other's address."""
        pairs = (("web", "second-address"), ("second", "web-address"))
        return [
            {
                "id": f"loadBalancers/lab/frontendIPConfigurations/{frontend}",
                "properties": {"publicIPAddress": plan.reference("publicIPAddresses", address)},
            }
            for frontend, address in pairs
        ]

    def answers(self, address=plan.FRONTEND):
        """Who answers now, and None if a request fails."""
        found = self.ask("requests", address, 80, "--seconds", 1, "--rate", 100)
        return {it["answer"] for it in found["requests"]}

    def start_download(self, address, content):
        """A slow download, and where it goes."""
        target = self.lab.directory / f"download-{time.monotonic_ns()}"
        url = f"http://{address}/files/{content.name}?rate={SLOW_BYTES_PER_SECOND}"
        arguments = ["curl", "--silent", "--fail", "--max-time", 60, "--output", target, url]
        download = self.lab.client.start(arguments, self.lab.directory / "download.log")
        self.addCleanup(download.kill)
        return download, target


if __name__ == "__main__":
    unittest.main()
