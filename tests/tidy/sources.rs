//! What every source must look like, whatever it does.

use crate::rust::{Function, Source};
use crate::tree::File;

/// No file is longer than this, in lines; most have 100 to 400.
const LINES_MAX: usize = 700;

/// Beyond so many lines of code, tests at the end not counted, a file needs a reason.
const CODE_LINES_MAX: usize = 400;

/// No function is longer than this, in lines: one screen. Nearly all have at most 35.
const FUNCTION_LINES_MAX: usize = 70;

/// Files with more than [`CODE_LINES_MAX`] lines of code, and why they are one file.
pub(crate) const LONG_FILES: &[(&str, &str)] = &[
    (
        "src/io/epoll.rs",
        "one driver: splitting it would split the contract's state machine",
    ),
    (
        "src/metrics/render.rs",
        "half of it is the table of metrics",
    ),
    (
        "src/session/http.rs",
        "one request's life, each stage beside the next",
    ),
    (
        "src/testing/node/subscriber.rs",
        "one simulated client, from its handshake to its end",
    ),
    (
        "src/testing/node/world.rs",
        "the clock, the shards and the clients of one run",
    ),
    (
        "src/testing/sim/net.rs",
        "one network: both ends of every link",
    ),
    (
        "src/wire/message.rs",
        "one state machine from bytes to messages",
    ),
    (
        "loadgen/src/worker/core.rs",
        "all clients of a worker, and where what the driver tells of them goes",
    ),
    (
        "loadgen/src/worker/core/readers.rs",
        "clients over plain HTTP: asking, hearing and coming back are one circle of states",
    ),
    (
        "loadgen/src/worker/meter.rs",
        "what a delivery is entered in, and what becomes of it at the end of a round",
    ),
];

/// The first line says what the file is for.
pub(crate) fn check_header(file: &File) -> Vec<String> {
    let is_good = file
        .text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("//! "));
    complain(file, !is_good, "does not open with //! and what it is for")
}

/// Not longer than [`LINES_MAX`].
pub(crate) fn check_length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    complain(
        file,
        lines > LINES_MAX,
        &format!("{lines} lines are more than {LINES_MAX}: does it hold two nouns?"),
    )
}

/// Long files are listed with a reason, and no others.
pub(crate) fn check_long_files(sources: &[File], listed: &[(&str, &str)]) -> Vec<String> {
    let is_long = |file: &&File| file.untested().lines().count() > CODE_LINES_MAX;
    let long: Vec<&File> = sources.iter().filter(is_long).collect();
    let unlisted = long
        .iter()
        .filter(|file| !listed.iter().any(|(path, _)| *path == file.path))
        .map(|file| format!("{}: over {CODE_LINES_MAX} lines of code", file.path));
    let needless = listed
        .iter()
        .filter(|(path, why)| why.is_empty() || !long.iter().any(|file| file.path == *path))
        .map(|(path, _)| format!("{path}: listed as long, but not so or without a reason"));
    unlisted.chain(needless).collect()
}

/// No function but a test is longer than a screen.
pub(crate) fn check_functions(source: &Source) -> Vec<String> {
    let functions = source.functions.iter();
    let long = functions.filter(|function| function.lines > FUNCTION_LINES_MAX);
    let complain = |function: &Function| {
        format!(
            "{}:{}: {} has {} lines",
            source.path, function.line, function.name, function.lines
        )
    };
    long.map(complain).collect()
}

/// What most sources keep to: of files and of functions, the lines that half, nine tenths and all
/// but one of a hundred have at most.
pub(crate) struct Usual {
    pub(crate) files: [usize; 3],
    pub(crate) functions: [usize; 3],
}

/// The node's.
pub(crate) const NODE: Usual = Usual {
    files: [125, 319, 566],
    functions: [7, 21, 39],
};

/// The generator's.
pub(crate) const GENERATOR: Usual = Usual {
    files: [161, 378, 594],
    functions: [9, 27, 50],
};

