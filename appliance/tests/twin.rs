//! Does the kernel take part as the twins' control plane promises? With a real kernel, in
//! namespaces of the tests' own. Without root each test says so and passes.
//!
//! Not reached: kernels before 5.16, real ports.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use weir::control::twin::namespace::SETTINGS;
use weir::control::twin::{Manager, Mirror, NetworkNamespace, Twin, TwinError};
use weir_core::limits::NEIGHBOUR_EVENTS_WAITING_MAX;
use weir_core::neighbour::{Event, NextHop, Route, World, wanted_neighbours};
use weir_core::units::{Address, MacAddress, PortId, Prefix};

const BACK: PortId = PortId(1);
const OWN_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 4]);
const MEMBER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x11]);
/// More than the mirror's socket holds.
const ROUTES: u32 = 20_000;
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_managed_neighbour_is_asked_for_and_its_answer_becomes_an_event() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("10.0.0.4", 24).await;
        let wanted = wanted_neighbours(&[ip("10.0.0.11")], &bench.world);
        assert_eq!(wanted, BTreeSet::from([(BACK, ip("10.0.0.11"))]));
        let changes = bench.manager.set_wanted(&wanted).await;
        assert_eq!((changes.added, changes.failed), (1, 0), "{changes:?}");

        let request = bench.frame(|frame| is_arp_request_for(frame, [10, 0, 0, 11])).await;
        assert_eq!(request[28..32], [10, 0, 0, 4], "the twin asks with its own address");
        assert_eq!(request[6..12], OWN_MAC.0);
        bench.answer_arp(&request);
        bench.until(|world| world.mac_of(BACK, ip("10.0.0.11")) == Some(MEMBER_MAC)).await;

        let again = bench.manager.set_wanted(&wanted).await;
        assert_eq!((again.added, again.removed), (0, 0), "nothing is done twice");
        assert!(run("ip", &["neighbour"]).contains("managed"), "the kernel keeps it fresh");
        let none = bench.manager.set_wanted(&BTreeSet::new()).await;
        assert_eq!((none.removed, none.failed), (1, 0), "{none:?}");
        bench.until(|world| world.mac_of(BACK, ip("10.0.0.11")).is_none()).await;
    });
}

#[test]
fn an_ipv6_neighbour_is_solicited_and_one_off_requests_work() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("2001:db8::4", 64).await;
        let wanted = BTreeSet::from([(BACK, ip("2001:db8::11"))]);
        assert_eq!(bench.manager.set_wanted(&wanted).await.failed, 0);
        bench.frame(|frame| is_solicitation_for(frame, "2001:db8::11")).await;
        assert!(bench.manager.resolve(BACK, ip("2001:db8::77")).await.expect("asked"));
        bench.frame(|frame| is_solicitation_for(frame, "2001:db8::77")).await;
    });
}

#[test]
fn a_connection_of_the_kernel_to_a_member_leaves_by_the_twin() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("10.0.0.4", 24).await;
        let probe = tokio::net::TcpStream::connect("10.0.0.11:80");
        let traffic = async {
            let request = bench.frame(|frame| is_arp_request_for(frame, [10, 0, 0, 11])).await;
            bench.answer_arp(&request);
            bench.frame(|frame| frame[12..14] == [8, 0] && frame[23] == 6).await
        };
        let syn: Vec<u8> = tokio::select! {
            _ = probe => panic!("nobody answers the probe"),
            syn = traffic => syn,
        };
        assert_eq!(syn[0..6], MEMBER_MAC.0);
        assert_eq!(syn[26..34], [10, 0, 0, 4, 10, 0, 0, 11]);
        let tcp_length = u32::try_from(syn.len() - 34).expect("short");
        assert_eq!(internet_checksum(&syn[26..], tcp_length + 6), 0xffff);
    });
}

