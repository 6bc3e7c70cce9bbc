//! Which file imports which: circles among them, and files that nobody compiles.
//!
//! An edge leads from a file to the one in which what it names is written. A module that declares
//! its children and hands their names on does not import them thereby.

use std::collections::BTreeSet;

use crate::rust::{Crate, Path, Source};
use crate::tree::File;

/// Files that import each other, and why.
pub(crate) type Circle = (&'static [&'static str], &'static str);

/// The node's.
pub(crate) const NODE: &[Circle] = &[(
    &["src/testing/sim/net.rs", "src/testing/sim/peer.rs"],
    "a peer is a handle of the network, and the network hands peers out",
)];

/// The generator's.
pub(crate) const GENERATOR: &[Circle] = &[];

/// The circles that there are, each as a list of files in order, and are not listed; and those
/// that are listed and are none.
pub(crate) fn check_circles(sources: &Crate, listed: &[Circle]) -> Vec<String> {
    let circles = circles(&edges(sources));
    let names = |circle: &[usize]| {
        let mut names: Vec<&str> = circle.iter().map(|i| &*sources.sources[*i].path).collect();
        names.sort_unstable();
        names
    };
    let found: Vec<Vec<&str>> = circles.iter().map(|circle| names(circle)).collect();
    let unlisted = found
        .iter()
        .filter(|circle| {
            !listed
                .iter()
                .any(|(files, why)| files == circle && !why.is_empty())
        })
        .map(|circle| format!("files that import each other: {circle:?}"));
    let gone = listed
        .iter()
        .filter(|(files, _)| !found.iter().any(|circle| files == circle))
        .map(|(files, _)| format!("listed as a circle, and none: {files:?}"));
    unlisted.chain(gone).collect()
}

/// Files that no module declares.
pub(crate) fn check_dead(sources: &Crate) -> Vec<String> {
    let declared: BTreeSet<Vec<String>> = sources
        .sources
        .iter()
        .flat_map(|source| {
            let child =
                |name: &String| [source.module.as_slice(), std::slice::from_ref(name)].concat();
            let all = source.declared.iter().chain(&source.declared_for_tests);
            all.map(child).collect::<Vec<_>>()
        })
        .collect();
    let is_dead = |module: &Vec<String>| !module.is_empty() && !declared.contains(module);
    let dead = sources
        .sources
        .iter()
        .filter(|source| is_dead(&source.module));
    dead.filter(|source| !source.is_test)
        .map(|source| format!("{}: no module declares it", source.path))
        .collect()
}

/// For each file those that it imports.
fn edges(sources: &Crate) -> Vec<BTreeSet<usize>> {
    let of = |(place, source): (usize, &Source)| {
        let handed = source.uses.iter().filter(|it| it.is_handed_on);
        let handed: BTreeSet<&Path> = handed.map(|it| &it.path).collect();
        let paths = source.paths.iter();
        paths
            .filter(|path| path.len() > 1 && !handed.contains(path))
            .filter_map(|path| sources.file_of(&sources.absolute(source, path)?))
            .filter(|to| *to != place)
            .collect()
    };
    sources.sources.iter().enumerate().map(of).collect()
}

/// Strongly connected components of more than one file.
fn circles(edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let reach: Vec<BTreeSet<usize>> = (0..edges.len()).map(|from| reached(edges, from)).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for from in 0..edges.len() {
        if !reach[from].contains(&from) || seen.contains(&from) {
            continue;
        }
        let circle: Vec<usize> = (0..edges.len())
            .filter(|to| reach[from].contains(to) && reach[*to].contains(&from))
            .collect();
        seen.extend(circle.iter().copied());
        found.push(circle);
    }
    found
}

/// Everything to which one or more edges lead.
fn reached(edges: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = edges[from].iter().copied().collect();
    while let Some(at) = next.pop() {
        if reached.insert(at) {
            next.extend(edges[at].iter().copied());
        }
    }
    reached
}

fn sources(files: &[(&str, &str)]) -> Crate {
    let files: Vec<File> = files
        .iter()
        .map(|(path, text)| File::new(path, text))
        .collect();
    Crate::new(&files, "src/")
}

#[test]
fn files_that_import_each_other_are_seen() {
    let two = sources(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "pub struct B; fn f() { let _ = super::a::A; }"),
    ]);
    assert_eq!(check_circles(&two, &[]).len(), 1);
    assert_eq!(
        check_circles(&two, &[(&["src/a.rs", "src/b.rs"], "why")]).len(),
        0
    );
    assert_eq!(
        check_circles(&two, &[(&["src/a.rs", "src/b.rs"], "")]).len(),
        1
    );
    assert_eq!(
        check_circles(&sources(&[]), &[(&["src/a.rs", "src/b.rs"], "why")]).len(),
        1
    );
}

#[test]
fn what_is_handed_on_is_no_import_and_is_found_where_it_is_written() {
    let facade = [
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod b; mod c; pub use b::B;"),
        ("src/a/b.rs", "pub struct B;"),
    ];
    let of = |c: &'static str| sources(&[facade.as_slice(), &[("src/a/c.rs", c)]].concat());
    assert_eq!(check_circles(&of("use super::B;"), &[]), [""; 0]);
    let circle = [
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod b; mod c; pub use b::B;"),
        ("src/a/b.rs", "use super::c::C; pub struct B;"),
        ("src/a/c.rs", "use crate::a::B; pub struct C;"),
    ];
    assert_eq!(check_circles(&sources(&circle), &[]).len(), 1);
}

#[test]
fn a_file_that_no_module_declares_is_seen() {
    let with = |root: &'static str| check_dead(&sources(&[("src/lib.rs", root), ("src/a.rs", "")]));
    assert_eq!(with("mod a;").len(), 0);
    assert_eq!(with("#[cfg(test)]\nmod a;").len(), 0);
    assert_eq!(with("mod b;").len(), 1);
}
