//! Texts that stay as they are: a change of code that changes one of them is seen.
//!
//! They are in `tests/golden`. With `GOLDEN=write` in the environment a test writes its text
//! there, and what has changed is read in the difference of the commit.

use std::path::Path;

use serde_json::Value;

/// Holds a text to the one that is kept.
#[track_caller]
pub(crate) fn check(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = folder.join(name);
    if std::env::var_os("GOLDEN").is_some_and(|asked| asked == "write") {
        std::fs::write(&path, text).expect("the folder is there");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = difference(&kept, text);
    assert!(
        kept == text,
        "{name} is another than it was\n{difference}GOLDEN=write keeps the new one"
    );
}

/// A number that stands for a text (FNV-1a, 64 bits).
pub(crate) fn digest(text: &str) -> String {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, add);
    format!("{hash:016x}")
}

/// A report as it stands on a terminal, and a number for each of its other forms.
pub(crate) fn report(text: &str, json: &str, html: &str) -> String {
    let json = digest(&without_histograms(json));
    format!("{text}json {json}\nhtml {}\n", digest(&unversioned(html)))
}

/// A report's JSON without what its histograms are packed into, which is the packer's business.
fn without_histograms(json: &str) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("HIST") => text.truncate(4),
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(fields) => fields.values_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(json).expect("a report is JSON");
    strip(&mut value);
    unversioned(&value.to_string())
}

fn unversioned(text: &str) -> String {
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// The lines that only one of two texts has.
fn difference(kept: &str, text: &str) -> String {
    let only_in = |one: &str, other: &str, mark: &str| -> String {
        let has = |line: &&str| other.lines().any(|it| it == *line);
        let lines = one.lines().filter(|line| !has(line));
        lines.map(|line| format!("{mark} {line}\n")).collect()
    };
    only_in(kept, text, "-") + &only_in(text, kept, "+")
}

#[test]
fn another_text_is_another_number() {
    assert_eq!(digest(""), "cbf29ce484222325");
    assert_eq!(digest("a"), "af63dc4c8601ec8c");
    assert_ne!(digest("ab"), digest("ba"));
}

#[test]
fn what_changed_is_said() {
    assert_eq!(difference("a\nb\n", "b\nc\n"), "- a\n+ c\n");
}

#[test]
fn histograms_and_versions_are_not_looked_at() {
    let json = |packed: &str| format!("{{\"a\": [\"HIST{packed}\", 1]}}");
    assert_eq!(
        without_histograms(&json("x")),
        without_histograms(&json("y"))
    );
    let version = format!("[\"{}\"]", env!("CARGO_PKG_VERSION"));
    assert_eq!(without_histograms(&version), "[\"VERSION\"]");
}
