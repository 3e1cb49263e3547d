//! What happens in the kernel's tables? Netlink notifications become `neighbour::Event`s.
//!
//! ```text
//!   notifications ─► translate ─► Event ─────────────► bounded channel ─► World::apply
//!        │ lost, or not sent by the kernel                 ▲
//!        └─► RESYNCHRONISE_DELAY ─► dump ─► Resynchronised ┘
//! ```
//!
//! The socket is opened before the first dump, and what queued up meanwhile is applied after it:
//! the two may repeat each other, but nothing falls between them.
//!
//! Not here: changing the tables (`manage`), what a message says (`translate`).

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use futures_util::TryStreamExt;
use netlink_packet_core::{NLM_F_APPEND, NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket};
use nix::errno::Errno;
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};
use weir_core::neighbour::{Event, World};
use weir_core::units::PortId;

use super::TwinError;
use super::translate::{self, Change, Ports};

/// How long the mirror collects reasons to read everything anew before it does: long enough that a
/// flapping link costs ten dumps a second at most, short against the second in which a router is
/// expected to react.
pub const RESYNCHRONISE_DELAY: Duration = Duration::from_millis(100);
/// How long after a dump that failed the next is tried.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A mirror of the calling thread's network namespace, as far as twins are concerned.
pub struct Mirror {
    names: BTreeMap<String, PortId>,
    notifications: TokioSocket,
    handle: Handle,
    ports: Ports,
    resynchronise_at: Option<Instant>,
}

impl Mirror {
    /// Subscribes to the namespace of the calling thread. `names` says which interface is which
    /// port's twin. Must be called inside a tokio runtime, where it starts a task for requests.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub fn open(names: BTreeMap<String, PortId>) -> Result<Self, TwinError> {
        let failed = |error| TwinError::from_io("listen to the kernel's tables", error);
        let notifications = subscribe().map_err(failed)?;
        let (connection, handle, _) = rtnetlink::new_connection().map_err(failed)?;
        tokio::spawn(connection);
        let resynchronise_at = Some(Instant::now());
        Ok(Self { names, notifications, handle, ports: Ports::new(), resynchronise_at })
    }

    /// Sends everything as `Resynchronised`, then every change, until the receiver is dropped.
    /// While the channel is full it waits; what the kernel drops meanwhile is made good by another
    /// `Resynchronised`. Give the channel `limits::NEIGHBOUR_EVENTS_WAITING_MAX`.
    ///
    /// # Errors
    /// When the netlink socket itself fails.
    pub async fn run(mut self, events: mpsc::Sender<Event>) -> Result<(), TwinError> {
        loop {
            let due = self.resynchronise_at;
            let pause = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let delivered = tokio::select! {
                () = events.closed() => return Ok(()),
                () = pause => self.resynchronise(&events).await,
                datagram = poll_fn(|context| self.notifications.poll_recv_from_full(context)) => {
                    self.take_in(datagram, &events).await?
                }
            };
            if !delivered {
                return Ok(());
            }
        }
    }

    async fn take_in(
        &mut self,
        datagram: io::Result<(Vec<u8>, SocketAddr)>,
        events: &mpsc::Sender<Event>,
    ) -> Result<bool, TwinError> {
        let datagram = match datagram {
            Ok((datagram, _)) => datagram,
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                debug!("notifications of the kernel were lost; reading its tables anew");
                self.want_resynchronisation();
                return Ok(true);
            }
            Err(error) => return Err(TwinError::from_io("read the kernel's notifications", error)),
        };
        for change in changes(&datagram, &self.names, &mut self.ports) {
            let event = match change {
                Change::Nothing => continue,
                Change::Event(event) => event,
                Change::EventAndResynchronise(event) => {
                    self.want_resynchronisation();
                    event
                }
                Change::Resynchronise => {
                    self.want_resynchronisation();
                    continue;
                }
            };
            if events.send(event).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn want_resynchronisation(&mut self) {
        self.resynchronise_at.get_or_insert_with(|| Instant::now() + RESYNCHRONISE_DELAY);
    }

    /// Returns whether anyone still listens.
    async fn resynchronise(&mut self, events: &mpsc::Sender<Event>) -> bool {
        self.resynchronise_at = None;
        match self.read_world().await {
            Ok(world) => events.send(Event::Resynchronised(Box::new(world))).await.is_ok(),
            Err(error) => {
                let error = TwinError::from_netlink("show its tables", &error);
                warn!(%error, "the mirror of the kernel is stale; trying again in a second");
                self.resynchronise_at = Some(Instant::now() + RETRY_DELAY);
                true
            }
        }
    }

    async fn read_world(&mut self) -> Result<World, rtnetlink::Error> {
        let mut world = World::default();
        self.ports.clear();
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        while let Some(message) = links.try_next().await? {
            learn_port(&message, &self.names, &mut self.ports);
            if let Some(event) = translate::link(&message, &self.ports) {
                world.apply(event);
            }
        }
        let mut addresses = std::pin::pin!(self.handle.address().get().execute());
        while let Some(message) = addresses.try_next().await? {
            let found = translate::address(&message, &self.ports);
            if let Some((port, address, length)) = found {
                world.apply(Event::AddressAdded { port, address, length });
            }
        }
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            self.read_routes(family, &mut world).await?;
        }
        let mut neighbours = std::pin::pin!(self.handle.neighbours().get().execute());
        while let Some(message) = neighbours.try_next().await? {
            let found = translate::neighbour(&message, &self.ports);
            if let Some((port, address, neighbour)) = found {
                world.apply(Event::NeighbourChanged { port, address, neighbour });
            }
        }
        Ok(world)
    }

    async fn read_routes(
        &self,
        family: AddressFamily,
        world: &mut World,
    ) -> Result<(), rtnetlink::Error> {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        let mut routes = std::pin::pin!(self.handle.route().get(request).execute());
        let mut last = None;
        while let Some(message) = routes.try_next().await? {
            let Some((prefix, route)) = translate::route(&message, &self.ports) else { continue };
            // Of routes with the same prefix and metric the kernel shows, and uses, the first.
            let key = (prefix, route.metric);
            if last.replace(key) != Some(key) {
                world.apply(Event::RouteAdded { prefix, route });
            }
        }
        Ok(())
    }
}

