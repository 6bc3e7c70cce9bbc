//! `altavoz check`: what the node would do with this configuration.

use super::table::lay_out;
use crate::config::{Config, Plan, Setting, show_bytes, show_duration};

/// The report on a configuration that holds.
#[must_use]
pub fn report(config: &Config, plan: &Plan) -> String {
    let mut text = String::from("The node would start:\n\n");
    text.push_str(&lay_out(&facts(plan)));
    let set = set_apart(config);
    if !set.is_empty() {
        text.push_str("\nNot the default:\n\n");
        text.push_str(&lay_out(&set));
    }
    for note in &plan.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    if !plan.notes.is_empty() {
        text.push('\n');
    }
    text
}

fn facts(plan: &Plan) -> Vec<[String; 3]> {
    let row = |what: &str, value: String, why: &str| [what.to_owned(), value, why.to_owned()];
    let limits = &plan.limits;
    vec![
        row("listen", join(&plan.listen), ""),
        row("admin listen", join(&plan.admin_listen), ""),
        row("shards", plan.shards.value.to_string(), &plan.shards.why),
        row("driver", plan.driver.value.word().into(), &plan.driver.why),
        row(
            "max connections",
            plan.max_connections.value.to_string(),
            &plan.max_connections.why,
        ),
        row("publish key", given(plan.publish_key.is_some()), ""),
        row(
            "anonymous may",
            plan.anonymous.value.word().into(),
            &plan.anonymous.why,
        ),
        row(
            "outbox",
            show_bytes(limits.outbox_bytes_max),
            "of a connection",
        ),
        row(
            "outboxes",
            show_bytes(limits.node_outbox_bytes_max),
            "of the node",
        ),
        row("drain", show_duration(plan.drain), ""),
    ]
}

/// Each setting that somebody set, and where.
fn set_apart(config: &Config) -> Vec<[String; 2]> {
    let row = |(key, source): &(&str, _)| {
        let setting = Setting::by_key(key)?;
        Some([
            setting.key.to_owned(),
            crate::config::SettingSource::to_string(source),
        ])
    };
    config.sources.iter().filter_map(row).collect()
}

fn join<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let shown: Vec<_> = items.into_iter().map(ToString::to_string).collect();
    if shown.is_empty() {
        "none".into()
    } else {
        shown.join(" ")
    }
}

fn given(given: bool) -> String {
    if given { "given" } else { "none" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::Flags;
    use crate::config::HostFacts;

    const HOST: HostFacts = HostFacts {
        descriptors_max: 20_000,
        parallelism: 2,
        cores: 2,
        memory_bytes: 8 << 30,
        terminal: false,
        uring_missing: None,
    };

    fn check(variables: &[(&str, &str)]) -> String {
        let variables: Vec<_> = variables
            .iter()
            .map(|(k, v)| (format!("ALTAVOZ_{k}"), (*v).to_owned()))
            .collect();
        let config = Flags::default().load(&variables).unwrap();
        report(&config, &config.plan(&HOST).unwrap())
    }

    #[test]
    fn the_default_node_is_described() {
        assert_eq!(
            check(&[]),
            "The node would start:\n\
             \n\
             \x20 listen           127.0.0.1:8000\n\
             \x20 admin listen     none\n\
             \x20 shards           2               of 2 cores, 2 may run at once\n\
             \x20 driver           epoll           auto, since uring won only in part (docs/benchmarks.md)\n\
             \x20 max connections  19894           the descriptor limit of 20000, less 106 for the node itself\n\
             \x20 publish key      none\n\
             \x20 anonymous may    publish         only this host reaches it\n\
             \x20 outbox           1MiB            of a connection\n\
             \x20 outboxes         2GiB            of the node\n\
             \x20 drain            10s\n"
        );
    }

    #[test]
    fn what_was_set_is_told_with_its_place_and_the_key_is_not_shown() {
        let shown = check(&[("PUBLISH_KEY", "s3cret"), ("SHARDS", "3")]);
        assert!(
            shown.contains(
                "Not the default:\n\n  publish_key  environment\n  shards       environment\n"
            ),
            "{shown}"
        );
        assert!(shown.contains("publish key      given"), "{shown}");
        assert!(!shown.contains("s3cret"));
    }

    #[test]
    fn notes_stand_at_the_end() {
        let shown = check(&[("LISTEN", "0.0.0.0:80"), ("INSECURE", "true")]);
        assert!(
            shown.ends_with("\nnote: everybody who reaches this node may publish\n"),
            "{shown}"
        );
    }
}