#[test]
fn routes_come_change_and_go_with_multipath_and_nexthop_objects() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("10.0.0.4", 24).await;
        let to = |gateway: &str| NextHop { port: BACK, gateway: Some(ip(gateway)), weight: 1 };
        let prefix: Prefix = "10.2.0.0/16".parse().expect("a prefix");
        let mut routes = BTreeMap::new();
        let next_hops = vec![to("10.0.0.1"), to("10.0.0.2")];
        routes.insert(prefix, Route { next_hops: next_hops.clone(), metric: 7 });
        let changes = bench.manager.set_routes(&routes).await.expect("shown");
        assert_eq!((changes.added, changes.failed), (1, 0), "{changes:?}");
        bench.until(|world| world.next_hops_to(ip("10.2.0.1")) == Some(&next_hops)).await;
        let again = bench.manager.set_routes(&routes).await.expect("shown");
        assert_eq!((again.added, again.removed), (0, 0));

        run("ip", &["nexthop", "add", "id", "5", "via", "10.0.0.9", "dev", "back"]);
        run("ip", &["route", "add", "10.5.0.0/16", "nhid", "5"]);
        bench.until(|world| world.route_to(ip("10.5.0.1")) == Some((BACK, ip("10.0.0.9")))).await;
        run("ip", &["nexthop", "replace", "id", "5", "via", "10.0.0.8", "dev", "back"]);
        bench.until(|world| world.route_to(ip("10.5.0.1")) == Some((BACK, ip("10.0.0.8")))).await;
        run("ip", &["nexthop", "del", "id", "5"]);
        bench.until(|world| world.route_to(ip("10.5.0.1")).is_none()).await;

        run("ip", &["route", "add", "10.6.0.0/16", "via", "inet6", "fe80::9", "dev", "back"]);
        bench.until(|world| world.route_to(ip("10.6.0.1")) == Some((BACK, ip("fe80::9")))).await;
        run("ip", &["route", "add", "blackhole", "10.6.1.0/24"]);
        bench.until(|world| world.next_hops_to(ip("10.6.1.1")) == Some(&[])).await;

        let none = bench.manager.set_routes(&BTreeMap::new()).await.expect("shown");
        assert_eq!((none.removed, none.failed), (1, 0), "another's routes stay: {none:?}");
        bench.until(|world| world.route_to(ip("10.2.0.1")).is_none()).await;
        run("ip", &["link", "set", "back", "down"]);
        bench.until(|world| world.route_to(ip("10.6.0.1")).is_none()).await;
    });
}

#[test]
fn changes_that_the_mirror_missed_are_made_good() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("10.0.0.4", 24).await;
        let prefix = |n: u32| Prefix::new(IpAddr::V4((0x1400_0000 + (n << 8)).into()), 24);
        let batch = |verb: &str| {
            let line = |n| format!("route {verb} {} via 10.0.0.1\n", prefix(n).expect("a prefix"));
            (0..ROUTES).map(line).collect::<String>()
        };
        // The mirror does not run while this thread waits: its socket overflows, the channel too.
        run_batch(&batch("add"));
        run_batch(&batch("del").lines().skip(1).collect::<Vec<_>>().join("\n"));
        let mut resynchronised = false;
        let claim = |world: &World| world.routes().count() == 2;
        while !(resynchronised && claim(&bench.world)) {
            let event = timeout(LIMIT, bench.events.recv()).await.expect("an event in time");
            let event = event.expect("the mirror runs");
            resynchronised |= matches!(event, Event::Resynchronised(_));
            bench.world.apply(event);
        }
        assert_eq!(bench.world.route_to(ip("20.0.0.1")), Some((BACK, ip("10.0.0.1"))));
    });
}

#[test]
fn thousands_of_members_are_kept_beyond_the_kernels_usual_limit() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("10.0.0.4", 16).await;
        let address = |n: u32| (BACK, Address::from_v4_bits(0x0a00_0100 + n));
        let wanted: BTreeSet<_> = (0..5_000).map(address).collect();
        let changes = bench.manager.set_wanted(&wanted).await;
        assert_eq!((changes.added, changes.failed), (5_000, 0), "{changes:?}");
        let changes = bench.manager.set_wanted(&BTreeSet::new()).await;
        assert_eq!((changes.removed, changes.failed), (5_000, 0), "{changes:?}");
    });
}

#[test]
fn ipv6_routes_lose_single_next_hops() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("2001:db8::4", 64).await;
        let via = |gateway| ["via", gateway, "dev", "back"];
        let add = ["-6", "route", "add", "2001:db8:1::/48"];
        run(
            "ip",
            &[&add[..], &["nexthop"], &via("2001:db8::1"), &["nexthop"], &via("2001:db8::2")]
                .concat(),
        );
        let hops = |world: &World| world.next_hops_to(ip("2001:db8:1::1")).map_or(0, <[_]>::len);
        bench.until(|world| hops(world) == 2).await;
        run("ip", &[&["-6", "route", "del", "2001:db8:1::/48"][..], &via("2001:db8::1")].concat());
        bench.until(|world| hops(world) == 1).await;
    });
}

