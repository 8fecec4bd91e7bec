use std::sync::Arc;

use async_trait::async_trait;
use domain::contact::{ContactValue, Email, Mobile};
use domain::event::NewEvent;
use domain::factors::{AlternativeContact, FactorSet};
use domain::identity::Identity;
use domain::ids::{ContactId, UserId};
use domain::time::Timestamp;
use ports::factors::FactorSets;
use ports::{Aggregate, SaveOutcome, StoreError};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::code_documents::{self, AttemptsDocument, ContactCodesDocument};
use crate::database::Database;
use crate::error::SqliteError;
use crate::identities::identity;
use crate::outbox::Outbox;
use crate::row_codec::{self, Reader, integer, to_json};

pub(crate) struct SqliteFactorSets(pub(crate) Arc<Database>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContactDocument {
    id: String,
    value: ValueDocument,
    marked: bool,
    verified: bool,
    revision: u64,
    /// Milliseconds since 1970.
    added_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ValueDocument {
    Email(String),
    Mobile {
        region: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        area: Option<String>,
        number: String,
    },
}

impl From<&AlternativeContact> for ContactDocument {
    fn from(contact: &AlternativeContact) -> Self {
        let value = match &contact.value {
            ContactValue::Email(email) => ValueDocument::Email(email.as_str().to_owned()),
            ContactValue::Mobile(mobile) => ValueDocument::Mobile {
                region: mobile.region().to_owned(),
                area: mobile.area().map(str::to_owned),
                number: mobile.number().to_owned(),
            },
        };
        Self {
            id: contact.id.to_string(),
            value,
            marked: contact.is_marked,
            verified: contact.is_verified,
            revision: contact.revision,
            added_at: contact.added_at.as_millisecond(),
        }
    }
}

fn contact(row: &Reader<'_, '_>, stored: ContactDocument) -> Result<AlternativeContact, SqliteError> {
    let value = match stored.value {
        ValueDocument::Email(address) => Email::parse(&address)
            .map(ContactValue::Email)
            .map_err(|error| row.corrupt(error))?,
        ValueDocument::Mobile { region, area, number } => Mobile::parse(&region, area.as_deref(), &number)
            .map(ContactValue::Mobile)
            .map_err(|error| row.corrupt(error))?,
    };
    Ok(AlternativeContact {
        id: ContactId::parse(stored.id).map_err(|error| row.corrupt(error))?,
        value,
        is_marked: stored.marked,
        is_verified: stored.verified,
        revision: stored.revision,
        added_at: Timestamp::from_millisecond(stored.added_at).map_err(|error| row.corrupt(error))?,
    })
}

/// Reads a factor set from a row whose first column is the user id. Version, contacts, chosen default, codes and
/// attempts follow from column `at` on.
fn factor_set(row: &Row<'_>, at: usize) -> Result<FactorSet, SqliteError> {
    let row = Reader::new("factor set", row);
    let stored: Vec<ContactDocument> = row.json(at + 1)?;
    let chosen: Option<String> = row.column(at + 2)?;
    let codes: Vec<ContactCodesDocument> = row.json(at + 3)?;
    Ok(FactorSet {
        user: row.parse(0, UserId::parse)?,
        version: row.count(at)?,
        contacts: stored
            .into_iter()
            .map(|stored| contact(&row, stored))
            .collect::<Result<_, SqliteError>>()?,
        chosen_default: chosen
            .map(ContactId::parse)
            .transpose()
            .map_err(|error| row.corrupt(error))?,
        codes: codes
            .into_iter()
            .map(|stored| code_documents::contact_codes(&row, stored))
            .collect::<Result<_, SqliteError>>()?,
        attempts: code_documents::attempts(&row, row.json(at + 4)?)?,
    })
}

/// Reads a user and the user's factor set from one row. Without a stored set, the columns of the set are null.
fn owner_and_set(row: &Row<'_>) -> Result<(Identity, FactorSet), SqliteError> {
    let owner = identity(row)?;
    let version: Option<i64> = row.get(2)?;
    let set = if version.is_some() {
        factor_set(row, 2)?
    } else {
        FactorSet::empty(owner.id.clone())
    };
    Ok((owner, set))
}

fn save(connection: &Connection, set: &FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, SqliteError> {
    let user = set.user.as_str();
    let stored = row_codec::first(
        connection,
        "SELECT user_id, version FROM factor_sets WHERE user_id = ?1",
        [user],
        |row| Reader::new("factor set", row).count("version"),
    )?;
    if stored.unwrap_or(0) != set.version {
        return Ok(SaveOutcome::Conflict);
    }
    let mut outbox = Outbox::read(connection, Aggregate::FactorSet, user)?.unwrap_or_else(Outbox::empty);
    if !outbox.push(events) {
        return Ok(SaveOutcome::OutboxFull);
    }
    let contacts: Vec<ContactDocument> = set.contacts.iter().map(ContactDocument::from).collect();
    let codes: Vec<ContactCodesDocument> = set.codes.iter().map(ContactCodesDocument::from).collect();
    let sql = "INSERT INTO factor_sets (user_id, version, contacts, chosen_default, codes, attempts, sequence)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
               ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, contacts = excluded.contacts,
                   chosen_default = excluded.chosen_default, codes = excluded.codes, attempts = excluded.attempts";
    let chosen = set.chosen_default.as_ref().map(ContactId::as_str);
    row_codec::execute(
        connection,
        sql,
        (
            user,
            integer(set.version + 1),
            to_json("factor set", &contacts)?,
            chosen,
            to_json("factor set", &codes)?,
            to_json("factor set", &AttemptsDocument::from_attempts(&set.attempts))?,
        ),
    )?;
    outbox.save(connection, Aggregate::FactorSet, user)?;
    Ok(SaveOutcome::Saved)
}

#[async_trait]
impl FactorSets for SqliteFactorSets {
    async fn find(&self, user: &UserId) -> Result<FactorSet, StoreError> {
        let sql =
            "SELECT user_id, version, contacts, chosen_default, codes, attempts FROM factor_sets WHERE user_id = ?1";
        let found = self
            .0
            .read(|connection| row_codec::first(connection, sql, [user.as_str()], |row| factor_set(row, 1)))?;
        Ok(found.unwrap_or_else(|| FactorSet::empty(user.clone())))
    }

    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, FactorSet)>, StoreError> {
        let sql = "SELECT i.user_id, i.document, f.version, f.contacts, f.chosen_default, f.codes, f.attempts
                   FROM identities i LEFT JOIN factor_sets f ON f.user_id = i.user_id WHERE i.user_id = ?1";
        self.0
            .read(|connection| row_codec::first(connection, sql, [user.as_str()], owner_and_set))
    }

    async fn save_if_version(&self, set: &FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        let set = set.clone();
        let outcome = self.0.write(move |connection| save(connection, &set, events)).await?;
        if outcome == SaveOutcome::Saved {
            self.0.notify_event();
        }
        Ok(outcome)
    }
}
