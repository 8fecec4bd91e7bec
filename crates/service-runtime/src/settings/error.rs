//! Errors in settings. Each names the setting and the source of its value, and contains no secret.

use std::fmt;

use config::{ConfigError, Value, ValueKind};
use domain::names::{edit_distance, nearest};

use super::catalog::{SETTINGS, find, variable_of};
use super::loaded::{ENVIRONMENT, find_value, format_value};
use super::setting::Binary;

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
    Unusable { name: &'static str, what: String },
}

impl SettingsError {
    pub(super) fn unusable(name: &'static str, what: impl Into<String>) -> Self {
        Self::Unusable {
            name,
            what: what.into(),
        }
    }

    /// Creates the error of a setting whose value does not have the expected type.
    pub(super) fn wrong_type(error: &ConfigError, settings: &Value) -> Self {
        let (key, expected) = match error {
            ConfigError::Type { key, expected, .. } => (key.as_deref(), Some(describe_type(expected))),
            ConfigError::At { key, error, .. } => (key.as_deref(), describe_expectation(error)),
            _ => (None, None),
        };
        // An element of a list has the key `name[0]`.
        let (name, is_element) = match key.unwrap_or_default().split_once('[') {
            Some((name, _)) => (name, true),
            None => (key.unwrap_or_default(), false),
        };
        let value = find_value(settings, name).filter(|_| !name.is_empty());
        match (value, describe_choices(name).or(expected)) {
            (Some(value), Some(expected)) => Self::WrongType {
                name: name.to_owned(),
                expected: match (is_element, &value.kind) {
                    (true, ValueKind::Array(_)) => format!("a list in which each element is {expected}"),
                    _ if is_out_of_range(&expected, value) => format!("{expected}, within the range of the setting"),
                    _ => expected,
                },
                given: match &value.kind {
                    ValueKind::Array(_) if is_element => "this list".to_owned(),
                    _ => describe_given(name, value),
                },
                source_name: source_of(name, value),
            },
            _ => Self::from_reading(error),
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
            ConfigError::Type { expected, .. } => format!("a value must be {}", describe_type(expected)),
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

/// Returns the only values that a setting may have.
fn describe_choices(name: &str) -> Option<String> {
    let (last, others) = find(name)?.choices.split_last()?;
    let others: Vec<String> = others.iter().map(|choice| format!("`{choice}`")).collect();
    Some(format!("{} or `{last}`", others.join(", ")))
}

const WHOLE_NUMBER: &str = "a whole number";
const AT_LEAST_ZERO: &str = "a whole number of at least 0";
const AT_LEAST_ONE: &str = "a whole number of at least 1";

/// Describes a type that the library expects, in the terms of TOML.
fn describe_type(expected: &str) -> String {
    let words = match expected {
        _ if expected.contains("nonzero") => AT_LEAST_ONE,
        _ if expected.contains("unsigned") => AT_LEAST_ZERO,
        _ if expected.contains("integer") => WHOLE_NUMBER,
        "a boolean" => "`true` or `false`",
        "a sequence" | "an array" => "a list, which only a file can give",
        "a map" => "a section",
        other => other,
    };
    words.to_owned()
}

/// Returns whether a value is a whole number of at least the minimum, although a whole number was expected: then it
/// does not fit into the type of the setting.
fn is_out_of_range(expected: &str, value: &Value) -> bool {
    let minimum = match expected {
        AT_LEAST_ONE => 1,
        AT_LEAST_ZERO => 0,
        WHOLE_NUMBER => i128::MIN,
        _ => return false,
    };
    let text = value.clone().into_string().unwrap_or_default();
    text.parse::<i128>().is_ok_and(|number| number >= minimum)
}

/// Returns the expected type or value that the message of a deserializer names.
fn describe_expectation(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::Type { expected, .. } => Some(describe_type(expected)),
        other => {
            let message = other.to_string();
            let (_, expected) = message.split_once("expected ")?;
            Some(describe_type(expected))
        }
    }
}

/// Returns the value of a setting, or only its kind if the value may be a secret.
fn describe_given(name: &str, value: &Value) -> String {
    match &value.kind {
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Nil => "an empty value".to_owned(),
        ValueKind::String(_) if may_hold_secret(name) => "this string".to_owned(),
        _ if may_hold_secret(name) => "a number or a boolean".to_owned(),
        _ => format_value(value),
    }
}

/// Returns whether the name suggests a secret. No setting holds one, but an operator may give a secret by mistake, such as
/// a password in place of its file.
fn may_hold_secret(name: &str) -> bool {
    // The section is left out: `tokens.refresh_grace` and `keys.cache_time` are durations.
    let own_name = name.rsplit('.').next().unwrap_or_default();
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
    Nearest(&'static str),
    /// No accepted name is similar.
    None,
}

impl UnknownSetting {
    pub(super) fn new(binary: Binary, name: String, value: &Value) -> Self {
        let accepted = SETTINGS.iter().filter(|setting| binary.accepts(setting));
        let is_section = SETTINGS
            .iter()
            .any(|setting| setting.name.split('.').next() == Some(&*name));
        // A name that differs in more than half of its characters is another word.
        let is_similar = |known: &&str| edit_distance(&name, known) * 2 <= name.chars().count();
        let hint = match find(&name) {
            Some(_) => Hint::ReadElsewhere,
            None if is_section => Hint::Section,
            None => nearest(&name, accepted.map(|setting| setting.name))
                .filter(is_similar)
                .map_or(Hint::None, Hint::Nearest),
        };
        Self {
            name,
            is_variable: value.origin() == Some(ENVIRONMENT),
            hint,
        }
    }

    #[cfg(test)]
    pub(super) fn name(&self) -> &str {
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
        match self.hint {
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
