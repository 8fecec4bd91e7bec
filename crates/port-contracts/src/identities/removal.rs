//! The contracts of the removal of a user.

use std::sync::Arc;

use domain::event::Event;
use domain::removal::{PendingRemoval, RemovalPart};
use ports::{IDENTITIES, RemovalOutcome};

use super::{CALLERS, IdentitySaveOutcome, Stores, run_concurrently};
use super::{
    count, create, event_of, find, full_identity, identity, owner_of, page, remove, replace, user, with_email,
};
use crate::contract::contracts;
use crate::{Fixture, MAX_PENDING_EVENTS, outboxes};

contracts! { dyn Fixture:
    a_removed_user_is_unknown_and_frees_its_logins,
    an_unknown_user_is_not_removed,
    parallel_removals_of_a_user_have_one_winner,
    a_removal_pushes_its_event,
    events_of_an_id_are_numbered_through_removals,
    a_full_outbox_rejects_the_removal,
    a_removed_id_is_free_when_nothing_is_pending,
    parallel_creates_of_a_removed_id_have_one_winner,
    a_rejected_create_leaves_the_tombstone,
    replace_revives_no_removed_user,
    parallel_replaces_revive_no_removed_user,
    pending_removals_are_paged,
    removed_users_are_not_listed,
    parts_of_a_user_who_was_not_removed_are_kept,
    released_logins_are_those_of_the_removed_user,
    a_removal_survives_reopening,
}

async fn pending_removals(stores: &Stores, after: Option<usize>, limit: usize) -> Vec<PendingRemoval> {
    let after = after.map(user);
    stores.identities.pending_removals(after.as_ref(), limit).await.unwrap()
}

async fn finish(stores: &Stores, n: usize, parts: &[RemovalPart]) {
    for part in parts {
        stores.identities.finish_removal(&user(n), *part).await.unwrap();
    }
}

async fn events(stores: &Stores, n: usize) -> Vec<Event> {
    outboxes::pending(stores, &IDENTITIES, user(n).as_str()).await
}

fn pending(n: usize, parts: &[RemovalPart]) -> PendingRemoval {
    PendingRemoval {
        user: user(n),
        parts: parts.to_vec(),
    }
}

async fn a_removed_user_is_unknown_and_frees_its_logins(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    create(&stores, &identity(2)).await;
    assert_eq!(remove(&stores, 1).await, RemovalOutcome::Removed);
    assert_eq!(remove(&stores, 1).await, RemovalOutcome::NotFound);
    assert_eq!(find(&stores, &user(1)).await, None);
    let found = stores.factor_sets.find_with_owner(&user(1)).await.unwrap();
    assert_eq!(found, None);
    let found = stores.factor_sets.find_for_edit(&user(1)).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(owner_of(&stores, "user-1@example.com").await, None);
    assert_eq!(owner_of(&stores, "user-2@example.com").await, Some(user(2)));
    assert_eq!(create(&stores, &full_identity(3)).await, IdentitySaveOutcome::Saved);
    assert_eq!(owner_of(&stores, "5511911112222").await, Some(user(3)));
}

async fn an_unknown_user_is_not_removed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(remove(&stores, 1).await, RemovalOutcome::NotFound);
    assert_eq!(events(&stores, 1).await, []);
    assert_eq!(pending_removals(&stores, None, 10).await, []);
    assert_eq!(create(&stores, &identity(1)).await, IdentitySaveOutcome::Saved);
}

async fn parallel_removals_of_a_user_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    let outcomes = run_concurrently(|caller| {
        let identities = Arc::clone(&stores.identities);
        async move { identities.remove(&user(1), event_of(1, caller)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, &RemovalOutcome::Removed), 1);
    assert_eq!(count(&outcomes, &RemovalOutcome::NotFound), CALLERS - 1);
    assert_eq!(events(&stores, 1).await.len(), 1);
}

async fn a_removal_pushes_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    remove(&stores, 1).await;
    let expected = event_of(1, 1).into_event(user(1).as_str(), user(1), 1);
    assert_eq!(events(&stores, 1).await, [expected]);
}

