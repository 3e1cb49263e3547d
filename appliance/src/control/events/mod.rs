//! Who is told what happens, while it happens?
//!
//! ```text
//!   probes, configurations, ports ─► Events ─► one line ─► the feed of each who subscribed
//! ```
//!
//! Nothing here waits: a feed that is full loses events and says how many. An event that nobody
//! would get is not even written. Subscriptions end with their connections.
//!
//! Not here: when ports are worth an event (`exhaustion`), the way to the client (`socket::Feed`),
//! what events are called (`weir_core::api`).

mod health;

use std::collections::BTreeSet;
use std::rc::{Rc, Weak};
use std::time::SystemTime;

use weir_core::api::{
    Author, ConfigurationChange, Event, Happening, MemberChange, Reply, Subscribe, Subscribed,
    Success, Topic, write_event,
};
use weir_core::config::Configuration;
use weir_core::health::ProbeTarget;

use super::Running;
use super::exhaustion::{Scarcity, Word};
use super::socket::Feed;
use health::{HealthChange, HealthWatch};

/// What is watched, and for whom.
#[derive(Debug, Default)]
pub(super) struct Events {
    subscribers: Vec<Subscriber>,
    /// Only while somebody listens.
    health: Option<HealthWatch>,
    pub(super) scarcity: Scarcity,
}

#[derive(Debug)]
struct Subscriber {
    feed: Weak<Feed>,
    topics: BTreeSet<Topic>,
}

impl Events {
    /// Has a feed told of these topics from now on, instead of those before.
    fn subscribe(&mut self, feed: &Rc<Feed>, topics: BTreeSet<Topic>) {
        let weak = Rc::downgrade(feed);
        self.subscribers.retain(|it| it.feed.strong_count() > 0 && !it.feed.ptr_eq(&weak));
        self.subscribers.push(Subscriber { feed: weak, topics });
    }

    /// Whether anybody listens to a topic.
    fn has_listeners(&self, topic: Topic) -> bool {
        let listens = |it: &Subscriber| it.feed.strong_count() > 0 && it.topics.contains(&topic);
        self.subscribers.iter().any(listens)
    }

    /// Tells everybody who listens. The line is made once, and only if somebody has room for it.
    fn publish(&mut self, topic: Topic, what: impl FnOnce() -> Happening) {
        self.subscribers.retain(|it| it.feed.strong_count() > 0);
        let listeners = self.subscribers.iter().filter(|it| it.topics.contains(&topic));
        let feeds: Vec<Rc<Feed>> = listeners.filter_map(|it| it.feed.upgrade()).collect();
        let (with_room, full): (Vec<_>, Vec<_>) = feeds.iter().partition(|feed| feed.has_room());
        full.into_iter().for_each(|feed| feed.miss());
        if !with_room.is_empty() {
            let line = line(what()).into();
            with_room.into_iter().for_each(|feed| feed.push(&line));
        }
    }
}

/// An event that happens now, as a line.
pub(super) fn line(what: Happening) -> String {
    let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    write_event(&Event { at, what })
}

impl Running {
    /// Has a client told of events from now on. Asked again, it is told of others instead.
    pub(super) fn subscribe(&mut self, wanted: Subscribe, feed: &Rc<Feed>) -> Reply {
        let mut topics: BTreeSet<Topic> = wanted.events.into_iter().collect();
        if topics.is_empty() {
            topics.extend([Topic::Health, Topic::Configuration, Topic::Snat]);
        }
        let events = topics.iter().copied().collect();
        self.events.subscribe(feed, topics);
        if self.events.health.is_none() && self.events.has_listeners(Topic::Health) {
            let watch = HealthWatch::begin(&self.checked.configuration, &self.health);
            self.events.health = Some(watch);
        }
        Ok(Success::Subscribed(Subscribed { events }))
    }

    /// Takes in that a probe's target changed its state.
    pub(super) fn target_changed(&mut self, target: &ProbeTarget) {
        if let Some(watch) = &mut self.events.health {
            watch.suspect(&self.checked.configuration, target);
        }
    }

    /// Tells that the configuration has come in force, and that another was before.
    pub(super) fn configuration_changed(&mut self, old: &Configuration, applied_by: &Author) {
        let generation = self.generation();
        self.events.publish(Topic::Configuration, || {
            let applied_by = applied_by.clone();
            Happening::Configuration(ConfigurationChange { generation, applied_by })
        });
        if let Some(watch) = &mut self.events.health {
            watch.follow(old, &self.checked.configuration);
        }
    }

    /// What is done every millisecond: tells whose health changed.
    pub(super) fn tell_health(&mut self) {
        let Some(mut watch) = self.events.health.take() else { return };
        if !self.events.has_listeners(Topic::Health) {
            return;
        }
        let (configuration, events) = (&self.checked.configuration, &mut self.events);
        watch.turn(configuration, &self.health, MEMBERS_PER_TURN, |change| {
            events.publish(Topic::Health, || Happening::MemberHealth(told(change)));
        });
        self.events.health = Some(watch);
    }

    /// What is done every second: tells, and logs, whose outbound ports run out.
    pub(super) fn look_after_ports(&mut self) {
        let now = self.clock.now().milliseconds;
        let uses = self.member_ports();
        for told in self.events.scarcity.observe(&uses, now) {
            let line = told.line();
            match told.word {
                Word::Warning | Word::Exhausted => tracing::warn!("{line}"),
                Word::Recovered => tracing::info!("{line}"),
            }
            self.events.publish(Topic::Snat, || Happening::SnatPorts(told.event()));
        }
    }
}

fn told(change: HealthChange) -> MemberChange {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    MemberChange {
        load_balancer: change.load_balancer,
        rule: change.rule,
        member: change.member.to_string(),
        state: if change.is_up { "Up" } else { "Down" }.to_owned(),
        reason: given(change.reason),
        detail: given(change.detail),
    }
}

/// Members that are looked at in one turn of a millisecond before the rest is left to the next.
const MEMBERS_PER_TURN: usize = 512;

#[cfg(test)]
mod tests;
