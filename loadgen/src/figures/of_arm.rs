//! The figures of arms in lists: those of comparisons, and those of the repeats of a run.

use super::arm_figure::ArmFigure;
use super::{got, took};

/// A figure by its name in JSON.
#[must_use]
pub(crate) fn find(name: &str) -> Option<&'static ArmFigure> {
    COMPARED.iter().copied().find(|figure| figure.name == name)
}

/// Those that comparisons measure, in the order of a report.
pub(crate) const COMPARED: &[&ArmFigure] = &[
    &got::REACH,
    &got::LOST,
    &got::MERGED,
    &got::LEFT_OUT,
    &got::OUTDATED,
    &got::STALENESS_MEAN,
    &got::STALENESS_P50,
    &got::STALENESS_P95,
    &got::STALENESS_P99,
    &got::STALENESS_P999,
    &got::STALENESS_MAX,
    &took::REQUESTS_RATE,
    &took::REQUESTS_PER_DELIVERY,
    &took::EMPTY,
    &took::LATE_SHARE,
    &took::ANSWER_P50,
    &took::ANSWER_P99,
    &took::APP_BYTES,
    &took::WIRE_BYTES,
    &took::ETHERNET_BYTES,
    &took::APP_UP_RATE,
    &took::APP_DOWN_RATE,
    &took::WIRE_UP_RATE,
    &took::WIRE_DOWN_RATE,
    &took::WIRE_RATE,
    &took::SEGMENTS,
    &took::CPU_PER_DELIVERY,
    &took::CPU_PER_CLIENT,
    &took::MEMORY,
    &took::KERNEL_MEMORY,
];

/// Those whose range over the repeats of a run is told.
pub(crate) const RANGED: &[&ArmFigure] = &[
    &got::STALENESS_P50,
    &got::STALENESS_P99,
    &got::STALENESS_MAX,
    &got::STALENESS_MEAN,
    &got::OUTDATED,
    &got::REACH,
    &took::REQUESTS_RATE,
    &took::EMPTY,
    &took::APP_BYTES,
    &took::WIRE_BYTES,
];

#[cfg(test)]
mod tests {
    use super::super::unit::Unit;
    use super::*;

    #[test]
    fn names_are_there_once_and_carry_their_unit() {
        for (i, figure) in COMPARED.iter().enumerate() {
            assert!(COMPARED[..i].iter().all(|other| other.name != figure.name));
            let has_unit = match figure.unit {
                Unit::Time => figure.name.ends_with("_us"),
                Unit::Bytes => figure.name.contains("bytes"),
                Unit::Percent => figure.name.ends_with("_percent"),
                Unit::Count => true,
            };
            assert!(has_unit, "{}", figure.name);
        }
    }
}
