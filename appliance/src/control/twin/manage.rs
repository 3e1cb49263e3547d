//! What should the kernel have? Addresses, static routes and neighbours that it keeps fresh.
//!
//! Every call makes the kernel's state equal to what is asked and touches only what is ours: routes
//! and neighbours carry [`PROTOCOL`], so that a later process recognises them; a routing daemon's
//! stay.
//!
//! Not here: which neighbours are wanted (`weir_core::neighbour::wanted_neighbours`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteProtocol,
    RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, address::AddressMessage};
use rtnetlink::{Handle, NeighbourAddRequest};
use tokio::time::{Duration, Instant};
use tracing::warn;
use weir_core::limits::NEIGHBOUR_REQUESTS_PER_SECOND_MAX;
use weir_core::neighbour::{Event, NextHop, Route};
use weir_core::units::{Address, PortId, Prefix};

use super::TwinError;
use super::translate::{self, Ports};

/// The number by which Weir's routes and neighbours are known in the kernel (`proto 87` in
/// `ip route`); rtnetlink.h and iproute2's rt_protos give it to nobody else.
pub const PROTOCOL: u8 = 87;

/// What a call changed in the kernel.
#[derive(Debug, Default)]
pub struct Changes {
    /// How many entries were installed or replaced.
    pub added: usize,
    /// How many were removed.
    pub removed: usize,
    /// How many the kernel refused; they are tried again by the next call.
    pub failed: usize,
    /// The first refusal.
    pub first_failure: Option<TwinError>,
}

/// Writes to the tables of the calling thread's network namespace.
pub struct Manager {
    handle: Handle,
    ports: Ports,
    installed: BTreeSet<(PortId, Address)>,
    freshness: Freshness,
    requests: RequestBudget,
}

/// Who keeps wanted neighbours fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    /// Not known until the first entry was installed and looked at.
    Unknown,
    /// The kernel (NTF_EXT_MANAGED, since 5.16).
    Kernel,
    /// [`Manager::refresh`].
    Refresh,
}

