//! Random sequences of presentations of one session, against a model of the rules.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use use_cases::sessions::TokenError;

use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{by_token, renew};

/// A presentation: the time since the previous one, the token counted back from the newest, and `remember-me`.
#[derive(Debug, Clone)]
struct Presentation {
    after: Duration,
    back: usize,
    is_remembered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active { rotated_at: Duration },
    Closed { by: usize, at: Duration },
    Revoked,
}

/// The model of a session: the number of its tokens, and its state.
struct Session {
    tokens: usize,
    state: State,
    now: Duration,
}

impl Session {
    /// Returns the number of the token in the answer, 0 if it has no refresh token, and `None` for a rejection.
    fn present(&mut self, token: usize, is_remembered: bool) -> Option<usize> {
        let (current, now) = (self.tokens, self.now);
        let in_grace = |since: Duration| now < since + GRACE;
        match self.state {
            State::Active { .. } if token == current && is_remembered => {
                self.tokens += 1;
                self.state = State::Active { rotated_at: now };
                Some(self.tokens)
            }
            State::Active { rotated_at } if token == current || (token + 1 == current && in_grace(rotated_at)) => {
                if is_remembered {
                    return Some(current);
                }
                self.state = State::Closed { by: token, at: now };
                Some(0)
            }
            State::Active { .. } => {
                self.state = State::Revoked;
                None
            }
            State::Closed { by, at } if !is_remembered && token == by && in_grace(at) => Some(0),
            State::Closed { .. } | State::Revoked => None,
        }
    }
}

fn scenario() -> impl Strategy<Value = Vec<Presentation>> {
    // Mostly the newest tokens, and mostly with remember-me: a scenario whose session ends immediately tests little.
    let back = prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => 2..5_usize];
    let seconds = prop_oneof![3 => Just(0_u64), 1 => 1..60_u64];
    let presentation =
        (seconds, back, prop::bool::weighted(0.9)).prop_map(|(seconds, back, is_remembered)| Presentation {
            after: Duration::from_secs(seconds),
            back,
            is_remembered,
        });
    prop::collection::vec(presentation, 1..20)
}

#[test]
fn every_sequence_of_presentations_follows_the_rules() {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(40)
    };
    let runtime = Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::new());
    let result = TestRunner::new(config).run(&scenario(), |scenario| {
        let checked = runtime.block_on(check_scenario(&app, &scenario));
        checked.map_err(TestCaseError::fail)
    });
    result.unwrap();
}

async fn check_scenario(app: &TestApp, scenario: &[Presentation]) -> Result<(), String> {
    let user = app.user().await;
    let mut tokens = vec![app.session(&user).await];
    let mut session = Session {
        tokens: 1,
        state: State::Active {
            rotated_at: Duration::ZERO,
        },
        now: Duration::ZERO,
    };
    for presentation in scenario {
        app.clock.advance(presentation.after);
        session.now += presentation.after;
        let number = session.tokens.saturating_sub(presentation.back).max(1);
        let request = by_token(&tokens[number - 1], presentation.is_remembered);
        let answer = renew(&app.tokens, request).await;
        let expected = session.present(number, presentation.is_remembered);
        let received = match answer {
            Ok(issued) => Some(issued.refresh_token),
            Err(TokenError::TokenNotValid) => None,
            Err(rejected) => return Err(rejected.to_string()),
        };
        if let Some(Some(token)) = &received
            && !tokens.contains(token)
        {
            tokens.push(token.clone());
        }
        let received_number = received.map(|token| {
            let index = tokens.iter().position(|known| Some(known) == token.as_ref());
            index.map_or(0, |index| index + 1)
        });
        if received_number != expected {
            return Err(format!(
                "{presentation:?} received {received_number:?}, not {expected:?}"
            ));
        }
        let renewable = app.renewable_tokens(&user).await.len();
        let expected = usize::from(matches!(session.state, State::Active { .. }));
        if renewable != expected {
            return Err(format!("{renewable} renewable after {presentation:?}, not {expected}"));
        }
    }
    Ok(())
}
