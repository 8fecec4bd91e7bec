//! The secondary indexes, derived from the list of collections. A test compares them with the table in
//! docs/operations.md.

use std::fmt::Write as _;

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use ports::{Aggregate, StoreError};
use stored_forms::{Collection, collection};

use crate::database::Database;
use crate::error::MongodbError;

/// A secondary index. Searches, the relay and the purge need them; uniqueness rests on `_id`.
struct Index {
    name: &'static str,
    /// The keys in MongoDB's notation.
    keys: Document,
    /// The partial filter expression, if the index does not cover all documents.
    partial_filter: Option<Document>,
    purpose: &'static str,
}

const OUTBOX: &str = "outbox";
/// The name of the purge's indexes. Deployed databases already have indexes with this name, so it does not change.
const PURGE: &str = "garbage";
const PENDING: &str = "pending";

/// Returns the indexes of a collection, except the one on `_id`.
fn indexes(collection: &Collection) -> Vec<Index> {
    let has_outbox = collection.aggregate.has_outbox;
    let outbox = has_outbox.then(|| Index {
        name: OUTBOX,
        keys: doc! { "outboxPending": 1, "leaseUntil": 1 },
        partial_filter: Some(doc! { "outboxPending": true }),
        purpose: "the relay finds outboxes with pending events",
    });
    let purge = collection.purge_at.map(|purge_at| Index {
        name: PURGE,
        keys: doc! { purge_at: 1 },
        partial_filter: has_outbox.then(|| doc! { "outboxPending": false }),
        purpose: "the purge finds expired records",
    });
    let pending = collection.pending.map(|pending| Index {
        name: PENDING,
        keys: doc! { pending: 1, "_id": 1 },
        partial_filter: Some(doc! { pending: true }),
        purpose: "the loop that finishes removals finds what is left",
    });
    let searches = collection.indexes.iter().map(|index| Index {
        name: index.name,
        keys: index
            .members
            .iter()
            .map(|member| ((*member).to_owned(), 1.into()))
            .collect(),
        partial_filter: None,
        purpose: index.purpose,
    });
    outbox.into_iter().chain(purge).chain(pending).chain(searches).collect()
}

/// Creates the missing indexes of the aggregates. Idempotent, even if several processes start at the same time.
pub(crate) async fn create(database: &Database, aggregates: &[&'static Aggregate]) -> Result<(), StoreError> {
    for collection in aggregates.iter().filter_map(|aggregate| collection(aggregate.name)) {
        for index in indexes(collection) {
            let options = IndexOptions::builder()
                .name(index.name.to_owned())
                .partial_filter_expression(index.partial_filter)
                .build();
            let model = IndexModel::builder().keys(index.keys).options(options).build();
            let documents = database.connection.collection::<Document>(collection.aggregate.name);
            let created = documents.create_index(model).await;
            created.map_err(|error| MongodbError::read(&error))?;
        }
    }
    Ok(())
}

/// Returns the table of all indexes in docs/operations.md.
pub fn indexes_table() -> String {
    let mut table =
        "| collection | index | keys | partial filter | purpose |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for collection in stored_forms::collections() {
        let name_of_collection = collection.aggregate.name;
        for Index {
            name,
            keys,
            partial_filter,
            purpose,
        } in indexes(collection)
        {
            let filter = partial_filter.map_or_else(|| "none".to_owned(), |filter| format!("`{filter}`"));
            let _ = writeln!(
                table,
                "| `{name_of_collection}` | `{name}` | `{keys}` | {filter} | {purpose} |"
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_page_lists_the_indexes() {
        let table = indexes_table();
        let page = include_str!("../../../docs/operations.md");
        let (_, rest) = page.split_once("<!-- indexes:begin -->\n").unwrap();
        let (documented, _) = rest.split_once("<!-- indexes:end -->").unwrap();
        assert!(documented == table, "the table in docs/operations.md must be:\n{table}");
    }
}
