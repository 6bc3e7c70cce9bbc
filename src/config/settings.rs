//! The one table of settings: flags, environment, file, help and documents follow it.
//!
//! A setting's value is text in every layer, read here; so all layers accept the same and say the
//! same when they do not.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

use super::choices::{Anonymous, DriverChoice, ForeignTokens, LogFormat, LogLevel};
use super::listen::ListenAddress;
use super::secret::Secret;
use super::units::{parse_bytes, parse_duration, show_bytes, show_duration};
use super::values::{Config, is_word};

/// The beginning of every variable's name.
pub const VARIABLE_PREFIX: &str = "ALTAVOZ_";

/// One thing that an operator may set.
pub struct Setting {
    /// Its name in the file; flag and variable follow from it.
    pub key: &'static str,
    /// What its value looks like.
    pub value: &'static str,
    /// Its default, in the words of the help.
    pub default: &'static str,
    /// What it means, in one sentence without its end.
    pub help: &'static str,
    /// What it belongs to.
    pub group: SettingGroup,
    /// How many values it takes, and of which sort.
    pub kind: SettingKind,
    /// Reads the values into the configuration, or says what is wrong with them.
    pub apply: fn(&mut Config, &[String]) -> Result<(), String>,
}

impl Setting {
    /// The setting of that name in the file.
    #[must_use]
    pub fn by_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Its flag: `--max-connections`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }

    /// Its variable of the environment: `ALTAVOZ_MAX_CONNECTIONS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.to_ascii_uppercase())
    }
}

/// What a setting belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingGroup {
    /// Where clients come in.
    Listening,
    /// Who may do what.
    Access,
    /// How the node runs and stops.
    Running,
    /// Log lines.
    Logging,
    /// Bounds that clients run into.
    Limits,
    /// Bounds that keep the node in shape.
    FineLimits,
}

impl SettingGroup {
    /// The heading in the help.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Listening => "Listening",
            Self::Access => "Access",
            Self::Running => "Running",
            Self::Logging => "Logging",
            Self::Limits => "Limits",
            Self::FineLimits => "Limits that seldom need a change",
        }
    }
}

/// How many values a setting takes, and of which sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingKind {
    /// One.
    Value,
    /// One, which is never shown.
    Secret,
    /// Any number; each layer that gives some replaces those of the weaker ones.
    List,
    /// `true` or `false`; as a flag it needs no value.
    Switch,
}

/// Writes one row of the table.
macro_rules! row {
    ($group:ident $kind:ident $key:literal, $value:literal, $default:literal, $help:literal, $apply:expr) => {
        Setting {
            key: $key,
            value: $value,
            default: $default,
            help: $help,
            group: SettingGroup::$group,
            kind: SettingKind::$kind,
            apply: $apply,
        }
    };
}

/// Writes the row of a limit whose unit is a byte, a time or none.
macro_rules! limit {
    ($group:ident bytes $key:literal, $field:ident, $default:literal, $within:expr, $help:literal) => {
        row!($group Value $key, "SIZE", $default, $help, |c, v| {
            set(&mut c.limits.$field, bytes(v, $within))
        })
    };
    ($group:ident time $key:literal, $field:ident, $default:literal, $within:expr, $help:literal) => {
        row!($group Value $key, "TIME", $default, $help, |c, v| {
            set(&mut c.limits.$field, time(v, $within))
        })
    };
    ($group:ident count $key:literal, $field:ident, $default:literal, $within:expr, $help:literal) => {
        row!($group Value $key, "N", $default, $help, |c, v| {
            set(&mut c.limits.$field, count(v, $within))
        })
    };
}