async fn events_of_an_id_are_numbered_through_removals(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..2 {
        create(&stores, &identity(1)).await;
        remove(&stores, 1).await;
        finish(&stores, 1, &RemovalPart::ALL).await;
    }
    let sequences = |events: Vec<Event>| events.into_iter().map(|event| event.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(events(&stores, 1).await), [1, 2]);
    outboxes::acknowledge_all(&stores).await;
    create(&stores, &full_identity(1)).await;
    assert_eq!(replace(&stores, &identity(1)).await, IdentitySaveOutcome::Saved);
    remove(&stores, 1).await;
    assert_eq!(sequences(events(&stores, 1).await), [3]);
}

async fn a_full_outbox_rejects_the_removal(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..MAX_PENDING_EVENTS {
        create(&stores, &identity(1)).await;
        assert_eq!(remove(&stores, 1).await, RemovalOutcome::Removed);
        finish(&stores, 1, &RemovalPart::ALL).await;
    }
    create(&stores, &identity(1)).await;
    assert_eq!(remove(&stores, 1).await, RemovalOutcome::OutboxFull);
    assert_eq!(find(&stores, &user(1)).await, Some(identity(1)));
    outboxes::acknowledge_in(&stores, &IDENTITIES, user(1).as_str(), 1).await;
    assert_eq!(remove(&stores, 1).await, RemovalOutcome::Removed);
}

async fn a_removed_id_is_free_when_nothing_is_pending(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    remove(&stores, 1).await;
    let other = with_email(1, "other@example.com");
    let mut parts = RemovalPart::ALL.to_vec();
    while let Some(part) = parts.first().copied() {
        assert_eq!(create(&stores, &other).await, IdentitySaveOutcome::Removed);
        assert_eq!(pending_removals(&stores, None, 10).await, [pending(1, &parts)]);
        finish(&stores, 1, &[part, part]).await;
        parts.remove(0);
    }
    assert_eq!(pending_removals(&stores, None, 10).await, []);
    assert_eq!(owner_of(&stores, "other@example.com").await, None);
    assert_eq!(find(&stores, &user(1)).await, None);
    assert_eq!(create(&stores, &other).await, IdentitySaveOutcome::Saved);
    assert_eq!(find(&stores, &user(1)).await, Some(other.clone()));
    assert_eq!(owner_of(&stores, "other@example.com").await, Some(user(1)));
    assert_eq!(create(&stores, &other).await, IdentitySaveOutcome::IdTaken);
    assert_eq!(pending_removals(&stores, None, 10).await, []);
}

async fn parallel_creates_of_a_removed_id_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    remove(&stores, 1).await;
    finish(&stores, 1, &RemovalPart::ALL).await;
    let outcomes = run_concurrently(|caller| {
        let identities = Arc::clone(&stores.identities);
        async move {
            let new = with_email(1, &format!("new-{caller}@example.com"));
            (identities.create(&new).await.unwrap(), new)
        }
    })
    .await;
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(outcome, _)| *outcome == IdentitySaveOutcome::Saved)
        .collect();
    let [(_, winner)] = winners.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(find(&stores, &user(1)).await.as_ref(), Some(winner));
    for (outcome, loser) in &outcomes {
        let login = loser.logins().remove(0);
        let expected = (*outcome == IdentitySaveOutcome::Saved).then(|| user(1));
        assert_eq!(owner_of(&stores, &login).await, expected);
    }
}

async fn a_rejected_create_leaves_the_tombstone(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    remove(&stores, 1).await;
    finish(&stores, 1, &RemovalPart::ALL).await;
    create(&stores, &identity(2)).await;
    let taken = with_email(1, "user-2@example.com");
    let by = user(2);
    assert_eq!(create(&stores, &taken).await, IdentitySaveOutcome::LoginTaken { by });
    assert_eq!(find(&stores, &user(1)).await, None);
    assert_eq!(replace(&stores, &identity(1)).await, IdentitySaveOutcome::Removed);
    assert_eq!(create(&stores, &identity(1)).await, IdentitySaveOutcome::Saved);
}

async fn replace_revives_no_removed_user(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    remove(&stores, 1).await;
    assert_eq!(replace(&stores, &full_identity(1)).await, IdentitySaveOutcome::Removed);
    finish(&stores, 1, &RemovalPart::ALL).await;
    assert_eq!(replace(&stores, &full_identity(1)).await, IdentitySaveOutcome::Removed);
    assert_eq!(find(&stores, &user(1)).await, None);
    assert_eq!(owner_of(&stores, "user-1@example.com").await, None);
}

