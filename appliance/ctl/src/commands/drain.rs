//! How does a member finish its work? No new flows, and then time for those that it has.
//!
//! ```text
//!   setMember adminState: Down ──► status every half second ──► no flows, or out of time
//! ```

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use weir_core::api::{Applied, Health, Method, SetMember, Status};

use super::members::{Member, is_of, of_pool, word};
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
    /// Rules that go on sending it new flows, since they have no probe.
    pub(crate) rules_without_probe: Vec<String>,
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
    let member = member_of(&mut connection, &pool, &named.member, &state)?;
    let mut drained = Drained {
        address: member.address.clone(),
        flows: member.flows,
        rules_without_probe: if undo {
            Vec::new()
        } else {
            rules_without_probe(&mut connection, &pool)?
        },
        admin_state: state,
        changed: applied.changed,
        pool,
    };
    let goes_on = !drained.rules_without_probe.is_empty();
    if let Some(seconds) = wait.filter(|_| !goes_on) {
        let most = Duration::from_secs(seconds);
        wait_for_end(&mut connection, &member, &mut drained, most, &progress)?;
    }
    drop(progress);
    let late = wait.filter(|_| drained.flows > 0 || goes_on);
    if session.is_json() {
        session.print(&render::json(&drained))?;
    } else if late.is_none() {
        session.print(&render::drained(&drained))?;
    }
    late.map_or(Ok(()), |seconds| Err(Failure::Unfinished(unfinished(&drained, seconds))))
}

/// Why the wait for the end ended before it.
fn unfinished(drained: &Drained, seconds: u64) -> String {
    let Drained { address, flows, rules_without_probe, .. } = drained;
    if rules_without_probe.is_empty() {
        return format!(
            "{address} still has {flows} flows after {seconds} s and gets no new ones: wait on \
             with --wait, or give it new flows again with --undo"
        );
    }
    format!(
        "{} {address} has {flows} flows, and to wait for their end is in vain: give the rules a \
         probe, or take the member out, which ends its flows",
        render::without_probe(rules_without_probe)
    )
}

/// The member as the status knows it: without the status nobody knows whether flows are left.
fn member_of(
    connection: &mut Connection,
    pool: &str,
    name: &str,
    state: &str,
) -> Result<Member, Failure> {
    let members = of_pool(connection, pool)?.members;
    let member = members.into_iter().find(|member| member.is_called(name.trim()));
    member.filter(|member| member.state.is_some()).ok_or_else(|| {
        Failure::Unfinished(format!(
            "{name} is set to {state}, but the appliance's status shows no such member of {pool}, \
             so nobody knows how many flows it has: look at `weirctl members {pool}`"
        ))
    })
}

/// The rules that send it new flows whatever its `adminState` (behaviour.md §3.8).
fn rules_without_probe(connection: &mut Connection, pool: &str) -> Result<Vec<String>, Failure> {
    let health: Health = connection.ask(Method::Health)?;
    let owner = names::owner(pool).unwrap_or_default();
    let balancers = health.load_balancers.iter().filter(|it| it.name.eq_ignore_ascii_case(owner));
    let rules = balancers
        .flat_map(|it| &it.rules)
        .filter(|rule| rule.probe.is_none() && rule.pool.eq_ignore_ascii_case(names::last(pool)));
    Ok(rules.map(|rule| rule.name.clone()).collect())
}

/// Asks until no flow is left or the time is over.
fn wait_for_end(
    connection: &mut Connection,
    member: &Member,
    drained: &mut Drained,
    most: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let begun = Instant::now();
    while drained.flows > 0 && begun.elapsed() < most {
        progress.now(format!("{} has {} flows left", drained.address, drained.flows));
        thread::sleep(POLL_EVERY.min(most.saturating_sub(begun.elapsed())));
        let status: Status = connection.ask(Method::Status)?;
        let row = status.members.iter().find(|row| is_of(row, &drained.pool) && member.is_in(row));
        let Some(row) = row else {
            return Err(Failure::Unfinished(format!(
                "{} has left {} while it had {} flows: somebody took it out, which ends them",
                drained.address, drained.pool, drained.flows
            )));
        };
        drained.flows = row.flows;
    }
    Ok(())
}

/// A status of thousands of members is some work for the appliance.
const POLL_EVERY: Duration = Duration::from_millis(500);
