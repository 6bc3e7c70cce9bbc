//! The rules of the house that no compiler knows, held by `cargo test`.
//!
//! Each check is a function from texts to complaints, so that it can be tried on small bad
//! examples as well: a check that cannot fail is a defect. The tables of [`floors`] are the
//! source of truth for who may import whom; docs/architecture.md says why.

mod circles;
mod documents;
mod floors;
mod manifest;
mod names;
mod owners;
mod rust;
mod sources;
mod tree;

use std::sync::LazyLock;

use rust::{Crate, Source};
use tree::File;

/// Where the node's sources are.
const NODE: &str = "src/";

/// Where the generator's are.
const GENERATOR: &str = "loadgen/src/";

/// The node, parsed once for all checks.
fn node() -> &'static Crate {
    static PARSED: LazyLock<Crate> = LazyLock::new(|| tree::crate_at(NODE));
    &PARSED
}

/// The generator, parsed once for all checks.
fn generator() -> &'static Crate {
    static PARSED: LazyLock<Crate> = LazyLock::new(|| tree::crate_at(GENERATOR));
    &PARSED
}

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
    nothing_of(
        [
            floors::check_table(node(), floors::FLOORS),
            floors::check_table(generator(), floors::GENERATOR_FLOORS),
        ]
        .concat(),
    );
}

#[test]
fn imports_go_down_only() {
    nothing_of(
        [
            floors::check_imports(node(), floors::FLOORS, floors::NARROW),
            floors::check_imports(generator(), floors::GENERATOR_FLOORS, &[]),
        ]
        .concat(),
    );
}

#[test]
fn the_generator_imports_only_what_it_shares_with_the_node() {
    nothing_of(floors::check_shared(generator()));
}

#[test]
fn each_edge_to_the_outside_is_in_one_place() {
    nothing_of(
        [
            floors::check_edges(node(), NODE, floors::EDGES),
            floors::check_edges(generator(), GENERATOR, floors::GENERATOR_EDGES),
        ]
        .concat(),
    );
}

#[test]
fn files_import_each_other_only_where_it_is_listed() {
    nothing_of(
        [
            circles::check_circles(node(), circles::NODE),
            circles::check_circles(generator(), circles::GENERATOR),
        ]
        .concat(),
    );
}

#[test]
fn every_file_is_compiled() {
    nothing_of(
        [
            circles::check_dead(node()),
            circles::check_dead(generator()),
        ]
        .concat(),
    );
}

#[test]
fn every_source_file_says_what_it_is_for() {
    nothing_of(each(&tree::rust(), sources::check_header));
}

#[test]
fn no_source_file_is_too_long() {
    nothing_of(
        [
            each(&tree::rust(), sources::check_length),
            sources::check_long_files(
                &[tree::node_sources(), tree::under("loadgen/src/")].concat(),
                sources::LONG_FILES,
            ),
        ]
        .concat(),
    );
}

#[test]
fn every_function_fits_on_a_screen() {
    let all = tree::rust();
    nothing_of(each(&all, |file| {
        sources::check_functions(&Source::new(file, ""))
    }));
}

#[test]
fn files_and_functions_do_not_grow() {
    nothing_of(
        [
            sources::check_usual(&node().sources, &sources::NODE),
            sources::check_usual(&generator().sources, &sources::GENERATOR),
        ]
        .concat(),
    );
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
    nothing_of(
        [
            each(&documents, documents::check_title),
            each(&documents, documents::check_sentences),
        ]
        .concat(),
    );
}

#[test]
fn every_link_leads_somewhere() {
    nothing_of(documents::check_links(&tree::files()));
}

#[test]
fn every_noun_of_the_lexicon_is_in_the_code_and_stands_there_once() {
    nothing_of(documents::check_lexicon(
        &tree::file("docs/lexicon.md"),
        &[tree::node_sources(), tree::under("loadgen/src/")].concat(),
    ));
}

#[test]
fn the_code_map_names_every_module() {
    nothing_of(documents::check_code_map(
        &tree::file("docs/architecture.md"),
        &tree::node_sources(),
    ));
    let map = tree::file("docs/architecture.md");
    let modules: Vec<&str> = floors::GENERATOR_FLOORS
        .iter()
        .map(|(name, ..)| *name)
        .collect();
    nothing_of(documents::check_generator_map(&map, &modules));
}

#[test]
fn every_path_that_a_document_quotes_is_there() {
    let files = tree::files();
    nothing_of(each(&tree::with_extension("md"), |document| {
        documents::check_paths(document, &files)
    }));
}

#[test]
fn every_dependency_earns_its_line() {
    let manifests = tree::with_extension("toml");
    nothing_of(each(&manifests, manifest::check_dependencies));
}

#[test]
fn every_type_is_called_by_a_noun() {
    let ours: Vec<&Source> = node().sources.iter().chain(&generator().sources).collect();
    let lexicon = tree::file("docs/lexicon.md");
    let listed = [names::LISTED, names::LISTED_OF_GENERATOR].concat();
    nothing_of(names::check_names(&ours, &lexicon, (&listed, names::SORTS)));
}

#[test]
fn every_name_of_a_type_is_one_types_alone() {
    nothing_of(names::check_unique(&node().sources));
}

#[test]
fn owners_do_not_know_each_other() {
    nothing_of(owners::check_owners(&node().sources, &owners::SHARD));
}