#[test]
fn addresses_are_made_equal_to_the_wanted_ones() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        let first = [(ip("10.0.0.4"), 24), (ip("10.0.0.5"), 24), (ip("2001:db8::4"), 64)];
        let changes = bench.manager.set_addresses(BACK, &first).await.expect("shown");
        assert_eq!((changes.added, changes.failed), (3, 0), "{changes:?}");
        let second = [(ip("10.0.0.5"), 24), (ip("2001:db8::4"), 56)];
        let changes = bench.manager.set_addresses(BACK, &second).await.expect("shown");
        assert_eq!((changes.added, changes.removed, changes.failed), (1, 2, 0), "{changes:?}");
        let is_local = |address: &Address| address.to_string().starts_with("fe80:");
        bench
            .until(|world| {
                let Some(link) = world.links().get(&BACK) else { return false };
                let own = link.addresses.iter().filter(|(address, _)| !is_local(address));
                own.copied().collect::<BTreeSet<_>>() == BTreeSet::from(second)
            })
            .await;
    });
}

#[test]
fn after_a_restart_the_twin_and_its_entries_are_adopted() {
    in_a_namespace(|_| async {
        let mut bench = Bench::new().await;
        bench.own("10.0.0.4", 24).await;
        let wanted = BTreeSet::from([(BACK, ip("10.0.0.11"))]);
        bench.manager.set_wanted(&wanted).await;
        let request = bench.frame(|frame| is_arp_request_for(frame, [10, 0, 0, 11])).await;
        bench.answer_arp(&request);
        bench.until(|world| world.mac_of(BACK, ip("10.0.0.11")) == Some(MEMBER_MAC)).await;
        let second = Twin::create("back", OWN_MAC, 1500);
        assert!(matches!(second, Err(TwinError::Busy { .. })), "one reader only");
        drop(bench);

        let mut bench = Bench::new().await;
        bench.until(|world| world.is_own(ip("10.0.0.4"))).await;
        assert_eq!(bench.world.links()[&BACK].mac, OWN_MAC);
        bench.until(|world| world.mac_of(BACK, ip("10.0.0.11")) == Some(MEMBER_MAC)).await;
        let changes = bench.manager.set_wanted(&BTreeSet::new()).await;
        assert_eq!((changes.removed, changes.failed), (1, 0), "{changes:?}");
    });
}

#[test]
fn names_of_other_things_are_refused_with_a_reason() {
    in_a_namespace(|_| async {
        let twin = |name: &str| Twin::create(name, OWN_MAC, 1500).err().expect("refused");
        assert!(matches!(twin("a/b"), TwinError::Name { .. }));
        assert!(matches!(twin("sixteen-letters-"), TwinError::Name { .. }));
        assert!(matches!(twin("lo"), TwinError::Foreign { .. }));
        let names = BTreeMap::from([("absent".into(), BACK)]);
        let missing = Manager::open(&names).await.err().expect("refused");
        assert!(missing.to_string().contains("no interface `absent`"), "{missing}");
    });
}

#[test]
fn the_namespace_is_opened_again_and_only_its_maker_removes_it() {
    in_a_namespace(|namespace| {
        let name = namespace.name().to_owned();
        async move {
            assert!(run("ip", &["netns", "exec", &name, "ip", "link"]).contains("LOWER_UP"));
            for (setting, value) in SETTINGS {
                let now = std::fs::read_to_string(Path::new("/proc/sys/net").join(setting));
                assert_eq!(now.expect("a setting").trim(), *value, "{setting}");
            }
            let again = NetworkNamespace::open_or_create(&name).expect("opened");
            assert!(!again.was_created());
            again.remove().expect("left alone");
            assert!(Path::new("/run/netns").join(&name).exists());
        }
    });
}

/// A twin with its mirror and manager.
struct Bench {
    twin: Twin,
    manager: Manager,
    events: mpsc::Receiver<Event>,
    world: World,
}

