use std::fmt::Write as _;

use super::Section;
use super::known::catalog;
use super::setting::format_value;
use super::setting::{Requirement, Setting, variable_of};

/// Renders the settings of the services as a Markdown table. A service is the name of its context and the sections that
/// it reads.
pub fn settings_table(services: &[(&str, Vec<Section>)]) -> String {
    let mut table =
        "| setting | environment | default | read by | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let names = |sections: &[Section]| catalog(sections).into_iter().map(|setting| setting.name).collect();
    let read_by: Vec<(&str, Vec<String>)> = services.iter().map(|(name, read)| (*name, names(read))).collect();
    let all: Vec<Section> = services.iter().flat_map(|(_, sections)| sections.clone()).collect();
    for setting in catalog(&all) {
        let _ = writeln!(
            table,
            "| `{}` | `{}` | {} | {} | {} |",
            setting.name,
            variable_of(&setting.name),
            default(&setting),
            readers(&setting, &read_by),
            setting.meaning()
        );
    }
    table
}

fn default(setting: &Setting) -> String {
    match (&setting.default, &setting.requirement) {
        (Some(value), _) => format!("`{}`", format_value(value)),
        (None, Requirement::Optional) => "none".to_owned(),
        (None, Requirement::Required) => "**required**".to_owned(),
        (None, Requirement::RequiredUnless(other)) => format!("**required**, or `{other}`"),
    }
}

fn readers(setting: &Setting, services: &[(&str, Vec<String>)]) -> String {
    let readers: Vec<&str> = services
        .iter()
        .filter(|(_, names)| names.contains(&setting.name))
        .map(|(service, _)| *service)
        .collect();
    if readers.len() == services.len() {
        "all".to_owned()
    } else {
        readers.join(", ")
    }
}
