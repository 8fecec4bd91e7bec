//! The texts around a code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use minijinja::value::Value;
use ports::factors::CodeMessage;
use serde::Deserialize;

use crate::error::{OpenError, SendError};
use crate::settings::TextsSettings;
use crate::templates::{Template, TemplateError};

const PLACEHOLDERS: &[&str] = &["code", "minutes", "client"];

const BUILT_IN: [(&str, &str); 2] = [
    ("pt", include_str!("../texts/pt.toml")),
    ("en", include_str!("../texts/en.toml")),
];

/// A file of texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextsFile {
    subject: String,
    mail: String,
    text_message: String,
}

/// The texts with one name.
pub(crate) struct Texts {
    subject: Template,
    mail: Template,
    text_message: Template,
}

impl Texts {
    fn read(name: &str, path: &Path, content: &str) -> Result<Self, OpenError> {
        let file: TextsFile = toml::from_str(content).map_err(|source| OpenError::Texts {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let sample = || ["012345".into(), 10.into(), "com.example.portal".into()];
        let part = |part, source| {
            let template = Template::plain(source, PLACEHOLDERS);
            let filled = template.and_then(|template| {
                let filled = template.render(sample()).map_err(TemplateError::from)?;
                Ok((template, filled))
            });
            filled.map_err(|source| OpenError::Text {
                name: name.to_owned(),
                part,
                source,
            })
        };
        let (subject, filled) = part("subject", file.subject)?;
        if filled.contains(['\r', '\n']) {
            return Err(OpenError::LongSubject(name.to_owned()));
        }
        Ok(Self {
            subject,
            mail: part("mail", file.mail)?.0,
            text_message: part("text message", file.text_message)?.0,
        })
    }

    pub(crate) fn subject(&self, message: &CodeMessage) -> Result<String, SendError> {
        fill(&self.subject, message)
    }

    pub(crate) fn mail(&self, message: &CodeMessage) -> Result<String, SendError> {
        fill(&self.mail, message)
    }

    pub(crate) fn text_message(&self, message: &CodeMessage) -> Result<String, SendError> {
        fill(&self.text_message, message)
    }
}

fn fill(template: &Template, message: &CodeMessage) -> Result<String, SendError> {
    let values: [Value; 3] = [
        message.code.reveal().into(),
        minutes(message).into(),
        message.client.as_str().into(),
    ];
    // The message of a template error may contain the code, so only its kind is kept.
    template.render(values).map_err(|error| SendError::Text(error.kind()))
}

/// Returns the number of whole minutes for which the code is valid, but at least one.
pub(crate) fn minutes(message: &CodeMessage) -> i64 {
    message.expires_at.duration_since(message.sent_at).as_mins().max(1)
}

/// All texts, by name.
pub(crate) struct MessageTemplates {
    named: BTreeMap<String, Arc<Texts>>,
    default: Arc<Texts>,
}

impl MessageTemplates {
    pub(crate) fn open(settings: &TextsSettings) -> Result<Self, OpenError> {
        let mut named = BTreeMap::new();
        for (name, content) in BUILT_IN {
            named.insert(name.to_owned(), Arc::new(Texts::read(name, Path::new(name), content)?));
        }
        if let Some(directory) = &settings.directory {
            named.extend(read_all(directory)?);
        }
        let Some(default) = named.get(&settings.default).cloned() else {
            return Err(OpenError::NoSuchTexts {
                name: settings.default.clone(),
                known: named.into_keys().collect::<Vec<_>>().join(", "),
            });
        };
        Ok(Self { named, default })
    }

    /// Returns the texts that the client chose, or the default texts if it chose none or the chosen ones do not exist.
    pub(crate) fn select(&self, message: &CodeMessage) -> &Texts {
        let Some(name) = &message.message_templates else {
            return &self.default;
        };
        self.named.get(name).unwrap_or_else(|| {
            tracing::warn!(
                challenge = message.challenge.as_str(),
                client = message.client.as_str(),
                texts = name,
                "the client chose texts that do not exist; the default texts are sent"
            );
            &self.default
        })
    }
}

/// Reads the texts of each file `NAME.toml` in a folder.
fn read_all(directory: &Path) -> Result<BTreeMap<String, Arc<Texts>>, OpenError> {
    let unreadable = |source| OpenError::unreadable(directory, source);
    let mut named = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read_to_string(&path).map_err(|source| OpenError::unreadable(&path, source))?;
        let texts = Texts::read(&name, &path, &content)?;
        named.insert(name, Arc::new(texts));
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use domain::contact::ContactValue;

    use super::*;
    use crate::fixtures;

    const COMPLETE: &str = "subject = 'S'\nmail = 'M {{ code }}'\ntext_message = 'T {{ code }}'";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn open(folder: &tempfile::TempDir, default: &str) -> Result<MessageTemplates, OpenError> {
        MessageTemplates::open(&TextsSettings {
            default: default.to_owned(),
            directory: Some(folder.path().to_owned()),
        })
    }

    fn message(texts: Option<&str>) -> CodeMessage {
        CodeMessage {
            message_templates: texts.map(str::to_owned),
            ..fixtures::message(fixtures::email("ana@example.com"))
        }
    }

    fn open_error(content: &str) -> String {
        let folder = folder(&[("de.toml", content)]);
        let error = open(&folder, "pt").err().unwrap();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    }

    #[test]
    fn built_in_texts_contain_code_life_and_client() {
        let templates = MessageTemplates::open(&TextsSettings::default()).unwrap();
        for name in [None, Some("pt"), Some("en")] {
            let message = message(name);
            let texts = templates.select(&message);
            for text in [texts.mail(&message).unwrap(), texts.text_message(&message).unwrap()] {
                assert!(text.contains(message.code.reveal()), "{text}");
                assert!(
                    text.contains(" 10 min") && text.contains("com.example.portal"),
                    "{text}"
                );
            }
            assert!(!texts.subject(&message).unwrap().contains(message.code.reveal()));
        }
        let text_of = |name| {
            let message = message(name);
            templates.select(&message).text_message(&message).unwrap()
        };
        assert_eq!(text_of(None), text_of(Some("pt")));
        assert_ne!(text_of(None), text_of(Some("en")));
    }

    #[test]
    fn built_in_text_messages_fit_into_one_part() {
        let templates = MessageTemplates::open(&TextsSettings::default()).unwrap();
        for name in ["pt", "en"] {
            let message = message(Some(name));
            let text = templates.select(&message).text_message(&message).unwrap();
            assert!(text.is_ascii() && text.len() <= 160, "{} {text}", text.len());
        }
    }

    #[test]
    fn a_folder_adds_and_replaces_texts() {
        let folder = folder(&[("de.toml", COMPLETE), ("pt.toml", COMPLETE), ("README.md", "")]);
        let templates = open(&folder, "de").unwrap();
        for name in [None, Some("de"), Some("pt")] {
            let message = message(name);
            assert_eq!(templates.select(&message).subject(&message).unwrap(), "S");
        }
        let english = message(Some("en"));
        assert_ne!(templates.select(&english).subject(&english).unwrap(), "S");
    }

    #[test]
    fn unknown_texts_fall_back_to_the_default() {
        let templates = open(&folder(&[("de.toml", COMPLETE)]), "de").unwrap();
        let message = message(Some("xx"));
        assert_eq!(templates.select(&message).subject(&message).unwrap(), "S");
    }

    #[test]
    fn invalid_texts_are_rejected_on_open() {
        let unknown = COMPLETE.replace("M {{ code }}", "M {{ pin }}");
        assert_eq!(
            open_error(&unknown),
            "the mail of the texts `de` is invalid: `{{ pin }}` is not one of the placeholders code, minutes, client"
        );
        let unclosed = COMPLETE.replace("T {{ code }}", "T {{ code");
        assert!(open_error(&unclosed).starts_with("the text message of the texts `de` is invalid"));
        assert!(open_error(&COMPLETE.replace("'S'", "\"S\\nBcc: all@example.com\"")).contains("more than one line"));
        assert!(open_error("subject = 'S'").contains("missing field `mail`"));
        assert!(open_error(&format!("{COMPLETE}\nmial = ''")).contains("unknown field `mial`"));
        let missing = open(&folder(&[]), "de").err().unwrap().to_string();
        assert_eq!(missing, "there are no texts named `de`, only en, pt");
        let nowhere = TextsSettings {
            directory: Some("/no/such/folder".into()),
            ..TextsSettings::default()
        };
        assert!(matches!(
            MessageTemplates::open(&nowhere),
            Err(OpenError::Unreadable { .. })
        ));
    }

    #[test]
    fn minutes_are_whole_and_at_least_one() {
        let lasting = |seconds| {
            let mut message = fixtures::message(ContactValue::Email(fixtures::address("ana@example.com")));
            message.expires_at = domain::time::after(message.sent_at, std::time::Duration::from_secs(seconds));
            minutes(&message)
        };
        assert_eq!([1, 59, 60, 119, 600].map(lasting), [1, 1, 1, 1, 10]);
    }
}