impl Bench {
    async fn new() -> Self {
        let twin = Twin::create("back", OWN_MAC, 1500).expect("a twin");
        let names = BTreeMap::from([("back".to_owned(), BACK)]);
        let mirror = Mirror::open(names.clone()).expect("a mirror");
        let (sender, events) = mpsc::channel(NEIGHBOUR_EVENTS_WAITING_MAX);
        tokio::spawn(async move { mirror.run(sender).await.expect("a mirror that runs") });
        let manager = Manager::open(&names).await.expect("a manager");
        let mut bench = Self { twin, manager, events, world: World::default() };
        bench.until(|world| world.links().get(&BACK).is_some_and(|link| link.up)).await;
        bench
    }

    async fn own(&mut self, address: &str, length: u8) {
        let wanted = [(ip(address), length)];
        let changes = self.manager.set_addresses(BACK, &wanted).await.expect("shown");
        assert_eq!((changes.added, changes.failed), (1, 0), "{changes:?}");
        self.until(|world| world.is_own(ip(address)) && world.route_to(ip(address)).is_some())
            .await;
    }

    /// Takes in events until the world is as claimed.
    async fn until(&mut self, claim: impl Fn(&World) -> bool) {
        let wait = async {
            while !claim(&self.world) {
                let event = self.events.recv().await.expect("the mirror runs");
                self.manager.observe(&event);
                self.world.apply(event);
            }
        };
        if timeout(LIMIT, wait).await.is_err() {
            panic!("the world did not become as claimed: {:#?}", self.world);
        }
    }

    /// The next frame from the kernel that is as claimed; others are passed over.
    async fn frame(&self, claim: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut frame = vec![0; self.twin.frame_bytes_max()];
        let wait = async {
            loop {
                let length = self.twin.receive(&mut frame).await.expect("a frame");
                if claim(&frame[..length]) {
                    return frame[..length].to_vec();
                }
            }
        };
        timeout(LIMIT, wait).await.expect("the frame in time")
    }

    fn answer_arp(&self, request: &[u8]) {
        let mut answer = request.to_vec();
        answer[0..6].copy_from_slice(&request[6..12]);
        answer[6..12].copy_from_slice(&MEMBER_MAC.0);
        answer[21] = 2;
        answer[22..28].copy_from_slice(&MEMBER_MAC.0);
        answer[28..32].copy_from_slice(&request[38..42]);
        answer[32..42].copy_from_slice(&request[22..32]);
        assert!(self.twin.try_send(&answer).expect("sent"));
    }
}

/// Runs `test` on a thread of its own in a namespace of its own, and removes that afterwards.
fn in_a_namespace<F: Future<Output = ()>>(test: impl FnOnce(&NetworkNamespace) -> F + Send) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("weir-test-{}-{number}", std::process::id());
    let namespace = match NetworkNamespace::open_or_create(&name) {
        Ok(namespace) => namespace,
        Err(error @ TwinError::Permission { .. }) => {
            println!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let result = std::thread::scope(|scope| {
        let work = || {
            namespace.enter().expect("entered");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(test(&namespace));
        };
        scope.spawn(work).join()
    });
    namespace.remove().expect("removed");
    assert!(!Path::new("/run/netns").join(&name).exists(), "nothing is left behind");
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn ip(text: &str) -> Address {
    text.parse::<IpAddr>().expect("an address").into()
}

/// Runs a command in the calling thread's namespace.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("a program");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs many `ip` commands in the calling thread's namespace.
fn run_batch(lines: &str) {
    let mut ip = Command::new("ip");
    let mut ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("a program");
    let mut input = ip.stdin.take().expect("an input");
    input.write_all(lines.as_bytes()).expect("written");
    drop(input);
    assert!(ip.wait().expect("ended").success());
}

fn is_arp_request_for(frame: &[u8], target: [u8; 4]) -> bool {
    frame[12..14] == [8, 6] && frame[21] == 1 && frame[38..42] == target
}

fn is_solicitation_for(frame: &[u8], target: &str) -> bool {
    let IpAddr::V6(target) = target.parse().expect("an address") else { return false };
    frame[12..14] == [0x86, 0xdd] && frame[54] == 135 && frame[62..78] == target.octets()
}

/// The one's-complement sum over `bytes`, begun with `start` (RFC 1071): 0xffff when a checksum
/// among them is complete and right.
fn internet_checksum(bytes: &[u8], start: u32) -> u32 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum = start + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
