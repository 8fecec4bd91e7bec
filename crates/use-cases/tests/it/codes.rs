//! Codes: sent, counted, tried, used.

use std::time::Duration;

use domain::caller::{Call, Caller};
use domain::contact::{ContactValue, Mobile};
use domain::event::{EventKind, EventValue};
use domain::factors::{ChallengeId, ContactPatch, Visibility};
use domain::identity::MainContact;
use domain::ids::{ContactId, UserId};
use use_cases::factors::{CodeSubmission, ContactChange, ContactError, SendCodeError, SentCode, ValidateCodeError};

use crate::test_app::{PORTAL, TestApp, call, client_id, mobile, user_at_the_portal};

fn id(text: &str) -> ContactId {
    ContactId::parse(text).unwrap()
}

/// A user with a contact of its own, not verified.
async fn user_with_a_mobile(app: &TestApp) -> UserId {
    let user = app.user().await;
    add(app, &user, "mobile-1", "911112222").await;
    user
}

async fn add(app: &TestApp, user: &UserId, contact: &str, number: &str) {
    let (me, drafts) = (user_at_the_portal(user), [mobile(contact, number)]);
    let added = app.factors.add_contacts.run(&me, user, &drafts).await.unwrap();
    assert!(added[0].result.is_ok());
}

async fn send(app: &TestApp, user: &UserId, contact: &str) -> Result<SentCode, SendCodeError> {
    let me = user_at_the_portal(user);
    app.factors.send_code.run(&me, user, &id(contact)).await
}

async fn sent(app: &TestApp, user: &UserId) -> ChallengeId {
    send(app, user, "mobile-1").await.unwrap().challenge
}

async fn answer(app: &TestApp, user: &UserId, challenge: &str, code: &str) -> Result<(), ValidateCodeError> {
    answer_as(app, &user_at_the_portal(user), user, (challenge, code)).await
}

async fn answer_as(
    app: &TestApp,
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
    app.factors.validate_code.run(caller, user, given).await
}

/// A code that is not the one that was sent.
fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

async fn try_wrongly(app: &TestApp, user: &UserId, challenge: &ChallengeId) -> ValidateCodeError {
    let code = app.sent_codes.code(challenge);
    let tried = answer(app, user, challenge.as_str(), wrong(&code)).await;
    tried.unwrap_err()
}

