//! The scenario of `authme demo`, as steps in `scenario.toml`. The end-to-end tests run the same steps over the three
//! services.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The values that stand for `<name>` in a step.
pub type Values = BTreeMap<String, String>;

/// Expected values by JSON Pointer (RFC 6901).
pub type Members = BTreeMap<String, Value>;

/// A request and its expected response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `None` if the step resembles an earlier one.
    pub title: Option<String>,
    pub explanation: String,
    /// The method and the path.
    pub request: String,
    pub authorization: String,
    pub body: Option<Value>,
    pub status: u16,
    #[serde(default)]
    expect: Members,
    #[serde(default)]
    differs: Members,
    #[serde(default)]
    absent: Vec<String>,
    /// The pointers of strings that later steps use, by name.
    #[serde(default)]
    save: BTreeMap<String, String>,
    /// Whether the server sends a code, which the next step uses as `<code>`.
    #[serde(default)]
    pub sends_code: bool,
    /// The expected claims of the access token in the response.
    #[serde(default)]
    pub claims: Members,
    /// The expected events by type. The request is repeated until all of them were read.
    #[serde(default)]
    pub events: BTreeMap<String, Members>,
}

#[derive(Deserialize)]
struct Document {
    step: [Step; 1],
}

/// Returns the steps in order, before the values are inserted.
pub fn templates() -> impl Iterator<Item = String> {
    let steps = include_str!("scenario.toml").split("[[step]]").skip(1);
    steps.map(|step| format!("[[step]]{step}"))
}

impl Step {
    /// Inserts the values into a step.
    pub fn read(template: &str, values: &Values) -> Result<Self, toml::de::Error> {
        let insert = |text: String, (name, value): (&String, &String)| text.replace(&format!("<{name}>"), value);
        let document: Document = toml::from_str(&values.iter().fold(template.to_owned(), insert))?;
        let [mut step] = document.step;
        step.explanation = step.explanation.replace('\n', " ");
        Ok(step)
    }

    /// Returns a sentence for each expectation that the response violates. `body` is `null` if the response has no body or
    /// one that is not JSON.
    pub fn mismatches(&self, status: u16, body: &Value) -> Vec<String> {
        let other_status = (status != self.status).then(|| format!("status: expected {}, got {status}", self.status));
        let same = self
            .differs
            .iter()
            .filter(|(pointer, value)| body.pointer(pointer) == Some(value));
        let same = same.map(|(pointer, _)| mismatch(pointer, "a value other than before", body));
        let present = self
            .absent
            .iter()
            .filter(|pointer| !body.pointer(pointer).is_none_or(Value::is_null));
        let present = present.map(|pointer| mismatch(pointer, "no value", body));
        let unsaved = self.save.values().filter(|pointer| text(body, pointer).is_empty());
        let unsaved = unsaved.map(|pointer| mismatch(pointer, "a string that is not empty", body));
        let mut mismatches: Vec<String> = other_status.into_iter().collect();
        mismatches.extend(json_mismatches(&self.expect, body));
        mismatches.extend(same.chain(present).chain(unsaved));
        mismatches
    }

    /// Saves the strings of the response that later steps use.
    pub fn save(&self, body: &Value, values: &mut Values) {
        let saved = self
            .save
            .iter()
            .map(|(name, pointer)| (name.clone(), text(body, pointer)));
        values.extend(saved);
    }
}

/// Returns a sentence for each member that JSON lacks. An expected string equals a number of the same digits.
pub fn json_mismatches(expected: &Members, json: &Value) -> Vec<String> {
    let is_met = |pointer: &str, expected: &Value| {
        json.pointer(pointer).is_some_and(|value| {
            value == expected || (value.is_number() && expected.as_str() == Some(&value.to_string()))
        })
    };
    let unmet = expected.iter().filter(|(pointer, expected)| !is_met(pointer, expected));
    unmet
        .map(|(pointer, expected)| mismatch(pointer, &expected.to_string(), json))
        .collect()
}

fn mismatch(pointer: &str, expected: &str, json: &Value) -> String {
    let name = if pointer.is_empty() {
        "body".to_owned()
    } else {
        format!("`{pointer}`")
    };
    let got = json
        .pointer(pointer)
        .map_or_else(|| "no value".to_owned(), Value::to_string);
    format!("{name}: expected {expected}, got {got}")
}

/// Returns a string of JSON, or an empty string if it is missing.
pub fn text(json: &Value, pointer: &str) -> String {
    let text = json.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STEP: &str = r#"
        [[step]]
        explanation = "one\ntwo"
        request = "GET /<path>"
        authorization = "Bearer x"
        status = 200
        expect = { "/tokenType" = "Bearer", "/expiresIn" = "<seconds>" }
        differs = { "/refreshToken" = "the first" }
        absent = ["/1"]
        save = { access = "/accessToken" }
    "#;

    fn step() -> Step {
        let values = [("path", "keys"), ("seconds", "60")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Step::read(STEP, &values.into()).unwrap()
    }

    #[test]
    fn an_expected_response_has_no_mismatches() {
        let body = json!({"accessToken": "a", "tokenType": "Bearer", "refreshToken": "the second", "expiresIn": 60});
        let (step, mut values) = (step(), Values::new());
        assert_eq!(
            (step.request.as_str(), step.explanation.as_str()),
            ("GET /keys", "one two")
        );
        assert_eq!(step.mismatches(200, &body), Vec::<String>::new());
        step.save(&body, &mut values);
        assert_eq!(values["access"], "a");
    }

    #[test]
    fn every_mismatch_is_reported() {
        let body = json!({"accessToken": "", "refreshToken": "the first", "1": 2});
        assert_eq!(
            step().mismatches(500, &body),
            [
                "status: expected 200, got 500",
                "`/expiresIn`: expected \"60\", got no value",
                "`/tokenType`: expected \"Bearer\", got no value",
                "`/refreshToken`: expected a value other than before, got \"the first\"",
                "`/1`: expected no value, got 2",
                "`/accessToken`: expected a string that is not empty, got \"\"",
            ]
        );
        let no_body = Step {
            absent: vec![String::new()],
            expect: Members::new(),
            save: BTreeMap::new(),
            ..step()
        };
        assert_eq!(no_body.mismatches(200, &Value::Null), Vec::<String>::new());
        assert_eq!(no_body.mismatches(200, &json!({})), ["body: expected no value, got {}"]);
    }
}
