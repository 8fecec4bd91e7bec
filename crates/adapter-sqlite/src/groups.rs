use std::sync::Arc;

use async_trait::async_trait;
use domain::group::Group;
use ports::{Groups, StoreError};
use rusqlite::Row;

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer, to_json};

pub(crate) struct SqliteGroups(pub(crate) Arc<Database>);

fn group(row: &Row<'_>) -> Result<Group, SqliteError> {
    let row = Reader::new("group", row);
    Ok(Group {
        name: row.column("name")?,
        roles: row.json("roles")?,
    })
}

#[async_trait]
impl Groups for SqliteGroups {
    async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names = to_json("group", &names)?;
        // CROSS JOIN makes the names the outer loop, so that each group is found by its primary key.
        let sql =
            "SELECT name, roles FROM json_each(?1) AS requested CROSS JOIN groups ON groups.name = requested.value
                   ORDER BY requested.key";
        self.0
            .read(|connection| row_codec::all(connection, sql, [names], group))
    }

    async fn save(&self, group: &Group) -> Result<(), StoreError> {
        let Group { name, roles } = group.clone();
        self.0
            .write(move |connection| {
                let sql = "INSERT INTO groups (name, roles) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET roles = excluded.roles";
                row_codec::execute(connection, sql, (name, to_json("group", &roles)?)).map(drop)
            })
            .await
    }

    async fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.0
            .write(move |connection| {
                Ok(row_codec::execute(connection, "DELETE FROM groups WHERE name = ?1", [name])? > 0)
            })
            .await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.0
            .scan(move |connection| {
                let sql = "SELECT name, roles FROM groups WHERE name > ?1 ORDER BY name LIMIT ?2";
                row_codec::all(connection, sql, (after, integer(limit as u64)), group)
            })
            .await
    }
}
