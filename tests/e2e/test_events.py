"""Are subscribers told what happens, and does the socket that reads change nothing?

Not here: slow subscribers and crowds (the appliance's own tests of its sockets).
"""

import copy
import json
import time
import unittest

import configuration as plan
from harness import with_each_worker_count
from processes import Failure, check
from weir import Control, ControlError, binary

READ_ONLY = -32007
BAD_PARAMETERS = -32602
EVENT_SECONDS = 20
PORTS = 8


class Subscriber:
    """A connection that is told of events."""

    def __init__(self, path, *topics):
        self.control = Control(path)
        self.control.call("subscribe", events=list(topics))

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        self.control.__exit__(*arguments)

    def wait_for(self, **wanted):
        """The next event in which every wanted field has its value."""
        deadline = time.monotonic() + EVENT_SECONDS
        seen = []
        while time.monotonic() < deadline:
            self.control.connection.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                event = self.control.read_reply()
            except TimeoutError:
                break
            assert event["method"] == "event" and "id" not in event, event
            seen.append(event["params"])
            if all(seen[-1].get(field) == value for field, value in wanted.items()):
                return seen[-1]
        raise Failure(f"waited in vain for {wanted}; told: {json.dumps(seen)}")


@with_each_worker_count
class Events:
    """Somebody listens while members die, configurations change and ports run out."""

    def setUp(self):
        self.read_only = self.lab.directory / "read-only.sock"

    def test_a_member_that_dies_and_returns_is_told_for_every_rule_with_the_reason(self):
        victim = self.lab.members[1]
        with Subscriber(self.read_only, "health") as subscriber:
            victim.nginx.kill()
            self.addCleanup(self.lab.wait_until_healthy)
            for rule in ("web", "dns", "on-link-web"):
                wanted = {"member": victim.address, "rule": rule, "state": "Down"}
                event = subscriber.wait_for(kind="MemberHealth", loadBalancer="lab", **wanted)
                self.assertEqual(event["reason"], "Down_Probe_TcpProbeTimeout")
                self.assertEqual(event["detail"], "refused the TCP connection")
            # It goes on asking on the same connection.
            self.assertIn("version", subscriber.control.call("version"))
            self.expect_finding("probe", "Warning", victim.address)
            victim.nginx.start()
            event = subscriber.wait_for(member=victim.address, rule="web", state="Up")
            self.assertEqual(event["reason"], "Up_Probe_Success")
        self.lab.wait_until_healthy()
        self.expect_finding("probe", "Ok", "endpoint is up")

    def test_a_configuration_in_force_is_told_with_its_author(self):
        with Subscriber(self.read_only, "configuration") as subscriber:
            applied = self.lab.weir.apply(plan.with_idle_timeout(self.lab.document, 7))
            event = subscriber.wait_for(kind="Configuration", generation=applied["generation"])
            self.assertEqual(event["appliedBy"]["source"], "Socket")
            self.assertEqual(event["appliedBy"]["user"], 0)
            self.lab.weir.apply(self.lab.document)
            subscriber.wait_for(kind="Configuration")

    def test_an_administrator_who_takes_a_member_out_is_a_health_event(self):
        with Subscriber(self.read_only) as subscriber:
            self.lab.weir.apply(plan.with_admin_state(self.lab.document, 2, "Down"))
            subscriber.wait_for(kind="Configuration")
            member = plan.MEMBERS[2]
            event = subscriber.wait_for(kind="MemberHealth", member=member, state="Down")
            self.assertEqual(event["reason"], "Down_Admin")
            self.lab.weir.apply(self.lab.document)
            subscriber.wait_for(kind="MemberHealth", member=member, state="Up")

    def test_ports_that_run_out_are_told_before_and_when_they_do(self):
        document = copy.deepcopy(self.lab.document)
        rule = document["resources"][-1]["properties"]["outboundRules"][0]
        rule["properties"]["allocatedOutboundPorts"] = PORTS
        self.lab.weir.apply(document)
        self.addCleanup(self.lab.weir.apply, self.lab.document)
        member = self.lab.members[2]
        block = {"kind": "SnatPorts", "member": member.address, "protocol": "Tcp"}
        with Subscriber(self.read_only, "snat") as subscriber:
            self.connect_outside(member, PORTS * 3 // 4)
            event = subscriber.wait_for(level="Warning", **block)
            self.assertEqual(event["healthEventType"], "HighSnatPortUsage")
            used = (event["portsUsed"], event["portsAllocated"], event["flowsRefused"])
            self.assertEqual(used, (PORTS * 3 // 4, PORTS, 0))
            self.assertEqual(event["addresses"], [plan.OUTBOUND])
            self.assertEqual(event["rule"], "loadBalancers/lab/outboundRules/outbound")
            self.expect_finding("snat-ports", "Warning", member.address)
            self.connect_outside(member, PORTS - PORTS * 3 // 4)
            subscriber.wait_for(level="Warning", portsUsed=PORTS, **block)
            with self.assertRaises(Failure):
                self.connect_outside(member, 1)
            event = subscriber.wait_for(level="Exhausted", **block)
            self.assertEqual(event["healthEventType"], "SnatPortExhaustion")
            self.assertGreaterEqual(event["flowsRefused"], 1)
            (towards,) = event["destinations"]
            towards = (towards["destination"], towards["destinationPort"])
            self.assertEqual(towards, (plan.OUTSIDE, plan.OUTSIDE_WEB_PORT))
            self.assertIn(f"{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}", event["remedy"])
            self.expect_finding("snat-ports", "Problem", plan.OUTSIDE)
        self.expect_history_of(member, event["flowsRefused"])

    def expect_history_of(self, member, refused):
        """The last hour and day know what was used up and refused, and so does the status."""
        call = self.lab.weir.call
        shown = call("snat", member=member.address, history=True)["allocations"]
        (tcp,) = [it for it in shown if it["protocol"] == "Tcp"]
        self.assertGreaterEqual(tcp["flowsRefused"], refused)
        for series in tcp["history"].values():
            self.assertEqual(max(series["portsUsed"]), PORTS)
            self.assertEqual(series["portsAllocated"][-1], PORTS)
            self.assertGreaterEqual(sum(series["flowsRefused"]), refused)
        status = call("status")["outbound"]
        same = [it for it in status if (it["member"], it["protocol"]) == (member.address, "Tcp")]
        self.assertGreaterEqual(same[0]["flowsRefused"], refused)

    def connect_outside(self, member, times):
        """Connections one after the other: their ports rest for a while."""
        url = f"http://{plan.OUTSIDE}:{plan.OUTSIDE_WEB_PORT}/whoami"
        for _ in range(times):
            member.namespace.output("curl", "--silent", "--fail", "--max-time", 5, url)

    def test_the_read_only_socket_serves_who_reads_and_refuses_who_changes(self):
        with Control(self.read_only) as control:
            before = control.call("status")["generation"]
            changes = {
                "apply": {"configuration": self.lab.document},
                "rollback": {},
                "delete": {"id": "loadBalancers/lab"},
            }
            for method, parameters in changes.items():
                with self.assertRaises(ControlError) as refused:
                    control.call(method, **parameters)
                self.assertEqual(refused.exception.error["code"], READ_ONLY, method)
                self.assertIn(str(self.lab.weir.socket), refused.exception.error["message"])
            self.assertEqual(control.call("status")["generation"], before)
        self.assertIn("member", check([binary("weirctl"), "--socket", self.read_only, "status"]))

    def test_a_topic_that_is_not_known_is_refused_with_those_that_are(self):
        with self.assertRaises(ControlError) as refused, Control(self.read_only) as control:
            control.call("subscribe", events=["weather"])
        self.assertEqual(refused.exception.error["code"], BAD_PARAMETERS)
        self.assertIn("configuration", refused.exception.error["message"])

    def test_a_healthy_appliance_has_no_problem_and_every_question_is_answered(self):
        findings = self.lab.weir.call("diagnose")["findings"]
        found = {finding["check"] for finding in findings}
        wanted = {"link", "route", "neighbour", "probe", "return-path", "on-link", "persistence"}
        wanted |= {"worker-heartbeat", "worker-load", "mbufs", "flow-table", "snat-ports"}
        self.assertLessEqual(wanted, found)
        problems = [finding for finding in findings if finding["state"] == "Problem"]
        self.assertEqual(problems, [])
        for finding in findings:
            self.assertEqual(finding["remedy"] == "", finding["state"] == "Ok", finding)

    def expect_finding(self, check, state, part):
        findings = self.lab.weir.call("diagnose")["findings"]
        found = [it for it in findings if it["check"] == check and it["state"] == state]
        self.assertTrue(any(part in it["detail"] for it in found), findings)


if __name__ == "__main__":
    unittest.main(verbosity=2)
