use std::time::Duration;

use config::{Value, ValueKind};
use jiff::SignedDuration;

/// The origin that the library gives to a variable. A default has no origin, and the origin of a file is its path.
pub(super) const ENVIRONMENT: &str = "the environment";

/// Returns the environment variable of a setting.
pub(crate) fn variable_of(name: &str) -> String {
    format!("AUTHME__{}", name.replace('.', "__").to_uppercase())
}

/// A setting, as the struct of its section declares it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The whole path, such as `http.listen`.
    pub(super) name: String,
    /// The JSON schema of the value.
    schema: serde_json::Value,
    /// `None` if the setting has no default.
    pub(super) default: Option<Value>,
    pub(super) requirement: Requirement,
}

/// The condition under which a service needs a value to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requirement {
    Optional,
    Required,
    /// Required unless the other setting has a value, in services that read the other.
    RequiredUnless(String),
}

impl Setting {
    pub(super) fn new(section: &str, name: &str, schema: serde_json::Value, default: Value) -> Self {
        let is_optional = matches!(default.kind, ValueKind::Nil);
        let default = match &default.kind {
            ValueKind::Nil => None,
            ValueKind::String(text) if text.is_empty() => None,
            _ => Some(default),
        };
        let requirement = match schema.get("requiredUnless").and_then(|other| other.as_str()) {
            Some(other) => Requirement::RequiredUnless(other.to_owned()),
            None if is_optional || default.is_some() => Requirement::Optional,
            None => Requirement::Required,
        };
        Self {
            name: format!("{section}.{name}"),
            schema,
            default,
            requirement,
        }
    }

    /// Returns the name of the section, such as `http`.
    pub(super) fn section(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Returns the name without the section, such as `listen`.
    pub(super) fn own_name(&self) -> &str {
        self.name.split('.').next_back().unwrap_or_default()
    }

    /// Returns the documentation: the first paragraph of the field's doc comment, on one line.
    pub(super) fn meaning(&self) -> String {
        let description = self.text("description").unwrap_or_default();
        let paragraph = description.split("\n\n").next().unwrap_or_default();
        paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn is_list(&self) -> bool {
        self.has_type("array")
    }

    /// Returns whether a value that has the type of the setting is within its limits.
    pub(super) fn allows(&self, value: &Value) -> bool {
        if let Some(minimum) = self.minimum() {
            return whole_number(value).is_none_or(|number| number >= minimum);
        }
        let given = value.clone().into_string().ok();
        let given = given.and_then(|text| parse_duration(&text)).unwrap_or_default();
        self.shortest().is_none_or(|shortest| given >= shortest)
            && self.longest().is_none_or(|longest| given <= longest)
    }

    /// Describes the values that the setting may have, for an error about `given`.
    pub(super) fn describe_expectation(&self, given: &Value) -> String {
        let choices = self.choices();
        if let Some((last, others)) = choices.split_last() {
            let others: Vec<String> = others.iter().map(|choice| format!("`{choice}`")).collect();
            return format!("{} or `{last}`", others.join(", "));
        }
        match (self.is_list(), &given.kind) {
            (true, ValueKind::Array(_)) => "a list in which each element is a string".to_owned(),
            (true, _) => "a list".to_owned(),
            _ if self.has_type("boolean") => "`true` or `false`".to_owned(),
            _ if self.has_type("integer") => self.describe_whole_number(given),
            _ if self.text("format") == Some("duration") => self.describe_duration(given),
            _ => "a string".to_owned(),
        }
    }

    fn describe_whole_number(&self, given: &Value) -> String {
        let (number, minimum) = (whole_number(given), self.minimum().unwrap_or(i128::MIN));
        let words = if minimum > 0 || number.is_some_and(|number| number < minimum) {
            format!("a whole number of at least {minimum}")
        } else {
            "a whole number".to_owned()
        };
        match number {
            Some(number) if number >= minimum => format!("{words}, within the range of the setting"),
            _ => words,
        }
    }

    fn describe_duration(&self, given: &Value) -> String {
        let is_duration = given.clone().into_string().ok().and_then(|text| parse_duration(&text));
        let limits: Vec<String> = [
            ("least", self.text("formatMinimum")),
            ("most", self.text("formatMaximum")),
        ]
        .into_iter()
        .filter_map(|(word, limit)| Some(format!("at {word} {}", limit?)))
        .collect();
        match is_duration {
            Some(_) if !limits.is_empty() => format!("a duration of {}", limits.join(" and ")),
            _ => "a duration, such as 30s, 5m or 24h".to_owned(),
        }
    }

    /// Returns the only values that the setting may have. Empty if its type determines them.
    fn choices(&self) -> Vec<&str> {
        let choices = self.schema.get("enum").and_then(|choices| choices.as_array());
        choices
            .into_iter()
            .flatten()
            .filter_map(|choice| choice.as_str())
            .collect()
    }

    fn minimum(&self) -> Option<i128> {
        self.schema.get("minimum")?.as_i64().map(i128::from)
    }

    fn shortest(&self) -> Option<Duration> {
        parse_duration(self.text("formatMinimum")?)
    }

    fn longest(&self) -> Option<Duration> {
        parse_duration(self.text("formatMaximum")?)
    }

    /// Returns whether the schema has a type, alone or beside `null`.
    fn has_type(&self, name: &str) -> bool {
        match self.schema.get("type") {
            Some(serde_json::Value::Array(types)) => types.iter().any(|one| one == name),
            Some(only) => only == name,
            None => false,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.schema.get(key)?.as_str()
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()
}

/// Returns the whole number that a value is, or that its text is.
fn whole_number(value: &Value) -> Option<i128> {
    value.clone().into_string().ok()?.parse().ok()
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
