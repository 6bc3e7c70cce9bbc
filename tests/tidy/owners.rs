//! Objects that are cut into owners: each owner knows its own fields, and only listed files know
//! several of them.

use crate::rust::Source;
use crate::tree::File;

/// An object of several owners.
pub(crate) struct Whole {
    /// Below this its files are.
    pub(crate) folder: &'static str,
    /// The type that holds the owners.
    pub(crate) name: &'static str,
    /// The owners.
    pub(crate) owners: &'static [&'static str],
    /// Where files may name several, and have methods of the whole: starts of paths.
    pub(crate) joints: &'static [&'static str],
}

/// A shard: who is connected, the topics whose home it is, who reads here.
pub(crate) const SHARD: Whole = Whole {
    folder: "src/shard/",
    name: "Core",
    owners: &["Conns", "Home", "Readers"],
    joints: &["src/shard/dispatch", "src/shard/mod.rs"],
};

/// Methods of the whole, and two owners in one file, are only where it is listed.
pub(crate) fn check_owners(sources: &[Source], whole: &Whole) -> Vec<String> {
    let ours = sources
        .iter()
        .filter(|source| source.path.starts_with(whole.folder));
    let mut complaints = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for source in ours {
        let names = |name: &str| {
            source
                .paths
                .iter()
                .any(|path| path.iter().any(|part| part == name))
        };
        let known: Vec<&str> = whole
            .owners
            .iter()
            .copied()
            .filter(|owner| names(owner))
            .collect();
        seen.extend(&known);
        if whole
            .joints
            .iter()
            .any(|joint| source.path.starts_with(joint))
        {
            continue;
        }
        if known.len() > 1 {
            complaints.push(format!("{}: knows {known:?}", source.path));
        }
        if names(whole.name) {
            complaints.push(format!(
                "{}: knows {}, which has all of them",
                source.path, whole.name
            ));
        }
    }
    let gone = whole.owners.iter().filter(|owner| !seen.contains(owner));
    complaints.extend(gone.map(|owner| format!("{owner}: is no owner in {}", whole.folder)));
    complaints
}

#[test]
fn who_knows_two_owners_is_seen() {
    let check = |path: &str, text: &str| {
        let all = "struct Core { a: Conns, b: Home, c: Readers }";
        let files = [("src/shard/mod.rs", all), (path, text)];
        let parse = |(path, text): (&str, &str)| Source::new(&File::new(path, text), "src/");
        check_owners(&files.map(parse), &SHARD).len()
    };
    assert_eq!(check("src/shard/a.rs", "impl Home { fn f(&self) {} }"), 0);
    assert_eq!(
        check(
            "src/shard/a.rs",
            "impl Home { fn f(&self, other: &Readers) {} }"
        ),
        1
    );
    assert_eq!(
        check("src/shard/a.rs", "impl<S> Core<S> { fn f(&self) {} }"),
        1
    );
    assert_eq!(
        check(
            "src/shard/dispatch.rs",
            "impl Core { fn f(a: &Home, b: &Readers) {} }"
        ),
        0
    );
    assert_eq!(check_owners(&[], &SHARD).len(), 3);
}
