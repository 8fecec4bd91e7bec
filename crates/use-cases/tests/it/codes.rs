//! Codes: sent, counted, tried, used.

use std::time::Duration;

use domain::caller::{Call, Caller};
use domain::contact::{ContactValue, Mobile};
use domain::event::{EventKind, EventValue};
use domain::factors::{ChallengeId, ContactPatch, Visibility};
use domain::identity::MainContact;
use domain::ids::{ContactId, UserId};
use use_cases::factors::{CodeSubmission, ContactChange, ContactError, SendCodeError, SentCode, ValidateCodeError};

use crate::world::{PORTAL, World, call, client_id, mobile, user_at_the_portal};

fn id(text: &str) -> ContactId {
    ContactId::parse(text).unwrap()
}

/// A user with a contact of its own, not verified.
async fn user_with_a_mobile(world: &World) -> UserId {
    let user = world.user().await;
    add(world, &user, "mobile-1", "911112222").await;
    user
}

async fn add(world: &World, user: &UserId, contact: &str, number: &str) {
    let (me, drafts) = (user_at_the_portal(user), [mobile(contact, number)]);
    let added = world.factors.add_contacts.run(&me, user, &drafts).await.unwrap();
    assert!(added[0].result.is_ok());
}

async fn send(world: &World, user: &UserId, contact: &str) -> Result<SentCode, SendCodeError> {
    let me = user_at_the_portal(user);
    world.factors.send_code.run(&me, user, &id(contact)).await
}

async fn sent(world: &World, user: &UserId) -> ChallengeId {
    send(world, user, "mobile-1").await.unwrap().challenge
}

async fn answer(world: &World, user: &UserId, challenge: &str, code: &str) -> Result<(), ValidateCodeError> {
    answer_as(world, &user_at_the_portal(user), user, (challenge, code)).await
}

async fn answer_as(
    world: &World,
    caller: &Call,
    user: &UserId,
    (challenge, code): (&str, &str),
) -> Result<(), ValidateCodeError> {
    let contact = id("mobile-1");
    let given = CodeSubmission {
        contact: &contact,
        challenge,
        code,
    };
    world.factors.validate_code.run(caller, user, given).await
}

/// A code that is not the one that was sent.
fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

async fn try_wrongly(world: &World, user: &UserId, challenge: &ChallengeId) -> ValidateCodeError {
    let code = world.letters.code(challenge);
    let tried = answer(world, user, challenge.as_str(), wrong(&code)).await;
    tried.unwrap_err()
}

