//! The program itself: exit codes, streams and messages, as a user meets them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs the program with these arguments and only these variables.
fn altavoz(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_altavoz"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A configuration file, gone with the test.
struct ConfigFile(PathBuf);

impl ConfigFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("altavoz-{name}-{}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn help_and_version_are_answers_on_standard_output() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["serve", "--help"],
        &["help", "doctor"],
    ] {
        let output = altavoz(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(out(&output).contains("Usage: altavoz"), "{arguments:?}");
    }
    let version = altavoz(&["--version"], &[]);
    assert_eq!(
        out(&version),
        format!("altavoz {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn usage_errors_exit_with_2_and_name_what_is_near() {
    let flag = altavoz(&["check", "--max-conections", "5"], &[]);
    assert_eq!(flag.status.code(), Some(2));
    assert!(err(&flag).contains("'--max-connections'"), "{}", err(&flag));
    let command = altavoz(&["chekc"], &[]);
    assert_eq!(command.status.code(), Some(2));
    assert!(err(&command).contains("'check'"), "{}", err(&command));
}

#[test]
fn check_describes_a_good_configuration() {
    let output = altavoz(
        &["check", "--listen", "127.0.0.1:0"],
        &[("ALTAVOZ_SHARDS", "3")],
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).contains("listen           127.0.0.1:0"),
        "{}",
        out(&output)
    );
    assert!(
        out(&output).contains("set by ALTAVOZ_SHARDS"),
        "{}",
        out(&output)
    );
}

#[test]
fn check_says_what_is_wrong_and_where_and_exits_with_2() {
    let file = ConfigFile::new("wrong", "echo = true\n\nping_intervall = \"5s\"\n");
    let output = altavoz(&["check", "--config", file.path()], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        err(&output),
        format!(
            "altavoz: {}:3: ping_intervall: there is no such key; did you mean ping_interval?\n",
            file.path()
        )
    );
    assert_eq!(out(&output), "");
}

#[test]
fn flags_win_over_environment_and_file() {
    let file = ConfigFile::new(
        "layers",
        "shards = 1\ndrain = \"1s\"\nping_interval = \"9s\"\n",
    );
    let variables = [
        ("ALTAVOZ_CONFIG", file.path()),
        ("ALTAVOZ_SHARDS", "2"),
        ("ALTAVOZ_DRAIN", "2s"),
    ];
    let output = altavoz(&["--shards", "3", "check"], &variables);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(text.contains("set by --shards"), "{text}");
    assert!(text.contains("drain            2s"), "{text}");
    assert!(
        text.contains(&format!("ping_interval  {}:3\n", file.path())),
        "{text}"
    );
    assert!(text.contains("drain          environment\n"), "{text}");
    assert!(text.contains("shards         flag\n"), "{text}");
}

#[test]
fn serving_off_loopback_without_a_key_exits_with_2_before_it_listens() {
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["serve", "--listen", "0.0.0.0:0"],
    ] {
        let output = altavoz(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        for name in ["--publish-key", "--insecure", "--listen 0.0.0.0:0"] {
            assert!(err(&output).contains(name), "{}", err(&output));
        }
        assert_eq!(out(&output), "");
    }
}

#[test]
fn a_key_is_never_shown() {
    let key = [("ALTAVOZ_PUBLISH_KEY", "s3cret-in-a-variable")];
    let wrong = [("ALTAVOZ_PUBLISH_KEY", "s3cret in a variable")];
    for (command, variables) in [("check", key), ("doctor", key), ("check", wrong)] {
        let output = altavoz(&[command], &variables);
        assert!(!out(&output).contains("s3cret"), "{}", out(&output));
        assert!(!err(&output).contains("s3cret"), "{}", err(&output));
    }
}

#[test]
fn doctor_compares_this_host_with_the_target() {
    let output = altavoz(&["doctor", "--max-connections", "50000000"], &[]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        text.starts_with("What 50000000 connections need of this host:\n"),
        "{text}"
    );
    assert!(text.contains("ulimit -Hn 50000"), "{text}");
}
