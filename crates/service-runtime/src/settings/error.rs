//! Errors in settings. Each names the setting and the source of its value, and contains no secret.

use std::fmt;

use config::{ConfigError, Value, ValueKind};
use domain::names::{edit_distance, nearest};

use super::known::KnownSettings;
use super::setting::{ENVIRONMENT, Setting, format_value, variable_of};

/// The error of loading or validating settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the settings cannot be read: {0}")]
    Unreadable(String),
    #[error("{}", describe_unknown(.0))]
    Unknown(Vec<UnknownSetting>),
    #[error("missing {}: {}", plural("setting", .0.len()), .0.join(", "))]
    Missing(Vec<String>),
    #[error("`{name}` must be {expected}, not {given} ({source_name})")]
    WrongType {
        name: String,
        expected: String,
        /// The value, or only its kind if it may be a secret.
        given: String,
        /// The variable or the file that sets the value.
        source_name: String,
    },
    #[error("`{name}` {what}")]
    Unusable { name: String, what: String },
}

impl SettingsError {
    /// Creates the error of a setting whose value has the right type but cannot be used.
    pub fn unusable(name: &str, what: impl Into<String>) -> Self {
        Self::Unusable {
            name: name.to_owned(),
            what: what.into(),
        }
    }

    /// Creates the error of a setting whose value has another type, or is outside of its limits.
    pub(super) fn wrong_value(setting: &Setting, value: &Value) -> Self {
        Self::WrongType {
            name: setting.name.clone(),
            expected: setting.describe_expectation(value),
            given: match &value.kind {
                ValueKind::Array(_) if setting.is_list() => "this list".to_owned(),
                _ => describe_given(setting, value),
            },
            source_name: source_of(&setting.name, value),
        }
    }

    /// Creates the error of defaults, a file or variables that cannot be read. Omits values, which may be secrets.
    pub(super) fn from_reading(error: &ConfigError) -> Self {
        Self::Unreadable(match error {
            ConfigError::FileParse { uri, cause } => {
                let file = uri.as_deref().unwrap_or("the defaults");
                format!("{file}: {}", without_source_line(&cause.to_string()))
            }
            // The library appends the value of a variable that is not Unicode.
            ConfigError::Message(message) => message.split(": ").next().unwrap_or_default().to_owned(),
            other => other.to_string(),
        })
    }
}

/// Returns the position and the reason of a TOML error. The lines in between repeat the file and may hold a secret.
fn without_source_line(error: &str) -> String {
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next_back() {
        Some(last) => format!("{first}: {last}"),
        None => first.to_owned(),
    }
}

/// Returns the value of a setting, or only its kind if the value may be a secret.
fn describe_given(setting: &Setting, value: &Value) -> String {
    match &value.kind {
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Nil => "an empty value".to_owned(),
        ValueKind::String(_) if may_hold_secret(setting) => "this string".to_owned(),
        _ if may_hold_secret(setting) => "a number or a boolean".to_owned(),
        _ => format_value(value),
    }
}

/// Returns whether the name suggests a secret. No setting holds one, but an operator may give a secret by mistake, such as
/// a password in place of its file.
fn may_hold_secret(setting: &Setting) -> bool {
    // The section is left out: `tokens.refresh_grace` and `keys.cache_time` are durations.
    let own_name = setting.own_name();
    let is_secret = |word| own_name.contains(word);
    own_name.ends_with("_file") || ["password", "secret", "key", "token"].into_iter().any(is_secret)
}

/// Returns the variable or the file that sets a value.
fn source_of(name: &str, value: &Value) -> String {
    // The library merges sections, so a section has no origin, but each value in it has.
    if let ValueKind::Table(section) = &value.kind
        && let Some((key, value)) = section.iter().next()
    {
        return source_of(&format!("{name}.{key}"), value);
    }
    match value.origin() {
        None => "default".to_owned(),
        Some(ENVIRONMENT) => format!("variable {}", variable_of(name)),
        Some(file) => format!("file {file}"),
    }
}

/// A setting that the binary does not accept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownSetting {
    /// The whole path, such as `http.listen`.
    name: String,
    is_variable: bool,
    hint: Hint,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Hint {
    /// The setting exists, but another binary reads it.
    ReadElsewhere,
    /// It is the name of a section.
    Section,
    /// The accepted name with the fewest edits.
    Nearest(String),
    /// No accepted name is similar.
    None,
}

impl UnknownSetting {
    pub(super) fn new(known: &KnownSettings, name: String, value: &Value) -> Self {
        // A name that differs in more than half of its characters is another word.
        let is_similar = |other: &&str| edit_distance(&name, other) * 2 <= name.chars().count();
        let accepted = known.accepted().map(|setting| setting.name.as_str());
        let hint = if known.is_read_elsewhere(&name) {
            Hint::ReadElsewhere
        } else if known.is_section(&name) {
            Hint::Section
        } else {
            nearest(&name, accepted)
                .filter(is_similar)
                .map_or(Hint::None, |nearest| Hint::Nearest(nearest.to_owned()))
        };
        Self {
            name,
            is_variable: value.origin() == Some(ENVIRONMENT),
            hint,
        }
    }

    /// Returns the whole path, such as `http.listen`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name in the form that the operator used: the name of a variable, or of a setting.
    fn display_name(&self, name: &str) -> String {
        if self.is_variable {
            format!("`{}`", variable_of(name))
        } else {
            format!("`{name}`")
        }
    }

    fn kind(&self) -> &'static str {
        if self.is_variable {
            "environment variable"
        } else {
            "setting"
        }
    }

    fn hint(&self) -> String {
        match &self.hint {
            Hint::ReadElsewhere => "only other programs of AuthMe read it".to_owned(),
            Hint::Section => "it is a section, and its settings need names".to_owned(),
            Hint::Nearest(nearest) => format!("did you mean {}?", self.display_name(nearest)),
            Hint::None => "no setting has a similar name".to_owned(),
        }
    }
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown {} {}; {}",
            self.kind(),
            self.display_name(&self.name),
            self.hint()
        )
    }
}

/// Describes one unknown setting in a sentence, or several as a list per kind.
fn describe_unknown(unknown: &[UnknownSetting]) -> String {
    if let [only] = unknown {
        return only.to_string();
    }
    let list = |is_variable: bool| {
        let listed: Vec<_> = unknown
            .iter()
            .filter(|setting| setting.is_variable == is_variable)
            .collect();
        let kind = plural(listed.first()?.kind(), listed.len());
        let names: Vec<String> = listed
            .iter()
            .map(|setting| format!("{} ({})", setting.display_name(&setting.name), setting.hint()))
            .collect();
        Some(format!("unknown {kind}: {}", names.join(", ")))
    };
    let lists: Vec<String> = [false, true].into_iter().filter_map(list).collect();
    lists.join("; ")
}

fn plural(noun: &str, count: usize) -> String {
    if count == 1 {
        noun.to_owned()
    } else {
        format!("{noun}s")
    }
}
