//! How big may anything get? Every bound of the appliance, in one place.
//!
//! What happens at a bound is said beside it and has a counter or an error of its own.

/// Worker lcores of one process. More are refused at start.
pub const WORKERS_MAX: usize = 16;
/// DPDK ports of one appliance. More are refused by the configuration check.
pub const PORTS_MAX: usize = 8;
/// Packets handled as one batch. DPDK's drivers work best with bursts of 32.
pub const BATCH: usize = 32;
/// Hand-offs that one packet may take; the next is the drop reason `handoff_loop`.
pub const HANDOFFS_PER_PACKET_MAX: u8 = 2;

/// Frontends of all load balancers together. More are refused by the configuration check.
pub const FRONTENDS_MAX: usize = 600;
/// Rules (load-balancing, inbound NAT and outbound) of all load balancers together.
pub const RULES_MAX: usize = 1_500;
/// Outbound rules of one load balancer, as Azure (behaviour.md §9).
pub const OUTBOUND_RULES_MAX: usize = 600;
/// Frontends of one Basic load balancer (behaviour.md §9).
pub const BASIC_FRONTENDS_MAX: usize = 200;
/// Load-balancing and inbound NAT rules of one Basic load balancer (behaviour.md §9).
pub const BASIC_RULES_MAX: usize = 250;
/// Members of one pool, as Azure Standard (behaviour.md §1.11).
pub const MEMBERS_PER_POOL_MAX: usize = 5_000;
/// Members of one pool of a Basic load balancer (behaviour.md §1.11).
pub const BASIC_MEMBERS_PER_POOL_MAX: usize = 300;
/// Members summed over the load-balancing rules of one frontend (behaviour.md §9).
pub const MEMBERS_PER_FRONTEND_MAX: usize = 10_000;
/// Rules that may lead to one network interface (behaviour.md §9).
pub const RULES_PER_INTERFACE_MAX: usize = 300;
/// Pools of different members that rules use: each has a selection table of 128 KiB.
pub const SELECTION_TABLES_MAX: usize = 1_024;
/// Distinct member addresses of the appliance.
pub const MEMBERS_MAX: usize = 16_384;
/// Next hops that the snapshot holds. Beyond it, traffic to further next hops is the drop reason
/// `neighbour_unresolved`.
pub const ADJACENCIES_MAX: usize = 65_536;
/// Routes mirrored from the kernel. Further routes are left out and named in an event.
pub const ROUTES_MAX: usize = 65_536;
/// Next hops of one mirrored route. Further ones of the route are left out and counted.
pub const NEXT_HOPS_PER_ROUTE_MAX: usize = 64;
/// Addresses of one port's kernel twin. Further ones are left out of the mirror and counted.
pub const ADDRESSES_PER_PORT_MAX: usize = 256;
/// Events of the kernel mirror that wait for the control side. While the channel is full the mirror
/// stops reading; what the kernel then drops is made good by one resynchronisation.
pub const NEIGHBOUR_EVENTS_WAITING_MAX: usize = 4_096;
/// One-off neighbour requests to the kernel in one second. Further ones are refused; the client's
/// next packet asks again.
pub const NEIGHBOUR_REQUESTS_PER_SECOND_MAX: u32 = 256;

/// Bytes of one configuration document.
pub const CONFIGURATION_BYTES_MAX: usize = 16 << 20;

