use serde_json::Value;
use weir_core::limits::EVENTS_WAITING_MAX;

use super::super::socket::Next;
use super::*;

fn topics(topics: &[Topic]) -> BTreeSet<Topic> {
    topics.iter().copied().collect()
}

fn generation(number: u32) -> Happening {
    Happening::Configuration(ConfigurationChange { generation: number, ..Default::default() })
}

/// The generation that a feed tells next.
async fn next(feed: &Feed) -> Value {
    let Next::Event(line) = feed.next().await else { unreachable!("nothing was missed") };
    let event: Value = serde_json::from_str(&line).expect("JSON");
    assert!(line.ends_with('\n') && event["id"].is_null(), "a notification: {line}");
    assert_eq!((&event["jsonrpc"], &event["method"]), (&"2.0".into(), &"event".into()));
    event["params"]["generation"].clone()
}

#[tokio::test]
async fn everybody_is_told_what_he_subscribed_to_and_nothing_else() {
    let (first, second) = (Rc::<Feed>::default(), Rc::<Feed>::default());
    let mut events = Events::default();
    events.subscribe(&first, topics(&[Topic::Configuration, Topic::Health]));
    events.subscribe(&second, topics(&[Topic::Snat]));
    events.publish(Topic::Configuration, || generation(1));
    events.subscribe(&second, topics(&[Topic::Configuration]));
    events.publish(Topic::Configuration, || generation(2));
    assert_eq!((next(&first).await, next(&first).await), (1.into(), 2.into()));
    assert_eq!(next(&second).await, 2, "from the second subscription on, once");
    assert!(!events.has_listeners(Topic::Snat), "which replaced the first");
}

#[tokio::test]
async fn a_slow_listener_misses_events_and_keeps_nobody_else_from_them() {
    let (slow, quick) = (Rc::<Feed>::default(), Rc::<Feed>::default());
    let mut events = Events::default();
    for feed in [&slow, &quick] {
        events.subscribe(feed, topics(&[Topic::Configuration]));
    }
    let beyond = 10;
    for number in 0..EVENTS_WAITING_MAX + beyond {
        let number = u32::try_from(number).expect("small");
        events.publish(Topic::Configuration, || generation(number));
        assert_eq!(next(&quick).await, number);
    }
    for number in 0..EVENTS_WAITING_MAX {
        assert_eq!(next(&slow).await, number);
    }
    assert_eq!(slow.next().await, Next::Missed(beyond as u64));
}

#[test]
fn nothing_is_written_down_for_nobody() {
    let mut events = Events::default();
    let gone = Rc::<Feed>::default();
    events.subscribe(&gone, topics(&[Topic::Health]));
    drop(gone);
    assert!(!events.has_listeners(Topic::Health));
    events.publish(Topic::Health, || unreachable!("nobody listens"));
    let full = Rc::<Feed>::default();
    full.miss();
    events.subscribe(&full, topics(&[Topic::Health]));
    events.publish(Topic::Health, || unreachable!("nobody has room"));
    assert_eq!(events.subscribers.len(), 1, "who is gone is forgotten");
}
