use domain::group::Group;
use serde::Serialize;

/// A group as a line of JSON.
#[derive(Serialize)]
pub(super) struct GroupLine {
    name: String,
    roles: Vec<String>,
}

impl From<Group> for GroupLine {
    fn from(group: Group) -> Self {
        Self {
            name: group.name,
            roles: group.roles,
        }
    }
}
