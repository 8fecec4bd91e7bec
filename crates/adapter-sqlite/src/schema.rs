//! The schema, as a list of migrations.
//!
//! A released version is never edited: a file that has it never runs it again, so an edit would give old and new files
//! different schemas. A change of the schema is a new version at the end of the list, with a test that opens a file of
//! the previous version.

use ports::Aggregate;
use rusqlite::{Connection, TransactionBehavior};
use stored_forms::{Collection, collection, collections};

use crate::row_codec::integer;

/// Migrations in order. The file's `user_version` is the number of applied migrations.
const MIGRATIONS: &[&str] = &[
    VERSION_1,
    VERSION_2,
    VERSION_3,
    VERSION_4,
    USED_ONCE,
    REMOVED_USERS,
    RESTORE_AND_RETENTION,
    FAMILIES_OF_A_USER,
];

/// Marks the file as an AuthMe file, for `file` and similar tools: `AuMe` in ASCII.
const APPLICATION_ID: i32 = 0x4175_4d65;

/// The newest schema version that this build knows.
pub(crate) const NEWEST_VERSION: usize = MIGRATIONS.len();

const VERSION_1: &str = "
CREATE TABLE identities (user_id TEXT PRIMARY KEY NOT NULL, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE logins (login TEXT PRIMARY KEY NOT NULL, user_id TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE clients (client_id TEXT PRIMARY KEY NOT NULL, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE client_names (name TEXT PRIMARY KEY NOT NULL, client_id TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE groups (name TEXT PRIMARY KEY NOT NULL, roles TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    user_id TEXT PRIMARY KEY NOT NULL,
    locked INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    since INTEGER,
    locked_by TEXT,
    reason TEXT,
    sequence INTEGER NOT NULL,
    outbox TEXT NOT NULL DEFAULT '[]',
    outbox_pending INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER
) STRICT;
CREATE INDEX credentials_outbox ON credentials (lease_until) WHERE outbox_pending = 1;

CREATE TABLE factor_sets (
    user_id TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    contacts TEXT NOT NULL,
    chosen_default TEXT,
    sequence INTEGER NOT NULL,
    outbox TEXT NOT NULL DEFAULT '[]',
    outbox_pending INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER
) STRICT;
CREATE INDEX factor_sets_outbox ON factor_sets (lease_until) WHERE outbox_pending = 1;

CREATE TABLE validation_tokens (
    hash BLOB PRIMARY KEY NOT NULL,
    target_client TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX validation_tokens_garbage ON validation_tokens (expires_at);

CREATE TABLE refresh_families (
    family_id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    business_id TEXT,
    groups TEXT,
    root_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    previous_nonce BLOB,
    rotated_at INTEGER NOT NULL,
    absolute_expires_at INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'closed', 'revoked')),
    closed_generation INTEGER,
    closed_at INTEGER,
    revoked_reason TEXT,
    sequence INTEGER NOT NULL,
    outbox TEXT NOT NULL DEFAULT '[]',
    outbox_pending INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER
) STRICT;
CREATE INDEX refresh_families_outbox ON refresh_families (lease_until) WHERE outbox_pending = 1;
CREATE INDEX refresh_families_garbage ON refresh_families (absolute_expires_at) WHERE outbox_pending = 0;

CREATE TABLE events (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
";

const VERSION_2: &str = "
ALTER TABLE factor_sets ADD COLUMN codes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE factor_sets ADD COLUMN attempts TEXT NOT NULL DEFAULT 'null';

CREATE TABLE send_limits (
    key TEXT PRIMARY KEY NOT NULL,
    used INTEGER NOT NULL,
    window_ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX send_limits_garbage ON send_limits (window_ends_at);
";

/// A family stores all its ancestors; in version 2 it stored only the first. Locks and events store the actor, and
/// events also store the request's correlation id. Validation tokens of version 2 are deleted: they are valid for 60 s
/// only.
const VERSION_3: &str = "
ALTER TABLE refresh_families ADD COLUMN ancestors TEXT;
UPDATE refresh_families SET ancestors = json_array(root_id) WHERE root_id <> family_id;
ALTER TABLE refresh_families DROP COLUMN root_id;
DELETE FROM validation_tokens;

ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT '{}';
ALTER TABLE events ADD COLUMN correlation_id TEXT;

ALTER TABLE credentials ADD COLUMN actor TEXT;
-- A user and a client may share an id: an id that names both tells nobody.
UPDATE credentials SET actor = CASE
    WHEN (locked_by IN (SELECT client_id FROM clients)) = (locked_by IN (SELECT user_id FROM identities)) THEN NULL
    WHEN locked_by IN (SELECT client_id FROM clients) THEN json_object('client', locked_by)
    ELSE json_object('user', locked_by)
END WHERE locked_by IS NOT NULL;
ALTER TABLE credentials DROP COLUMN locked_by;

-- What was stored before is the first version of it.
ALTER TABLE credentials ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

ALTER TABLE refresh_families ADD COLUMN administrative_groups TEXT;

CREATE TABLE known_names (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
";

/// Aggregates with rules get one shape of table, with the form as a document, and every table that has an outbox or is
/// purged calls its key `key`.
const VERSION_4: &str = "
ALTER TABLE refresh_families RENAME COLUMN family_id TO key;
ALTER TABLE refresh_families RENAME COLUMN user_id TO user;
ALTER TABLE validation_tokens RENAME COLUMN hash TO key;

ALTER TABLE credentials RENAME TO credentials_3;
DROP INDEX credentials_outbox;
CREATE TABLE credentials (
    key TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    outbox TEXT NOT NULL DEFAULT '[]',
    outbox_pending INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER
) STRICT;
CREATE INDEX credentials_outbox ON credentials (lease_until) WHERE outbox_pending = 1;
INSERT INTO credentials SELECT user_id, version,
    json_object('locked', json(iif(locked, 'true', 'false')), 'epoch', epoch, 'since', since, 'by', json(actor),
        'reason', reason, 'version', version),
    sequence, outbox, outbox_pending, lease_owner, lease_until FROM credentials_3;
DROP TABLE credentials_3;

ALTER TABLE factor_sets RENAME TO factor_sets_3;
DROP INDEX factor_sets_outbox;
CREATE TABLE factor_sets (
    key TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    outbox TEXT NOT NULL DEFAULT '[]',
    outbox_pending INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER
) STRICT;
CREATE INDEX factor_sets_outbox ON factor_sets (lease_until) WHERE outbox_pending = 1;
INSERT INTO factor_sets SELECT user_id, version,
    json_object('version', version, 'contacts', json(contacts), 'chosenDefault', chosen_default, 'codes', json(codes),
        'attempts', json(attempts)),
    sequence, outbox, outbox_pending, lease_owner, lease_until FROM factor_sets_3;
DROP TABLE factor_sets_3;
";

/// Values that may be used once.
const USED_ONCE: &str = "
CREATE TABLE used_once (key TEXT PRIMARY KEY NOT NULL, purge_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX used_once_garbage ON used_once (purge_at);
";

/// A removed user keeps its row: `removal` lists what of it is still stored, and is null for every other user. The row
/// has an outbox, for the event of the removal. Logins are found by their user.
const REMOVED_USERS: &str = "
ALTER TABLE identities RENAME COLUMN user_id TO key;
ALTER TABLE identities ADD COLUMN removal TEXT;
ALTER TABLE identities ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN outbox TEXT NOT NULL DEFAULT '[]';
ALTER TABLE identities ADD COLUMN outbox_pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN lease_owner TEXT;
ALTER TABLE identities ADD COLUMN lease_until INTEGER;
CREATE INDEX identities_outbox ON identities (lease_until) WHERE outbox_pending = 1;
CREATE INDEX identities_removals ON identities (key) WHERE removal IS NOT NULL AND removal <> '[]';
CREATE INDEX logins_holder ON logins (user_id);
";

/// The tables of a restore and of the retention of events: see `store_base.rs` and `event_log.rs`.
const RESTORE_AND_RETENTION: &str = "
CREATE TABLE store_base (id INTEGER PRIMARY KEY CHECK (id = 0), base INTEGER NOT NULL) STRICT;
-- A consumer whose cursor is at or after `first`, and before `through`, has missed events.
CREATE TABLE event_gaps (first INTEGER PRIMARY KEY, through INTEGER NOT NULL) STRICT;
";

/// A family stores its sessions version and the time of its start, which is unknown for earlier families, and
/// families are found by their user. The index has no column that a rotation changes, so rotations do not write it.
const FAMILIES_OF_A_USER: &str = "
ALTER TABLE refresh_families ADD COLUMN sessions_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refresh_families ADD COLUMN started_at INTEGER;
CREATE INDEX refresh_families_user ON refresh_families (user, client_id);
";

/// Returns the table of an aggregate with rules. A new aggregate needs no migration, only its entry among the [`collections`].
fn versioned_table(collection: &Collection) -> String {
    let table = collection.aggregate.name;
    let mut sql = format!(
        "CREATE TABLE IF NOT EXISTS {table} (
            key TEXT PRIMARY KEY NOT NULL,
            version INTEGER NOT NULL,
            document TEXT NOT NULL,
            sequence INTEGER NOT NULL DEFAULT 0,
            outbox TEXT NOT NULL DEFAULT '[]',
            outbox_pending INTEGER NOT NULL DEFAULT 0,
            lease_owner TEXT,
            lease_until INTEGER
        ) STRICT;
        CREATE INDEX IF NOT EXISTS {table}_outbox ON {table} (lease_until) WHERE outbox_pending = 1;"
    );
    if let Some(purge_at) = purge_column(collection.aggregate) {
        let index =
            format!("CREATE INDEX IF NOT EXISTS {table}_purge ON {table} ({purge_at}) WHERE outbox_pending = 0;");
        sql.push_str(&index);
    }
    sql
}

/// Returns the column, or the expression, that holds a member of a stored form.
fn member_column(collection: &Collection, member: &str) -> String {
    if collection.is_versioned {
        return format!("json_extract(document, '$.{member}')");
    }
    let mut column = String::new();
    for letter in member.chars() {
        if letter.is_ascii_uppercase() {
            column.push('_');
        }
        column.push(letter.to_ascii_lowercase());
    }
    column
}

/// Returns the column that holds the user whose events these are.
pub(crate) fn user_column(aggregate: &Aggregate) -> String {
    let collection = collection(aggregate.name);
    let user = collection.and_then(|collection| Some(member_column(collection, collection.user?)));
    user.unwrap_or_else(|| "key".to_owned())
}

/// Returns the column that holds the time at which a record may be purged; `None` if records are kept.
pub(crate) fn purge_column(aggregate: &Aggregate) -> Option<String> {
    let collection = collection(aggregate.name)?;
    Some(member_column(collection, collection.purge_at?))
}

/// Applies the missing migrations, one transaction each, and creates the missing tables of aggregates with rules. Returns `Ok(Err(version))`, and changes nothing, if the file's
/// version is newer than [`NEWEST_VERSION`].
///
/// Two processes may start at the same time. A and B open a file of version 2. A begins an immediate transaction, and B
/// waits for it. A applies version 3 and commits. B reads version 3 inside its own transaction and has nothing to do.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<Result<(), usize>> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        if version > NEWEST_VERSION {
            return Ok(Err(version));
        }
        let Some(migration) = MIGRATIONS.get(version) else {
            for collection in collections().filter(|collection| collection.is_versioned) {
                transaction.execute_batch(&versioned_table(collection))?;
            }
            transaction.commit()?;
            return Ok(Ok(()));
        };
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", integer(version as u64 + 1))?;
        transaction.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::actor::Actor;
    use domain::client::Client;
    use domain::contact::{ContactValue, Mobile};
    use domain::credential_lock::{CredentialLock, LockReason};
    use domain::directory::events::removal_event;
    use domain::event::{EventContext, EventValue};
    use domain::factors::events::FACTOR_ADDED;
    use domain::factors::{
        AlternativeContact, Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, FactorSet, Purpose,
    };
    use domain::group::AssertedGroups;
    use domain::ids::{ClientId, ContactId, EventId, FamilyId, UserId};
    use domain::sessions::SignInStatus;
    use domain::time::Timestamp;
    use domain::tokens::{Consumption, ValidationTokenHash};
    use ports::sessions::ActiveFamilies;
    use ports::{Lease, RemovalOutcome, SaveOutcome};

    use super::*;
    use crate::SqliteSettings;

    #[test]
    fn migrate_rejects_a_newer_version() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "user_version", integer(NEWEST_VERSION as u64 + 1))
            .unwrap();
        assert_eq!(migrate(&mut connection).unwrap(), Err(NEWEST_VERSION + 1));
    }

    #[test]
    fn migrating_again_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap().unwrap();
        migrate(&mut connection).unwrap().unwrap();
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, integer(NEWEST_VERSION as u64));
    }

    #[tokio::test]
    async fn a_version_1_file_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(VERSION_1).unwrap();
        let rows = r#"
            INSERT INTO factor_sets (user_id, version, contacts, chosen_default, sequence)
                VALUES ('user-1', 3, '[]', 'contact-1', 0);
            INSERT INTO clients (client_id, document) VALUES ('portal', '{"secrets":[],"enabled":true,"roles":[],
                "scopes":[],"saml":false,"identityProvider":false,"createUsers":false,"requireKnownGroups":false,
                "aliases":[],"visibility":"CREDENTIALS_ONLY"}');
            PRAGMA user_version = 1;"#;
        connection.execute_batch(rows).unwrap();
        drop(connection);

        let opened = crate::open(&SqliteSettings { file, workers: 1 }).unwrap();
        let stores = opened.stores;
        let user = UserId::parse("user-1").unwrap();
        let set = FactorSet {
            version: 3,
            chosen_default: Some(ContactId::parse("contact-1").unwrap()),
            ..FactorSet::empty(user.clone())
        };
        assert_eq!(stores.factor_sets.find(&user).await.unwrap(), Some(set));
        let portal = ClientId::parse("portal").unwrap();
        let found = stores.clients.find(&portal).await.unwrap();
        assert_eq!(found, Some(Client::new(portal)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lock_without_version_becomes_version_1() {
        for old in [&MIGRATIONS[..1], &MIGRATIONS[..2]] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("authme.sqlite");
            let connection = Connection::open(&file).unwrap();
            connection.execute_batch(&old.concat()).unwrap();
            connection
                .pragma_update(None, "user_version", integer(old.len() as u64))
                .unwrap();
            let rows = "INSERT INTO credentials (user_id, locked, epoch, since, locked_by, reason, sequence)
                        VALUES ('user-1', 1, 2, 0, 'desk', NULL, 3)";
            connection.execute_batch(rows).unwrap();
            drop(connection);

            let opened = crate::open(&SqliteSettings { file, workers: 1 }).unwrap();
            let stores = opened.stores;
            let user = UserId::parse("user-1").unwrap();
            let locked = CredentialLock {
                version: 1,
                is_locked: true,
                epoch: 2,
                since: Some(Timestamp::UNIX_EPOCH),
                ..CredentialLock::never_locked(user.clone())
            };
            assert_eq!(stores.credential_locks.find(&user).await.unwrap(), Some(locked.clone()));
            let saved = stores
                .credential_locks
                .save_if_version(&locked, Vec::new())
                .await
                .unwrap();
            assert_eq!(saved, SaveOutcome::Saved);
        }
    }

    #[tokio::test]
    async fn version_2_actors_are_kept_if_unambiguous() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(VERSION_1).unwrap();
        connection.execute_batch(VERSION_2).unwrap();
        let rows = r#"
            INSERT INTO clients (client_id, document) VALUES ('desk', '{}'), ('both', '{}');
            INSERT INTO identities (user_id, document) VALUES ('root', '{}'), ('both', '{}');
            INSERT INTO credentials (user_id, locked, epoch, since, locked_by, reason, sequence) VALUES
                ('u1', 1, 1, 0, 'desk', 'lost phone', 1), ('u2', 1, 1, 0, 'root', NULL, 1),
                ('u3', 1, 1, 0, 'both', NULL, 1), ('u4', 1, 1, 0, 'gone', NULL, 1);
            INSERT INTO events (id, kind, subject, user_id, sequence, time, data) VALUES
                ('e1', 'credential.locked', 'u1', 'u1', 1, 0, '[["userId","u1"],["epoch",1],["by","desk"]]');
            PRAGMA user_version = 2;"#;
        connection.execute_batch(rows).unwrap();
        drop(connection);

        let opened = crate::open(&SqliteSettings { file, workers: 1 }).unwrap();
        let stores = opened.stores;
        let client = Actor {
            client: Some(ClientId::parse("desk").unwrap()),
            ..Actor::default()
        };
        let user = Actor {
            user: Some(UserId::parse("root").unwrap()),
            ..Actor::default()
        };
        for (id, by) in [("u1", Some(client)), ("u2", Some(user)), ("u3", None), ("u4", None)] {
            let found = stores.credential_locks.find(&UserId::parse(id).unwrap()).await.unwrap();
            assert_eq!(found.unwrap().by, by, "{id}");
        }
        let logged = opened.event_log.read(None, 10).await.unwrap();
        let event = &logged.first().unwrap().event;
        assert!(event.by.is_unknown() && event.correlation_id.is_none());
    }

    #[tokio::test]
    async fn a_version_2_family_asserts_no_administrative_group() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = Connection::open(&file).unwrap();
        for version in [VERSION_1, VERSION_2] {
            connection.execute_batch(version).unwrap();
        }
        let rows = r#"
            INSERT INTO refresh_families (family_id, user_id, client_id, groups, root_id, epoch, generation, nonce,
                    rotated_at, absolute_expires_at, idle_expires_at, status, sequence)
                VALUES ('family-1', 'user-1', 'portal', '["staff"]', 'family-1', 0, 1, x'00000000000000000000000000000000',
                    0, 1, 1, 'active', 0);
            PRAGMA user_version = 2;"#;
        connection.execute_batch(rows).unwrap();
        drop(connection);

        let opened = crate::open(&SqliteSettings { file, workers: 1 }).unwrap();
        let stores = opened.stores;
        let family = FamilyId::parse("family-1").unwrap();
        let family = stores.refresh_families.find(&family).await.unwrap().unwrap();
        let asserted = AssertedGroups {
            names: vec!["staff".to_owned()],
            administrative: Vec::new(),
        };
        assert_eq!(family.origin.asserted_groups(), asserted);
        assert_eq!(stores.known_names.page(None, 1).await.unwrap(), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_4_user_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(&MIGRATIONS[..4].concat()).unwrap();
        let rows = r#"
            INSERT INTO identities (user_id, document) VALUES ('user-1', '{"email":{"id":"contact-1",
                "address":"ana@example.com"},"mainContactType":"EMAIL","roles":["USER"],"groups":[],"businesses":[]}');
            INSERT INTO logins (login, user_id) VALUES ('ana@example.com', 'user-1');
            INSERT INTO refresh_families (key, user, client_id, epoch, generation, nonce, rotated_at,
                    absolute_expires_at, idle_expires_at, status, sequence)
                VALUES ('family-1', 'user-1', 'portal', 0, 1, x'00000000000000000000000000000000', 0, 1, 1, 'active', 1);
            PRAGMA user_version = 4;"#;
        connection.execute_batch(rows).unwrap();
        drop(connection);

        let stores = crate::open(&SqliteSettings { file, workers: 1 }).unwrap().stores;
        let user = UserId::parse("user-1").unwrap();
        let found = stores
            .identities
            .find_by_login("ana@example.com")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((&found.id, &found.roles), (&user, &vec!["USER".to_owned()]));
        let context = EventContext {
            id: EventId("removal".to_owned()),
            time: Timestamp::UNIX_EPOCH,
            by: Actor::operator("root"),
            correlation_id: None,
        };
        let removal = stores.identities.remove(&user, removal_event(context, &user)).await;
        assert_eq!(removal.unwrap(), RemovalOutcome::Removed);
        assert_eq!(stores.identities.find(&user).await.unwrap(), None);
        assert_eq!(stores.identities.find_by_login("ana@example.com").await.unwrap(), None);
        assert_eq!(stores.identities.pending_removals(None, 10).await.unwrap().len(), 1);
        assert!(!stores.refresh_families.erase_user(&user, 10).await.unwrap());
    }

    /// A contact with a code, as every version stored it.
    const CONTACTS: &str = r#"[{"id":"contact-1","value":{"mobile":{"region":"351","number":"912345678"}},"marked":true,
        "verified":false,"revision":2,"addedAt":5}]"#;
    const CODES: &str = r#"[{"contact":"contact-1","destination":"351 912345678","attempts":{"used":3,"endAt":7,"told":true},
        "challenge":{"id":"01010101010101010101010101010101",
        "digest":"0707070707070707070707070707070707070707070707070707070707070707","revision":2,"purpose":"verify",
        "client":"portal","attempts":3,"told":false,"expiresAt":9}}]"#;
    const ADDED: &str = r#"[{"id":"e7","kind":"factor.added","sequence":7,"time":11,"by":{"client":"desk"},
        "data":[["userId","user-1"],["tags",["MARKED_RESOURCES"]],["default",true],["epoch",4]]}]"#;

    fn filled_file(version: usize) -> String {
        let (codes, code_values) = match version {
            1 => ("", String::new()),
            _ => (
                ", codes, attempts",
                format!(r#", '{CODES}', '{{"used":50,"endAt":13,"told":true}}'"#),
            ),
        };
        let (actor, actor_value) = match version {
            1 | 2 => ("locked_by", "'desk'"),
            _ => ("version, actor", r#"6, '{"client":"desk"}'"#),
        };
        format!(
            "INSERT INTO clients (client_id, document) VALUES ('desk', '{{}}');
             INSERT INTO factor_sets (user_id, version, contacts, chosen_default, sequence, outbox, outbox_pending {codes})
                 VALUES ('user-1', 3, '{CONTACTS}', 'contact-1', 7, '{ADDED}', 1 {code_values});
             INSERT INTO credentials (user_id, locked, epoch, since, reason, sequence, {actor})
                 VALUES ('user-1', 1, 2, 17, 'lost $phone', 3, {actor_value}), ('user-2', 0, 1, NULL, NULL, 0, {actor_value});
             INSERT INTO events (id, kind, subject, user_id, sequence, time, data)
                 VALUES ('e1', 'credential.locked', 'user-1', 'user-1', 1, 0, '[[\"userId\",\"user-1\"],[\"epoch\",1]]');
             PRAGMA user_version = {version};"
        )
    }

    #[tokio::test]
    async fn a_version_4_family_has_no_sessions_version_and_is_found_by_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(&MIGRATIONS[..4].concat()).unwrap();
        let rows = "
            INSERT INTO refresh_families (key, user, client_id, epoch, generation, nonce, rotated_at,
                    absolute_expires_at, idle_expires_at, status, sequence)
                VALUES ('family-1', 'user-1', 'portal', 0, 1, x'00000000000000000000000000000000', 5, 9, 8, 'active', 0);
            PRAGMA user_version = 4;";
        connection.execute_batch(rows).unwrap();
        drop(connection);

        let opened = crate::open(&SqliteSettings { file, workers: 1 }).unwrap();
        let active = ActiveFamilies {
            user: UserId::parse("user-1").unwrap(),
            epoch: 0,
            sign_in: SignInStatus::default(),
            at: Timestamp::from_millisecond(7).unwrap(),
        };
        let families = opened
            .stores
            .refresh_families
            .list_active(&active, None, 10)
            .await
            .unwrap();
        let [family] = families.as_slice() else {
            panic!("{families:?}");
        };
        assert_eq!((family.origin.sessions_version, family.started_at), (0, None));
        let user = &family.origin.user;
        assert_eq!(opened.stores.sign_ins.find(user).await.unwrap(), None);
    }

    fn expected_set(version: usize) -> FactorSet {
        let codes = ContactCodes {
            contact: ContactId::parse("contact-1").unwrap(),
            destination: "351 912345678".to_owned(),
            attempts: Attempts {
                used: 3,
                ends_at: Timestamp::from_millisecond(7).unwrap(),
                is_exhaustion_reported: true,
            },
            challenge: Some(Challenge {
                id: ChallengeId::from_random([1; 16]),
                digest: CodeDigest([7; 32]),
                revision: 2,
                purpose: Purpose::Verify,
                client: ClientId::parse("portal").unwrap(),
                attempts: 3,
                is_exhaustion_reported: false,
                expires_at: Timestamp::from_millisecond(9).unwrap(),
            }),
        };
        let mut set = FactorSet {
            version: 3,
            contacts: vec![AlternativeContact {
                id: ContactId::parse("contact-1").unwrap(),
                value: ContactValue::Mobile(Mobile::parse("351", None, "912345678").unwrap()),
                is_marked: true,
                is_verified: false,
                revision: 2,
                added_at: Timestamp::from_millisecond(5).unwrap(),
            }],
            chosen_default: Some(ContactId::parse("contact-1").unwrap()),
            ..FactorSet::empty(UserId::parse("user-1").unwrap())
        };
        if version > 1 {
            set.codes = vec![codes];
            set.attempts = Attempts {
                used: 50,
                ends_at: Timestamp::from_millisecond(13).unwrap(),
                is_exhaustion_reported: true,
            };
        }
        set
    }

    /// Returns the locks that a filled file has. Versions 1 and 2 stored no version, and the id of the actor only.
    fn expected_locks(version: usize) -> [CredentialLock; 2] {
        let by = Some(Actor {
            client: Some(ClientId::parse("desk").unwrap()),
            ..Actor::default()
        });
        let version = if version < 3 { 1 } else { 6 };
        let lock = |user, is_locked, epoch| CredentialLock {
            version,
            is_locked,
            epoch,
            by: by.clone(),
            ..CredentialLock::never_locked(UserId::parse(user).unwrap())
        };
        let locked = CredentialLock {
            since: Some(Timestamp::from_millisecond(17).unwrap()),
            reason: Some(LockReason::parse("lost $phone").unwrap()),
            ..lock("user-1", true, 2)
        };
        [locked, lock("user-2", false, 1)]
    }

    /// A validation token of version 4 names no session, and was deleted when it was consumed.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_4_validation_token_can_be_consumed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(&MIGRATIONS[..4].concat()).unwrap();
        let rows = r#"
            INSERT INTO validation_tokens (key, target_client, expires_at, document) VALUES
                (x'0707070707070707070707070707070707070707070707070707070707070707', 'portal', 60000,
                '{"user":"user-1","originClient":"saml","groups":[],"epoch":3}');
            PRAGMA user_version = 4;"#;
        connection.execute_batch(rows).unwrap();
        drop(connection);

        let tokens = crate::open(&SqliteSettings { file, workers: 1 })
            .unwrap()
            .stores
            .validation_tokens;
        let hash = ValidationTokenHash([7; 32]);
        let found = tokens.find(&hash).await.unwrap().unwrap();
        assert_eq!(
            (found.epoch, &found.first_refresh_token, found.consumption),
            (3, &None, None)
        );
        let consumption = Consumption {
            at: Timestamp::from_millisecond(59_999).unwrap(),
            starts_session: true,
        };
        let portal = ClientId::parse("portal").unwrap();
        assert!(tokens.consume(&hash, &portal, consumption).await.unwrap());
        assert!(!tokens.consume(&hash, &portal, consumption).await.unwrap());
        assert_eq!(
            tokens.find(&hash).await.unwrap().unwrap().consumption,
            Some(consumption)
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn filled_files_of_every_version_keep_sets_locks_and_events() {
        for version in 1..NEWEST_VERSION {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("authme.sqlite");
            let connection = Connection::open(&file).unwrap();
            // The tables that the file fills have the form of version 3. Later versions are reached from there.
            let filled = version.min(3);
            connection.execute_batch(&MIGRATIONS[..filled].concat()).unwrap();
            connection.execute_batch(&filled_file(filled)).unwrap();
            connection.execute_batch(&MIGRATIONS[filled..version].concat()).unwrap();
            connection
                .pragma_update(None, "user_version", integer(version as u64))
                .unwrap();
            drop(connection);

            let opened = crate::open(&SqliteSettings { file, workers: 1 }).unwrap();
            let stores = opened.stores;
            let set = expected_set(version);
            assert_eq!(stores.factor_sets.find(&set.user).await.unwrap(), Some(set.clone()));
            for lock in expected_locks(version) {
                let found = stores.credential_locks.find(&lock.user).await.unwrap();
                assert_eq!(found, Some(lock), "version {version}");
            }
            let lease = Lease {
                owner: "relay".to_owned(),
                now: Timestamp::UNIX_EPOCH,
                length: Duration::from_secs(5),
            };
            let outboxes = stores.upkeep.outboxes(&stored_forms::all_aggregates());
            let claimed = outboxes.claim(&lease, 10).await.unwrap();
            let event = claimed.first().unwrap().events.first().unwrap().clone();
            assert_eq!((event.kind, event.sequence), (FACTOR_ADDED, 7));
            let names: Vec<_> = event.data.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["userId", "tags", "default", "epoch"]);
            opened.event_publisher.publish(&event).await.unwrap();
            let logged = opened.event_log.read(None, 10).await.unwrap();
            let logged: Vec<_> = logged.into_iter().map(|logged| logged.event.data).collect();
            let epoch = ("epoch".to_owned(), EventValue::Number(1));
            assert_eq!(
                logged,
                [vec![("userId".to_owned(), "user-1".into()), epoch], event.data]
            );
            let saved = stores.factor_sets.save_if_version(&set, Vec::new()).await.unwrap();
            assert_eq!(saved, SaveOutcome::Saved);
        }
    }
}
