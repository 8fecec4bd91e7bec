use domain::actor::Actor;
use domain::credential_lock::{CredentialLock, LockCommand, LockReason, events as lock_events};
use domain::event::EventContext;
use domain::ids::{ClientId, EventId, UserId};
use domain::time::Timestamp;
use mongodb::bson::deserialize_from_document;
use stored_forms::credential_lock::CredentialLockForm;

use super::*;

type LockForm = CredentialLockForm<Bson>;

fn read_document<F: StoredForm<Bson>>(stored: Document) -> F::Of {
    let key = stored.get_str("_id").unwrap().to_owned();
    let form: F = deserialize_from_document(stored).unwrap();
    form.read(&key).unwrap()
}

#[test]
fn stored_form_of_a_lock() {
    let command = LockCommand {
        user: UserId::parse("user-1").unwrap(),
        reason: Some(LockReason::parse("lost phone").unwrap()),
        context: EventContext {
            id: EventId("0192f0c1-0000-7000-8000-000000000001".to_owned()),
            time: Timestamp::UNIX_EPOCH,
            by: Actor {
                client: Some(ClientId::parse("backoffice").unwrap()),
                ..Actor::default()
            },
            correlation_id: None,
        },
    };
    let locked = CredentialLock::never_locked(command.user.clone())
        .lock(&command)
        .unwrap();
    let events = vec![lock_events::lock_event(&locked, &command)];
    let stored = new_document::<LockForm>(&locked, events).unwrap();
    let locked = CredentialLock { version: 1, ..locked };
    insta::assert_snapshot!(stored, @r#"{ "_id": "user-1", "locked": true, "epoch": 1, "since": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "client": "backoffice" }, "reason": "lost phone", "version": 1, "sequence": 1, "outbox": [{ "id": "0192f0c1-0000-7000-8000-000000000001", "kind": "credential.locked", "sequence": 1, "time": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "by": { "client": "backoffice" }, "data": [{ "name": "userId", "value": "user-1" }, { "name": "epoch", "value": 1 }] }], "outboxPending": true }"#);
    assert_eq!(read_document::<LockForm>(stored.clone()), locked);
    let mut older = stored;
    older.insert("by", "backoffice");
    assert_eq!(read_document::<LockForm>(older), CredentialLock { by: None, ..locked });
}

#[test]
fn update_replaces_the_form_and_keeps_what_is_the_relays() {
    let lock = CredentialLock {
        version: 3,
        ..CredentialLock::never_locked(UserId::parse("user-1").unwrap())
    };
    let update = update::<LockForm>(&lock, Vec::new()).unwrap();
    insta::assert_snapshot!(update.first().unwrap(), @r#"{ "$replaceWith": { "$mergeObjects": [{ "$literal": { "locked": false, "epoch": 0, "version": 4 } }, { "sequence": "$sequence", "outbox": "$outbox", "outboxPending": "$outboxPending", "leaseOwner": "$leaseOwner", "leaseUntil": "$leaseUntil", "claim": "$claim" }] } }"#);
}
