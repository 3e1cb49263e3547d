use std::time::Duration;

use golden::document::Document;
use golden::simulation::{Options, Simulation};
use tokio::task::LocalSet;
use weir_core::api::{FlowList, SnatList, Success};
use weir_core::units::PortId;

use super::*;
use crate::control::inquiries::tests::Owner;

const BACK: PortId = PortId(1);

/// Has owners answer, each question after so long, while something is asked.
async fn asked<T>(
    owners: &mut [Owner],
    inquirer: &Inquirer,
    pause: Duration,
    asking: impl Future<Output = T>,
) -> T {
    let answering = async {
        loop {
            tokio::time::sleep(pause).await;
            owners.iter_mut().for_each(|owner| while owner.turn() {});
            inquirer.collect();
        }
    };
    LocalSet::new()
        .run_until(async {
            tokio::select! {
                answer = asking => answer,
                () = answering => unreachable!("it never ends"),
            }
        })
        .await
}

/// An appliance with outbound flows: of each of three members as many as it has, towards each of
/// so many ports of one host.
fn simulation(flows: [u16; 3], towards: u16) -> Simulation {
    let mut simulation = Simulation::new(&Document::read("base.json"), Options::with_workers(2));
    for (member, flows) in (11..).zip(flows) {
        for (flow, to) in (0..flows).flat_map(|flow| (0..towards).map(move |to| (flow, to))) {
            let (from, to) = (2000 + flow * towards + to, 440 + to);
            let line = format!("tcp 10.0.0.{member}:{from} -> 192.0.2.1:{to} SYN");
            simulation.receive([simulation.frame(BACK, &line)]);
        }
    }
    simulation
}

/// What a simulation's workers tell, with the names of its configuration.
struct Told {
    names: Box<dyn Fn() -> Names>,
    snapshot: Snapshot,
    owners: Vec<Owner>,
    inquirer: Inquirer,
    seal: Rc<Seal>,
}

impl Told {
    fn of(mut simulation: Simulation) -> Self {
        let snapshot = simulation.snapshot().clone();
        let configuration = simulation.world.configuration().clone();
        let workers = std::mem::take(&mut simulation.workers).into_iter();
        let owners: Vec<_> = workers.map(|worker| Owner::of(worker, &snapshot)).collect();
        let inquirer = Inquirer::new(owners.iter().map(|owner| Arc::clone(&owner.shared)));
        let named = snapshot.clone();
        let names = Box::new(move || Names::of(&configuration, &named));
        Self { names, snapshot, owners, inquirer, seal: Rc::default() }
    }

    async fn snat(&mut self, wanted: &api::Snat) -> Result<SnatList, Error> {
        let (names, inquirer) = ((self.names)(), self.inquirer.clone());
        let listing = SnatListing::new(wanted, names, &self.snapshot, inquirer, &self.seal)?;
        let pause = Duration::from_millis(1);
        let answer = asked(&mut self.owners, &self.inquirer, pause, listing.run()).await?;
        let Success::Snat(list) = answer else { panic!("{answer:?}") };
        Ok(list)
    }