/// Files and functions are not longer than they usually are.
pub(crate) fn check_usual(sources: &[Source], usual: &Usual) -> Vec<String> {
    let ours: Vec<&Source> = sources.iter().filter(|source| !source.is_test).collect();
    let files = ours
        .iter()
        .map(|source| source.lines)
        .filter(|lines| *lines > 0);
    let functions = ours.iter().flat_map(|source| &source.functions);
    let functions = functions.map(|function| function.lines);
    let of = |what: &str, lines: [usize; 3], usual: [usize; 3]| {
        let is_more = (0..3).any(|i| lines[i] > usual[i]);
        is_more.then(|| format!("{what} have {lines:?} lines, p50, p90 and p99, not {usual:?}"))
    };
    let complaints = [
        of("files", places(files.collect()), usual.files),
        of("functions", places(functions.collect()), usual.functions),
    ];
    complaints.into_iter().flatten().collect()
}

/// The median, the 90th and the 99th percentile.
fn places(mut lines: Vec<usize>) -> [usize; 3] {
    lines.sort_unstable();
    let last = lines.len().saturating_sub(1);
    [50, 90, 99].map(|percent| lines.get(last * percent / 100).copied().unwrap_or(0))
}

/// No part is left for later. The words are put together here, or this file would be found.
pub(crate) fn check_unfinished(file: &File) -> Vec<String> {
    let words = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("dbg", "!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let is_found = |word: &&&str| file.text.contains(**word);
    let found = words.iter().filter(is_found);
    found.map(|word| format!("{}: {word}", file.path)).collect()
}

/// Every `expect` or `allow` of a lint has a reason.
pub(crate) fn check_exceptions(file: &File) -> Vec<String> {
    let starts = [concat!("[exp", "ect("), concat!("[all", "ow(")];
    let attributes = starts
        .iter()
        .flat_map(|start| file.text.match_indices(start));
    attributes
        .map(|(at, _)| {
            let rest = &file.text[at..];
            &rest[..rest.find(")]").unwrap_or(rest.len())]
        })
        .filter(|attribute| !attribute.contains("reason = \""))
        .map(|attribute| format!("{}: without a reason: {attribute}", file.path))
        .collect()
}

/// No path or host of the machine where it was written, in any text. What package managers
/// write is theirs.
pub(crate) fn check_places(file: &File) -> Vec<String> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name == "Cargo.lock" {
        return Vec::new();
    }
    let folders = [
        concat!("/wo", "rk"),
        concat!("/ro", "ot"),
        concat!("/ho", "me"),
    ];
    let hosts = [
        concat!("registry.npm", "js.org"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("pypi", ".org"),
        concat!("files.python", "hosted.org"),
        concat!("proxy.golang", ".org"),
        concat!("deb.debian", ".org"),
        concat!("artifac", "tory"),
    ];
    let of_machine = folders
        .iter()
        .filter(|folder| has_folder(&file.text, folder));
    let of_hosts = hosts.iter().filter(|host| file.text.contains(**host));
    of_machine
        .chain(of_hosts)
        .map(|place| format!("{}: names {place}", file.path))
        .collect()
}

/// Whether a path begins with that folder, as a whole name.
fn has_folder(text: &str, folder: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || "/._-~}".contains(c);
    text.match_indices(folder).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + folder.len()..].chars().next();
        !before.is_some_and(is_name) && !behind.is_some_and(|c| c.is_alphanumeric() || c == '-')
    })
}

/// Metric names are constants of one file.
pub(crate) fn check_metric_names(file: &File) -> Vec<String> {
    let is_written = file.code().contains("\"altavoz_");
    complain(
        file,
        is_written && file.path != "src/metrics/names.rs",
        "writes a metric's name: use metrics::names",
    )
}

fn complain(file: &File, is_bad: bool, what: &str) -> Vec<String> {
    let complaint = is_bad.then(|| format!("{}: {what}", file.path));
    complaint.into_iter().collect()
}

fn count(check: impl Fn(&File) -> Vec<String>, text: &str) -> usize {
    check(&File::new("src/a/b.rs", text)).len()
}

#[test]
fn a_file_without_its_purpose_is_seen() {
    assert_eq!(count(check_header, "//! What it is for.\n"), 0);
    for bad in ["", "use a;\n", "//!\n", "// A comment.\n", "\n//! Late.\n"] {
        assert_eq!(count(check_header, bad), 1, "{bad:?}");
    }
}

