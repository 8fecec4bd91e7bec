use std::sync::Arc;

use async_trait::async_trait;
use domain::names::{KnownName, NameKind};
use ports::{KnownNames, StoreError};
use rusqlite::Row;

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer};

pub(crate) struct SqliteKnownNames(pub(crate) Arc<Database>);

fn known_name(row: &Row<'_>) -> Result<KnownName, SqliteError> {
    let row = Reader::new("known name", row);
    let kind: String = row.column("kind")?;
    let kind = NameKind::parse(&kind).ok_or_else(|| row.corrupt("kind"))?;
    row.parse("name", |name| KnownName::parse(kind, &name))
}

#[async_trait]
impl KnownNames for SqliteKnownNames {
    async fn add(&self, name: &KnownName) -> Result<bool, StoreError> {
        let name = name.clone();
        let sql = "INSERT INTO known_names (kind, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.0
            .write(move |connection| Ok(row_codec::execute(connection, sql, (name.kind.as_str(), name.as_str()))? > 0))
            .await
    }

    async fn page(&self, after: Option<&KnownName>, limit: usize) -> Result<Vec<KnownName>, StoreError> {
        let after = after.map_or_else(Default::default, |name| {
            (name.kind.as_str().to_owned(), name.as_str().to_owned())
        });
        let sql = "SELECT kind, name FROM known_names WHERE (kind, name) > (?1, ?2) ORDER BY kind, name LIMIT ?3";
        self.0
            .scan(move |connection| {
                row_codec::all(connection, sql, (after.0, after.1, integer(limit as u64)), known_name)
            })
            .await
    }
}
