//! Groups: names that a directory asserts, and the roles they grant.

/// A group and the roles of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub roles: Vec<String>,
}
