"""Which configuration is changed? 1,000 rules on 1,000 members in 100 pools with 100 probes.

    pool P (0 to 99)    members m0 to m9, 10.1.P.1 to 10.1.P.10; probe P
    rule R (0 to 999)   203.0.113.10:1000+R to pool R mod 100, port 1000+R
    probe P             port 1000+P; probe 0 by HTTP every half second, the others by TCP every 5 s

Not here: the network that these addresses live in (`stage.py`).
"""

import copy

POOLS = 100
MEMBERS_OF_A_POOL = 10
RULES = 1000
FIRST_PORT = 1000
FRONTEND = "203.0.113.10"
FRONT = "198.51.100.1"
CLIENT = "198.51.100.254"
BACK = "10.1.255.1"
MEMBERS_GATEWAY = "10.1.200.1"
MEMBERS_PREFIX = "10.1.0.0/17"
# In every pool, where that is measured; its name and address.
SHARED = ("shared", "10.1.120.1")
HTTP_INTERVAL_MS = 500
TCP_INTERVAL_S = 5
BALANCER = "loadBalancers/web"
# A table has so many entries of two bytes (docs/limits.md).
TABLE_BYTES = 65_537 * 2


def pool_id(number):
    return f"{BALANCER}/backendAddressPools/pool{number}"


def address(pool, member):
    return f"10.1.{pool}.{member + 1}"


def whole(appliance):
    """The whole configuration."""
    return {"appliance": appliance, "resources": [public_address(), balancer()]}


def small(appliance):
    """One pool, one rule: what a process needs by itself."""
    document = whole(appliance)
    properties = document["resources"][1]["properties"]
    for name in ("backendAddressPools", "probes", "loadBalancingRules"):
        del properties[name][1:]
    return document


def without_last(document):
    """The same without the last member of each pool: a frontend's rules lead to 10,000 members at
    most, so that one in all pools needs the room."""
    changed = copy.deepcopy(document)
    for pool in pools_of(changed):
        pool["properties"]["loadBalancerBackendAddresses"].pop()
    return changed


def with_shared(document, **properties):
    """The same with one more member, which is in all pools."""
    changed = copy.deepcopy(document)
    name, member = SHARED
    for pool in pools_of(changed):
        entry = {"name": name, "properties": {"ipAddress": member, **properties}}
        pool["properties"]["loadBalancerBackendAddresses"].append(entry)
    return changed


def with_first_weights(document, weight):
    """The same with another weight of the first member of each pool."""
    changed = copy.deepcopy(document)
    for pool in pools_of(changed):
        first = pool["properties"]["loadBalancerBackendAddresses"][0]
        first["properties"]["extensions"] = {"weight": weight}
    return changed


def pools_of(document):
    return document["resources"][1]["properties"]["backendAddressPools"]


def distinct_tables(document):
    """How many pools differ from all others, and so have a selection table of their own."""
    contents = {
        tuple(
            (it["properties"]["ipAddress"], str(it["properties"].get("extensions")))
            for it in pool["properties"]["loadBalancerBackendAddresses"]
        )
        for pool in pools_of(document)
    }
    return len(contents)


def appliance(devices, namespace, directory):
    ports = [
        {"name": "front", "device": devices[0], "addresses": [f"{FRONT}/24"]},
        {"name": "back", "device": devices[1], "addresses": [f"{BACK}/16"]},
    ]
    return {
        "name": "control",
        "workers": 2,
        "ports": ports,
        "routes": [{"destination": "0.0.0.0/0", "nextHop": CLIENT}],
        "networkNamespace": namespace,
        "controlSocket": str(directory / "weir.sock"),
        "stateDirectory": str(directory / "state"),
        "limits": {"hugepages": "Never"},
    }


def public_address():
    return {
        "type": "Microsoft.Network/publicIPAddresses",
        "name": "address",
        "sku": {"name": "Standard"},
        "properties": {"ipAddress": FRONTEND, "publicIPAllocationMethod": "Static"},
    }


def balancer():
    return {
        "type": "Microsoft.Network/loadBalancers",
        "name": "web",
        "sku": {"name": "Standard"},
        "properties": {
            "frontendIPConfigurations": [
                {
                    "name": "front",
                    "properties": {"publicIPAddress": {"id": "publicIPAddresses/address"}},
                }
            ],
            "backendAddressPools": [pool(number) for number in range(POOLS)],
            "probes": [probe(number) for number in range(POOLS)],
            "loadBalancingRules": [rule(number) for number in range(RULES)],
        },
    }


def pool(number):
    members = [
        {"name": f"m{member}", "properties": {"ipAddress": address(number, member)}}
        for member in range(MEMBERS_OF_A_POOL)
    ]
    return {"name": f"pool{number}", "properties": {"loadBalancerBackendAddresses": members}}


def probe(number):
    properties = {"protocol": "Tcp", "port": FIRST_PORT + number}
    if number == 0:
        properties |= {"protocol": "Http", "requestPath": "/", "probeThreshold": 1}
        properties["extensions"] = {"intervalInMilliseconds": HTTP_INTERVAL_MS}
    else:
        properties["intervalInSeconds"] = TCP_INTERVAL_S
    return {"name": f"probe{number}", "properties": properties}


def rule(number):
    return {
        "name": f"rule{number}",
        "properties": {
            "frontendIPConfiguration": {"id": f"{BALANCER}/frontendIPConfigurations/front"},
            "backendAddressPool": {"id": pool_id(number % POOLS)},
            "probe": {"id": f"{BALANCER}/probes/probe{number % POOLS}"},
            "protocol": "Tcp",
            "frontendPort": FIRST_PORT + number,
            "backendPort": FIRST_PORT + number,
            "idleTimeoutInMinutes": 4,
            "enableTcpReset": True,
            "disableOutboundSnat": True,
        },
    }
