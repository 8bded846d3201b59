//! Numbers as people read them.

/// A stretch of time, in one or two units.
pub(super) fn span(ms: f64) -> String {
    let two = |large: u64, unit: &str, small: u64, below: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {below}"),
    };
    let seconds = (ms / 1_000.0).round() as u64;
    match seconds {
        _ if ms < 1_000.0 => format!("{ms:.0} ms"),
        0..10 => format!("{:.1} s", ms / 1_000.0),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// A size, in the unit that fits.
pub(super) fn bytes(count: f64) -> String {
    let (unit, per) = match count.abs() {
        0.0..1e3 => return format!("{count:.0} B"),
        1e3..1e6 => ("kB", 1e3),
        1e6..1e9 => ("MB", 1e6),
        _ => ("GB", 1e9),
    };
    let value = count / per;
    if value.abs() < 100.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A share, in percent.
pub(super) fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A factor.
pub(super) fn factor(factor: f64) -> String {
    format!("{factor:.2} ×")
}

/// A count, in groups of three.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count and what is counted, in one or many.
pub(super) fn of(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

/// The beginning of a name that is long.
pub(super) fn short(name: &str, chars_max: usize) -> String {
    match name.char_indices().nth(chars_max) {
        None => name.to_owned(),
        Some(_) => name.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units_that_fit() {
        let spans = [0.0, 350.0, 2_400.0, 59_000.0, 90_000.0, 3_600_000.0, 4_680_000.0, 187_200_000.0].map(span);
        assert_eq!(spans, ["0 ms", "350 ms", "2.4 s", "59 s", "1 min 30 s", "1 h", "1 h 18 min", "2 d 4 h"]);
        assert_eq!([999.0, 1_500.0, 2.5e8, 3e9].map(bytes), ["999 B", "1.5 kB", "250 MB", "3.0 GB"]);
        assert_eq!([1, 999, 1_000, 1_234_567].map(count), ["1", "999", "1,000", "1,234,567"]);
        assert_eq!((of(1, "seed", "seeds"), of(0, "seed", "seeds")), ("1 seed".into(), "0 seeds".into()));
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!([short("Žabljak", 7), short("Žabljak", 6)], ["Žabljak", "Žablj…"]);
    }
}
