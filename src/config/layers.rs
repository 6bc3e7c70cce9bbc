//! Flags over environment over file: what each layer gave, and who nobody knows.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::injected::{is_injected, is_link};
use super::nearest::nearest;
use super::settings::{SETTINGS, Setting, SettingKind, VARIABLE_PREFIX};
use super::source::SettingSource;

/// One setting as one layer gave it.
#[derive(Clone)]
pub struct GivenSetting {
    /// Which setting.
    pub setting: &'static Setting,
    /// Where it stands.
    pub source: SettingSource,
    /// Its values, as they were written.
    pub values: Vec<String>,
}

/// What one layer gave.
pub type Layer = Vec<GivenSetting>;

/// The variable that names the configuration file; the flag is `--config`.
pub const CONFIG_VARIABLE: &str = "ALTAVOZ_CONFIG";

/// The layer of the environment: variables whose names begin with `ALTAVOZ_`.
///
/// Blanks and line ends around a value are not part of it, and an empty variable is as good as
/// none. A list's values stand apart by blanks. What a cluster derives from a service's name is
/// passed over.
///
/// # Errors
/// A variable that is no setting; the message names the nearest one.
pub fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Layer, ConfigError> {
    let mut layer = Layer::new();
    for (name, value) in variables {
        let value = value.trim();
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        if value.is_empty() || name == CONFIG_VARIABLE {
            continue;
        }
        let setting = SETTINGS.iter().find(|setting| setting.variable() == name);
        match setting {
            // No setting's value is a link: it is that of a service `altavoz-share`, for example.
            Some(_) if is_link(value) && is_injected(rest, value) => {}
            Some(setting) => layer.push(from_variable(setting, value)),
            None if is_injected(rest, value) => {}
            None => return Err(ConfigError::at(&name, unknown_variable(rest))),
        }
    }
    Ok(layer)
}

/// The layer of a file's text; `path` is for messages.
///
/// # Errors
/// Text that is not TOML, a key that is no setting, a value of a form that no setting has.
pub fn from_file(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let file = FileLayer { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        ConfigError::at(file.place(at), error.message())
    })?;
    let mut layer = Layer::new();
    for (key, value) in table.get_ref() {
        layer.push(file.given(key.get_ref(), key.span().start, value.get_ref())?);
    }
    // In the order of the lines, so that the first mistake is the one that is told.
    layer.sort_by_key(|given| match given.source {
        SettingSource::File { line, .. } => line,
        _ => 0,
    });
    Ok(layer)
}

fn from_variable(setting: &'static Setting, value: &str) -> GivenSetting {
    let values = match setting.kind {
        SettingKind::List => value.split_whitespace().map(str::to_owned).collect(),
        _ => vec![value.to_owned()],
    };
    GivenSetting {
        setting,
        source: SettingSource::Environment,
        values,
    }
}

/// What other programs call the place where they listen.
const ELSEWHERE: &[&str] = &["PORT", "HOST", "BIND", "ADDR", "ADDRESS"];

/// What is nearest is told from what stands behind the prefix, which all have in common.
fn unknown_variable(rest: &str) -> String {
    if ELSEWHERE.contains(&rest) {
        return "there is no such variable; say where to listen by \
                ALTAVOZ_LISTEN=127.0.0.1:8000"
            .into();
    }
    let known: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
    let known = known.iter().map(String::as_str).chain([CONFIG_VARIABLE]);
    let known = known.filter_map(|name| name.strip_prefix(VARIABLE_PREFIX));
    match nearest(rest, known) {
        Some(nearest) => {
            format!("there is no such variable; did you mean {VARIABLE_PREFIX}{nearest}?")
        }
        None => "there is no such variable; `altavoz serve --help` lists them all".into(),
    }
}

fn unknown_key(key: &str) -> String {
    match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(nearest) => format!("there is no such key; did you mean {nearest}?"),
        None => "there is no such key; `altavoz serve --help` lists them all".into(),
    }
}

/// A file under way into a layer.
struct FileLayer<'a> {
    path: &'a Path,
    text: &'a str,
}

impl FileLayer<'_> {
    fn given(
        &self,
        key: &str,
        at: usize,
        value: &DeValue<'_>,
    ) -> Result<GivenSetting, ConfigError> {
        let source = SettingSource::File {
            path: self.path.into(),
            line: self.line(at),
        };
        let place = || format!("{}: {key}", self.place(at));
        if value.is_table() {
            return Err(ConfigError::at(
                place(),
                "is a table; all keys stand at the top, without [headings]",
            ));
        }
        let Some(setting) = Setting::by_key(key) else {
            return Err(ConfigError::at(place(), unknown_key(key)));
        };
        let values = match value {
            DeValue::Array(values) if setting.kind == SettingKind::List => {
                values.iter().map(|value| plain(value.get_ref())).collect()
            }
            value => plain(value).map(|value| vec![value]),
        };
        let wrong = || ConfigError::at(place(), form(setting));
        Ok(GivenSetting {
            setting,
            source,
            values: values.ok_or_else(wrong)?,
        })
    }

    fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path.display(), self.line(at))
    }

    fn line(&self, at: usize) -> usize {
        1 + self
            .text
            .bytes()
            .take(at)
            .filter(|byte| *byte == b'\n')
            .count()
    }
}

