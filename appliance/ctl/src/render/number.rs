//! How are numbers written so that a person reads them at a glance?
//!
//! Not here: their place in a table (`table`).

/// All digits, in groups of three: 1,234,567.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most seven characters: all digits below a million, then 1.23 M and so on (powers of 1000).
pub(super) fn short(value: u64) -> String {
    if value < 1_000_000 {
        return grouped(value);
    }
    scaled(value, "")
}

/// Bytes in powers of 1000: 999 B, 1.23 kB, 4.56 GB.
pub(super) fn bytes(value: u64) -> String {
    if value < 1000 {
        return format!("{value} B");
    }
    scaled(value, "B")
}

/// Three significant digits, rounded down: a counter never reads more than it is.
fn scaled(value: u64, unit: &str) -> String {
    let mut whole = value;
    let mut thousandths = 0;
    let mut prefix = "";
    for next in ["k", "M", "G", "T", "P", "E"] {
        if whole < 1000 {
            break;
        }
        thousandths = whole % 1000;
        whole /= 1000;
        prefix = next;
    }
    match whole {
        0..10 => format!("{whole}.{:02} {prefix}{unit}", thousandths / 10),
        10..100 => format!("{whole}.{} {prefix}{unit}", thousandths / 100),
        _ => format!("{whole} {prefix}{unit}"),
    }
}

/// The two largest units of a duration: 3d 4h, 4h 5m, 5m 6s, 6s.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {}m", minutes % 60),
        (days, hours, _) => format!("{days}d {}h", hours % 24),
    }
}

/// A link's speed as it is printed on the box: 10 Gb/s, 2.5 Gb/s, 100 Mb/s.
pub(super) fn speed(megabits_per_second: u32) -> String {
    let (whole, tenth) = (megabits_per_second / 1000, megabits_per_second % 1000 / 100);
    match (whole, tenth) {
        (0, _) => format!("{megabits_per_second} Mb/s"),
        (whole, 0) => format!("{whole} Gb/s"),
        (whole, tenth) => format!("{whole}.{tenth} Gb/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_rounded_up() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (999_999, "999,999"),
            (1_000_000, "1.00 M"),
            (1_239_999, "1.23 M"),
            (12_399_999, "12.3 M"),
            (999_999_999, "999 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(short(value), expected);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!((bytes(999).as_str(), bytes(1_500).as_str()), ("999 B", "1.50 kB"));
        assert_eq!(bytes(4_560_000_000), "4.56 GB");
    }

    #[test]
    fn durations_and_speeds_read_as_people_say_them() {
        let durations = [5, 65, 3_661, 90_000].map(duration);
        assert_eq!(durations, ["5s", "1m 5s", "1h 1m", "1d 1h"]);
        assert_eq!([100, 2_500, 10_000].map(speed), ["100 Mb/s", "2.5 Gb/s", "10 Gb/s"]);
    }
}
