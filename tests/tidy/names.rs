//! The names of types: each is, or has in it, a noun of the lexicon.

use std::collections::{BTreeMap, BTreeSet};

use crate::documents::nouns;
use crate::rust::Source;
use crate::tree::File;

/// A type whose name has no noun in it, and why.
pub(crate) type Exception = (&'static str, &'static str);

/// Names that say enough by themselves.
pub(crate) const LISTED: &[Exception] = &[
    (
        "Conns",
        "connections, short as the owner that every file names",
    ),
    ("InvalidUtf8", "a mistake with one cause, which is its name"),
    ("TooLong", "a mistake with one cause, which is its name"),
    ("Utf8", "the name of what it reads"),
    ("Wake", "a trait, called by what it does; a waker has it"),
];

/// The same of the generator.
pub(crate) const LISTED_OF_GENERATOR: &[Exception] = &[
    ("Sources", "the source addresses of a worker's connections"),
    ("Cli", "what clap derives the whole command line from"),
    ("Options", "in a report: what was asked for"),
    ("Publish", "the values of --publish"),
    ("PublishBy", "who publishes in a plan, as --publish said"),
    (
        "Leaving",
        "how one of a crowd leaves: a gerund is the noun for it",
    ),
    ("Extent", "how much of a round is published"),
    ("Lubbers", "the author whose arithmetic it is"),
    ("Measured", "what was measured of one repeat, joined"),
    ("Connected", "what came of connecting, joined"),
    ("Connects", "what came of a worker's attempts to connect"),
    ("Published", "what a worker's publishers did in a round"),
    ("Back", "who is back behind a storm"),
    ("Finished", "how a worker's connections ended"),
    ("Better", "which of two values is the better one"),
    ("Op", "the sign between a figure and its bound"),
    ("Descriptors", "how many files a process may have open"),
    ("Row", "one line of the table that its file is about"),
    ("Point", "one place of a crossing"),
    ("Second", "the deliveries of a second"),
    ("Bases", "more than one basis"),
    ("Runner", "what takes a comparison from cell to cell"),
    ("Live", "the live view"),
    ("Area", "where in a drawing values stand"),
    ("Anchor", "from where a text in a drawing is written"),
    ("Tls", "the name of the protocol"),
];

/// Words that say of what sort a thing is, once another word has said whose it is, and why.
pub(crate) const SORTS: &[Exception] = &[
    ("error", "why something is not what its other words say"),
    ("id", "what something is called by in a table"),
    ("key", "by what something is found, or proved"),
    ("options", "how something is to be made"),
    ("step", "what one call took, and what it came to"),
    ("weight", "how much something is wanted"),
];

/// Every type's name has a noun of the lexicon in it, says of what sort of thing of others it is,
/// or is listed with a reason; what is listed is there, and needs it.
pub(crate) fn check_names(
    sources: &[&Source],
    lexicon: &File,
    (listed, sorts): (&[Exception], &[Exception]),
) -> Vec<String> {
    let nouns: BTreeSet<String> = nouns(lexicon);
    let types = || {
        sources
            .iter()
            .flat_map(|source| source.types.iter().map(move |name| (source, name)))
    };
    let is_of = |name: &str, (sort, why): &Exception| is_of_sort(name, sort) && !why.is_empty();
    let has_sort = |name: &str| sorts.iter().any(|sort| is_of(name, sort));
    let is_strange = |name: &str| !has_noun(name, &nouns) && !has_sort(name);
    let unlisted = types()
        .filter(|(_, name)| {
            is_strange(name) && !listed.iter().any(|(it, why)| it == name && !why.is_empty())
        })
        .map(|(source, name)| format!("{}: {name} has no noun of the lexicon in it", source.path));
    let needless = listed
        .iter()
        .filter(|(it, _)| !types().any(|(_, name)| name == it && is_strange(name)))
        .map(|(it, _)| format!("{it}: listed, but not there or a noun"));
    let idle = sorts
        .iter()
        .filter(|sort| !types().any(|(_, name)| is_of(name, sort) && !has_noun(name, &nouns)))
        .map(|(sort, _)| format!("{sort}: a sort without a type that needs it"));
    unlisted.chain(needless).chain(idle).collect()
}

/// A name is one type's alone, so that a search for it finds nothing else.
pub(crate) fn check_unique(sources: &[Source]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in &source.types {
            places.entry(name).or_default().push(&source.path);
        }
    }
    let twice = places.iter().filter(|(_, places)| places.len() > 1);
    twice
        .map(|(name, places)| format!("{name}: stands in {places:?}"))
        .collect()
}

/// Whether a name ends with that word, and has another one before it.
fn is_of_sort(name: &str, sort: &str) -> bool {
    let words = words(name);
    words.len() > 1 && words.last().is_some_and(|last| last == sort)
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
        check_names(&[&source], &lexicon, (listed, &[])).len()
    };
    assert_eq!(check("struct WireForm;", &[]), 0);
    assert_eq!(check("struct Arms; struct ArmPlan;", &[]), 0);
    assert_eq!(check("enum Alarm { A }", &[]), 1);
    assert_eq!(check("enum Alarm { A }", &[("Alarm", "why")]), 0);
    assert_eq!(check("enum Alarm { A }", &[("Alarm", "")]), 1);
    assert_eq!(check("struct Arm;", &[("Arm", "why")]), 1);
    assert_eq!(check("", &[("Gone", "why")]), 1);
}

#[test]
fn a_word_of_a_sort_is_a_name_only_behind_another() {
    let lexicon = File::new("docs/lexicon.md", "");
    let check = |text: &str, sorts: &[Exception]| {
        let source = Source::new(&File::new("src/a.rs", text), "src/");
        check_names(&[&source], &lexicon, (&[], sorts)).len()
    };
    let sorts: &[Exception] = &[("error", "why")];
    assert_eq!(check("struct OddError;", sorts), 0);
    assert_eq!(check("struct OddError; struct Error;", sorts), 1);
    assert_eq!(check("struct OddError; struct ErrorOdd;", sorts), 1);
    assert_eq!(check("struct OddError;", &[("error", "")]), 2);
    assert_eq!(check("", sorts), 1);
}

#[test]
fn a_name_of_two_types_is_seen() {
    let check = |one: &str, other: &str| {
        let files = [File::new("src/a.rs", one), File::new("src/b.rs", other)];
        check_unique(&files.map(|file| Source::new(&file, "src/"))).len()
    };
    assert_eq!(check("struct Arm;", "struct Leg;"), 0);
    assert_eq!(check("struct Arm;", "enum Arm { Left }"), 1);
}
