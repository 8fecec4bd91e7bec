//! JSON for reading: fields in the order they came, and as many on a line as there is room for.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Longest line that holds more than one value, in characters.
const WIDTH: usize = 100;

/// The text laid out, one string per line; text that is not JSON stays as it is.
pub(super) fn lay_out(text: &str) -> Vec<String> {
    match serde_json::from_str::<Node>(text) {
        Ok(node) => {
            let mut layout = Layout::default();
            layout.put(&node, 0);
            layout.end_line();
            layout.lines
        }
        Err(_) => text.lines().map(str::to_owned).collect(),
    }
}

/// Lines that are done, and the one that is being filled.
#[derive(Default)]
struct Layout {
    lines: Vec<String>,
    line: String,
}

impl Layout {
    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn has_room_for(&self, more: usize) -> bool {
        self.line.chars().count() + more <= WIDTH
    }

    /// Puts a value behind what is there; `closing` brackets and commas follow it.
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
        for (index, (name, member)) in members.into_iter().enumerate() {
            let name = name.map(|name| format!("{}: ", quoted(name))).unwrap_or_default();
            let length = name.chars().count() + member.to_string().chars().count();
            let closing = if index < last { 1 } else { closing + 1 };
            if index > 0 && self.has_room_for(1 + length + closing) && !member.is_object_of_list(open) {
                self.line.push(' ');
            } else if index > 0 {
                self.end_line();
                self.line.push_str(&indent);
            }
            self.line.push_str(&name);
            self.put(member, closing);
            self.line.push(if index < last { ',' } else { close });
        }
    }
}

/// A value that remembers the order of its fields; `serde_json` sorts them.
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

    /// Objects of a list begin a line each.
    const fn is_object_of_list(&self, open: char) -> bool {
        matches!(self, Self::Object(_)) && open == '['
    }
}

fn quoted(name: &str) -> Value {
    Value::from(name)
}

/// The value on one line.
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
                write!(f, "{}: ", quoted(name))?;
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

    #[test]
    fn what_fits_stays_on_one_line_in_its_own_order() {
        let text = r#"{"z":1,"a":[true,null,-2,0.5],"m":{"k":"quote \" here"},"e":[],"o":{}}"#;
        assert_eq!(
            lay_out(text),
            [r#"{"z": 1, "a": [true, null, -2, 0.5], "m": {"k": "quote \" here"}, "e": [], "o": {}}"#]
        );
    }

    #[test]
    fn a_line_is_filled_before_the_next_begins_and_objects_of_a_list_begin_one_each() {
        let long = "x".repeat(60);
        let text = format!(r#"[{{"id":"{long}","n":1,"name":"{long}","m":{{"k":2}}}},{{"id":1}},{{"id":2}}]"#);
        let lines = lay_out(&text);
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
        fn no_line_is_longer_than_it_must_be_and_nothing_is_lost(words in vec("[a-z]{0,30}", 0..40)) {
            let value = json!({"words": words, "deep": [{"words": words}, {"words": [words]}]});
            let lines = lay_out(&value.to_string());
            prop_assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
            prop_assert_eq!(serde_json::from_str::<Value>(&lines.concat()).unwrap(), value);
        }
    }

    #[test]
    fn what_is_not_json_stays_as_it_is() {
        assert_eq!(lay_out("no\njson"), ["no", "json"]);
        assert!(lay_out("").is_empty());
    }
}
