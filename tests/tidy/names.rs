//! The names of types: each is, or has in it, a noun of the lexicon.

use std::collections::BTreeSet;

use crate::documents::nouns;
use crate::rust::Source;
use crate::tree::File;

/// A type whose name has no noun in it, and why.
pub(crate) type Exception = (&'static str, &'static str);

/// Names that say enough by themselves, of the node.
pub(crate) const LISTED: &[Exception] = &[];

/// The same of the generator.
pub(crate) const LISTED_OF_GENERATOR: &[Exception] = &[
    ("Sources", "the source addresses of a worker's connections"),
    ("Cli", "what clap derives the whole command line from"),
    ("ConnectOptions", "what clap reads for that command"),
    ("CompareOptions", "what clap reads for that command"),
    ("MergeOptions", "what clap reads for that command"),
    ("DoctorOptions", "what clap reads for that command"),
    ("LoadOptions", "options that several commands have"),
    ("OutputOptions", "options that several commands have"),
    ("Options", "in a report: what was asked for"),
    ("Publish", "the values of --publish"),
    ("PublishBy", "who publishes in a plan, as --publish said"),
    (
        "Leaving",
        "how one of a crowd leaves: a gerund is the noun for it",
    ),
    ("Extent", "how much of a round is published"),
    ("Head", "how long the head of a request is"),
    ("Lubbers", "the author whose arithmetic it is"),
    ("Measured", "what was measured of one repeat, joined"),
    ("Connected", "what came of connecting, joined"),
    ("Connects", "what came of a worker's attempts to connect"),
    ("Published", "what a worker's publishers did in a round"),
    ("Back", "who is back behind a storm"),
    ("Finished", "how a worker's connections ended"),
    ("Better", "which of two values is the better one"),
    ("Op", "the sign between a figure and its bound"),
    (
        "Histogram",
        "a named distribution whose percentiles are figures",
    ),
    ("Descriptors", "how many files a process may have open"),
    ("Row", "one line of the table that its file is about"),
    ("Point", "one place of a crossing"),
    ("Second", "the deliveries of a second"),
    (
        "BytesKey",
        "under which the bytes of an exchange are remembered",
    ),
    ("Bases", "more than one basis"),
    ("Runner", "what takes a comparison from cell to cell"),
    ("Live", "the live view"),
    ("Page", "one HTML file"),
    (
        "Lines",
        "curves over an axis, or lines of text: what their files are about",
    ),
    ("Area", "where in a drawing values stand"),
    ("Anchor", "from where a text in a drawing is written"),
    ("Headers", "what a user adds to every request"),
    ("Tls", "the name of the protocol"),
];

/// Every type's name has a noun of the lexicon in it, or is listed with a reason; what is listed
/// is there, and needs it.
pub(crate) fn check_names(
    sources: &[&Source],
    lexicon: &File,
    listed: &[Exception],
) -> Vec<String> {
    let nouns: BTreeSet<String> = nouns(lexicon);
    let types = || {
        sources
            .iter()
            .flat_map(|source| source.types.iter().map(move |name| (source, name)))
    };
    let is_strange = |name: &str| !has_noun(name, &nouns);
    let unlisted = types()
        .filter(|(_, name)| {
            is_strange(name) && !listed.iter().any(|(it, why)| it == name && !why.is_empty())
        })
        .map(|(source, name)| format!("{}: {name} has no noun of the lexicon in it", source.path));
    let needless = listed
        .iter()
        .filter(|(it, _)| !types().any(|(_, name)| name == it && is_strange(name)))
        .map(|(it, _)| format!("{it}: listed, but not there or a noun"));
    unlisted.chain(needless).collect()
}

/// Whether words in a row of a name are a noun, in the singular or the plural.
fn has_noun(name: &str, nouns: &BTreeSet<String>) -> bool {
    let words = words(name);
    (0..words.len()).any(|from| {
        (from + 1..=words.len()).any(|to| {
            let word = words[from..to].concat();
            let singular = [word.strip_suffix('s'), word.strip_suffix("es")];
            let of_y = word.strip_suffix("ies").map(|stem| format!("{stem}y"));
            let mut forms = singular.into_iter().flatten().chain([word.as_str()]);
            forms.any(|form| nouns.contains(form)) || of_y.is_some_and(|it| nouns.contains(&it))
        })
    })
}

/// `WireForm` is `wire` and `form`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_lowercase().collect()),
        }
    }
    words
}

#[test]
fn a_type_that_is_no_noun_is_seen() {
    let lexicon = File::new(
        "docs/lexicon.md",
        "| noun | m | w |\n|---|---|---|\n| wire form | a | b |\n| arm | a | b |\n",
    );
    let check = |text: &str, listed: &[Exception]| {
        let source = Source::new(&File::new("src/a.rs", text), "src/");
        check_names(&[&source], &lexicon, listed).len()
    };
    assert_eq!(check("struct WireForm;", &[]), 0);
    assert_eq!(check("struct Arms; struct ArmPlan;", &[]), 0);
    assert_eq!(check("enum Alarm { A }", &[]), 1);
    assert_eq!(check("enum Alarm { A }", &[("Alarm", "why")]), 0);
    assert_eq!(check("enum Alarm { A }", &[("Alarm", "")]), 1);
    assert_eq!(check("struct Arm;", &[("Arm", "why")]), 1);
    assert_eq!(check("", &[("Gone", "why")]), 1);
}
