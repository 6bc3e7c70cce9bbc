//! What every document must look like, and that what it names is there.

use std::collections::BTreeSet;

use crate::tree::File;

/// Before the modules of the generator, where modules are named.
const GENERATOR: &str = "loadgen::";

/// Behind these a full stop ends no sentence.
const ABBREVIATIONS: &[&str] = &["e.g.", "i.e.", "etc.", "vs."];

/// Exactly one first-level heading, before everything else.
pub(crate) fn check_title(file: &File) -> Vec<String> {
    let lines: Vec<&str> = prose(&file.text).map(|(_, line)| line).collect();
    let titles = lines.iter().filter(|line| line.starts_with("# ")).count();
    let first = lines.iter().find(|line| !line.is_empty());
    let is_good = titles == 1 && first.is_some_and(|line| line.starts_with("# "));
    let complaint = format!(
        "{}: {titles} first-level headings, or text before it",
        file.path
    );
    (!is_good).then_some(complaint).into_iter().collect()
}

/// One sentence a line: none ends inside a line, and a paragraph's lines end with a sentence.
pub(crate) fn check_sentences(file: &File) -> Vec<String> {
    let complain = |(number, line): (usize, &str), what: &str| {
        format!("{}:{number}: {what}: {line}", file.path)
    };
    let is_sentence = |line: &str| !line.starts_with(['#', '|', '<', '!', '[']);
    prose(&file.text)
        .filter(|(_, line)| is_sentence(line.trim_start()))
        .filter_map(|(number, line)| {
            let bare = without_code(line);
            let is_item = is_item(line);
            let ends = bare.trim_end().ends_with(['.', ':', '?', '!', ';']);
            if has_inner_end(item_text(&bare)) {
                Some(complain((number, line), "more than one sentence"))
            } else if !is_item && !bare.trim().is_empty() && !ends {
                Some(complain((number, line), "a line that is no sentence"))
            } else {
                None
            }
        })
        .collect()
}

/// Relative links lead to files that are there, and to headings in them.
pub(crate) fn check_links(files: &[File]) -> Vec<String> {
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    documents
        .flat_map(|file| {
            let wrong = links(&file.text)
                .into_iter()
                .filter(|link| !leads(files, file, link));
            wrong.map(|link| format!("{}: leads nowhere: {link}", file.path))
        })
        .collect()
}

/// Each row of the lexicon's table is `| noun | meaning | where |`: the noun stands in the table
/// once, is in the code, and so is every name in the last column.
pub(crate) fn check_lexicon(lexicon: &File, sources: &[File]) -> Vec<String> {
    let rows: Vec<Vec<&str>> = rows(&lexicon.text).filter(|row| row.len() == 3).collect();
    let mut complaints = Vec::new();
    if rows.is_empty() {
        complaints.push(format!("{}: has no rows of three cells", lexicon.path));
    }
    let texts: String = sources.iter().map(|file| squeezed(&file.text)).collect();
    for (i, row) in rows.iter().enumerate() {
        let noun = row[0];
        if rows[..i]
            .iter()
            .any(|other| other[0].eq_ignore_ascii_case(noun))
        {
            complaints.push(format!("{noun}: stands there twice"));
        }
        if !texts.contains(&squeezed(noun)) {
            complaints.push(format!("{noun}: is not in the code"));
        }
        let names = quoted(row[2]);
        if names.is_empty() {
            complaints.push(format!("{noun}: does not say where in the code it is"));
        }
        let missing = names.into_iter().filter(|name| !is_defined(name, sources));
        complaints.extend(missing.map(|name| format!("{noun}: {name} is not there")));
    }
    complaints
}

/// The nouns of the lexicon, as they stand in names.
pub(crate) fn nouns(lexicon: &File) -> BTreeSet<String> {
    let rows = rows(&lexicon.text).filter(|row| row.len() == 3);
    rows.map(|row| squeezed(row[0])).collect()
}

/// The architecture's code map names every module.
pub(crate) fn check_code_map(document: &File, sources: &[File]) -> Vec<String> {
    let mut modules: Vec<&str> = sources.iter().filter_map(File::module).collect();
    modules.dedup();
    modules
        .into_iter()
        .filter(|module| !document.text.contains(&format!("| `{module}` |")))
        .map(|module| format!("{}: has no row for `{module}`", document.path))
        .collect()
}

/// It names every module of the generator too, as `loadgen::run`.
pub(crate) fn check_generator_map(document: &File, modules: &[&str]) -> Vec<String> {
    let is_missing = |module: &&&str| {
        !document
            .text
            .contains(&format!("| `{GENERATOR}{module}` |"))
    };
    let missing = modules.iter().filter(is_missing);
    missing
        .map(|module| format!("{}: has no row for `{GENERATOR}{module}`", document.path))
        .collect()
}

