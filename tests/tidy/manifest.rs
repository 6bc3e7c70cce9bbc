//! What the manifests must say.

use crate::tree::File;

/// Every dependency has a comment on its line: what it does for us.
pub(crate) fn check_dependencies(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut in_dependencies = false;
    for line in file.text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
        } else if in_dependencies && line.contains('=') && !line.contains('#') {
            complaints.push(format!("{}: without a reason: {line}", file.path));
        }
    }
    complaints
}

#[test]
fn a_dependency_without_a_reason_is_seen() {
    let check = |text: &str| check_dependencies(&File::new("Cargo.toml", text)).len();
    assert_eq!(check("[dependencies]\nslab = \"0.4\" # connections\n"), 0);
    assert_eq!(check("[dependencies]\nslab = \"0.4\"\n"), 1);
    assert_eq!(check("[dev-dependencies]\nx = { version = \"1\" }\n"), 1);
    assert_eq!(check("[target.'cfg(unix)'.dependencies]\nx = \"1\"\n"), 1);
    assert_eq!(check("[dependencies]\n\n[features]\ntesting = []\n"), 0);
}
