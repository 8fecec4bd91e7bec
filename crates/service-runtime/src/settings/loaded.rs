use std::fmt::Write as _;
use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::catalog::{SETTINGS, find, variable_of};
use super::error::UnknownSetting;
use super::setting::{Binary, Requirement, Setting};
use super::{IssuerSettings, SenderSettings, ServiceSettings, SettingsError};

/// The origin that the library gives to a variable. A default has no origin, and the origin of a file is its path.
pub(super) const ENVIRONMENT: &str = "the environment";

/// The settings in force. All names are known. Reading them reports missing settings.
#[derive(Debug)]
pub struct Loaded {
    binary: Binary,
    merged: Config,
}

impl Loaded {
    pub(super) fn merge(
        binary: Binary,
        defaults: &str,
        file: Option<&Path>,
        environment: Environment,
    ) -> Result<Self, SettingsError> {
        let mut builder = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = environment.prefix_separator("__").separator("__").ignore_empty(true);
        let merged = builder.add_source(environment).build();
        let merged = merged.map_err(|error| SettingsError::from_reading(&error))?;
        let mut unknown = Vec::new();
        if let ValueKind::Table(root) = &merged.cache.kind {
            collect_unknown(binary, root, "", &mut unknown);
        }
        if unknown.is_empty() {
            Ok(Self { binary, merged })
        } else {
            unknown.sort();
            Err(SettingsError::Unknown(unknown))
        }
    }

    /// Deserializes the settings that `T` declares.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        let missing = self.missing();
        if missing.is_empty() {
            let settings = self.merged.clone().try_deserialize();
            settings.map_err(|error| SettingsError::wrong_type(&error, &self.merged.cache))
        } else {
            Err(SettingsError::Missing(missing))
        }
    }

    /// Returns the settings that every service reads, validated.
    pub fn service(&self) -> Result<ServiceSettings, SettingsError> {
        self.read::<ServiceSettings>()?.validate()
    }

    /// Returns the further settings of the service `tokens`, validated.
    pub fn issuer(&self) -> Result<IssuerSettings, SettingsError> {
        self.read::<IssuerSettings>()?.validate()
    }

    /// Returns the further settings of the service `factors`, validated.
    pub fn sender(&self) -> Result<SenderSettings, SettingsError> {
        self.read::<SenderSettings>()?.validate()
    }

    /// Formats each setting on a line, with the source of its value. Settings hold the paths of secrets, not the secrets.
    pub fn print(&self) -> String {
        let mut lines = String::new();
        for setting in self.settings() {
            let name = setting.name;
            let _ = match find_value(&self.merged.cache, name) {
                Some(value) => writeln!(
                    lines,
                    "{name} = {}  # from {}",
                    format_value(value),
                    describe_origin(name, value)
                ),
                None if self.is_missing(setting) => writeln!(lines, "# missing: {}", self.describe(name)),
                None => writeln!(lines, "# {name} is not set"),
            };
        }
        lines
    }

    /// Returns the settings that the binary reads.
    fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        let binary = self.binary;
        SETTINGS.iter().filter(move |setting| setting.is_read_by(binary))
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.settings().filter(|setting| self.is_missing(setting));
        missing.map(|setting| self.describe(setting.name)).collect()
    }

    /// Returns whether a required setting has no value. Only services require any: `authme` generates what it needs.
    fn is_missing(&self, setting: &Setting) -> bool {
        let is_given = |name: &str| find_value(&self.merged.cache, name).is_some();
        let is_required = match setting.requirement {
            Requirement::Optional => false,
            Requirement::Required => true,
            Requirement::RequiredUnless(other) => !(self.reads(other) && is_given(other)),
        };
        self.binary.context().is_some() && is_required && !is_given(setting.name)
    }

    fn reads(&self, name: &str) -> bool {
        find(name).is_some_and(|setting| setting.is_read_by(self.binary))
    }

    /// Returns the name and the variable of a setting, and of its alternative.
    fn describe(&self, name: &str) -> String {
        let with_variable = |name: &str| format!("{name} ({})", variable_of(name));
        match find(name).map(|setting| setting.requirement) {
            Some(Requirement::RequiredUnless(other)) if self.reads(other) => {
                format!("{} or {}", with_variable(name), with_variable(other))
            }
            _ => with_variable(name),
        }
    }
}

/// Collects the settings that the binary does not accept.
fn collect_unknown(binary: Binary, table: &Map<String, Value>, above: &str, unknown: &mut Vec<UnknownSetting>) {
    for (key, value) in table {
        let name = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        let mut accepted = SETTINGS.iter().filter(|setting| binary.accepts(setting));
        match &value.kind {
            _ if accepted.clone().any(|setting| setting.name == name) => {}
            ValueKind::Table(inner) if !inner.is_empty() => collect_unknown(binary, inner, &name, unknown),
            ValueKind::Table(_) if accepted.any(|setting| setting.is_in(&name)) => {}
            _ => unknown.push(UnknownSetting::new(binary, name, value)),
        }
    }
}

/// Returns the value of a setting in a tree of settings.
pub(super) fn find_value<'a>(settings: &'a Value, name: &str) -> Option<&'a Value> {
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

/// Formats a value as TOML. A URI with an `@` is left out: no setting should hold a password, but this one may.
pub(super) fn format_value(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) if text.contains("://") && text.contains('@') => {
            "(not shown: it may hold a password)".to_owned()
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(values) => format!("[{}]", values.iter().map(format_value).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
