//! What the node says on standard output when its listeners are there.
//!
//! The first lines are for programs: `listening on ` and the address, one line a listener. The
//! rest is for people, and ready to be copied. The key is never printed.

use std::fmt::Write;

use super::table::lay_out;
use crate::base::Address;
use crate::config::{Anonymous, BoundListener, Plan};

/// The banner of a node with this plan and these listeners.
#[must_use]
pub fn text(plan: &Plan, bound: &[BoundListener]) -> String {
    let mut text = String::new();
    for listener in bound {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(text, "listening on {}", listening(listener));
    }
    let _ = writeln!(
        text,
        "\nAltavoz {}: {}",
        env!("CARGO_PKG_VERSION"),
        who(plan)
    );
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push('\n');
    text.push_str(&lay_out(&facts(plan)));
    text.push('\n');
    text.push_str(&lay_out(&ready(plan, bound)));
    text
}

fn listening(listener: &BoundListener) -> String {
    let address = match &listener.listen.address {
        Address::Inet(address) => format!("http://{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    };
    let proxy = if listener.listen.proxy {
        " (proxy)"
    } else {
        ""
    };
    let admin = if listener.admin { " (admin)" } else { "" };
    format!("{address}{proxy}{admin}")
}

/// Who may do what, in one sentence.
fn who(plan: &Plan) -> &'static str {
    match (plan.anonymous.value, plan.local, plan.publish_key.is_some()) {
        (Anonymous::Publish, true, _) => {
            "open, every program on this host may publish and subscribe"
        }
        (Anonymous::Publish, false, _) => {
            "OPEN, everybody who reaches it may publish and subscribe"
        }
        (Anonymous::Subscribe, _, true) => {
            "everybody who reaches it may subscribe, publishing needs the key"
        }
        (Anonymous::Subscribe, _, false) => {
            "everybody who reaches it may subscribe, nobody may publish"
        }
        (Anonymous::None, ..) => "closed, everything needs the key",
    }
}

fn facts(plan: &Plan) -> Vec<[String; 3]> {
    let row = |what: &str, value: String, why: &str| [what.into(), value, why.to_owned()];
    vec![
        row("shards", plan.shards.value.to_string(), &plan.shards.why),
        row("driver", plan.driver.value.word().into(), &plan.driver.why),
        row(
            "max connections",
            plan.max_connections.value.to_string(),
            &plan.max_connections.why,
        ),
    ]
}

/// Lines to copy: the page, a publish, a subscription.
fn ready(plan: &Plan, bound: &[BoundListener]) -> Vec<[String; 2]> {
    let row = |what: &str, line: String| [what.to_owned(), line];
    let mut rows = Vec::new();
    let public = example(bound, false);
    let socket = public.filter(|listener| base(listener).is_some() && !listener.listen.proxy);
    // Where there is an address for operators, pages and publishing are there.
    let own = example(bound, true).or(public);
    if let Some(Address::Inet(_)) = own.map(|listener| &listener.listen.address) {
        let note = page_note(plan);
        rows.extend(
            own.and_then(base)
                .map(|base| row("page", format!("http://{base}/{note}"))),
        );
    }
    if let Some(listener) = own {
        let key = plan.anonymous.value < Anonymous::Publish;
        rows.push(row(
            "publish",
            format!(
                "curl{} -d hello {}",
                options(listener, key),
                topic(listener)
            ),
        ));
    }
    // WebSocket clients speak neither PROXY headers nor Unix-domain sockets: the proxy's own
    // address is the one to use then, which we do not know.
    if let Some(listener) = socket {
        let key = plan.anonymous.value < Anonymous::Subscribe;
        rows.push(row("subscribe", subscribe(listener, key)));
    }
    if let Some(listener) = public {
        let key = plan.anonymous.value < Anonymous::Subscribe;
        let (options, topic) = (options(listener, key), topic(listener));
        rows.push(row(
            "or stream",
            format!("curl{options} -N '{topic}?mode=stream'"),
        ));
    }
    rows
}

/// Who sees the page. At an address for operators everybody does who reaches it.
fn page_note(plan: &Plan) -> &'static str {
    match (plan.publish_key.is_some(), plan.local) {
        _ if plan.admin_listen.is_some() => "",
        (false, _) => "",
        (true, true) => "  (without the key for clients on this host only)",
        (true, false) => "  (with the key only: ?token=KEY)",
    }
}