/// Every setting, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    row!(Listening List "listen", "ADDR[,proxy]", "127.0.0.1:8000",
        "Where clients come in: HOST:PORT or unix:/path; `,proxy` expects a PROXY header there",
        |c, v| set(&mut c.listen, listeners(v))),
    row!(Listening Value "admin_listen", "ADDR", "none",
        "Moves the dashboard, metrics, the API and publishing to this address",
        |c, v| set(&mut c.admin_listen, ListenAddress::parse(&v[0]).map(Some))),
    row!(Listening List "trusted_proxy", "CIDR", "none",
        "Whose PROXY header, X-Forwarded-For and Forwarded are believed",
        |c, v| set(&mut c.trusted_proxies, each(v, network))),
    row!(Listening Switch "share_port", "BOOL", "false",
        "Starts beside another node on the same port",
        |c, v| set(&mut c.share_port, switch(v))),
    row!(Access Secret "publish_key", "KEY|@FILE", "none",
        "Lets whoever sends it as `Authorization: Bearer` publish and see the node's own pages",
        |c, v| set(&mut c.publish_key, Secret::parse(&v[0]).map(Some))),
    row!(Access Value "anonymous", "none|subscribe|publish", "publish without a key; with one, subscribe on loopback and none elsewhere",
        "What a client without a key or token may do",
        |c, v| set(&mut c.anonymous, Anonymous::parse(&v[0]).map(Some))),
    row!(Access Value "foreign_tokens", "ignore|refuse", "ignore",
        "What becomes of a token that is not this node's key where no key is needed: gateways hand on those of other applications",
        |c, v| set(&mut c.foreign_tokens, ForeignTokens::parse(&v[0]))),
    row!(Access Switch "insecure", "BOOL", "false",
        "Starts off loopback with neither key nor tokens",
        |c, v| set(&mut c.insecure, switch(v))),
    row!(Access List "allow_origin", "URL", "none",
        "An origin, besides the node's own, whose pages may connect",
        |c, v| set(&mut c.allow_origins, each(v, origin))),
    row!(Access List "subprotocol", "NAME", "the first that a client offers and that is no token",
        "A WebSocket subprotocol that is served: of those that a client offers the first served one is chosen",
        |c, v| set(&mut c.subprotocols, each(v, protocol))),
    row!(Running Value "shards", "N", "the cores that may be used",
        "Event-loop threads, each pinned to a core",
        |c, v| set(&mut c.shards, count(v, 1..=1024).map(Some))),
    row!(Running Value "driver", "auto|epoll|uring", "auto",
        "What moves the bytes",
        |c, v| set(&mut c.driver, DriverChoice::parse(&v[0]))),
    row!(Running Value "max_connections", "N", "from the descriptor limit, less a reserve",
        "Connections beyond which new ones are answered 503",
        |c, v| set(&mut c.max_connections, count(v, 1..=CONNECTIONS_MAX).map(Some))),
    row!(Running Value "drain", "TIME", "10s; 0 on a terminal",
        "How long closes are spread after SIGTERM",
        |c, v| set(&mut c.drain, time(v, UP_TO_A_DAY).map(Some))),
    row!(Running Value "drain_grace", "TIME", "0",
        "How long new connections are still taken before the drain",
        |c, v| set(&mut c.drain_grace, time(v, UP_TO_A_DAY))),
    row!(Running Value "coalesce", "TIME", "0",
        "How long a publication may wait for the next ones, to leave with them in one write",
        |c, v| set(&mut c.coalesce, time(v, Duration::ZERO..=Duration::from_secs(1)))),
    row!(Running Switch "echo", "BOOL", "false",
        "Serves /echo, for conformance suites",
        |c, v| set(&mut c.echo, switch(v))),
    row!(Logging Value "log_format", "text|json", "text",
        "How a log line on standard error looks",
        |c, v| set(&mut c.log_format, LogFormat::parse(&v[0]))),
    row!(Logging Value "log_level", "error|warn|info|debug|trace", "info",
        "The least of what is logged",
        |c, v| set(&mut c.log_level, LogLevel::parse(&v[0]))),
    limit!(Limits bytes "message_bytes", message_bytes_max, "64KiB", 1..=GIB,
        "The longest WebSocket message from a client"),
    limit!(Limits count "fragments", fragments_max, "1024", 1..=1_000_000,
        "The most fragments of a WebSocket message"),
    limit!(Limits bytes "body_bytes", body_bytes_max, "1MiB", 1..=GIB,
        "The longest body of a request"),
    limit!(Limits bytes "head_bytes", head_bytes_max, "16KiB", 512..=MIB,
        "The longest request head"),
    limit!(Limits count "headers", headers_max, "64", 8..=1024,
        "The most headers of a request"),
    limit!(Limits time "handshake_timeout", handshake_timeout, "10s", A_MOMENT_TO_A_DAY,
        "How long a request head may take"),
    limit!(Limits time "body_timeout", body_timeout, "30s", A_MOMENT_TO_A_DAY,
        "How long a request's body may take"),
    limit!(Limits time "keep_alive_timeout", keep_alive_timeout, "75s", A_MOMENT_TO_A_DAY,
        "How long an HTTP connection may be idle between requests"),
    limit!(Limits time "ping_interval", ping_interval, "25s", A_MOMENT_TO_A_DAY,
        "How often a WebSocket is pinged, and a stream gets a sign of life"),
    limit!(Limits time "pong_timeout", pong_timeout, "8s", A_MOMENT_TO_A_DAY,
        "How long the answer to a ping may take"),
    limit!(Limits time "long_poll_timeout", long_poll_timeout, "25s", A_MOMENT_TO_A_DAY,
        "How long a long poll is held if the client does not say"),
    limit!(Limits time "long_poll_timeout_max", long_poll_timeout_max, "2m", A_MOMENT_TO_A_DAY,
        "How long a client may ask for a long poll to be held"),
    limit!(Limits bytes "outbox_bytes", outbox_bytes_max, "1MiB", 1..=GIB,
        "Bytes that may wait for one connection"),
    limit!(Limits bytes "node_outbox_bytes", node_outbox_bytes_max, "a quarter of memory", MIB..=TIB,
        "Memory of everything that waits in outboxes"),
    limit!(Limits count "history_publications", history_publications_max, "100", 0..=1_000_000,
        "Publications that a topic keeps"),
    limit!(Limits bytes "history_bytes", history_bytes_max, "1MiB", 0..=GIB,
        "Bytes of payload that a topic keeps"),
    limit!(Limits time "history_age", history_age_max, "5m", Duration::ZERO..=A_MONTH,
        "How long a topic keeps a publication"),
    limit!(Limits count "topics", topics_max, "1000000", 1..=1_000_000_000,
        "Topics of the node"),
    limit!(FineLimits time "conflate_max", conflate_max, "1m", A_MOMENT_TO_A_DAY,
        "The longest interval of conflation that a client may ask for"),
    limit!(FineLimits time "close_linger", close_linger, "5s", A_MOMENT_TO_A_DAY,
        "How long a peer may take to answer a close"),
    limit!(FineLimits time "upgrade_pause", upgrade_pause, "50ms", UP_TO_A_SECOND,
        "How long what follows a 101 waits behind a proxy, since some hold back what comes together with it"),
    limit!(FineLimits bytes "socket_send_buffer_bytes", socket_send_buffer_bytes, "0", 0..=GIB,
        "SO_SNDBUF of clients' sockets, a speed limit of about its size for each round trip; 0 is as large as the network takes, up to net.ipv4.tcp_wmem"),
    limit!(FineLimits bytes "socket_unsent_bytes", socket_unsent_bytes_max, "16KiB", 4096..=GIB,
        "TCP_NOTSENT_LOWAT of clients' sockets: what a reader that never reads can hide in the kernel beside what its own window took"),
    limit!(FineLimits count "publishes_in_flight", publishes_in_flight_max, "16", 1..=65_536,
        "Publishes of a connection that may wait for their answer; then it is not read from"),
    limit!(FineLimits time "publish_answer_timeout", publish_answer_timeout, "5s", A_MOMENT_TO_A_DAY,
        "How long a POST waits for all shards' counts"),
    limit!(FineLimits count "accepts_per_turn", accepts_per_turn_max, "256", 1..=65_536,
        "Connections accepted in one turn of a shard"),
    limit!(FineLimits count "mesh_credits_per_pair", mesh_credits_per_pair, "1024", 1..=1_000_000,
        "Requests under way from one shard to another"),
    limit!(FineLimits count "reserve_connections", reserve_connections, "64", 1..=65_536,
        "Connections above the limit that are taken to answer 503 or a health check"),
    limit!(FineLimits count "fanout_per_turn", fanout_per_turn_max, "1024", 1..=1_000_000_000,
        "Subscribers written to in one turn of a shard; the others follow in the next turns"),
    limit!(FineLimits count "timers_per_turn", timers_per_turn_max, "128", 1..=1_000_000_000,
        "Deadlines of connections, such as pings, seen to in one turn of a shard; the others follow in the next turns"),
    limit!(FineLimits bytes "turn_chunk_bytes", turn_chunk_bytes_max, "64KiB", 1024..=GIB,
        "Bytes of fan-out collected for a group before they are flushed within a turn"),
];

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const TIB: usize = 1 << 40;
/// A slot of a connection is a `u32`; half of them are more than any host has descriptors.
pub(super) const CONNECTIONS_MAX: usize = 1 << 31;
const A_DAY: Duration = Duration::from_secs(86_400);
const A_MONTH: Duration = Duration::from_secs(31 * 86_400);
const UP_TO_A_DAY: RangeInclusive<Duration> = Duration::ZERO..=A_DAY;
/// Longer than that, and a ping that waits in it would not be answered in time.
const UP_TO_A_SECOND: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1);
/// Below 10 ms a timer of the wheel could be over before its work begins.
const A_MOMENT_TO_A_DAY: RangeInclusive<Duration> = Duration::from_millis(10)..=A_DAY;

