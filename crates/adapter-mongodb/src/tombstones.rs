//! The tombstone of a removed user: what of it is still stored, the write id, and the members of the relay.

use domain::event::NewEvent;
use domain::removal::RemovalPart;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};

use crate::error::MongodbError;
use crate::outbox;

/// The member that is true while a part is pending. A partial index finds these tombstones.
pub(crate) const PENDING: &str = "removalPending";

/// Builds the filter for documents that are no tombstones.
pub(crate) fn living_filter() -> Document {
    doc! { "removal": null }
}

fn tombstone(parts: &[RemovalPart], write_id: ObjectId) -> Document {
    let names: Vec<_> = parts.iter().map(|part| part.as_str()).collect();
    doc! { "removal": names, PENDING: !parts.is_empty(), "version": write_id }
}

/// Returns the tombstone of a user of whom nothing else is stored.
pub(crate) fn settled(write_id: ObjectId) -> Document {
    tombstone(&[], write_id)
}

/// Builds the update that turns a user into a tombstone with all parts pending, and pushes the event. Users that were
/// stored before they had an outbox get one.
pub(crate) fn removal_update(event: NewEvent) -> Result<Vec<Document>, MongodbError> {
    let default = |member: &str, value: Bson| doc! { "$ifNull": [format!("${member}"), value] };
    let mut update = vec![doc! { "$set": {
        "outbox": default("outbox", Bson::Array(Vec::new())),
        "sequence": default("sequence", Bson::Int64(0)),
    } }];
    let all = tombstone(&RemovalPart::ALL, ObjectId::new());
    update.extend(outbox::replace_update(all, vec![event])?);
    Ok(update)
}

/// Builds filter and update that strike a part of a tombstone.
pub(crate) fn strike(id: &str, part: RemovalPart) -> (Document, Vec<Document>) {
    let filter = doc! { "_id": id, "removal": part.as_str() };
    let others = doc! { "$filter": {
        "input": "$removal",
        "as": "part",
        "cond": { "$ne": ["$$part", part.as_str()] },
    } };
    let update = vec![
        doc! { "$set": { "removal": others } },
        doc! { "$set": { PENDING: { "$gt": [{ "$size": "$removal" }, 0] } } },
    ];
    (filter, update)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form() {
        let write_id = ObjectId::from_bytes([1; 12]);
        let all = tombstone(&RemovalPart::ALL, write_id);
        insta::assert_snapshot!(all, @r#"{ "removal": ["logins", "credential_lock", "factors", "sessions"], "removalPending": true, "version": ObjectId("010101010101010101010101") }"#);
        let settled = settled(write_id);
        insta::assert_snapshot!(settled, @r#"{ "removal": [], "removalPending": false, "version": ObjectId("010101010101010101010101") }"#);
    }
}