#[test]
fn a_file_that_is_too_long_is_seen() {
    assert_eq!(count(check_length, &"\n".repeat(LINES_MAX)), 0);
    assert_eq!(count(check_length, &"\n".repeat(LINES_MAX + 1)), 1);
}

#[test]
fn a_long_file_needs_a_reason_and_a_reason_needs_a_long_file() {
    let long = [File::new("src/a.rs", &"x\n".repeat(CODE_LINES_MAX + 1))];
    assert_eq!(check_long_files(&long, &[("src/a.rs", "a table")]).len(), 0);
    assert_eq!(check_long_files(&long, &[]).len(), 1);
    assert_eq!(check_long_files(&long, &[("src/a.rs", "")]).len(), 1);
    assert_eq!(check_long_files(&[], &[("src/a.rs", "a table")]).len(), 1);
    let tests = "x\n".repeat(CODE_LINES_MAX);
    let tested = [File::new(
        "src/a.rs",
        &format!("{tests}#[cfg(test)]\nmod tests {{\n{tests}"),
    )];
    assert_eq!(check_long_files(&tested, &[]).len(), 0);
}

#[test]
fn a_function_longer_than_a_screen_is_seen() {
    let long = |head: &str, lines: usize| {
        let body = "        a();\n".repeat(lines - 2);
        let text = format!("impl A {{\n    {head} {{\n{body}    }}\n}}\n");
        check_functions(&Source::new(&File::new("src/a/b.rs", &text), "src/")).len()
    };
    for head in ["fn f()", "pub(crate) async fn f()", "pub const fn f()"] {
        assert_eq!(long(head, FUNCTION_LINES_MAX), 0);
        assert_eq!(long(head, FUNCTION_LINES_MAX + 1), 1, "{head}");
    }
}

#[test]
fn what_grows_is_seen() {
    let source = |lines: usize| {
        let text = format!("fn f() {{\n{}}}\n", "    a();\n".repeat(lines - 2));
        Source::new(&File::new("src/a.rs", &text), "src/")
    };
    let usual = Usual {
        files: [10, 20, 30],
        functions: [10, 20, 30],
    };
    assert_eq!(check_usual(&[source(10)], &usual).len(), 0);
    assert_eq!(check_usual(&[source(11)], &usual).len(), 2);
    let one_long = [source(5), source(5), source(31)];
    assert_eq!(check_usual(&one_long, &usual).len(), 0);
}

#[test]
fn what_is_left_undone_is_seen() {
    assert_eq!(
        count(check_unfinished, concat!("fn f() { to", "do!() }")),
        1
    );
    assert_eq!(count(check_unfinished, concat!("// TO", "DO: the rest")), 1);
    assert_eq!(count(check_unfinished, concat!("db", "g!(x);")), 1);
    assert_eq!(count(check_unfinished, "fn f() { done() }"), 0);
}

#[test]
fn an_exception_without_a_reason_is_seen() {
    let with = concat!("#[exp", "ect(\n    dead_code,\n    reason = \"why\"\n)]");
    assert_eq!(count(check_exceptions, with), 0);
    assert_eq!(
        count(check_exceptions, concat!("#[exp", "ect(dead_code)]")),
        1
    );
    let inner = concat!("#![all", "ow(dead_code)]\n// reason = \"too late\"");
    assert_eq!(count(check_exceptions, inner), 1);
}

#[test]
fn paths_and_hosts_of_a_machine_are_seen() {
    for bad in [
        concat!("cd /wo", "rk/x"),
        concat!("\"/ro", "ot\""),
        concat!("(/ho", "me/me)"),
        concat!("https://registry.npm", "js.org/ws"),
    ] {
        assert_eq!(count(check_places, bad), 1, "{bad}");
    }
    for good in [
        "/workers",
        "frame/work",
        concat!("$X/wo", "rk"),
        "the root",
        "/rooted",
    ] {
        assert_eq!(count(check_places, good), 0, "{good}");
    }
}

#[test]
fn a_metric_name_elsewhere_is_seen() {
    assert_eq!(count(check_metric_names, "let a = \"altavoz_turns\";"), 1);
    assert_eq!(count(check_metric_names, "// \"altavoz_turns\""), 0);
}
