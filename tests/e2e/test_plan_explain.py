"""Are `plan` and `explain` answered by the daemon, and is nothing changed by it?

Not here: whether what they say is true (`tests/golden`), how `weirctl` shows it.
"""

import copy
import unittest

import configuration as lab_plan
from harness import WordCase
from processes import wait_until
from weir import ControlError

REFUSED = -32001
INVALID = -32602
PRECONDITION_FAILED = -32006
START_SECONDS = 10


class PlanAndExplain(WordCase):
    def explain(self, source, destination, **more):
        ends = dict(zip(("source", "sourcePort"), source))
        ends.update(zip(("destination", "destinationPort"), destination))
        return self.weir.call("explain", protocol="Tcp", **ends, **more)

    def test_a_plan_says_what_would_change_and_changes_nothing(self):
        document = self.weir.call("get")["configuration"]
        empty = self.weir.call("plan", configuration=document)
        self.assertEqual((empty["changed"], empty["changes"], empty["effects"]), (False, [], []))
        changed = copy.deepcopy(document)
        rules = changed["resources"][-1]["properties"]["loadBalancingRules"]
        gone = rules.pop(0)["name"]
        found = self.weir.call("plan", configuration=changed, ifMatch=empty["etag"])
        self.assertTrue(found["changed"])
        [change] = found["changes"]
        self.assertEqual(change["change"], "Remove")
        self.assertTrue(change["id"].endswith(f"/loadBalancingRules/{gone}"))
        [effect] = found["effects"]
        self.assertEqual((effect["id"], effect["effect"]), (change["id"], "End"))
        self.assertEqual(self.weir.call("get")["configuration"], document)

    def test_a_plan_is_refused_as_an_apply_is(self):
        document = self.weir.call("get")["configuration"]
        doubtful, pointers = lab_plan.with_all_members_in_doubt(document)
        error = self.refused("plan", configuration=doubtful)
        self.assertEqual(error["code"], REFUSED)
        named = {problem["pointer"] for problem in error["data"]["problems"]}
        self.assertLessEqual(set(pointers), named)
        error = self.refused("plan", configuration=document, ifMatch="stale")
        self.assertEqual(error["code"], PRECONDITION_FAILED)

    def test_a_packet_to_a_frontend_is_told_to_its_end(self):
        in_force = lambda: self.weir.call("get")["generation"] > 0
        wait_until(in_force, START_SECONDS, "the first generation")
        source = (lab_plan.OUTSIDE, 40_000)
        told = self.explain(source, (lab_plan.FRONTEND, 9), port="front")
        self.assertEqual((told["verdict"], told["reason"]), ("Drop", "no_rule"))
        self.assertTrue(told["frontend"] and told["loadBalancer"])
        self.assertIn("port front", told["steps"][0])
        # Members are down: nobody answers their probes.
        told = self.explain(source, (lab_plan.FRONTEND, 80), port="front")
        self.assertEqual((told["verdict"], told["reason"]), ("Drop", "no_healthy_member"))
        self.assertEqual(self.weir.counters().get("drop_no_rule_packets", 0), 0)

    def test_what_cannot_be_asked_is_named(self):
        frontend = (lab_plan.FRONTEND, 80)
        asked = [
            ({"source": (lab_plan.OUTSIDE, 1), "destination": ("2001:db8::1", 80)}, "families"),
            ({"source": ("nobody", 1), "destination": frontend}, "nobody"),
            (
                {"source": (lab_plan.OUTSIDE, 1), "destination": frontend, "port": "side"},
                "front, back",
            ),
        ]
        for question, expected in asked:
            with self.assertRaises(ControlError) as raised:
                self.explain(question.pop("source"), question.pop("destination"), **question)
            error = raised.exception.error
            self.assertEqual(error["code"], INVALID)
            self.assertIn(expected, error["message"])


if __name__ == "__main__":
    unittest.main()
