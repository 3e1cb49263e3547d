"""Can one resource of the configuration be read and changed while others are?

Not here: what ids and changes mean (weir-core's own tests), stored configurations (test_store).
"""

import threading
import unittest

from lab import Lab
from weir import ControlError

REFUSED = -32001
NOT_FOUND = -32005
PRECONDITION_FAILED = -32006
CLIENTS = 4
CHANGES_EACH = 10


class Resources(unittest.TestCase):
    """An appliance without traffic: only its word counts."""

    def setUp(self):
        self.lab = Lab(1)
        self.addCleanup(self.lab.stop)
        self.lab.start_namespace.create()
        self.weir = self.lab.weir
        self.weir.start()
        found = self.weir.call("list", collection="loadBalancers")["resources"]
        self.balancer = found[0]["id"]
        self.probes = f"{self.balancer}/probes"

    def probe(self, port):
        return {"properties": {"protocol": "Tcp", "port": port, "intervalInSeconds": 5}}

    def refused(self, method, **parameters):
        with self.assertRaises(ControlError) as raised:
            self.weir.call(method, **parameters)
        return raised.exception.error

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


if __name__ == "__main__":
    unittest.main()
