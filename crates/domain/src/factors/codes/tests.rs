use super::*;
use crate::factors::fixtures::{destination_of, id, mobile, owner, owner_of_both, set_of, tagged};
use crate::factors::{ContactChangeError, ContactDraft};

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

/// A user's codes; `send` numbers the challenges, and the digest of each is its number.
struct Trial {
    set: FactorSet,
    limits: CodeLimits,
    sent: u8,
    now: Timestamp,
}

impl Trial {
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

    fn charge_from(&mut self, name: &str, contact: &str, challenge: Option<u8>) -> AttemptDecision {
        let target = self.target(contact);
        let challenge = challenge.map(challenge_id);
        let answer = CodeAnswer {
            challenge: challenge.as_ref(),
            client: &client(name),
        };
        self.set.count_attempt(&target, answer, &self.limits, self.now)
    }

    fn charge(&mut self, contact: &str, challenge: u8) -> AttemptDecision {
        self.charge_from("portal", contact, Some(challenge))
    }

    fn is_used_up(&self, contact: &str) -> bool {
        self.set.is_exhausted(&self.target(contact), &self.limits, self.now)
    }

    fn solve(&mut self, contact: &str, challenge: u8) -> bool {
        let target = self.target(contact);
        let answer = CodeAnswer {
            challenge: Some(&challenge_id(challenge)),
            client: &client("portal"),
        };
        self.set.accept_answer(&target, answer)
    }

    fn exhausted(&mut self, contact: &str, challenge: u8) -> Option<ExhaustedBudget> {
        let target = self.target(contact);
        let answer = CodeAnswer {
            challenge: Some(&challenge_id(challenge)),
            client: &client("portal"),
        };
        self.set.take_exhaustion(&target, answer, &self.limits, self.now)
    }

    /// Wrong answers: how many of them counted before the attempts were used up.
    fn tried(&mut self, contact: &str, challenge: u8, times: u32) -> u32 {
        let counted = (0..times).filter(|_| self.charge(contact, challenge) != AttemptDecision::Exhausted);
        u32::try_from(counted.count()).unwrap()
    }

