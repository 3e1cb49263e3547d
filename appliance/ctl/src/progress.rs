//! What does a person see while something takes long?
//!
//! One line on standard error, if that is a terminal: it appears when a third of a second has
//! passed, and is gone when there is an answer. Programs see nothing of it.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A line that goes away with this value.
pub(crate) struct Progress {
    /// What to say, and the thread that says it; nothing without a terminal.
    teller: Option<(Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Says what is waited for, as soon as it takes long.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        if !io::stderr().is_terminal() {
            return Self { teller: None };
        }
        let (sender, receiver) = mpsc::channel();
        let mut what: String = what.into();
        let since = Instant::now();
        let thread = thread::spawn(move || {
            let mut told = false;
            let mut every = FIRST_AFTER;
            loop {
                match receiver.recv_timeout(every) {
                    Ok(next) => what = next,
                    Err(RecvTimeoutError::Timeout) => {
                        tell(&line(&what, since.elapsed()));
                        (told, every) = (true, THEN_EVERY);
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            if told {
                tell(CLEAR);
            }
        });
        Self { teller: Some((sender, thread)) }
    }

    /// Says something else from now on.
    pub(crate) fn now(&self, what: impl Into<String>) {
        if let Some((sender, _)) = &self.teller {
            // A teller that has ended has nobody to tell.
            sender.send(what.into()).unwrap_or_default();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.teller.take() {
            drop(sender);
            // Only the line is lost with it.
            thread.join().unwrap_or_default();
        }
    }
}

fn line(what: &str, elapsed: Duration) -> String {
    let shown: String = what.chars().take(WIDTH).collect();
    format!("{CLEAR}{shown} … {} s", elapsed.as_secs())
}

fn tell(text: &str) {
    let mut stderr = io::stderr().lock();
    // Without stderr there is nobody to tell.
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).unwrap_or_default();
}

/// What is quicker needs no line.
const FIRST_AFTER: Duration = Duration::from_millis(300);
const THEN_EVERY: Duration = Duration::from_secs(1);
/// To the first column, and nothing to its right (ECMA-48, EL).
const CLEAR: &str = "\r\u{1b}[K";
/// What leaves room for the time in a line of 80.
const WIDTH: usize = 66;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_replaces_the_one_before_and_fits_the_terminal() {
        let text = line(&"long ".repeat(40), Duration::from_millis(12_999));
        let shown = text.strip_prefix(CLEAR).expect("it begins by clearing");
        assert!(shown.ends_with(" … 12 s") && shown.chars().count() <= 80, "{shown}");
    }
}