fn set<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

fn each<T>(values: &[String], read: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    values.iter().map(|value| read(value)).collect()
}

fn listeners(values: &[String]) -> Result<Vec<ListenAddress>, String> {
    if values.is_empty() {
        return Err("at least one address is needed".into());
    }
    each(values, ListenAddress::parse)
}

fn network(text: &str) -> Result<IpNet, String> {
    let single = text.parse().map(|address: IpAddr| IpNet::from(address));
    single
        .or_else(|_| text.parse::<IpNet>())
        .map_err(|_| "a proxy is an address or a network, such as 10.0.0.7 or 10.0.0.0/8".into())
}

fn switch(values: &[String]) -> Result<bool, String> {
    match values[0].as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

/// RFC 6454 §6.2: an origin is a scheme, a host and perhaps a port, in lower case, and no path.
fn origin(text: &str) -> Result<String, String> {
    let form = "an origin is a scheme, a host and perhaps a port, such as https://chat.example";
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err(form.into());
    };
    if rest.ends_with('/') {
        return Err(format!("leave the slash at the end out: {form}"));
    }
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b':' | b'[' | b']' | b'_');
    if rest.contains('*') {
        return Err("an origin is matched exactly, without *: name each one".into());
    }
    if rest.is_empty() || !rest.bytes().all(plain) {
        return Err(format!("{form}, in lower case and without a path"));
    }
    Ok(text.into())
}

