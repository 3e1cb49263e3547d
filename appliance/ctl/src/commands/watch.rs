//! How does one hear what happens? A line an event, until interrupted.

use serde::Deserialize;
use serde_json::Value;
use weir_core::api::{Event, Method, Subscribe, Subscribed, Topic};

use crate::arguments::TopicWord;
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// What the appliance says by itself.
#[derive(Deserialize)]
struct Notification {
    params: Value,
}

/// Prints events until the appliance goes, which is a failure.
pub(super) fn run(session: &Session<'_>, topics: &[TopicWord]) -> Result<(), Failure> {
    let mut connection = session.connect()?;
    let events = topics.iter().copied().map(topic).collect();
    let _: Subscribed = connection.ask(Method::Subscribe(Subscribe { events }))?;
    session.note("Watching; Ctrl-C ends it.");
    while let Some(line) = connection.event()? {
        // A line that is no event is of another release.
        let Ok(Notification { params }) = serde_json::from_slice(&line) else { continue };
        let text = if session.is_json() {
            format!("{params}\n")
        } else {
            let event: Event = serde_json::from_value(params.clone()).unwrap_or_default();
            render::event(&event, &params)
        };
        session.print(&text)?;
    }
    Err(Failure::Gone)
}

const fn topic(word: TopicWord) -> Topic {
    match word {
        TopicWord::Health => Topic::Health,
        TopicWord::Configuration => Topic::Configuration,
        TopicWord::Snat => Topic::Snat,
    }
}
