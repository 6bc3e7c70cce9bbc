//! The flags of every command, made from the table of settings, and the configuration from them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::config::layers::CONFIG_VARIABLE;
use crate::config::{
    Config, ConfigError, GivenSetting, Layer, SETTINGS, Setting, SettingGroup, SettingKind,
    SettingSource, from_environment, from_file,
};

/// The flags as they were written.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--config`.
    file: Option<PathBuf>,
    layer: Layer,
}

impl Flags {
    /// These flags, and `own` over them: `altavoz --shards 1 serve --shards 2` has two shards.
    #[must_use]
    pub fn over_by(mut self, own: Self) -> Self {
        self.file = own.file.or(self.file);
        self.layer.extend(own.layer);
        self
    }

    /// The configuration: these flags over the environment, the environment over the file.
    ///
    /// # Errors
    /// The first mistake of any layer, with its place.
    pub fn load(&self, environment: &[(String, String)]) -> Result<Config, ConfigError> {
        let named = environment
            .iter()
            .find(|(name, value)| name == CONFIG_VARIABLE && !value.trim().is_empty());
        let file = match (&self.file, named) {
            (Some(path), _) => read("--config", path)?,
            (None, Some((name, path))) => read(name, Path::new(path.trim()))?,
            (None, None) => Layer::new(),
        };
        let environment = from_environment(environment.iter().cloned())?;
        Config::from_layers(&[file, environment, self.layer.clone()])
    }
}

/// The longest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

fn read(named_by: &str, path: &Path) -> Result<Layer, ConfigError> {
    let text = text_of(path).map_err(|error| {
        let place = format!("{named_by} {}", path.display());
        ConfigError::at(
            place,
            format!("cannot read the configuration file: {error}"),
        )
    })?;
    from_file(path, &text)
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = fs::File::open(path)?;
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > FILE_BYTES_MAX {
        let message = format!("it is longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("A configuration file in TOML, whose keys are the flags' names with _");
        command.arg(file).args(SETTINGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(file) = matches.get_one::<PathBuf>("config") {
            self.file = Some(file.clone());
        }
        for setting in SETTINGS {
            if let Some(values) = matches.get_many::<String>(setting.key) {
                let values = values.cloned().collect();
                self.layer.push(GivenSetting {
                    setting,
                    source: SettingSource::Flag,
                    values,
                });
            }
        }
        Ok(())
    }
}

/// Values stay text here: `config` reads them, so that all layers tell a mistake alike.
fn argument(setting: &Setting) -> Arg {
    let repeat = if setting.kind == SettingKind::List {
        "; repeatable"
    } else {
        ""
    };
    let help = format!("{} [default: {}{repeat}]", setting.help, setting.default);
    let argument = Arg::new(setting.key)
        .long(setting.key.replace('_', "-"))
        .value_name(setting.value)
        .help(help)
        .help_heading(setting.group.heading())
        .hide_short_help(setting.group == SettingGroup::FineLimits)
        .action(ArgAction::Append);
    match setting.kind {
        SettingKind::Switch => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        SettingKind::Value | SettingKind::Secret | SettingKind::List => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(arguments: &[&str]) -> Flags {
        let command = Flags::augment_args(Command::new("altavoz").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).unwrap();
        Flags::from_arg_matches(&matches).unwrap()
    }

    fn load(arguments: &[&str]) -> Result<Config, String> {
        flags(arguments)
            .load(&[])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_setting_has_its_flag() {
        for setting in SETTINGS {
            let argument = argument(setting);
            assert_eq!(
                argument.get_long().map(|long| format!("--{long}")),
                Some(setting.flag())
            );
        }
    }

    #[test]
    fn flags_repeat_where_they_are_lists_and_switches_need_no_value() {
        let config = load(&[
            "--listen",
            "127.0.0.1:1",
            "--echo",
            "--listen=127.0.0.1:2",
            "--share-port=false",
        ])
        .unwrap();
        assert_eq!(config.listen.len(), 2);
        assert!(config.echo && !config.share_port);
    }

    #[test]
    fn a_flag_given_twice_is_refused() {
        let wrong = load(&["--shards", "1", "--shards", "2"]).unwrap_err();
        assert_eq!(wrong, "--shards 1 2: takes one value, not 2");
    }

    #[test]
    fn a_commands_own_flags_win_over_those_before_it() {
        let both = flags(&["--shards", "1", "--echo"]).over_by(flags(&["--shards", "2"]));
        let config = both.load(&[]).unwrap();
        assert_eq!((config.shards, config.echo), (Some(2), true));
    }

    #[test]
    fn a_file_is_named_by_flag_or_variable_and_the_flag_wins() {
        let path = |name: &str| {
            std::env::temp_dir().join(format!("altavoz-{name}-{}.toml", std::process::id()))
        };
        let (one, two) = (path("one"), path("two"));
        fs::write(&one, "shards = 1").unwrap();
        fs::write(&two, "shards = 2").unwrap();
        let variable = [(CONFIG_VARIABLE.to_owned(), one.display().to_string())];
        let by_variable = flags(&[]).load(&variable);
        let by_flag = flags(&["--config", two.to_str().unwrap()]).load(&variable);
        fs::remove_file(&one).unwrap();
        fs::remove_file(&two).unwrap();
        assert_eq!(by_variable.unwrap().shards, Some(1));
        assert_eq!(by_flag.unwrap().shards, Some(2));
    }

    #[test]
    fn a_missing_file_is_named_with_who_named_it() {
        let wrong = load(&["--config", "/nonexistent.toml"]).unwrap_err();
        assert!(
            wrong.starts_with("--config /nonexistent.toml: cannot read the configuration file: "),
            "{wrong}"
        );
        let variable = [(CONFIG_VARIABLE.to_owned(), "/nonexistent.toml".to_owned())];
        let wrong = flags(&[]).load(&variable).unwrap_err().to_string();
        assert!(
            wrong.starts_with("ALTAVOZ_CONFIG /nonexistent.toml: "),
            "{wrong}"
        );
    }

    #[test]
    fn what_is_no_file_of_text_is_said_so() {
        let folder = load(&["--config", "/"]).unwrap_err();
        assert!(folder.contains("directory"), "{folder}");
        let endless = load(&["--config", "/dev/zero"]).unwrap_err();
        assert!(
            endless.ends_with("it is longer than 1048576 bytes"),
            "{endless}"
        );
    }
}
