//! Values for the contracts: plain ones that differ by a number, and full ones with every optional field set.

use std::net::IpAddr;
use std::time::Duration;

use domain::actor::Actor;
use domain::client::{Client, ClientSecretDigest, ExpiresIn, Visibility};
use domain::contact::{ContactType, ContactValue, Email, Mobile};
use domain::credential_lock::{LockCommand, LockReason};
use domain::event::{EventContext, EventValue, NewEvent};
use domain::factors::events::FACTOR_ADDED;
use domain::factors::{
    AlternativeContact, Attempts, Challenge, ChallengeId, CodeDigest, ContactCodes, FactorSet, Purpose,
};
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ClientId, ContactId, EventId, FamilyId, UserId};
use domain::sessions::{FamilyStatus, Nonce, Origin, PresentedToken, RefreshFamily};
use domain::time::Timestamp;
use domain::tokens::{ValidationToken, ValidationTokenHash};

/// The idle lifetime of the families here. Their absolute lifetime is ten times as long.
pub(crate) const IDLE: Duration = Duration::from_mins(1);

/// A number of more than 32 bits, so that a counter stored in fewer bits is detected.
const MANY: u64 = 5_000_000_000;

/// Returns the time `milliseconds` after the start of a contract. The start is not a whole second, so that lost
/// milliseconds are detected.
pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_225_600_123 + milliseconds).unwrap()
}

/// Returns the last representable instant before `instant`: a millisecond earlier.
pub(crate) fn before(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond() - 1).unwrap()
}

pub(crate) fn user(n: usize) -> UserId {
    UserId::parse(format!("user-{n:03}")).unwrap()
}

pub(crate) fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub(crate) fn contact_id(text: &str) -> ContactId {
    ContactId::parse(text).unwrap()
}

pub(crate) fn business_id(text: &str) -> BusinessId {
    BusinessId::parse(text).unwrap()
}

pub(crate) fn family_id(n: usize) -> FamilyId {
    FamilyId::parse(format!("family-{n:03}")).unwrap()
}

pub(crate) fn nonce(n: usize) -> Nonce {
    let mut bytes = [0xa0; 16];
    let [.., last] = &mut bytes;
    *last = u8::try_from(n).unwrap();
    Nonce(bytes)
}

pub(crate) fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn mobile(region: &str, area: Option<&str>, number: &str) -> Mobile {
    Mobile::parse(region, area, number).unwrap()
}

pub(crate) fn event_id(n: usize) -> EventId {
    EventId(format!("019b76da-a07b-7000-8000-{n:012}"))
}

/// Returns the id of a family's event at `sequence`.
pub(crate) fn session_event_id(family: &RefreshFamily, sequence: u64) -> EventId {
    EventId(format!("{}-event-{sequence}", family.id))
}

/// Returns a context whose actor and correlation id derive from the event id.
pub(crate) fn event_context(id: EventId, time: Timestamp) -> EventContext {
    EventContext {
        by: Actor {
            user: Some(UserId::parse(format!("by-{}", id.0)).unwrap()),
            client: Some(client_id("desk.example")),
            operator: Some("root \"the\" operátor".to_owned()),
        },
        correlation_id: Some(format!("request-{}", id.0)),
        id,
        time,
    }
}

/// Returns an event of a factor set with a value of every kind.
pub(crate) fn event(n: usize) -> NewEvent {
    NewEvent {
        context: event_context(event_id(n), at(i64::try_from(n).unwrap())),
        kind: FACTOR_ADDED,
        data: vec![
            ("text".to_owned(), "a \"quoted\" word, žluťoučký".into()),
            ("number".to_owned(), EventValue::Number(MANY)),
            ("yes".to_owned(), EventValue::Flag(true)),
            ("no".to_owned(), EventValue::Flag(false)),
            ("list".to_owned(), EventValue::List(texts(["b", "", "a"]))),
            ("empty list".to_owned(), EventValue::List(Vec::new())),
            ("another".to_owned(), EventValue::Text(n.to_string())),
        ],
    }
}

/// Returns `count` events, numbered from `first`.
pub(crate) fn events(first: usize, count: u64) -> Vec<NewEvent> {
    (first..).take(usize::try_from(count).unwrap()).map(event).collect()
}

