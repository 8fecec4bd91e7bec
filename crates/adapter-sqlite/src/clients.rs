use std::sync::Arc;

use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;
use ports::{ClientSaveOutcome, Clients, StoreError};
use rusqlite::{Connection, Row};
use stored_forms::{ClientForm, Json};

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer, to_json};

pub(crate) struct SqliteClients(pub(crate) Arc<Database>);

/// Reads a client, whose epoch is at least `base`.
fn client(row: &Row<'_>, base: u64) -> Result<Client, SqliteError> {
    let row = Reader::new("client", row);
    let (id, form): (String, ClientForm<Json>) = (row.column(0)?, row.json(1)?);
    let client = form.read(&id).map_err(|error| row.corrupt(error.0))?;
    Ok(Client {
        epoch: client.epoch.max(base),
        ..client
    })
}

/// Returns the first of the client's names (id and aliases) that another client has.
fn find_taken_name(connection: &Connection, client: &Client) -> Result<Option<ClientId>, SqliteError> {
    for name in std::iter::once(&client.id).chain(&client.aliases) {
        let sql = "SELECT name FROM client_names WHERE name = ?1 AND client_id <> ?2";
        if row_codec::first(connection, sql, (name.as_str(), client.id.as_str()), |_| Ok(()))?.is_some() {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

fn save(connection: &Connection, client: &Client, is_new: bool) -> Result<ClientSaveOutcome, SqliteError> {
    let id = client.id.as_str();
    if let Some(name) = find_taken_name(connection, client)? {
        return Ok(ClientSaveOutcome::NameTaken(name));
    }
    let exists = row_codec::first(
        connection,
        "SELECT client_id FROM clients WHERE client_id = ?1",
        [id],
        |_| Ok(()),
    )?
    .is_some();
    if exists && is_new {
        return Ok(ClientSaveOutcome::NameTaken(client.id.clone()));
    }
    let document = to_json("client", &ClientForm::<Json>::from(client))?;
    let sql = "INSERT INTO clients (client_id, document) VALUES (?1, ?2) ON CONFLICT (client_id) DO UPDATE SET document = excluded.document";
    row_codec::execute(connection, sql, (id, document))?;
    row_codec::execute(connection, "DELETE FROM client_names WHERE client_id = ?1", [id])?;
    for name in std::iter::once(&client.id).chain(&client.aliases) {
        row_codec::execute(
            connection,
            "INSERT OR REPLACE INTO client_names (name, client_id) VALUES (?1, ?2)",
            (name.as_str(), id),
        )?;
    }
    Ok(ClientSaveOutcome::Saved)
}

#[async_trait]
impl Clients for SqliteClients {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let sql = "SELECT client_id, document FROM clients WHERE client_id = ?1";
        let base = self.0.base();
        self.0
            .read(|connection| row_codec::first(connection, sql, [id.as_str()], |row| client(row, base)))
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let client = client.clone();
        self.0.write(move |connection| save(connection, &client, true)).await
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let client = client.clone();
        self.0.write(move |connection| save(connection, &client, false)).await
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let sql = "SELECT client_id, document FROM clients WHERE client_id > ?1 ORDER BY client_id LIMIT ?2";
        let base = self.0.base();
        self.0
            .scan(move |connection| {
                row_codec::all(connection, sql, (after, integer(limit as u64)), |row| client(row, base))
            })
            .await
    }
}