/// The listener to show: the one that most programs can reach.
fn example(bound: &[BoundListener], admin: bool) -> Option<&BoundListener> {
    let ours = bound.iter().filter(|listener| listener.admin == admin);
    ours.min_by_key(|listener| (base(listener).is_none(), listener.listen.proxy))
}

/// `HOST:PORT` for a client on this host.
fn base(listener: &BoundListener) -> Option<String> {
    listener
        .listen
        .address
        .reachable()
        .map(|address| address.to_string())
}

fn topic(listener: &BoundListener) -> String {
    let host = base(listener).unwrap_or_else(|| "localhost".into());
    format!("http://{host}/topics/demo")
}

fn subscribe(listener: &BoundListener, key: bool) -> String {
    let header = if key { KEY_HEADER } else { "" };
    let url = topic(listener).replace("http://", "ws://");
    format!("npx wscat{header} -c {url}")
}

/// The variable stands for the key, so that the line can be copied and nothing is shown.
const KEY_HEADER: &str = " -H \"Authorization: Bearer $ALTAVOZ_PUBLISH_KEY\"";

fn options(listener: &BoundListener, key: bool) -> String {
    let mut options = String::new();
    if let Address::Unix(path) = &listener.listen.address {
        let _ = write!(options, " --unix-socket {}", path.display());
    }
    if listener.listen.proxy {
        options.push_str(" --haproxy-protocol");
    }
    if key {
        options.push_str(KEY_HEADER);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::Flags;
    use crate::config::{HostFacts, ListenAddress};

    const HOST: HostFacts = HostFacts {
        descriptors_max: 20_000,
        parallelism: 2,
        cores: 2,
        memory_bytes: 8 << 30,
        terminal: false,
        uring_missing: None,
    };

    /// The banner of a node with these variables, whose listeners got what they asked for.
    fn banner(variables: &[(&str, &str)]) -> String {
        let variables: Vec<_> = variables
            .iter()
            .map(|(k, v)| (format!("ALTAVOZ_{k}"), (*v).to_owned()))
            .collect();
        let plan = Flags::default()
            .load(&variables)
            .unwrap()
            .plan(&HOST)
            .unwrap();
        let public = plan.listen.iter().map(|listen| BoundListener {
            listen: listen.clone(),
            admin: false,
        });
        let admin = plan.admin_listen.iter().map(|listen| BoundListener {
            listen: listen.clone(),
            admin: true,
        });
        text(&plan, &public.chain(admin).collect::<Vec<_>>())
    }

    #[test]
    fn an_open_node_says_so_and_gives_lines_to_copy() {
        let expected = format!(
            "listening on http://127.0.0.1:8000\n\
             \n\
             Altavoz {}: open, every program on this host may publish and subscribe\n\
             \n\
             \x20 shards           2      of 2 cores, 2 may run at once\n\
             \x20 driver           epoll  auto, since uring won only in part (docs/benchmarks.md)\n\
             \x20 max connections  19894  the descriptor limit of 20000, less 106 for the node itself\n\
             \n\
             \x20 page       http://127.0.0.1:8000/\n\
             \x20 publish    curl -d hello http://127.0.0.1:8000/topics/demo\n\
             \x20 subscribe  npx wscat -c ws://127.0.0.1:8000/topics/demo\n\
             \x20 or stream  curl -N 'http://127.0.0.1:8000/topics/demo?mode=stream'\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(banner(&[]), expected);
    }

    #[test]
    fn a_port_that_the_system_chose_is_the_one_that_is_shown() {
        let plan = Flags::default().load(&[]).unwrap().plan(&HOST).unwrap();
        let listen = ListenAddress::parse("127.0.0.1:43210").unwrap();
        let shown = text(
            &plan,
            &[BoundListener {
                listen,
                admin: false,
            }],
        );
        assert_eq!(shown.matches("127.0.0.1:43210").count(), 5, "{shown}");
        assert!(!shown.contains("8000"));
    }

    #[test]
    fn with_a_key_the_lines_send_it_and_never_show_it() {
        let shown = banner(&[("PUBLISH_KEY", "s3cret"), ("LISTEN", "0.0.0.0:80")]);
        assert!(
            shown.starts_with("listening on http://0.0.0.0:80\n"),
            "{shown}"
        );
        assert!(
            shown.contains("closed, everything needs the key"),
            "{shown}"
        );
        let page = "page       http://127.0.0.1:80/  (with the key only: ?token=KEY)\n";
        assert!(shown.contains(page), "{shown}");
        let header = "-H \"Authorization: Bearer $ALTAVOZ_PUBLISH_KEY\"";
        assert!(
            shown.contains(&format!(
                "curl {header} -d hello http://127.0.0.1:80/topics/demo"
            )),
            "{shown}"
        );
        assert!(
            shown.contains(&format!(
                "npx wscat {header} -c ws://127.0.0.1:80/topics/demo"
            )),
            "{shown}"
        );
        assert!(!shown.contains("s3cret"));
    }

    #[test]
    fn where_subscribing_is_open_only_publishing_sends_the_key() {
        let shown = banner(&[("PUBLISH_KEY", "s3cret")]);
        assert!(shown.contains("publishing needs the key"), "{shown}");
        assert!(shown.contains("/  (without the key for clients on this host only)\n"));
        assert_eq!(shown.matches("ALTAVOZ_PUBLISH_KEY").count(), 1, "{shown}");
    }

    #[test]
    fn an_insecure_node_is_loud_about_it() {
        let shown = banner(&[("INSECURE", "true"), ("LISTEN", "0.0.0.0:80")]);
        assert!(shown.contains(": OPEN, everybody"), "{shown}");
        assert!(
            shown.contains("note: everybody who reaches this node may publish\n"),
            "{shown}"
        );
    }

    #[test]
    fn pages_and_publishing_are_where_the_operators_address_is() {
        let shown = banner(&[("ADMIN_LISTEN", "127.0.0.1:9000")]);
        assert!(
            shown.contains("listening on http://127.0.0.1:9000 (admin)\n"),
            "{shown}"
        );
        assert!(
            shown.contains("page       http://127.0.0.1:9000/\n"),
            "{shown}"
        );
        assert!(
            shown.contains("curl -d hello http://127.0.0.1:9000/topics/demo"),
            "{shown}"
        );
        assert!(shown.contains("ws://127.0.0.1:8000/topics/demo"), "{shown}");
    }

    #[test]
    fn behind_a_path_or_a_proxy_only_what_works_is_shown() {
        let shown = banner(&[("LISTEN", "unix:/run/a.sock")]);
        assert!(
            shown.starts_with("listening on unix:/run/a.sock\n"),
            "{shown}"
        );
        assert!(
            shown.contains("curl --unix-socket /run/a.sock -d hello http://localhost/topics/demo"),
            "{shown}"
        );
        assert!(
            !shown.contains("page ") && !shown.contains("subscribe "),
            "{shown}"
        );

        let shown = banner(&[("LISTEN", "127.0.0.1:8000,proxy")]);
        assert!(
            shown.starts_with("listening on http://127.0.0.1:8000 (proxy)\n"),
            "{shown}"
        );
        assert!(
            shown.contains("curl --haproxy-protocol -d hello"),
            "{shown}"
        );
    }
}
