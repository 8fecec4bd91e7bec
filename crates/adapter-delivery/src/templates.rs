use std::collections::BTreeMap;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

/// The error of a template that is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("`{{{{ {found} }}}}` is not one of the placeholders {}", .known.join(", "))]
    UnknownPlaceholder {
        found: String,
        known: &'static [&'static str],
    },
    #[error("the template cannot be parsed or filled in")]
    Malformed(#[from] Error),
}

/// A text with placeholders.
pub(crate) struct Template {
    environment: Environment<'static>,
    placeholders: &'static [&'static str],
}

/// Each template has its own environment, so all of them can have the same name.
const NAME: &str = "template";

impl Template {
    /// Parses a template that inserts values verbatim.
    pub(crate) fn plain(source: String, placeholders: &'static [&'static str]) -> Result<Self, TemplateError> {
        Self::parse(source, placeholders, || AutoEscape::None)
    }

    /// Parses a template that inserts values as JSON.
    pub(crate) fn json(source: String, placeholders: &'static [&'static str]) -> Result<Self, TemplateError> {
        Self::parse(source, placeholders, || AutoEscape::Json)
    }

    fn parse(
        source: String,
        placeholders: &'static [&'static str],
        escape: fn() -> AutoEscape,
    ) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(move |_| escape());
        environment.add_template_owned(NAME, source)?;
        let found = environment.get_template(NAME)?.undeclared_variables(false);
        let unknown = found.into_iter().find(|name| !placeholders.contains(&name.as_str()));
        if let Some(found) = unknown {
            return Err(TemplateError::UnknownPlaceholder {
                found,
                known: placeholders,
            });
        }
        Ok(Self {
            environment,
            placeholders,
        })
    }

    /// Fills in the values. They are in the order of the placeholders. An unknown filter is detected only here. The message of
    /// the error may contain the values, so it must not be logged.
    pub(crate) fn render<const N: usize>(&self, values: [Value; N]) -> Result<String, Error> {
        debug_assert_eq!(N, self.placeholders.len(), "a value for each placeholder");
        let values: BTreeMap<_, _> = self.placeholders.iter().copied().zip(values).collect();
        self.environment.get_template(NAME)?.render(Value::from(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACEHOLDERS: &[&str] = &["a", "b"];

    fn render(source: &str) -> Result<String, TemplateError> {
        Ok(Template::plain(source.to_owned(), PLACEHOLDERS)?.render(["1".into(), "2".into()])?)
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(render("{{ a }}-{{b}}-{{ a }}").unwrap(), "1-2-1");
        assert_eq!(render("<{% if a == \"1\" %}{{ b }}{% endif %}>").unwrap(), "<2>");
    }

    #[test]
    fn an_unknown_placeholder_is_rejected_even_when_unreachable() {
        for source in [
            "{{ c }}",
            "{% if false %}{{ c }}{% endif %}",
            "{{ a }}{% for x in c %}{% endfor %}",
        ] {
            let error = render(source).unwrap_err().to_string();
            assert_eq!(error, "`{{ c }}` is not one of the placeholders a, b", "{source}");
        }
    }

    #[test]
    fn malformed_templates_are_rejected() {
        for source in ["x\n{{ a", "{{ a|no_such_filter }}", "{{ a.b.c }}"] {
            let error = render(source).unwrap_err();
            assert!(matches!(error, TemplateError::Malformed(_)), "{source}");
        }
    }

    #[test]
    fn json_templates_insert_texts_as_strings() {
        let template = Template::json(r#"{"x":{{ a }},"y":{{ b }}}"#.to_owned(), PLACEHOLDERS).unwrap();
        let (tricky, number) = ("\"quoted\" \\ é\n</script>", 10);
        let filled = template.render([tricky.into(), number.into()]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(json, serde_json::json!({ "x": tricky, "y": number }));
    }
}
