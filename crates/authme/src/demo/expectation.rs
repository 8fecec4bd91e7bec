//! Compares a response with the expectation of the demo.

use serde_json::Value;

/// The required status of a response, and the conditions on its body.
pub(super) struct Expectation {
    /// `None` for a part of a response, such as the claims of a token.
    status: Option<u16>,
    checks: Vec<Check>,
}

/// A condition on one place of the body, named by a JSON Pointer (RFC 6901).
enum Check {
    Equals(&'static str, Value),
    DiffersFrom(&'static str, Value),
    IsText(&'static str),
    IsAbsent(&'static str),
}

impl Expectation {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            checks: Vec::new(),
        }
    }

    /// Creates an expectation for JSON that is not a whole response.
    pub(super) fn json() -> Self {
        Self {
            status: None,
            checks: Vec::new(),
        }
    }

    pub(super) fn equals(self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.with(Check::Equals(pointer, value.into()))
    }

    pub(super) fn differs(self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.with(Check::DiffersFrom(pointer, value.into()))
    }

    /// Requires the value to be a string that is not empty.
    pub(super) fn text(self, pointer: &'static str) -> Self {
        self.with(Check::IsText(pointer))
    }

    pub(super) fn absent(self, pointer: &'static str) -> Self {
        self.with(Check::IsAbsent(pointer))
    }

    /// Requires that the response has no body.
    pub(super) fn no_body(self) -> Self {
        self.equals("", Value::Null)
    }

    fn with(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Returns a sentence for each condition that the response violates. `body` is `null` when the response has no body
    /// or one that is not JSON.
    pub(super) fn mismatches(&self, status: u16, body: &Value) -> Vec<String> {
        let other = self.status.filter(|expected| *expected != status);
        let mut mismatches: Vec<String> = other
            .map(|expected| format!("status: expected {expected}, got {status}"))
            .into_iter()
            .collect();
        mismatches.extend(self.json_mismatches(body));
        mismatches
    }

    /// Does the same as [`Self::mismatches`] for JSON only.
    pub(super) fn json_mismatches(&self, json: &Value) -> Vec<String> {
        self.checks.iter().filter_map(|check| check.mismatch(json)).collect()
    }
}

impl Check {
    fn mismatch(&self, body: &Value) -> Option<String> {
        let (pointer, expected, is_met) = match self {
            Self::Equals(pointer, value) => (pointer, value.to_string(), body.pointer(pointer) == Some(value)),
            Self::DiffersFrom(pointer, value) => (
                pointer,
                "a value other than before".to_owned(),
                body.pointer(pointer) != Some(value),
            ),
            Self::IsText(pointer) => {
                let text = body.pointer(pointer).and_then(Value::as_str);
                let is_text = text.is_some_and(|text| !text.is_empty());
                (pointer, "a string that is not empty".to_owned(), is_text)
            }
            Self::IsAbsent(pointer) => (pointer, "no value".to_owned(), body.pointer(pointer).is_none()),
        };
        let name = if pointer.is_empty() {
            "body".to_owned()
        } else {
            format!("`{pointer}`")
        };
        let got = body
            .pointer(pointer)
            .map_or_else(|| "no value".to_owned(), Value::to_string);
        (!is_met).then(|| format!("{name}: expected {expected}, got {got}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expectation() -> Expectation {
        Expectation::status(200)
            .equals("/tokenType", "Bearer")
            .differs("/refreshToken", "the first")
            .text("/accessToken")
            .absent("/1")
    }

    #[test]
    fn an_expected_response_has_no_mismatches() {
        let body = json!({"accessToken": "a", "tokenType": "Bearer", "refreshToken": "the second"});
        assert!(expectation().mismatches(200, &body).is_empty());
        let no_content = Expectation::status(204).no_body();
        assert!(no_content.mismatches(204, &Value::Null).is_empty());
    }

    #[test]
    fn every_mismatch_is_reported() {
        let body = json!({"accessToken": "", "refreshToken": "the first", "1": 2});
        assert_eq!(
            expectation().mismatches(500, &body),
            [
                "status: expected 200, got 500",
                "`/tokenType`: expected \"Bearer\", got no value",
                "`/refreshToken`: expected a value other than before, got \"the first\"",
                "`/accessToken`: expected a string that is not empty, got \"\"",
                "`/1`: expected no value, got 2",
            ]
        );
        assert_eq!(
            Expectation::status(204).no_body().mismatches(204, &json!({})),
            ["body: expected null, got {}"]
        );
    }
}
