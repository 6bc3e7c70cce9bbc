//! Who may import whom, and who may meet the outside.

use crate::rust::{Crate, Path, Source};
use crate::tree::File;

/// A module of a crate: its floor, and the modules of its own floor that it may import.
pub(crate) type Floor = (&'static str, u8, &'static [&'static str]);

/// Where a module may know of another only these names, though its floor would allow all.
pub(crate) type Narrow = (&'static str, &'static str, &'static [&'static str]);

/// The node: imports go down only; sideways where it is listed.
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

/// What the node's modules may know of each other in part only.
pub(crate) const NARROW: &[Narrow] = &[
    // A session asks for topics by name; what comes back are the hub's answers, as values.
    ("session", "hub", &["PublishOutcome", "Recovery"]),
    // The mesh carries answers and wakes drivers. Of topics it knows nothing, nor of sockets.
    ("mesh", "hub", &["PublishOutcome", "Recovery", "TopicsFull"]),
    ("mesh", "io", &["Wake"]),
    // A hub makes publications; it never reads frames or requests.
    ("hub", "wire", &["prepared"]),
    ("hub", "config", &["Limits"]),
];

/// The load generator, the same way.
pub(crate) const GENERATOR_FLOORS: &[Floor] = &[
    ("base", 0, &[]),
    ("speak", 1, &[]),
    ("measure", 1, &[]),
    ("model", 1, &[]),
    ("host", 2, &[]),
    ("options", 2, &[]),
    ("show", 2, &[]),
    ("figures", 2, &[]),
    ("plan", 3, &[]),
    ("lines", 4, &[]),
    ("recording", 5, &[]),
    ("worker", 5, &[]),
    ("server", 5, &[]),
    ("report", 6, &[]),
    ("comparison", 7, &[]),
    ("results", 8, &[]),
    ("run", 9, &[]),
    ("cli", 10, &[]),
];

/// What of the library the load generator may import.
const SHARED: &[&str] = &["base", "config", "io", "metrics", "wire"];

/// A file of the generator that runs a node, and so imports what does.
const RUNS_A_NODE: (&str, &[&str]) = ("loadgen/src/server/node.rs", &["cli", "server"]);

/// A name that meets the outside, and the places (paths below the sources) that may say it.
pub(crate) type Edge = (&'static str, &'static [&'static str]);

/// Of the node.
pub(crate) const EDGES: &[Edge] = &[
    ("mio", &["io/"]),
    ("io_uring", &["io/uring"]),
    ("libc", &["io/uring", "io/sys"]),
    ("socket2", &["io/"]),
    ("nix", &["io/"]),
    // The clock, sockets and their limits, memory of the process, limits of the host.
    (
        "rustix",
        &["base/clock.rs", "io/", "metrics/process.rs", "cli/host.rs"],
    ),
    ("crossbeam_channel", &["mesh/", "server/"]),
    ("signal_hook", &["server/"]),
    ("sd_notify", &["server/"]),
    ("core_affinity", &["server/threads.rs", "cli/host.rs"]),
    ("std::thread", &["server/", "cli/host.rs"]),
    ("std::env", &["cli/"]),
    ("std::process", &["main.rs", "cli/"]),
    // A key in a file is read where all other values are.
    (
        "fs",
        &["io/sys/", "metrics/process.rs", "cli/", "config/secret.rs"],
    ),
    ("TcpStream", &["io/"]),
    ("UdpSocket", &["io/"]),
    // A waker is shared with other threads by its nature, and a queue with the kernel.
    (
        "atomic",
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
        "clock",
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
    ("unsafe", &["io/"]),
    ("tungstenite", &["wire/"]),
    ("httparse", &["wire/"]),
    ("ppp", &["wire/proxy.rs"]),
    (
        "prometheus_client",
        &["metrics/format.rs", "metrics/render.rs"],
    ),
    ("clap", &["cli/"]),
    ("toml", &["config/layers.rs"]),
    ("tracing", &["io/", "shard/", "server/", "cli/"]),
];

/// Of the load generator.
pub(crate) const GENERATOR_EDGES: &[Edge] = &[
    // The leanest servers are nothing but calls of the kernel.
    ("mio", &["server/bare"]),
    ("io_uring", &["server/bare"]),
    ("libc", &["server/bare"]),
    ("unsafe", &["server/bare"]),
    ("rustix", &["host/", "run/", "server/"]),
    ("signal_hook", &["host/signals.rs"]),
    // A worker listens to its coordinator, a coordinator to its workers and to signals, names
    // are looked up side by side.
    (
        "thread",
        &[
            "host/signals.rs",
            "run/",
            "server/",
            "speak/addresses.rs",
            "worker/",
        ],
    ),
    ("std::process", &["host/", "main.rs", "run/", "server/"]),
    ("env", &["main.rs", "run/", "server/"]),
    ("TcpStream", &["run/", "speak/addresses.rs"]),
    ("TcpListener", &["run/delay.rs"]),
    ("fs", &["cli/outputs.rs", "host/", "speak/tls"]),
    ("stdin", &["host/files.rs", "server/node.rs", "worker/"]),
    ("stdout", &["cli/outputs.rs", "server/bare.rs", "worker/"]),
    // Types that an option is read as.
    (
        "clap",
        &[
            "cli/",
            "main.rs",
            "model/traffic.rs",
            "options/",
            "base/",
            "speak/paths.rs",
        ],
    ),
];

/// The table and the tree name the same modules.
pub(crate) fn check_table(sources: &Crate, table: &[Floor]) -> Vec<String> {
    let modules = || sources.sources.iter().filter_map(Source::top);
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
pub(crate) fn check_imports(sources: &Crate, table: &[Floor], narrow: &[Narrow]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in &sources.sources {
        let Some(module) = source.top() else {
            continue;
        };
        let absolute = source.paths.iter();
        let absolute = absolute.filter_map(|path| sources.absolute(source, path));
        let whys = absolute.filter_map(|path| why_not(module, &path, table, narrow));
        complaints.extend(whys.map(|why| format!("{}: {why}", source.path)));
        complaints.dedup();
    }
    complaints
}

/// The generator shares wire, driver, clock and counters with the node, and no state.
pub(crate) fn check_shared(sources: &Crate) -> Vec<String> {
    let (node, more) = RUNS_A_NODE;
    let is_allowed = |file: &str, module: &str| {
        SHARED.contains(&module) || file == node && more.contains(&module)
    };
    let mut complaints = Vec::new();
    for source in &sources.sources {
        let paths = source.paths.iter();
        let of_node = paths.filter(|path| path.len() > 1 && path[0] == "altavoz");
        let wrong = of_node.filter(|path| !is_allowed(&source.path, &path[1]));
        complaints.extend(wrong.map(|path| format!("{}: imports {path:?}", source.path)));
    }
    complaints
}

/// What meets the outside is named only where that is somebody's task. Tests may do anything,
/// as a test of a driver must; the conformance scripts hold drivers against the real network.
pub(crate) fn check_edges(sources: &Crate, root: &str, edges: &[Edge]) -> Vec<String> {
    let mut complaints = Vec::new();
    let ours = sources.sources.iter();
    for source in ours.filter(|source| source.top() != Some("testing")) {
        let place = source.path.strip_prefix(root).unwrap_or(&source.path);
        let paths = &source.paths;
        let wrong = edges.iter().filter(|(edge, places)| {
            let names: Vec<&str> = edge.split("::").collect();
            !places.iter().any(|allowed| place.starts_with(allowed))
                && paths.iter().any(|path| names_it(path, &names))
        });
        complaints.extend(wrong.map(|(edge, places)| {
            format!("{}: names {edge}, which is for {places:?}", source.path)
        }));
    }
    complaints
}

/// Whether a path has these names in a row, and is more than a variable that is called so: types
/// and keywords stand for themselves, a module only before something or behind something.
fn names_it(path: &Path, names: &[&str]) -> bool {
    let is_whole = path.len() == names.len();
    let is_alone = names
        .iter()
        .all(|name| name.starts_with(char::is_uppercase) || *name == "unsafe");
    (!is_whole || names.len() > 1 || is_alone)
        && path.windows(names.len()).any(|part| part == names)
}

/// Why a module may not name what lies there, from the root of its crate.
fn why_not(module: &str, path: &[String], table: &[Floor], narrow: &[Narrow]) -> Option<String> {
    let target = path.first()?.as_str();
    if target == module {
        return None;
    }
    let floor = |name: &str| table.iter().find(|(module, ..)| *module == name);
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
    let only = narrow
        .iter()
        .find(|(from, to, _)| *from == module && *to == target);
    let (.., names) = only?;
    let is_known = path
        .get(1)
        .is_some_and(|name| names.contains(&name.as_str()));
    (!is_known).then(|| format!("may know only {names:?} of {target}, not {path:?}"))
}

fn sources(files: &[(&str, &str)]) -> Crate {
    let files: Vec<File> = files
        .iter()
        .map(|(path, text)| File::new(path, text))
        .collect();
    Crate::new(&files, "src/")
}

fn imports(path: &str, text: &str) -> Vec<String> {
    check_imports(&sources(&[(path, text)]), FLOORS, NARROW)
}

#[test]
fn an_import_that_goes_up_is_seen_wherever_it_stands() {
    for text in [
        "use crate::shard::Shard;",
        "use crate::{base::Time, shard::{Shard, Parts}};",
        "use crate::{\n    base::Time,\n    shard,\n};",
        "fn f() { crate::shard::run(); }",
        "fn f() { println!(\"{}\", crate::shard::run()); }",
        "use super::server;",
    ] {
        let complaints = imports("src/hub/mod.rs", text);
        assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
    }
    assert_eq!(
        imports("src/hub/topic.rs", "use crate::http::Route;").len(),
        1
    );
    assert_eq!(
        imports("src/hub/topic.rs", "use super::super::http::Route;").len(),
        1
    );
    assert_eq!(
        imports("src/hub/topic.rs", "use crate::attic::Chest;").len(),
        1
    );
}

#[test]
fn an_import_that_goes_down_is_fine_and_so_are_tests_and_links() {
    for text in [
        "use crate::base::{Time, TopicName};",
        "use crate::hub::Hub;",
        "/// See [`crate::shard`].\nstruct A;",
        "use super::Topic;",
        "#[cfg(test)]\nmod tests {\n    use crate::testing::SimNet;\n}",
    ] {
        assert_eq!(imports("src/hub/topic.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn a_module_that_is_known_in_part_is_not_known_whole() {
    let session = |text: &str| imports("src/session/http.rs", text).len();
    assert_eq!(session("use crate::hub::{PublishOutcome, Recovery};"), 0);
    assert_eq!(session("use crate::hub::{Hub, Recovery};"), 1);
    assert_eq!(session("use crate::hub;"), 1);
}

#[test]
fn a_module_without_a_floor_and_a_floor_without_a_module_are_seen() {
    let sources = sources(&[("src/hub/mod.rs", ""), ("src/attic.rs", "")]);
    let table: &[Floor] = &[("hub", 2, &[]), ("cellar", 0, &[])];
    let complaints = check_table(&sources, table);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
}

#[test]
fn the_outside_is_seen_where_it_does_not_belong() {
    let names =
        |path: &str, text: &str| check_edges(&sources(&[(path, text)]), "src/", EDGES).len();
    assert_eq!(names("src/hub/mod.rs", "use std::thread;"), 1);
    assert_eq!(
        names("src/session/http.rs", "fn f() { let now = clock::now(); }"),
        1
    );
    let path = "fn f() { let now = crate::base::clock::now(); }";
    assert_eq!(names("src/session/http.rs", path), 1);
    assert_eq!(names("src/hub/mod.rs", "use std::{fs, thread};"), 2);
    assert_eq!(
        names("src/wire/mask.rs", "use std::sync::atomic::AtomicU64;"),
        1
    );
    assert_eq!(names("src/shard/mod.rs", "fn f() { mio::Poll::new(); }"), 1);
    assert_eq!(names("src/hub/mod.rs", "fn f() { unsafe { f() } }"), 1);
    assert_eq!(names("src/hub/mod.rs", "use std::sync::LazyLock;"), 1);
    assert_eq!(names("src/io/epoll.rs", "use mio::Poll;"), 0);
    assert_eq!(names("src/hub/mod.rs", "// no std::thread here"), 0);
    assert_eq!(
        names("src/hub/mod.rs", "fn f(clock: u8) -> u8 { clock }"),
        0
    );
}

#[test]
fn the_generator_does_not_look_into_the_node() {
    let count = |path: &str, text: &str| {
        check_shared(&Crate::new(&[File::new(path, text)], "loadgen/src/")).len()
    };
    assert_eq!(
        count("loadgen/src/plan/mod.rs", "use altavoz::hub::Hub;"),
        1
    );
    assert_eq!(
        count(
            "loadgen/src/plan/mod.rs",
            "use altavoz::base::{Time, clock};"
        ),
        0
    );
    assert_eq!(
        count("loadgen/src/server/node.rs", "use altavoz::server;"),
        0
    );
    assert_eq!(count("loadgen/src/plan/mod.rs", "use altavoz::server;"), 1);
}
