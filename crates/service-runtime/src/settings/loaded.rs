use std::fmt::Write as _;
use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::UnknownSetting;
use super::known::{KnownSettings, Program};
use super::setting::{ENVIRONMENT, Requirement, Setting, format_value, variable_of};
use super::{Section, SettingsError};

impl Program {
    /// Loads the settings. The file (TOML) overrides the defaults, and the environment (`AUTHME__SECTION__NAME`)
    /// overrides the file.
    pub fn load(self, file: Option<&Path>) -> Result<Loaded, SettingsError> {
        self.merge(file, Environment::with_prefix("AUTHME"))
    }

    /// Loads the settings with these variables in place of the environment.
    pub fn load_with(
        self,
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, SettingsError> {
        let variables = variables.into_iter().collect();
        self.merge(file, Environment::with_prefix("AUTHME").source(Some(variables)))
    }

    fn merge(self, file: Option<&Path>, environment: Environment) -> Result<Loaded, SettingsError> {
        let known = KnownSettings::new(self);
        let loaded = Loaded {
            merged: merge_sources(&known, file, environment).map_err(|error| SettingsError::from_reading(&error))?,
            known,
        };
        let mut unknown = Vec::new();
        if let ValueKind::Table(root) = &loaded.merged.cache.kind {
            loaded.collect_unknown(root, "", &mut unknown);
        }
        if unknown.is_empty() {
            Ok(loaded)
        } else {
            unknown.sort();
            Err(SettingsError::Unknown(unknown))
        }
    }
}

fn merge_sources(
    known: &KnownSettings,
    file: Option<&Path>,
    environment: Environment,
) -> Result<Config, config::ConfigError> {
    let mut builder = Config::builder();
    for setting in &known.read {
        if let Some(default) = &setting.default {
            builder = builder.set_default(&setting.name, default.clone())?;
        }
    }
    builder = builder.add_source(File::from_str(known.program.defaults, FileFormat::Toml));
    if let Some(file) = file {
        builder = builder.add_source(File::from(file).format(FileFormat::Toml));
    }
    let environment = environment.prefix_separator("__").separator("__").ignore_empty(true);
    let mut merged = builder.add_source(environment).build()?;
    for setting in known.read.iter().filter(|setting| setting.is_list()) {
        split_list(&mut merged.cache, setting);
    }
    Ok(merged)
}

/// Turns the text of a variable into a list. Commas separate its elements.
fn split_list(settings: &mut Value, setting: &Setting) {
    let Some(value) = find_value(settings, &setting.name) else {
        return;
    };
    let (ValueKind::String(text), Some(ENVIRONMENT)) = (&value.kind, value.origin()) else {
        return;
    };
    let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
    let list = ValueKind::Array(elements.map(Value::from).collect());
    if let ValueKind::Table(sections) = &mut settings.kind
        && let Some(ValueKind::Table(section)) = sections.get_mut(setting.section()).map(|section| &mut section.kind)
    {
        let list = Value::new(Some(&ENVIRONMENT.to_owned()), list);
        section.insert(setting.own_name().to_owned(), list);
    }
}

/// The settings in force. All names are known. Reading them reports missing settings.
#[derive(Debug)]
pub struct Loaded {
    known: KnownSettings,
    merged: Config,
}

impl Loaded {
    /// Reads a section. Settings of it that the program does not read keep their defaults.
    pub fn read<T: Default + DeserializeOwned + JsonSchema + Serialize>(&self) -> Result<T, SettingsError> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(SettingsError::Missing(missing));
        }
        let mut given = Map::new();
        for setting in Section::of::<T>().settings() {
            let value = find_value(&self.merged.cache, &setting.name);
            if let (Some(value), true) = (value, self.known.reads(&setting.name)) {
                // Each field has a default, so a table with one setting shows whether its value has the right type.
                let alone = Map::from_iter([(setting.own_name().to_owned(), value.clone())]);
                if deserialize::<T>(alone).is_err() || !setting.allows(value) {
                    return Err(SettingsError::wrong_value(&setting, value));
                }
                check_path(&setting, value)?;
                given.insert(setting.own_name().to_owned(), value.clone());
            }
        }
        deserialize(given).map_err(|error| SettingsError::from_reading(&error))
    }

    /// Overrides a setting, such as `http.listen`, after it was loaded.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<(), SettingsError> {
        let merge = || {
            let merged = Config::builder().add_source(self.merged.clone());
            merged.set_override(name, value)?.build()
        };
        self.merged = merge().map_err(|error| SettingsError::from_reading(&error))?;
        Ok(())
    }

    /// Formats each setting on a line, with the source of its value. Settings hold the paths of secrets, not the secrets.
    pub fn print(&self) -> String {
        let mut lines = String::new();
        for setting in &self.known.read {
            let name = &setting.name;
            let _ = match find_value(&self.merged.cache, name) {
                Some(value) => writeln!(
                    lines,
                    "{name} = {}  # from {}",
                    format_value(value),
                    describe_origin(name, value)
                ),
                None if self.is_missing(setting) => writeln!(lines, "# missing: {}", self.describe(setting)),
                None => writeln!(lines, "# {name} is not set"),
            };
        }
        lines
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.known.read.iter().filter(|setting| self.is_missing(setting));
        missing.map(|setting| self.describe(setting)).collect()
    }

    /// Returns whether a required setting has no value.
    fn is_missing(&self, setting: &Setting) -> bool {
        let is_given = |name: &str| find_value(&self.merged.cache, name).is_some();
        let is_required = match &setting.requirement {
            Requirement::Optional => false,
            Requirement::Required => true,
            Requirement::RequiredUnless(other) => !(self.known.reads(other) && is_given(other)),
        };
        self.known.program.requires_settings && is_required && !is_given(&setting.name)
    }

    /// Returns the name and the variable of a setting, and of its alternative.
    fn describe(&self, setting: &Setting) -> String {
        let with_variable = |name: &str| format!("{name} ({})", variable_of(name));
        match &setting.requirement {
            Requirement::RequiredUnless(other) if self.known.reads(other) => {
                format!("{} or {}", with_variable(&setting.name), with_variable(other))
            }
            _ => with_variable(&setting.name),
        }
    }

    /// Collects the settings that the program does not accept.
    fn collect_unknown(&self, table: &Map<String, Value>, above: &str, unknown: &mut Vec<UnknownSetting>) {
        for (key, value) in table {
            let name = if above.is_empty() {
                key.clone()
            } else {
                format!("{above}.{key}")
            };
            let is_accepted = self.known.accepted().any(|setting| setting.name == name)
                || (self.known.program.accepts_others && self.known.is_read_elsewhere(&name));
            match &value.kind {
                _ if is_accepted => {}
                ValueKind::Table(inner) if !inner.is_empty() => self.collect_unknown(inner, &name, unknown),
                ValueKind::Table(_) if self.known.accepted().any(|setting| setting.section() == name) => {}
                _ => unknown.push(UnknownSetting::new(&self.known, name, value)),
            }
        }
    }
}

fn deserialize<T: DeserializeOwned>(settings: Map<String, Value>) -> Result<T, config::ConfigError> {
    T::deserialize(Value::new(None, ValueKind::Table(settings)))
}

/// Rejects a URI in place of a path. Otherwise a later error message would repeat the secret in it.
fn check_path(setting: &Setting, value: &Value) -> Result<(), SettingsError> {
    let is_uri = matches!(&value.kind, ValueKind::String(text) if text.contains("://"));
    if is_uri && setting.own_name().ends_with("_file") {
        return Err(SettingsError::unusable(
            &setting.name,
            "must be the path of a file that holds the secret, not the secret",
        ));
    }
    Ok(())
}

/// Returns the value of a setting in a tree of settings.
fn find_value<'a>(settings: &'a Value, name: &str) -> Option<&'a Value> {
    let step = |value: &'a Value, key: &str| match &value.kind {
        ValueKind::Table(table) => table.get(key),
        _ => None,
    };
    name.split('.').try_fold(settings, step)
}

fn describe_origin(name: &str, value: &Value) -> String {
    match value.origin() {
        None => "default".to_owned(),
        Some(ENVIRONMENT) => format!("environment {}", variable_of(name)),
        Some(file) => format!("file {file}"),
    }
}
