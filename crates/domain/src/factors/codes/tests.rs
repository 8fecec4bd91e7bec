use std::time::Duration;

use super::*;
use crate::factors::fixtures::{destination_of, id, mobile, owner, owner_of_both, set_of, with_tag};
use crate::factors::{ChallengeId, ContactChangeError, ContactDraft};
use crate::ids::ClientId;
use crate::time;

mod model;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn seconds(seconds: u64) -> Timestamp {
    time::after(START, Duration::from_secs(seconds))
}

fn client(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

fn challenge_id(number: u8) -> ChallengeId {
    ChallengeId::from_random([number; 16])
}

/// The codes of one user. `send` numbers the challenges, and the digest of each consists of its number.
struct CodesFixture {
    set: FactorSet,
    limits: CodeLimits,
    sent: u8,
    now: Timestamp,
}

impl CodesFixture {
    fn with(contacts: &[ContactDraft]) -> Self {
        Self {
            set: set_of(contacts),
            limits: CodeLimits::default(),
            sent: 0,
            now: START,
        }
    }

    fn target(&self, contact: &str) -> CodeTarget {
        self.set
            .code_target(&owner_of_both(), &id(contact), destination_of)
            .unwrap()
    }

    fn send(&mut self, contact: &str) -> u8 {
        self.sent += 1;
        let target = self.target(contact);
        let challenge = Challenge {
            id: challenge_id(self.sent),
            digest: CodeDigest([self.sent; 32]),
            revision: target.revision,
            purpose: target.purpose,
            client: client("portal"),
            attempts: 0,
            is_exhaustion_reported: false,
            expires_at: time::after(self.now, self.limits.lifetime),
        };
        self.set.start_challenge(&target, challenge, self.now);
        self.sent
    }

    fn attempt_from(&mut self, name: &str, contact: &str, challenge: Option<u8>) -> AttemptDecision {
        let target = self.target(contact);
        let challenge = challenge.map(challenge_id);
        let answer = CodeAnswer {
            challenge: challenge.as_ref(),
            client: &client(name),
        };
        self.set.count_attempt(&target, answer, &self.limits, self.now)
    }

    fn attempt(&mut self, contact: &str, challenge: u8) -> AttemptDecision {
        self.attempt_from("portal", contact, Some(challenge))
    }

    fn is_exhausted(&self, contact: &str) -> bool {
        self.set.is_exhausted(&self.target(contact), &self.limits, self.now)
    }

    fn accept(&mut self, contact: &str, challenge: u8) -> bool {
        let target = self.target(contact);
        let answer = CodeAnswer {
            challenge: Some(&challenge_id(challenge)),
            client: &client("portal"),
        };
        self.set.accept_answer(&target, answer)
    }

    fn take_exhaustion(&mut self, contact: &str, challenge: u8) -> Option<ExhaustedBudget> {
        let target = self.target(contact);
        let answer = CodeAnswer {
            challenge: Some(&challenge_id(challenge)),
            client: &client("portal"),
        };
        self.set.take_exhaustion(&target, answer, &self.limits, self.now)
    }

    /// Sends wrong answers and returns how many of them were counted.
    fn answer_wrongly(&mut self, contact: &str, challenge: u8, times: u32) -> u32 {
        let counted = (0..times).filter(|_| self.attempt(contact, challenge) != AttemptDecision::Exhausted);
        u32::try_from(counted.count()).unwrap()
    }

    /// Uses up attempts of a contact, five with each code, and returns how many were counted.
    fn use_up(&mut self, contact: &str, times: u32) -> u32 {
        let mut counted = 0;
        while counted < times {
            let sent = self.send(contact);
            match self.answer_wrongly(contact, sent, self.limits.attempts_per_challenge.min(times - counted)) {
                0 => break,
                more => counted += more,
            }
        }
        counted
    }

    fn used(&self, contact: &str) -> u32 {
        let of_contact = self.set.codes.iter().filter(|codes| codes.contact == id(contact));
        of_contact.map(|codes| codes.attempts.used).sum()
    }

    fn replace(&mut self, draft: &ContactDraft) {
        self.set.replace(&owner_of_both(), draft, false).unwrap();
    }

    fn remove(&mut self, contact: &str) {
        self.set.remove(&owner_of_both(), &id(contact)).unwrap();
    }

    fn add(&mut self, draft: &ContactDraft) {
        self.set.add(&owner_of_both(), draft, true, self.now).unwrap();
    }
}

fn counted_attempt(challenge: u8) -> AttemptDecision {
    AttemptDecision::Counted(Some(CodeDigest([challenge; 32])))
}

const COUNTED_WITHOUT_CHALLENGE: AttemptDecision = AttemptDecision::Counted(None);

fn one() -> CodesFixture {
    CodesFixture::with(&[mobile("c1", "911112222")])
}

/// Has the contacts `c0` to `c4`.
fn five() -> CodesFixture {
    let contacts: Vec<_> = (0..5)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    CodesFixture::with(&contacts)
}

#[test]
fn a_right_answer_counts_as_an_attempt() {
    let mut fixture = one();
    let sent = fixture.send("c1");
    assert_eq!(fixture.attempt("c1", sent), counted_attempt(sent));
    let codes = &fixture.set.codes[0];
    assert_eq!(codes.challenge.as_ref().unwrap().attempts, 1);
    assert_eq!((codes.attempts.used, fixture.set.attempts.used), (1, 1));
    assert!(fixture.accept("c1", sent));
    assert_eq!((fixture.used("c1"), fixture.set.attempts.used), (1, 1));
}

#[test]
fn the_sixth_attempt_at_a_challenge_is_refused_and_not_counted() {
    let mut fixture = one();
    let sent = fixture.send("c1");
    assert_eq!(fixture.answer_wrongly("c1", sent, 9), 5);
    assert_eq!((fixture.used("c1"), fixture.set.attempts.used), (5, 5));
    let again = fixture.send("c1");
    assert_eq!(fixture.attempt("c1", again), counted_attempt(again));
}

#[test]
fn a_contact_has_twenty_attempts_a_day_across_challenges() {
    let mut fixture = one();
    assert_eq!(fixture.use_up("c1", 30), 20);
    assert_eq!((fixture.used("c1"), fixture.set.attempts.used), (20, 20));
    assert_eq!(fixture.attempt_from("portal", "c1", None), AttemptDecision::Exhausted);
    let main = fixture.send("main");
    assert_eq!(fixture.attempt("main", main), counted_attempt(main));
}

#[test]
fn a_user_has_fifty_attempts_a_day_across_contacts() {
    let mut fixture = five();
    let counted = ["c0", "c1", "c2"].map(|contact| fixture.use_up(contact, 20));
    assert_eq!(counted, [20, 20, 10]);
    assert_eq!(fixture.set.attempts.used, 50);
    for contact in ["c2", "c3", "main"] {
        let sent = fixture.send(contact);
        assert_eq!(fixture.attempt(contact, sent), AttemptDecision::Exhausted);
    }
}

#[test]
fn attempts_without_a_matching_challenge_are_counted() {
    let mut fixture = one();
    let replaced = fixture.send("c1");
    let live = fixture.send("c1");
    assert_eq!(fixture.attempt("c1", replaced), COUNTED_WITHOUT_CHALLENGE);
    assert_eq!(fixture.attempt("c1", 99), COUNTED_WITHOUT_CHALLENGE);
    assert_eq!(fixture.attempt_from("portal", "c1", None), COUNTED_WITHOUT_CHALLENGE);
    assert_eq!(
        fixture.attempt_from("another", "c1", Some(live)),
        COUNTED_WITHOUT_CHALLENGE
    );
    assert_eq!(
        fixture.attempt("main", live),
        COUNTED_WITHOUT_CHALLENGE,
        "of another contact"
    );
    let target = CodeTarget {
        revision: 2,
        ..fixture.target("c1")
    };
    let answer = CodeAnswer {
        challenge: Some(&challenge_id(live)),
        client: &client("portal"),
    };
    let of_another_revision = fixture.set.count_attempt(&target, answer, &fixture.limits, fixture.now);
    assert_eq!(of_another_revision, COUNTED_WITHOUT_CHALLENGE);
    assert!(!fixture.set.accept_answer(&target, answer));
    assert_eq!(
        (fixture.used("c1"), fixture.used("main"), fixture.set.attempts.used),
        (5, 1, 6)
    );
    assert_eq!(
        fixture.answer_wrongly("c1", live, 9),
        5,
        "the live one lost none of its own"
    );
}

#[test]
fn a_code_is_accepted_until_the_instant_of_its_expiry() {
    let mut fixture = one();
    let sent = fixture.send("c1");
    fixture.now = seconds(599);
    assert_eq!(fixture.attempt("c1", sent), counted_attempt(sent));
    fixture.now = seconds(600);
    assert_eq!(fixture.attempt("c1", sent), COUNTED_WITHOUT_CHALLENGE);
    assert_eq!(fixture.used("c1"), 2);
}

#[test]
fn removing_and_adding_a_contact_refills_no_budget() {
    for again in [
        mobile("c1", "911112222"),
        mobile("c2", "911112222"),
        mobile("c1", "911119999"),
    ] {
        let mut fixture = one();
        fixture.use_up("c1", 18);
        fixture.remove("c1");
        fixture.add(&again);
        assert_eq!(fixture.use_up(again.id.as_str(), 9), 2, "{}", again.id);
    }
}

#[test]
fn changing_a_value_and_back_refills_no_budget() {
    let mut fixture = one();
    fixture.use_up("c1", 12);
    fixture.replace(&mobile("c1", "911119999"));
    assert_eq!(fixture.use_up("c1", 6), 6);
    fixture.replace(&mobile("c1", "911112222"));
    assert_eq!(fixture.use_up("c1", 9), 2);
}

#[test]
fn another_contact_with_another_value_has_its_own_budget() {
    let mut fixture = one();
    fixture.use_up("c1", 20);
    fixture.remove("c1");
    fixture.add(&mobile("c2", "911119999"));
    assert_eq!(fixture.use_up("c2", 30), 20);
}

#[test]
fn a_window_begins_with_its_first_attempt_and_ends_a_day_later() {
    let mut fixture = five();
    let day = fixture.limits.window.as_secs();
    fixture.now = seconds(1000);
    assert_eq!(fixture.use_up("c1", 1), 1);
    fixture.now = seconds(1000 + day - 1);
    assert_eq!(fixture.use_up("c1", 30), 19);
    assert_eq!(fixture.use_up("c2", 30), 20);
    assert_eq!(fixture.use_up("c3", 30), 10);
    fixture.now = seconds(1000 + day);
    assert_eq!(fixture.use_up("c1", 30), 20, "its window is over, the user's too");
    assert_eq!(fixture.use_up("c2", 1), 0, "its window began a day later");
    assert_eq!(fixture.use_up("c3", 30), 10);
    fixture.now = seconds(1000 + 2 * day);
    assert_eq!(fixture.use_up("c2", 30), 20);
}

#[test]
fn one_right_answer_removes_the_challenge_and_verifies_the_contact() {
    let mut fixture = CodesFixture::with(&[with_tag(mobile("c1", "911112222")), mobile("c2", "911113333")]);
    fixture.replace(&mobile("c1", "911114444"));
    let unverified = fixture.target("c1");
    assert_eq!((unverified.purpose, unverified.revision), (Purpose::Verify, 2));
    let sent = fixture.send("c1");
    assert_eq!(fixture.attempt("c1", sent), counted_attempt(sent));
    assert!(!fixture.accept("c2", sent), "of another contact");
    assert!(fixture.accept("c1", sent));
    assert!(!fixture.accept("c1", sent), "a second time");
    assert_eq!(fixture.attempt("c1", sent), COUNTED_WITHOUT_CHALLENGE);
    assert!(fixture.set.contact(&id("c1")).unwrap().is_verified);
    assert_eq!(fixture.target("c1").purpose, Purpose::Confirm);
    assert_eq!(fixture.set.contact(&id("c1")).unwrap().revision, 2);
}

#[test]
fn attempts_under_another_value_or_id_do_not_prevent_verification() {
    let changed: fn(&mut CodesFixture) = |fixture| fixture.replace(&mobile("c1", "911119999"));
    let under_another_id: fn(&mut CodesFixture) = |fixture| {
        fixture.remove("c1");
        fixture.add(&mobile("c2", "911112222"));
    };
    for (happens, contact) in [(changed, "c1"), (under_another_id, "c2")] {
        let mut fixture = one();
        fixture.use_up("c1", 3);
        happens(&mut fixture);
        let sent = fixture.send(contact);
        assert_eq!(fixture.answer_wrongly(contact, sent, 5), 5);
        assert_eq!(fixture.take_exhaustion(contact, sent), Some(ExhaustedBudget::Challenge));
        let sent = fixture.send(contact);
        assert_eq!(fixture.attempt(contact, sent), counted_attempt(sent));
        assert!(fixture.accept(contact, sent));
        assert!(fixture.set.contact(&id(contact)).unwrap().is_verified);
    }
}

#[test]
fn a_code_to_a_credential_contact_confirms_it() {
    let mut fixture = one();
    let target = fixture.target("main");
    assert_eq!((target.purpose, target.revision), (Purpose::Confirm, 0));
    let sent = fixture.send("main");
    assert_eq!(fixture.attempt("main", sent), counted_attempt(sent));
    let before = fixture.set.contacts.clone();
    assert!(fixture.accept("main", sent));
    assert_eq!(fixture.set.contacts, before);
    assert_eq!(fixture.set.code_target(&owner(), &id("second"), destination_of), None);
}

#[test]
fn changing_or_removing_a_contact_ends_its_challenge() {
    let change: fn(&mut CodesFixture) = |fixture| fixture.replace(&mobile("c1", "911119999"));
    let change_and_back: fn(&mut CodesFixture) = |fixture| {
        fixture.replace(&mobile("c1", "911119999"));
        fixture.replace(&mobile("c1", "911112222"));
    };
    let add_again: fn(&mut CodesFixture) = |fixture| {
        fixture.remove("c1");
        fixture.add(&mobile("c1", "911112222"));
    };
    for happens in [change, change_and_back, add_again] {
        let mut fixture = one();
        let sent = fixture.send("c1");
        assert_eq!(fixture.attempt("c1", sent), counted_attempt(sent));
        happens(&mut fixture);
        assert!(!fixture.accept("c1", sent));
        assert_eq!(fixture.attempt("c1", sent), COUNTED_WITHOUT_CHALLENGE);
    }
    let mut fixture = one();
    fixture.send("c1");
    fixture.remove("c1");
    assert_eq!(
        fixture.set.remove(&owner(), &id("c1")),
        Err(ContactChangeError::NotFound)
    );
    assert!(fixture.set.codes.iter().all(|codes| codes.challenge.is_none()));
}

#[test]
fn codes_go_to_the_credential_that_replaced_a_contact() {
    for contact in [mobile("second", "911112222"), mobile("second", "911110000")] {
        let mut fixture = CodesFixture::with(&[contact]);
        fixture.use_up("second", 18);
        let to_the_contact = fixture.send("second");
        fixture.set.remove_credential_duplicates(&owner_of_both());
        let target = fixture.target("second");
        assert_eq!((target.purpose, target.revision), (Purpose::Confirm, 0));
        assert_eq!(target.value.comparison_key(), "5511911110000");
        assert_eq!(fixture.attempt("second", to_the_contact), COUNTED_WITHOUT_CHALLENGE);
        let sent = fixture.send("second");
        assert_eq!(fixture.attempt("second", sent), counted_attempt(sent));
        assert_eq!(
            fixture.attempt("second", sent),
            AttemptDecision::Exhausted,
            "attempts stay counted"
        );
        assert!(fixture.accept("second", sent));
    }
}

#[test]
fn is_exhausted_predicts_the_next_attempt_and_counts_nothing() {
    let mut fixture = five();
    for (tried, used_up) in [
        ("c0", vec!["c0"]),
        ("c1", vec!["c0", "c1"]),
        ("c2", vec!["c0", "c1", "c2", "c3", "main"]),
    ] {
        fixture.use_up(tried, 20);
        let before = fixture.set.clone();
        let are = ["c0", "c1", "c2", "c3", "main"].into_iter();
        let are: Vec<_> = are.filter(|contact| fixture.is_exhausted(contact)).collect();
        assert_eq!(are, used_up);
        assert_eq!(fixture.set, before, "the question counts nothing");
        for contact in used_up {
            assert_eq!(fixture.attempt(contact, 99), AttemptDecision::Exhausted);
        }
    }
    fixture.now = seconds(fixture.limits.window.as_secs());
    assert!(!fixture.is_exhausted("c0"));
}

#[test]
fn a_removed_contact_without_attempts_leaves_no_record() {
    let mut fixture = one();
    fixture.send("c1");
    fixture.send("main");
    fixture.replace(&mobile("c1", "911119999"));
    fixture.send("c1");
    fixture.remove("c1");
    let left: Vec<_> = fixture.set.codes.iter().map(|codes| codes.contact.clone()).collect();
    assert_eq!(left, [id("main")]);
}

#[test]
fn each_exhausted_challenge_is_reported_once() {
    let mut fixture = one();
    for _ in 0..2 {
        let sent = fixture.send("c1");
        for attempt in 1..=5 {
            assert_eq!(fixture.attempt("c1", sent), counted_attempt(sent));
            let expected = (attempt == 5).then_some(ExhaustedBudget::Challenge);
            assert_eq!(fixture.take_exhaustion("c1", sent), expected, "{attempt}");
        }
        assert_eq!(fixture.attempt("c1", sent), AttemptDecision::Exhausted);
        assert_eq!(fixture.take_exhaustion("c1", sent), None);
        assert_eq!(fixture.take_exhaustion("c1", 99), None);
    }
}

#[test]
fn the_widest_exhausted_budget_is_reported_once_per_window() {
    let mut fixture = five();
    let day = fixture.limits.window.as_secs();
    for at in [0, day] {
        fixture.now = seconds(at);
        for (contact, attempts, widest) in [
            ("c0", 20, Some(ExhaustedBudget::Contact)),
            ("c1", 20, Some(ExhaustedBudget::Contact)),
            ("c2", 10, Some(ExhaustedBudget::User)),
        ] {
            fixture.use_up(contact, attempts);
            let last = fixture.sent;
            assert_eq!(fixture.take_exhaustion(contact, last), widest, "{contact}");
            assert_eq!(fixture.attempt(contact, last), AttemptDecision::Exhausted);
            assert_eq!(fixture.take_exhaustion(contact, last), None, "{contact}");
        }
        let sent = fixture.send("c3");
        assert_eq!(fixture.attempt("c3", sent), AttemptDecision::Exhausted);
        assert_eq!(fixture.take_exhaustion("c3", sent), None);
    }
}

#[test]
fn exhaustion_is_not_reported_again_under_another_value_or_id() {
    let mut fixture = one();
    fixture.use_up("c1", 20);
    assert_eq!(
        fixture.take_exhaustion("c1", fixture.sent),
        Some(ExhaustedBudget::Contact)
    );
    fixture.replace(&mobile("c1", "911119999"));
    let sent = fixture.send("c1");
    assert_eq!(fixture.attempt("c1", sent), AttemptDecision::Exhausted);
    assert_eq!(fixture.take_exhaustion("c1", sent), None);
    fixture.remove("c1");
    fixture.add(&mobile("c2", "911112222"));
    let sent = fixture.send("c2");
    assert_eq!(fixture.attempt("c2", sent), AttemptDecision::Exhausted);
    assert_eq!(fixture.take_exhaustion("c2", sent), None);
}

#[test]
fn attempts_of_two_values_exhaust_one_budget_together() {
    let mut fixture = one();
    fixture.use_up("c1", 15);
    fixture.replace(&mobile("c1", "911119999"));
    fixture.use_up("c1", 5);
    assert_eq!(
        fixture.take_exhaustion("c1", fixture.sent),
        Some(ExhaustedBudget::Contact)
    );
    assert_eq!(fixture.take_exhaustion("c1", fixture.sent), None);
    fixture.remove("c1");
    fixture.add(&mobile("c2", "911119999"));
    fixture.use_up("c2", 15);
    assert_eq!(
        fixture.take_exhaustion("c2", fixture.sent),
        Some(ExhaustedBudget::Contact),
        "not only those that were reported"
    );
}

/// The process that used up the attempts may have died before it reported them, and the contact may have been removed.
#[test]
fn unreported_exhaustion_is_reported_by_the_next_attempt() {
    let mut fixture = five();
    for (contact, attempts) in [("c0", 20), ("c1", 20), ("c2", 10)] {
        fixture.use_up(contact, attempts);
    }
    fixture.remove("c2");
    assert_eq!(fixture.attempt("c3", 99), AttemptDecision::Exhausted);
    assert_eq!(fixture.take_exhaustion("c3", 99), Some(ExhaustedBudget::User));
    assert_eq!(fixture.take_exhaustion("c3", 99), None);
    fixture.remove("c0");
    fixture.add(&mobile("c9", "911112220"));
    assert_eq!(fixture.take_exhaustion("c9", 99), Some(ExhaustedBudget::Contact));
}

#[test]
fn ended_windows_are_removed() {
    let mut fixture = five();
    let day = fixture.limits.window.as_secs();
    fixture.send("c0");
    fixture.use_up("c1", 1);
    fixture.now = seconds(600);
    fixture.send("c2");
    let kept = |fixture: &CodesFixture| -> Vec<ContactId> {
        fixture.set.codes.iter().map(|codes| codes.contact.clone()).collect()
    };
    assert_eq!(
        kept(&fixture),
        ["c1", "c2"].map(id),
        "the first has no attempts and its code has expired"
    );
    fixture.remove("c1");
    fixture.now = seconds(day - 1);
    fixture.attempt("c3", 99);
    assert_eq!(kept(&fixture), ["c1", "c3"].map(id), "attempts outlive their contact");
    fixture.now = seconds(day);
    fixture.send("c4");
    assert_eq!(kept(&fixture), ["c3", "c4"].map(id));
}

#[test]
fn removed_contacts_leave_at_most_one_record_per_attempt() {
    let mut fixture = one();
    for number in 0..300 {
        let contact = format!("d{number}");
        fixture.now = seconds(number);
        fixture.add(&mobile(&contact, &format!("91222{number:04}")));
        fixture.attempt(&contact, 99);
        fixture.remove(&contact);
    }
    assert_eq!(fixture.set.codes.len(), 50);
}

#[test]
fn debug_output_shows_no_contact_and_no_code() {
    let mut fixture = one();
    fixture.send("c1");
    let printed = format!("{:?} {:?}", fixture.set, fixture.target("c1"));
    assert!(!printed.contains("11112222"), "{printed}");
    assert!(!printed.contains("01010101, "), "{printed}");
    assert!(printed.contains("*****2222"), "{printed}");
}

#[test]
fn attempts_are_stored_under_a_digest_of_the_value() {
    let mut fixture = one();
    fixture.use_up("c1", 1);
    let target = fixture.target("c1");
    assert_eq!(target.destination, destination_of(&target.value));
    assert_eq!(fixture.set.codes[0].destination, target.destination.as_str());
    assert!(!target.destination.as_str().contains("11112222"));
}

#[test]
fn purposes_parse_from_their_names() {
    for purpose in Purpose::ALL {
        assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
    }
    assert_eq!(Purpose::parse("login"), None);
}
