use super::Section;
use super::setting::Setting;

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

/// The settings that a program and the others know.
#[derive(Debug)]
pub(super) struct KnownSettings {
    pub(super) program: Program,
    /// The settings that the program reads.
    pub(super) read: Vec<Setting>,
    /// The settings that only other programs read.
    others: Vec<Setting>,
}

impl KnownSettings {
    pub(super) fn new(program: Program) -> Self {
        let read = catalog(&program.sections);
        let mut others = catalog(&program.others);
        others.retain(|other| read.iter().all(|setting| setting.name != other.name));
        Self { program, read, others }
    }

    pub(super) fn reads(&self, name: &str) -> bool {
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
}
