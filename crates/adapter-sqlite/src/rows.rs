//! What rows and JSON columns have in common.

use domain::time::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Fault;

/// Reads one kind of row; says which one cannot be read.
pub(crate) struct Reader<'a, 'b> {
    what: &'static str,
    id: String,
    row: &'a Row<'b>,
}

impl<'a, 'b> Reader<'a, 'b> {
    /// `key` is the column that names the row.
    pub(crate) fn new(what: &'static str, row: &'a Row<'b>, key: &str) -> Self {
        let id = row.get::<_, String>(key).unwrap_or_default();
        Self { what, id, row }
    }

    pub(crate) fn column<T: FromSql>(&self, name: &str) -> Result<T, Fault> {
        Ok(self.row.get(name)?)
    }

    pub(crate) fn parsed<T, E>(&self, name: &str, parse: impl FnOnce(String) -> Result<T, E>) -> Result<T, Fault>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parse(self.column(name)?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn time(&self, name: &str) -> Result<Timestamp, Fault> {
        Timestamp::from_millisecond(self.column(name)?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn optional_time(&self, name: &str) -> Result<Option<Timestamp>, Fault> {
        let millis: Option<i64> = self.column(name)?;
        millis
            .map(Timestamp::from_millisecond)
            .transpose()
            .map_err(|error| self.corrupt(error))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Fault> {
        let text = self.row.get_ref(name)?.as_str().map_err(|error| self.corrupt(error))?;
        serde_json::from_str(text).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn count(&self, name: &str) -> Result<u64, Fault> {
        let number: i64 = self.column(name)?;
        u64::try_from(number).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn corrupt(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
        Fault::corrupt(self.what, self.id.clone(), cause)
    }
}

/// The stored form of a document.
pub(crate) fn to_json<T: Serialize>(what: &'static str, document: &T) -> Result<String, Fault> {
    serde_json::to_string(document).map_err(|error| Fault::corrupt(what, "", error))
}

/// A number as SQLite keeps it; ours never reach the end of either type.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The first row, read; `None` without one.
pub(crate) fn first<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row(parameters, |row| Ok(read(row)))
        .optional()?
        .transpose()
}

/// Every row, read.
pub(crate) fn all<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// Runs a statement; how many rows it changed.
pub(crate) fn execute(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, Fault> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}
