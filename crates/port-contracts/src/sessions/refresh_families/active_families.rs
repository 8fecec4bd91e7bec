use domain::ids::FamilyId;
use domain::sessions::{Origin, RefreshFamily, RevocationReason, SignInStatus};
use ports::Stores;
use ports::sessions::ActiveFamilies;

use super::{close, find, pending, revoke, rotate_current, start};
use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, before, client_id, family, family_id, full_family, presented_token, user};
use crate::race::{CALLERS, run_concurrently};

contracts! { dyn Fixture:
    only_active_families_of_the_user_are_listed,
    families_are_listed_until_the_instant_of_expiry,
    families_of_another_epoch_or_sessions_version_are_not_listed,
    the_kept_family_is_listed_under_any_version,
    pages_are_in_the_order_of_ids,
    listed_families_have_every_field,
    the_least_recent_families_are_those_beyond_the_kept_number,
    the_least_recent_families_are_of_the_client,
    stamping_raises_the_sessions_version_of_an_active_family,
    a_late_stamp_changes_nothing,
    parallel_stamps_and_rotations_keep_both,
}

/// The user of the families here.
const USER: usize = 900;

fn owned(n: usize) -> RefreshFamily {
    let plain = family(n);
    RefreshFamily {
        origin: Origin {
            user: user(USER),
            ..plain.origin
        },
        ..plain
    }
}

fn under_version(n: usize, epoch: u64, sessions_version: u64) -> RefreshFamily {
    let plain = owned(n);
    RefreshFamily {
        origin: Origin {
            epoch,
            sessions_version,
            ..plain.origin
        },
        ..plain
    }
}

fn active(epoch: u64, sessions_version: u64) -> ActiveFamilies {
    ActiveFamilies {
        user: user(USER),
        epoch,
        sign_in: SignInStatus {
            sessions_version,
            kept_session: None,
        },
        at: at(1),
    }
}

async fn list(stores: &Stores, families: &ActiveFamilies) -> Vec<FamilyId> {
    let found = stores.refresh_families.list_active(families, None, 100).await.unwrap();
    found.into_iter().map(|family| family.id).collect()
}

fn ids<const N: usize>(numbers: [usize; N]) -> Vec<FamilyId> {
    numbers.map(family_id).to_vec()
}

async fn only_active_families_of_the_user_are_listed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(list(&stores, &active(0, 0)).await, []);
    for n in 1..=3 {
        start(&stores, &owned(n)).await;
    }
    start(&stores, &family(4)).await;
    revoke(&stores, &owned(1), RevocationReason::Logout).await;
    close(&stores, &presented_token(&owned(2)), at(1)).await;
    assert_eq!(list(&stores, &active(0, 0)).await, ids([3]));
}

async fn families_are_listed_until_the_instant_of_expiry(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let idle = owned(1);
    let absolute = RefreshFamily {
        idle_expires_at: at(90_000),
        absolute_expires_at: at(70_000),
        ..owned(2)
    };
    for family in [&idle, &absolute] {
        start(&stores, family).await;
    }
    let listed_at = async |at| list(&stores, &ActiveFamilies { at, ..active(0, 0) }).await;
    assert_eq!(listed_at(before(idle.idle_expires_at)).await, ids([1, 2]));
    assert_eq!(listed_at(idle.idle_expires_at).await, ids([2]));
    assert_eq!(listed_at(before(absolute.absolute_expires_at)).await, ids([2]));
    assert_eq!(listed_at(absolute.absolute_expires_at).await, []);
}

async fn families_of_another_epoch_or_sessions_version_are_not_listed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (n, (epoch, version)) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
        start(&stores, &under_version(n, epoch, version)).await;
    }
    assert_eq!(list(&stores, &active(0, 0)).await, ids([0]));
    assert_eq!(list(&stores, &active(0, 1)).await, ids([1]));
    assert_eq!(list(&stores, &active(1, 0)).await, ids([2]));
    assert_eq!(list(&stores, &active(1, 1)).await, ids([3]));
    assert_eq!(list(&stores, &active(2, 2)).await, []);
}

async fn the_kept_family_is_listed_under_any_version(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (n, version) in [(1, 0), (2, 0), (3, 7)] {
        start(&stores, &under_version(n, 0, version)).await;
    }
    let mut kept = active(0, 7);
    kept.sign_in.kept_session = Some(family_id(2));
    assert_eq!(list(&stores, &kept).await, ids([2, 3]));
    kept.epoch = 1;
    assert_eq!(list(&stores, &kept).await, [], "a lock ends a kept session, too");
}

