//! The contracts of an embedded event log and of the publisher that writes it.

use domain::factors::FactorSet;
use ports::Versioned as _;
use std::sync::Arc;

use domain::event::Event;
use domain::time::Timestamp;
use libtest_mimic::Trial;
use ports::{Cursor, EventLog, EventLogError, EventPublisher, LoggedEvent, OutboxBacklog};

use crate::contract::contracts;
use crate::fixtures::user;
use crate::outboxes::{self, push};
use crate::race::{CALLERS, only, run_concurrently, start_waiting, within_timeout};
use crate::{Fixture, Opening};
use ports::Stores;

/// The fixture of an adapter with an embedded event log.
///
/// Its publisher appends an event to the log and removes it from its outbox in one transaction. It appends nothing if
/// the outbox does not hold the event, so the log holds each event once.
pub trait EventLogFixture: Fixture {
    /// Returns the log of the database that was opened last.
    fn event_log(&self) -> Arc<dyn EventLog>;

    /// Returns the publisher that appends to this log.
    fn event_publisher(&self) -> Arc<dyn EventPublisher>;
}

/// Opens a fixture in the runtime of its trial.
pub type OpenEventLogFixture = fn() -> Opening<dyn EventLogFixture>;

/// Returns every contract of the embedded event log as a trial, named `adapter::event_log::contract`.
pub fn event_log_suite(adapter: &'static str, open: OpenEventLogFixture) -> Vec<Trial> {
    contracts()
        .into_iter()
        .map(|contract| contract.into_trial(adapter, open))
        .collect()
}

contracts! { dyn EventLogFixture:
    empty_log_returns_no_events,
    events_are_read_as_they_were_published,
    events_are_read_in_the_order_of_publishing,
    cursors_rise_and_never_repeat,
    page_respects_its_limit,
    reading_past_the_end_returns_nothing,
    publishing_removes_the_event_from_its_outbox,
    publishing_again_appends_nothing,
    parallel_publishes_of_an_event_append_it_once,
    parallel_publishes_append_all_events,
    existing_event_ends_the_wait,
    appended_event_ends_the_wait,
    appended_event_wakes_every_waiter,
    dropped_waiter_loses_no_event,
    published_events_survive_reopening,
    removed_events_are_the_oldest_and_within_the_limit,
    a_consumer_that_missed_removed_events_is_told_apart,
    a_removed_cursor_is_never_used_again,
}

const START: Cursor = Cursor(0);

/// Pushes `count` events into the outbox of user `n`'s factor set, and returns the pending events of that outbox.
async fn push_events(fixture: &dyn EventLogFixture, n: usize, count: u64) -> Vec<Event> {
    let stores = fixture.stores();
    push(&stores, n, count).await;
    pending(&stores, n).await
}

async fn pending(stores: &Stores, n: usize) -> Vec<Event> {
    outboxes::pending(stores, FactorSet::AGGREGATE, user(n).as_str()).await
}

async fn publish(fixture: &dyn EventLogFixture, events: &[Event]) {
    for event in events {
        fixture.event_publisher().publish(event).await.unwrap();
    }
}

async fn read(fixture: &dyn EventLogFixture, after: Cursor, limit: usize) -> Vec<LoggedEvent> {
    fixture.event_log().read(Some(after), limit).await.unwrap()
}

/// Returns all events of the log, in its order.
async fn read_all(fixture: &dyn EventLogFixture) -> Vec<Event> {
    let all = read(fixture, START, 10_000).await;
    all.into_iter().map(|logged| logged.event).collect()
}

/// Returns the cursor of the last event in the log.
async fn end(fixture: &dyn EventLogFixture) -> Cursor {
    let all = read(fixture, START, 10_000).await;
    all.last().map_or(START, |logged| logged.cursor)
}

async fn empty_log_returns_no_events(fixture: &dyn EventLogFixture) {
    assert_eq!(read(fixture, START, 10).await, []);
    assert_eq!(read(fixture, Cursor(7), 10).await, []);
}

async fn events_are_read_as_they_were_published(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 2).await;
    publish(fixture, &events).await;
    assert_eq!(read_all(fixture).await, events);
}