/// Returns the `n`th lock command for a user; every other one has a reason.
pub(crate) fn lock_command(user: &UserId, n: usize) -> LockCommand {
    LockCommand {
        user: user.clone(),
        reason: (n % 2 == 1).then(|| LockReason::parse(format!("č. {n}")).unwrap()),
        context: event_context(event_id(n), at(i64::try_from(n).unwrap())),
    }
}

pub(crate) fn client(id: &str) -> Client {
    Client::new(client_id(id))
}

pub(crate) fn client_with_aliases<const N: usize>(id: &str, aliases: [&str; N]) -> Client {
    Client {
        aliases: aliases.map(client_id).to_vec(),
        ..client(id)
    }
}

pub(crate) fn full_client(id: &str) -> Client {
    let secret = |n: u8, valid_until| ClientSecretDigest {
        salt: [n; 16],
        digest: [0xff - n; 32],
        valid_until,
    };
    Client {
        secrets: vec![secret(2, None), secret(0, Some(at(5_001))), secret(1, Some(at(5_000)))],
        roles: texts(["ROLE_B", "ROLE_A"]),
        scopes: texts(["account_lock", "a"]),
        visibility: Visibility::MarkedResources,
        message_templates: Some("čeština \"2\"".to_owned()),
        access_token_lifetime: Some(Duration::from_mins(2)),
        assertable_groups: texts(["*", "CN=Čtenáři,O='x'"]),
        expires_in: Some(ExpiresIn::Remaining),
        ..client_with_aliases(id, [&format!("{id}.z"), &format!("{id}.a")])
    }
}

/// Returns a user with an e-mail address of its own.
pub(crate) fn identity(n: usize) -> Identity {
    with_email(n, &format!("User-{n}@example.com"))
}

