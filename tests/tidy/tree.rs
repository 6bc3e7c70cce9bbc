//! The files of the repository, as texts.

use std::fs;
use std::path::Path;

use crate::rust::Crate;

/// What is made or fetched, not written.
const IGNORED: &[&str] = &[".cache", ".git", "__pycache__", "node_modules", "target"];

/// A file with its path from the root, slashes between.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// An example.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, text }
    }

    /// The text without tests at its end, and without comments.
    ///
    /// A quoted `//` behind a blank would be taken for a comment; nothing here depends on that.
    pub(crate) fn code(&self) -> String {
        let code = |line: &str| {
            if line.trim_start().starts_with("//") {
                return String::new();
            }
            let end = line.find(" // ").unwrap_or(line.len());
            line[..end].to_owned()
        };
        let lines: Vec<String> = self.untested().lines().map(code).collect();
        lines.join("\n")
    }

    /// The text without tests at its end.
    pub(crate) fn untested(&self) -> &str {
        if self.is_test() {
            return "";
        }
        let starts =
            ["mod ", "pub(crate) mod ", "#[path"].map(|then| format!("#[cfg(test)]\n{then}"));
        let start = starts
            .iter()
            .filter_map(|start| self.text.find(start))
            .min();
        &self.text[..start.unwrap_or(self.text.len())]
    }

    /// Whether the whole file is tests.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let in_folder = self.path.split('/').any(|folder| folder == "tests");
        in_folder || name.ends_with("tests.rs")
    }

    /// The module of the library that it belongs to; `None` for `lib.rs` and `main.rs`.
    pub(crate) fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?;
        match path.split_once('/') {
            Some((module, _)) => Some(module),
            None => path
                .strip_suffix(".rs")
                .filter(|name| !["lib", "main"].contains(name)),
        }
    }
}

/// Every text of the repository.
pub(crate) fn files() -> Vec<File> {
    let mut files = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The sources of the node, tests in them included.
pub(crate) fn node_sources() -> Vec<File> {
    under("src/")
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .collect()
}

/// A crate whose sources are in a folder; the prefix ends with a slash.
pub(crate) fn crate_at(root: &str) -> Crate {
    let sources = under(root).into_iter();
    let sources: Vec<File> = sources.filter(|file| file.path.ends_with(".rs")).collect();
    Crate::new(&sources, root)
}

/// Every file in a folder; the prefix ends with a slash.
pub(crate) fn under(prefix: &str) -> Vec<File> {
    files()
        .into_iter()
        .filter(|file| file.path.starts_with(prefix))
        .collect()
}

/// Every Rust source.
pub(crate) fn rust() -> Vec<File> {
    with_extension("rs")
}

/// Every file whose name ends so.
pub(crate) fn with_extension(extension: &str) -> Vec<File> {
    let end = format!(".{extension}");
    files()
        .into_iter()
        .filter(|file| file.path.ends_with(&end))
        .collect()
}

/// One file.
pub(crate) fn file(path: &str) -> File {
    let found = files().into_iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("{path} is missing"))
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let entry = entry.expect("an entry can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

#[test]
fn tests_and_comments_are_no_code() {
    let text = "//! Doc.\nuse a; // why\n/// more\nfn f() {}\n#[cfg(test)]\nmod tests {}\n";
    assert_eq!(
        File::new("src/a/b.rs", text).code(),
        "\nuse a;\n\nfn f() {}"
    );
    assert_eq!(File::new("src/a/b_tests.rs", text).code(), "");
}

#[test]
fn a_file_knows_its_module() {
    let module = |path| File::new(path, "").module().map(str::to_owned);
    assert_eq!(module("src/hub/mod.rs").as_deref(), Some("hub"));
    assert_eq!(module("src/hub.rs").as_deref(), Some("hub"));
    assert_eq!(module("src/lib.rs"), None);
}
