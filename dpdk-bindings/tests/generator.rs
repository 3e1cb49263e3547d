//! Does a device receive what a source says, and no more of it?

mod common;

use common::{eal, pool_of, started};
use dpdk::{Burst, LONG_TEMPLATE, Source, SourceError, SourceStep, TEMPLATE, Template};

fn source(steps: Vec<SourceStep>) -> Result<Source, SourceError> {
    let one = Template::new([1; TEMPLATE], 64, 26, 34);
    let two = Template::new([2; TEMPLATE], 60, 30, 36);
    Source::new(vec![one, two], steps)
}

#[test]
fn packets_follow_the_sequence_around_and_end_at_the_limit() {
    let pool = pool_of("generator", 127);
    let (_port, mut rx, _tx) = started("net_null_generator", &pool);
    let steps = vec![SourceStep::new(0, 0x0102_0304, 0x0506), SourceStep::new(1, 7, 8)];
    rx.generate(source(steps).expect("a source"), 33).expect("memory");
    let mut burst = Burst::new(eal());
    assert_eq!(rx.receive(&mut burst), 32);
    assert_eq!(burst.frame(0)[25..36], [1, 1, 2, 3, 4, 1, 1, 1, 1, 5, 6]);
    assert_eq!(
        (burst.frame(1).len(), burst.frame(1)[30..38].to_vec()),
        (60, vec![0, 0, 0, 7, 2, 2, 0, 8])
    );
    assert_eq!(burst.frame(31), burst.frame(1));
    burst.clear();
    assert_eq!((rx.receive(&mut burst), rx.generated()), (1, 33));
    burst.clear();
    assert_eq!(rx.receive(&mut burst), 0, "the limit is reached");
    rx.generate_more(5);
    assert_eq!(rx.receive(&mut burst), 5);
    assert_eq!(burst.frame(0)[25], 2, "it goes on where it stopped");
    burst.clear();
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_long_template_is_written_to_its_end_and_the_others_with_it() {
    let pool = pool_of("generator-long", 127);
    let (_port, mut rx, _tx) = started("net_null_long", &pool);
    let long = Template::long([1; LONG_TEMPLATE], 74, 50, 56);
    let other = Template::new([2; TEMPLATE], 74, 30, 36);
    let steps = vec![SourceStep::new(0, 0x0102_0304, 0x0506), SourceStep::new(1, 7, 8)];
    rx.generate(Source::new(vec![long, other], steps).expect("a source"), 2).expect("memory");
    let mut burst = Burst::new(eal());
    assert_eq!(rx.receive(&mut burst), 2);
    assert_eq!(burst.frame(0)[49..60], [1, 1, 2, 3, 4, 1, 1, 5, 6, 1, 1]);
    assert_eq!(burst.frame(0)[60..], [1; 14]);
    assert_eq!((burst.frame(1)[63], burst.frame(1)[64..].to_vec()), (2, vec![0; 10]));
    burst.clear();
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_source_that_would_write_elsewhere_is_refused() {
    assert_eq!(source(vec![]).err(), Some(SourceError::NoSteps));
    let steps = vec![SourceStep::new(0, 0, 0), SourceStep::new(2, 0, 0)];
    assert_eq!(source(steps).err(), Some(SourceError::NoTemplate(1)));
    let template = Template::new([0; TEMPLATE], 64, 61, 0);
    let refused = Source::new(vec![template], vec![SourceStep::new(0, 0, 0)]);
    assert_eq!(refused.err(), Some(SourceError::PatchOutside(0)));
}
