//! Numbers for people: three digits that matter, thousands apart.

/// A number with about three significant digits: `0.0123`, `4.57`, `871`, `12,345`.
#[must_use]
pub fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        0.0 => 0,
        ..0.0001 => return format!("{value:.1e}"),
        ..0.01 => 5,
        ..0.1 => 4,
        ..1.0 => 3,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let text = match text.split_once('.') {
        Some((whole, part)) => {
            let part = part.trim_end_matches('0');
            if part.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{part}")
            }
        }
        None => text,
    };
    with_thousands(&text)
}

/// The same with a sign, for differences.
#[must_use]
pub fn signed(value: f64) -> String {
    if value > 0.0 {
        format!("+{}", figure(value))
    } else {
        figure(value)
    }
}

/// Microseconds in the unit that suits them: `950 µs`, `12.3 ms`, `4.2 s`.
#[must_use]
pub fn micros(value: f64) -> String {
    // What would be rounded to a thousand is one of the next unit.
    match value.abs() {
        ..999.5 => format!("{} µs", figure(value)),
        ..999_500.0 => format!("{} ms", figure(value / 1e3)),
        _ => format!("{} s", figure(value / 1e6)),
    }
}

/// A percentage, which is 100 only where nothing at all is missing: `12.3 %`, `99.9999 %`.
#[must_use]
pub fn percent(value: f64) -> String {
    if value < 100.0 && value > 99.5 {
        let text = format!("{:.4}", (value * 1e4).floor() / 1e4);
        return format!("{} %", text.trim_end_matches('0').trim_end_matches('.'));
    }
    format!("{} %", figure(value))
}

fn with_thousands(text: &str) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_matter() {
        let cases = [
            (0.0, "0"),
            (0.000_012, "1.2e-5"),
            (0.012_345, "0.0123"),
            (0.5, "0.5"),
            (1.0, "1"),
            (4.567, "4.57"),
            (9.996, "10"),
            (45.67, "45.7"),
            (871.4, "871"),
            (-12_345.6, "-12,346"),
            (1e9, "1,000,000,000"),
            (f64::NAN, "-"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
        assert_eq!([signed(3.0), signed(-3.0), signed(0.0)], ["+3", "-3", "0"]);
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!(
            [950.0, 999.7, 12_345.0, 999_700.0, 4.2e6].map(micros),
            ["950 µs", "1 ms", "12.3 ms", "1 s", "4.2 s"]
        );
    }
}
