//! The configuration that follows from all layers, and where each value of it came from.

use super::error::ConfigError;
use super::layers::Layer;
use super::settings::{Setting, SettingKind};
use super::source::SettingSource;
use super::values::Config;

impl Config {
    /// The defaults under the layers, the weakest layer first: file, environment, flags.
    ///
    /// # Errors
    /// The first value that is wrong, with the place where it stands.
    pub fn from_layers(layers: &[Layer]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for given in layers.iter().flatten() {
            config.set(given.setting, &given.source, &given.values)?;
        }
        Ok(config)
    }

    /// Where the value of `key` came from.
    #[must_use]
    pub fn source(&self, key: &str) -> &SettingSource {
        let found = self.sources.iter().find(|(k, _)| *k == key);
        found.map_or(&SettingSource::Default, |(_, source)| source)
    }

    /// The name of `key` as the operator wrote it, or its flag.
    #[must_use]
    pub fn name_of(&self, key: &str) -> String {
        Setting::by_key(key).map_or_else(|| key.into(), |s| self.source(key).name(s))
    }

    /// Replaces a value, so that a stronger layer leaves nothing of a weaker one's list.
    fn set(
        &mut self,
        setting: &'static Setting,
        source: &SettingSource,
        values: &[String],
    ) -> Result<(), ConfigError> {
        let wrong = |message| ConfigError::at(source.quote(setting, values), message);
        if values.len() != 1 && setting.kind != SettingKind::List {
            return Err(wrong(format!("takes one value, not {}", values.len())));
        }
        (setting.apply)(self, values).map_err(wrong)?;
        self.sources.retain(|(key, _)| *key != setting.key);
        self.sources.push((setting.key, source.clone()));
        Ok(())
    }
}