impl Manager {
    /// Opens the namespace of the calling thread; every interface in `names` must exist. Neighbours
    /// that an earlier process installed are adopted. Must be called inside a tokio runtime, where
    /// it starts a task.
    ///
    /// # Errors
    /// When an interface is missing or the kernel shows no tables.
    pub async fn open(names: &BTreeMap<String, PortId>) -> Result<Self, TwinError> {
        let action = "open a netlink socket";
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|error| TwinError::from_io(action, error))?;
        tokio::spawn(connection);
        let mut ports = Ports::new();
        for (name, port) in names {
            ports.insert(interface_index(&handle, name, *port).await?, *port);
        }
        let mut manager = Self {
            handle,
            ports,
            installed: BTreeSet::new(),
            freshness: Freshness::Unknown,
            requests: RequestBudget::new(Instant::now()),
        };
        for message in manager.own_neighbours().await? {
            let found = translate::neighbour(&message, &manager.ports);
            manager.installed.extend(found.map(|(port, address, _)| (port, address)));
        }
        Ok(manager)
    }

    /// Makes the twin's addresses equal to `wanted` (address, prefix length in bits). Link-local
    /// IPv6 addresses that the kernel made stay.
    ///
    /// # Errors
    /// When the kernel does not show the addresses; single refusals are in [`Changes`].
    pub async fn set_addresses(
        &mut self,
        port: PortId,
        wanted: &[(Address, u8)],
    ) -> Result<Changes, TwinError> {
        let index = self.index_of(port)?;
        let existing = self.addresses_of(index).await?;
        let mut changes = Changes::default();
        // The same address with another length cannot exist twice (IPv6), so it makes room first.
        let has = |key: &(Address, u8)| wanted.contains(key);
        let reused = |key: &(Address, u8)| wanted.iter().any(|(address, _)| *address == key.0);
        for (_, message) in existing.iter().filter(|(key, _)| !has(key) && reused(key)) {
            changes.remove(self.remove_address(message.clone()).await);
        }
        for (address, length) in wanted {
            if existing.iter().any(|(key, _)| *key == (*address, *length)) {
                continue;
            }
            let action = || format!("give port {port} the address {address}/{length}");
            let added = self.handle.address().add(index, address.to_ip(), *length).execute().await;
            changes.add(added.map_err(|error| TwinError::from_netlink(action(), &error)));
        }
        for (_, message) in existing.iter().filter(|(key, _)| !has(key) && !reused(key)) {
            changes.remove(self.remove_address(message.clone()).await);
        }
        Ok(changes)
    }

    /// Makes Weir's routes in the main table equal to `wanted`. A route without next hops becomes
    /// `unreachable`. IPv6 knows no metric 0; it becomes 1024, the kernel's own.
    ///
    /// # Errors
    /// When the kernel does not show the routes; single refusals are in [`Changes`].
    pub async fn set_routes(
        &mut self,
        wanted: &BTreeMap<Prefix, Route>,
    ) -> Result<Changes, TwinError> {
        let existing = self.own_routes().await?;
        let wanted =
            wanted.iter().map(|(prefix, route)| ((*prefix, metric(*prefix, route)), route));
        let wanted: BTreeMap<(Prefix, u32), &Route> = wanted.collect();
        let mut changes = Changes::default();
        for ((prefix, metric), route) in &wanted {
            let same =
                existing.get(&(*prefix, *metric)).is_some_and(|(hops, _)| *hops == route.next_hops);
            if same {
                continue;
            }
            let action = || format!("install the route to {prefix}");
            let added = match self.route_message(*prefix, *metric, &route.next_hops) {
                Ok(message) => {
                    let request = self.handle.route().add(message).replace();
                    let added = request.execute().await;
                    added.map_err(|error| TwinError::from_netlink(action(), &error))
                }
                Err(error) => Err(error),
            };
            changes.add(added);
        }
        for (key, (_, message)) in existing.iter().filter(|(key, _)| !wanted.contains_key(key)) {
            let action = || format!("remove the route to {}", key.0);
            let removed = self.handle.route().del(message.clone()).execute().await;
            changes.remove(removed.map_err(|error| TwinError::from_netlink(action(), &error)));
        }
        Ok(changes)
    }

    /// Makes the neighbours that the kernel keeps fresh for Weir equal to `wanted`.
    pub async fn set_wanted(&mut self, wanted: &BTreeSet<(PortId, Address)>) -> Changes {
        let mut changes = Changes::default();
        let missing: Vec<_> = wanted.difference(&self.installed).copied().collect();
        for (port, address) in missing {
            let added = self.install(port, address).await;
            if added.is_ok() {
                self.installed.insert((port, address));
            }
            changes.add(added);
        }
        let unwanted: Vec<_> = self.installed.difference(wanted).copied().collect();
        for (port, address) in unwanted {
            self.installed.remove(&(port, address));
            changes.remove(self.uninstall(port, address).await);
        }
        if self.freshness == Freshness::Unknown && !self.installed.is_empty() {
            self.see_who_keeps_entries_fresh().await;
        }
        changes
    }

    /// Takes note of what the mirror saw: an installed neighbour that the kernel dropped (its link
    /// went down) is installed again by the next [`Manager::set_wanted`]; an interface that was
    /// made again is not followed, that takes a new `Manager`.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::NeighbourRemoved { port, address } => {
                self.installed.remove(&(*port, *address));
            }
            Event::Resynchronised(world) => {
                self.installed.retain(|key| world.neighbours().contains_key(key));
            }
            Event::LinkChanged { .. }
            | Event::AddressAdded { .. }
            | Event::AddressRemoved { .. }
            | Event::RouteAdded { .. }
            | Event::RouteRemoved { .. }
            | Event::NeighbourChanged { .. } => {}
        }
    }

    /// Where the kernel does not keep entries fresh by itself (before 5.16), makes it use each of
    /// them, as [`REFRESH_INTERVAL`] demands. Does nothing elsewhere.
    pub async fn refresh(&mut self) -> Changes {
        let mut changes = Changes::default();
        if self.freshness == Freshness::Refresh {
            for (port, address) in self.installed.clone() {
                changes.add(self.use_neighbour(port, address).await);
            }
        }
        changes
    }

    /// Asks the kernel once for the Ethernet address of an on-link client; the answer comes by the
    /// mirror. `false` when `limits::NEIGHBOUR_REQUESTS_PER_SECOND_MAX` have been asked in this
    /// second.
    ///
    /// # Errors
    /// When `port` has no twin or the kernel refuses.
    pub async fn resolve(&mut self, port: PortId, address: Address) -> Result<bool, TwinError> {
        if !self.requests.take(Instant::now()) {
            return Ok(false);
        }
        self.use_neighbour(port, address).await.map(|()| true)
    }

    async fn install(&self, port: PortId, address: Address) -> Result<(), TwinError> {
        let mut request = self.neighbour_request(port, address)?.flags(NeighbourFlags::ExtLearned);
        let attributes = &mut request.message_mut().attributes;
        attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        attributes.push(NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
        let action = || format!("keep the neighbour {address} of port {port}");
        request.execute().await.map_err(|error| TwinError::from_netlink(action(), &error))
    }

    async fn uninstall(&self, port: PortId, address: Address) -> Result<(), TwinError> {
        let mut request = self.neighbour_request(port, address)?;
        let message = request.message_mut().clone();
        let removed = self.handle.neighbours().del(message).execute().await;
        let action = || format!("forget the neighbour {address} of port {port}");
        match removed.map_err(|error| TwinError::from_netlink(action(), &error)) {
            Err(TwinError::System { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    async fn use_neighbour(&self, port: PortId, address: Address) -> Result<(), TwinError> {
        let request = self.neighbour_request(port, address)?.flags(NeighbourFlags::Use);
        let action = || format!("ask for the neighbour {address} of port {port}");
        request.execute().await.map_err(|error| TwinError::from_netlink(action(), &error))
    }

    fn neighbour_request(
        &self,
        port: PortId,
        address: Address,
    ) -> Result<NeighbourAddRequest, TwinError> {
        let request = self.handle.neighbours().add(self.index_of(port)?, address.to_ip());
        Ok(request.state(NeighbourState::None).replace())
    }

    /// A kernel before 5.16 passes over the flag that it does not know without an error.
    async fn see_who_keeps_entries_fresh(&mut self) {
        let managed = |attribute: &NeighbourAttribute| {
            matches!(attribute, NeighbourAttribute::ExtFlags(flags)
                if flags.contains(NeighbourExtFlags::Managed))
        };
        let Ok(own) = self.own_neighbours().await else { return };
        let Some(first) = own.first() else { return };
        self.freshness = Freshness::Kernel;
        if !first.attributes.iter().any(managed) {
            self.freshness = Freshness::Refresh;
            warn!(
                "this kernel does not keep neighbours fresh by itself (Linux 5.16 does): weir asks \
                 every {} s instead",
                REFRESH_INTERVAL.as_secs()
            );
        }
    }

    async fn own_neighbours(&self) -> Result<Vec<NeighbourMessage>, TwinError> {
        let ours = NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL));
        let mut found = Vec::new();
        let mut dump = std::pin::pin!(self.handle.neighbours().get().execute());
        let failed = |error| TwinError::from_netlink("show its neighbours", &error);
        while let Some(message) = dump.try_next().await.map_err(failed)? {
            if message.attributes.contains(&ours) {
                found.push(message);
            }
        }
        Ok(found)
    }

    async fn addresses_of(
        &self,
        index: u32,
    ) -> Result<Vec<((Address, u8), AddressMessage)>, TwinError> {
        let mut found = Vec::new();
        let request = self.handle.address().get().set_link_index_filter(index);
        let mut dump = std::pin::pin!(request.execute());
        let failed = |error| TwinError::from_netlink("show its addresses", &error);
        while let Some(message) = dump.try_next().await.map_err(failed)? {
            let Some((_, address, length)) = translate::address(&message, &self.ports) else {
                continue;
            };
            let link_local =
                matches!(address.to_ip(), IpAddr::V6(address) if address.is_unicast_link_local());
            if !link_local {
                found.push(((address, length), message));
            }
        }
        Ok(found)
    }

    async fn remove_address(&self, message: AddressMessage) -> Result<(), TwinError> {
        let removed = self.handle.address().del(message).execute().await;
        removed.map_err(|error| TwinError::from_netlink("remove an address", &error))
    }

    async fn own_routes(
        &self,
    ) -> Result<BTreeMap<(Prefix, u32), (Vec<NextHop>, RouteMessage)>, TwinError> {
        let mut found = BTreeMap::new();
        let failed = |error| TwinError::from_netlink("show its routes", &error);
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            let mut dump = std::pin::pin!(self.handle.route().get(request).execute());
            while let Some(message) = dump.try_next().await.map_err(failed)? {
                if message.header.protocol != RouteProtocol::Other(PROTOCOL) {
                    continue;
                }
                if let Some((prefix, route)) = translate::route(&message, &self.ports) {
                    found.insert((prefix, route.metric), (route.next_hops, message));
                }
            }
        }
        Ok(found)
    }

    fn route_message(
        &self,
        prefix: Prefix,
        metric: u32,
        next_hops: &[NextHop],
    ) -> Result<RouteMessage, TwinError> {
        let mut message = RouteMessage::default();
        let v4 = prefix.address.is_v4();
        message.header.address_family = family_of(v4);
        message.header.destination_prefix_length = prefix.length;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Other(PROTOCOL);
        message.header.kind = RouteType::Unicast;
        let on_link = !next_hops.is_empty() && next_hops.iter().all(|hop| hop.gateway.is_none());
        message.header.scope = if on_link { RouteScope::Link } else { RouteScope::Universe };
        message.attributes.push(RouteAttribute::Destination(prefix.address.to_ip().into()));
        message.attributes.push(RouteAttribute::Priority(metric));
        match next_hops {
            [] => message.header.kind = RouteType::Unreachable,
            [hop] => {
                message.attributes.push(RouteAttribute::Oif(self.index_of(hop.port)?));
                message
                    .attributes
                    .extend(hop.gateway.map(|gateway| gateway_attribute(v4, gateway)));
            }
            hops => {
                let hops = hops.iter().map(|hop| self.multipath_hop(v4, hop));
                let hops = hops.collect::<Result<_, _>>()?;
                message.attributes.push(RouteAttribute::MultiPath(hops));
            }
        }
        Ok(message)
    }

    fn multipath_hop(&self, v4: bool, hop: &NextHop) -> Result<RouteNextHop, TwinError> {
        let mut out = RouteNextHop::default();
        out.interface_index = self.index_of(hop.port)?;
        out.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        out.attributes.extend(hop.gateway.map(|gateway| gateway_attribute(v4, gateway)));
        Ok(out)
    }

    fn index_of(&self, port: PortId) -> Result<u32, TwinError> {
        let found = self.ports.iter().find(|(_, known)| **known == port);
        found.map(|(index, _)| *index).ok_or_else(|| TwinError::Netlink {
            action: format!("find the twin of port {port}"),
            reason: "this manager was opened without it".into(),
        })
    }
}

/// How often [`Manager::refresh`] is to be called: the interval at which a kernel that manages
/// entries looks at them itself (`interval_probe_time_ms`).
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

impl Changes {
    fn add(&mut self, result: Result<(), TwinError>) {
        self.added += usize::from(result.is_ok());
        self.note(result);
    }

    fn remove(&mut self, result: Result<(), TwinError>) {
        self.removed += usize::from(result.is_ok());
        self.note(result);
    }

    fn note(&mut self, result: Result<(), TwinError>) {
        if let Err(error) = result {
            self.failed += 1;
            self.first_failure.get_or_insert(error);
        }
    }
}

/// One-off requests: so many in each second.
#[derive(Debug)]
struct RequestBudget {
    second: Instant,
    left: u32,
}

impl RequestBudget {
    fn new(now: Instant) -> Self {
        Self { second: now, left: NEIGHBOUR_REQUESTS_PER_SECOND_MAX }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

async fn interface_index(handle: &Handle, name: &str, port: PortId) -> Result<u32, TwinError> {
    let mut links = std::pin::pin!(handle.link().get().match_name(name).execute());
    let missing = || TwinError::NoInterface { name: name.into(), port };
    links.try_next().await.ok().flatten().map(|link| link.header.index).ok_or_else(missing)
}

fn metric(prefix: Prefix, route: &Route) -> u32 {
    if route.metric == 0 && !prefix.address.is_v4() { IPV6_METRIC_DEFAULT } else { route.metric }
}

fn family_of(v4: bool) -> AddressFamily {
    if v4 { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// A gateway of the other family goes into an attribute of its own (RFC 8950, RTA_VIA).
fn gateway_attribute(route_is_v4: bool, gateway: Address) -> RouteAttribute {
    match gateway.to_ip() {
        IpAddr::V6(address) if route_is_v4 => RouteAttribute::Via(RouteVia::Inet6(address)),
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => {
            RouteAttribute::Gateway(RouteAddress::from(address))
        }
    }
}

/// Linux `IP6_RT_PRIO_USER`.
const IPV6_METRIC_DEFAULT: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_off_requests_are_bounded_in_each_second() {
        let start = Instant::now();
        let mut budget = RequestBudget::new(start);
        let granted = (0..1000).filter(|_| budget.take(start)).count();
        assert_eq!(granted, NEIGHBOUR_REQUESTS_PER_SECOND_MAX as usize);
        assert!(!budget.take(start + Duration::from_millis(999)));
        assert!(budget.take(start + Duration::from_secs(1)));
    }
}
