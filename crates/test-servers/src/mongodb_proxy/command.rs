use bson::Document;

/// A command on its way to the server, including its document sequences.
#[derive(Debug, Clone, PartialEq)]
pub struct Command(Document);

impl Command {
    pub fn new(document: Document) -> Self {
        Self(document)
    }

    /// Returns the name of the command, such as `find`: the key of its first field.
    pub fn name(&self) -> &str {
        self.0.keys().next().map_or("", String::as_str)
    }

    /// Returns the collection of the command, if it has one.
    pub fn collection(&self) -> Option<&str> {
        self.0.get_str(self.name()).ok()
    }

    /// Returns whether the command changes documents.
    pub fn is_write(&self) -> bool {
        matches!(self.name(), "insert" | "update" | "delete" | "findAndModify")
    }

    /// Returns whether the command reads documents.
    pub fn is_read(&self) -> bool {
        matches!(self.name(), "find" | "aggregate" | "count" | "distinct" | "getMore")
    }

    /// Returns the level of the read concern, if the command has one.
    pub fn read_concern_level(&self) -> Option<&str> {
        self.0.get_document("readConcern").ok()?.get_str("level").ok()
    }

    /// Returns whether the command is a causally consistent read (`afterClusterTime`).
    pub fn is_causal(&self) -> bool {
        let concern = self.0.get_document("readConcern");
        concern.is_ok_and(|concern| concern.contains_key("afterClusterTime"))
    }

    pub fn document(&self) -> &Document {
        &self.0
    }

    pub fn document_mut(&mut self) -> &mut Document {
        &mut self.0
    }

    pub fn into_document(self) -> Document {
        self.0
    }
}
