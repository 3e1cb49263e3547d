//! How does a member finish its work? No new flows, and then time for those that it has.
//!
//! ```text
//!   setMember adminState: Down ──► status every half second ──► no flows, or out of time
//! ```

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use weir_core::api::{Applied, Method, SetMember, Status};

use super::members::{Member, of_pool, word};
use super::names;
use crate::arguments::{AdminState, MemberName};
use crate::client::Connection;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;
use crate::session::Session;

/// How far a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drained {
    /// The pool's id.
    pub(crate) pool: String,
    /// The member's address.
    pub(crate) address: String,
    /// What it is set to.
    pub(crate) admin_state: String,
    /// Whether it was set to something else before.
    pub(crate) changed: bool,
    /// Flows that are left.
    pub(crate) flows: u64,
}

/// Drains a member, or lets it work again.
pub(super) fn run(
    session: &Session<'_>,
    named: &MemberName,
    wait: Option<u64>,
    undo: bool,
) -> Result<(), Failure> {
    let pool = names::pool(&named.pool);
    let state = word(if undo { AdminState::None } else { AdminState::Down });
    let mut connection = session.connect()?;
    let progress = Progress::of("Waiting for the appliance");
    let set = SetMember {
        pool: pool.clone(),
        member: named.member.clone(),
        admin_state: Some(state.clone()),
        ..SetMember::default()
    };
    let applied: Applied = connection.ask(Method::SetMember(set))?;
    let known = of_pool(&mut connection, &pool)?.members;
    let member = known.into_iter().find(|member| is_named(member, &named.member));
    let mut drained = Drained {
        address: member.as_ref().map_or(&named.member, |member| &member.address).clone(),
        flows: member.map_or(0, |member| member.flows),
        admin_state: state,
        changed: applied.changed,
        pool,
    };
    if let Some(seconds) = wait {
        wait_for_end(&mut connection, &mut drained, Duration::from_secs(seconds), &progress)?;
    }
    drop(progress);
    let late = wait.filter(|_| drained.flows > 0);
    if session.is_json() {
        session.print(&render::json(&drained))?;
    } else if late.is_none() {
        session.print(&render::drained(&drained))?;
    }
    match late {
        Some(seconds) => Err(Failure::Unfinished(format!(
            "{} still has {} flows after {seconds} s and gets no new ones: wait on with --wait, or \
             give it new flows again with --undo",
            drained.address, drained.flows
        ))),
        None => Ok(()),
    }
}

/// By its name, or by its address in any spelling.
fn is_named(member: &Member, name: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    member.name.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(name))
        || (address(name).is_some() && address(name) == address(&member.address))
}

/// Asks until no flow is left or the time is over.
fn wait_for_end(
    connection: &mut Connection,
    drained: &mut Drained,
    most: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let begun = Instant::now();
    while drained.flows > 0 && begun.elapsed() < most {
        progress.now(format!("{} has {} flows left", drained.address, drained.flows));
        thread::sleep(POLL_EVERY.min(most.saturating_sub(begun.elapsed())));
        let status: Status = connection.ask(Method::Status)?;
        let pool = names::last(&drained.pool);
        let of_member = status
            .members
            .iter()
            .filter(|it| it.address == drained.address && it.pool.eq_ignore_ascii_case(pool));
        drained.flows = of_member.map(|it| it.flows).sum();
    }
    Ok(())
}

/// A status of thousands of members is some work for the appliance.
const POLL_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_meant_by_its_name_or_by_any_spelling_of_its_address() {
        let name = Some("Server-1".to_owned());
        let member = Member { name, address: "2001:db8::b".into(), ..Member::default() };
        for (named, expected) in [
            ("server-1", true),
            ("2001:DB8:0::B", true),
            ("2001:db8::c", false),
            ("server-2", false),
            ("", false),
        ] {
            assert_eq!(is_named(&member, named), expected, "{named}");
        }
    }
}