/// How deep lists and objects of a configuration may be nested in each other. JSON readers stop at
/// 128, and what is stored or told stands a few levels deeper.
pub const CONFIGURATION_DEPTH_MAX: usize = 100;
/// Files of one configuration.
pub const CONFIGURATION_FILES_MAX: usize = 4_096;
/// Folders of a configuration's directory inside of each other.
pub const CONFIGURATION_FOLDERS_DEPTH_MAX: usize = 4;
/// Bytes of one stored configuration: a configuration, who applied it and when, and the seal.
pub const STORED_BYTES_MAX: usize = CONFIGURATION_BYTES_MAX + 8192;
/// Configurations that are stored: the newest and ten before it. The oldest one goes.
pub const CONFIGURATIONS_STORED_MAX: usize = 11;
/// Configurations that wait for the disk. Of more, the oldest is left out and its author told.
pub const CONFIGURATIONS_WAITING_FOR_DISK_MAX: usize = 64;
/// Problems that one check lists. The rest is counted.
pub const PROBLEMS_MAX: usize = 256;
/// Bytes of one line on the control socket: a configuration plus its envelope.
pub const CONTROL_LINE_BYTES_MAX: usize = CONFIGURATION_BYTES_MAX + 4096;
/// Clients of each control socket at a time. A further one is told so and closed.
pub const CONTROL_CLIENTS_MAX: usize = 32;
/// Events that wait for one client. Further ones are lost to it, and it is told how many.
pub const EVENTS_WAITING_MAX: usize = 256;

/// Differences that one plan lists. The rest is counted.
pub const PLAN_DIFFERENCES_MAX: usize = 1_000;
/// Rules and members whose flows one plan tells of, those first whose flows end. The rest is
/// counted.
pub const PLAN_EFFECTS_MAX: usize = 1_000;

/// Flow records of one worker when the configuration names no other number.
pub const FLOWS_PER_WORKER_DEFAULT: usize = 1 << 18;
/// Flow records of one worker at least.
pub const FLOWS_PER_WORKER_MIN: usize = 1024;
/// Flow records of one worker at most: indexes are 32 bits wide with room for markers.
pub const FLOWS_PER_WORKER_MAX: usize = 1 << 28;

/// Load balancers of one configuration. Each refused bound of a configuration is the problem
/// `LimitExceeded` or `ValueOutOfRange` of its check.
pub const LOAD_BALANCERS_MAX: usize = 1_000;
/// Virtual networks of one configuration.
pub const VIRTUAL_NETWORKS_MAX: usize = 1_000;
/// Public IP addresses of one configuration, and public IP prefixes.
pub const PUBLIC_ADDRESSES_MAX: usize = 1_000;
/// Network security groups of one configuration, as Azure.
pub const SECURITY_GROUPS_MAX: usize = 5_000;
/// Rules of one network security group, as Azure.
pub const SECURITY_RULES_MAX: usize = 1_000;
/// The highest priority number of a security rule, as Azure.
pub const SECURITY_RULE_PRIORITY_MAX: u16 = 4_096;
/// Network interfaces of one configuration.
pub const NETWORK_INTERFACES_MAX: usize = 16_384;
/// Subnets of one virtual network, as Azure.
pub const SUBNETS_PER_VIRTUAL_NETWORK_MAX: usize = 3_000;
/// The shortest length of an IPv4 public IP prefix.
pub const PUBLIC_PREFIX_V4_LENGTH_MIN: u8 = 21;
/// The shortest length of an IPv6 public IP prefix, as Azure.
pub const PUBLIC_PREFIX_V6_LENGTH_MIN: u8 = 124;
/// Seconds after which a member that was taken out is drained at most: a day.
pub const DRAIN_PERIOD_SECONDS_MAX: u32 = 86_400;
/// Prefixes of one virtual network.
pub const PREFIXES_PER_VIRTUAL_NETWORK_MAX: usize = 500;
/// Members summed over all load-balancing rules (behaviour.md §9).
pub const RULE_MEMBERS_MAX: usize = 500_000;
/// Probes of one load balancer.
pub const PROBES_MAX: usize = 1_500;
/// Characters of a resource's name, as Azure.
pub const RESOURCE_NAME_LENGTH_MAX: usize = 80;
/// The greatest weight of a member.
pub const WEIGHT_MAX: u16 = 100;