    async fn flows(&mut self, pause: Duration, wanted: &api::Flows) -> Result<FlowList, Error> {
        let (names, inquirer) = ((self.names)(), self.inquirer.clone());
        let listing = FlowListing::new(wanted, names, &self.snapshot, inquirer, &self.seal)?;
        let answer = asked(&mut self.owners, &self.inquirer, pause, listing.run()).await?;
        let Success::Flows(list) = answer else { panic!("{answer:?}") };
        Ok(list)
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_has_found_nothing_in_its_time_says_where_to_go_on() {
    let owners: Vec<_> = (0..5).map(|_| Owner::idle()).collect();
    let inquirer = Inquirer::new(owners.iter().map(|owner| Arc::clone(&owner.shared)));
    let snapshot = owners[0].snapshot.clone();
    let names = Box::new(Names::default);
    let mut told = Told { names, snapshot, owners, inquirer, seal: Rc::default() };
    let pause = Duration::from_millis(600);
    let list = told.flows(pause, &api::Flows::default()).await.expect("a part");
    assert_eq!((list.flows.len(), list.scanned), (0, 4 * 1024), "four answers take 2.4 s");
    assert!(list.cursor.is_some());
    let rest = api::Flows { cursor: list.cursor, ..api::Flows::default() };
    let list = told.flows(pause, &rest).await.expect("the rest");
    assert_eq!((list.cursor, list.scanned), (None, 1024));
}

#[tokio::test(start_paused = true)]
async fn pages_of_flows_are_the_whole_and_a_rule_for_outbound_flows_shows_its_own() {
    let mut told = Told::of(simulation([3, 2, 1], 4));
    let outbound = Some("loadBalancers/BALANCER/outboundRules/internet".to_owned());
    for (rule, all) in [(None, 24), (outbound, 24)] {
        let mut wanted = api::Flows { rule, limit: Some(7), ..api::Flows::default() };
        let mut ports = Vec::new();
        loop {
            let page = told.flows(Duration::from_millis(1), &wanted).await.expect("a page");
            assert!(page.flows.len() <= 7);
            assert!(page.flows.iter().all(|flow| flow.rule.as_deref() == Some("internet")));
            ports.extend(page.flows.iter().map(|flow| (flow.member.clone(), flow.source_port)));
            wanted.cursor = page.cursor;
            if wanted.cursor.is_none() {
                break;
            }
        }
        ports.sort();
        ports.dedup();
        assert_eq!(ports.len(), all);
    }
    let web = Some("loadBalancers/balancer/loadBalancingRules/web".to_owned());
    let wanted = api::Flows { rule: web, ..api::Flows::default() };
    let page = told.flows(Duration::from_millis(1), &wanted).await.expect("nothing");
    assert_eq!((page.flows.len(), page.cursor), (0, None));
}

#[tokio::test(start_paused = true)]
async fn destinations_are_summed_up_and_the_most_used_come_first_page_by_page() {
    let mut told = Told::of(simulation([1, 3, 2], 3));
    for (limit, member, expected) in [
        (2, None, vec![("10.0.0.12", 3); 3]),
        (100, None, vec![("10.0.0.12", 3); 3]),
        (2, Some("10.0.0.13"), vec![]),
    ] {
        let mut expected = expected;
        expected.extend([("10.0.0.13", 2); 3]);
        if member.is_none() {
            expected.extend([("10.0.0.11", 1); 3]);
        }
        let member = member.map(str::to_owned);
        let limit = Some(limit);
        let mut wanted = api::Snat { destinations: true, limit, member, ..api::Snat::default() };
        let mut sums = Vec::new();
        let mut ports = Vec::new();
        loop {
            let page = told.snat(&wanted).await.expect("a page");
            assert_eq!(page.omitted, 0);
            sums.extend(page.destinations.iter().map(|it| (it.member.clone(), it.ports_used)));
            ports.extend(page.destinations.iter().map(|it| it.destination_port));
            wanted.cursor = page.cursor;
            if wanted.cursor.is_none() {
                break;
            }
        }
        let sums: Vec<_> = sums.iter().map(|(member, ports)| (member.as_str(), *ports)).collect();
        assert_eq!(sums, expected);
        let in_order: Vec<u16> = (440..443).cycle().take(ports.len()).collect();
        assert_eq!(ports, in_order, "each once, and those with as many in order");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fifth_listing_at_once_is_refused_until_one_has_ended() {
    let listings = Listings::new(Inquirer::new([]));
    let mut places: Vec<_> = (0..LISTINGS_MAX).map(|_| listings.place()).collect();
    let refused = listings.place().expect_err("four are under way");
    assert_eq!(refused.code, ErrorCode::Busy.number());
    places.pop();
    assert!(listings.place().is_ok());
}
