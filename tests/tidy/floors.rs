//! Who may import whom, and who may meet the outside.

use crate::tree::File;

/// A module of the library: its floor, and the modules of its own floor that it may import.
pub(crate) type Floor = (&'static str, u8, &'static [&'static str]);

/// Imports go down only; sideways where it is listed.
pub(crate) const FLOORS: &[Floor] = &[
    ("base", 0, &[]),
    ("config", 0, &["base"]),
    ("metrics", 0, &["base"]),
    ("wire", 1, &[]),
    ("io", 1, &[]),
    ("hub", 2, &[]),
    ("http", 2, &[]),
    ("session", 3, &[]),
    ("mesh", 3, &[]),
    ("shard", 4, &[]),
    ("server", 5, &[]),
    ("cli", 6, &[]),
    // Only tests and benches are above it.
    ("testing", 7, &[]),
];

/// Where a module may know of another only these names, though its floor would allow all.
const NARROW: &[(&str, &str, &[&str])] = &[
    // A session asks for topics by name; what comes back are the hub's answers, as values.
    ("session", "hub", &["PublishOutcome", "Recovery"]),
    // The mesh carries answers and wakes drivers. Of topics it knows nothing, nor of sockets.
    ("mesh", "hub", &["PublishOutcome", "Recovery", "TopicsFull"]),
    ("mesh", "io", &["Wake"]),
    // A hub makes publications; it never reads frames or requests.
    ("hub", "wire", &["prepared"]),
    ("hub", "config", &["Limits"]),
];

/// What of the library the load generator may import.
const GENERATOR: &[&str] = &["base", "config", "io", "metrics", "wire"];

/// Files of the generator that run a node, and so import what does.
const GENERATOR_NODE: (&str, &[&str]) = ("loadgen/src/server/node.rs", &["cli", "server"]);

/// What meets the outside, and the only places (paths below `src/`) whose code names it.
const EDGES: &[(&str, &[&str])] = &[
    ("mio::", &["io/"]),
    ("io_uring::", &["io/uring"]),
    ("libc::", &["io/uring", "io/sys"]),
    ("socket2::", &["io/"]),
    ("nix::", &["io/"]),
    // The clock, sockets and their limits, memory of the process, limits of the host.
    (
        "rustix::",
        &["base/clock.rs", "io/", "metrics/process.rs", "cli/host.rs"],
    ),
    ("crossbeam_channel::", &["mesh/", "server/"]),
    ("signal_hook::", &["server/"]),
    ("sd_notify::", &["server/"]),
    ("core_affinity::", &["server/threads.rs", "cli/host.rs"]),
    ("std::thread", &["server/", "cli/host.rs"]),
    ("std::env::", &["cli/"]),
    ("std::process::", &["main.rs", "cli/"]),
    // A key in a file is read where all other values are.
    (
        "fs::",
        &["io/sys/", "metrics/process.rs", "cli/", "config/secret.rs"],
    ),
    ("TcpStream", &["io/"]),
    ("UdpSocket", &["io/"]),
    // A waker is shared with other threads by its nature, and a queue with the kernel.
    (
        "atomic::",
        &[
            "mesh/",
            "metrics/",
            "io/epoll/wake.rs",
            "io/uring/wake.rs",
            "io/uring/buffers.rs",
        ],
    ),
    // Who meets another thread there sleeps. Of a publication's cells nobody does: see `made`.
    ("OnceLock", &["wire/prepared.rs"]),
    ("LazyLock", &[]),
    // All others take time as an argument.
    (
        "clock::",
        &[
            "base/",
            "server/",
            "metrics/process.rs",
            "io/epoll/acceptor.rs",
            "io/uring/acceptor.rs",
            "io/uring/agenda.rs",
            "io/uring/probe.rs",
        ],
    ),
    // Only where the kernel offers something that no crate has a safe call for.
    ("unsafe ", &["io/"]),
    // One name at a time, so that this table sees it.
    ("std::{", &[]),
    ("tungstenite::", &["wire/"]),
    ("httparse::", &["wire/"]),
    ("ppp::", &["wire/proxy.rs"]),
    (
        "prometheus_client::",
        &["metrics/format.rs", "metrics/render.rs"],
    ),
    ("clap::", &["cli/"]),
    ("toml::", &["config/layers.rs"]),
    ("tracing::", &["io/", "shard/", "server/", "cli/"]),
];

/// The table and the tree name the same modules.
pub(crate) fn check_table(sources: &[File], table: &[Floor]) -> Vec<String> {
    let modules = || sources.iter().filter_map(File::module);
    let unlisted = modules()
        .filter(|module| !table.iter().any(|(name, ..)| name == module))
        .map(|module| format!("{module}: has no floor in the table"));
    let gone = table
        .iter()
        .filter(|(name, ..)| !modules().any(|module| module == *name))
        .map(|(name, ..)| format!("{name}: is in the table, not in the tree"));
    let mut complaints: Vec<String> = unlisted.chain(gone).collect();
    complaints.dedup();
    complaints
}

/// No import of a module that lies higher, beside it and is not listed, or is known in part only.
pub(crate) fn check_imports(file: &File) -> Vec<String> {
    let Some(module) = file.module() else {
        return Vec::new();
    };
    let code = file.code();
    let mut complaints: Vec<String> = imports(&code, "crate::")
        .iter()
        .filter_map(|import| why_not(module, import))
        .map(|why| format!("{}: {why}", file.path))
        .collect();
    complaints.dedup();
    if is_top(&file.path) && code.lines().any(|line| line.starts_with("use super::")) {
        complaints.push(format!("{}: say crate:: for what is above", file.path));
    }
    complaints
}

/// The generator shares wire, driver, clock and counters with the node, and no state.
pub(crate) fn check_generator_imports(file: &File) -> Vec<String> {
    let (node, more) = GENERATOR_NODE;
    let is_allowed =
        |module: &str| GENERATOR.contains(&module) || (file.path == node && more.contains(&module));
    imports(&file.code(), "altavoz::")
        .iter()
        .filter(|import| !is_allowed(&import[0]))
        .map(|import| format!("{}: imports altavoz::{}", file.path, import.join("::")))
        .collect()
}

/// What meets the outside is named only where that is somebody's task. Tests may do anything,
/// as a test of a driver must.
pub(crate) fn check_edges(file: &File) -> Vec<String> {
    if file.module() == Some("testing") {
        return Vec::new();
    }
    let code = file.code();
    let path = file.path.strip_prefix("src/").unwrap_or(&file.path);
    // The conformance scripts hold drivers against the real network: the edge is what they test.
    if path.starts_with("testing/conformance") {
        return Vec::new();
    }
    let is_named = |edge: &str| starts_of(&code, edge).next().is_some();
    EDGES
        .iter()
        .filter(|(edge, places)| {
            is_named(edge) && !places.iter().any(|place| path.starts_with(place))
        })
        .map(|(edge, places)| format!("{}: names {edge}, which is for {places:?}", file.path))
        .collect()
}

fn why_not(module: &str, import: &[String]) -> Option<String> {
    let target = import[0].as_str();
    if target == module {
        return None;
    }
    let floor = |name: &str| FLOORS.iter().find(|(module, ..)| *module == name);
    let Some((_, height, _)) = floor(target) else {
        return Some(format!("imports crate::{target}, which is no module"));
    };
    let (_, own, beside) = floor(module)?;
    if height > own {
        return Some(format!("floor {own} imports {target} of floor {height}"));
    }
    if height == own && !beside.contains(&target) {
        return Some(format!("imports {target} of its own floor"));
    }
    let narrow = NARROW
        .iter()
        .find(|(from, to, _)| *from == module && *to == target);
    let (.., names) = narrow?;
    let is_known = import
        .get(1)
        .is_some_and(|name| names.contains(&name.as_str()));
    (!is_known).then(|| format!("may know only {names:?} of {target}, not {import:?}"))
}

/// A file whose `super` is the crate.
fn is_top(path: &str) -> bool {
    path.matches('/').count() == 1 || path.ends_with("/mod.rs") && path.matches('/').count() == 2
}

/// Every path behind `root`, in `use` lines and in the code: its first two names, where a group
/// in braces counts as several paths.
fn imports(code: &str, root: &str) -> Vec<Vec<String>> {
    starts_of(code, root)
        .flat_map(|start| paths(&code[start + root.len()..], 2))
        .collect()
}

/// Where `word` begins in the code as a word of its own.
fn starts_of<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_inside = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].ends_with(is_inside))
}

