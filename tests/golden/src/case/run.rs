//! What happens from a case's first line to its last?

use std::collections::BTreeMap;

use weir_core::telemetry::Totals;
use weir_core::units::PortId;

use super::actions;
use super::expect::{self, Expectation};
use crate::document::Document;
use crate::simulation::{Frame, Options, Output, Simulation};

/// One run of a case.
#[derive(Debug)]
pub struct Run {
    pub(super) document: Document,
    pub(super) options: Options,
    pub(super) simulation: Option<Simulation>,
    /// Lines that act on the world before there is one: the header's.
    partial_checksums: Vec<String>,
    sends: Vec<Frame>,
    counts_only: bool,
    expected: Vec<Expectation>,
    expected_counters: Option<BTreeMap<String, u64>>,
    mark: Totals,
    bless: bool,
    blessed: Vec<String>,
    transcript: Vec<BTreeMap<String, Vec<String>>>,
    is_for_one_worker: bool,
    must_hand_over: bool,
    checked_counters: bool,
}

impl Run {
    /// Runs `text` in a simulation of this kind. When blessing, what is expected is not held
    /// against what happened.
    ///
    /// # Errors
    /// Line number and sentence of the first thing that is wrong.
    pub fn of(text: &str, options: Options, bless: bool) -> Result<Self, String> {
        let mut run = Self::begin(text, options, bless)?;
        run.finish().map_err(|sentence| format!("at the end: {sentence}"))?;
        Ok(run)
    }

    /// The simulation after the lines of `text`, which expect nothing.
    ///
    /// # Errors
    /// Line number and sentence of the first thing that is wrong.
    pub fn simulation(text: &str, options: Options) -> Result<Simulation, String> {
        let mut run = Self::begin(text, options, true)?;
        run.flush()?;
        run.begun();
        Ok(run.simulation.expect("it has begun"))
    }

    fn begin(text: &str, options: Options, bless: bool) -> Result<Self, String> {
        let mut run = Self {
            document: Document::read("base.json"),
            options,
            simulation: None,
            partial_checksums: Vec::new(),
            sends: Vec::new(),
            counts_only: false,
            expected: Vec::new(),
            expected_counters: None,
            mark: Totals::default(),
            bless,
            blessed: Vec::new(),
            transcript: Vec::new(),
            is_for_one_worker: false,
            must_hand_over: false,
            checked_counters: false,
        };
        for (number, line) in (1..).zip(text.lines()) {
            run.line(line).map_err(|sentence| format!("line {number}: {sentence}"))?;
        }
        Ok(run)
    }

    /// The text with what happened as what is expected.
    #[must_use]
    pub fn blessed(&self) -> String {
        self.blessed.join("\n") + "\n"
    }

    /// Whether the case says that its numbers hold for one worker only.
    #[must_use]
    pub const fn is_for_one_worker(&self) -> bool {
        self.is_for_one_worker
    }

    /// Whether the case says that four workers must hand over.
    #[must_use]
    pub const fn must_hand_over(&self) -> bool {
        self.must_hand_over
    }

    /// Packets handed over.
    #[must_use]
    pub fn handed_over(&self) -> u64 {
        self.totals().get("handoff_out_packets")
    }

    /// Every counter that moved.
    #[must_use]
    pub fn moved(&self) -> BTreeMap<String, u64> {
        self.totals().since(&Totals::default())
    }

