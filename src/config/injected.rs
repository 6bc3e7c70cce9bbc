//! Variables that a cluster or Docker derives from the name of a service, which are nobody's
//! settings: their shape is known, so that a node whose service is named `altavoz` starts.
//!
//! Kubernetes gives every container `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT[_PORTNAME]`,
//! `NAME_PORT=tcp://…` and `NAME_PORT_8000_TCP[_PROTO|_PORT|_ADDR]` of every service of its
//! namespace; Docker's links give the last two, `NAME_NAME=/…` and `NAME_ENV_…`. The name may go
//! on behind ours: the service `altavoz-admin` is `ALTAVOZ_ADMIN`.

/// Whether it is an injected variable, by its shape; `name` is what stands behind `ALTAVOZ_`.
///
/// Where people might mean a setting by the name alone, the value decides as well.
pub(super) fn is_injected(name: &str, value: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let has_service_port = words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
    match words.as_slice() {
        // What an image says of itself.
        ["VERSION"] | [.., "SERVICE", "HOST"] => true,
        [.., "PORT"] if is_link(value) => true,
        [.., "NAME"] if value.starts_with('/') => true,
        [.., last] => {
            has_service_port
                || is_port_of_link(&words)
                || words.contains(&"ENV") && !matches!(*last, "ENV" | "")
        }
        [] => false,
    }
}

/// The address of a service: `tcp://10.0.0.1:8000`.
pub(super) fn is_link(value: &str) -> bool {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme);
    matches!(scheme, Some("tcp" | "udp" | "sctp"))
}

/// `PORT_8000_TCP`, and what may follow it.
fn is_port_of_link(words: &[&str]) -> bool {
    let is_number = |word: &str| word.parse::<u16>().is_ok();
    words.iter().enumerate().any(|(at, word)| {
        let rest = &words[at + 1..];
        *word == "PORT"
            && matches!(
                rest,
                [number, "TCP" | "UDP" | "SCTP", end @ ..] if is_number(number) && is_end(end)
            )
    })
}

fn is_end(words: &[&str]) -> bool {
    // Docker names the first and the last of several ports in a row.
    matches!(
        words,
        [] | ["PROTO" | "PORT" | "ADDR" | "START" | "END"] | ["PORT", "START" | "END"]
    )
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    #[test]
    fn what_a_cluster_derives_from_a_services_name_is_known_by_its_shape() {
        for (name, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("SERVICE_PORT_HTTP_ADMIN", "80"),
            ("SERVICE_PORT_NAME", "80"),
            ("PORT", "tcp://10.0.0.1:80"),
            ("PORT", "udp://[fd00::1]:80"),
            ("PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("PORT_8000_TCP_PROTO", "tcp"),
            ("PORT_8000_TCP_PORT", "8000"),
            ("PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("PORT_53_UDP_ADDR", "10.0.0.1"),
            ("PORT_9_SCTP", "sctp://10.0.0.1:9"),
            ("PORT_8000_TCP_START", "tcp://172.17.0.2:8000"),
            ("PORT_8000_TCP_PORT_END", "8003"),
            ("ADMIN_SERVICE_HOST", "10.0.0.1"),
            ("ADMIN_SERVICE_PORT_METRICS", "9000"),
            ("ADMIN_PORT", "tcp://10.0.0.1:9000"),
            ("ADMIN_PORT_9000_TCP_ADDR", "10.0.0.1"),
            ("SHARE_PORT", "tcp://10.0.0.1:80"),
            ("2_1_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("NAME", "/web/altavoz"),
            ("ENV_PATH", "/usr/bin"),
            ("ADMIN_ENV_LISTEN", "x"),
            ("VERSION", "1.2.3"),
        ] {
            assert!(is_injected(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_has_no_such_shape() {
        for (name, value) in [
            ("MAX_CONECTIONS", "5"),
            ("PORT", "8000"),
            ("PORT", "http://10.0.0.1:80"),
            ("PORT_8000", "tcp://10.0.0.1:80"),
            ("PORT_HTTP_TCP", "x"),
            ("PORT_8000_TCP_NAME", "x"),
            ("PORT_99999_TCP", "x"),
            ("SERVICE_HOSTS", "10.0.0.1"),
            ("SHARE_PROT", "true"),
            ("TOPIC_NAME", "chat"),
            ("ENV", "production"),
            ("VERSIONS", "1"),
            ("ADMIN_VERSION", "1"),
            ("", "x"),
        ] {
            assert!(!is_injected(name, value), "{name}={value}");
        }
    }

    #[test]
    fn no_setting_is_taken_for_a_clusters_variable_whatever_its_value() {
        for setting in SETTINGS {
            let name = setting.key.to_ascii_uppercase();
            for value in ["true", "8000", "127.0.0.1:8000", "text"] {
                assert!(!is_injected(&name, value), "{name}={value}");
            }
        }
    }
}
