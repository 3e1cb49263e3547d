//! What does the author of a change hear, and in which words is one refused?

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;
use weir_core::api::{self, Applied, Error, ErrorCode, Reply, Source, Success};
use weir_core::config::Problem;

use super::socket::Peer;
use super::{STORE_WITHIN, lane};

/// Waits until a configuration is in force and stored, and says so.
pub(super) async fn conclude(
    mut applied: Applied,
    started: Instant,
    outcome: oneshot::Receiver<lane::Outcome>,
) -> Reply {
    let stopping = || Error::new(ErrorCode::Internal, "weir is stopping");
    let outcome = outcome.await.map_err(|_| stopping())?;
    applied.generation = outcome.generation;
    applied.milliseconds = milliseconds(outcome.published.saturating_duration_since(started));
    let kept = match timeout(STORE_WITHIN, outcome.kept).await {
        Ok(kept) => kept.map_err(|_| stopping())?,
        Err(_) => Err(format!("the disk has not answered for {} s", STORE_WITHIN.as_secs())),
    };
    match kept {
        Ok(number) => applied.number = Some(number),
        Err(why) => applied.warnings.push(told(&problem("", "NotPersisted", not_persisted(&why)))),
    }
    Ok(Success::Applied(applied))
}

/// What to do about a configuration that is in force and not stored.
pub(super) fn not_persisted(why: &str) -> String {
    format!(
        "the configuration is in force, but not stored, and a restart would go back to the one \
         stored before: {why}. Make the state directory writable and free some space; weir tries \
         again every {} s, and `weirctl history` shows the outcome.",
        super::STORE_INTERVAL.as_secs()
    )
}

pub(super) fn author(peer: Peer) -> api::Author {
    let Peer { process, user, group: _ } = peer;
    api::Author { source: Source::Socket, user: Some(user), process }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn refusal(problems: Vec<Problem>) -> Error {
    Error::configuration_refused(problems.iter().map(told).collect())
}

pub(super) fn told(problem: &Problem) -> api::Problem {
    api::Problem {
        pointer: problem.pointer.clone(),
        code: problem.code.to_string(),
        message: problem.message.clone(),
    }
}

pub(super) fn problem(pointer: &str, code: &'static str, message: String) -> Problem {
    Problem { pointer: pointer.to_owned(), code: code.into(), message }
}

#[cfg(test)]
mod tests {
    use super::super::store;
    use super::*;

    /// What the author of a configuration in force is told once `kept` says this; never, if None.
    async fn answer(kept: Option<store::Kept>) -> Applied {
        let (author, outcome) = oneshot::channel();
        let (kept_in, kept_out) = oneshot::channel();
        let published = lane::Outcome { generation: 7, published: Instant::now(), kept: kept_out };
        author.send(published).expect("it waits");
        let silent = match kept {
            Some(kept) => {
                kept_in.send(kept).expect("it waits");
                None
            }
            None => Some(kept_in),
        };
        let reply = conclude(Applied::default(), Instant::now(), outcome).await;
        drop(silent);
        match reply {
            Ok(Success::Applied(applied)) => applied,
            other => panic!("in force is in force: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_author_hears_the_number_or_why_it_is_not_stored_and_never_waits_for_a_dead_disk() {
        let stored = answer(Some(Ok(12))).await;
        assert_eq!((stored.generation, stored.number, stored.warnings.len()), (7, Some(12), 0));
        for (kept, part) in [(Some(Err("it is full".into())), "it is full"), (None, "for 3 s")] {
            let unstored = answer(kept).await;
            assert_eq!((unstored.generation, unstored.number), (7, None));
            let [warning] = &unstored.warnings[..] else { panic!("one warning: {unstored:?}") };
            assert_eq!(warning.code, "NotPersisted");
            assert!(warning.message.contains(part), "{}", warning.message);
        }
    }
}
