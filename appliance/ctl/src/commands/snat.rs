//! How are outbound ports listed?

use serde_json::Value;
use weir_core::api::{Method, Snat, SnatList};

use super::names;
use crate::arguments::SnatArguments;
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Lists outbound ports: one page, or all of them.
pub(super) fn run(session: &Session<'_>, wanted: SnatArguments) -> Result<(), Failure> {
    let mut request = Snat {
        rule: wanted.rule.as_deref().map(names::outbound_rule),
        member: wanted.member,
        destinations: wanted.destinations,
        history: wanted.history,
        limit: wanted.amount.limit,
        cursor: None,
    };
    if !wanted.amount.all {
        return session.show::<SnatList>(Method::Snat(request), render::snat);
    }
    request.limit = Some(PAGE);
    let mut connection = session.connect()?;
    for _ in 0..PAGES_MAX {
        let page: Value = connection.ask(Method::Snat(request.clone()))?;
        request.cursor = page.get("cursor").and_then(Value::as_str).map(str::to_owned);
        if session.is_json() {
            session.print(&render::json_lines(&page, &["allocations", "destinations"]))?;
        } else {
            let mut list: SnatList = serde_json::from_value(page).unwrap_or_default();
            list.cursor = None;
            session.print(&render::snat(&list))?;
        }
        if request.cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// The most that a reply has of each.
const PAGE: u32 = 1_000;
/// With `PAGE` in each, a million.
const PAGES_MAX: usize = 1_000;
