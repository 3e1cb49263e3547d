use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::LocalSet;
use weir_core::api::{Method, Success, Version};
use weir_core::config::{Appliance, check};
use weir_core::limits::CONTROL_LINE_BYTES_MAX;

use super::*;

const VERSION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"version"}"#;

fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("run/control.sock");
    (directory, path)
}

/// An appliance with a control socket at `path`, and more of its own words.
fn appliance(path: &Path, more: Value) -> Appliance {
    let mut document = json!({"appliance": {
        "controlSocket": path,
        "readOnlyControlSocket": null,
        "ports": [{"name": "front", "device": "net_null0", "addresses": ["192.0.2.1/24"]}],
    }});
    let Value::Object(more) = more else { unreachable!("words") };
    document["appliance"].as_object_mut().expect("words").extend(more);
    check(document.to_string().as_bytes()).expect("a configuration").configuration.appliance
}

/// Opens the one socket at `path`.
fn bind(path: &Path, group: Option<&str>) -> Result<Listener, SocketError> {
    let appliance = appliance(path, json!({"controlSocketGroup": group}));
    open(&appliance).map(|mut listeners| listeners.remove(0))
}

/// Runs `story` beside a server whose control side answers every call with a version.
async fn beside_a_server<F: Future<Output = ()>>(story: impl FnOnce(PathBuf) -> F) {
    beside_two_servers(|path, _read_only| story(path)).await;
}

/// The same with the read-only socket, whose path `story` gets as well.
async fn beside_two_servers<F: Future<Output = ()>>(story: impl FnOnce(PathBuf, PathBuf) -> F) {
    let (_directory, path) = place();
    let read_only = path.with_file_name("read-only.sock");
    let appliance = appliance(&path, json!({"readOnlyControlSocket": read_only}));
    let mut listeners = open(&appliance).expect("the sockets are free");
    let (reading, changing) = (listeners.remove(1), listeners.remove(0));
    let (requests, mut calls) = mpsc::channel::<Call>(1);
    let answer = async move {
        while let Some(call) = calls.recv().await {
            let version = Version { api_version: 1, ..Version::default() };
            // The client may have gone.
            drop(call.reply.send(Ok(Success::Version(version))));
        }
    };
    LocalSet::new()
        .run_until(async {
            tokio::select! {
                () = serve(changing, requests.clone()) => unreachable!("the control side is there"),
                () = serve(reading, requests) => unreachable!("the control side is there"),
                () = answer => unreachable!("the server is there"),
                () = story(path, read_only) => {}
            }
        })
        .await;
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn connect(path: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(path).await.expect("the server listens")))
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the server reads");
    }

    /// The next reply; `Value::Null` when the server has closed.
    async fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("the server writes");
        if line.is_empty() { Value::Null } else { serde_json::from_str(&line).expect("JSON") }
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.send(&format!("{line}\n")).await;
        self.reply().await
    }
}

#[tokio::test]
async fn a_request_is_answered_under_its_own_id() {
    beside_a_server(|path| async move {
        let mut client = Client::connect(&path).await;
        let reply = client.ask(VERSION).await;
        assert_eq!(reply["id"], json!(1));
        assert_eq!(reply["result"]["apiVersion"], json!(1));
        let reply = client.ask(&VERSION.replace("\"id\":1", "\"id\":\"x\"")).await;
        assert_eq!(reply["id"], json!("x"));
    })
    .await;
}

#[tokio::test]
async fn broken_json_is_answered_and_the_connection_stays() {
    beside_a_server(|path| async move {
        let mut client = Client::connect(&path).await;
        assert_eq!(client.ask("{").await["error"]["code"], json!(-32700));
        assert_eq!(client.ask("[]").await["error"]["code"], json!(-32600));
        assert_eq!(client.ask("\n\r\n{}").await["error"]["code"], json!(-32600));
        assert_eq!(client.ask(VERSION).await["id"], json!(1));
    })
    .await;
}