async fn kinds(world: &World, user: &UserId) -> Vec<EventKind> {
    world.events_of(user).await.iter().map(|event| event.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_code_verifies_the_contact_once_and_tells_it() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let challenge = sent(&world, &user).await;
    let code = world.letters.code(&challenge);
    answer(&world, &user, challenge.as_str(), &code).await.unwrap();
    let set = world.stores.factor_sets.find(&user).await.unwrap();
    assert!(set.contact(&id("mobile-1")).unwrap().verified);
    let again = answer(&world, &user, challenge.as_str(), &code).await;
    assert!(matches!(again, Err(ValidateCodeError::Wrong)), "{again:?}");
    assert_eq!(
        kinds(&world, &user).await,
        [EventKind::FactorAdded, EventKind::FactorVerified]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_the_user_logs_in_with_is_sent_codes_too() {
    let world = World::new().await;
    let user = world.user().await;
    let identity = world.stores.identities.find(&user).await.unwrap().unwrap();
    let main = identity.email.unwrap().id;
    let me = user_at_the_portal(&user);
    let challenge = world.factors.send_code.run(&me, &user, &main).await.unwrap().challenge;
    let code = world.letters.code(&challenge);
    let given = CodeSubmission {
        contact: &main,
        challenge: challenge.as_str(),
        code: &code,
    };
    world.factors.validate_code.run(&me, &user, given).await.unwrap();
    assert_eq!(kinds(&world, &user).await, [EventKind::FactorVerified]);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_attempts_are_used_up_by_wrong_codes_and_told_once() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let challenge = sent(&world, &user).await;
    for _ in 0..5 {
        let tried = try_wrongly(&world, &user, &challenge).await;
        assert!(matches!(tried, ValidateCodeError::Wrong), "{tried:?}");
    }
    let code = world.letters.code(&challenge);
    for _ in 0..2 {
        let right = answer(&world, &user, challenge.as_str(), &code).await;
        assert!(matches!(right, Err(ValidateCodeError::UsedUp)), "{right:?}");
    }
    assert_eq!(world.codes.comparisons(&challenge), 5);
    let events = world.events_of(&user).await;
    let exhausted: Vec<_> = events
        .iter()
        .filter(|event| event.kind == EventKind::FactorAttemptsExhausted)
        .collect();
    assert_eq!(exhausted.len(), 1);
    let which = ("exhausted".to_owned(), EventValue::Text("challenge".to_owned()));
    assert!(exhausted[0].data.contains(&which));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fifth_attempt_may_be_right_and_nothing_is_exhausted() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let challenge = sent(&world, &user).await;
    for _ in 0..4 {
        try_wrongly(&world, &user, &challenge).await;
    }
    let code = world.letters.code(&challenge);
    answer(&world, &user, challenge.as_str(), &code).await.unwrap();
    assert_eq!(
        kinds(&world, &user).await,
        [EventKind::FactorAdded, EventKind::FactorVerified]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_resend_nor_adding_the_contact_again_refills_its_attempts() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let me = user_at_the_portal(&user);
    for round in 0..4 {
        let challenge = sent(&world, &user).await;
        for _ in 0..5 {
            try_wrongly(&world, &user, &challenge).await;
        }
        world.clock.advance(Duration::from_mins(10));
        if round % 2 == 0 {
            world
                .factors
                .remove_contact
                .run(&me, &user, &id("mobile-1"))
                .await
                .unwrap();
            add(&world, &user, "mobile-1", "911112222").await;
        }
    }
    for _ in 0..7 {
        // More than may be sent in a day: what is refused is not charged.
        let refused = send(&world, &user, "mobile-1").await;
        assert!(matches!(refused, Err(SendCodeError::UsedUp)), "{refused:?}");
    }
    assert_eq!(world.letters.count(), 4);
    world.clock.advance(Duration::from_hours(24));
    let challenge = sent(&world, &user).await;
    let code = world.letters.code(&challenge);
    answer(&world, &user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_has_become_a_credential_is_shown_once_and_its_codes_go_to_the_credential() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let me = user_at_the_portal(&user);
    let show_all = |client: &mut domain::client::Client| client.visibility = Visibility::Unrestricted;
    world.change_client(crate::world::PORTAL, show_all).await;
    let mut identity = world.stores.identities.find(&user).await.unwrap().unwrap();
    identity.mobile = Some(MainContact {
        id: id("mobile-1"),
        value: Mobile::parse("55", Some("11"), "911113333").unwrap(),
    });
    world.stores.identities.replace(&identity).await.unwrap();
    let shown = world.factors.list_own_contacts.run(&me.client, &user).await.unwrap();
    let shown: Vec<_> = shown.iter().map(|c| (c.id.as_str(), c.credential, c.default)).collect();
    let main = identity.email.unwrap().id;
    assert_eq!(shown, [(main.as_str(), true, true), ("mobile-1", true, false)]);
    let challenge = sent(&world, &user).await;
    assert_eq!(
        world.letters.last().to,
        ContactValue::Mobile(identity.mobile.unwrap().value)
    );
    let code = world.letters.code(&challenge);
    answer(&world, &user, challenge.as_str(), &code).await.unwrap();
    let set = world.stores.factor_sets.find(&user).await.unwrap();
    assert_eq!(set.contacts, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_removed_contact_nothing_is_kept_that_counts_no_longer() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let me = user_at_the_portal(&user);
    let remove = async |contact: &str| {
        let removed = world.factors.remove_contact.run(&me, &user, &id(contact)).await;
        removed.unwrap();
    };
    let kept = async || world.stores.factor_sets.find(&user).await.unwrap().codes.len();
    add(&world, &user, "mobile-2", "911113333").await;
    send(&world, &user, "mobile-2").await.unwrap();
    remove("mobile-2").await;
    assert_eq!(kept().await, 0, "nobody tried it");
    let challenge = sent(&world, &user).await;
    try_wrongly(&world, &user, &challenge).await;
    remove("mobile-1").await;
    let set = world.stores.factor_sets.find(&user).await.unwrap();
    assert!(!set.codes[0].destination.contains("911112222"), "nor is the value");
    world.clock.advance(Duration::from_hours(23));
    add(&world, &user, "mobile-3", "911114444").await;
    assert_eq!(kept().await, 1);
    world.clock.advance(Duration::from_hours(1));
    add(&world, &user, "mobile-4", "911115555").await;
    assert_eq!(kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_live_challenge_is_answered_like_a_wrong_code() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let replaced = sent(&world, &user).await;
    let live = sent(&world, &user).await;
    let code = world.letters.code(&live);
    for (challenge, code) in [
        ("", code.as_str()),
        ("no challenge", &code),
        ("00000000000000000000000000000000", &code),
        (replaced.as_str(), &world.letters.code(&replaced)),
        (live.as_str(), ""),
    ] {
        let tried = answer(&world, &user, challenge, code).await;
        assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{challenge}: {tried:?}");
    }
    let elsewhere = call(Caller {
        client: client_id("saml"),
        ..Caller::clone(&user_at_the_portal(&user))
    });
    let tried = answer_as(&world, &elsewhere, &user, (live.as_str(), &code)).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    world.clock.advance(Duration::from_mins(10));
    let late = answer(&world, &user, live.as_str(), &code).await;
    assert!(matches!(late, Err(ValidateCodeError::Wrong)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_for_an_old_value_verifies_nothing() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let me = user_at_the_portal(&user);
    let challenge = sent(&world, &user).await;
    for number in ["911113333", "911112222"] {
        let change = use_cases::factors::ContactChange::Whole(mobile("mobile-1", number));
        world.factors.change_contact.run(&me, &user, &change).await.unwrap();
    }
    let code = world.letters.code(&challenge);
    let tried = answer(&world, &user, challenge.as_str(), &code).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    let set = world.stores.factor_sets.find(&user).await.unwrap();
    assert!(!set.contact(&id("mobile-1")).unwrap().verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_sent_three_codes_in_ten_minutes_whoever_asks() {
    let world = World::new().await;
    let (user, other) = (user_with_a_mobile(&world).await, user_with_a_mobile(&world).await);
    for asks in [&user, &other, &user] {
        sent(&world, asks).await;
    }
    let refused = send(&world, &other, "mobile-1").await;
    let Err(SendCodeError::TooMany { until, now }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(until.duration_since(now).as_secs(), 600);
    assert_eq!(world.letters.count(), 3);
    world.clock.advance(Duration::from_mins(10));
    sent(&world, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_ten_codes_sent_in_a_day() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    for _ in 0..10 {
        sent(&world, &user).await;
        world.clock.advance(Duration::from_mins(10));
    }
    let refused = send(&world, &user, "mobile-1").await;
    assert!(matches!(refused, Err(SendCodeError::TooMany { .. })), "{refused:?}");
    world.clock.advance(Duration::from_hours(23));
    sent(&world, &user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_loses_nothing_and_stays_counted() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let before = sent(&world, &user).await;
    world.letters.refuse(true);
    let failed = send(&world, &user, "mobile-1").await;
    assert!(matches!(failed, Err(SendCodeError::NotDelivered(_))), "{failed:?}");
    world.letters.refuse(false);
    let challenge = sent(&world, &user).await;
    let refused = send(&world, &user, "mobile-1").await;
    assert!(matches!(refused, Err(SendCodeError::TooMany { .. })), "{refused:?}");
    let old = world.letters.code(&before);
    let tried = answer(&world, &user, before.as_str(), &old).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    let code = world.letters.code(&challenge);
    answer(&world, &user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_texts_are_asked_for_and_the_code_ends_in_ten_minutes() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let change = |client: &mut domain::client::Client| client.texts = Some("en".to_owned());
    world.change_client(crate::world::PORTAL, change).await;
    let sent = send(&world, &user, "mobile-1").await.unwrap();
    let letter = world.letters.last();
    assert_eq!(letter.texts.as_deref(), Some("en"));
    assert_eq!(letter.expires_at, sent.expires_at);
    assert_eq!(letter.expires_at.duration_since(letter.sent_at).as_secs(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_contact_is_not_found_whatever_is_asked() {
    let world = World::new().await;
    let (ana, bia) = (user_with_a_mobile(&world).await, world.user().await);
    let challenge = sent(&world, &ana).await;
    let code = world.letters.code(&challenge);
    let me = user_at_the_portal(&bia);
    let not_found = |outcome: &Result<(), ContactError>| matches!(outcome, Err(ContactError::ContactNotFound));
    let change = use_cases::factors::ContactChange::Whole(mobile("mobile-1", "911119999"));
    assert!(not_found(&world.factors.change_contact.run(&me, &bia, &change).await));
    assert!(not_found(
        &world.factors.remove_contact.run(&me, &bia, &id("mobile-1")).await
    ));
    let sending = send(&world, &bia, "mobile-1").await;
    assert!(matches!(
        sending,
        Err(SendCodeError::Contact(ContactError::ContactNotFound))
    ));
    let tried = answer(&world, &bia, challenge.as_str(), &code).await;
    assert!(matches!(
        tried,
        Err(ValidateCodeError::Contact(ContactError::ContactNotFound))
    ));
    // With a contact of the same id, the challenge is still the other's.
    add(&world, &bia, "mobile-1", "911112222").await;
    let tried = answer(&world, &bia, challenge.as_str(), &code).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    answer(&world, &ana, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_destination_refuses_is_not_counted_for_the_user() {
    let world = World::new().await;
    let (user, other) = (user_with_a_mobile(&world).await, user_with_a_mobile(&world).await);
    for _ in 0..3 {
        sent(&world, &other).await;
    }
    for _ in 0..10 {
        let refused = send(&world, &user, "mobile-1").await;
        assert!(matches!(refused, Err(SendCodeError::TooMany { .. })), "{refused:?}");
    }
    for _ in 0..10 {
        world.clock.advance(Duration::from_mins(10));
        sent(&world, &user).await;
    }
    let refused = send(&world, &user, "mobile-1").await;
    let Err(SendCodeError::TooMany { until, now }) = refused else {
        panic!("{refused:?}");
    };
    assert!(until.duration_since(now).as_secs() > 600, "{until} {now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_hides_is_not_there_on_any_verb() {
    let world = World::new().await;
    let user = user_with_a_mobile(&world).await;
    let challenge = sent(&world, &user).await;
    let code = world.letters.code(&challenge);
    let shows = |visibility| world.change_client(PORTAL, move |portal| portal.visibility = visibility);
    for visibility in [Visibility::CredentialsOnly, Visibility::MarkedResources] {
        shows(visibility).await;
        let sending = send(&world, &user, "mobile-1").await;
        let hidden = matches!(sending, Err(SendCodeError::Contact(ContactError::ContactNotFound)));
        assert!(hidden, "{sending:?}");
        let tried = answer(&world, &user, challenge.as_str(), &code).await;
        let hidden = matches!(tried, Err(ValidateCodeError::Contact(ContactError::ContactNotFound)));
        assert!(hidden, "{tried:?}");
        let (caller, draft) = (user_at_the_portal(&user), mobile("mobile-1", "911112223"));
        let changes = [
            ContactChange::Whole(draft.clone()),
            ContactChange::Patch(draft.id.clone(), ContactPatch::default()),
        ];
        for change in &changes {
            let refused = world.factors.change_contact.run(&caller, &user, change).await;
            assert!(matches!(refused, Err(ContactError::ContactNotFound)), "{refused:?}");
        }
        let removed = world.factors.remove_contact.run(&caller, &user, &draft.id).await;
        assert!(matches!(removed, Err(ContactError::ContactNotFound)), "{removed:?}");
    }
    shows(Visibility::CredentialsOnly).await;
    let drafts = [mobile("mobile-2", "911112224")];
    let adding = world
        .factors
        .add_contacts
        .run(&user_at_the_portal(&user), &user, &drafts)
        .await;
    assert!(matches!(adding, Err(ContactError::ClientHidesContacts)), "{adding:?}");
    assert_eq!(world.codes.comparisons(&challenge), 0);
    shows(Visibility::Unrestricted).await;
    answer(&world, &user, challenge.as_str(), &code).await.unwrap();
}
