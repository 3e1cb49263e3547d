use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use weir_core::health::ProbeProtocol;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn tcp(port: u16) -> ProbeTarget {
    ProbeTarget {
        address: LOOPBACK,
        port,
        protocol: ProbeProtocol::Tcp,
        interval_milliseconds: 5_000,
        timeout_milliseconds: 2_000,
        threshold: 1,
    }
}

fn http(port: u16) -> ProbeTarget {
    ProbeTarget { protocol: ProbeProtocol::Http { path: "/health".into() }, ..tcp(port) }
}

fn hasty(target: ProbeTarget) -> ProbeTarget {
    ProbeTarget { timeout_milliseconds: 100, ..target }
}

/// How a test server behaves after it has accepted.
#[derive(Clone, Copy)]
enum Server {
    /// Reads the request, writes this, closes.
    Says(&'static str),
    /// Writes this and then nothing more, without closing.
    SaysAndHolds(&'static str),
    /// Closes at once.
    Closes,
}

/// A server for one connection; gives its port and, at the end, what it received.
async fn serve(server: Server) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let received = spawn_local(async move {
        let (stream, _) = listener.accept().await.expect("the prober comes");
        match server {
            Server::Says(text) => answer(stream, text).await,
            Server::SaysAndHolds(text) => {
                let mut stream = stream;
                stream.write_all(text.as_bytes()).await.expect("it reads");
                pending::<()>().await;
                String::new()
            }
            Server::Closes => String::new(),
        }
    });
    (port, received)
}

async fn answer(mut stream: TcpStream, text: &str) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a whole request"));
    }
    stream.write_all(text.as_bytes()).await.expect("it reads");
    String::from_utf8(request).expect("text")
}

async fn verdict(target: &ProbeTarget) -> Verdict {
    let Attempt { verdict, farewell } = attempt::attempt(target, SourceAddresses::default()).await;
    farewell.say().await;
    verdict
}

async fn locally<F: Future>(story: F) -> F::Output {
    LocalSet::new().run_until(story).await
}

