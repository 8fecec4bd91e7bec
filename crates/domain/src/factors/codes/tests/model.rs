//! Model test: any sequence of steps with the codes of one user, compared with the rules in their shortest form.

use proptest::prelude::*;

use super::*;

const CONTACTS: [&str; 4] = ["main", "c0", "c1", "c2"];

const NUMBERS: [&str; 3] = ["911112222", "911113333", "911114444"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait {
        seconds: u64,
    },
    Send {
        contact: usize,
    },
    /// Answers the challenge that is `back` before the newest one of the contact, with the right code or a wrong one.
    Answer {
        contact: usize,
        back: usize,
        is_other_client: bool,
        is_right: bool,
        times: u32,
    },
    Change {
        contact: usize,
        number: usize,
    },
    Remove {
        contact: usize,
    },
    Add {
        contact: usize,
        number: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let contact = || 0..CONTACTS.len();
    let number = || 0..NUMBERS.len();
    let seconds = prop_oneof![6 => 0..60_u64, 2 => 60..900_u64, 1 => 40_000..90_000_u64];
    let back = prop_oneof![6 => Just(0_usize), 1 => 1..3_usize];
    let answer = (
        contact(),
        back,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        1..7_u32,
    );
    prop_oneof![
        2 => seconds.prop_map(|seconds| Step::Wait { seconds }),
        4 => contact().prop_map(|contact| Step::Send { contact }),
        8 => answer.prop_map(|(contact, back, is_other_client, is_right, times)| Step::Answer {
            contact,
            back,
            is_other_client,
            is_right,
            times,
        }),
        1 => (contact(), number()).prop_map(|(contact, number)| Step::Change { contact, number }),
        1 => contact().prop_map(|contact| Step::Remove { contact }),
        2 => (contact(), number()).prop_map(|(contact, number)| Step::Add { contact, number }),
    ]
}

/// A sent code.
struct Sent {
    contact: usize,
    expires_at: Timestamp,
    is_live: bool,
    counted: u32,
}

struct Counted {
    at: Timestamp,
    contact: usize,
    destination: String,
}

/// The steps so far, from which the expected counts are computed.
#[derive(Default)]
struct History {
    sent: Vec<Sent>,
    counted: Vec<Counted>,
}

impl History {
    fn end(&mut self, contact: usize) {
        for sent in self.sent.iter_mut().filter(|sent| sent.contact == contact) {
            sent.is_live = false;
        }
    }

    /// Returns the attempts in the current window. A window begins with the first attempt after the end of the one
    /// before.
    fn used<'a>(counted: impl Iterator<Item = &'a Counted>, window: Duration, now: Timestamp) -> u32 {
        let mut used = 0;
        let mut end_at = Timestamp::MIN;
        for attempt in counted {
            if attempt.at >= end_at {
                (used, end_at) = (0, time::after(attempt.at, window));
            }
            used += 1;
        }
        if now < end_at { used } else { 0 }
    }

    fn used_by_user(&self, limits: &CodeLimits, now: Timestamp) -> u32 {
        Self::used(self.counted.iter(), limits.window, now)
    }

    /// Each pair of contact and value has a window. The windows that share either count together.
    fn used_by_factor(&self, contact: usize, destination: &str, limits: &CodeLimits, now: Timestamp) -> u32 {
        let mut concerned: Vec<_> = self
            .counted
            .iter()
            .filter(|attempt| attempt.contact == contact || attempt.destination == destination)
            .map(|attempt| (attempt.contact, &attempt.destination))
            .collect();
        concerned.sort();
        concerned.dedup();
        let windows = concerned.into_iter().map(|pair| {
            let of_pair = |attempt: &&Counted| (attempt.contact, &attempt.destination) == pair;
            Self::used(self.counted.iter().filter(of_pair), limits.window, now)
        });
        windows.sum()
    }
}

struct ModelRun {
    fixture: CodesFixture,
    history: History,
}

