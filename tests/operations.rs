//! docs/operations.md is complete and true: every setting, metric, label and close code.

use std::fmt::Write;
use std::time::Duration;

use altavoz::config::{SETTINGS, Setting, SettingGroup, SettingKind};
use altavoz::metrics::{
    CloseReason, DropReason, Format, Label, NodeMetrics, RefuseReason, StatusClass, render,
};

const PAGE: &str = include_str!("../docs/operations.md");

/// Fails with all lines that the page lacks, ready to be put there.
#[track_caller]
fn check(lines: impl Iterator<Item = String>) {
    let missing = lines.filter(|line| !PAGE.lines().any(|found| found == line));
    let missing = missing.fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    });
    assert!(missing.is_empty(), "docs/operations.md lacks:\n{missing}");
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

fn setting_row(setting: &Setting) -> String {
    let flag = match setting.kind {
        SettingKind::Switch => format!("`{}[={}]`", setting.flag(), setting.value),
        _ => format!("`{} {}`", setting.flag(), setting.value),
    };
    let (variable, key) = (
        format!("`{}`", setting.variable()),
        format!("`{}`", setting.key),
    );
    row(&[&flag, &variable, &key, setting.default, setting.help])
}

#[test]
fn every_setting_stands_there_with_all_its_names_default_and_meaning() {
    check(SETTINGS.iter().map(setting_row));
}

#[test]
fn every_group_of_settings_has_its_heading() {
    let groups = [
        SettingGroup::Listening,
        SettingGroup::Access,
        SettingGroup::Running,
        SettingGroup::Logging,
        SettingGroup::Limits,
        SettingGroup::FineLimits,
    ];
    check(
        groups
            .iter()
            .map(|group| format!("### {}", group.heading())),
    );
}

#[test]
fn every_metric_stands_there_with_its_kind_and_help() {
    let node = NodeMetrics {
        started: Duration::ZERO,
        version: "0",
        driver: "epoll",
        max_connections: 1,
    };
    let page = render(&[], &node, Format::OpenMetrics);
    let about = |line: &str, kind: &str| {
        let (name, text) = line.strip_prefix(kind)?.split_once(' ')?;
        Some((name.to_owned(), text.to_owned()))
    };
    let helps = page.lines().filter_map(|line| about(line, "# HELP "));
    let kinds = page.lines().filter_map(|line| about(line, "# TYPE "));
    check(helps.zip(kinds).map(|((name, help), (_, kind))| {
        let suffix = if kind == "counter" { "_total" } else { "" };
        row(&[
            &format!("`{name}{suffix}`"),
            &kind,
            help.trim_end_matches('.'),
        ])
    }));
}

#[test]
fn every_label_value_stands_there() {
    fn values<L: Label>() -> impl Iterator<Item = String> {
        L::ALL.iter().map(|label| format!("`{}`", label.name()))
    }
    let all = values::<StatusClass>()
        .chain(values::<RefuseReason>())
        .chain(values::<CloseReason>())
        .chain(values::<DropReason>());
    for value in all {
        assert!(PAGE.contains(&value), "docs/operations.md lacks {value}");
    }
}

#[test]
fn every_close_code_stands_there() {
    for code in [
        1000, 1001, 1002, 1007, 1008, 1009, 1011, 1013, 4008, 4010, 4012,
    ] {
        let cell = format!("| {code} |");
        assert!(PAGE.contains(&cell), "docs/operations.md lacks {code}");
    }
}

#[test]
fn one_heading_of_the_first_level_and_one_sentence_a_line() {
    let mut code = false;
    let mut headings = 0;
    for line in PAGE.lines() {
        code ^= line.starts_with("```");
        if code || line.starts_with('|') {
            continue;
        }
        headings += usize::from(line.starts_with("# "));
        assert!(!line.contains(". "), "two sentences: {line}");
    }
    assert_eq!(headings, 1);
}
