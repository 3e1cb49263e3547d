//! Which queue does a NIC deliver a frame to, and what does its driver say of it?
//!
//! Runs inside the virtual machine: `igb DEVICE QUEUES KEY` opens a port with receive-side scaling
//! under a key of 40 bytes in hexadecimal digits, then obeys one line of standard input at a time:
//!
//! | line | answer |
//! |---|---|
//! | `receive N MILLISECONDS` | for each frame `frame ID queue Q owner W hash H ip C transport C` |
//! | `reta` | `reta` and the queue of each entry |
//! | `digits D` | sets entry `i` to digit `D` of `i` to the base of the queues |
//! | `quit` | ends |
//!
//! Every answer ends with the line `done`. `ID` is the IPv4 identification, or the flow label of
//! IPv6, by which the driver of the test knows its frames.
//!
//! Not here: what must come out (`test_igb.py`).

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use dpdk::{Burst, Eal, Mempool, PoolConfig, Port, PortConfig, Rss, RxQueue, StartedPort};
use weir_core::policy::{OwnerFunction, RSS_KEY_BYTES};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ETHERNET: usize = 14;

/// A port under observation.
struct Observed {
    port: StartedPort,
    queues: Vec<RxQueue>,
    owner: OwnerFunction,
    burst: Burst,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, queues, key] = arguments.as_slice() else {
        return Err("usage: igb DEVICE QUEUES KEY".into());
    };
    let eal = Eal::init(
        &["igb", "-l", "0", "--in-memory", "--no-telemetry", "-a", device].map(str::to_owned),
    )?;
    let mut observed = Observed::open(&eal, device, queues.parse()?, parse_key(key)?)?;
    let mut out = io::stdout().lock();
    writeln!(out, "done")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["receive", count, milliseconds] => {
                let limit = Duration::from_millis(milliseconds.parse()?);
                observed.receive(count.parse()?, limit, &mut out)?;
            }
            ["reta"] => writeln!(out, "reta {}", numbers(&observed.port.reta()?))?,
            ["digits", digit] => observed.set_digits(digit.parse()?)?,
            ["quit"] => return Ok(()),
            _ => return Err(format!("unknown command `{line}`").into()),
        }
        writeln!(out, "done")?;
    }
    Ok(())
}

impl Observed {
    fn open(eal: &Eal, device: &str, queues: u16, key: [u8; RSS_KEY_BYTES]) -> Outcome<Self> {
        let pool = PoolConfig {
            name: "frames".into(),
            count: 8191,
            cache: 0,
            data_room: 2176,
            socket: None,
        };
        let configuration = PortConfig {
            rx_queues: queues,
            tx_queues: queues,
            rx_descriptors: 512,
            tx_descriptors: 512,
            mtu: 1500,
            rss: Some(Rss { key: key.to_vec(), ip: true, tcp: true, udp: true }),
            promiscuous: true,
            rx_checksum: true,
        };
        let pool = Mempool::new(eal, &pool)?;
        let (port, queues, _) =
            Port::attach(eal, device)?.configure(&configuration, &[pool])?.start()?;
        let taken = port.taken().rss.as_ref().and_then(|rss| rss.key.clone());
        if taken.as_deref() != Some(&key) {
            return Err(format!("the device took another key: {taken:02x?}").into());
        }
        let workers = u8::try_from(queues.len())?;
        let owner = OwnerFunction::new(&key, workers);
        Ok(Self { port, queues, owner, burst: Burst::new(eal) })
    }

    /// Until there are `count` frames, or for as long as `limit`.
    fn receive(&mut self, count: usize, limit: Duration, out: &mut impl Write) -> Outcome<()> {
        let began = Instant::now();
        let mut seen = 0;
        while seen < count && began.elapsed() < limit {
            for queue in &mut self.queues {
                queue.receive(&mut self.burst);
                for (position, frame) in self.burst.frames() {
                    let Some((id, hash, worker)) = flow(&self.owner, frame) else { continue };
                    let flags = self.burst.checksum_flags(position);
                    let (ip, transport) = (flags.ip, flags.transport);
                    seen += 1;
                    writeln!(
                        out,
                        "frame {id} queue {} owner {worker} hash {hash} ip {ip:?} \
                         transport {transport:?}",
                        queue.index(),
                    )?;
                }
                self.burst.clear();
            }
        }
        Ok(())
    }

    /// So that the queue of a frame tells a digit of its hash.
    fn set_digits(&self, digit: u32) -> Outcome<()> {
        let base = self.queues.len();
        let entries = self.port.info()?.reta_size;
        let value = |entry: u16| usize::from(entry) / base.pow(digit) % base;
        let queues: Result<Vec<u16>, _> =
            (0..entries).map(|entry| u16::try_from(value(entry))).collect();
        Ok(self.port.set_reta(&queues?)?)
    }
}

/// Identification, hash and owner of a TCP or UDP frame without tags and options.
fn flow(owner: &OwnerFunction, frame: &[u8]) -> Option<(u32, u32, u8)> {
    let kind = u16::from_be_bytes(*frame.get(12..)?.first_chunk()?);
    let ip = frame.get(ETHERNET..)?;
    let (id, source, destination, ports): (u32, IpAddr, IpAddr, &[u8]) = match kind {
        0x0800 => (
            u16::from_be_bytes(*ip.get(4..)?.first_chunk()?).into(),
            Ipv4Addr::from(*ip.get(12..)?.first_chunk::<4>()?).into(),
            Ipv4Addr::from(*ip.get(16..)?.first_chunk::<4>()?).into(),
            ip.get(20..24)?,
        ),
        0x86dd => (
            u32::from_be_bytes(*ip.first_chunk()?) & 0xf_ffff,
            Ipv6Addr::from(*ip.get(8..)?.first_chunk::<16>()?).into(),
            Ipv6Addr::from(*ip.get(24..)?.first_chunk::<16>()?).into(),
            ip.get(40..44)?,
        ),
        _ => return None,
    };
    let near = u16::from_be_bytes(*ports.first_chunk()?);
    let far = u16::from_be_bytes(*ports.last_chunk()?);
    let (source, destination) = (source.into(), destination.into());
    let hash = owner.hash(source, destination, near, far);
    Some((id, hash, owner.of_flow(source, near, destination, far).0))
}

fn parse_key(text: &str) -> Outcome<[u8; RSS_KEY_BYTES]> {
    let mut key = [0; RSS_KEY_BYTES];
    if text.len() != 2 * RSS_KEY_BYTES || !text.is_ascii() {
        return Err("the key wants 80 hexadecimal digits".into());
    }
    for (position, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * position..2 * position + 2], 16)?;
    }
    Ok(key)
}

fn numbers(queues: &[u16]) -> String {
    let words: Vec<String> = queues.iter().map(u16::to_string).collect();
    words.join(" ")
}
