use std::fmt::Write as _;
use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::register::{SETTINGS, environment, setting};
use super::setting::{Binary, Need, Setting};
use super::{IssuerSettings, SenderSettings, ServiceSettings, SettingsError};

/// The origin that the library gives to a variable; a default has none, and a file its path.
const ENVIRONMENT: &str = "the environment";

/// Settings in force, known to be known. What is missing is told when they are read.
#[derive(Debug)]
pub struct Loaded {
    binary: Binary,
    merged: Config,
}

impl Loaded {
    pub(super) fn over(
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
        let merged = builder.add_source(environment).build()?;
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

    /// The settings as `T` sees them.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        let missing = self.missing();
        if missing.is_empty() {
            Ok(self.merged.clone().try_deserialize()?)
        } else {
            Err(SettingsError::Missing(missing))
        }
    }

    /// What every service reads, checked.
    pub fn service(&self) -> Result<ServiceSettings, SettingsError> {
        self.read::<ServiceSettings>()?.checked()
    }

    /// What the issuer of tokens reads besides, checked.
    pub fn issuer(&self) -> Result<IssuerSettings, SettingsError> {
        self.read::<IssuerSettings>()?.checked()
    }

    /// What the sender of codes reads besides, checked.
    pub fn sender(&self) -> Result<SenderSettings, SettingsError> {
        self.read::<SenderSettings>()?.checked()
    }

    /// Each setting on a line, with where its value came from. No secret is among them: there are only paths to those.
    pub fn print(&self) -> String {
        let mut lines = String::new();
        for setting in self.own() {
            let name = setting.name;
            let _ = match value(&self.merged, name) {
                Some(value) => writeln!(lines, "{name} = {}  # from {}", shown(value), origin(name, value)),
                None if self.is_missing(setting) => writeln!(lines, "# missing: {}", self.in_words(name)),
                None => writeln!(lines, "# {name} is not set"),
            };
        }
        lines
    }

    fn own(&self) -> impl Iterator<Item = &'static Setting> {
        let binary = self.binary;
        SETTINGS.iter().filter(move |setting| setting.is_read_by(binary))
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.own().filter(|setting| self.is_missing(setting));
        missing.map(|setting| self.in_words(setting.name)).collect()
    }

    /// Only services require anything: the local binary helps itself.
    fn is_missing(&self, setting: &Setting) -> bool {
        let is_given = |name: &str| value(&self.merged, name).is_some();
        let is_needed = match setting.need {
            Need::Optional => false,
            Need::Required => true,
            Need::RequiredUnless(other) => !(self.reads(other) && is_given(other)),
        };
        self.binary.context().is_some() && is_needed && !is_given(setting.name)
    }

    fn reads(&self, name: &str) -> bool {
        setting(name).is_some_and(|setting| setting.is_read_by(self.binary))
    }

    /// A setting and its alternative, each with its variable.
    fn in_words(&self, name: &str) -> String {
        let with_variable = |name: &str| format!("{name} ({})", environment(name));
        match setting(name).map(|setting| setting.need) {
            Some(Need::RequiredUnless(other)) if self.reads(other) => {
                format!("{} or {}", with_variable(name), with_variable(other))
            }
            _ => with_variable(name),
        }
    }
}

/// Names that the binary does not accept, by their whole path.
fn collect_unknown(binary: Binary, table: &Map<String, Value>, above: &str, unknown: &mut Vec<String>) {
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
            _ => unknown.push(name),
        }
    }
}

/// The value of a setting, if it has one.
pub(super) fn value<'a>(settings: &'a Config, name: &str) -> Option<&'a Value> {
    let step = |value: &'a Value, key: &str| match &value.kind {
        ValueKind::Table(table) => table.get(key),
        _ => None,
    };
    name.split('.').try_fold(&settings.cache, step)
}

fn origin(name: &str, value: &Value) -> String {
    match value.origin() {
        None => "default".to_owned(),
        Some(ENVIRONMENT) => format!("environment {}", environment(name)),
        Some(file) => format!("file {file}"),
    }
}

/// A value as TOML writes it. Somebody may have put a password where none belongs.
pub(super) fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) if text.contains("://") && text.contains('@') => {
            "(not shown: it may hold a password)".to_owned()
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
