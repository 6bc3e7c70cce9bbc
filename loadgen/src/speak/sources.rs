//! Which source address each connection comes from.
//!
//! A client's end of a connection is an address and a port, and there are at most 28,232 ports
//! to one destination by default. All of 127/8 is loopback, so a target there is reached from
//! as many addresses as it takes, without configuring any.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::failure::Failure;

/// Connections that one source address takes: below the default range of ports, so that the
/// search for a free one stays short.
pub const SOURCE_PORTS_MAX: u64 = 25_000;

/// Connections that one address takes when it costs nothing to use another: half of the default
/// range of ports. The kernel tries every port of one parity before any of the other, so that
/// beyond the half a connect costs ten times as much (measured: 11 us before, 140 us after).
const SOURCE_PORTS_EASY: u64 = 14_000;

/// The addresses in use, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources(Vec<IpAddr>);

impl Sources {
    /// Reads `auto`, one address, or `FIRST-LAST`, each good for so many `ports`.
    ///
    /// # Errors
    /// When it is none of these, or has too few addresses for the load.
    pub fn parse(
        text: &str,
        target: IpAddr,
        connections: u64,
        ports: u64,
    ) -> Result<Self, Failure> {
        let needed = connections.div_ceil(ports);
        if text == "auto" {
            return Ok(Self::auto(target, connections.div_ceil(SOURCE_PORTS_EASY)));
        }
        let sources = parse_range(text).ok_or_else(|| {
            Failure::usage(format!(
                "--source {text}: use auto, an address, or FIRST-LAST such as 127.0.0.1-127.0.0.16"
            ))
        })?;
        if (sources.len() as u64) < needed {
            return Err(Failure::usage(format!(
                "--source {text}: {connections} connections need {needed} addresses, \
                 one for each {ports}"
            )));
        }
        Ok(Self(sources))
    }

    /// Whether as many connections as are wanted can come from here to that address.
    #[must_use]
    pub fn fit(&self, target: IpAddr, connections: u64) -> bool {
        match self.0.first() {
            Some(source) => source.is_ipv4() == target.is_ipv4(),
            // Of the loopback addresses only those of IPv4 are many.
            None => !target.is_loopback() || connections <= SOURCE_PORTS_EASY,
        }
    }

    /// Refuses sources from which the target cannot be reached.
    ///
    /// # Errors
    /// When they are of another family.
    pub fn check_family(&self, target: SocketAddr) -> Result<(), Failure> {
        match self.0.first() {
            Some(source) if source.is_ipv4() != target.is_ipv4() => Err(Failure::usage(format!(
                "--source {source}: the target is {target}, which cannot be reached from there: \
                 one is IPv4 and the other IPv6"
            ))),
            _ => Ok(()),
        }
    }

    /// How many addresses there are; 0 leaves the choice to the system.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The address of a connection, counted over all workers; `None` leaves it to the system.
    #[must_use]
    pub fn of(&self, connection: u64, connections: u64) -> Option<IpAddr> {
        if self.0.is_empty() {
            return None;
        }
        let each = connections.div_ceil(self.0.len() as u64).max(1);
        let at = usize::try_from(connection / each).ok()?;
        self.0.get(at.min(self.0.len() - 1)).copied()
    }

    fn auto(target: IpAddr, needed: u64) -> Self {
        let first = match target {
            IpAddr::V4(target) if target.is_loopback() && needed > 1 => Ipv4Addr::LOCALHOST,
            _ => return Self(Vec::new()),
        };
        let count = u32::try_from(needed).unwrap_or(u32::MAX);
        Self(addresses(u32::from(first), count))
    }
}

fn addresses(first: u32, count: u32) -> Vec<IpAddr> {
    let all = (first..=u32::MAX).take(count as usize);
    all.map(|bits| IpAddr::V4(Ipv4Addr::from(bits))).collect()
}

fn parse_range(text: &str) -> Option<Vec<IpAddr>> {
    let Some((first, last)) = text.split_once('-') else {
        return Some(vec![text.parse().ok()?]);
    };
    let first = u32::from(first.parse::<Ipv4Addr>().ok()?);
    let last = u32::from(last.parse::<Ipv4Addr>().ok()?);
    // A /16 is over a thousand million connections.
    let count = last.checked_sub(first).filter(|n| *n < 65_536)? + 1;
    Some(addresses(first, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn of(sources: &Sources, connection: u64, connections: u64) -> Option<String> {
        sources.of(connection, connections).map(|a| a.to_string())
    }

    #[test]
    fn a_small_load_leaves_the_address_to_the_system() {
        let sources = Sources::parse("auto", HERE, 14_000, SOURCE_PORTS_MAX).expect("auto");
        assert_eq!(of(&sources, 0, 14_000), None);
    }

    #[test]
    fn a_large_load_on_loopback_spreads_by_itself() {
        let sources = Sources::parse("auto", HERE, 42_000, SOURCE_PORTS_MAX).expect("auto");
        assert_eq!(of(&sources, 0, 42_000).as_deref(), Some("127.0.0.1"));
        assert_eq!(of(&sources, 13_999, 42_000).as_deref(), Some("127.0.0.1"));
        assert_eq!(of(&sources, 14_000, 42_000).as_deref(), Some("127.0.0.2"));
        assert_eq!(of(&sources, 41_999, 42_000).as_deref(), Some("127.0.0.3"));
    }

    #[test]
    fn only_what_can_be_reached_from_there_fits() {
        let six: IpAddr = "::1".parse().expect("an address");
        let fits = |text: &str, target: IpAddr, connections: u64| {
            let sources = Sources::parse(text, target, connections, SOURCE_PORTS_MAX);
            sources.expect(text).fit(target, connections)
        };
        assert!(fits("auto", six, 14_000) && !fits("auto", six, 14_001));
        assert!(fits("auto", HERE, 50_000));
        assert!(fits("127.0.0.2", HERE, 1) && !fits("127.0.0.2", six, 1));
        let sources = Sources::parse("127.0.0.2", six, 1, SOURCE_PORTS_MAX).expect("one");
        let failure = sources
            .check_family(SocketAddr::new(six, 9))
            .expect_err("families");
        assert!(failure.message.contains("IPv6"), "{failure}");
        assert_eq!(sources.check_family(SocketAddr::new(HERE, 9)), Ok(()));
    }

    #[test]
    fn a_range_is_used_evenly_and_must_be_large_enough() {
        let sources =
            Sources::parse("127.0.0.9-127.0.0.10", HERE, 10, SOURCE_PORTS_MAX).expect("a range");
        assert_eq!(of(&sources, 4, 10).as_deref(), Some("127.0.0.9"));
        assert_eq!(of(&sources, 5, 10).as_deref(), Some("127.0.0.10"));
        assert!(Sources::parse("127.0.0.9-127.0.0.10", HERE, 50_001, SOURCE_PORTS_MAX).is_err());
        assert!(Sources::parse("127.0.0.9", HERE, 50_001, u64::MAX).is_ok());
        assert!(Sources::parse("127.0.0.9-127.0.0.1", HERE, 1, SOURCE_PORTS_MAX).is_err());
        assert!(Sources::parse("here", HERE, 1, SOURCE_PORTS_MAX).is_err());
        assert!(Sources::parse("::1", HERE, 1, SOURCE_PORTS_MAX).is_ok());
    }
}
