//! The mint gate's order, write and then check, in every interleaving (docs/protocols.md "Mint gate").
//!
//! Rows are mutexes, because every write and every read is one atomic step of the store. [`two_primaries`] has the
//! reads after an unmatched write on a replica set with two primaries.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how the model checker reports a violation"
)]

mod two_primaries;

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[derive(Clone, Copy, Default)]
struct Credential {
    is_locked: bool,
    epoch: u64,
}

/// A refresh token family: the epoch that it was started under, and the number of its rotations.
#[derive(Default)]
struct Family {
    epoch: u64,
    generation: u64,
}

/// The order in which a mint checks the lock and writes.
#[derive(Clone, Copy)]
enum Order {
    WriteThenCheck,
    CheckThenWrite,
    /// The check passes every unlocked user, and the family gets the epoch that the check read.
    EpochReadAfresh,
}

#[derive(Default)]
struct Store {
    credential: Mutex<Credential>,
    family: Mutex<Family>,
    /// The lock's 204 has been sent.
    is_answered: AtomicBool,
}

impl Store {
    /// One write. It reads no session.
    fn lock(&self) {
        {
            let mut credential = self.credential.lock().unwrap();
            credential.is_locked = true;
            credential.epoch += 1;
        }
        self.is_answered.store(true, Ordering::SeqCst);
    }

    fn unlock(&self) {
        self.credential.lock().unwrap().is_locked = false;
    }

    /// Renews a token of epoch 0.
    fn mint(&self, order: Order) {
        let is_late_start = self.is_answered.load(Ordering::SeqCst);
        let (is_late_write, is_unlocked) = match order {
            Order::WriteThenCheck => {
                let is_late_write = self.rotate();
                (is_late_write, self.is_unlocked())
            }
            Order::CheckThenWrite => {
                let is_unlocked = self.is_unlocked();
                (is_unlocked && self.rotate(), is_unlocked)
            }
            Order::EpochReadAfresh => {
                self.rotate();
                let credential = *self.credential.lock().unwrap();
                if !credential.is_locked {
                    self.family.lock().unwrap().epoch = credential.epoch;
                }
                (false, !credential.is_locked)
            }
        };
        if is_unlocked {
            assert!(
                !is_late_start || matches!(order, Order::EpochReadAfresh),
                "a mint that began after the lock's answer signed"
            );
            assert!(!is_late_write, "a mint that wrote after the lock's answer signed");
        }
    }

    /// Rotates the family. Returns whether the lock was answered before.
    fn rotate(&self) -> bool {
        let is_late = self.is_answered.load(Ordering::SeqCst);
        self.family.lock().unwrap().generation += 1;
        is_late
    }

    fn is_unlocked(&self) -> bool {
        let credential = *self.credential.lock().unwrap();
        !credential.is_locked && credential.epoch == 0
    }

    /// Asserts that no family from before the lock is active.
    fn assert_no_active_family(&self) {
        let (credential, family) = (self.credential.lock().unwrap(), self.family.lock().unwrap());
        assert!(
            credential.is_locked || family.epoch != credential.epoch,
            "a family from before the lock is active under the current epoch"
        );
    }
}

/// Runs mints against one lock, followed by an unlock if `is_unlocked_again`. One mint is checked in every
/// interleaving. Several mints are checked only in interleavings with at most three preemptions, because the number of
/// interleavings grows exponentially.
fn race(order: Order, mints: usize, is_unlocked_again: bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = (mints > 1).then_some(3);
    model.check(move || {
        let store = Arc::new(Store::default());
        let threads: Vec<_> = (0..mints)
            .map(|_| {
                let store = store.clone();
                thread::spawn(move || store.mint(order))
            })
            .collect();
        store.lock();
        if is_unlocked_again {
            store.unlock();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        store.assert_no_active_family();
        assert!(store.family.lock().unwrap().generation <= u64::try_from(mints).unwrap());
    });
}

/// Returns the message of the model checker for an interleaving that breaks the promise.
fn violation(order: Order, is_unlocked_again: bool) -> String {
    let result = catch_unwind(AssertUnwindSafe(|| race(order, 1, is_unlocked_again)));
    let panic = result.expect_err("an interleaving breaks the promise");
    let message = panic.downcast_ref::<&str>().map(ToString::to_string);
    message
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[test]
fn write_then_check_signs_nothing_after_the_lock() {
    race(Order::WriteThenCheck, 1, false);
    race(Order::WriteThenCheck, 2, false);
}

#[test]
fn write_then_check_ends_sessions_of_the_old_epoch() {
    race(Order::WriteThenCheck, 1, true);
    race(Order::WriteThenCheck, 2, true);
}

#[test]
fn check_then_write_signs_after_the_lock() {
    let violation = violation(Order::CheckThenWrite, false);
    assert!(violation.contains("wrote after the lock's answer"), "{violation}");
}

#[test]
fn an_epoch_read_after_the_write_revives_a_session() {
    let violation = violation(Order::EpochReadAfresh, true);
    assert!(violation.contains("active under the current epoch"), "{violation}");
}
