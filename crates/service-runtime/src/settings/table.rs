use std::fmt::Write as _;

use config::{Config, File, FileFormat, ValueKind};

use super::SettingsError;
use super::loaded::{shown, value};
use super::register::{SETTINGS, environment};
use super::setting::{Need, SERVICES, Setting};

/// Every setting of the services as a table in Markdown; `defaults` are the texts of their defaults.
pub fn settings_table(defaults: &[&str]) -> Result<String, SettingsError> {
    let mut builder = Config::builder();
    for text in defaults {
        builder = builder.add_source(File::from_str(text, FileFormat::Toml));
    }
    let defaults = builder.build()?;
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

/// A list has no variable.
fn variable(defaults: &Config, setting: &Setting) -> String {
    match value(defaults, setting.name).map(|value| &value.kind) {
        Some(ValueKind::Array(_)) => "only in a file".to_owned(),
        _ => format!("`{}`", environment(setting.name)),
    }
}

fn default(defaults: &Config, setting: &Setting) -> String {
    match (value(defaults, setting.name), setting.need) {
        (Some(value), _) => format!("`{}`", shown(value)),
        (None, Need::Optional) => "none".to_owned(),
        (None, Need::Required) => "**required**".to_owned(),
        (None, Need::RequiredUnless(other)) => format!("**required**, or `{other}`"),
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