/// Seconds between probes at most: a day, which keeps milliseconds in 32 bits.
pub const PROBE_INTERVAL_SECONDS_MAX: u32 = 86_400;
/// Milliseconds between probes at least; Azure's own words start at five seconds.
pub const PROBE_INTERVAL_MILLISECONDS_MIN: u32 = 100;
/// Milliseconds that a probe waits at least.
pub const PROBE_TIMEOUT_MILLISECONDS_MIN: u32 = 10;
/// Milliseconds that an HTTP probe waits at most (behaviour.md §3.2).
pub const HTTP_PROBE_TIMEOUT_MILLISECONDS_MAX: u32 = 30_000;
/// Characters of a probe's path.
pub const PROBE_PATH_LENGTH_MAX: usize = 2_048;

/// Own addresses of one port.
pub const PORT_ADDRESSES_MAX: usize = 16;
/// Characters of a port's name: the kernel's 15 for an interface, less a prefix of two.
pub const PORT_NAME_LENGTH_MAX: usize = 13;
/// Characters of a device with its arguments.
pub const DEVICE_LENGTH_MAX: usize = 512;
/// The smallest MTU: what every IPv4 host accepts (RFC 1122 §3.3.2).
pub const MTU_MIN: u16 = 576;
/// The largest MTU.
pub const MTU_MAX: u16 = 9_000;
/// Receive queues of one port.
pub const QUEUES_MAX: u16 = 16;
/// Descriptors of one queue at least.
pub const DESCRIPTORS_MIN: u16 = 64;
/// Descriptors of one queue at most.
pub const DESCRIPTORS_MAX: u16 = 8_192;
/// The highest lcore number: DPDK's own table of them.
pub const LCORE_MAX: u16 = 1_023;
/// Packet buffers at least.
pub const MBUFS_MIN: u32 = 1_024;
/// Packet buffers at most.
pub const MBUFS_MAX: u32 = 4_194_304;
/// Routes of one configuration.
pub const STATIC_ROUTES_MAX: usize = 1_024;
/// Prefixes that members reach untranslated.
pub const ROUTED_PREFIXES_MAX: usize = 1_024;
/// Characters of the appliance's, a namespace's or a group's name.
pub const NAME_LENGTH_MAX: usize = 64;
/// Bytes of the control socket's path: `sun_path` less its end (unix(7)).
pub const CONTROL_SOCKET_PATH_LENGTH_MAX: usize = 107;
/// Bytes of a path: the kernel's `PATH_MAX` less its end.
pub const PATH_LENGTH_MAX: usize = 4_095;

/// The longest idle timeout of a load-balancing rule in minutes (behaviour.md §5).
pub const LOAD_BALANCING_IDLE_TIMEOUT_MINUTES_MAX: u32 = 100;
/// The longest idle timeout of a public IP address in minutes (Azure's schema of it).
pub const PUBLIC_ADDRESS_IDLE_TIMEOUT_MINUTES_MAX: u32 = 30;
/// The longest idle timeout in minutes: 120, of outbound rules (behaviour.md §5).
pub const IDLE_TIMEOUT_MINUTES_MAX: u32 = 120;
/// The longest time in seconds that a TCP handshake, or what a reset leaves behind, can be given:
/// the four minutes of RFC 5382, REQ-5.
pub const TRANSITORY_TIMEOUT_SECONDS_MAX: u32 = 240;
/// The shortest idle timeout in seconds of UDP and ICMP mappings, which have no end that can be
/// seen: two tries of a client that waits five seconds for its answer.
pub const QUERY_TIMEOUT_SECONDS_MIN: u32 = 10;

/// The first port of an outbound address that is given to members (behaviour.md §4.3).
pub const SNAT_FIRST_PORT: u16 = 1024;
/// Ports of one outbound address and protocol that are given to members (behaviour.md §4.3).
pub const SNAT_PORTS: u32 = 64_000;
/// Ports are dealt in aligned blocks of this size (behaviour.md §4.3).
pub const SNAT_GRANULE: u16 = 8;
/// Granules of one outbound address.
pub const SNAT_GRANULES: usize = SNAT_PORTS as usize / SNAT_GRANULE as usize;

