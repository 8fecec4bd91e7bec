use domain::actor::Actor;
use domain::contact::{ContactValue, Email, Mobile};
use domain::credential_lock::{CredentialLock, LockCommand, LockReason, events as lock_events};
use domain::event::EventContext;
use domain::factors::{
    AlternativeContact, Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, FactorSet, Purpose,
};
use domain::ids::{ClientId, ContactId, EventId, UserId};
use domain::time::Timestamp;
use mongodb::bson::deserialize_from_document;
use stored_forms::credential_lock::CredentialLockForm;
use stored_forms::factors::FactorSetForm;

use super::*;

type LockForm = CredentialLockForm<Bson>;
type SetForm = FactorSetForm<Bson>;

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

fn codes() -> ContactCodes {
    ContactCodes {
        contact: ContactId::parse("contact-1").unwrap(),
        destination: "ada@example.com".to_owned(),
        attempts: Attempts {
            used: 3,
            ends_at: Timestamp::UNIX_EPOCH,
            is_exhaustion_reported: false,
        },
        challenge: Some(Challenge {
            id: ChallengeId::from_random([1; 16]),
            digest: CodeDigest([7; 32]),
            revision: 2,
            purpose: Purpose::Verify,
            client: ClientId::parse("portal").unwrap(),
            attempts: 3,
            is_exhaustion_reported: false,
            expires_at: Timestamp::UNIX_EPOCH,
        }),
    }
}

#[test]
fn stored_form_of_a_factor_set() {
    let contact = |id: &str, value| AlternativeContact {
        id: ContactId::parse(id).unwrap(),
        value,
        is_marked: true,
        is_verified: false,
        revision: 2,
        added_at: Timestamp::UNIX_EPOCH,
    };
    let set = FactorSet {
        contacts: vec![
            contact(
                "contact-1",
                ContactValue::Email(Email::parse("ada@example.com").unwrap()),
            ),
            contact(
                "contact-2",
                ContactValue::Mobile(Mobile::parse("351", None, "912345678").unwrap()),
            ),
        ],
        chosen_default: Some(ContactId::parse("contact-2").unwrap()),
        codes: vec![codes()],
        attempts: Attempts {
            used: 50,
            ends_at: Timestamp::UNIX_EPOCH,
            is_exhaustion_reported: true,
        },
        ..FactorSet::empty(UserId::parse("user-1").unwrap())
    };
    let stored = new_document::<SetForm>(&set, Vec::new()).unwrap();
    insta::assert_snapshot!(stored, @r#"{ "_id": "user-1", "version": 1, "contacts": [{ "id": "contact-1", "value": { "email": "ada@example.com" }, "marked": true, "verified": false, "revision": 2, "addedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }, { "id": "contact-2", "value": { "mobile": { "region": "351", "number": "912345678" } }, "marked": true, "verified": false, "revision": 2, "addedAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }], "chosenDefault": "contact-2", "codes": [{ "contact": "contact-1", "destination": "ada@example.com", "attempts": { "used": 3, "endAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "told": false }, "challenge": { "id": "01010101010101010101010101010101", "digest": Binary(0x0, BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=), "revision": 2, "purpose": "verify", "client": "portal", "attempts": 3, "told": false, "expiresAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") } }], "attempts": { "used": 50, "endAt": DateTime("1970-01-01 0:00:00.0 +00:00:00"), "told": true }, "sequence": 0, "outbox": [], "outboxPending": false }"#);
    assert_eq!(read_document::<SetForm>(stored), FactorSet { version: 1, ..set });
}

#[test]
fn older_stored_sets_are_read_without_codes() {
    let stored = doc! { "_id": "user-1", "version": 3_i64, "contacts": [] };
    let expected = FactorSet {
        version: 3,
        ..FactorSet::empty(UserId::parse("user-1").unwrap())
    };
    assert_eq!(read_document::<SetForm>(stored), expected);
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