async fn events_are_read_in_the_order_of_publishing(fixture: &dyn EventLogFixture) {
    let mut published = Vec::new();
    for n in [2, 1, 3, 1, 2] {
        let events = push_events(fixture, n, 2).await;
        publish(fixture, &events).await;
        published.extend(events);
    }
    assert_eq!(read_all(fixture).await, published);
}

async fn cursors_rise_and_never_repeat(fixture: &dyn EventLogFixture) {
    let mut last = START;
    for n in 0..3 {
        let events = push_events(fixture, n, 3).await;
        publish(fixture, &events).await;
        for logged in read(fixture, last, 10).await {
            assert!(logged.cursor > last);
            last = logged.cursor;
        }
        fixture.reopen().await;
    }
    let all = read(fixture, START, 100).await;
    assert_eq!(all.len(), 9);
    assert!(all.is_sorted_by(|one, next| one.cursor < next.cursor));
}

async fn page_respects_its_limit(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 5).await;
    publish(fixture, &events).await;
    let (mut after, mut seen, mut pages) = (START, Vec::new(), Vec::new());
    loop {
        let page = read(fixture, after, 2).await;
        let Some(last) = page.last() else { break };
        after = last.cursor;
        pages.push(page.len());
        seen.extend(page.into_iter().map(|logged| logged.event));
    }
    assert_eq!(pages, [2, 2, 1]);
    assert_eq!(seen, events);
}

async fn reading_past_the_end_returns_nothing(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 2).await;
    publish(fixture, &events).await;
    let Cursor(last) = end(fixture).await;
    assert_eq!(read(fixture, Cursor(last), 10).await, []);
    assert_eq!(read(fixture, Cursor(last + 1_000), 10).await, []);
    let before = read(fixture, Cursor(last - 1), 10).await;
    assert_eq!(before.len(), 1);
}

async fn publishing_removes_the_event_from_its_outbox(fixture: &dyn EventLogFixture) {
    let stores = fixture.stores();
    let mut left = push_events(fixture, 1, 3).await;
    while !left.is_empty() {
        publish(fixture, &[left.remove(0)]).await;
        assert_eq!(pending(&stores, 1).await, left);
    }
    let backlog = crate::all_outboxes(&stores).backlog().await.unwrap();
    assert_eq!(backlog, OutboxBacklog::default());
}

async fn publishing_again_appends_nothing(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 2).await;
    publish(fixture, &events).await;
    publish(fixture, &events).await;
    let later = push_events(fixture, 1, 1).await;
    publish(fixture, &events).await;
    assert_eq!(read_all(fixture).await, events);
    assert_eq!(pending(&fixture.stores(), 1).await, later);
}