    /// Uses up attempts of a contact, five to a code.
    fn tried_anew(&mut self, contact: &str, times: u32) -> u32 {
        let mut counted = 0;
        while counted < times {
            let sent = self.send(contact);
            match self.tried(contact, sent, self.limits.attempts_per_challenge.min(times - counted)) {
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

fn handed(challenge: u8) -> AttemptDecision {
    AttemptDecision::Counted(Some(CodeDigest([challenge; 32])))
}

const NOTHING_TO_TRY: AttemptDecision = AttemptDecision::Counted(None);

fn one() -> Trial {
    Trial::with(&[mobile("c1", "911112222")])
}

/// Contacts `c0` to `c4`.
fn five() -> Trial {
    let contacts: Vec<_> = (0..5)
        .map(|n| mobile(&format!("c{n}"), &format!("91111222{n}")))
        .collect();
    Trial::with(&contacts)
}

#[test]
fn an_attempt_is_counted_whatever_becomes_of_it() {
    let mut trial = one();
    let sent = trial.send("c1");
    assert_eq!(trial.charge("c1", sent), handed(sent));
    let codes = &trial.set.codes[0];
    assert_eq!(codes.challenge.as_ref().unwrap().attempts, 1);
    assert_eq!((codes.attempts.used, trial.set.attempts.used), (1, 1));
    assert!(trial.solve("c1", sent));
    assert_eq!((trial.used("c1"), trial.set.attempts.used), (1, 1));
}

#[test]
fn a_challenge_is_tried_five_times_and_the_sixth_counts_nothing() {
    let mut trial = one();
    let sent = trial.send("c1");
    assert_eq!(trial.tried("c1", sent, 9), 5);
    assert_eq!((trial.used("c1"), trial.set.attempts.used), (5, 5));
    let again = trial.send("c1");
    assert_eq!(trial.charge("c1", again), handed(again));
}

#[test]
fn a_contact_is_tried_twenty_times_a_day_whatever_is_sent_again() {
    let mut trial = one();
    assert_eq!(trial.tried_anew("c1", 30), 20);
    assert_eq!((trial.used("c1"), trial.set.attempts.used), (20, 20));
    assert_eq!(trial.charge_from("portal", "c1", None), AttemptDecision::Exhausted);
    let main = trial.send("main");
    assert_eq!(trial.charge("main", main), handed(main));
}

#[test]
fn a_user_is_tried_fifty_times_a_day_whatever_the_contact() {
    let mut trial = five();
    let counted = ["c0", "c1", "c2"].map(|contact| trial.tried_anew(contact, 20));
    assert_eq!(counted, [20, 20, 10]);
    assert_eq!(trial.set.attempts.used, 50);
    for contact in ["c2", "c3", "main"] {
        let sent = trial.send(contact);
        assert_eq!(trial.charge(contact, sent), AttemptDecision::Exhausted);
    }
}

#[test]
fn what_has_nothing_to_try_is_counted_as_well() {
    let mut trial = one();
    let replaced = trial.send("c1");
    let live = trial.send("c1");
    assert_eq!(trial.charge("c1", replaced), NOTHING_TO_TRY);
    assert_eq!(trial.charge("c1", 99), NOTHING_TO_TRY);
    assert_eq!(trial.charge_from("portal", "c1", None), NOTHING_TO_TRY);
    assert_eq!(trial.charge_from("another", "c1", Some(live)), NOTHING_TO_TRY);
    assert_eq!(trial.charge("main", live), NOTHING_TO_TRY, "of another contact");
    let target = CodeTarget {
        revision: 2,
        ..trial.target("c1")
    };
    let answer = CodeAnswer {
        challenge: Some(&challenge_id(live)),
        client: &client("portal"),
    };
    let of_another_revision = trial.set.count_attempt(&target, answer, &trial.limits, trial.now);
    assert_eq!(of_another_revision, NOTHING_TO_TRY);
    assert!(!trial.set.accept_answer(&target, answer));
    assert_eq!(
        (trial.used("c1"), trial.used("main"), trial.set.attempts.used),
        (5, 1, 6)
    );
    assert_eq!(trial.tried("c1", live, 9), 5, "the live one lost none of its own");
}

#[test]
fn a_code_lives_until_the_instant_it_expires() {
    let mut trial = one();
    let sent = trial.send("c1");
    trial.now = seconds(599);
    assert_eq!(trial.charge("c1", sent), handed(sent));
    trial.now = seconds(600);
    assert_eq!(trial.charge("c1", sent), NOTHING_TO_TRY);
    assert_eq!(trial.used("c1"), 2);
}

#[test]
fn removing_and_adding_again_refills_nothing() {
    for again in [
        mobile("c1", "911112222"),
        mobile("c2", "911112222"),
        mobile("c1", "911119999"),
    ] {
        let mut trial = one();
        trial.tried_anew("c1", 18);
        trial.remove("c1");
        trial.add(&again);
        assert_eq!(trial.tried_anew(again.id.as_str(), 9), 2, "{}", again.id);
    }
}

#[test]
fn changing_the_value_and_back_refills_nothing() {
    let mut trial = one();
    trial.tried_anew("c1", 12);
    trial.replace(&mobile("c1", "911119999"));
    assert_eq!(trial.tried_anew("c1", 6), 6);
    trial.replace(&mobile("c1", "911112222"));
    assert_eq!(trial.tried_anew("c1", 9), 2);
}

#[test]
fn another_contact_with_another_value_has_attempts_of_its_own() {
    let mut trial = one();
    trial.tried_anew("c1", 20);
    trial.remove("c1");
    trial.add(&mobile("c2", "911119999"));
    assert_eq!(trial.tried_anew("c2", 30), 20);
}

#[test]
fn a_window_begins_with_its_first_attempt_and_ends_a_day_later() {
    let mut trial = five();
    let day = trial.limits.window.as_secs();
    trial.now = seconds(1000);
    assert_eq!(trial.tried_anew("c1", 1), 1);
    trial.now = seconds(1000 + day - 1);
    assert_eq!(trial.tried_anew("c1", 30), 19);
    assert_eq!(trial.tried_anew("c2", 30), 20);
    assert_eq!(trial.tried_anew("c3", 30), 10);
    trial.now = seconds(1000 + day);
    assert_eq!(trial.tried_anew("c1", 30), 20, "its window is over, the user's too");
    assert_eq!(trial.tried_anew("c2", 1), 0, "its window began a day later");
    assert_eq!(trial.tried_anew("c3", 30), 10);
    trial.now = seconds(1000 + 2 * day);
    assert_eq!(trial.tried_anew("c2", 30), 20);
}

#[test]
fn one_answer_solves_a_challenge_and_verifies_the_contact() {
    let mut trial = Trial::with(&[tagged(mobile("c1", "911112222")), mobile("c2", "911113333")]);
    trial.replace(&mobile("c1", "911114444"));
    let unverified = trial.target("c1");
    assert_eq!((unverified.purpose, unverified.revision), (Purpose::Verify, 2));
    let sent = trial.send("c1");
    assert_eq!(trial.charge("c1", sent), handed(sent));
    assert!(!trial.solve("c2", sent), "of another contact");
    assert!(trial.solve("c1", sent));
    assert!(!trial.solve("c1", sent), "a second time");
    assert_eq!(trial.charge("c1", sent), NOTHING_TO_TRY);
    assert!(trial.set.contact(&id("c1")).unwrap().is_verified);
    assert_eq!(trial.target("c1").purpose, Purpose::Confirm);
    assert_eq!(trial.set.contact(&id("c1")).unwrap().revision, 2);
}

#[test]
fn a_contact_is_verified_though_its_old_value_or_its_value_under_another_id_was_tried() {
    let changed: fn(&mut Trial) = |trial| trial.replace(&mobile("c1", "911119999"));
    let under_another_id: fn(&mut Trial) = |trial| {
        trial.remove("c1");
        trial.add(&mobile("c2", "911112222"));
    };
    for (happens, contact) in [(changed, "c1"), (under_another_id, "c2")] {
        let mut trial = one();
        trial.tried_anew("c1", 3);
        happens(&mut trial);
        let sent = trial.send(contact);
        assert_eq!(trial.tried(contact, sent, 5), 5);
        assert_eq!(trial.exhausted(contact, sent), Some(ExhaustedBudget::Challenge));
        let sent = trial.send(contact);
        assert_eq!(trial.charge(contact, sent), handed(sent));
        assert!(trial.solve(contact, sent));
        assert!(trial.set.contact(&id(contact)).unwrap().is_verified);
    }
}

#[test]
fn a_contact_the_user_logs_in_with_is_confirmed() {
    let mut trial = one();
    let target = trial.target("main");
    assert_eq!((target.purpose, target.revision), (Purpose::Confirm, 0));
    let sent = trial.send("main");
    assert_eq!(trial.charge("main", sent), handed(sent));
    let before = trial.set.contacts.clone();
    assert!(trial.solve("main", sent));
    assert_eq!(trial.set.contacts, before);
    assert_eq!(trial.set.code_target(&owner(), &id("second"), destination_of), None);
}

#[test]
fn a_changed_removed_or_added_again_contact_has_no_code_under_way() {
    let change: fn(&mut Trial) = |trial| trial.replace(&mobile("c1", "911119999"));
    let change_and_back: fn(&mut Trial) = |trial| {
        trial.replace(&mobile("c1", "911119999"));
        trial.replace(&mobile("c1", "911112222"));
    };
    let add_again: fn(&mut Trial) = |trial| {
        trial.remove("c1");
        trial.add(&mobile("c1", "911112222"));
    };
    for happens in [change, change_and_back, add_again] {
        let mut trial = one();
        let sent = trial.send("c1");
        assert_eq!(trial.charge("c1", sent), handed(sent));
        happens(&mut trial);
        assert!(!trial.solve("c1", sent));
        assert_eq!(trial.charge("c1", sent), NOTHING_TO_TRY);
    }
    let mut trial = one();
    trial.send("c1");
    trial.remove("c1");
    assert_eq!(trial.set.remove(&owner(), &id("c1")), Err(ContactChangeError::NotFound));
    assert!(trial.set.codes.iter().all(|codes| codes.challenge.is_none()));
}

#[test]
fn a_code_goes_to_the_credential_that_took_the_place_of_a_contact() {
    for contact in [mobile("second", "911112222"), mobile("second", "911110000")] {
        let mut trial = Trial::with(&[contact]);
        trial.tried_anew("second", 18);
        let to_the_contact = trial.send("second");
        trial.set.drop_credentials(&owner_of_both());
        let target = trial.target("second");
        assert_eq!((target.purpose, target.revision), (Purpose::Confirm, 0));
        assert_eq!(target.value.comparison_key(), "5511911110000");
        assert_eq!(trial.charge("second", to_the_contact), NOTHING_TO_TRY);
        let sent = trial.send("second");
        assert_eq!(trial.charge("second", sent), handed(sent));
        assert_eq!(
            trial.charge("second", sent),
            AttemptDecision::Exhausted,
            "attempts stay counted"
        );
        assert!(trial.solve("second", sent));
    }
}

#[test]
fn whether_attempts_are_used_up_is_what_the_next_would_meet() {
    let mut trial = five();
    for (tried, used_up) in [
        ("c0", vec!["c0"]),
        ("c1", vec!["c0", "c1"]),
        ("c2", vec!["c0", "c1", "c2", "c3", "main"]),
    ] {
        trial.tried_anew(tried, 20);
        let before = trial.set.clone();
        let are = ["c0", "c1", "c2", "c3", "main"].into_iter();
        let are: Vec<_> = are.filter(|contact| trial.is_used_up(contact)).collect();
        assert_eq!(are, used_up);
        assert_eq!(trial.set, before, "asking counts nothing");
        for contact in used_up {
            assert_eq!(trial.charge(contact, 99), AttemptDecision::Exhausted);
        }
    }
    trial.now = seconds(trial.limits.window.as_secs());
    assert!(!trial.is_used_up("c0"));
}

#[test]
fn a_removed_or_changed_contact_that_nobody_tried_leaves_nothing() {
    let mut trial = one();
    trial.send("c1");
    trial.send("main");
    trial.replace(&mobile("c1", "911119999"));
    trial.send("c1");
    trial.remove("c1");
    let left: Vec<_> = trial.set.codes.iter().map(|codes| codes.contact.clone()).collect();
    assert_eq!(left, [id("main")]);
}

#[test]
fn a_used_up_challenge_is_told_once_and_the_next_again() {
    let mut trial = one();
    for _ in 0..2 {
        let sent = trial.send("c1");
        for attempt in 1..=5 {
            assert_eq!(trial.charge("c1", sent), handed(sent));
            let told = (attempt == 5).then_some(ExhaustedBudget::Challenge);
            assert_eq!(trial.exhausted("c1", sent), told, "{attempt}");
        }
        assert_eq!(trial.charge("c1", sent), AttemptDecision::Exhausted);
        assert_eq!(trial.exhausted("c1", sent), None);
        assert_eq!(trial.exhausted("c1", 99), None);
    }
}

#[test]
fn the_widest_that_is_used_up_is_told_once_a_window() {
    let mut trial = five();
    let day = trial.limits.window.as_secs();
    for at in [0, day] {
        trial.now = seconds(at);
        for (contact, attempts, widest) in [
            ("c0", 20, Some(ExhaustedBudget::Contact)),
            ("c1", 20, Some(ExhaustedBudget::Contact)),
            ("c2", 10, Some(ExhaustedBudget::User)),
        ] {
            trial.tried_anew(contact, attempts);
            let last = trial.sent;
            assert_eq!(trial.exhausted(contact, last), widest, "{contact}");
            assert_eq!(trial.charge(contact, last), AttemptDecision::Exhausted);
            assert_eq!(trial.exhausted(contact, last), None, "{contact}");
        }
        let sent = trial.send("c3");
        assert_eq!(trial.charge("c3", sent), AttemptDecision::Exhausted);
        assert_eq!(trial.exhausted("c3", sent), None);
    }
}

#[test]
fn attempts_that_were_told_as_used_up_are_not_told_again_under_another_value_or_id() {
    let mut trial = one();
    trial.tried_anew("c1", 20);
    assert_eq!(trial.exhausted("c1", trial.sent), Some(ExhaustedBudget::Contact));
    trial.replace(&mobile("c1", "911119999"));
    let sent = trial.send("c1");
    assert_eq!(trial.charge("c1", sent), AttemptDecision::Exhausted);
    assert_eq!(trial.exhausted("c1", sent), None);
    trial.remove("c1");
    trial.add(&mobile("c2", "911112222"));
    let sent = trial.send("c2");
    assert_eq!(trial.charge("c2", sent), AttemptDecision::Exhausted);
    assert_eq!(trial.exhausted("c2", sent), None);
}

#[test]
fn attempts_of_two_values_that_are_used_up_together_are_told() {
    let mut trial = one();
    trial.tried_anew("c1", 15);
    trial.replace(&mobile("c1", "911119999"));
    trial.tried_anew("c1", 5);
    assert_eq!(trial.exhausted("c1", trial.sent), Some(ExhaustedBudget::Contact));
    assert_eq!(trial.exhausted("c1", trial.sent), None);
    trial.remove("c1");
    trial.add(&mobile("c2", "911119999"));
    trial.tried_anew("c2", 15);
    assert_eq!(
        trial.exhausted("c2", trial.sent),
        Some(ExhaustedBudget::Contact),
        "not those alone that were told"
    );
}

/// Whoever used them up may have died before it was told, and the contact may be gone.
#[test]
fn used_up_attempts_that_nobody_was_told_are_told_where_they_are_met() {
    let mut trial = five();
    for (contact, attempts) in [("c0", 20), ("c1", 20), ("c2", 10)] {
        trial.tried_anew(contact, attempts);
    }
    trial.remove("c2");
    assert_eq!(trial.charge("c3", 99), AttemptDecision::Exhausted);
    assert_eq!(trial.exhausted("c3", 99), Some(ExhaustedBudget::User));
    assert_eq!(trial.exhausted("c3", 99), None);
    trial.remove("c0");
    trial.add(&mobile("c9", "911112220"));
    assert_eq!(trial.exhausted("c9", 99), Some(ExhaustedBudget::Contact));
}

#[test]
fn what_counts_no_longer_is_forgotten() {
    let mut trial = five();
    let day = trial.limits.window.as_secs();
    trial.send("c0");
    trial.tried_anew("c1", 1);
    trial.now = seconds(600);
    trial.send("c2");
    let kept =
        |trial: &Trial| -> Vec<ContactId> { trial.set.codes.iter().map(|codes| codes.contact.clone()).collect() };
    assert_eq!(
        kept(&trial),
        ["c1", "c2"].map(id),
        "nobody tried the first, and it is dead"
    );
    trial.remove("c1");
    trial.now = seconds(day - 1);
    trial.charge("c3", 99);
    assert_eq!(kept(&trial), ["c1", "c3"].map(id), "attempts outlive their contact");
    trial.now = seconds(day);
    trial.send("c4");
    assert_eq!(kept(&trial), ["c3", "c4"].map(id));
}

#[test]
fn contacts_that_come_and_go_leave_no_more_codes_than_attempts() {
    let mut trial = one();
    for number in 0..300 {
        let contact = format!("d{number}");
        trial.now = seconds(number);
        trial.add(&mobile(&contact, &format!("91222{number:04}")));
        trial.charge(&contact, 99);
        trial.remove(&contact);
    }
    assert_eq!(trial.set.codes.len(), 50);
}

#[test]
fn a_set_prints_no_contact_and_no_code() {
    let mut trial = one();
    trial.send("c1");
    let printed = format!("{:?} {:?}", trial.set, trial.target("c1"));
    assert!(!printed.contains("11112222"), "{printed}");
    assert!(!printed.contains("01010101, "), "{printed}");
    assert!(printed.contains("*****2222"), "{printed}");
}

#[test]
fn what_was_tried_is_kept_under_a_digest_and_not_under_the_value() {
    let mut trial = one();
    trial.tried_anew("c1", 1);
    let target = trial.target("c1");
    assert_eq!(target.destination, destination_of(&target.value));
    assert_eq!(trial.set.codes[0].destination, target.destination.as_str());
    assert!(!target.destination.as_str().contains("11112222"));
}

#[test]
fn the_purposes_have_names_of_their_own() {
    for purpose in Purpose::ALL {
        assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
    }
    assert_eq!(Purpose::parse("login"), None);
}
