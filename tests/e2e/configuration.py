"""Which configuration does the lab's appliance run? One load balancer, three members.

    203.0.113.10     public frontend, off-link: web, DNS, iperf3, echo
    198.51.100.100   public frontend, on-link: Weir answers ARP for it
    203.0.113.20     outbound frontend: what members look like from outside
    203.0.113.30     a second frontend, for web or to leave from; only in some tests
    203.0.113.40     a member's own public address; only in some tests

Not here: the network these addresses live in (`lab.py`).
"""

import copy

FRONTEND = "203.0.113.10"
ON_LINK_FRONTEND = "198.51.100.100"
OUTBOUND = "203.0.113.20"
SECOND_FRONTEND = "203.0.113.30"
INSTANCE = "203.0.113.40"
CLIENT = "198.51.100.254"
OUTSIDE = "192.0.2.50"
WEIR_FRONT = "198.51.100.1"
WEIR_BACK = "10.0.0.1"
MEMBERS = ("10.0.0.11", "10.0.0.12", "10.0.0.13")

WEB_PORT = 8080
ON_LINK_WEB_PORT = 8081
OUTSIDE_WEB_PORT = 8081
DNS_PORT = 53
IPERF_PORT = 5201
ECHO_PORT = 9000

# Half a second keeps the tests of failing members short; Azure's shortest interval is 5 s.
PROBE_INTERVAL_MS = 500
PROBE_THRESHOLD = 2


def configuration(workers, devices, namespace, socket, state_directory):
    """The whole document. `devices` names the DPDK devices of the front and back port."""
    return {
        "appliance": {
            "name": "lab",
            "workers": workers,
            "ports": [
                port("front", devices[0], f"{WEIR_FRONT}/24"),
                port("back", devices[1], f"{WEIR_BACK}/24"),
            ],
            "routes": [{"destination": "0.0.0.0/0", "nextHop": CLIENT}],
            "networkNamespace": namespace,
            "controlSocket": str(socket),
            "stateDirectory": str(state_directory),
        },
        "resources": [
            virtual_network(),
            public_address("web-address", FRONTEND),
            public_address("on-link-address", ON_LINK_FRONTEND),
            public_address("outbound-address", OUTBOUND),
            load_balancer(),
        ],
    }


def with_idle_timeout(document, minutes):
    """The same document with another idle timeout on its web rule."""
    changed = copy.deepcopy(document)
    rules = changed["resources"][-1]["properties"]["loadBalancingRules"]
    rules[0]["properties"]["idleTimeoutInMinutes"] = minutes
    return changed


def with_admin_state(document, member, state):
    """The same document with a member (0, 1 or 2) taken out (`Down`) or put back (`None`)."""
    changed = copy.deepcopy(document)
    pool = changed["resources"][-1]["properties"]["backendAddressPools"][0]
    pool["properties"]["loadBalancerBackendAddresses"][member]["properties"]["adminState"] = state
    return changed


def with_outbound_rule(document, **properties):
    """The same document with other properties of its outbound rule."""
    changed = copy.deepcopy(document)
    changed["resources"][-1]["properties"]["outboundRules"][0]["properties"].update(properties)
    return changed


def with_outbound_members(document, addresses):
    """The same document with a pool of its own for the outbound rule."""
    changed = with_outbound_rule(document, backendAddressPool=child("backendAddressPools", "out"))
    pools = changed["resources"][-1]["properties"]["backendAddressPools"]
    pools.append(pool("out", addresses))
    return changed


def with_implicit_snat(document, rule_name):
    """The same document without outbound rules: members leave by a load-balancing rule."""
    changed = copy.deepcopy(document)
    properties = changed["resources"][-1]["properties"]
    properties["outboundRules"] = []
    for one in properties["loadBalancingRules"]:
        one["properties"]["disableOutboundSnat"] = one["name"] != rule_name
    return changed


def with_second_outbound_frontend(document):
    """The same document with two frontends to leave from, the second one last."""
    changed = copy.deepcopy(document)
    changed["resources"].insert(0, public_address("second-address", SECOND_FRONTEND))
    properties = changed["resources"][-1]["properties"]
    properties["frontendIPConfigurations"].append(frontend("second", "second-address"))
    names = ("outbound", "second")
    frontends = [child("frontendIPConfigurations", name) for name in names]
    properties["outboundRules"][0]["properties"]["frontendIPConfigurations"] = frontends
    return changed


def with_rule(document, *arguments):
    """The same document with one more load-balancing rule: see `rule`."""
    changed = copy.deepcopy(document)
    changed["resources"][-1]["properties"]["loadBalancingRules"].append(rule(*arguments))
    return changed


def with_instance_address(document, member, inbound=False):
    """The same document with a network interface that gives a member (0, 1 or 2) a public address
    of its own, at which it may be called if so said."""
    changed = copy.deepcopy(document)
    subnet = {"id": f"{PROVIDER}/virtualNetworks/lab-network/subnets/members"}
    properties = {
        "privateIPAddress": MEMBERS[member],
        "subnet": subnet,
        "publicIPAddress": reference("publicIPAddresses", "instance-address"),
        "extensions": {"enableInbound": inbound},
    }
    interface = {
        "type": "Microsoft.Network/networkInterfaces",
        "name": "instance",
        "properties": {"ipConfigurations": [{"name": "ip", "properties": properties}]},
    }
    changed["resources"][:0] = [public_address("instance-address", INSTANCE), interface]
    return changed