async fn parallel_publishes_of_an_event_append_it_once(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 1).await;
    run_concurrently(|_| {
        let publisher = fixture.event_publisher();
        let events = events.clone();
        async move {
            for event in &events {
                publisher.publish(event).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(read_all(fixture).await, events);
}

async fn parallel_publishes_append_all_events(fixture: &dyn EventLogFixture) {
    let published = run_concurrently(|caller| {
        let (stores, publisher) = (fixture.stores(), fixture.event_publisher());
        async move {
            push(&stores, caller, 3).await;
            let events = pending(&stores, caller).await;
            for event in &events {
                publisher.publish(event).await.unwrap();
            }
            events
        }
    })
    .await;
    let all = read_all(fixture).await;
    assert_eq!(all.len(), published.iter().map(Vec::len).sum::<usize>());
    for events in published {
        let own = all.iter().filter(|event| events.contains(event));
        assert!(own.eq(&events), "out of order");
    }
}

async fn existing_event_ends_the_wait(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 2).await;
    publish(fixture, &events).await;
    within_timeout(fixture.event_log().wait_after(START)).await;
    let Cursor(last) = end(fixture).await;
    within_timeout(fixture.event_log().wait_after(Cursor(last - 1))).await;
}

async fn appended_event_ends_the_wait(fixture: &dyn EventLogFixture) {
    let log = fixture.event_log();
    for n in 0..3 {
        let events = push_events(fixture, n, 1).await;
        let last = end(fixture).await;
        let waiting = start_waiting(|| log.wait_after(last)).await;
        publish(fixture, &events).await;
        within_timeout(waiting).await;
    }
}

async fn appended_event_wakes_every_waiter(fixture: &dyn EventLogFixture) {
    let log = fixture.event_log();
    let events = push_events(fixture, 1, 1).await;
    let mut all = Vec::new();
    for _ in 0..CALLERS {
        all.push(start_waiting(|| log.wait_after(START)).await);
    }
    publish(fixture, &events).await;
    for one in all {
        within_timeout(one).await;
    }
}

async fn dropped_waiter_loses_no_event(fixture: &dyn EventLogFixture) {
    let log = fixture.event_log();
    let events = push_events(fixture, 1, 1).await;
    let dropped = start_waiting(|| log.wait_after(START)).await;
    let kept = start_waiting(|| log.wait_after(START)).await;
    drop(dropped);
    publish(fixture, &events).await;
    within_timeout(kept).await;
    assert_eq!(read_all(fixture).await, events);
}

async fn published_events_survive_reopening(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 3).await;
    let (first, rest) = events.split_at(2);
    publish(fixture, first).await;
    fixture.reopen().await;
    assert_eq!(read_all(fixture).await, first);
    assert_eq!(pending(&fixture.stores(), 1).await, rest);
    publish(fixture, &events).await;
    assert_eq!(read_all(fixture).await, events);
}

/// Removes every event that is older than the end of time, up to `limit`.
async fn remove(fixture: &dyn EventLogFixture, limit: usize) -> usize {
    fixture.event_log().remove(Timestamp::MAX, limit).await.unwrap()
}

async fn oldest(fixture: &dyn EventLogFixture) -> Vec<Event> {
    let kept = fixture.event_log().read(None, 10_000).await.unwrap();
    kept.into_iter().map(|logged| logged.event).collect()
}

async fn removed_events_are_the_oldest_and_within_the_limit(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 5).await;
    publish(fixture, &events).await;
    let (removed, kept) = events.split_at(2);
    let time = removed.first().unwrap().time;
    assert_eq!(fixture.event_log().remove(time, 10).await.unwrap(), 0);
    assert_eq!(oldest(fixture).await, events);
    assert_eq!(remove(fixture, 2).await, 2);
    assert_eq!(oldest(fixture).await, kept);
    fixture.reopen().await;
    assert_eq!(remove(fixture, 10).await, 3);
    assert_eq!((oldest(fixture).await, remove(fixture, 10).await), (Vec::new(), 0));
}

async fn a_consumer_that_missed_removed_events_is_told_apart(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 4).await;
    publish(fixture, &events).await;
    let logged = read(fixture, START, 10).await;
    let cursors: Vec<_> = logged.iter().map(|logged| logged.cursor).collect();
    let [first, second, third, last] = cursors.try_into().unwrap();
    remove(fixture, 2).await;
    let log = fixture.event_log();
    for missed in [START, first] {
        let answer = log.read(Some(missed), 10).await;
        assert!(
            matches!(answer, Err(EventLogError::Missed(cursor)) if cursor == missed.0),
            "{answer:?}"
        );
    }
    // The consumer has read the last removed event, so it misses nothing.
    assert_eq!(read(fixture, second, 10).await.len(), 2);
    assert_eq!(read(fixture, last, 10).await, []);
    remove(fixture, 2).await;
    assert!(log.read(Some(third), 10).await.is_err());
    assert_eq!(read(fixture, last, 10).await, []);
}

async fn a_removed_cursor_is_never_used_again(fixture: &dyn EventLogFixture) {
    let events = push_events(fixture, 1, 3).await;
    publish(fixture, &events).await;
    let last = end(fixture).await;
    assert_eq!(remove(fixture, 10).await, 3);
    fixture.reopen().await;
    let events = push_events(fixture, 1, 1).await;
    publish(fixture, &events).await;
    let kept = fixture.event_log().read(None, 10).await.unwrap();
    assert!(only(kept).cursor > last);
}