#[tokio::test]
async fn http_verdicts_follow_what_the_member_says() {
    use Server::{Closes, Says, SaysAndHolds};
    let table = [
        (Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), Verdict::Status(200)),
        (Says("HTTP/1.0 200 OK\r\n\r\nuntil the end"), Verdict::Status(200)),
        (Says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), Verdict::Status(503)),
        (Says("HTTP/1.1 204 No Content\r\n\r\n"), Verdict::Status(204)),
        (Says("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\n\r\n"), Verdict::Status(301)),
        (Says("SSH-2.0-OpenSSH_9.2\r\n"), Verdict::HttpRejected),
        (Says(""), Verdict::HttpRejected),
        (Closes, Verdict::HttpRejected),
        (SaysAndHolds(""), Verdict::NoResponse),
        (SaysAndHolds("HTTP/1.1 200 OK\r\nX-Slow: "), Verdict::NoResponse),
        (SaysAndHolds("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"), Verdict::Status(200)),
    ];
    locally(async {
        for (server, expected) in table {
            let (port, _received) = serve(server).await;
            let target = match server {
                SaysAndHolds(_) => ProbeTarget { timeout_milliseconds: 300, ..http(port) },
                Says(_) | Closes => http(port),
            };
            assert_eq!(verdict(&target).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn an_http_probe_says_who_it_is_and_asks_to_close() {
    locally(async {
        let (port, received) = serve(Server::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
        verdict(&http(port)).await;
        let request = received.await.expect("served").to_lowercase();
        assert!(request.starts_with("get /health http/1.1\r\n"), "{request}");
        for header in
            [&format!("host: 127.0.0.1:{port}"), "user-agent: weir-probe", "connection: close"]
        {
            assert!(request.contains(&format!("\r\n{header}\r\n")), "{request}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_endless_body_does_not_hold_the_prober() {
    locally(async {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        spawn_local(async move {
            let (mut stream, _) = listener.accept().await.expect("the prober comes");
            let mut text = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
            while stream.write_all(text.as_bytes()).await.is_ok() {
                text = "x".repeat(4096);
            }
        });
        assert_eq!(verdict(&http(port)).await, Verdict::Status(200));
    })
    .await;
}

#[tokio::test]
async fn a_tcp_probe_opens_and_closes_in_order_past_a_banner() {
    locally(async {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let target = tcp(listener.local_addr().expect("bound").port());
        let member = async {
            let (mut stream, _) = listener.accept().await.expect("the prober comes");
            stream.write_all(b"220 banner\r\n").await.expect("it reads");
            stream.read_to_end(&mut Vec::new()).await.expect("an orderly close, not RST")
        };
        let (found, bytes) = tokio::join!(verdict(&target), member);
        assert_eq!((found, bytes), (Verdict::TcpConnected, 0));
    })
    .await;
}

#[tokio::test]
async fn a_closed_port_refuses_either_probe() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    assert_eq!(verdict(&tcp(port)).await, Verdict::Refused);
    assert_eq!(verdict(&http(port)).await, Verdict::Refused);
}

#[tokio::test]
async fn a_full_accept_queue_times_the_handshake_out() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind((LOOPBACK, 0).into()).expect("a port");
    let listener = socket.listen(0).expect("listening");
    let target = hasty(tcp(listener.local_addr().expect("bound").port()));
    let _first = TcpStream::connect((LOOPBACK, target.port)).await.expect("room for one");
    assert_eq!(verdict(&target).await, Verdict::Timeout);
}

#[tokio::test]
async fn probes_come_from_the_source_address_they_are_given() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
    let target = tcp(listener.local_addr().expect("bound").port());
    let source = Ipv4Addr::new(127, 0, 0, 77);
    let sources = SourceAddresses { v4: Some(source), v6: None };
    let (attempt, accepted) = tokio::join!(attempt::attempt(&target, sources), listener.accept());
    assert_eq!(attempt.verdict, Verdict::TcpConnected);
    assert_eq!(accepted.expect("connected").1.ip(), IpAddr::V4(source));

    let foreign = SourceAddresses { v4: Some(Ipv4Addr::new(192, 0, 2, 1)), v6: None };
    let attempt = attempt::attempt(&target, foreign).await;
    assert_eq!(attempt.verdict, Verdict::Unreachable, "an address that is not ours");
}

#[tokio::test]
async fn targets_are_probed_again_and_again_until_they_are_taken_away() {
    locally(async {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        spawn_local(async move { while listener.accept().await.is_ok() {} });
        let target = ProbeTarget { interval_milliseconds: 10, ..tcp(port) };
        let (results, mut found) = mpsc::channel(1);
        let mut prober = Prober::new(results, SourceAddresses::default());
        prober.set_targets(&BTreeSet::from([target.clone()]));
        for _ in 0..3 {
            let result = found.recv().await.expect("the prober lives");
            assert_eq!((&result.target, result.verdict), (&target, Verdict::TcpConnected));
            assert!(result.started <= result.ended);
        }
        prober.set_targets(&BTreeSet::new());
        assert_eq!(prober.targets(), 0);
        drop(prober);
        while found.recv().await.is_some() {}
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_prober_that_wakes_up_too_late_discards_its_verdict_and_counts_it() {
    locally(async {
        let (results, mut found) = mpsc::channel(8);
        let mut prober = Prober::new(results, SourceAddresses::default());
        // Port 0 cannot be connected to, so the attempt ends without the clock moving.
        prober.set_targets(&BTreeSet::from([tcp(0)]));
        tokio::task::yield_now().await;
        tokio::time::advance(phase(&tcp(0)) + Duration::from_millis(2_600)).await;
        tokio::task::yield_now().await;
        while prober.late() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(found.try_recv().is_err(), "a late verdict is nobody's");
        let result = found.recv().await.expect("the next attempt is on time");
        assert!(!result.verdict.is_success());
        assert_eq!(prober.late(), 1);
    })
    .await;
}

#[tokio::test]
async fn lateness_is_half_an_interval_or_a_quarter_of_a_second_whatever_is_more() {
    let due = Instant::now();
    let at = |milliseconds| due + Duration::from_millis(milliseconds);
    let slow = tcp(1);
    let fast = ProbeTarget { interval_milliseconds: 100, timeout_milliseconds: 100, ..tcp(1) };
    for (target, started, ended, late) in [
        (&slow, 0, 2_000, false),
        (&slow, 2_500, 4_500, false),
        (&slow, 2_501, 2_502, true),
        (&slow, 0, 4_500, false),
        (&slow, 0, 4_501, true),
        (&fast, 250, 251, false),
        (&fast, 251, 252, true),
        (&fast, 0, 351, true),
    ] {
        let found = prober_was_late(target, due, at(started), at(ended));
        assert_eq!(found, late, "{started} to {ended}");
    }
}

#[tokio::test]
async fn missed_turns_are_skipped_and_the_rhythm_is_kept() {
    let due = Instant::now();
    let at = |milliseconds| due + Duration::from_millis(milliseconds);
    for (now, next) in
        [(0, 5_000), (4_999, 5_000), (5_000, 5_000), (5_001, 10_000), (27_300, 30_000)]
    {
        assert_eq!(next_turn(&tcp(1), due, at(now)), at(next), "at {now}");
    }
}

#[test]
fn first_attempts_are_spread_over_the_interval_the_same_way_every_time() {
    let phases: BTreeSet<_> = (1..=200).map(|port| phase(&tcp(port))).collect();
    assert!(phases.len() > 180, "hardly two in the same millisecond of 5,000");
    assert!(phases.iter().all(|phase| *phase < Duration::from_secs(5)));
    let quarters: BTreeSet<_> = phases.iter().map(|phase| phase.as_millis() / 1_250).collect();
    assert_eq!(quarters.len(), 4);
    assert_eq!(phase(&tcp(80)), phase(&tcp(80)));
}