const _: () = assert!(SNAT_FIRST_PORT as u32 + SNAT_PORTS <= 1 << 16);
const _: () = assert!(SNAT_FIRST_PORT.is_multiple_of(SNAT_GRANULE));

/// Ports of one member and protocol that one worker holds. More are spread over several workers.
pub const SNAT_PORTS_UNSPREAD_MAX: u32 = 16_384;
/// Workers that the ports of one member and protocol are spread over at most.
pub const SNAT_SHARES_MAX: usize = 4;

/// Addresses that outbound flows are translated to. More are refused by the configuration check.
pub const OUTBOUND_ADDRESSES_MAX: usize = 256;

/// Destinations that are told apart when the outbound ports of one member run out, for one
/// protocol. Of more, the one that was refused least makes room; who is refused more than one flow
/// in so many stays.
pub const SNAT_SCARCE_DESTINATIONS_MAX: usize = 16;
/// Members, by protocol, whose destinations are told apart at a time. Flows that further ones have
/// refused are counted, and events and findings do not name their destinations.
pub const SNAT_SCARCE_MEMBERS_MAX: usize = 4_096;
/// Events of scarce outbound ports in one second. Further ones are told in the next seconds, those
/// first that were told longest ago.
pub const SNAT_EVENTS_PER_SECOND_MAX: usize = 64;
/// Members, by protocol, whose use of outbound ports is kept for an hour and a day: 2 KiB each.
/// Further ones have no history, until another one has used no port for a day.
pub const SNAT_HISTORIES_MAX: usize = 16_384;
/// Minutes of a history. The oldest one is let go.
pub const SNAT_HISTORY_MINUTES: usize = 60;
/// Quarters of an hour of a history. The oldest one is let go.
pub const SNAT_HISTORY_QUARTERS: usize = 96;

/// Milliseconds that a client of the control socket may leave a reply unread before it is closed.
pub const CONTROL_WRITE_MILLISECONDS_MAX: u64 = 5_000;

/// Milliseconds that an event may stay unread; then the client has stopped to read and its
/// connection is closed. A client that is slow loses events instead.
pub const EVENT_WRITE_MILLISECONDS_MAX: u64 = 60_000;
/// Probes under way at a time, one socket each. A target that waits for a place for too long
/// counts as probed late, and its state stays as it is.
pub const PROBES_IN_FLIGHT_MAX: usize = 4_096;
/// Bytes of a probe response's head. A longer one is not HTTP.
pub const PROBE_HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of a probe response's body that are read and thrown away before the connection closes.
pub const PROBE_BODY_BYTES_MAX: usize = 64 << 10;

/// Listings of flows or outbound ports under way at a time. A further one is refused: error -32008.
pub const LISTINGS_MAX: usize = 4;
/// Entries of one reply to a listing that names no limit. A cursor goes on from there.
pub const LISTING_LIMIT_DEFAULT: usize = 100;
/// Entries of one reply to a listing at most. More are refused.
pub const LISTING_LIMIT_MAX: usize = 1_000;
/// Milliseconds after which a listing of flows ends with a cursor, whatever it has found.
pub const LISTING_MILLISECONDS_MAX: u64 = 2_000;
/// Destinations that the flows of one worker are summed up by. Flows towards further ones are
/// counted as `omitted`.
pub const SNAT_DESTINATIONS_SUMMED_MAX: usize = 65_536;

/// Records of outbound sessions that may wait for the session log, of each worker. Further ones are
/// lost and counted as `session_records_lost`.
pub const SESSION_RECORDS_WAITING_MAX: usize = 1 << 16;
/// Records of port blocks that may wait for the session log. Further ones are lost and counted as
/// `session_log_records_failed`.
pub const PORT_BLOCK_RECORDS_WAITING_MAX: usize = 1 << 16;
/// Seconds between two tellings of IPFIX templates at least.
pub const TEMPLATE_REFRESH_SECONDS_MIN: u32 = 10;
/// Seconds between two tellings of IPFIX templates at most: a day.
pub const TEMPLATE_REFRESH_SECONDS_MAX: u32 = 86_400;