async fn kinds(app: &TestApp, user: &UserId) -> Vec<EventKind> {
    app.events_of(user).await.iter().map(|event| event.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_code_verifies_the_contact_once_and_tells_it() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = sent(&app, &user).await;
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
    let set = app.stores.factor_sets.find(&user).await.unwrap();
    assert!(set.contact(&id("mobile-1")).unwrap().is_verified);
    let again = answer(&app, &user, challenge.as_str(), &code).await;
    assert!(matches!(again, Err(ValidateCodeError::Wrong)), "{again:?}");
    assert_eq!(
        kinds(&app, &user).await,
        [EventKind::FactorAdded, EventKind::FactorVerified]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_the_user_logs_in_with_is_sent_codes_too() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    let main = identity.email.unwrap().id;
    let me = user_at_the_portal(&user);
    let challenge = app.factors.send_code.run(&me, &user, &main).await.unwrap().challenge;
    let code = app.sent_codes.code(&challenge);
    let given = CodeSubmission {
        contact: &main,
        challenge: challenge.as_str(),
        code: &code,
    };
    app.factors.validate_code.run(&me, &user, given).await.unwrap();
    assert_eq!(kinds(&app, &user).await, [EventKind::FactorVerified]);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_attempts_are_used_up_by_wrong_codes_and_told_once() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = sent(&app, &user).await;
    for _ in 0..5 {
        let tried = try_wrongly(&app, &user, &challenge).await;
        assert!(matches!(tried, ValidateCodeError::Wrong), "{tried:?}");
    }
    let code = app.sent_codes.code(&challenge);
    for _ in 0..2 {
        let right = answer(&app, &user, challenge.as_str(), &code).await;
        assert!(matches!(right, Err(ValidateCodeError::UsedUp)), "{right:?}");
    }
    assert_eq!(app.codes.comparisons(&challenge), 5);
    let events = app.events_of(&user).await;
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
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = sent(&app, &user).await;
    for _ in 0..4 {
        try_wrongly(&app, &user, &challenge).await;
    }
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
    assert_eq!(
        kinds(&app, &user).await,
        [EventKind::FactorAdded, EventKind::FactorVerified]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_resend_nor_adding_the_contact_again_refills_its_attempts() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    for round in 0..4 {
        let challenge = sent(&app, &user).await;
        for _ in 0..5 {
            try_wrongly(&app, &user, &challenge).await;
        }
        app.clock.advance(Duration::from_mins(10));
        if round % 2 == 0 {
            app.factors
                .remove_contact
                .run(&me, &user, &id("mobile-1"))
                .await
                .unwrap();
            add(&app, &user, "mobile-1", "911112222").await;
        }
    }
    for _ in 0..7 {
        // More than may be sent in a day: what is refused is not charged.
        let refused = send(&app, &user, "mobile-1").await;
        assert!(matches!(refused, Err(SendCodeError::UsedUp)), "{refused:?}");
    }
    assert_eq!(app.sent_codes.count(), 4);
    app.clock.advance(Duration::from_hours(24));
    let challenge = sent(&app, &user).await;
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_has_become_a_credential_is_shown_once_and_its_codes_go_to_the_credential() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    let show_all = |client: &mut domain::client::Client| client.visibility = Visibility::Unrestricted;
    app.change_client(crate::test_app::PORTAL, show_all).await;
    let mut identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    identity.mobile = Some(MainContact {
        id: id("mobile-1"),
        value: Mobile::parse("55", Some("11"), "911113333").unwrap(),
    });
    app.stores.identities.replace(&identity).await.unwrap();
    let shown = app.factors.list_own_contacts.run(&me.client, &user).await.unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|c| (c.id.as_str(), c.is_credential, c.is_default))
        .collect();
    let main = identity.email.unwrap().id;
    assert_eq!(shown, [(main.as_str(), true, true), ("mobile-1", true, false)]);
    let challenge = sent(&app, &user).await;
    assert_eq!(
        app.sent_codes.last().to,
        ContactValue::Mobile(identity.mobile.unwrap().value)
    );
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
    let set = app.stores.factor_sets.find(&user).await.unwrap();
    assert_eq!(set.contacts, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_removed_contact_nothing_is_kept_that_counts_no_longer() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    let remove = async |contact: &str| {
        let removed = app.factors.remove_contact.run(&me, &user, &id(contact)).await;
        removed.unwrap();
    };
    let kept = async || app.stores.factor_sets.find(&user).await.unwrap().codes.len();
    add(&app, &user, "mobile-2", "911113333").await;
    send(&app, &user, "mobile-2").await.unwrap();
    remove("mobile-2").await;
    assert_eq!(kept().await, 0, "nobody tried it");
    let challenge = sent(&app, &user).await;
    try_wrongly(&app, &user, &challenge).await;
    remove("mobile-1").await;
    let set = app.stores.factor_sets.find(&user).await.unwrap();
    assert!(!set.codes[0].destination.contains("911112222"), "nor is the value");
    app.clock.advance(Duration::from_hours(23));
    add(&app, &user, "mobile-3", "911114444").await;
    assert_eq!(kept().await, 1);
    app.clock.advance(Duration::from_hours(1));
    add(&app, &user, "mobile-4", "911115555").await;
    assert_eq!(kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_live_challenge_is_answered_like_a_wrong_code() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let replaced = sent(&app, &user).await;
    let live = sent(&app, &user).await;
    let code = app.sent_codes.code(&live);
    for (challenge, code) in [
        ("", code.as_str()),
        ("no challenge", &code),
        ("00000000000000000000000000000000", &code),
        (replaced.as_str(), &app.sent_codes.code(&replaced)),
        (live.as_str(), ""),
    ] {
        let tried = answer(&app, &user, challenge, code).await;
        assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{challenge}: {tried:?}");
    }
    let elsewhere = call(Caller {
        client: client_id("saml"),
        ..Caller::clone(&user_at_the_portal(&user))
    });
    let tried = answer_as(&app, &elsewhere, &user, (live.as_str(), &code)).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    app.clock.advance(Duration::from_mins(10));
    let late = answer(&app, &user, live.as_str(), &code).await;
    assert!(matches!(late, Err(ValidateCodeError::Wrong)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_for_an_old_value_verifies_nothing() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    let challenge = sent(&app, &user).await;
    for number in ["911113333", "911112222"] {
        let change = use_cases::factors::ContactChange::Whole(mobile("mobile-1", number));
        app.factors.change_contact.run(&me, &user, &change).await.unwrap();
    }
    let code = app.sent_codes.code(&challenge);
    let tried = answer(&app, &user, challenge.as_str(), &code).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    let set = app.stores.factor_sets.find(&user).await.unwrap();
    assert!(!set.contact(&id("mobile-1")).unwrap().is_verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_sent_three_codes_in_ten_minutes_whoever_asks() {
    let app = TestApp::new().await;
    let (user, other) = (user_with_a_mobile(&app).await, user_with_a_mobile(&app).await);
    for asks in [&user, &other, &user] {
        sent(&app, asks).await;
    }
    let refused = send(&app, &other, "mobile-1").await;
    let Err(SendCodeError::TooMany { until, now }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(until.duration_since(now).as_secs(), 600);
    assert_eq!(app.sent_codes.count(), 3);
    app.clock.advance(Duration::from_mins(10));
    sent(&app, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_ten_codes_sent_in_a_day() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    for _ in 0..10 {
        sent(&app, &user).await;
        app.clock.advance(Duration::from_mins(10));
    }
    let refused = send(&app, &user, "mobile-1").await;
    assert!(matches!(refused, Err(SendCodeError::TooMany { .. })), "{refused:?}");
    app.clock.advance(Duration::from_hours(23));
    sent(&app, &user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_loses_nothing_and_stays_counted() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let before = sent(&app, &user).await;
    app.sent_codes.refuse(true);
    let failed = send(&app, &user, "mobile-1").await;
    assert!(matches!(failed, Err(SendCodeError::NotDelivered(_))), "{failed:?}");
    app.sent_codes.refuse(false);
    let challenge = sent(&app, &user).await;
    let refused = send(&app, &user, "mobile-1").await;
    assert!(matches!(refused, Err(SendCodeError::TooMany { .. })), "{refused:?}");
    let old = app.sent_codes.code(&before);
    let tried = answer(&app, &user, before.as_str(), &old).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_texts_are_asked_for_and_the_code_ends_in_ten_minutes() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let change = |client: &mut domain::client::Client| client.texts = Some("en".to_owned());
    app.change_client(crate::test_app::PORTAL, change).await;
    let sent = send(&app, &user, "mobile-1").await.unwrap();
    let letter = app.sent_codes.last();
    assert_eq!(letter.texts.as_deref(), Some("en"));
    assert_eq!(letter.expires_at, sent.expires_at);
    assert_eq!(letter.expires_at.duration_since(letter.sent_at).as_secs(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_contact_is_not_found_whatever_is_asked() {
    let app = TestApp::new().await;
    let (ana, bia) = (user_with_a_mobile(&app).await, app.user().await);
    let challenge = sent(&app, &ana).await;
    let code = app.sent_codes.code(&challenge);
    let me = user_at_the_portal(&bia);
    let not_found = |outcome: &Result<(), ContactError>| matches!(outcome, Err(ContactError::ContactNotFound));
    let change = use_cases::factors::ContactChange::Whole(mobile("mobile-1", "911119999"));
    assert!(not_found(&app.factors.change_contact.run(&me, &bia, &change).await));
    assert!(not_found(
        &app.factors.remove_contact.run(&me, &bia, &id("mobile-1")).await
    ));
    let sending = send(&app, &bia, "mobile-1").await;
    assert!(matches!(
        sending,
        Err(SendCodeError::Contact(ContactError::ContactNotFound))
    ));
    let tried = answer(&app, &bia, challenge.as_str(), &code).await;
    assert!(matches!(
        tried,
        Err(ValidateCodeError::Contact(ContactError::ContactNotFound))
    ));
    // With a contact of the same id, the challenge is still the other's.
    add(&app, &bia, "mobile-1", "911112222").await;
    let tried = answer(&app, &bia, challenge.as_str(), &code).await;
    assert!(matches!(tried, Err(ValidateCodeError::Wrong)), "{tried:?}");
    answer(&app, &ana, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_destination_refuses_is_not_counted_for_the_user() {
    let app = TestApp::new().await;
    let (user, other) = (user_with_a_mobile(&app).await, user_with_a_mobile(&app).await);
    for _ in 0..3 {
        sent(&app, &other).await;
    }
    for _ in 0..10 {
        let refused = send(&app, &user, "mobile-1").await;
        assert!(matches!(refused, Err(SendCodeError::TooMany { .. })), "{refused:?}");
    }
    for _ in 0..10 {
        app.clock.advance(Duration::from_mins(10));
        sent(&app, &user).await;
    }
    let refused = send(&app, &user, "mobile-1").await;
    let Err(SendCodeError::TooMany { until, now }) = refused else {
        panic!("{refused:?}");
    };
    assert!(until.duration_since(now).as_secs() > 600, "{until} {now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_hides_is_not_there_on_any_verb() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = sent(&app, &user).await;
    let code = app.sent_codes.code(&challenge);
    let shows = |visibility| app.change_client(PORTAL, move |portal| portal.visibility = visibility);
    for visibility in [Visibility::CredentialsOnly, Visibility::MarkedResources] {
        shows(visibility).await;
        let sending = send(&app, &user, "mobile-1").await;
        let hidden = matches!(sending, Err(SendCodeError::Contact(ContactError::ContactNotFound)));
        assert!(hidden, "{sending:?}");
        let tried = answer(&app, &user, challenge.as_str(), &code).await;
        let hidden = matches!(tried, Err(ValidateCodeError::Contact(ContactError::ContactNotFound)));
        assert!(hidden, "{tried:?}");
        let (caller, draft) = (user_at_the_portal(&user), mobile("mobile-1", "911112223"));
        let changes = [
            ContactChange::Whole(draft.clone()),
            ContactChange::Patch(draft.id.clone(), ContactPatch::default()),
        ];
        for change in &changes {
            let refused = app.factors.change_contact.run(&caller, &user, change).await;
            assert!(matches!(refused, Err(ContactError::ContactNotFound)), "{refused:?}");
        }
        let removed = app.factors.remove_contact.run(&caller, &user, &draft.id).await;
        assert!(matches!(removed, Err(ContactError::ContactNotFound)), "{removed:?}");
    }
    shows(Visibility::CredentialsOnly).await;
    let drafts = [mobile("mobile-2", "911112224")];
    let adding = app
        .factors
        .add_contacts
        .run(&user_at_the_portal(&user), &user, &drafts)
        .await;
    assert!(matches!(adding, Err(ContactError::ClientHidesContacts)), "{adding:?}");
    assert_eq!(app.codes.comparisons(&challenge), 0);
    shows(Visibility::Unrestricted).await;
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
}
