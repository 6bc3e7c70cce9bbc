//! What the node does with a configuration on this host: every default filled in, every rule held.

use std::time::Duration;

use ipnet::IpNet;

use super::choices::{Anonymous, ForeignTokens, LogFormat, LogLevel};
use super::decision::Decision;
use super::driver::DriverKind;
use super::error::ConfigError;
use super::host::HostFacts;
use super::limits::Limits;
use super::listen::ListenAddress;
use super::secret::Secret;
use super::source::SettingSource;
use super::values::Config;

/// A node that can be started.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Where clients come in; at least one.
    pub listen: Vec<ListenAddress>,
    /// Where the node's own pages, metrics and publishing are, if not on `listen`.
    pub admin_listen: Option<ListenAddress>,
    /// Whose PROXY header and forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Event-loop threads; at least one.
    pub shards: Decision<usize>,
    /// What moves the bytes.
    pub driver: Decision<DriverKind>,
    /// Connections beyond which new ones are answered 503.
    pub max_connections: Decision<usize>,
    /// The hard descriptor limit, which the soft one is raised to.
    pub descriptors_max: u64,
    /// What a publisher proves itself with.
    pub publish_key: Option<Secret>,
    /// What a client without a key may do.
    pub anonymous: Decision<Anonymous>,
    /// What becomes of a token that is not the key, where none is needed.
    pub foreign_tokens: ForeignTokens,
    /// Subprotocols of WebSockets that are served.
    pub subprotocols: Vec<String>,
    /// Whether all listeners are reached from this host only.
    pub local: bool,
    /// Start beside another node on the same port.
    pub share_port: bool,
    /// Origins that may connect besides our own.
    pub allow_origins: Vec<String>,
    /// How long the closes are spread when the node stops.
    pub drain: Duration,
    /// How long connections are still taken before that.
    pub drain_grace: Duration,
    /// How long a publication may wait for others.
    pub coalesce: Duration,
    /// Whether `/echo` is there.
    pub echo: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are.
    pub log_level: LogLevel,
    /// Every bound.
    pub limits: Limits,
    /// What an operator should know, but which keeps the node from nothing.
    pub notes: Vec<String>,
}

impl Config {
    /// What the node does with this on that host.
    ///
    /// # Errors
    /// The first rule that does not hold, with what to do.
    pub fn plan(&self, host: &HostFacts) -> Result<Plan, ConfigError> {
        self.check_addresses()?;
        self.check_open()?;
        let driver = self.choose_driver(host)?;
        let anonymous = self.choose_anonymous()?;
        let shards = self.choose_shards(host);
        let max_connections = self.choose_connections(host, driver.value, shards.value)?;
        Ok(Plan {
            listen: self.listen.clone(),
            admin_listen: self.admin_listen.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            shards,
            driver,
            max_connections,
            descriptors_max: host.descriptors_max,
            publish_key: self.publish_key.clone(),
            notes: self.notes(anonymous.value),
            anonymous,
            foreign_tokens: self.foreign_tokens,
            subprotocols: self.subprotocols.clone(),
            local: self.first_public().is_none(),
            share_port: self.share_port,
            allow_origins: self.allow_origins.clone(),
            drain: self.drain.unwrap_or_else(|| default_drain(host)),
            drain_grace: self.drain_grace,
            coalesce: self.coalesce,
            echo: self.echo,
            log_format: self.log_format,
            log_level: self.log_level,
            limits: self.limits_on(host),
        })
    }

    /// Event loops, and why so many.
    #[must_use]
    pub fn choose_shards(&self, host: &HostFacts) -> Decision<usize> {
        if let Some(shards) = self.shards {
            return Decision::new(shards, self.set_by("shards"));
        }
        let shards = host.parallelism.min(host.cores).max(1);
        let why = format!(
            "of {} cores, {} may run at once",
            host.cores, host.parallelism
        );
        Decision::new(shards, why)
    }

    pub(super) fn listeners(&self) -> impl Iterator<Item = (&'static str, &ListenAddress)> {
        let public = self.listen.iter().map(|listen| ("listen", listen));
        public.chain(
            self.admin_listen
                .iter()
                .map(|listen| ("admin_listen", listen)),
        )
    }

