use std::fmt::Write as _;
use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::UnknownSetting;
use super::setting::{Requirement, Setting, variable_of};
use super::{Section, SettingsError};

/// The origin that the library gives to a variable. A default has no origin, and the origin of a file is its path.
pub(super) const ENVIRONMENT: &str = "the environment";

/// The settings that a program knows.
#[derive(Debug, Clone)]
pub struct Program {
    /// The sections that the program reads.
    pub sections: Vec<Section>,
    /// The sections that other programs read.
    pub others: Vec<Section>,
    /// The names of sections that other programs read and that this one cannot list, since it does not contain what they
    /// configure.
    pub unlisted: &'static [&'static str],
    /// `true` if settings of other programs may be given, so that one file can configure all services.
    pub accepts_others: bool,
    /// `true` if the required settings must be given. `authme` generates what it needs.
    pub requires_settings: bool,
    /// The defaults that differ from those of the sections, in TOML.
    pub defaults: &'static str,
}

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
        let read = catalog(&self.sections);
        let mut others = catalog(&self.others);
        others.retain(|other| read.iter().all(|setting| setting.name != other.name));
        let loaded = Loaded {
            merged: merge_sources(&read, self.defaults, file, environment)
                .map_err(|error| SettingsError::from_reading(&error))?,
            program: self,
            read,
            others,
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
    settings: &[Setting],
    defaults: &str,
    file: Option<&Path>,
    environment: Environment,
) -> Result<Config, config::ConfigError> {
    let mut builder = Config::builder();
    for setting in settings {
        if let Some(default) = &setting.default {
            builder = builder.set_default(&setting.name, default.clone())?;
        }
    }
    builder = builder.add_source(File::from_str(defaults, FileFormat::Toml));
    if let Some(file) = file {
        builder = builder.add_source(File::from(file).format(FileFormat::Toml));
    }
    let environment = environment.prefix_separator("__").separator("__").ignore_empty(true);
    let mut merged = builder.add_source(environment).build()?;
    for setting in settings.iter().filter(|setting| setting.is_list()) {
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

/// Returns the settings of sections, each once. Parts of the same section follow each other.
pub(super) fn catalog(sections: &[Section]) -> Vec<Setting> {
    let mut catalog: Vec<Setting> = Vec::new();
    for setting in sections.iter().flat_map(Section::settings) {
        if catalog.iter().any(|known| known.name == setting.name) {
            continue;
        }
        let last_of_section = catalog.iter().rposition(|known| known.section() == setting.section());
        catalog.insert(last_of_section.map_or(catalog.len(), |last| last + 1), setting);
    }
    catalog
}

/// The settings in force. All names are known. Reading them reports missing settings.
#[derive(Debug)]
pub struct Loaded {
    program: Program,
    /// The settings that the program reads.
    read: Vec<Setting>,
    /// The settings that only other programs read.
    others: Vec<Setting>,
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
            if let (Some(value), true) = (value, self.reads(&setting.name)) {
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

    /// Formats each setting on a line, with the source of its value. Settings hold the paths of secrets, not the secrets.
    pub fn print(&self) -> String {
        let mut lines = String::new();
        for setting in &self.read {
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
        let missing = self.read.iter().filter(|setting| self.is_missing(setting));
        missing.map(|setting| self.describe(setting)).collect()
    }

    /// Returns whether a required setting has no value.
    fn is_missing(&self, setting: &Setting) -> bool {
        let is_given = |name: &str| find_value(&self.merged.cache, name).is_some();
        let is_required = match &setting.requirement {
            Requirement::Optional => false,
            Requirement::Required => true,
            Requirement::RequiredUnless(other) => !(self.reads(other) && is_given(other)),
        };
        self.program.requires_settings && is_required && !is_given(&setting.name)
    }

    /// Returns the name and the variable of a setting, and of its alternative.
    fn describe(&self, setting: &Setting) -> String {
        let with_variable = |name: &str| format!("{name} ({})", variable_of(name));
        match &setting.requirement {
            Requirement::RequiredUnless(other) if self.reads(other) => {
                format!("{} or {}", with_variable(&setting.name), with_variable(other))
            }
            _ => with_variable(&setting.name),
        }
    }

    fn reads(&self, name: &str) -> bool {
        self.read.iter().any(|setting| setting.name == name)
    }

    /// Returns the settings that may be given.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Setting> {
        let others = self.others.iter().filter(|_| self.program.accepts_others);
        self.read.iter().chain(others)
    }

    /// Returns whether only other programs read a setting.
    pub(super) fn is_read_elsewhere(&self, name: &str) -> bool {
        let is_unlisted = name
            .split_once('.')
            .is_some_and(|(section, _)| self.is_unlisted(section));
        is_unlisted || self.others.iter().any(|setting| setting.name == name)
    }

    pub(super) fn is_section(&self, name: &str) -> bool {
        let mut known = self.read.iter().chain(&self.others);
        self.is_unlisted(name) || known.any(|setting| setting.section() == name)
    }

    fn is_unlisted(&self, section: &str) -> bool {
        self.program.unlisted.contains(&section)
    }

    /// Collects the settings that the program does not accept.
    fn collect_unknown(&self, table: &Map<String, Value>, above: &str, unknown: &mut Vec<UnknownSetting>) {
        for (key, value) in table {
            let name = if above.is_empty() {
                key.clone()
            } else {
                format!("{above}.{key}")
            };
            let is_accepted = self.accepted().any(|setting| setting.name == name)
                || (self.program.accepts_others && self.is_read_elsewhere(&name));
            match &value.kind {
                _ if is_accepted => {}
                ValueKind::Table(inner) if !inner.is_empty() => self.collect_unknown(inner, &name, unknown),
                ValueKind::Table(_) if self.accepted().any(|setting| setting.section() == name) => {}
                _ => unknown.push(UnknownSetting::new(self, name, value)),
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
