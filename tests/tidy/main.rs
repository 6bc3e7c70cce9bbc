//! The rules of the house that no compiler knows, held by `cargo test`.
//!
//! Each check is a function from texts to complaints, so that it can be tried on small bad
//! examples as well: a check that cannot fail is a defect. The tables of [`floors`] are the
//! source of truth for who may import whom; docs/architecture.md says why.

mod documents;
mod floors;
mod manifest;
mod sources;
mod tree;

use tree::File;

/// Fails with everything there is to complain about.
#[track_caller]
fn nothing_of(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// For each of several files.
fn each(files: &[File], check: impl Fn(&File) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(check).collect()
}

#[test]
fn the_tree_is_found() {
    let files = tree::files();
    let has = |path: &str| files.iter().any(|file| file.path == path);
    for path in [
        "src/lib.rs",
        "Cargo.toml",
        "README.md",
        "docs/lexicon.md",
        "scripts/test",
        ".ci/run",
    ] {
        assert!(has(path), "{path}");
    }
    assert!(!files.iter().any(|file| file.path.starts_with("target/")));
}

#[test]
fn every_module_has_its_floor() {
    nothing_of(floors::check_table(&tree::node_sources(), floors::FLOORS));
}

#[test]
fn imports_go_down_only() {
    nothing_of(each(&tree::node_sources(), floors::check_imports));
}

#[test]
fn the_generator_imports_only_what_it_shares_with_the_node() {
    nothing_of(each(
        &tree::under("loadgen/src/"),
        floors::check_generator_imports,
    ));
}

#[test]
fn each_edge_to_the_outside_is_in_one_place() {
    nothing_of(each(&tree::node_sources(), floors::check_edges));
}

#[test]
fn every_source_file_says_what_it_is_for() {
    nothing_of(each(&tree::rust(), sources::check_header));
}

#[test]
fn no_source_file_is_too_long() {
    nothing_of(each(&tree::rust(), sources::check_length));
    nothing_of(sources::check_long_files(
        &tree::node_sources(),
        sources::LONG_FILES,
    ));
}

#[test]
fn every_function_fits_on_a_screen() {
    nothing_of(each(&tree::rust(), sources::check_functions));
}

#[test]
fn nothing_is_left_undone() {
    nothing_of(each(&tree::files(), sources::check_unfinished));
}

#[test]
fn every_exception_from_a_lint_has_its_reason() {
    nothing_of(each(&tree::rust(), sources::check_exceptions));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    nothing_of(each(&tree::files(), sources::check_places));
}

#[test]
fn metric_names_are_written_once() {
    nothing_of(each(&tree::node_sources(), sources::check_metric_names));
    for name in altavoz::metrics::names::ALL {
        let rest = name.strip_prefix("altavoz_").unwrap_or_default();
        let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(!rest.is_empty() && rest.chars().all(is_word), "{name}");
    }
}

#[test]
fn every_document_has_one_title_and_one_sentence_a_line() {
    let documents = tree::with_extension("md");
    nothing_of(each(&documents, documents::check_title));
    nothing_of(each(&documents, documents::check_sentences));
}

#[test]
fn every_link_leads_somewhere() {
    nothing_of(documents::check_links(&tree::files()));
}

#[test]
fn every_noun_of_the_lexicon_is_in_the_code_and_stands_there_once() {
    nothing_of(documents::check_lexicon(
        &tree::file("docs/lexicon.md"),
        &tree::node_sources(),
    ));
}

#[test]
fn the_code_map_names_every_module() {
    nothing_of(documents::check_code_map(
        &tree::file("docs/architecture.md"),
        &tree::node_sources(),
    ));
}

#[test]
fn every_dependency_earns_its_line() {
    let manifests = tree::with_extension("toml");
    nothing_of(each(&manifests, manifest::check_dependencies));
}