#[tokio::test]
async fn a_half_closed_client_gets_the_replies_to_all_it_sent() {
    beside_a_server(|path| async move {
        let mut client = Client::connect(&path).await;
        client.send(&format!("{VERSION}\n{VERSION}\n{VERSION}")).await;
        client.0.shutdown().await.expect("closing one side");
        let mut rest = String::new();
        client.0.read_to_string(&mut rest).await.expect("the server writes");
        assert_eq!(rest.lines().count(), 3, "the last line needs no newline: {rest}");
    })
    .await;
}

#[tokio::test]
async fn notifications_are_carried_out_in_silence() {
    beside_a_server(|path| async move {
        let mut client = Client::connect(&path).await;
        client.send("{\"jsonrpc\":\"2.0\",\"method\":\"version\"}\n").await;
        client.send("{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}\n").await;
        assert_eq!(client.ask(VERSION).await["id"], json!(1), "the first reply is to the request");
    })
    .await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_and_the_connection_closed() {
    beside_a_server(|path| async move {
        let mut stream = UnixStream::connect(&path).await.expect("the server listens");
        let (mut read_half, mut write_half) = stream.split();
        let flood = vec![b' '; CONTROL_LINE_BYTES_MAX + 1];
        let mut reply = Vec::new();
        // The server stops reading at the bound, so the rest of the flood may not get through.
        let (_written, _read) =
            tokio::join!(write_half.write_all(&flood), read_half.read_to_end(&mut reply));
        let reply = String::from_utf8(reply).expect("text");
        assert!(reply.contains("-32003") && reply.contains("at most"), "{reply}");
    })
    .await;
}

#[tokio::test]
async fn a_client_too_many_is_told_so_and_a_place_that_is_left_is_free_again() {
    beside_a_server(|path| async move {
        let mut clients = Vec::new();
        for _ in 0..CONTROL_CLIENTS_MAX {
            let mut client = Client::connect(&path).await;
            assert_eq!(client.ask(VERSION).await["id"], json!(1));
            clients.push(client);
        }
        let mut refused = Client::connect(&path).await;
        let reply = refused.reply().await;
        assert_eq!(reply["error"]["code"], json!(-32002), "{reply}");
        assert_eq!(refused.reply().await, Value::Null, "and closed");

        clients.pop();
        while Client::connect(&path).await.reply_or_place().await.is_none() {}
    })
    .await;
}

#[tokio::test]
async fn a_crowd_that_reads_does_not_keep_out_who_changes_nor_the_other_way_round() {
    beside_two_servers(|path, read_only| async move {
        for (crowded, free) in [(&read_only, &path), (&path, &read_only)] {
            let mut crowd = Vec::new();
            for _ in 0..CONTROL_CLIENTS_MAX {
                let mut client = Client::connect(crowded).await;
                assert_eq!(client.ask(VERSION).await["id"], json!(1));
                crowd.push(client);
            }
            let refused = Client::connect(crowded).await.reply().await;
            assert_eq!(refused["error"]["code"], json!(-32002), "{refused}");
            assert_eq!(Client::connect(free).await.ask(VERSION).await["id"], json!(1));
            drop(crowd);
        }
    })
    .await;
}

#[tokio::test]
async fn the_read_only_socket_reads_and_says_where_changes_go() {
    beside_two_servers(|path, read_only| async move {
        let mut reader = Client::connect(&read_only).await;
        let delete =
            r#"{"jsonrpc":"2.0","id":7,"method":"delete","params":{"id":"loadBalancers/lb"}}"#;
        let refused = reader.ask(delete).await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32007)));
        let text = refused["error"]["message"].as_str().expect("a sentence");
        assert!(
            text.contains("only reads") && text.contains(path.to_str().expect("text")),
            "{text}"
        );
        assert_eq!(reader.ask(VERSION).await["id"], json!(1), "the connection stays");
        reader.send(&format!("{}\n", delete.replace("\"id\":7,", ""))).await;
        assert_eq!(reader.ask(VERSION).await["id"], json!(1), "a notification is not carried out");
        let passed = Client::connect(&path).await.ask(delete).await;
        assert!(passed["error"].is_null(), "the other socket takes it: {passed}");
    })
    .await;
}

