//! One-time codes: quotas, attempts, right and wrong answers.

use std::time::Duration;

use domain::caller::{Call, Caller};
use domain::client::Visibility;
use domain::contact::{ContactValue, Mobile};
use domain::event::{EventType, EventValue};
use domain::factors::events::{FACTOR_ADDED, FACTOR_ATTEMPTS_EXHAUSTED, FACTOR_VERIFIED};
use domain::factors::{ChallengeId, ContactPatch};
use domain::identity::MainContact;
use domain::ids::{ContactId, UserId};
use use_cases::factors::{
    CodeSubmission, ContactChange, ContactError, FactorsSettings, SendCodeError, SentCode, ValidateCodeError,
};

use test_support::TestApp;
use test_support::calls::{PORTAL, call, mobile, user_at_the_portal};
use test_support::fixtures::client_id;

fn id(text: &str) -> ContactId {
    ContactId::parse(text).unwrap()
}

/// Creates a user with an unverified alternative contact.
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

async fn send_challenge(app: &TestApp, user: &UserId) -> ChallengeId {
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

/// Returns a code other than the one that was sent.
fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

async fn answer_wrongly(app: &TestApp, user: &UserId, challenge: &ChallengeId) -> ValidateCodeError {
    let code = app.sent_codes.code(challenge);
    let answered = answer(app, user, challenge.as_str(), wrong(&code)).await;
    answered.unwrap_err()
}

async fn event_kinds(app: &TestApp, user: &UserId) -> Vec<&'static EventType> {
    app.events_of(user).await.iter().map(|event| event.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_code_verifies_the_contact_once() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = send_challenge(&app, &user).await;
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
    let set = app.factor_set(&user).await;
    assert!(set.contact(&id("mobile-1")).unwrap().is_verified);
    let again = answer(&app, &user, challenge.as_str(), &code).await;
    assert!(matches!(again, Err(ValidateCodeError::Wrong)), "{again:?}");
    assert_eq!(event_kinds(&app, &user).await, [FACTOR_ADDED, FACTOR_VERIFIED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_contact_receives_codes() {
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
    assert_eq!(event_kinds(&app, &user).await, [FACTOR_VERIFIED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_exhaust_the_challenge_with_one_event() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = send_challenge(&app, &user).await;
    for _ in 0..5 {
        let answered = answer_wrongly(&app, &user, &challenge).await;
        assert!(matches!(answered, ValidateCodeError::Wrong), "{answered:?}");
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
        .filter(|event| event.kind == FACTOR_ATTEMPTS_EXHAUSTED)
        .collect();
    assert_eq!(exhausted.len(), 1);
    let which = ("exhausted".to_owned(), EventValue::Text("challenge".to_owned()));
    assert!(exhausted[0].data.contains(&which));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_fifth_attempt_is_accepted() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = send_challenge(&app, &user).await;
    for _ in 0..4 {
        answer_wrongly(&app, &user, &challenge).await;
    }
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
    assert_eq!(event_kinds(&app, &user).await, [FACTOR_ADDED, FACTOR_VERIFIED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resending_or_adding_again_keeps_the_attempts_counted() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    for round in 0..4 {
        let challenge = send_challenge(&app, &user).await;
        for _ in 0..5 {
            answer_wrongly(&app, &user, &challenge).await;
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
        // More requests than the daily quota: rejected ones take nothing from it.
        let rejected = send(&app, &user, "mobile-1").await;
        assert!(matches!(rejected, Err(SendCodeError::UsedUp)), "{rejected:?}");
    }
    assert_eq!(app.sent_codes.count(), 4);
    app.clock.advance(Duration::from_hours(24));
    let challenge = send_challenge(&app, &user).await;
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_became_a_credential_is_listed_once() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    let show_all = |client: &mut domain::client::Client| client.visibility = Visibility::Unrestricted;
    app.change_client(test_support::calls::PORTAL, show_all).await;
    let mut identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    identity.mobile = Some(MainContact {
        id: id("mobile-1"),
        value: Mobile::parse("55", Some("11"), "911113333").unwrap(),
    });
    app.stores.identities.replace(&identity).await.unwrap();
    let shown = app
        .factors
        .list_own_contacts
        .run(&me.client, me.user.as_ref().unwrap())
        .await
        .unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|c| (c.id.as_str(), c.is_credential, c.is_default))
        .collect();
    let main = identity.email.unwrap().id;
    assert_eq!(shown, [(main.as_str(), true, true), ("mobile-1", true, false)]);
    let challenge = send_challenge(&app, &user).await;
    assert_eq!(
        app.sent_codes.last().to,
        ContactValue::Mobile(identity.mobile.unwrap().value)
    );
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
    let set = app.factor_set(&user).await;
    assert_eq!(set.contacts, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_contact_leaves_only_counted_attempts() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    let remove = async |contact: &str| {
        let removed = app.factors.remove_contact.run(&me, &user, &id(contact)).await;
        removed.unwrap();
    };
    let kept = async || app.factor_set(&user).await.codes.len();
    add(&app, &user, "mobile-2", "911113333").await;
    send(&app, &user, "mobile-2").await.unwrap();
    remove("mobile-2").await;
    assert_eq!(kept().await, 0, "no attempt was made");
    let challenge = send_challenge(&app, &user).await;
    answer_wrongly(&app, &user, &challenge).await;
    remove("mobile-1").await;
    let set = app.factor_set(&user).await;
    assert!(!set.codes[0].destination.contains("911112222"), "the value is not kept");
    app.clock.advance(Duration::from_hours(23));
    add(&app, &user, "mobile-3", "911114444").await;
    assert_eq!(kept().await, 1);
    app.clock.advance(Duration::from_hours(1));
    add(&app, &user, "mobile-4", "911115555").await;
    assert_eq!(kept().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_expired_challenge_is_a_wrong_code() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let replaced = send_challenge(&app, &user).await;
    let live = send_challenge(&app, &user).await;
    let code = app.sent_codes.code(&live);
    for (challenge, code) in [
        ("", code.as_str()),
        ("no challenge", &code),
        ("00000000000000000000000000000000", &code),
        (replaced.as_str(), &app.sent_codes.code(&replaced)),
        (live.as_str(), ""),
    ] {
        let answered = answer(&app, &user, challenge, code).await;
        assert!(
            matches!(answered, Err(ValidateCodeError::Wrong)),
            "{challenge}: {answered:?}"
        );
    }
    let other_client = call(Caller {
        client: client_id("saml"),
        ..Caller::clone(&user_at_the_portal(&user))
    });
    let answered = answer_as(&app, &other_client, &user, (live.as_str(), &code)).await;
    assert!(matches!(answered, Err(ValidateCodeError::Wrong)), "{answered:?}");
    app.clock.advance(Duration::from_mins(10));
    let late = answer(&app, &user, live.as_str(), &code).await;
    assert!(matches!(late, Err(ValidateCodeError::Wrong)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_for_a_previous_value_is_rejected() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let me = user_at_the_portal(&user);
    let challenge = send_challenge(&app, &user).await;
    for number in ["911113333", "911112222"] {
        let change = use_cases::factors::ContactChange::Whole(mobile("mobile-1", number));
        app.factors.change_contact.run(&me, &user, &change).await.unwrap();
    }
    let code = app.sent_codes.code(&challenge);
    let answered = answer(&app, &user, challenge.as_str(), &code).await;
    assert!(matches!(answered, Err(ValidateCodeError::Wrong)), "{answered:?}");
    let set = app.factor_set(&user).await;
    assert!(!set.contact(&id("mobile-1")).unwrap().is_verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_receives_three_codes_in_ten_minutes() {
    let app = TestApp::new().await;
    let (user, other) = (user_with_a_mobile(&app).await, user_with_a_mobile(&app).await);
    for sender in [&user, &other, &user] {
        send_challenge(&app, sender).await;
    }
    let rejected = send(&app, &other, "mobile-1").await;
    let Err(SendCodeError::TooMany { until, now }) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!(until.duration_since(now).as_secs(), 600);
    assert_eq!(app.sent_codes.count(), 3);
    app.clock.advance(Duration::from_mins(10));
    send_challenge(&app, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_send_ten_codes_a_day() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    for _ in 0..10 {
        send_challenge(&app, &user).await;
        app.clock.advance(Duration::from_mins(10));
    }
    let rejected = send(&app, &user, "mobile-1").await;
    assert!(matches!(rejected, Err(SendCodeError::TooMany { .. })), "{rejected:?}");
    app.clock.advance(Duration::from_hours(23));
    send_challenge(&app, &user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_keeps_the_quota_taken() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let before = send_challenge(&app, &user).await;
    app.sent_codes.set_failing(true);
    let failed = send(&app, &user, "mobile-1").await;
    assert!(matches!(failed, Err(SendCodeError::NotDelivered(_))), "{failed:?}");
    app.sent_codes.set_failing(false);
    let challenge = send_challenge(&app, &user).await;
    let rejected = send(&app, &user, "mobile-1").await;
    assert!(matches!(rejected, Err(SendCodeError::TooMany { .. })), "{rejected:?}");
    let old = app.sent_codes.code(&before);
    let answered = answer(&app, &user, before.as_str(), &old).await;
    assert!(matches!(answered, Err(ValidateCodeError::Wrong)), "{answered:?}");
    let code = app.sent_codes.code(&challenge);
    answer(&app, &user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_uses_the_clients_texts() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let change = |client: &mut domain::client::Client| client.message_templates = Some("en".to_owned());
    app.change_client(test_support::calls::PORTAL, change).await;
    let sent = send(&app, &user, "mobile-1").await.unwrap();
    let message = app.sent_codes.last();
    assert_eq!(message.message_templates.as_deref(), Some("en"));
    assert_eq!(message.expires_at, sent.expires_at);
    assert_eq!(message.expires_at.duration_since(message.sent_at).as_secs(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contact_of_another_user_is_not_found() {
    let app = TestApp::new().await;
    let (ana, bia) = (user_with_a_mobile(&app).await, app.user().await);
    let challenge = send_challenge(&app, &ana).await;
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
    let answered = answer(&app, &bia, challenge.as_str(), &code).await;
    assert!(matches!(
        answered,
        Err(ValidateCodeError::Contact(ContactError::ContactNotFound))
    ));
    // The challenge belongs to the other user, even if the caller has a contact with the same id.
    add(&app, &bia, "mobile-1", "911112222").await;
    let answered = answer(&app, &bia, challenge.as_str(), &code).await;
    assert!(matches!(answered, Err(ValidateCodeError::Wrong)), "{answered:?}");
    answer(&app, &ana, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_destination_takes_nothing_from_the_user() {
    let app = TestApp::new().await;
    let (user, other) = (user_with_a_mobile(&app).await, user_with_a_mobile(&app).await);
    for _ in 0..3 {
        send_challenge(&app, &other).await;
    }
    for _ in 0..10 {
        let rejected = send(&app, &user, "mobile-1").await;
        assert!(matches!(rejected, Err(SendCodeError::TooMany { .. })), "{rejected:?}");
    }
    add(&app, &user, "mobile-2", "911113333").await;
    for _ in 0..10 {
        app.clock.advance(Duration::from_mins(10));
        send(&app, &user, "mobile-2").await.unwrap();
    }
    let rejected = send(&app, &user, "mobile-2").await;
    let Err(SendCodeError::TooMany { until, now }) = rejected else {
        panic!("{rejected:?}");
    };
    assert!(until.duration_since(now).as_secs() > 600, "{until} {now}");
}

/// Answers a code, so that the contact is verified.
async fn verify(app: &TestApp, user: &UserId) {
    let challenge = send_challenge(app, user).await;
    let code = app.sent_codes.code(&challenge);
    answer(app, user, challenge.as_str(), &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_cannot_use_up_the_quota_of_a_verified_contact() {
    let app = TestApp::new().await;
    let owner = user_with_a_mobile(&app).await;
    verify(&app, &owner).await;
    app.clock.advance(Duration::from_mins(10));
    for round in 0..4 {
        let stranger = user_with_a_mobile(&app).await;
        for _ in 0..3 {
            // The owner's first code counted under the destination, too, so round 3 finds the ten of the day used up.
            let sent = send(&app, &stranger, "mobile-1").await;
            assert!(sent.is_ok() || round == 3, "{round}: {sent:?}");
        }
        let rejected = send(&app, &stranger, "mobile-1").await;
        assert!(matches!(rejected, Err(SendCodeError::TooMany { .. })), "{rejected:?}");
        send_challenge(&app, &owner).await;
        app.clock.advance(Duration::from_mins(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_contact_has_three_codes_in_ten_minutes_and_its_user_ten_a_day() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    verify(&app, &user).await;
    let other = app
        .stores
        .identities
        .find(&user)
        .await
        .unwrap()
        .unwrap()
        .email
        .unwrap()
        .id;
    for _ in 0..3 {
        send_challenge(&app, &user).await;
    }
    let rejected = send(&app, &user, "mobile-1").await;
    let Err(SendCodeError::TooMany { until, now }) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!(until.duration_since(now).as_secs(), 600);
    // A code that does not arrive by text message can be sent by mail.
    for _ in 0..3 {
        send(&app, &user, other.as_str()).await.unwrap();
    }
    app.clock.advance(Duration::from_mins(10));
    for _ in 0..3 {
        send_challenge(&app, &user).await;
    }
    let rejected = send(&app, &user, other.as_str()).await;
    let Err(SendCodeError::TooMany { until, now }) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!(until.duration_since(now).as_secs(), 86_400 - 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_destination_receives_ten_codes_a_day_from_all_users() {
    let app = TestApp::new().await;
    let mut sent = 0;
    for _ in 0..6 {
        let user = user_with_a_mobile(&app).await;
        while send(&app, &user, "mobile-1").await.is_ok() {
            sent += 1;
        }
        app.clock.advance(Duration::from_mins(10));
    }
    assert_eq!(sent, 10);
    app.clock.advance(Duration::from_hours(23));
    let user = user_with_a_mobile(&app).await;
    send_challenge(&app, &user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_sent_to_allowed_regions_only() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let mut portuguese = mobile("mobile-1", "912345678");
    let number = portuguese.mobile.as_mut().unwrap();
    (number.region_code, number.area_code) = (Some("351".to_owned()), None);
    let me = user_at_the_portal(&user);
    let added = app.factors.add_contacts.run(&me, &user, &[portuguese]).await.unwrap();
    assert!(added[0].result.is_ok());
    for _ in 0..11 {
        let rejected = send(&app, &user, "mobile-1").await;
        assert!(matches!(rejected, Err(SendCodeError::RegionNotAllowed)), "{rejected:?}");
    }
    // The rejected requests took nothing from the user's quota.
    add(&app, &user, "mobile-2", "911112222").await;
    send(&app, &user, "mobile-2").await.unwrap();
    let regions = app.with_factors_settings(&FactorsSettings {
        regions: vec!["351".to_owned()],
        ..FactorsSettings::default()
    });
    regions.send_code.run(&me, &user, &id("mobile-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_the_process_holds_for_all_users() {
    let app = TestApp::new().await;
    let factors = app.with_factors_settings(&FactorsSettings {
        sends_per_hour: 4,
        ..FactorsSettings::default()
    });
    let send = async |user: &UserId| {
        let me = user_at_the_portal(user);
        factors.send_code.run(&me, user, &id("mobile-1")).await
    };
    let mut users = Vec::new();
    for number in 0..6 {
        let user = app.user().await;
        add(&app, &user, "mobile-1", &format!("91111222{number}")).await;
        users.push(user);
    }
    for user in &users[..4] {
        send(user).await.unwrap();
    }
    for user in &users {
        let rejected = send(user).await;
        let Err(SendCodeError::ProcessLimit { until, now }) = rejected else {
            panic!("{rejected:?}");
        };
        assert_eq!(until.duration_since(now).as_secs(), 3_600);
    }
    assert_eq!(app.sent_codes.count(), 4);
    app.clock.advance(Duration::from_hours(1));
    for _ in 0..3 {
        // The rejected requests took nothing from the quota of the destination.
        send(&users[5]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_contact_is_not_found_by_any_operation() {
    let app = TestApp::new().await;
    let user = user_with_a_mobile(&app).await;
    let challenge = send_challenge(&app, &user).await;
    let code = app.sent_codes.code(&challenge);
    let shows = |visibility| app.change_client(PORTAL, move |portal| portal.visibility = visibility);
    for visibility in [Visibility::CredentialsOnly, Visibility::MarkedResources] {
        shows(visibility).await;
        let sending = send(&app, &user, "mobile-1").await;
        let is_hidden = matches!(sending, Err(SendCodeError::Contact(ContactError::ContactNotFound)));
        assert!(is_hidden, "{sending:?}");
        let answered = answer(&app, &user, challenge.as_str(), &code).await;
        let is_hidden = matches!(answered, Err(ValidateCodeError::Contact(ContactError::ContactNotFound)));
        assert!(is_hidden, "{answered:?}");
        let (caller, draft) = (user_at_the_portal(&user), mobile("mobile-1", "911112223"));
        let changes = [
            ContactChange::Whole(draft.clone()),
            ContactChange::Patch(draft.id.clone(), ContactPatch::default()),
        ];
        for change in &changes {
            let rejected = app.factors.change_contact.run(&caller, &user, change).await;
            assert!(matches!(rejected, Err(ContactError::ContactNotFound)), "{rejected:?}");
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
