//! The layout of JSON on the page: fields keep their order, and each line holds as many values as fit.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::text::wrap;

/// Returns the lines of JSON. A line with more than one value has at most `width` characters. Text that is not JSON is
/// wrapped as prose.
pub(super) fn lay_out(text: &str, width: usize) -> Vec<String> {
    match serde_json::from_str::<Node>(text) {
        Ok(node) => {
            let mut layout = Layout {
                width,
                lines: Vec::new(),
                line: String::new(),
            };
            layout.put(&node, 0);
            layout.end_line();
            layout.lines
        }
        Err(_) => wrap(text, width),
    }
}

/// The finished lines and the line in progress.
struct Layout {
    width: usize,
    lines: Vec<String>,
    line: String,
}

impl Layout {
    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn has_room_for(&self, more: usize) -> bool {
        self.line.chars().count() + more <= self.width
    }

    /// Appends a value to the line in progress. `closing` is the number of brackets and commas that follow it.
    fn put(&mut self, node: &Node, closing: usize) {
        let whole = node.to_string();
        let members = node.members();
        if members.is_empty() || self.has_room_for(whole.chars().count() + closing) {
            self.line.push_str(&whole);
            return;
        }
        let (open, close) = node.brackets();
        self.line.push(open);
        let indent = " ".repeat(self.line.chars().count());
        let last = members.len() - 1;
        let mut follows_broken_member = false;
        for (index, (name, member)) in members.into_iter().enumerate() {
            let name = name.map(|name| format!("{}: ", quote(name))).unwrap_or_default();
            let length = name.chars().count() + member.to_string().chars().count();
            let closing = if index < last { 1 } else { closing + 1 };
            let fits = self.has_room_for(1 + length + closing) && !follows_broken_member;
            if index > 0 && fits && !member.is_object_of_list(open) {
                self.line.push(' ');
            } else if index > 0 {
                self.end_line();
                self.line.push_str(&indent);
            }
            self.line.push_str(&name);
            let lines = self.lines.len();
            self.put(member, closing);
            follows_broken_member = self.lines.len() > lines;
            self.line.push(if index < last { ',' } else { close });
        }
    }
}

/// A value that keeps the order of its fields, which `serde_json` sorts.
enum Node {
    Leaf(Value),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn members(&self) -> Vec<(Option<&str>, &Node)> {
        match self {
            Self::Leaf(_) => Vec::new(),
            Self::List(nodes) => nodes.iter().map(|node| (None, node)).collect(),
            Self::Object(fields) => fields.iter().map(|(name, node)| (Some(name.as_str()), node)).collect(),
        }
    }

    const fn brackets(&self) -> (char, char) {
        match self {
            Self::Object(_) => ('{', '}'),
            Self::List(_) | Self::Leaf(_) => ('[', ']'),
        }
    }

    /// Returns whether the value is an object in a list. Each such object starts a new line.
    const fn is_object_of_list(&self, open: char) -> bool {
        matches!(self, Self::Object(_)) && open == '['
    }
}

fn quote(name: &str) -> Value {
    Value::from(name)
}

/// Writes the value on one line.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Leaf(value) = self {
            return write!(f, "{value}");
        }
        let (open, close) = self.brackets();
        write!(f, "{open}")?;
        for (index, (name, node)) in self.members().into_iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            if let Some(name) = name {
                write!(f, "{}: ", quote(name))?;
            }
            write!(f, "{node}")?;
        }
        write!(f, "{close}")
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = sequence.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const WIDTH: usize = 80;

    #[test]
    fn json_that_fits_stays_on_one_line_in_order() {
        let text = r#"{"z":1,"a":[true,null,0.5],"m":{"k":"quote \" here"},"e":[],"o":{}}"#;
        assert_eq!(
            lay_out(text, WIDTH),
            [r#"{"z": 1, "a": [true, null, 0.5], "m": {"k": "quote \" here"}, "e": [], "o": {}}"#]
        );
    }

    #[test]
    fn lines_are_filled_and_list_objects_start_lines() {
        let long = "x".repeat(50);
        let text = format!(r#"[{{"id":"{long}","n":1,"name":"{long}","m":{{"k":2}}}},{{"id":1}},{{"id":2}}]"#);
        let lines = lay_out(&text, WIDTH);
        assert_eq!(
            lines,
            [
                format!(r#"[{{"id": "{long}", "n": 1,"#),
                format!(r#"  "name": "{long}", "m": {{"k": 2}}}},"#),
                r#" {"id": 1},"#.to_owned(),
                r#" {"id": 2}]"#.to_owned(),
            ]
        );
        let again: Value = serde_json::from_str(&lines.concat()).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&text).unwrap());
    }

    proptest! {
        #[test]
        fn layout_respects_width_and_preserves_json(words in vec("[a-z]{0,30}", 0..40)) {
            let value = json!({"words": words, "deep": [{"words": words}, {"words": [words]}]});
            let lines = lay_out(&value.to_string(), WIDTH);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
            prop_assert_eq!(serde_json::from_str::<Value>(&lines.concat()).unwrap(), value);
        }
    }

    #[test]
    fn text_that_is_not_json_keeps_its_lines() {
        assert_eq!(lay_out("no\njson", WIDTH), ["no", "json"]);
        assert!(lay_out("", WIDTH).is_empty());
    }
}