/// Runs `story` beside a server, with the calls that reach its control side.
async fn before_the_control_side<F: Future<Output = ()>>(
    story: impl FnOnce(PathBuf, mpsc::Receiver<Call>) -> F,
) {
    let (_directory, path) = place();
    let listener = bind(&path, None).expect("the socket is free");
    let (requests, calls) = mpsc::channel::<Call>(CONTROL_CLIENTS_MAX * 4);
    LocalSet::new()
        .run_until(async {
            tokio::select! {
                () = serve(listener, requests) => {}
                () = story(path, calls) => {}
            }
        })
        .await;
}

fn answer(call: Call) {
    // The client may have gone.
    drop(call.reply.send(Ok(Success::Version(Version::default()))));
}

#[tokio::test]
async fn clients_that_flood_take_one_turn_each_before_somebody_else_has_his() {
    const FLOODING: usize = 8;
    const EACH: usize = 200;
    before_the_control_side(|path, mut calls| async move {
        let mut flooding = Vec::new();
        for _ in 0..FLOODING {
            let mut client = Client::connect(&path).await;
            client.send(&format!("{VERSION}\n").repeat(EACH)).await;
            flooding.push(client);
        }
        // All of them are busy when the one comes who waits.
        for _ in 0..FLOODING * 10 {
            answer(calls.recv().await.expect("a call"));
        }
        let mut patient = Client::connect(&path).await;
        let health = VERSION.replace("version", "health");
        for _ in 0..20 {
            patient.send(&format!("{health}\n")).await;
            // His line is on its way until his task has run; it reads before it is written to.
            let mut others = 0;
            loop {
                let call = calls.recv().await.expect("a call");
                let is_his = call.request.method == Method::Health;
                answer(call);
                if is_his {
                    break;
                }
                others += 1;
            }
            assert!(others <= 2 * FLOODING, "{others} answers to others before his");
            assert_eq!(patient.reply().await["id"], json!(1));
        }
    })
    .await;
}

#[tokio::test]
async fn events_come_between_replies_and_while_one_is_waited_for() {
    before_the_control_side(|path, mut calls| async move {
        let mut client = Client::connect(&path).await;
        client.send(&format!("{VERSION}\n")).await;
        let call = calls.recv().await.expect("a call");
        let feed = Rc::clone(&call.feed);
        feed.push(&"{\"event\":1}\n".into());
        assert_eq!(client.reply().await["event"], json!(1), "the reply is not there yet");
        answer(call);
        assert_eq!(client.reply().await["id"], json!(1));
        feed.push(&"{\"event\":2}\n".into());
        assert_eq!(client.reply().await["event"], json!(2));
        feed.miss();
        let missed = client.reply().await;
        assert_eq!(
            (&missed["method"], &missed["params"]["kind"]),
            (&json!("event"), &json!("Missed"))
        );
        assert_eq!(missed["params"]["count"], json!(1));

        client.send(&format!("{VERSION}\n")).await;
        let call = calls.recv().await.expect("it may go on asking");
        assert!(Rc::ptr_eq(&call.feed, &feed), "one feed for one connection");
        answer(call);
        assert_eq!(client.reply().await["id"], json!(1));
    })
    .await;
}

