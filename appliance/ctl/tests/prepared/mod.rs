//! What does `weirctl` do with an appliance whose answers are prepared?
//!
//! Every request takes the next answer, on however many connections they come.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a run left behind.
pub(crate) struct Run {
    /// What was asked, in order.
    pub(crate) asked: Vec<Value>,
    /// The exit code.
    pub(crate) exit: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs `weirctl` with `words` and `input` in `directory`. Each answer is the lines that one
/// request gets; the connection ends when they are all given.
pub(crate) fn run_in(directory: &Path, words: &[&str], input: &str, answers: &[Vec<Value>]) -> Run {
    let place = TempDir::new().expect("a directory");
    let socket = place.path().join("control.sock");
    let listener = UnixListener::bind(&socket).expect("free");
    let answers: Vec<String> = answers
        .iter()
        .map(|lines| lines.iter().map(|line| format!("{line}\n")).collect())
        .collect();
    let server = thread::spawn(move || serve(&listener, &answers));
    let output = weirctl(&socket, directory, words, input);
    // A command that has asked less than it should leaves the server waiting.
    drop(std::os::unix::net::UnixStream::connect(&socket));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Run {
        asked: server.join().expect("served"),
        exit: output.status.code().expect("an exit"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The same somewhere, with one answer.
#[allow(dead_code, reason = "not every test that shares this file")]
pub(crate) fn run(words: &[&str], input: &str, answer: &Value) -> Run {
    run_in(Path::new("."), words, input, &[vec![answer.clone()]])
}

/// A reply.
#[allow(dead_code, reason = "not every test that shares this file")]
pub(crate) fn result(result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": result})
}

/// Answers until every answer is given, or a connection says nothing.
fn serve(listener: &UnixListener, answers: &[String]) -> Vec<Value> {
    let mut asked = Vec::new();
    while asked.len() < answers.len() {
        let (stream, _) = listener.accept().expect("a client");
        let mut lines = BufReader::new(&stream);
        let before = asked.len();
        let mut line = String::new();
        while asked.len() < answers.len() && lines.read_line(&mut line).expect("a request") > 0 {
            let answer = &answers[asked.len()];
            asked.push(serde_json::from_str(&line).expect("JSON"));
            line.clear();
            // A client that has seen enough may have gone.
            drop((&stream).write_all(answer.as_bytes()));
        }
        if asked.len() == before {
            break;
        }
    }
    asked
}

/// Runs `weirctl` against whatever is at `socket`.
pub(crate) fn weirctl(socket: &Path, directory: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weirctl"))
        .arg("--socket")
        .arg(socket)
        .args(words)
        .current_dir(directory)
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("built");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that does not read its input may have ended.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("ended")
}