async fn parallel_replaces_revive_no_removed_user(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    run_concurrently(|caller| {
        let identities = Arc::clone(&stores.identities);
        async move {
            if caller == CALLERS / 2 {
                let outcome = identities.remove(&user(1), event_of(1, 1)).await.unwrap();
                assert_eq!(outcome, RemovalOutcome::Removed);
            } else {
                let changed = with_email(1, &format!("new-{caller}@example.com"));
                identities.replace(&changed).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(find(&stores, &user(1)).await, None);
    assert_eq!(page(&stores, None, 10).await, []);
    assert_eq!(
        pending_removals(&stores, None, 10).await,
        [pending(1, &RemovalPart::ALL)]
    );
    stores.identities.release_logins(&user(1)).await.unwrap();
    for caller in 0..CALLERS {
        let address = format!("new-{caller}@example.com");
        assert_eq!(owner_of(&stores, &address).await, None);
        let other = with_email(caller + 2, &address);
        assert_eq!(create(&stores, &other).await, IdentitySaveOutcome::Saved, "{address}");
    }
}

async fn pending_removals_are_paged(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in [30, 10, 50, 20, 40] {
        create(&stores, &identity(n)).await;
    }
    for n in [40, 10, 30, 20] {
        remove(&stores, n).await;
    }
    finish(&stores, 30, &RemovalPart::ALL).await;
    let users = |removals: Vec<PendingRemoval>| removals.into_iter().map(|removal| removal.user).collect::<Vec<_>>();
    assert_eq!(users(pending_removals(&stores, None, 10).await), [10, 20, 40].map(user));
    assert_eq!(users(pending_removals(&stores, None, 2).await), [10, 20].map(user));
    assert_eq!(users(pending_removals(&stores, Some(20), 2).await), [user(40)]);
    assert_eq!(users(pending_removals(&stores, Some(40), 2).await), []);
}

async fn removed_users_are_not_listed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=6 {
        create(&stores, &identity(n)).await;
    }
    for n in [1, 2, 4] {
        remove(&stores, n).await;
    }
    finish(&stores, 2, &RemovalPart::ALL).await;
    assert_eq!(page(&stores, None, 2).await, [3, 5].map(user));
    assert_eq!(page(&stores, Some(5), 2).await, [user(6)]);
}

async fn parts_of_a_user_who_was_not_removed_are_kept(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    finish(&stores, 1, &RemovalPart::ALL).await;
    stores.identities.release_logins(&user(1)).await.unwrap();
    assert_eq!(find(&stores, &user(1)).await, Some(full_identity(1)));
    assert_eq!(owner_of(&stores, "5511911112222").await, Some(user(1)));
    finish(&stores, 2, &RemovalPart::ALL).await;
    stores.identities.release_logins(&user(2)).await.unwrap();
    assert_eq!(find(&stores, &user(2)).await, None);
}

async fn released_logins_are_those_of_the_removed_user(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    create(&stores, &identity(2)).await;
    remove(&stores, 1).await;
    let heir = with_email(3, "user-1@example.com");
    assert_eq!(create(&stores, &heir).await, IdentitySaveOutcome::Saved);
    for _ in 0..2 {
        stores.identities.release_logins(&user(1)).await.unwrap();
        assert_eq!(owner_of(&stores, "user-1@example.com").await, Some(user(3)));
        assert_eq!(owner_of(&stores, "user-2@example.com").await, Some(user(2)));
        assert_eq!(owner_of(&stores, "5511911112222").await, None);
    }
    finish(&stores, 1, &RemovalPart::ALL).await;
    assert_eq!(
        create(&stores, &full_identity(1)).await,
        IdentitySaveOutcome::LoginTaken { by: user(3) }
    );
}

async fn a_removal_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    remove(&stores, 1).await;
    finish(&stores, 1, &[RemovalPart::Factors]).await;
    drop(stores);
    let stores = fixture.reopen().await;
    let parts = [RemovalPart::Logins, RemovalPart::CredentialLock, RemovalPart::Sessions];
    assert_eq!(pending_removals(&stores, None, 10).await, [pending(1, &parts)]);
    assert_eq!(find(&stores, &user(1)).await, None);
    assert_eq!(events(&stores, 1).await.len(), 1);
}