/// The text of a value that is one word, a whole number or a switch.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}

/// How the value of a setting is written in the file.
fn form(setting: &Setting) -> &'static str {
    match setting.kind {
        SettingKind::List => "must be a text in quotes or a list of such, as in [\"a\", \"b\"]",
        SettingKind::Switch => "must be true or false",
        SettingKind::Value | SettingKind::Secret => {
            "must be a whole number, or a text in quotes with its unit"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::Config;
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<Layer, ConfigError> {
        from_environment(
            variables
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    fn file(text: &str) -> Result<Layer, ConfigError> {
        from_file(Path::new("node.toml"), text)
    }

    fn flag(key: &str, value: &str) -> Layer {
        vec![GivenSetting {
            setting: Setting::by_key(key).unwrap(),
            source: SettingSource::Flag,
            values: vec![value.to_owned()],
        }]
    }

    #[track_caller]
    fn wrong(result: Result<Layer, ConfigError>, message: &str) {
        let found = result.and_then(|layer| Config::from_layers(&[layer]));
        assert_eq!(found.unwrap_err().to_string(), message);
    }

    #[test]
    fn flags_win_over_environment_and_environment_over_the_file() {
        let (file, environment, flag) = (
            || file("shards = 1").unwrap(),
            || environment(&[("ALTAVOZ_SHARDS", "2")]).unwrap(),
            || flag("shards", "3"),
        );
        let table: [(Vec<Layer>, Option<usize>, &str); 6] = [
            (vec![], None, "default"),
            (vec![file()], Some(1), "node.toml:1"),
            (vec![environment()], Some(2), "environment"),
            (vec![file(), environment()], Some(2), "environment"),
            (vec![file(), flag()], Some(3), "flag"),
            (vec![file(), environment(), flag()], Some(3), "flag"),
        ];
        for (layers, shards, source) in table {
            let config = Config::from_layers(&layers).unwrap();
            assert_eq!(config.shards, shards);
            assert_eq!(config.source("shards").to_string(), source);
        }
    }

    #[test]
    fn a_stronger_layers_list_replaces_a_weaker_ones() {
        let file = file("listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]").unwrap();
        let environment =
            environment(&[("ALTAVOZ_LISTEN", "127.0.0.1:3  127.0.0.1:4,proxy")]).unwrap();
        let shown =
            |config: Config| -> Vec<_> { config.listen.iter().map(ToString::to_string).collect() };
        let first = Config::from_layers(std::slice::from_ref(&file)).unwrap();
        assert_eq!(shown(first), ["127.0.0.1:1", "127.0.0.1:2"]);
        let both = Config::from_layers(&[file, environment]).unwrap();
        assert_eq!(shown(both), ["127.0.0.1:3", "127.0.0.1:4,proxy"]);
    }

    #[test]
    fn an_empty_variable_is_none_and_strangers_are_left_alone() {
        let layer = environment(&[
            ("ALTAVOZ_SHARDS", ""),
            ("PATH", "/bin"),
            ("ALTAVOZ_CONFIG", "x"),
        ]);
        assert!(layer.unwrap().is_empty());
    }

    #[test]
    fn what_a_cluster_puts_beside_settings_is_passed_over() {
        let layer = environment(&[
            ("ALTAVOZ_PORT", "tcp://10.0.0.1:80"),
            ("ALTAVOZ_SERVICE_HOST", "10.0.0.1"),
            ("ALTAVOZ_SHARE_PORT", "tcp://10.0.0.1:80"),
            ("ALTAVOZ_SHARDS", "3"),
            ("ALTAVOZ_VERSION", "1.0"),
        ]);
        let config = Config::from_layers(&[layer.unwrap()]).unwrap();
        assert_eq!((config.shards, config.share_port), (Some(3), false));
        let set = environment(&[("ALTAVOZ_SHARE_PORT", "true")]).unwrap();
        assert!(Config::from_layers(&[set]).unwrap().share_port);
    }

    #[test]
    fn blanks_and_line_ends_around_a_variable_are_not_part_of_it() {
        let layer = environment(&[
            ("ALTAVOZ_SHARDS", " 3\r"),
            ("ALTAVOZ_PUBLISH_KEY", "k\n"),
            ("ALTAVOZ_DRAIN", " \t"),
        ]);
        let config = Config::from_layers(&[layer.unwrap()]).unwrap();
        assert_eq!((config.shards, config.drain), (Some(3), None));
        assert!(config.publish_key.unwrap().matches(b"k"));
    }

    #[test]
    fn who_says_where_to_listen_by_another_name_is_told_ours() {
        for name in ["ALTAVOZ_PORT", "ALTAVOZ_HOST"] {
            let message = "there is no such variable; say where to listen by \
                           ALTAVOZ_LISTEN=127.0.0.1:8000";
            wrong(
                environment(&[(name, "8000")]),
                &format!("{name}: {message}"),
            );
        }
        wrong(
            environment(&[("ALTAVOZ_FROBNICATE", "8000")]),
            "ALTAVOZ_FROBNICATE: there is no such variable; `altavoz serve --help` lists them all",
        );
    }

    #[test]
    fn a_file_may_have_a_byte_order_mark_carriage_returns_and_no_last_line_end() {
        let given = file("\u{feff}# made elsewhere\r\nshards = 2\r\n\techo\t=\ttrue").unwrap();
        let config = Config::from_layers(&[given]).unwrap();
        assert_eq!((config.shards, config.echo), (Some(2), true));
        let wrong = file("\u{feff}\r\nshard = 2\r\n").map(|_| ()).unwrap_err();
        assert!(
            wrong.to_string().starts_with("node.toml:2: shard: "),
            "{wrong}"
        );
    }

    #[test]
    fn an_unknown_variable_names_the_nearest_one() {
        wrong(
            environment(&[("ALTAVOZ_MAX_CONECTIONS", "5")]),
            "ALTAVOZ_MAX_CONECTIONS: there is no such variable; did you mean ALTAVOZ_MAX_CONNECTIONS?",
        );
        wrong(
            environment(&[("ALTAVOZ_CONFIGG", "5")]),
            "ALTAVOZ_CONFIGG: there is no such variable; did you mean ALTAVOZ_CONFIG?",
        );
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_key() {
        wrong(
            file("shards = 2\n\nmax_conections = 5\n"),
            "node.toml:3: max_conections: there is no such key; did you mean max_connections?",
        );
        wrong(
            file("frobnicate = true"),
            "node.toml:1: frobnicate: there is no such key; `altavoz serve --help` lists them all",
        );
        wrong(
            file("\n[limits]\ntopics = 5"),
            "node.toml:2: limits: is a table; all keys stand at the top, without [headings]",
        );
    }

    #[test]
    fn values_are_written_as_numbers_texts_switches_and_lists() {
        let text = "max_connections = 1_000\nping_interval = \"5s\"\nlisten = \"127.0.0.1:1\"\n\
                    insecure = true\nallow_origin = []\npublish_key = \"k\"\n";
        let config = Config::from_layers(&[file(text).unwrap()]).unwrap();
        assert_eq!(config.max_connections, Some(1000));
        assert_eq!(config.limits.ping_interval.as_secs(), 5);
        assert!(config.insecure && config.publish_key.is_some());
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_its_form() {
        wrong(
            file("# a comment\nping_interval = 5"),
            "node.toml:2: ping_interval = 5: a duration is a number with its unit (ns, us, ms, s, m, h, d or w), or several from the largest down, such as 250ms, 30s, 1m30s or 1d12h",
        );
        wrong(
            file("shards = 1.5"),
            "node.toml:1: shards: must be a whole number, or a text in quotes with its unit",
        );
        wrong(
            file("echo = []"),
            "node.toml:1: echo: must be true or false",
        );
        wrong(
            file("listen = 1979-05-27"),
            "node.toml:1: listen: must be a text in quotes or a list of such, as in [\"a\", \"b\"]",
        );
        wrong(
            environment(&[("ALTAVOZ_DRIVER", "select")]),
            "ALTAVOZ_DRIVER=select: must be one of auto, epoll, uring",
        );
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        let wrong = file("shards = 1\nlisten = \"127").map(|_| ()).unwrap_err();
        assert!(wrong.to_string().starts_with("node.toml:2: "), "{wrong}");
        let twice = file("shards = 1\nshards = 2").map(|_| ()).unwrap_err();
        assert!(twice.to_string().starts_with("node.toml:2: "), "{twice}");
    }

    #[test]
    fn a_key_in_a_file_or_variable_is_never_quoted() {
        let message = "a key is one word of visible ASCII characters, without blanks: \
                       it stands in an Authorization header";
        wrong(
            file("publish_key = \"a b\""),
            &format!("node.toml:1: publish_key: {message}"),
        );
        wrong(
            environment(&[("ALTAVOZ_PUBLISH_KEY", "a b")]),
            &format!("ALTAVOZ_PUBLISH_KEY: {message}"),
        );
    }
}
