//! Rust sources as the compiler's own grammar has them: which paths a file names, which functions
//! and types it has, and which file a path leads to.
//!
//! Tests inside a file are left out; comments are none of the grammar's.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, UseTree, Visibility};

use crate::tree::File;

/// A path as it is written, name by name: `crate::base::Time`.
pub(crate) type Path = Vec<String>;

/// A name that a `use` line brings in.
pub(crate) struct Use {
    /// What it is called here; `*` for all.
    pub(crate) name: String,
    /// What it is.
    pub(crate) path: Path,
    /// Whether it is handed on to others.
    pub(crate) is_handed_on: bool,
}

/// A source without its tests.
pub(crate) struct Source {
    /// Its file.
    pub(crate) path: String,
    /// The modules that it is in, from the root of its crate.
    pub(crate) module: Path,
    /// Whether all of it is tests.
    pub(crate) is_test: bool,
    /// The modules that it declares and that are files of their own.
    pub(crate) declared: Vec<String>,
    /// Those that it declares for tests alone.
    pub(crate) declared_for_tests: Vec<String>,
    /// Every path in the code, in `use` lines, types, calls and macros alike; a name alone is a
    /// path too.
    pub(crate) paths: Vec<Path>,
    /// What `use` lines bring in.
    pub(crate) uses: Vec<Use>,
    /// Names of the structures, enums, traits and aliases that it defines.
    pub(crate) types: Vec<String>,
    /// Functions and methods that have a body.
    pub(crate) functions: Vec<Function>,
    /// How many lines its code has, to the end of the last item.
    pub(crate) lines: usize,
}

/// A function with a body.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`.
    pub(crate) line: usize,
    /// From there to its closing brace.
    pub(crate) lines: usize,
}

impl Source {
    /// Parses a file of a crate whose sources are below `root`.
    pub(crate) fn new(file: &File, root: &str) -> Self {
        let parsed =
            syn::parse_file(&file.text).unwrap_or_else(|why| panic!("{}: {why}", file.path));
        let (for_tests, declared) = declared(&parsed.items);
        let is_test = file.is_test();
        let items = if is_test {
            Vec::new()
        } else {
            without_tests(parsed.items)
        };
        Self {
            path: file.path.clone(),
            module: module_of(&file.path, root),
            is_test,
            declared,
            declared_for_tests: for_tests,
            paths: paths(&items),
            uses: uses(&items),
            types: types(&items),
            functions: functions(&items),
            lines: items
                .iter()
                .map(|item| item.span().end().line)
                .max()
                .unwrap_or(0),
        }
    }

    /// The module of the crate that it belongs to; `None` for the root.
    pub(crate) fn top(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }
}

fn paths(items: &[Item]) -> Vec<Path> {
    let mut paths = Vec::new();
    let tokens = items.iter().map(ToTokens::to_token_stream);
    tokens.for_each(|tokens| collect_paths(tokens, &mut paths));
    paths
}

fn uses(items: &[Item]) -> Vec<Use> {
    let mut uses = Vec::new();
    for item in items {
        if let Item::Use(item) = item {
            let is_handed_on = !matches!(item.vis, Visibility::Inherited);
            collect_uses(&item.tree, &mut Vec::new(), is_handed_on, &mut uses);
        }
    }
    uses
}

fn types(items: &[Item]) -> Vec<String> {
    let names = items.iter().filter_map(|item| match item {
        Item::Struct(it) => Some(&it.ident),
        Item::Enum(it) => Some(&it.ident),
        Item::Trait(it) => Some(&it.ident),
        Item::Type(it) => Some(&it.ident),
        Item::Union(it) => Some(&it.ident),
        _ => None,
    });
    names.map(ToString::to_string).collect()
}

fn functions(items: &[Item]) -> Vec<Function> {
    let mut found = Functions(Vec::new());
    items.iter().for_each(|item| found.visit_item(item));
    found.0
}

/// Collects functions.
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.span().end().line;
        self.0.push(Function {
            name: signature.ident.to_string(),
            line: first,
            lines: last + 1 - first,
        });
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// The sources of one crate, and which file a path leads to.
pub(crate) struct Crate {
    pub(crate) sources: Vec<Source>,
    by_module: BTreeMap<Path, usize>,
}

impl Crate {
    /// The crate whose sources are below `root`.
    pub(crate) fn new(files: &[File], root: &str) -> Self {
        let mut sources: Vec<Source> = files.iter().map(|file| Source::new(file, root)).collect();
        empty_tests(&mut sources);
        let by_module = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !source.path.ends_with("/main.rs"))
            .map(|(place, source)| (source.module.clone(), place))
            .collect();
        Self { sources, by_module }
    }

    /// From the root of the crate, if it is not about another crate.
    pub(crate) fn absolute(&self, from: &Source, path: &[String]) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.module.clone(),
            "super" => from.module[..from.module.len().checked_sub(1)?].to_vec(),
            child => {
                let base = [from.module.as_slice(), &[child.to_owned()]].concat();
                return self
                    .by_module
                    .contains_key(&base)
                    .then(|| [base.as_slice(), rest].concat());
            }
        };
        let mut rest = rest;
        while let Some((next, behind)) = rest.split_first().filter(|(next, _)| *next == "super") {
            debug_assert!(next == "super", "as the filter says");
            base.pop()?;
            rest = behind;
        }
        Some([base.as_slice(), rest].concat())
    }

    /// The file in which what a path names is written: names that a module only hands on are
    /// looked for where they come from.
    pub(crate) fn file_of(&self, absolute: &[String]) -> Option<usize> {
        let mut path = absolute.to_vec();
        // Each step goes from a module to one that it hands a name on of; they are not deep.
        for _ in 0..8 {
            let known = (0..=path.len())
                .rev()
                .find_map(|end| Some((end, *self.by_module.get(&path[..end])?)));
            let (end, place) = known?;
            let Some(name) = path.get(end) else {
                return Some(place);
            };
            let source = &self.sources[place];
            let mut uses = source.uses.iter();
            let Some(handed) = uses.find(|it| it.is_handed_on && it.name == *name) else {
                return Some(place);
            };
            let Some(next) = self.absolute(source, &handed.path) else {
                return Some(place);
            };
            path = [next.as_slice(), &path[end + 1..]].concat();
        }
        None
    }
}

