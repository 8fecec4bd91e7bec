//! Codes on their way, and answers to them.

use std::sync::Arc;

use domain::event::EventKind;
use domain::factors::ChallengeId;
use domain::ids::{ContactId, UserId};
use use_cases::factors::{CodeSubmission, FactorsUseCases, ValidateCodeError};

use crate::race::at_once;
use crate::summary::hold;
use crate::test_app::{TestApp, mobile, user_at_the_portal};

const CONTACT: &str = "mobile-1";

/// A user nobody used before, with a code on its way to its contact.
pub(crate) async fn challenged(app: &TestApp, round: usize) -> (UserId, ChallengeId) {
    let user = app.user().await;
    let me = user_at_the_portal(&user);
    // Each to a number of its own: a number is sent three.
    let drafts = [mobile(CONTACT, &format!("9{round:08}"))];
    app.factors.add_contacts.run(&me, &user, &drafts).await.unwrap();
    let contact = ContactId::parse(CONTACT).unwrap();
    let sent = app.factors.send_code.run(&me, &user, &contact).await.unwrap();
    (user, sent.challenge)
}

pub(crate) async fn answered(
    app: &TestApp,
    user: &UserId,
    challenge: &ChallengeId,
    (callers, code): (usize, &str),
) -> Vec<Result<(), ValidateCodeError>> {
    let asked = Arc::new((app.factors.clone(), user.clone(), challenge.clone(), code.to_owned()));
    at_once(callers, move |_| {
        let asked = asked.clone();
        async move {
            let (factors, user, challenge, code) = &*asked;
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

/// Once, however many were there.
pub(crate) async fn told(app: &TestApp, user: &UserId, kind: EventKind) -> Result<(), String> {
    let events = app.events_of(user).await;
    let count = events.iter().filter(|event| event.kind == kind).count();
    hold(count == 1, || format!("{} was told {count} times", kind.name()))
}
