//! The secondary indexes. A test compares them with the table in docs/operations.md.

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use ports::{Aggregate, StoreError};

use crate::database::Database;
use crate::error::MongodbError;
use crate::factors::send_quotas;
use crate::outbox;
use crate::sessions::refresh_families;
use crate::tokens::validation_tokens;

/// A secondary index. Only the queries of the relay and of the purge need one; uniqueness rests on `_id`.
#[derive(Debug, Clone)]
pub struct Index {
    /// The aggregate whose service creates the index.
    pub aggregate: Aggregate,
    pub collection: &'static str,
    pub name: &'static str,
    /// The keys in MongoDB's notation.
    pub keys: Document,
    /// The partial filter expression, if the index does not cover all documents.
    pub partial_filter: Option<Document>,
    pub purpose: &'static str,
}

const OUTBOX: &str = "outbox";
/// The name of the purge's indexes. Deployed databases already have indexes with this name, so it does not change.
const PURGE: &str = "garbage";

/// Returns every index except those on `_id`.
pub fn indexes() -> Vec<Index> {
    let outbox = |aggregate| Index {
        aggregate,
        collection: outbox::collection(aggregate),
        name: OUTBOX,
        keys: doc! { "outboxPending": 1, "leaseUntil": 1 },
        partial_filter: Some(doc! { "outboxPending": true }),
        purpose: "the relay finds outboxes with pending events",
    };
    vec![
        outbox(Aggregate::Credential),
        outbox(Aggregate::FactorSet),
        outbox(Aggregate::RefreshFamily),
        Index {
            aggregate: Aggregate::FactorSet,
            collection: send_quotas::COLLECTION,
            name: PURGE,
            keys: doc! { "windowEndsAt": 1 },
            partial_filter: None,
            purpose: "the purge finds ended send windows",
        },
        Index {
            aggregate: Aggregate::RefreshFamily,
            collection: refresh_families::COLLECTION,
            name: PURGE,
            keys: doc! { "absoluteExpiresAt": 1 },
            partial_filter: Some(doc! { "outboxPending": false }),
            purpose: "the purge finds expired sessions",
        },
        Index {
            aggregate: Aggregate::RefreshFamily,
            collection: validation_tokens::COLLECTION,
            name: PURGE,
            keys: doc! { "expiresAt": 1 },
            partial_filter: None,
            purpose: "the purge finds expired validation tokens",
        },
    ]
}

/// Creates the missing indexes. Idempotent, even if several processes start at the same time.
pub(crate) async fn create(database: &Database, aggregates: &[Aggregate]) -> Result<(), StoreError> {
    for index in indexes()
        .into_iter()
        .filter(|index| aggregates.contains(&index.aggregate))
    {
        let options = IndexOptions::builder()
            .name(index.name.to_owned())
            .partial_filter_expression(index.partial_filter)
            .build();
        let model = IndexModel::builder().keys(index.keys).options(options).build();
        let created = database
            .collection::<Document>(index.collection)
            .create_index(model)
            .await;
        created.map_err(|error| MongodbError::read(&error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn operations_page_lists_the_indexes() {
        let mut table =
            "| collection | index | keys | partial filter | purpose |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for Index {
            collection,
            name,
            keys,
            partial_filter,
            purpose,
            ..
        } in indexes()
        {
            let filter = partial_filter.map_or_else(|| "none".to_owned(), |filter| format!("`{filter}`"));
            writeln!(table, "| `{collection}` | `{name}` | `{keys}` | {filter} | {purpose} |").unwrap();
        }
        let page = include_str!("../../../docs/operations.md");
        let (_, rest) = page.split_once("<!-- indexes:begin -->\n").unwrap();
        let (documented, _) = rest.split_once("<!-- indexes:end -->").unwrap();
        assert!(documented == table, "the table in docs/operations.md must be:\n{table}");
    }
}
