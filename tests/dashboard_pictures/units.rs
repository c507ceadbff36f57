//! Numbers with their units, as Grafana shows them, and where an axis has its marks.

const BYTES: [(f64, &str); 4] =
    [(1_073_741_824.0, " GiB"), (1_048_576.0, " MiB"), (1_024.0, " KiB"), (1.0, " B")];
const SECONDS: [(f64, &str); 5] =
    [(3_600.0, " hours"), (60.0, " mins"), (1.0, " s"), (1e-3, " ms"), (1e-6, " µs")];
const COUNTS: [(f64, &str); 3] = [(1e6, " Mil"), (1e3, " K"), (1.0, "")];
/// Marks of an axis above 0, about.
const MARKS: f64 = 4.0;

/// A value in a unit of Grafana.
pub(crate) fn shown(value: f64, unit: &str, decimals: Option<usize>) -> String {
    let (scales, behind): (&[(f64, &str)], &str) = match unit {
        "bytes" => (&BYTES, ""),
        "s" => (&SECONDS, ""),
        "percentunit" => return number(value * 100.0, decimals) + "%",
        "reqps" => (&COUNTS, " req/s"),
        "short" => (&COUNTS, ""),
        "none" => return number(value, decimals),
        other => (&[(1.0, "")], other.strip_prefix("suffix:").unwrap_or(other)),
    };
    let smallest = scales.last().expect("there is a scale");
    // 0 has no size: it gets the scale of 1.
    let fits = |(scale, _name): &&(f64, &str)| value.abs().max(f64::MIN_POSITIVE) >= *scale;
    let one = scales.iter().find(|(scale, _name)| (scale - 1.0).abs() < f64::EPSILON);
    let found = if value == 0.0 { one } else { scales.iter().find(fits) };
    let (scale, name) = found.unwrap_or(smallest);
    number(value / scale, decimals) + name + behind
}

/// Three digits, or so many decimals.
fn number(value: f64, decimals: Option<usize>) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.0$}", decimals.unwrap_or(digits));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The marks of an axis from 0 that reaches `max`, the last one at or above it.
pub(crate) fn marks(max: f64, unit: &str) -> Vec<f64> {
    let rough = max / MARKS;
    let step = if unit == "bytes" {
        rough.max(1.0).log2().ceil().exp2()
    } else {
        let magnitude = 10_f64.powf(rough.log10().floor());
        let whole = matches!(unit, "none" | "short");
        let factors = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        let step = factors.into_iter().find(|step| *step >= rough * 0.999);
        let step = step.expect("ten times its magnitude is above it");
        if whole { step.max(1.0) } else { step }
    };
    let mut marks = vec![0.0];
    while marks.last().is_some_and(|last| *last < max * 0.999) {
        marks.push(step * marks.len() as f64);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_in_grafana() {
        let check = |value, unit, expected| assert_eq!(shown(value, unit, None), expected);
        check(0.0, "s", "0 s");
        check(0.0123, "s", "12.3 ms");
        check(90.0, "s", "1.5 mins");
        check(6_848_512.0, "bytes", "6.53 MiB");
        check(0.0512, "percentunit", "5.12%");
        check(1234.0, "reqps", "1.23 K req/s");
        check(820.4, "suffix: lines/s", "820 lines/s");
        check(2.0, "none", "2");
        assert_eq!(shown(0.0512, "percentunit", Some(1)), "5.1%");
    }

    #[test]
    fn marks_reach_the_greatest_value() {
        assert_eq!(marks(7.0, "short"), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(marks(1.0, "none"), [0.0, 1.0]);
        assert_eq!(marks(3000.0, "bytes"), [0.0, 1024.0, 2048.0, 3072.0]);
        assert_eq!(marks(1.0, "percentunit").last().unwrap().to_string(), "1");
    }
}
