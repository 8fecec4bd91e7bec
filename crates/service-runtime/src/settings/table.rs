use std::fmt::Write as _;

use config::{Config, File, FileFormat, ValueKind};

use super::SettingsError;
use super::catalog::{SETTINGS, variable_of};
use super::loaded::{find_value, format_value};
use super::setting::{Requirement, SERVICES, Setting};

/// Renders the settings of the services as a Markdown table. `defaults` are the contents of their default files (TOML).
pub fn settings_table(defaults: &[&str]) -> Result<String, SettingsError> {
    let mut builder = Config::builder();
    for text in defaults {
        builder = builder.add_source(File::from_str(text, FileFormat::Toml));
    }
    let defaults = builder.build().map_err(|error| SettingsError::from_reading(&error))?;
    let mut table =
        "| setting | environment | default | read by | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for setting in SETTINGS {
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            setting.name,
            variable(&defaults, setting),
            default(&defaults, setting),
            readers(setting),
            setting.meaning
        );
    }
    Ok(table)
}

/// Returns the variable of a setting. A list can be set in a file only.
fn variable(defaults: &Config, setting: &Setting) -> String {
    match find_value(&defaults.cache, setting.name).map(|value| &value.kind) {
        Some(ValueKind::Array(_)) => "only in a file".to_owned(),
        _ => format!("`{}`", variable_of(setting.name)),
    }
}

fn default(defaults: &Config, setting: &Setting) -> String {
    match (find_value(&defaults.cache, setting.name), setting.requirement) {
        (Some(value), _) => format!("`{}`", format_value(value)),
        (None, Requirement::Optional) => "none".to_owned(),
        (None, Requirement::Required) => "**required**".to_owned(),
        (None, Requirement::RequiredUnless(other)) => format!("**required**, or `{other}`"),
    }
}

fn readers(setting: &Setting) -> String {
    let readers: Vec<_> = SERVICES
        .iter()
        .filter(|service| setting.is_read_by(**service))
        .collect();
    if readers.len() == SERVICES.len() {
        return "all".to_owned();
    }
    let contexts: Vec<_> = readers.into_iter().filter_map(|service| service.context()).collect();
    contexts.join(", ")
}