    /// Holds another run's whole transcript against this one's.
    ///
    /// # Errors
    /// The first difference.
    pub fn same_as(&self, other: &Self) -> Result<(), String> {
        for (one, other) in self.transcript.iter().zip(&other.transcript) {
            if one != other {
                return Err(format!("left {other:#?}\nwith one worker {one:#?}"));
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let text = line.trim();
        if let Some(packet) = text.strip_prefix("> ") {
            if self.sends.is_empty() {
                self.settle()?;
            }
            self.blessed.push(line.to_owned());
            return self.queue(packet);
        }
        self.flush()?;
        if let Some(output) = text.strip_prefix("< ") {
            let expectation = expect::parse(output, self.links())?;
            self.expected.push(expectation);
            return Ok(());
        }
        self.settle()?;
        if let Some(counters) = text.strip_prefix("counters") {
            let known = self.expected_counters.get_or_insert_default();
            known.extend(expect::parse_counters(counters)?);
            return Ok(());
        }
        self.settle_counters()?;
        self.blessed.push(line.to_owned());
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        self.act(text)
    }

    fn act(&mut self, text: &str) -> Result<(), String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (word, rest) {
            ("workers", "1") => self.is_for_one_worker = true,
            ("handoff", "") => self.must_hand_over = true,
            ("dual-stack", "") => self.document.is_dual_stack = true,
            ("partial-checksums", port) => self.partial_checksums.push(port.to_owned()),
            ("destinations", number) => {
                let number = number.parse().map_err(|_| "destinations N".to_owned())?;
                self.options.destinations = Some(number);
            }
            _ => return actions::act(self, word, rest),
        }
        if self.simulation.is_some() {
            return Err(format!("'{word}' belongs to the header, before anything happens"));
        }
        Ok(())
    }

    /// The simulation, begun now if nothing has happened before.
    pub(super) fn begun(&mut self) -> &mut Simulation {
        let (document, options) = (&self.document, self.options);
        let partial_checksums = &self.partial_checksums;
        self.simulation.get_or_insert_with(|| {
            let mut simulation = Simulation::new(document, options);
            for name in partial_checksums {
                let port = simulation.world.links().find(name).expect("a port's name");
                simulation.world.set_partial_checksums(port);
            }
            simulation.publish();
            simulation
        })
    }

    fn links(&mut self) -> &crate::packet::Links {
        self.begun().world.links()
    }

    /// Notes frames for the burst that ends with the next other line.
    fn queue(&mut self, packet: &str) -> Result<(), String> {
        let (port, text) = packet.split_once(' ').ok_or("write '> PORT PACKET'")?;
        let (lines, counts_only) = actions::expand(text)?;
        self.counts_only |= counts_only;
        let links = self.links().clone();
        let port = links.find(port)?;
        for line in lines {
            self.sends.push(frame(&links, port, &line)?);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        if !self.sends.is_empty() {
            let frames = std::mem::take(&mut self.sends);
            self.begun().receive(frames);
        }
        Ok(())
    }

    /// Holds what left against what was expected.
    fn settle(&mut self) -> Result<(), String> {
        let expected = std::mem::take(&mut self.expected);
        let counts_only = std::mem::take(&mut self.counts_only);
        let Some(simulation) = &mut self.simulation else { return Ok(()) };
        let outputs: Vec<Output> = simulation.take_outputs();
        let links = simulation.world.links().clone();
        self.transcript.push(expect::by_flow(&outputs, &links));
        if self.bless {
            let lines = expect::describe(&outputs, &links, counts_only);
            self.blessed.extend(lines.into_iter().map(|line| format!("  < {line}")));
            return Ok(());
        }
        expect::compare(&expected, &outputs, &links)
    }

    fn settle_counters(&mut self) -> Result<(), String> {
        let Some(expected) = self.expected_counters.take() else { return Ok(()) };
        let totals = self.totals();
        let moved = expect::comparable(&totals.since(&self.mark));
        self.mark = totals;
        self.checked_counters = true;
        if self.bless {
            self.blessed.extend(expect::describe_counters(&moved));
        } else if moved != expected {
            return Err(expect::difference(&expected, &moved));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        self.flush()?;
        self.settle()?;
        if self.bless && self.expected_counters.is_none() {
            self.expected_counters = Some(BTreeMap::new());
        }
        self.settle_counters()?;
        let unnamed = expect::comparable(&self.totals().since(&self.mark));
        if !unnamed.is_empty() || !self.checked_counters {
            return Err(format!("end with 'counters', which moved by {unnamed:?}"));
        }
        let simulation = self.begun();
        simulation.check_accounts();
        simulation.check_that_silence_ends_everything();
        Ok(())
    }

    fn totals(&self) -> Totals {
        self.simulation.as_ref().map(Simulation::totals).unwrap_or_default()
    }
}

fn frame(links: &crate::packet::Links, port: PortId, line: &str) -> Result<Frame, String> {
    let direction = crate::packet::Direction::Arriving;
    let bytes = crate::packet::encode(line, links.at(port), direction)?;
    let mut frame = Frame::new(port, bytes);
    frame.segmented = crate::packet::is_segmented(line);
    Ok(frame)
}
