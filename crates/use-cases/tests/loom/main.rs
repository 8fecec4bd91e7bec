//! Store, then look, in every interleaving (03-protocols 2).
//!
//! Rows are mutexes, as every write and every look is one atomic step of the store. What a write that matches nothing is worth
//! on a replica set with two primaries is in [`two_primaries`].
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a poisoned row is a broken promise"
)]

mod two_primaries;

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[derive(Clone, Copy, Default)]
struct Credential {
    locked: bool,
    epoch: u64,
}

/// A refresh family: the epoch it was born under, and how often it was rotated.
#[derive(Default)]
struct Family {
    epoch: u64,
    generation: u64,
}

/// In which order a mint looks and writes.
#[derive(Clone, Copy)]
enum Order {
    StoreThenLook,
    LookThenStore,
    /// The look lets everybody pass who is not locked, and the family gets the epoch found then.
    EpochReadAfresh,
}

#[derive(Default)]
struct Store {
    credential: Mutex<Credential>,
    family: Mutex<Family>,
    /// The lock's 204 has been sent.
    answered: AtomicBool,
}

impl Store {
    /// One write, and nothing else. It never looks.
    fn lock(&self) {
        {
            let mut credential = self.credential.lock().unwrap();
            credential.locked = true;
            credential.epoch += 1;
        }
        self.answered.store(true, Ordering::SeqCst);
    }

    fn unlock(&self) {
        self.credential.lock().unwrap().locked = false;
    }

    /// A renewal of a token of epoch 0.
    fn mint(&self, order: Order) {
        let begins_late = self.answered.load(Ordering::SeqCst);
        let (writes_late, stands) = match order {
            Order::StoreThenLook => {
                let writes_late = self.rotate();
                (writes_late, self.stands())
            }
            Order::LookThenStore => {
                let stands = self.stands();
                (stands && self.rotate(), stands)
            }
            Order::EpochReadAfresh => {
                self.rotate();
                let credential = *self.credential.lock().unwrap();
                if !credential.locked {
                    self.family.lock().unwrap().epoch = credential.epoch;
                }
                (false, !credential.locked)
            }
        };
        if stands {
            assert!(
                !begins_late || matches!(order, Order::EpochReadAfresh),
                "a mint that began after the lock's answer sealed"
            );
            assert!(!writes_late, "a mint that wrote after the lock's answer sealed");
        }
    }

    /// Whether the lock had been answered when it was written.
    fn rotate(&self) -> bool {
        let late = self.answered.load(Ordering::SeqCst);
        self.family.lock().unwrap().generation += 1;
        late
    }

    fn stands(&self) -> bool {
        let credential = *self.credential.lock().unwrap();
        !credential.locked && credential.epoch == 0
    }

    /// Nothing that was born before the lock is alive.
    fn assert_nothing_lives(&self) {
        let (credential, family) = (self.credential.lock().unwrap(), self.family.lock().unwrap());
        assert!(
            credential.locked || family.epoch != credential.epoch,
            "a family of before the lock is alive under the current epoch"
        );
    }
}

/// So many mints against one lock, which is followed by an unlock or not. One mint meets it in every interleaving, more
/// of them in every one where no thread is interrupted more often than thrice.
fn race(order: Order, mints: usize, unlocks: bool) {
    let mut every_interleaving = loom::model::Builder::new();
    every_interleaving.preemption_bound = (mints > 1).then_some(3);
    every_interleaving.check(move || {
        let store = Arc::new(Store::default());
        let minters: Vec<_> = (0..mints)
            .map(|_| {
                let store = store.clone();
                thread::spawn(move || store.mint(order))
            })
            .collect();
        store.lock();
        if unlocks {
            store.unlock();
        }
        for minter in minters {
            minter.join().unwrap();
        }
        store.assert_nothing_lives();
        assert!(store.family.lock().unwrap().generation <= u64::try_from(mints).unwrap());
    });
}

/// What the model checker said when it found an interleaving that breaks the promise.
fn violation(order: Order, unlocks: bool) -> String {
    let found = catch_unwind(AssertUnwindSafe(|| race(order, 1, unlocks)));
    let panic = found.expect_err("there is an interleaving that breaks the promise");
    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
    words
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[test]
fn store_then_look_seals_nothing_written_after_the_locks_answer() {
    race(Order::StoreThenLook, 1, false);
    race(Order::StoreThenLook, 2, false);
}

#[test]
fn store_then_look_leaves_nothing_alive_after_lock_and_unlock() {
    race(Order::StoreThenLook, 1, true);
    race(Order::StoreThenLook, 2, true);
}

#[test]
fn look_then_store_seals_what_was_written_after_the_locks_answer() {
    let violation = violation(Order::LookThenStore, false);
    assert!(violation.contains("wrote after the lock's answer"), "{violation}");
}

#[test]
fn an_epoch_read_afresh_after_the_write_revives_a_session() {
    let violation = violation(Order::EpochReadAfresh, true);
    assert!(violation.contains("alive under the current epoch"), "{violation}");
}
