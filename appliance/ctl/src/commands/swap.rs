//! How do two frontends exchange their public addresses?
//!
//! Both are read first; the change is made only if nothing has changed in between.

use weir_core::api::{
    Current, FrontendAddress, FrontendAddressProperties, Get, Method, Resource, SubResource,
    SwapPublicIpAddresses,
};

use super::{change, names};
use crate::client::Connection;
use crate::failure::Failure;
use crate::session::Session;

/// Exchanges the addresses of two frontends.
pub(super) fn run(
    session: &Session<'_>,
    first: &str,
    second: &str,
    dry_run: bool,
) -> Result<(), Failure> {
    let mut connection = session.connect()?;
    // The whole first: what is read after it is what its etag stands for, or the swap is refused.
    let current: Current = connection.ask(Method::Get(Get::default()))?;
    let (first, first_address) = address_of(&mut connection, &names::frontend(first))?;
    let (second, second_address) = address_of(&mut connection, &names::frontend(second))?;
    drop(connection);
    let frontend_ip_configurations =
        vec![given(first, second_address), given(second, first_address)];
    let if_match = Some(current.etag).filter(|etag| !etag.is_empty());
    let swap = SwapPublicIpAddresses { frontend_ip_configurations, if_match, dry_run };
    change(session, Method::SwapPublicIpAddresses(swap), dry_run)
}

/// The frontend's id as the configuration spells it, and that of its public address.
fn address_of(connection: &mut Connection, id: &str) -> Result<(String, String), Failure> {
    let found: Resource = connection.ask(Method::Get(Get { id: Some(id.to_owned()) }))?;
    let address =
        found.resource.pointer("/properties/publicIPAddress/id").and_then(|id| id.as_str());
    match address {
        Some(address) => Ok((found.id, address.to_owned())),
        None => Err(Failure::Impossible(format!(
            "{} has no publicIPAddress: only public addresses are exchanged; give each frontend \
             one first",
            found.id
        ))),
    }
}

fn given(id: String, address: String) -> FrontendAddress {
    let public_ip_address = SubResource { id: address };
    FrontendAddress { id, properties: FrontendAddressProperties { public_ip_address } }
}