impl ModelRun {
    fn exists(&self, contact: usize) -> bool {
        self.fixture
            .set
            .code_target(&owner_of_both(), &id(CONTACTS[contact]), destination_of)
            .is_some()
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait { seconds } => self.fixture.now = time::after(self.fixture.now, Duration::from_secs(seconds)),
            // The number of a challenge is one byte.
            Step::Send { contact } if self.exists(contact) && self.fixture.sent < 250 => {
                self.history.end(contact);
                self.fixture.send(CONTACTS[contact]);
                self.history.sent.push(Sent {
                    contact,
                    expires_at: time::after(self.fixture.now, self.fixture.limits.lifetime),
                    is_live: true,
                    counted: 0,
                });
            }
            Step::Answer { contact, times, .. } if self.exists(contact) => {
                for _ in 0..times {
                    self.answer(step)?;
                }
            }
            Step::Send { .. } | Step::Answer { .. } => {}
            Step::Change { contact, number } => {
                let draft = mobile(CONTACTS[contact], NUMBERS[number]);
                let changed = self.fixture.set.replace(&owner_of_both(), &draft, false);
                if changed.is_ok_and(|changed| !changed.is_empty()) {
                    self.history.end(contact);
                }
            }
            Step::Remove { contact } => {
                if self
                    .fixture
                    .set
                    .remove(&owner_of_both(), &id(CONTACTS[contact]))
                    .is_ok()
                {
                    self.history.end(contact);
                }
            }
            Step::Add { contact, number } => {
                let draft = mobile(CONTACTS[contact], NUMBERS[number]);
                let _may_break_a_rule = self.fixture.set.add(&owner_of_both(), &draft, false, self.fixture.now);
            }
        }
        Ok(())
    }

    fn answer(&mut self, step: Step) -> Result<(), TestCaseError> {
        let Step::Answer {
            contact,
            back,
            is_other_client,
            is_right,
            ..
        } = step
        else {
            return Ok(());
        };
        let (name, limits, now) = (CONTACTS[contact], self.fixture.limits, self.fixture.now);
        let destination = self.fixture.target(name).value.comparison_key();
        let mine = (0..self.history.sent.len()).filter(|at| self.history.sent[*at].contact == contact);
        let at = mine.rev().nth(back);
        let number = at.map(|at| u8::try_from(at + 1).unwrap());
        let used_up = self.history.used_by_user(&limits, now) >= limits.attempts_per_user
            || self.history.used_by_factor(contact, &destination, &limits, now) >= limits.attempts_per_contact;
        let live = at
            .and_then(|at| self.history.sent.get_mut(at))
            .filter(|sent| sent.is_live && now < sent.expires_at && !is_other_client);
        let expected = match live {
            _ if used_up => AttemptDecision::Exhausted,
            Some(sent) if sent.counted >= limits.attempts_per_challenge => AttemptDecision::Exhausted,
            Some(sent) => {
                sent.counted += 1;
                counted_attempt(number.unwrap())
            }
            None => COUNTED_WITHOUT_CHALLENGE,
        };
        if expected != AttemptDecision::Exhausted {
            self.history.counted.push(Counted {
                at: now,
                contact,
                destination: destination.clone(),
            });
            prop_assert!(self.history.used_by_user(&limits, now) <= limits.attempts_per_user);
            prop_assert!(
                self.history.used_by_factor(contact, &destination, &limits, now) <= limits.attempts_per_contact
            );
        }
        let decision = self
            .fixture
            .attempt_from(if is_other_client { "another" } else { "portal" }, name, number);
        prop_assert_eq!(decision, expected);
        self.conclude(
            contact,
            number,
            is_right && matches!(decision, AttemptDecision::Counted(Some(_))),
        )
    }

    /// Accepts a right answer once. After any other answer, reports an exhausted budget once.
    fn conclude(&mut self, contact: usize, number: Option<u8>, is_right: bool) -> Result<(), TestCaseError> {
        let name = CONTACTS[contact];
        match number {
            Some(number) if is_right => {
                self.history.end(contact);
                prop_assert!(self.fixture.accept(name, number));
                prop_assert!(!self.fixture.accept(name, number));
            }
            _ => {
                let number = number.unwrap_or(u8::MAX);
                self.fixture.take_exhaustion(name, number);
                prop_assert_eq!(self.fixture.take_exhaustion(name, number), None);
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), TestCaseError> {
        let limits = &self.fixture.limits;
        for sent in &self.history.sent {
            prop_assert!(sent.counted <= limits.attempts_per_challenge);
        }
        // The user's windows do not overlap, so at most two reach into the last day.
        prop_assert!(self.fixture.set.codes.len() <= 2 * limits.attempts_per_user as usize + CONTACTS.len());
        Ok(())
    }
}

fn limits() -> impl Strategy<Value = CodeLimits> {
    let tight = CodeLimits {
        attempts_per_challenge: 2,
        attempts_per_contact: 5,
        attempts_per_user: 9,
        window: Duration::from_mins(20),
        lifetime: Duration::from_mins(2),
    };
    prop_oneof![Just(CodeLimits::default()), Just(tight)]
}

proptest! {
    #[test]
    fn any_steps_count_attempts_by_the_rules(limits in limits(), steps in prop::collection::vec(step(), 1..80)) {
        let contacts = [mobile("c0", NUMBERS[0]), mobile("c1", NUMBERS[1])];
        let fixture = CodesFixture { limits, ..CodesFixture::with(&contacts) };
        let mut run = ModelRun { fixture, history: History::default() };
        for step in steps {
            run.apply(step)?;
        }
        run.check_limits()?;
    }
}
