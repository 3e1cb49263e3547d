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
/// Rules (load-balancing and outbound) of all load balancers together.
pub const RULES_MAX: usize = 1_500;
/// Members of one pool, as Azure Standard (behaviour.md §1.11).
pub const MEMBERS_PER_POOL_MAX: usize = 5_000;
/// Distinct member addresses of the appliance.
pub const MEMBERS_MAX: usize = 16_384;
/// Next hops that the snapshot holds. Beyond it, traffic to further next hops is the drop reason
/// `neighbour_unresolved`.
pub const ADJACENCIES_MAX: usize = 65_536;
/// Routes mirrored from the kernel. Further routes are left out and named in an event.
pub const ROUTES_MAX: usize = 65_536;

/// Bytes of one configuration document.
pub const CONFIGURATION_BYTES_MAX: usize = 16 << 20;
/// Bytes of one line on the control socket: a configuration plus its envelope.
pub const CONTROL_LINE_BYTES_MAX: usize = CONFIGURATION_BYTES_MAX + 4096;
/// Clients of the control socket at a time. A further one is told so and closed.
pub const CONTROL_CLIENTS_MAX: usize = 32;

/// Flow records of one worker when the configuration names no other number.
pub const FLOWS_PER_WORKER_DEFAULT: usize = 1 << 18;
/// Flow records of one worker at most: indexes are 32 bits wide with room for markers.
pub const FLOWS_PER_WORKER_MAX: usize = 1 << 28;

/// The longest idle timeout in minutes: 120, of outbound rules (behaviour.md §5).
pub const IDLE_TIMEOUT_MINUTES_MAX: u32 = 120;

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

/// Milliseconds that a client of the control socket may leave a reply unread before it is closed.
pub const CONTROL_WRITE_MILLISECONDS_MAX: u64 = 5_000;
/// Probes under way at a time, one socket each. A target that waits for a place for too long
/// counts as probed late, and its state stays as it is.
pub const PROBES_IN_FLIGHT_MAX: usize = 4_096;
/// Bytes of a probe response's head. A longer one is not HTTP.
pub const PROBE_HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of a probe response's body that are read and thrown away before the connection closes.
pub const PROBE_BODY_BYTES_MAX: usize = 64 << 10;