async fn pages_are_in_the_order_of_ids(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in [5, 2, 4, 1, 3] {
        start(&stores, &owned(n)).await;
    }
    let mut kept = active(0, 0);
    kept.sign_in.kept_session = Some(family_id(3));
    let page = async |after: Option<usize>| {
        let after = after.map(family_id);
        let found = stores.refresh_families.list_active(&kept, after.as_ref(), 2).await;
        found.unwrap().into_iter().map(|family| family.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, ids([1, 2]));
    assert_eq!(page(Some(2)).await, ids([3, 4]));
    assert_eq!(page(Some(4)).await, ids([5]));
    assert_eq!(page(Some(5)).await, []);
}

async fn listed_families_have_every_field(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let full = full_family(1);
    start(&stores, &full).await;
    let active = ActiveFamilies {
        user: full.origin.user.clone(),
        ..active(full.origin.epoch, full.origin.sessions_version)
    };
    let listed = stores.refresh_families.list_active(&active, None, 1).await.unwrap();
    assert_eq!(listed.as_slice(), std::slice::from_ref(&full));
    let client = &full.origin.client;
    let found = stores.refresh_families.find_least_recent(&active, client, 0, 1).await;
    assert_eq!(found.unwrap(), [full]);
}

async fn least_recent(stores: &Stores, client: &str, kept: usize, limit: usize) -> Vec<FamilyId> {
    let (families, client) = (active(0, 0), client_id(client));
    let found = stores
        .refresh_families
        .find_least_recent(&families, &client, kept, limit);
    found.await.unwrap().into_iter().map(|family| family.id).collect()
}

async fn the_least_recent_families_are_those_beyond_the_kept_number(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=4 {
        let rotated_at = at(i64::try_from(n).unwrap());
        start(&stores, &RefreshFamily { rotated_at, ..owned(n) }).await;
    }
    assert_eq!(least_recent(&stores, "client-a", 4, 10).await, []);
    assert_eq!(least_recent(&stores, "client-a", 3, 10).await, ids([1]));
    // A rotation makes the first family the most recent one.
    rotate_current(
        &stores,
        &RefreshFamily {
            rotated_at: at(1),
            ..owned(1)
        },
        7,
        at(9),
    )
    .await;
    assert_eq!(least_recent(&stores, "client-a", 3, 10).await, ids([2]));
    assert_eq!(least_recent(&stores, "client-a", 1, 10).await, ids([4, 3, 2]));
    assert_eq!(least_recent(&stores, "client-a", 1, 2).await, ids([4, 3]));
    assert_eq!(least_recent(&stores, "client-a", 0, 1).await, ids([1]));
}

async fn the_least_recent_families_are_of_the_client(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=3 {
        start(&stores, &owned(n)).await;
    }
    assert_eq!(least_recent(&stores, "client-b", 0, 10).await, []);
    revoke(&stores, &owned(1), RevocationReason::Limit).await;
    assert_eq!(least_recent(&stores, "client-a", 2, 10).await, []);
    assert_eq!(least_recent(&stores, "client-a", 0, 10).await.len(), 2);
}

async fn stamping_raises_the_sessions_version_of_an_active_family(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = full_family(1);
    let stamped = |sessions_version| RefreshFamily {
        origin: Origin {
            sessions_version,
            ..family.origin.clone()
        },
        ..family.clone()
    };
    start(&stores, &family).await;
    let events = pending(&stores, &family).await;
    let next = family.origin.sessions_version + 1;
    stores.refresh_families.stamp(&family.id, next).await.unwrap();
    assert_eq!(find(&stores, &family).await, Some(stamped(next)));
    assert_eq!(pending(&stores, &family).await, events, "a stamp has no event");
    // A family that was stored without a version.
    let zero = owned(2);
    start(&stores, &zero).await;
    stores.refresh_families.stamp(&zero.id, 1).await.unwrap();
    assert_eq!(find(&stores, &zero).await.unwrap().origin.sessions_version, 1);
}

async fn a_late_stamp_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (newer, revoked) = (under_version(1, 0, 5), owned(2));
    for family in [&newer, &revoked] {
        start(&stores, family).await;
    }
    stores.refresh_families.stamp(&newer.id, 4).await.unwrap();
    assert_eq!(find(&stores, &newer).await, Some(newer));
    revoke(&stores, &revoked, RevocationReason::Logout).await;
    stores.refresh_families.stamp(&revoked.id, 4).await.unwrap();
    assert_eq!(find(&stores, &revoked).await.unwrap().origin.sessions_version, 0);
    let unknown = family_id(3);
    stores.refresh_families.stamp(&unknown, 4).await.unwrap();
    assert_eq!(stores.refresh_families.find(&unknown).await.unwrap(), None);
}

async fn parallel_stamps_and_rotations_keep_both(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = owned(1);
    start(&stores, &family).await;
    run_concurrently(|caller| {
        let (stores, family) = (stores.clone(), family.clone());
        async move {
            if caller == 0 {
                super::rotate(&stores, &presented_token(&family), 7, at(1)).await;
            } else {
                stores.refresh_families.stamp(&family.id, caller as u64).await.unwrap();
            }
        }
    })
    .await;
    let found = find(&stores, &family).await.unwrap();
    assert_eq!(found.generation, 2);
    assert_eq!(found.origin.sessions_version, CALLERS as u64 - 1);
}