/// The paths that begin here, to so many names.
fn paths(code: &str, depth: usize) -> Vec<Vec<String>> {
    if depth == 0 {
        return vec![Vec::new()];
    }
    let code = code.trim_start();
    if let Some(group) = code.strip_prefix('{') {
        return members(group)
            .into_iter()
            .flat_map(|member| paths(member, depth))
            .collect();
    }
    let end = code
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let tails = match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => paths(rest, depth - 1),
        _ => vec![Vec::new()],
    };
    let with_name = |tail: Vec<String>| [vec![name.to_owned()], tail].concat();
    tails.into_iter().map(with_name).collect()
}

/// The members of a group, up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                members.push(group[start..at].trim());
                start = at + 1;
            }
            '}' => {
                members.push(group[start..at].trim());
                break;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

#[test]
fn an_import_that_goes_up_is_seen_wherever_it_stands() {
    for text in [
        "use crate::shard::Shard;",
        "use crate::{base::Time, shard::{Shard, Parts}};",
        "use crate::{\n    base::Time,\n    shard,\n};",
        "fn f() { crate::shard::run(); }",
        "use super::server;",
    ] {
        let file = File::new("src/hub/mod.rs", text);
        assert_eq!(
            check_imports(&file).len(),
            1,
            "{text}: {:?}",
            check_imports(&file)
        );
    }
    let sideways = File::new("src/hub/topic.rs", "use crate::http::Route;");
    assert_eq!(check_imports(&sideways).len(), 1);
    let unknown = File::new("src/hub/topic.rs", "use crate::attic::Chest;");
    assert_eq!(check_imports(&unknown).len(), 1);
}

#[test]
fn an_import_that_goes_down_is_fine_and_so_are_tests_and_links() {
    for text in [
        "use crate::base::{Time, TopicName};",
        "use crate::hub::Hub;",
        "/// See [`crate::shard`].",
        "use super::Topic;",
        "#[cfg(test)]\nmod tests {\n    use crate::testing::SimNet;\n}",
    ] {
        assert_eq!(
            check_imports(&File::new("src/hub/topic.rs", text)),
            [""; 0],
            "{text}"
        );
    }
}

#[test]
fn a_module_that_is_known_in_part_is_not_known_whole() {
    let session = |text: &str| check_imports(&File::new("src/session/http.rs", text)).len();
    assert_eq!(session("use crate::hub::{PublishOutcome, Recovery};"), 0);
    assert_eq!(session("use crate::hub::{Hub, Recovery};"), 1);
    assert_eq!(session("use crate::hub;"), 1);
}

#[test]
fn a_module_without_a_floor_and_a_floor_without_a_module_are_seen() {
    let sources = [
        File::new("src/hub/mod.rs", ""),
        File::new("src/attic.rs", ""),
    ];
    let table: &[Floor] = &[("hub", 2, &[]), ("cellar", 0, &[])];
    let complaints = check_table(&sources, table);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
}

#[test]
fn the_outside_is_seen_where_it_does_not_belong() {
    let names = |path: &str, text: &str| check_edges(&File::new(path, text)).len();
    assert_eq!(names("src/hub/mod.rs", "use std::thread;"), 1);
    assert_eq!(names("src/session/http.rs", "let now = clock::now();"), 1);
    let path = "let now = crate::base::clock::now();";
    assert_eq!(names("src/session/http.rs", path), 1);
    assert_eq!(names("src/hub/mod.rs", "use std::{fs, thread};"), 1);
    assert_eq!(
        names("src/wire/mask.rs", "use std::sync::atomic::AtomicU64;"),
        1
    );
    assert_eq!(names("src/shard/mod.rs", "mio::Poll::new()"), 1);
    assert_eq!(names("src/hub/mod.rs", "unsafe { f() }"), 1);
    assert_eq!(names("src/hub/mod.rs", "use std::sync::LazyLock;"), 1);
    assert_eq!(names("src/io/epoll.rs", "use mio::Poll;"), 0);
    assert_eq!(names("src/hub/mod.rs", "// no std::thread here"), 0);
    assert_eq!(names("src/config/layers.rs", "let stomp::x = 1;"), 0);
}

#[test]
fn the_generator_does_not_look_into_the_node() {
    let count = |path: &str, text: &str| check_generator_imports(&File::new(path, text)).len();
    assert_eq!(count("loadgen/src/plan.rs", "use altavoz::hub::Hub;"), 1);
    assert_eq!(
        count("loadgen/src/plan.rs", "use altavoz::base::{Time, clock};"),
        0
    );
    assert_eq!(
        count("loadgen/src/server/node.rs", "use altavoz::server;"),
        0
    );
    assert_eq!(count("loadgen/src/plan.rs", "use altavoz::server;"), 1);
}