def with_two_web_pools(document):
    """The same document with web by members 1 and 2 at the first frontend, and by member 3 alone
    at a second one."""
    changed = copy.deepcopy(document)
    changed["resources"].insert(0, public_address("second-address", SECOND_FRONTEND))
    properties = changed["resources"][-1]["properties"]
    properties["frontendIPConfigurations"].append(frontend("second", "second-address"))
    members = properties["backendAddressPools"][0]["properties"]["loadBalancerBackendAddresses"]
    for name, some in (("first", members[:2]), ("second", members[2:])):
        some = {"loadBalancerBackendAddresses": copy.deepcopy(some)}
        properties["backendAddressPools"].append({"name": name, "properties": some})
    rules = properties["loadBalancingRules"]
    rules.append(rule("second-web", "second", "Tcp", 80, WEB_PORT))
    rules[0]["properties"]["backendAddressPool"] = child("backendAddressPools", "first")
    rules[-1]["properties"]["backendAddressPool"] = child("backendAddressPools", "second")
    return changed


def with_all_members_in_doubt(document):
    """Several mistakes at once, and the JSON pointers that must be named for them."""
    changed = copy.deepcopy(document)
    last = len(changed["resources"]) - 1
    properties = changed["resources"][last]["properties"]
    properties["loadBalancingRules"][0]["properties"]["frontendPort"] = 70_000
    properties["probes"][0]["properties"]["protocol"] = "Gopher"
    properties["outboundRules"][0]["properties"]["allocatedOutboundPorts"] = 1001
    base = f"/resources/{last}/properties"
    pointers = [
        f"{base}/loadBalancingRules/0/properties/frontendPort",
        f"{base}/probes/0/properties/protocol",
        f"{base}/outboundRules/0/properties/allocatedOutboundPorts",
    ]
    return changed, pointers


def port(name, device, address):
    return {"name": name, "device": device, "addresses": [address]}


def virtual_network():
    return {
        "type": "Microsoft.Network/virtualNetworks",
        "name": "lab-network",
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/24"]},
            "subnets": [{"name": "members", "properties": {"addressPrefix": "10.0.0.0/24"}}],
        },
    }


def public_address(name, address):
    return {
        "type": "Microsoft.Network/publicIPAddresses",
        "name": name,
        "sku": {"name": "Standard"},
        "properties": {"ipAddress": address, "publicIPAllocationMethod": "Static"},
    }


def load_balancer():
    return {
        "type": "Microsoft.Network/loadBalancers",
        "name": "lab",
        "sku": {"name": "Standard"},
        "properties": {
            "frontendIPConfigurations": [
                frontend("web", "web-address"),
                frontend("on-link", "on-link-address"),
                frontend("outbound", "outbound-address"),
            ],
            "backendAddressPools": [pool()],
            "probes": [probe()],
            "loadBalancingRules": [
                rule("web", "web", "Tcp", 80, WEB_PORT),
                rule("dns", "web", "Udp", DNS_PORT, DNS_PORT),
                # iperf3 opens two connections that must meet the same server.
                rule("iperf", "web", "Tcp", IPERF_PORT, IPERF_PORT, "SourceIP"),
                rule("echo-udp", "web", "Udp", ECHO_PORT, ECHO_PORT),
                rule("echo-tcp", "web", "Tcp", ECHO_PORT, ECHO_PORT),
                rule("on-link-web", "on-link", "Tcp", 80, ON_LINK_WEB_PORT),
            ],
            "outboundRules": [outbound_rule()],
        },
    }


def frontend(name, address):
    return {
        "name": name,
        "properties": {"publicIPAddress": reference("publicIPAddresses", address)},
    }


def pool(name="members", addresses=MEMBERS):
    members = [
        {
            "name": f"member-{number}",
            "properties": {
                "ipAddress": address,
                "virtualNetwork": reference("virtualNetworks", "lab-network"),
            },
        }
        for number, address in enumerate(addresses, start=1)
    ]
    return {"name": name, "properties": {"loadBalancerBackendAddresses": members}}


def probe():
    return {
        "name": "http",
        "properties": {
            "protocol": "Http",
            "port": WEB_PORT,
            "requestPath": "/health",
            "probeThreshold": PROBE_THRESHOLD,
            "extensions": {"intervalInMilliseconds": PROBE_INTERVAL_MS},
        },
    }


def rule(name, frontend_name, protocol, frontend_port, backend_port, distribution="Default"):
    return {
        "name": name,
        "properties": {
            "frontendIPConfiguration": child("frontendIPConfigurations", frontend_name),
            "backendAddressPool": child("backendAddressPools", "members"),
            "probe": child("probes", "http"),
            "protocol": protocol,
            "frontendPort": frontend_port,
            "backendPort": backend_port,
            "loadDistribution": distribution,
            "idleTimeoutInMinutes": 4,
            "disableOutboundSnat": True,
        },
    }


def outbound_rule():
    return {
        "name": "outbound",
        "properties": {
            "frontendIPConfigurations": [child("frontendIPConfigurations", "outbound")],
            "backendAddressPool": child("backendAddressPools", "members"),
            "protocol": "All",
            "allocatedOutboundPorts": 1024,
        },
    }


def child(kind, name):
    return {"id": f"{PROVIDER}/loadBalancers/lab/{kind}/{name}"}


def reference(kind, name):
    return {"id": f"{PROVIDER}/{kind}/{name}"}


PROVIDER = "/subscriptions/lab/resourceGroups/lab/providers/Microsoft.Network"
