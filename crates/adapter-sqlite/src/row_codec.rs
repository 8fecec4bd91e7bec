//! Reads and writes rows and their JSON columns.

use domain::time::Timestamp;
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{OptionalExtension as _, Row, RowIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SqliteError;

/// Reads the columns of one row; an error names the row.
///
/// Columns are read by name, and by number where a row is read often: SQLite compares a name with the names of all
/// columns at each call.
pub(crate) struct Reader<'a, 'b> {
    what: &'static str,
    row: &'a Row<'b>,
}

impl<'a, 'b> Reader<'a, 'b> {
    /// `what` is the kind of the row in errors. The first column must be its id.
    pub(crate) fn new(what: &'static str, row: &'a Row<'b>) -> Self {
        Self { what, row }
    }

    pub(crate) fn column<T: FromSql>(&self, index: impl RowIndex) -> Result<T, SqliteError> {
        Ok(self.row.get(index)?)
    }

    pub(crate) fn parse<T, E>(
        &self,
        index: impl RowIndex,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<T, SqliteError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parse(self.column(index)?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn time(&self, index: impl RowIndex) -> Result<Timestamp, SqliteError> {
        Timestamp::from_millisecond(self.column(index)?).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn optional_time(&self, index: impl RowIndex) -> Result<Option<Timestamp>, SqliteError> {
        let millis: Option<i64> = self.column(index)?;
        millis
            .map(Timestamp::from_millisecond)
            .transpose()
            .map_err(|error| self.corrupt(error))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, index: impl RowIndex) -> Result<T, SqliteError> {
        let text = self.row.get_ref(index)?.as_str().map_err(|error| self.corrupt(error))?;
        serde_json::from_str(text).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn count(&self, index: impl RowIndex) -> Result<u64, SqliteError> {
        let number: i64 = self.column(index)?;
        u64::try_from(number).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn corrupt(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SqliteError {
        let id = match self.row.get_ref(0) {
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(_) | Err(_) => String::new(),
        };
        SqliteError::corrupt(self.what, id, cause)
    }
}

/// Returns the stored form of a document.
pub(crate) fn to_json<T: Serialize>(what: &'static str, document: &T) -> Result<String, SqliteError> {
    serde_json::to_string(document).map_err(|error| SqliteError::corrupt(what, "", error))
}

/// Converts a count to SQLite's integer. No count here comes near the limit of either type.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads the first row, if there is one.
pub(crate) fn first<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, SqliteError>,
) -> Result<Option<T>, SqliteError> {
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row(parameters, |row| Ok(read(row)))
        .optional()?
        .transpose()
}

/// Reads all rows.
pub(crate) fn all<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, SqliteError>,
) -> Result<Vec<T>, SqliteError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// Runs a statement and returns how many rows it changed.
pub(crate) fn execute(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, SqliteError> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}