/// What stands in files for tests alone is not asked about.
fn empty_tests(sources: &mut [Source]) {
    let of = |source: &Source| {
        let child = |name: &String| [source.module.as_slice(), std::slice::from_ref(name)].concat();
        source
            .declared_for_tests
            .iter()
            .map(child)
            .collect::<Vec<_>>()
    };
    let modules: Vec<Path> = sources.iter().flat_map(of).collect();
    for source in sources {
        if modules
            .iter()
            .any(|module| source.module.starts_with(module))
        {
            source.is_test = true;
            source.paths.clear();
            source.uses.clear();
            source.types.clear();
            source.functions.clear();
            source.lines = 0;
        }
    }
}

/// Names of modules that are files of their own: those for tests alone, and the others.
fn declared(items: &[Item]) -> (Vec<String>, Vec<String>) {
    let files = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    let (for_tests, others): (Vec<_>, Vec<_>) =
        files.partition(|module| is_for_tests(&module.attrs));
    let names = |modules: Vec<&syn::ItemMod>| {
        let names = modules.iter().map(|module| module.ident.to_string());
        names.collect()
    };
    (names(for_tests), names(others))
}

/// Without what is compiled for tests alone.
fn without_tests(items: Vec<Item>) -> Vec<Item> {
    let kept = items
        .into_iter()
        .filter(|item| !is_for_tests(attributes(item)));
    kept.map(|item| match item {
        Item::Impl(mut block) => {
            block.items.retain(|item| match item {
                ImplItem::Fn(function) => !is_for_tests(&function.attrs),
                _ => true,
            });
            Item::Impl(block)
        }
        Item::Mod(mut module) => {
            let content = module.content.take();
            module.content = content.map(|(brace, items)| (brace, without_tests(items)));
            Item::Mod(module)
        }
        other => other,
    })
    .collect()
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, or `#[test]`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let condition = || attribute.parse_args::<syn::Ident>();
        let only_tests = is_cfg && condition().is_ok_and(|name| name == "test");
        only_tests || attribute.path().is_ident("test")
    })
}

/// `src/hub/topic.rs` is `hub::topic`, `src/hub/mod.rs` is `hub`, and `src/lib.rs` the root.
fn module_of(path: &str, root: &str) -> Path {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let names = inner.split('/').map(str::to_owned);
    let mut names: Path = names.collect();
    if names
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        names.pop();
    }
    names
}

fn collect_uses(tree: &UseTree, before: &mut Path, is_handed_on: bool, into: &mut Vec<Use>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            collect_uses(&path.tree, before, is_handed_on, into);
            before.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                collect_uses(tree, before, is_handed_on, into);
            }
        }
        UseTree::Name(name) if name.ident == "self" => {
            let name = before.last().cloned().unwrap_or_default();
            into.push(Use {
                name,
                path: before.clone(),
                is_handed_on,
            });
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let path = [before.as_slice(), std::slice::from_ref(&name)].concat();
            into.push(Use {
                name,
                path,
                is_handed_on,
            });
        }
        UseTree::Rename(rename) => {
            let path = [before.as_slice(), &[rename.ident.to_string()]].concat();
            into.push(Use {
                name: rename.rename.to_string(),
                path,
                is_handed_on,
            });
        }
        UseTree::Glob(_) => {
            into.push(Use {
                name: "*".to_owned(),
                path: before.clone(),
                is_handed_on,
            });
        }
    }
}

/// Sequences of names with `::` between; a group in braces behind one counts as several.
fn collect_paths(tokens: TokenStream, into: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(name) => {
                let mut path = vec![name.to_string()];
                at += 1;
                at = follow(&tokens, at, &mut path, into);
            }
            TokenTree::Group(group) => {
                collect_paths(group.stream(), into);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Goes on with a path as long as it lasts; where the next token is.
fn follow(tokens: &[TokenTree], mut at: usize, path: &mut Path, into: &mut Vec<Path>) -> usize {
    while is_joint(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(name)) => {
                path.push(name.to_string());
                at += 3;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let mut inner = Vec::new();
                collect_paths(group.stream(), &mut inner);
                into.extend(
                    inner
                        .into_iter()
                        .map(|rest| [path.as_slice(), &rest].concat()),
                );
                return at + 3;
            }
            _ => break,
        }
    }
    into.push(std::mem::take(path));
    at
}

/// Whether `::` is there.
fn is_joint(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))
}