    /// The first listener that other hosts reach, with its setting.
    fn first_public(&self) -> Option<(&'static str, &ListenAddress)> {
        self.listeners().find(|(_, listen)| !listen.is_local())
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let all: Vec<_> = self.listeners().collect();
        for (place, (key, listen)) in all.iter().enumerate() {
            let twin = all[..place]
                .iter()
                .find(|(_, other)| listen.collides(other));
            if let Some((other_key, other)) = twin {
                let message = format!(
                    "is taken by {} {other}; give each listener an address or a port of its own",
                    self.name_of(other_key)
                );
                return Err(ConfigError::at(
                    format!("{} {listen}", self.name_of(key)),
                    message,
                ));
            }
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), ConfigError> {
        let Some((key, listen)) = self.first_public() else {
            return Ok(());
        };
        if self.publish_key.is_some() || self.insecure {
            return Ok(());
        }
        Err(ConfigError::at(
            format!("{} {listen}", self.name_of(key)),
            "other hosts reach this address, and nothing says who may publish: \
             give --publish-key KEY or @FILE (ALTAVOZ_PUBLISH_KEY, publish_key), \
             or --insecure to let everybody",
        ))
    }

    /// Without a key a node that is open stays open; with one, publishing asks for it.
    fn choose_anonymous(&self) -> Result<Decision<Anonymous>, ConfigError> {
        let keyed = self.publish_key.is_some();
        let public = self.first_public().is_some();
        if let Some(anonymous) = self.anonymous {
            if anonymous == Anonymous::None && !keyed {
                return Err(ConfigError::at(
                    format!("{} none", self.name_of("anonymous")),
                    "without a key nobody could do anything: give --publish-key KEY, \
                     or --anonymous subscribe",
                ));
            }
            return Ok(Decision::new(anonymous, self.set_by("anonymous")));
        }
        Ok(match (keyed, public) {
            (false, false) => Decision::new(Anonymous::Publish, "only this host reaches it"),
            (false, true) => Decision::new(Anonymous::Publish, self.set_by("insecure")),
            (true, false) => Decision::new(Anonymous::Subscribe, "publishing asks for the key"),
            (true, true) => Decision::new(Anonymous::None, "other hosts reach it"),
        })
    }

    fn limits_on(&self, host: &HostFacts) -> Limits {
        let mut limits = self.limits.clone();
        if *self.source("node_outbox_bytes") == SettingSource::Default {
            // In whole MiB, so that it reads well.
            let quarter = ((host.memory_bytes / 4) >> 20) << 20;
            let quarter = usize::try_from(quarter).unwrap_or(usize::MAX);
            // Where the host does not say, the limit's own default stays.
            if quarter > 0 {
                limits.node_outbox_bytes_max = quarter;
            }
        }
        limits
    }

    fn notes(&self, anonymous: Anonymous) -> Vec<String> {
        let mut notes = Vec::new();
        let proxied = self.listen.iter().any(|listen| listen.proxy);
        if anonymous == Anonymous::Publish && self.first_public().is_some() {
            notes.push("everybody who reaches this node may publish".into());
        } else if anonymous == Anonymous::Publish && (proxied || !self.trusted_proxies.is_empty()) {
            notes.push(
                "whoever comes through the proxy may publish: give --publish-key to prevent it"
                    .into(),
            );
        }
        if proxied && self.trusted_proxies.is_empty() {
            notes.push(
                "a listener expects PROXY headers, but --trusted-proxy names nobody to believe"
                    .into(),
            );
        }
        if self.publish_key.is_none() && anonymous == Anonymous::Subscribe {
            notes.push("nobody may publish: there is no --publish-key".into());
        }
        notes
    }

    pub(super) fn set_by(&self, key: &str) -> String {
        format!("set by {}", self.name_of(key))
    }
}

/// On a terminal somebody waits for the prompt.
fn default_drain(host: &HostFacts) -> Duration {
    if host.terminal {
        Duration::ZERO
    } else {
        Duration::from_secs(10)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layers::{GivenSetting, Layer};
    use super::super::settings::{CONNECTIONS_MAX, Setting};
    use super::*;

    const HOST: HostFacts = HostFacts {
        descriptors_max: 20_000,
        parallelism: 2,
        cores: 4,
        memory_bytes: 8 << 30,
        terminal: false,
        uring_missing: None,
    };

    fn plan_on(host: &HostFacts, flags: &[(&str, &str)]) -> Result<Plan, String> {
        let given = |(key, value): &(&str, &str)| GivenSetting {
            setting: Setting::by_key(key).unwrap(),
            source: SettingSource::Flag,
            values: value.split(' ').map(str::to_owned).collect(),
        };
        let flags: Layer = flags.iter().map(given).collect();
        let config = Config::from_layers(&[flags]).unwrap();
        config.plan(host).map_err(|error| error.to_string())
    }

    fn plan(flags: &[(&str, &str)]) -> Plan {
        plan_on(&HOST, flags).unwrap()
    }

    #[track_caller]
    fn refused(flags: &[(&str, &str)], message: &str) {
        assert_eq!(plan_on(&HOST, flags).unwrap_err(), message);
    }

    #[test]
    fn nothing_set_is_an_open_node_on_loopback() {
        let plan = plan(&[]);
        assert_eq!(plan.listen[0].to_string(), "127.0.0.1:8000");
        assert_eq!(plan.anonymous.value, Anonymous::Publish);
        assert_eq!(plan.driver.value, DriverKind::Epoll);
        assert_eq!((plan.shards.value, plan.local), (2, true));
        assert_eq!(plan.drain, Duration::from_secs(10));
        assert_eq!(plan.limits.node_outbox_bytes_max, 2 << 30);
        assert!(plan.notes.is_empty());
    }

    #[test]
    fn who_may_publish_without_a_key_follows_from_address_and_key() {
        let (public, key) = (("listen", "0.0.0.0:80"), ("publish_key", "k"));
        let who = |flags: &[(&str, &str)]| plan(flags).anonymous.value;
        assert_eq!(who(&[]), Anonymous::Publish);
        assert_eq!(who(&[key]), Anonymous::Subscribe);
        assert_eq!(who(&[public, key]), Anonymous::None);
        assert_eq!(who(&[public, ("insecure", "true")]), Anonymous::Publish);
        assert_eq!(
            who(&[public, key, ("anonymous", "publish")]),
            Anonymous::Publish
        );
        assert_eq!(who(&[key, ("anonymous", "none")]), Anonymous::None);
    }

    #[test]
    fn off_loopback_it_does_not_start_without_a_key_and_says_what_to_do() {
        let advice = "other hosts reach this address, and nothing says who may publish: \
                      give --publish-key KEY or @FILE (ALTAVOZ_PUBLISH_KEY, publish_key), \
                      or --insecure to let everybody";
        refused(
            &[("listen", "127.0.0.1:1 0.0.0.0:80")],
            &format!("--listen 0.0.0.0:80: {advice}"),
        );
        refused(
            &[("admin_listen", "10.0.0.1:9000")],
            &format!("--admin-listen 10.0.0.1:9000: {advice}"),
        );
        let still = plan_on(&HOST, &[("listen", "0.0.0.0:80"), ("anonymous", "publish")]);
        assert!(still.unwrap_err().contains(advice));
    }

    #[test]
    fn a_node_that_nobody_could_use_is_refused() {
        refused(
            &[("anonymous", "none")],
            "--anonymous none: without a key nobody could do anything: give --publish-key KEY, \
             or --anonymous subscribe",
        );
    }

    #[test]
    fn two_listeners_on_one_address_are_refused() {
        refused(
            &[("listen", "127.0.0.1:1 127.0.0.1:1,proxy")],
            "--listen 127.0.0.1:1,proxy: is taken by --listen 127.0.0.1:1; \
             give each listener an address or a port of its own",
        );
        refused(
            &[("admin_listen", "127.0.0.1:8000")],
            "--admin-listen 127.0.0.1:8000: is taken by --listen 127.0.0.1:8000; \
             give each listener an address or a port of its own",
        );
    }

    const NO_URING: &str = "this kernel has no io_uring";

    fn without_uring() -> HostFacts {
        HostFacts {
            uring_missing: Some(NO_URING.into()),
            ..HOST
        }
    }

    #[test]
    fn a_driver_that_the_kernel_has_not_is_refused_with_what_is_missing() {
        let error = plan_on(&without_uring(), &[("driver", "uring")]).unwrap_err();
        let expected =
            format!("--driver uring: {NO_URING}; take epoll, or auto for what works here");
        assert_eq!(error, expected);
        for driver in ["auto", "epoll"] {
            let plan = plan_on(&without_uring(), &[("driver", driver)]).unwrap();
            assert_eq!(plan.driver.value, DriverKind::Epoll);
        }
    }

    #[test]
    fn a_chosen_driver_says_why() {
        assert_eq!(plan(&[("driver", "epoll")]).driver.why, "set by --driver");
        assert_eq!(
            plan(&[]).driver.why,
            "auto, since uring won only in part (docs/benchmarks.md)"
        );
        let uring = plan(&[("driver", "uring")]).driver;
        assert_eq!(
            (uring.value, uring.why.as_str()),
            (DriverKind::Uring, "set by --driver")
        );
    }

    #[test]
    fn over_io_uring_connections_are_bounded_by_memory_and_rings() {
        let uring = ("driver", "uring");
        let half = plan(&[uring]).max_connections;
        assert_eq!(half.value, 4 << 30 >> 13);
        assert_eq!(half.why, "half of the memory, at 8 KiB a connection");
        let million = ("max_connections", "1_000_000");
        assert_eq!(plan(&[uring, million]).max_connections.value, 1_000_000);
        // 256 rings, each with a bit less than half of 20,000.
        refused(
            &[uring, ("max_connections", "2543617")],
            "--max-connections 2543617: is more than the 2543616 that a shard's rings hold with this \
             descriptor limit: raise it with `ulimit -Hn 40000` as root, or LimitNOFILE=40000 in the \
             systemd unit",
        );
    }

    #[test]
    fn connections_are_what_the_descriptor_limit_leaves() {
        let plan = plan(&[]);
        // 64 in reserve, 32 of the process, and 5 for each of two shards.
        assert_eq!(plan.max_connections.value, 20_000 - 64 - 32 - 10);
        assert_eq!(
            plan.max_connections.why,
            "the descriptor limit of 20000, less 106 for the node itself"
        );
    }

    #[test]
    fn more_connections_than_descriptors_are_refused_with_the_command() {
        assert_eq!(
            plan(&[("max_connections", "19894")]).max_connections.value,
            19_894
        );
        refused(
            &[("max_connections", "19895")],
            "--max-connections 19895: needs 20001 descriptors, but this process may have 20000 at most: \
             raise it with `ulimit -Hn 20001` as root, or LimitNOFILE=20001 in the systemd unit, \
             or take --driver uring, whose connections need none",
        );
        let error = plan_on(&without_uring(), &[("max_connections", "19895")]).unwrap_err();
        assert!(error.ends_with("in the systemd unit"), "{error}");
    }

    #[test]
    fn a_descriptor_limit_without_room_is_refused() {
        let host = HostFacts {
            descriptors_max: 100,
            ..HOST
        };
        assert_eq!(
            plan_on(&host, &[]).unwrap_err(),
            "the descriptor limit of 100 leaves no room for connections, since the node itself needs 106: \
             raise it with `ulimit -Hn 1130` as root, or LimitNOFILE=1130 in the systemd unit"
        );
    }

    #[test]
    fn an_unbounded_descriptor_limit_stays_within_the_slots() {
        let host = HostFacts {
            descriptors_max: u64::MAX,
            ..HOST
        };
        let plan = plan_on(&host, &[]).unwrap();
        assert_eq!(plan.max_connections.value, CONNECTIONS_MAX);
    }

    #[test]
    fn a_drain_is_short_on_a_terminal_unless_it_is_set() {
        let terminal = HostFacts {
            terminal: true,
            ..HOST
        };
        assert_eq!(plan_on(&terminal, &[]).unwrap().drain, Duration::ZERO);
        let set = plan_on(&terminal, &[("drain", "3s")]).unwrap();
        assert_eq!(set.drain, Duration::from_secs(3));
    }

    #[test]
    fn a_set_outbox_budget_wins_over_the_quarter_of_memory() {
        let plan = plan(&[("node_outbox_bytes", "64MiB")]);
        assert_eq!(plan.limits.node_outbox_bytes_max, 64 << 20);
        let unknown = HostFacts {
            memory_bytes: 0,
            ..HOST
        };
        let limits = plan_on(&unknown, &[]).unwrap().limits;
        assert_eq!(
            limits.node_outbox_bytes_max,
            Limits::default().node_outbox_bytes_max
        );
    }

    #[test]
    fn what_opens_a_node_by_accident_is_noted() {
        let notes = |flags: &[(&str, &str)]| plan(flags).notes;
        assert_eq!(
            notes(&[("listen", "0.0.0.0:80"), ("insecure", "true")]),
            ["everybody who reaches this node may publish"]
        );
        assert_eq!(
            notes(&[("listen", "127.0.0.1:1,proxy")]),
            [
                "whoever comes through the proxy may publish: give --publish-key to prevent it",
                "a listener expects PROXY headers, but --trusted-proxy names nobody to believe",
            ]
        );
        assert_eq!(
            notes(&[("anonymous", "subscribe")]),
            ["nobody may publish: there is no --publish-key"]
        );
    }

    #[test]
    fn the_cores_that_exist_bound_the_shards_by_default_only() {
        let host = HostFacts {
            parallelism: 8,
            cores: 4,
            ..HOST
        };
        assert_eq!(plan_on(&host, &[]).unwrap().shards.value, 4);
        assert_eq!(
            plan_on(&host, &[("shards", "16")]).unwrap().shards.value,
            16
        );
    }
}