/// RFC 6455 §4.1: a subprotocol is a token of RFC 9110 §5.6.2. What clients put keys into is none.
fn protocol(text: &str) -> Result<String, String> {
    if !is_word(text) {
        return Err("a subprotocol is a word such as json or v1.chat.example".into());
    }
    if text.starts_with("altavoz.token.") {
        return Err("what begins so is a key of a client: see docs/transports.md".into());
    }
    Ok(text.into())
}

fn count<T>(values: &[String], within: RangeInclusive<T>) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + Display,
{
    let digits = values[0].replace('_', "");
    let number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten();
    let range = || format!("from {} to {}", within.start(), within.end());
    let number = number.ok_or_else(|| format!("must be a whole number {}", range()))?;
    bounded(number, &within, range)
}

fn bytes(values: &[String], within: RangeInclusive<usize>) -> Result<usize, String> {
    let size = parse_bytes(&values[0]).map_err(|error| error.to_string())?;
    let range = || {
        format!(
            "from {} to {}",
            show_bytes(*within.start()),
            show_bytes(*within.end())
        )
    };
    bounded(size, &within, range)
}

fn time(values: &[String], within: RangeInclusive<Duration>) -> Result<Duration, String> {
    let time = parse_duration(&values[0]).map_err(|error| error.to_string())?;
    let range = || {
        format!(
            "from {} to {}",
            show_duration(*within.start()),
            show_duration(*within.end())
        )
    };
    bounded(time, &within, range)
}