#[tokio::test]
async fn a_feed_ends_with_its_connection() {
    before_the_control_side(|path, mut calls| async move {
        let mut client = Client::connect(&path).await;
        client.send(&format!("{VERSION}\n")).await;
        let call = calls.recv().await.expect("a call");
        let feed = Rc::downgrade(&call.feed);
        answer(call);
        assert_eq!(client.reply().await["id"], json!(1));
        assert!(feed.upgrade().is_some());
        drop(client);
        while feed.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_slow_stays_connected_and_learns_what_it_missed() {
    const PUBLISHED: u64 = 4_000;
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (requests, mut calls) = mpsc::channel::<Call>(1);
    let peer = Peer { process: None, user: 0, group: 0 };
    let access = Rc::new(Access::Everything);
    let long: Rc<str> = format!("{}\n", "x".repeat(64 << 10)).into();
    let story = async {
        let mut client = Client(BufReader::new(ours));
        client.send(&format!("{VERSION}\n")).await;
        let call = calls.recv().await.expect("a call");
        let feed = Rc::clone(&call.feed);
        answer(call);
        assert_eq!(client.reply().await["id"], json!(1));
        for _ in 0..PUBLISHED {
            feed.push(&long);
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_secs(59)).await;
        let mut told = 0;
        let missed = loop {
            let mut line = String::new();
            client.0.read_line(&mut line).await.expect("it is still connected");
            if !line.starts_with('x') {
                break serde_json::from_str::<Value>(&line).expect("JSON");
            }
            told += 1;
        };
        assert!(told < PUBLISHED, "some were lost");
        assert_eq!(missed["params"]["count"], json!(PUBLISHED - told));
    };
    tokio::select! {
        ended = client::serve_client(theirs, peer, access, requests) => unreachable!("{ended}"),
        () = story => {}
    }
}

impl Client {
    /// A reply to `version`, unless the server has turned this client away.
    async fn reply_or_place(mut self) -> Option<Value> {
        self.0.write_all(format!("{VERSION}\n").as_bytes()).await.ok()?;
        let reply = self.reply().await;
        (reply["id"] == json!(1)).then_some(reply)
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_has_stopped_to_read_leaves_its_place() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (requests, mut calls) = mpsc::channel::<Call>(1);
    let peer = Peer { process: None, user: 0, group: 0 };
    let access = Rc::new(Access::Everything);
    let long: Rc<str> = format!("{}\n", "x".repeat(64 << 10)).into();
    let begun = async {
        let mut client = Client(BufReader::new(ours));
        client.send(&format!("{VERSION}\n")).await;
        let call = calls.recv().await.expect("a call");
        let feed = Rc::clone(&call.feed);
        answer(call);
        for _ in 0..100 {
            feed.push(&long);
            tokio::task::yield_now().await;
        }
        client
    };
    let start = tokio::time::Instant::now();
    let (ended, _ours) = tokio::join!(client::serve_client(theirs, peer, access, requests), begun);
    assert!(matches!(ended, client::Ended::NotReading), "{ended}");
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped_after_the_write_timeout() {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let (requests, mut calls) = mpsc::channel::<Call>(1);
    let big = Version { name: "x".repeat(8 << 20), ..Version::default() };
    ours.write_all(format!("{VERSION}\n").as_bytes()).await.expect("room in the buffer");
    let peer = Peer { process: None, user: 0, group: 0 };
    let answer = async {
        let call = calls.recv().await.expect("a call");
        call.reply.send(Ok(Success::Version(big))).expect("the client waits");
    };
    let start = tokio::time::Instant::now();
    let access = Rc::new(Access::Everything);
    let (ended, ()) = tokio::join!(client::serve_client(theirs, peer, access, requests), answer);
    assert!(matches!(ended, client::Ended::NotReading), "{ended}");
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn calls_carry_the_credentials_of_the_peer_and_dropped_ones_are_errors() {
    let (_directory, path) = place();
    let listener = bind(&path, None).expect("the socket is free");
    let (requests, mut calls) = mpsc::channel::<Call>(1);
    let story = async {
        let mut client = Client::connect(&path).await;
        client.send(&format!("{VERSION}\n")).await;
        let call = calls.recv().await.expect("a call");
        assert_eq!(call.request.method, Method::Version);
        assert_eq!(call.peer.process, i32::try_from(std::process::id()).ok());
        assert_eq!(call.peer.user, nix::unistd::getuid().as_raw());
        drop(call);
        assert_eq!(client.reply().await["error"]["code"], json!(-32603));
        drop(calls);
    };
    LocalSet::new()
        .run_until(async {
            tokio::join!(serve(listener, requests), story);
        })
        .await;
    assert!(!path.exists(), "serving ends with the control side, and the file goes");
}

#[tokio::test]
async fn the_socket_and_its_new_directory_are_for_owner_and_group_only() {
    let (_directory, path) = place();
    let listener = bind(&path, Some("root")).expect("the socket is free");
    let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().expect("a parent")), 0o750);
    assert_eq!(listener.path(), path);
    drop(listener);
    assert!(!path.exists(), "the file goes with the listener");
}

#[tokio::test]
async fn each_socket_has_its_mode_and_whoever_may_use_it_can_reach_it() {
    for (mode, group, socket, directory) in [
        ("0660", "root", 0o660, 0o750),
        ("0640", "root", 0o640, 0o750),
        ("0666", "root", 0o666, 0o751),
        ("0660", "daemon", 0o660, 0o751),
    ] {
        let (_directory, path) = place();
        let read_only = path.with_file_name("read-only.sock");
        let words = json!({"controlSocketMode": "0600", "controlSocketGroup": "root",
            "readOnlyControlSocket": read_only, "readOnlyControlSocketMode": mode,
            "readOnlyControlSocketGroup": group});
        let listeners = open(&appliance(&path, words)).expect("free");
        assert_eq!(listeners[0].access(), &Access::Everything);
        assert_eq!(listeners[1].access(), &Access::ReadOnly { changes_at: path.clone() });
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        let found = [&path, &read_only].map(|path| mode(path));
        assert_eq!(found, [0o600, socket]);
        assert_eq!(mode(path.parent().expect("a parent")), directory, "{group}");
    }
}

#[tokio::test]
async fn a_second_socket_that_is_in_use_leaves_nothing_of_the_first() {
    let (directory, _) = place();
    let (path, other) = (directory.path().join("a.sock"), directory.path().join("b.sock"));
    let _other = bind(&other, None).expect("free");
    let error = open(&appliance(&path, json!({"readOnlyControlSocket": other})));
    let error = error.expect_err("the first lives").to_string();
    assert!(error.contains("set appliance.readOnlyControlSocket to another"), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_directory_that_exists_is_left_as_it_is() {
    let (directory, _) = place();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let _listener = bind(&directory.path().join("control.sock"), None).expect("free");
    let mode = fs::metadata(directory.path()).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let (directory, _) = place();
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("free"));
    assert!(fs::metadata(&path).expect("left behind").file_type().is_socket());

    let listener = bind(&path, None).expect("a stale socket is in nobody's way");
    let error = bind(&path, None).expect_err("the first one lives").to_string();
    assert!(error.contains("in use by another weir; stop it or set"), "{error}");
    assert!(path.exists(), "the loser leaves the winner's socket alone");

    fs::remove_file(&path).expect("ours");
    let successor = bind(&path, None).expect("free");
    drop(listener);
    assert!(path.exists(), "a listener removes only its own socket");
    drop(successor);
}

#[tokio::test]
async fn a_live_server_with_a_full_queue_is_in_use_and_not_waited_for() {
    let (directory, _) = place();
    let path = directory.path().join("control.sock");
    let busy = std::os::unix::net::UnixListener::bind(&path).expect("free");
    let shortest = nix::sys::socket::Backlog::new(0).expect("a length");
    nix::sys::socket::listen(&busy, shortest).expect("listening");
    let _queued = std::os::unix::net::UnixStream::connect(&path).expect("room for one");
    let error = bind(&path, None).expect_err("it lives");
    assert!(matches!(error, SocketError::InUse(..)), "{error}");
}

#[tokio::test]
async fn what_cannot_be_a_control_socket_is_named_with_its_cure() {
    let (directory, _) = place();
    let file = directory.path().join("file");
    fs::write(&file, "precious").expect("ours");
    let long = directory.path().join("x".repeat(120));
    for (path, group, part) in [
        (file.as_path(), None, "is not a socket; remove it or set appliance.controlSocket"),
        (Path::new("/"), None, "controlSocket"),
        (&file.join("control.sock"), None, "cannot make the directory"),
        (&directory.path().join("a"), Some("no-such-group"), "groupadd --system no-such-group"),
    ] {
        let error = bind(path, group).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    let mut appliance = appliance(&file, json!({}));
    appliance.control_socket.path = long;
    let error = open(&appliance).expect_err("too long").to_string();
    assert!(error.contains("at most 107 bytes"), "{error}");
    assert_eq!(fs::read_to_string(&file).expect("still there"), "precious");
}
