use std::sync::Arc;

use domain::group::Group;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::texts;
use crate::race::{count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    unknown_groups_are_left_out,
    groups_are_returned_in_the_requested_order,
    group_names_are_compared_exactly,
    saving_a_group_again_changes_nothing,
    saving_a_known_group_replaces_its_roles,
    a_removed_group_is_unknown,
    parallel_saves_leave_one_group,
    parallel_removals_of_a_group_have_one_winner,
    groups_are_paged_in_the_order_of_their_names,
    groups_survive_reopening,
}

fn group<const N: usize>(name: &str, roles: [&str; N]) -> Group {
    Group {
        name: name.to_owned(),
        roles: texts(roles),
    }
}

async fn save(stores: &Stores, group: &Group) {
    stores.groups.save(group).await.unwrap();
}

async fn find<const N: usize>(stores: &Stores, names: [&str; N]) -> Vec<Group> {
    stores.groups.find(&texts(names)).await.unwrap()
}

async fn page(stores: &Stores, after: Option<&str>, limit: usize) -> Vec<String> {
    let page = stores.groups.page(after, limit).await.unwrap();
    page.into_iter().map(|group| group.name).collect()
}

async fn unknown_groups_are_left_out(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(find(&stores, ["staff", "guests"]).await, []);
    let staff = group("staff", ["CLERK", "AUDITOR"]);
    save(&stores, &staff).await;
    assert_eq!(find(&stores, ["nobody", "staff", "guests"]).await, [staff]);
    assert_eq!(find(&stores, []).await, []);
}

async fn groups_are_returned_in_the_requested_order(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (a, b, c) = (group("a", ["1"]), group("b", []), group("c", ["3"]));
    for group in [&a, &b, &c] {
        save(&stores, group).await;
    }
    assert_eq!(find(&stores, ["c", "a", "b"]).await, [c.clone(), a.clone(), b.clone()]);
    assert_eq!(find(&stores, ["b", "unknown", "c", "a"]).await, [b, c, a]);
}

async fn group_names_are_compared_exactly(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (role, name) in [
        ("1", "staff"),
        ("2", "Staff"),
        ("3", "staff "),
        ("4", "CN=Čtenáři,O='x',OU=\"%_\""),
    ] {
        save(&stores, &group(name, [role])).await;
    }
    assert_eq!(find(&stores, ["Staff"]).await, [group("Staff", ["2"])]);
    assert_eq!(find(&stores, ["STAFF"]).await, []);
    let quoted = "CN=Čtenáři,O='x',OU=\"%_\"";
    assert_eq!(find(&stores, [quoted]).await, [group(quoted, ["4"])]);
}

async fn saving_a_group_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..2 {
        save(&stores, &group("staff", ["CLERK"])).await;
        let all = stores.groups.page(None, 10).await.unwrap();
        assert_eq!(all, [group("staff", ["CLERK"])]);
    }
}

async fn saving_a_known_group_replaces_its_roles(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &group("staff", ["CLERK", "AUDITOR"])).await;
    save(&stores, &group("staff", ["OWNER"])).await;
    assert_eq!(find(&stores, ["staff"]).await, [group("staff", ["OWNER"])]);
}

async fn a_removed_group_is_unknown(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(!stores.groups.remove("staff").await.unwrap());
    save(&stores, &group("staff", ["CLERK"])).await;
    save(&stores, &group("guests", [])).await;
    assert!(stores.groups.remove("staff").await.unwrap());
    assert!(!stores.groups.remove("staff").await.unwrap());
    assert_eq!(find(&stores, ["staff", "guests"]).await, [group("guests", [])]);
}

async fn parallel_saves_leave_one_group(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let attempt = |caller: usize| group("staff", [&caller.to_string(), "CLERK"]);
    let attempts: Vec<_> = run_concurrently(|caller| {
        let groups = Arc::clone(&stores.groups);
        async move {
            let group = attempt(caller);
            groups.save(&group).await.unwrap();
            group
        }
    })
    .await;
    let left = stores.groups.page(None, 100).await.unwrap();
    assert_eq!(left.len(), 1);
    assert!(
        left.iter().all(|group| attempts.contains(group)),
        "{left:?} was never saved"
    );
}

async fn parallel_removals_of_a_group_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &group("staff", [])).await;
    let answers = run_concurrently(|_| {
        let groups = Arc::clone(&stores.groups);
        async move { groups.remove("staff").await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
}

async fn groups_are_paged_in_the_order_of_their_names(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(page(&stores, None, 10).await, [""; 0]);
    for name in ["č", "b", "a b", "B", "a"] {
        save(&stores, &group(name, [])).await;
    }
    assert_eq!(page(&stores, None, 10).await, ["B", "a", "a b", "b", "č"]);
    assert_eq!(page(&stores, None, 2).await, ["B", "a"]);
    assert_eq!(page(&stores, Some("a"), 2).await, ["a b", "b"]);
    assert_eq!(page(&stores, Some("a c"), 1).await, ["b"]);
    assert_eq!(page(&stores, Some("č"), 2).await, [""; 0]);
}

async fn groups_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &group("staff", ["CLERK", "AUDITOR"])).await;
    save(&stores, &group("guests", [])).await;
    save(&stores, &group("gone", [])).await;
    assert!(stores.groups.remove("gone").await.unwrap());
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(
        stores.groups.page(None, 10).await.unwrap(),
        [group("guests", []), group("staff", ["CLERK", "AUDITOR"])]
    );
}