fn bounded<T: PartialOrd>(
    value: T,
    within: &RangeInclusive<T>,
    range: impl Fn() -> String,
) -> Result<T, String> {
    if within.contains(&value) {
        Ok(value)
    } else {
        Err(format!("must be {}", range()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::layers::GivenSetting;
    use super::super::source::SettingSource;
    use super::*;

    fn apply(key: &str, values: &[&str]) -> Result<Config, String> {
        let given = GivenSetting {
            setting: Setting::by_key(key).unwrap(),
            source: SettingSource::Flag,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        Config::from_layers(&[vec![given]]).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn wrong(key: &str, value: &str, message: &str) {
        assert_eq!(apply(key, &[value]).unwrap_err(), message);
    }

    #[test]
    fn keys_are_snake_case_and_stand_once() {
        for setting in SETTINGS {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(setting.key.bytes().all(plain), "{}", setting.key);
            assert_eq!(SETTINGS.iter().filter(|s| s.key == setting.key).count(), 1);
            assert!(!setting.help.ends_with('.'), "{}", setting.key);
        }
    }

    #[test]
    fn every_default_that_is_a_value_is_the_true_one() {
        for setting in SETTINGS {
            let written = [setting.default.to_owned()];
            let mut config = Config::default();
            let default = config.clone();
            // Others are sentences, which no setting reads as a value.
            if setting.default != "none" && (setting.apply)(&mut config, &written).is_ok() {
                assert_eq!(config, default, "{}", setting.key);
            }
        }
    }

    #[test]
    fn every_limit_has_its_setting() {
        let mut config = Config::default();
        for setting in SETTINGS {
            let values = match setting.value {
                "SIZE" if setting.key == "head_bytes" => ["4KiB"],
                "SIZE" => ["2MiB"],
                "TIME" => ["77ms"],
                "N" => ["999"],
                _ => continue,
            };
            (setting.apply)(&mut config, &values.map(String::from)).unwrap();
        }
        let debug = |config: &Config| format!("{:#?}", config.limits);
        let (set, unset) = (debug(&config), debug(&Config::default()));
        let same: Vec<_> = set
            .lines()
            .zip(unset.lines())
            .filter(|(a, b)| a == b)
            .collect();
        assert_eq!(same, [("Limits {", "Limits {"), ("}", "}")]);
    }

    #[test]
    fn numbers_say_their_range() {
        assert_eq!(
            apply("max_connections", &["1_000_000"])
                .unwrap()
                .max_connections,
            Some(1_000_000)
        );
        wrong("shards", "0", "--shards 0: must be from 1 to 1024");
        wrong(
            "shards",
            "two",
            "--shards two: must be a whole number from 1 to 1024",
        );
        wrong(
            "shards",
            "+2",
            "--shards +2: must be a whole number from 1 to 1024",
        );
        wrong(
            "fragments",
            "",
            "--fragments : must be a whole number from 1 to 1000000",
        );
    }

    #[test]
    fn sizes_and_times_ask_for_their_unit_and_say_their_range() {
        let config = apply("outbox_bytes", &["2MiB"]).unwrap();
        assert_eq!(config.limits.outbox_bytes_max, 2 << 20);
        wrong(
            "outbox_bytes",
            "65536",
            "--outbox-bytes 65536: a size is a number with its unit (B, of 1024: KiB, MiB, GiB, TiB, of 1000: kB, MB, GB, TB), such as 512B, 64KiB or 1.5MB",
        );
        wrong(
            "head_bytes",
            "2MiB",
            "--head-bytes 2MiB: must be from 512B to 1MiB",
        );
        wrong(
            "ping_interval",
            "25",
            "--ping-interval 25: a duration is a number with its unit (ns, us, ms, s, m, h, d or w), or several from the largest down, such as 250ms, 30s, 1m30s or 1d12h",
        );
        wrong(
            "ping_interval",
            "0",
            "--ping-interval 0: must be from 10ms to 1d",
        );
    }

    #[test]
    fn words_and_switches_list_what_they_may_be() {
        assert!(apply("insecure", &["true"]).unwrap().insecure);
        assert!(!apply("insecure", &["0"]).unwrap().insecure);
        wrong("insecure", "yes", "--insecure yes: must be true or false");
        wrong(
            "driver",
            "kqueue",
            "--driver kqueue: must be one of auto, epoll, uring",
        );
        wrong(
            "anonymous",
            "all",
            "--anonymous all: must be one of none, subscribe, publish",
        );
        wrong(
            "log_level",
            "loud",
            "--log-level loud: must be one of error, warn, info, debug, trace",
        );
    }

    #[test]
    fn origins_are_exact() {
        for good in [
            "https://a.example",
            "http://localhost:3000",
            "http://[::1]:3000",
        ] {
            assert_eq!(
                apply("allow_origin", &[good]).unwrap().allow_origins,
                [good]
            );
        }
        for bad in [
            "a.example",
            "null",
            "*",
            "https://",
            "https://a.example/",
            "https://A.example",
            "https://*.example",
            "https://a.example/x",
            "ws://a.example",
        ] {
            assert!(apply("allow_origin", &[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let config = apply("trusted_proxy", &["10.0.0.0/8", "192.0.2.7", "fd00::/8"]).unwrap();
        let shown: Vec<_> = config
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]);
        wrong(
            "trusted_proxy",
            "10.0.0.0/33",
            "--trusted-proxy 10.0.0.0/33: a proxy is an address or a network, such as 10.0.0.7 or 10.0.0.0/8",
        );
    }

    #[test]
    fn a_key_is_never_quoted() {
        wrong(
            "publish_key",
            "two words",
            "--publish-key: a key is one word of visible ASCII characters, without blanks: it stands in an Authorization header",
        );
    }

    #[test]
    fn a_value_given_twice_is_refused_and_a_list_takes_many() {
        let twice = apply("shards", &["1", "2"]).unwrap_err();
        assert_eq!(twice, "--shards 1 2: takes one value, not 2");
        let config = apply("listen", &["127.0.0.1:1", "127.0.0.1:2"]).unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(
            apply("listen", &[]).unwrap_err(),
            "--listen: at least one address is needed"
        );
    }
}