/// Every file or folder that a document quotes is there: `src/hub` or `src/hub/topic.rs`.
pub(crate) fn check_paths(document: &File, files: &[File]) -> Vec<String> {
    let is_path = |quoted: &str| ROOTS.iter().any(|root| quoted.starts_with(root));
    let is_there = |path: &str| {
        let inside = format!("{path}/");
        let mut paths = files.iter().map(|file| file.path.as_str());
        paths.any(|file| file == path || file.starts_with(&inside))
    };
    let quoted = quoted(&document.text).into_iter();
    let paths = quoted.filter(|name| is_path(name) && !name.contains(' '));
    paths
        .filter(|path| !is_there(path.trim_end_matches('/')))
        .map(|path| format!("{}: {path} is not there", document.path))
        .collect()
}

/// Where paths begin that documents quote.
const ROOTS: &[&str] = &[
    "src/", "loadgen/", "tests/", "benches/", "scripts/", "docs/",
];

/// As a noun of several words may be written: in small letters, without what joins them.
fn squeezed(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.replace([' ', '_', '-'], "")
}

/// Lines outside code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines()
        .zip(1..)
        .map(|(line, number)| (number, line))
        .filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            !fenced && !is_fence
        })
}

/// The line with each piece of quoted code replaced by a letter, which may begin a sentence.
fn without_code(line: &str) -> String {
    let pieces = line.split('`').enumerate();
    pieces
        .map(|(i, piece)| if i % 2 == 0 { piece } else { "X" })
        .collect()
}

fn is_item(line: &str) -> bool {
    line != item_text(line)
}

/// A list item's text, or the whole line.
fn item_text(line: &str) -> &str {
    let text = line.trim_start();
    let (marker, rest) = text.split_once(' ').unwrap_or((text, ""));
    let number = marker.strip_suffix('.').unwrap_or_default();
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    if is_number || ["-", "*"].contains(&marker) {
        rest
    } else {
        line
    }
}

/// Whether a sentence ends before the end of the line.
fn has_inner_end(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let ends = pair[0]
            .trim_end_matches([')', '"', '*'])
            .ends_with(['.', '?', '!']);
        let begins = pair[1]
            .trim_start_matches(['(', '"', '*', '['])
            .starts_with(char::is_uppercase);
        ends && begins && !ABBREVIATIONS.contains(&pair[0])
    })
}

/// Targets of links and pictures.
fn links(text: &str) -> Vec<String> {
    let of = |open: &str, close: char| {
        let found = prose(text).flat_map(|(_, line)| line.split(open).skip(1).collect::<Vec<_>>());
        let ended = found.filter_map(|rest| rest.split_once(close));
        ended.map(|(link, _)| link.to_owned()).collect::<Vec<_>>()
    };
    [of("](", ')'), of("src=\"", '"'), of("href=\"", '"')].concat()
}

fn leads(files: &[File], from: &File, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (target, anchor) = link
        .split_once('#')
        .map_or((link, None), |(t, a)| (t, Some(a)));
    let path = if target.is_empty() {
        from.path.clone()
    } else {
        resolve(&from.path, target)
    };
    let folder = format!("{}/", path.trim_end_matches('/'));
    let Some(file) = files.iter().find(|file| file.path == path) else {
        return anchor.is_none() && files.iter().any(|file| file.path.starts_with(&folder));
    };
    anchor.is_none_or(|anchor| {
        let headings = prose(&file.text)
            .map(|(_, line)| line)
            .filter(|line| line.starts_with('#'));
        headings.map(slug).any(|slug| slug == anchor)
    })
}

