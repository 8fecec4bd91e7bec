//! The secondary indexes. The table in docs/operations.md is compared with them by a test.

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use ports::Aggregate;

use crate::database::Database;
use crate::error::OpenError;
use crate::factors::send_quotas;
use crate::outbox;
use crate::tokens::{refresh_families, validation_tokens};

/// A secondary index. Only the queries of the relay and of the purge need one; uniqueness rests on `_id`.
#[derive(Debug, Clone)]
pub struct Index {
    /// The aggregate whose service creates the index.
    pub aggregate: Aggregate,
    pub collection: &'static str,
    pub name: &'static str,
    /// The keys in MongoDB's notation.
    pub keys: Document,
    /// The partial filter, if the index does not hold all documents.
    pub only: Option<Document>,
    pub purpose: &'static str,
}

const OUTBOX: &str = "outbox";
/// The name of the indexes of the purge. Deployed databases have it, so it stays.
const PURGE: &str = "garbage";

/// Returns every index but those of `_id`.
pub fn indexes() -> Vec<Index> {
    let outbox = |aggregate| Index {
        aggregate,
        collection: outbox::collection(aggregate),
        name: OUTBOX,
        keys: doc! { "outboxPending": 1, "leaseUntil": 1 },
        only: Some(doc! { "outboxPending": true }),
        purpose: "the relay finds what is to be sent",
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
            only: None,
            purpose: "the purge finds send windows that ended",
        },
        Index {
            aggregate: Aggregate::RefreshFamily,
            collection: refresh_families::COLLECTION,
            name: PURGE,
            keys: doc! { "absoluteExpiresAt": 1 },
            only: Some(doc! { "outboxPending": false }),
            purpose: "the purge finds expired sessions",
        },
        Index {
            aggregate: Aggregate::RefreshFamily,
            collection: validation_tokens::COLLECTION,
            name: PURGE,
            keys: doc! { "expiresAt": 1 },
            only: None,
            purpose: "the purge finds expired validation tokens",
        },
    ]
}

/// Creates the missing indexes. Idempotent, also when several processes start at once.
pub(crate) async fn create(database: &Database, aggregates: &[Aggregate]) -> Result<(), OpenError> {
    for index in indexes()
        .into_iter()
        .filter(|index| aggregates.contains(&index.aggregate))
    {
        let options = IndexOptions::builder()
            .name(index.name.to_owned())
            .partial_filter_expression(index.only)
            .build();
        let model = IndexModel::builder().keys(index.keys).options(options).build();
        let created = database
            .collection::<Document>(index.collection)
            .create_index(model)
            .await;
        created.map_err(|error| OpenError::Index {
            name: format!("{}.{}", index.collection, index.name),
            source: (&error).into(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn operations_page_lists_the_indexes() {
        let mut table = "| collection | index | keys | only | what for |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for Index {
            collection,
            name,
            keys,
            only,
            purpose,
            ..
        } in indexes()
        {
            let only = only.map_or_else(|| "all".to_owned(), |only| format!("`{only}`"));
            writeln!(table, "| `{collection}` | `{name}` | `{keys}` | {only} | {purpose} |").unwrap();
        }
        let page = include_str!("../../../docs/operations.md");
        let (_, rest) = page.split_once("<!-- indexes:begin -->\n").unwrap();
        let (documented, _) = rest.split_once("<!-- indexes:end -->").unwrap();
        assert!(documented == table, "the table in docs/operations.md must be:\n{table}");
    }
}
