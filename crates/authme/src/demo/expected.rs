//! What an answer must be.

use serde_json::Value;

/// The status an answer must have, and what its body must hold.
pub(super) struct Expected {
    /// `None` for what is no answer of its own, but a part of one.
    status: Option<u16>,
    musts: Vec<Must>,
}

/// Something that must be so at a place in the body (a JSON Pointer, RFC 6901).
enum Must {
    Equal(&'static str, Value),
    Differ(&'static str, Value),
    BeText(&'static str),
    BeAbsent(&'static str),
}

impl Expected {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            musts: Vec::new(),
        }
    }

    pub(super) fn content() -> Self {
        Self {
            status: None,
            musts: Vec::new(),
        }
    }

    pub(super) fn equal(self, place: &'static str, value: impl Into<Value>) -> Self {
        self.and(Must::Equal(place, value.into()))
    }

    pub(super) fn differ(self, place: &'static str, value: impl Into<Value>) -> Self {
        self.and(Must::Differ(place, value.into()))
    }

    /// A string that is not empty.
    pub(super) fn text(self, place: &'static str) -> Self {
        self.and(Must::BeText(place))
    }

    pub(super) fn absent(self, place: &'static str) -> Self {
        self.and(Must::BeAbsent(place))
    }

    /// No body at all.
    pub(super) fn nothing(self) -> Self {
        self.equal("", Value::Null)
    }

    fn and(mut self, must: Must) -> Self {
        self.musts.push(must);
        self
    }

    /// What was expected and is not so, a sentence each; a body that is empty or no JSON is `null`.
    pub(super) fn unmet(&self, status: u16, body: &Value) -> Vec<String> {
        let other = self.status.filter(|must| *must != status);
        let mut unmet: Vec<String> = other
            .map(|must| format!("the status must be {must}, and is {status}"))
            .into_iter()
            .collect();
        unmet.extend(self.unmet_content(body));
        unmet
    }

    /// The same, of the content alone.
    pub(super) fn unmet_content(&self, content: &Value) -> Vec<String> {
        self.musts.iter().filter_map(|must| must.unmet(content)).collect()
    }
}

impl Must {
    fn unmet(&self, body: &Value) -> Option<String> {
        let shown = |found: Option<&Value>| found.map_or_else(|| "is not there".to_owned(), |is| format!("is {is}"));
        let named = |place: &str| match place {
            "" => "the body".to_owned(),
            place => format!("`{place}`"),
        };
        match self {
            Self::Equal(place, value) => {
                let found = body.pointer(place);
                (found != Some(value)).then(|| format!("{} must be {value}, and {}", named(place), shown(found)))
            }
            Self::Differ(place, value) => (body.pointer(place) == Some(value))
                .then(|| format!("{} must be another than before, and is the same", named(place))),
            Self::BeText(place) => {
                let found = body.pointer(place);
                let is_text = found.and_then(Value::as_str).is_some_and(|text| !text.is_empty());
                (!is_text).then(|| format!("{} must be text, and {}", named(place), shown(found)))
            }
            Self::BeAbsent(place) => {
                let found = body.pointer(place)?;
                Some(format!("{} must not be there, and is {found}", named(place)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected() -> Expected {
        Expected::status(200)
            .equal("/tokenType", "Bearer")
            .differ("/refreshToken", "the first")
            .text("/accessToken")
            .absent("/1")
    }

    #[test]
    fn an_answer_as_it_must_be_leaves_nothing_unmet() {
        let body = json!({"accessToken": "a", "tokenType": "Bearer", "refreshToken": "the second"});
        assert!(expected().unmet(200, &body).is_empty());
        assert!(Expected::status(204).nothing().unmet(204, &Value::Null).is_empty());
    }

    #[test]
    fn everything_that_is_not_as_it_must_be_is_told() {
        let body = json!({"accessToken": "", "refreshToken": "the first", "1": 2});
        assert_eq!(
            expected().unmet(500, &body),
            [
                "the status must be 200, and is 500",
                "`/tokenType` must be \"Bearer\", and is not there",
                "`/refreshToken` must be another than before, and is the same",
                "`/accessToken` must be text, and is \"\"",
                "`/1` must not be there, and is 2",
            ]
        );
        assert_eq!(
            Expected::status(204).nothing().unmet(204, &json!({})),
            ["the body must be null, and is {}"]
        );
    }
}
