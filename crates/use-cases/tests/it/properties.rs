//! Any story of one session, against the rules in their shortest form.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use use_cases::tokens::TokenError;

use crate::test_app::{GRACE, TestApp, by_token, renew};

/// One presentation: how long after the one before, which of the tokens so far (from the newest), and how.
#[derive(Debug, Clone)]
struct Presentation {
    after: Duration,
    back: usize,
    remember: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active { rotated_at: Duration },
    Closed { by: usize, at: Duration },
    Revoked,
}

/// A session by the rules: the number of its tokens, and what became of it.
struct Session {
    tokens: usize,
    state: State,
    now: Duration,
}

impl Session {
    /// The number of the token that is told, 0 for none; or the refusal.
    fn present(&mut self, token: usize, remember: bool) -> Option<usize> {
        let (current, now) = (self.tokens, self.now);
        let in_grace = |since: Duration| now < since + GRACE;
        match self.state {
            State::Active { .. } if token == current && remember => {
                self.tokens += 1;
                self.state = State::Active { rotated_at: now };
                Some(self.tokens)
            }
            State::Active { rotated_at } if token == current || (token + 1 == current && in_grace(rotated_at)) => {
                if remember {
                    return Some(current);
                }
                self.state = State::Closed { by: token, at: now };
                Some(0)
            }
            State::Active { .. } => {
                self.state = State::Revoked;
                None
            }
            State::Closed { by, at } if !remember && token == by && in_grace(at) => Some(0),
            State::Closed { .. } | State::Revoked => None,
        }
    }
}

fn story() -> impl Strategy<Value = Vec<Presentation>> {
    // Mostly the newest tokens, and mostly remembering: a story that ends at once says little.
    let back = prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => 2..5_usize];
    let seconds = prop_oneof![3 => Just(0_u64), 1 => 1..60_u64];
    let presentation = (seconds, back, prop::bool::weighted(0.9)).prop_map(|(seconds, back, remember)| Presentation {
        after: Duration::from_secs(seconds),
        back,
        remember,
    });
    prop::collection::vec(presentation, 1..20)
}

#[test]
fn every_story_of_a_session_goes_by_the_rules() {
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(40)
    };
    let runtime = Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::new());
    let told = TestRunner::new(config).run(&story(), |story| {
        let gone_by_the_rules = runtime.block_on(told(&app, &story));
        gone_by_the_rules.map_err(TestCaseError::fail)
    });
    told.unwrap();
}

async fn told(app: &TestApp, story: &[Presentation]) -> Result<(), String> {
    let user = app.user().await;
    let mut tokens = vec![app.session(&user).await];
    let mut session = Session {
        tokens: 1,
        state: State::Active {
            rotated_at: Duration::ZERO,
        },
        now: Duration::ZERO,
    };
    for presentation in story {
        app.clock.advance(presentation.after);
        session.now += presentation.after;
        let number = session.tokens.saturating_sub(presentation.back).max(1);
        let request = by_token(&tokens[number - 1], presentation.remember);
        let answer = renew(&app.tokens, request).await;
        let expected = session.present(number, presentation.remember);
        let told = match answer {
            Ok(issued) => Some(issued.refresh_token),
            Err(TokenError::TokenNotValid) => None,
            Err(refused) => return Err(refused.to_string()),
        };
        if let Some(Some(token)) = &told
            && !tokens.contains(token)
        {
            tokens.push(token.clone());
        }
        let number_told = told.map(|token| {
            let place = tokens.iter().position(|known| Some(known) == token.as_ref());
            place.map_or(0, |place| place + 1)
        });
        if number_told != expected {
            return Err(format!("{presentation:?} was told {number_told:?}, not {expected:?}"));
        }
        let alive = app.renewable_tokens(&user).await.len();
        let expected = usize::from(matches!(session.state, State::Active { .. }));
        if alive != expected {
            return Err(format!("{alive} alive after {presentation:?}, not {expected}"));
        }
    }
    Ok(())
}
