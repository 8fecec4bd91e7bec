//! Challenges, and parallel answers to them.

use std::sync::Arc;

use domain::event::EventType;
use domain::factors::ChallengeId;
use domain::ids::{ContactId, UserId};
use use_cases::factors::{CodeSubmission, FactorsUseCases, ValidateCodeError};

use crate::race::in_parallel;
use crate::summary::ensure;
use test_support::TestApp;
use test_support::calls::{mobile, user_at_the_portal};

const CONTACT: &str = "mobile-1";

/// Creates a user with a contact, and sends it a code.
pub(crate) async fn send_challenge(app: &TestApp, round: usize) -> (UserId, ChallengeId) {
    let user = app.user().await;
    let me = user_at_the_portal(&user);
    // A number of its own, because the quota of a number is three.
    let drafts = [mobile(CONTACT, &format!("9{round:08}"))];
    app.factors.add_contacts.run(&me, &user, &drafts).await.unwrap();
    let contact = ContactId::parse(CONTACT).unwrap();
    let sent = app.factors.send_code.run(&me, &user, &contact).await.unwrap();
    (user, sent.challenge)
}

pub(crate) async fn answer_in_parallel(
    app: &TestApp,
    user: &UserId,
    challenge: &ChallengeId,
    (callers, code): (usize, &str),
) -> Vec<Result<(), ValidateCodeError>> {
    let request = Arc::new((app.factors.clone(), user.clone(), challenge.clone(), code.to_owned()));
    in_parallel(callers, move |_| {
        let request = request.clone();
        async move {
            let (factors, user, challenge, code) = &*request;
            answer(factors, user, challenge, code).await
        }
    })
    .await
}

async fn answer(
    factors: &FactorsUseCases,
    user: &UserId,
    challenge: &ChallengeId,
    code: &str,
) -> Result<(), ValidateCodeError> {
    let contact = ContactId::parse(CONTACT).unwrap();
    let given = CodeSubmission {
        contact: &contact,
        challenge: challenge.as_str(),
        code,
    };
    factors.validate_code.run(&user_at_the_portal(user), user, given).await
}

/// Requires that the user has one event of this kind.
pub(crate) async fn require_one_event(app: &TestApp, user: &UserId, kind: &'static EventType) -> Result<(), String> {
    let events = app.events_of(user).await;
    let count = events.iter().filter(|event| event.kind == kind).count();
    ensure(count == 1, || format!("{} was published {count} times", kind.name))
}