/// A relative path from a file's folder, without dots.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A heading's anchor, as forges make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The cells of a table's rows, without headings and rulers.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_head = move |i: usize| lines.get(i + 1).is_some_and(|next| next.starts_with("|--"));
    let is_row = |line: &&str| line.starts_with("| ");
    let bodies = text
        .lines()
        .enumerate()
        .filter(move |(i, line)| is_row(line) && !is_head(*i));
    bodies.map(|(_, line)| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// The pieces of quoted code.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Whether the last part of `module::path::Name` is a name in the code of its module; modules of
/// the generator stand behind `loadgen::`.
fn is_defined(name: &str, sources: &[File]) -> bool {
    let path = name.strip_prefix(GENERATOR);
    let (folder, path) = path.map_or(("src/", name), |path| ("loadgen/src/", path));
    let parts: Vec<&str> = path.split("::").collect();
    let (Some(module), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    let start = format!("{folder}{module}");
    let is_in = |file: &&File| {
        let rest = file.path.strip_prefix(&start);
        rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    let ours = sources.iter().filter(is_in);
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    ours.map(File::code)
        .any(|code| code.split(|c| !is_name(c)).any(|word| word == *last))
}

fn count(check: impl Fn(&File) -> Vec<String>, text: &str) -> usize {
    check(&File::new("docs/a.md", text)).len()
}

#[test]
fn a_document_with_no_title_or_two_is_seen() {
    assert_eq!(count(check_title, "# One\n\nText.\n"), 0);
    assert_eq!(count(check_title, "Text.\n\n# Late\n"), 1);
    assert_eq!(count(check_title, "# One\n# Two\n"), 1);
    assert_eq!(count(check_title, "# One\n```\n# a comment\n```\n"), 0);
    assert_eq!(count(check_title, "Text.\n"), 1);
}

#[test]
fn two_sentences_on_a_line_and_one_on_two_are_seen() {
    for bad in [
        "One. Two.",
        "Is it? It is.",
        "- One. Two.",
        "A sentence that goes\non here.",
        "(One.) Two.",
        "One. `two` follows.",
    ] {
        assert_eq!(count(check_sentences, bad), 1, "{bad}");
    }
    for good in [
        "One.\nTwo.",
        "One, e.g. This.",
        "1. One\n2. Two.",
        "See `a. B` here.",
        "| One. Two. |",
        "```\nOne. Two\n```",
        "## A heading",
        "As follows:",
    ] {
        assert_eq!(count(check_sentences, good), 0, "{good}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_seen() {
    let leads = |link: &str| {
        let from = File::new(
            "docs/a.md",
            &format!("# A\n\n## Two Words\n\nSee [it]({link}).\n"),
        );
        let other = File::new("README.md", "# Title: it\n");
        check_links(&[from, other]).is_empty()
    };
    for good in [
        "../README.md",
        "a.md",
        "#two-words",
        "../README.md#title-it",
        "../docs",
        "https://example.org/x",
    ] {
        assert!(leads(good), "{good}");
    }
    for bad in [
        "README.md",
        "../gone.md",
        "#three",
        "../README.md#two-words",
        "../attic/",
    ] {
        assert!(!leads(bad), "{bad}");
    }
    let picture = File::new("a.md", "# A\n\n<img src=\"gone.svg\">\n");
    assert_eq!(check_links(&[picture]).len(), 1);
}

#[test]
fn a_noun_that_the_code_does_not_know_is_seen() {
    let sources = [File::new(
        "src/hub/topic.rs",
        "/// A topic.\npub struct Topic;\n",
    )];
    let check = |rows: &str| {
        let table = format!("| noun | meaning | where |\n|---|---|---|\n{rows}");
        check_lexicon(&File::new("docs/lexicon.md", &table), &sources).len()
    };
    assert_eq!(check("| topic | a name | `hub::Topic` |\n"), 0);
    assert_eq!(check("| topic | a name | `hub::Attic` |\n"), 1);
    assert_eq!(check("| topic | a name | `attic::Topic` |\n"), 1);
    assert_eq!(check("| attic | a name | `hub::Topic` |\n"), 1);
    assert_eq!(check("| topic | a name | the hub |\n"), 1);
    assert_eq!(
        check("| topic | a | `hub::Topic` |\n| Topic | b | `hub::Topic` |\n"),
        1
    );
    assert_eq!(check(""), 1);
}

#[test]
fn a_module_that_the_code_map_lacks_is_seen() {
    let sources = [File::new("src/hub/topic.rs", "")];
    let check = |text: &str| check_code_map(&File::new("docs/a.md", text), &sources).len();
    assert_eq!(check("| `hub` | topics |"), 0);
    assert_eq!(check("| `attic` | |"), 1);
    let map = File::new("docs/a.md", "| `loadgen::run` | |");
    assert_eq!(check_generator_map(&map, &["run"]).len(), 0);
    assert_eq!(check_generator_map(&map, &["run", "plan"]).len(), 1);
}

#[test]
fn a_path_that_leads_nowhere_is_seen() {
    let files = [
        File::new("src/hub/topic.rs", ""),
        File::new("docs/b.md", ""),
    ];
    let check = |text: &str| check_paths(&File::new("docs/a.md", text), &files).len();
    assert_eq!(
        check("`src/hub/topic.rs`, `src/hub`, `src/hub/`, `topic.rs`"),
        0
    );
    assert_eq!(check("`src/hub/top`"), 1);
    assert_eq!(check("`src/hub/attic.rs` and `docs/c.md`"), 2);
}