/// What every message of a datagram calls for, in order.
fn changes(datagram: &[u8], names: &BTreeMap<String, PortId>, ports: &mut Ports) -> Vec<Change> {
    let mut rest = datagram;
    let mut changes = Vec::new();
    while rest.len() >= HEADER_BYTES {
        let Ok(frame) = NetlinkBuffer::new_checked(rest) else { break };
        let length = usize::try_from(frame.length()).unwrap_or(usize::MAX);
        let appended = frame.flags() & NLM_F_APPEND != 0;
        changes.push(match frame.message_type() {
            RTM_NEWNEXTHOP | RTM_DELNEXTHOP => Change::Resynchronise,
            _ => change_of(rest.get(..length).unwrap_or(rest), appended, names, ports),
        });
        rest = rest.get(length.max(HEADER_BYTES).next_multiple_of(4)..).unwrap_or_default();
    }
    changes
}

fn change_of(
    message: &[u8],
    appended: bool,
    names: &BTreeMap<String, PortId>,
    ports: &mut Ports,
) -> Change {
    let message = match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) {
        Ok(message) => message,
        Err(error) => {
            debug!(?error, "a notification of the kernel was not understood");
            return Change::Resynchronise;
        }
    };
    let NetlinkPayload::InnerMessage(message) = message.payload else { return Change::Nothing };
    if let RouteNetlinkMessage::NewLink(link) = &message {
        learn_port(link, names, ports);
    }
    translate::change(&message, appended, ports)
}

/// An interface that is made again, or renamed, is the same twin under another index.
fn learn_port(
    message: &netlink_packet_route::link::LinkMessage,
    names: &BTreeMap<String, PortId>,
    ports: &mut Ports,
) {
    match translate::link_name(message).and_then(|name| names.get(name)) {
        Some(port) => ports.insert(message.header.index, *port),
        None => ports.remove(&message.header.index),
    };
}

fn subscribe() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    socket.socket_mut().set_rx_buf_sz(RECEIVE_BUFFER_BYTES)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
    for group in GROUPS {
        socket.socket_mut().add_membership(*group as u32)?;
    }
    Ok(socket)
}

const GROUPS: &[MulticastGroup] = &[
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Nexthop,
];
/// Room for a burst of some thousand notifications (the kernel may grant less, see `rmem_max`).
/// When it does not suffice, everything is read anew.
const RECEIVE_BUFFER_BYTES: i32 = 4 << 20;
/// Linux `RTM_NEWNEXTHOP` and `RTM_DELNEXTHOP`: routes that use a nexthop object change with it.
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
/// Linux `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