pub(crate) fn with_email(n: usize, address: &str) -> Identity {
    Identity {
        id: user(n),
        name: None,
        email: Some(MainContact {
            id: contact_id(&format!("email-{n}")),
            value: email(address),
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: Vec::new(),
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}

/// Returns a user with an e-mail address of its own and this mobile number.
pub(crate) fn with_mobile(n: usize, number: Mobile) -> Identity {
    Identity {
        mobile: Some(MainContact {
            id: contact_id(&format!("mobile-{n}")),
            value: number,
        }),
        ..identity(n)
    }
}

pub(crate) fn full_identity(n: usize) -> Identity {
    Identity {
        name: Some("Žofie \"Ž\" O'Neil".to_owned()),
        main_contact_type: ContactType::Mobile,
        roles: texts(["USER", "AUTH-BASIC"]),
        groups: texts(["staff", "CN=Čtenáři,O='x'"]),
        businesses: vec![
            BusinessLink {
                id: business_id("business-2"),
                roles: texts(["OWNER", "CLERK"]),
            },
            BusinessLink {
                id: business_id("business-1"),
                roles: Vec::new(),
            },
        ],
        ..with_mobile(n, mobile("55", Some("11"), "911112222"))
    }
}

fn alternative(n: u8, value: ContactValue) -> AlternativeContact {
    AlternativeContact {
        id: contact_id(&format!("contact-{n}")),
        value,
        is_marked: n & 1 != 0,
        is_verified: n & 2 != 0,
        revision: MANY + u64::from(n),
        added_at: at(i64::from(n / 2)),
    }
}

/// Returns a challenge. Every byte of its digest differs from that of any other number.
pub(crate) fn challenge(n: u8) -> Challenge {
    Challenge {
        id: ChallengeId::from_random([n; 16]),
        digest: CodeDigest(std::array::from_fn(|at| u8::try_from(at).unwrap().wrapping_sub(n))),
        revision: MANY + u64::from(n),
        purpose: if n & 1 == 0 { Purpose::Verify } else { Purpose::Confirm },
        client: client_id(&format!("client.{n}")),
        attempts: u32::from(n),
        is_exhaustion_reported: n & 2 != 0,
        expires_at: at(600_000 + i64::from(n)),
    }
}

/// Returns codes of an alternative contact, of a credential contact and of a removed one: with and without attempts and a
/// challenge.
pub(crate) fn codes() -> Vec<ContactCodes> {
    let codes = |contact, destination: &str, attempts, challenge| ContactCodes {
        contact: contact_id(contact),
        destination: destination.to_owned(),
        attempts,
        challenge,
    };
    let attempts = |used, is_exhaustion_reported| Attempts {
        used,
        ends_at: at(86_400_001),
        is_exhaustion_reported,
    };
    vec![
        codes(
            "contact-1",
            "+55 21 933334444",
            attempts(u32::MAX, true),
            Some(challenge(1)),
        ),
        codes("email-1", "ana@example.com", Attempts::ZERO, Some(challenge(2))),
        codes("gone", "žluťoučký@kůň.example", attempts(7, false), None),
        codes("contact-1", "$another", Attempts::ZERO, Some(challenge(3))),
    ]
}

/// Returns a set of e-mail addresses and mobile numbers with and without area; some were added in the same millisecond.
pub(crate) fn full_factor_set(user: UserId) -> FactorSet {
    FactorSet {
        contacts: vec![
            alternative(1, ContactValue::Mobile(mobile("55", Some("21"), "933334444"))),
            alternative(0, ContactValue::Email(email("Ana.Souza@BR.example.com"))),
            alternative(3, ContactValue::Mobile(mobile("351", None, "912345678"))),
            alternative(2, ContactValue::Email(email("žluťoučký@kůň.example"))),
        ],
        chosen_default: Some(contact_id("contact-3")),
        codes: codes(),
        attempts: Attempts {
            used: 50,
            ends_at: at(86_400_000),
            is_exhaustion_reported: true,
        },
        first_epoch: MANY,
        ..FactorSet::empty(user)
    }
}

/// Returns a validation token that `client-a` issued and `client-b` may consume.
pub(crate) fn validation_token(n: u8) -> ValidationToken {
    ValidationToken {
        hash: ValidationTokenHash([n; 32]),
        user: user(1),
        origin_client: client_id("client-a"),
        target_client: client_id("client-b"),
        business: None,
        groups: Vec::new(),
        epoch: 0,
        sessions_version: 0,
        ancestors: Vec::new(),
        session_expires_at: None,
        ip: None,
        expires_at: at(1_000),
        administrative_groups: Vec::new(),
        first_refresh_token: None,
        consumption: None,
    }
}

pub(crate) fn full_validation_token(n: u8, ip: IpAddr) -> ValidationToken {
    ValidationToken {
        business: Some(business_id("business-1")),
        groups: texts(["staff", "CN=Čtenáři,O='x'"]),
        epoch: MANY,
        sessions_version: MANY + 2,
        ancestors: vec![family_id(6), family_id(7)],
        session_expires_at: Some(at(3_001)),
        ip: Some(ip),
        administrative_groups: texts(["CN=Čtenáři,O='x'"]),
        first_refresh_token: Some(family(8).current_token()),
        ..validation_token(n)
    }
}

pub(crate) fn family(n: usize) -> RefreshFamily {
    RefreshFamily {
        id: family_id(n),
        origin: Origin {
            user: user(n),
            client: client_id("client-a"),
            business: None,
            groups: Vec::new(),
            ancestors: Vec::new(),
            epoch: 0,
            sessions_version: 0,
            administrative_groups: Vec::new(),
        },
        generation: 1,
        nonce: nonce(1),
        previous_nonce: None,
        started_at: None,
        rotated_at: at(0),
        absolute_expires_at: at(600_000),
        idle_expires_at: at(60_000),
        status: FamilyStatus::Active,
    }
}

/// Returns a branch of another session, at a high generation.
pub(crate) fn full_family(n: usize) -> RefreshFamily {
    let plain = family(n);
    RefreshFamily {
        origin: Origin {
            business: Some(business_id("business-1")),
            groups: texts(["staff", "CN=Čtenáři,O='x'"]),
            ancestors: vec![family_id(n + 500), family_id(n + 501)],
            epoch: MANY + 1,
            sessions_version: MANY + 2,
            administrative_groups: texts(["CN=Čtenáři,O='x'"]),
            ..plain.origin
        },
        generation: MANY,
        nonce: nonce(3),
        previous_nonce: Some(nonce(2)),
        started_at: Some(at(5)),
        rotated_at: at(7),
        absolute_expires_at: at(600_008),
        idle_expires_at: at(60_009),
        ..plain
    }
}

/// Returns the family's current token, presented by its own user and client.
pub(crate) fn presented_token(family: &RefreshFamily) -> PresentedToken {
    PresentedToken {
        token: family.current_token(),
        client: family.origin.client.clone(),
        user: family.origin.user.clone(),
    }
}
