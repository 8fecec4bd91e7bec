use std::sync::Arc;

use domain::names::{KnownName, NameKind};

use crate::Fixture;
use crate::contract::contracts;
use crate::race::{count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    a_name_is_added_once,
    parallel_adds_of_a_name_have_one_winner,
    names_are_paged_by_kind_and_name,
    known_names_survive_reopening,
}

fn role(name: &str) -> KnownName {
    KnownName::parse(NameKind::Role, name).unwrap()
}

fn scope(name: &str) -> KnownName {
    KnownName::parse(NameKind::Scope, name).unwrap()
}

async fn add(stores: &Stores, name: &KnownName) -> bool {
    stores.known_names.add(name).await.unwrap()
}

async fn page(stores: &Stores, after: Option<&KnownName>, limit: usize) -> Vec<KnownName> {
    stores.known_names.page(after, limit).await.unwrap()
}

async fn a_name_is_added_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(page(&stores, None, 10).await, []);
    assert!(add(&stores, &role("BUYER")).await);
    assert!(!add(&stores, &role("BUYER")).await);
    assert!(add(&stores, &scope("BUYER")).await);
    assert!(add(&stores, &role("buyer")).await);
    assert_eq!(
        page(&stores, None, 10).await,
        [role("BUYER"), role("buyer"), scope("BUYER")]
    );
}

async fn parallel_adds_of_a_name_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let answers = run_concurrently(|_| {
        let known_names = Arc::clone(&stores.known_names);
        async move { known_names.add(&role("BUYER")).await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    assert_eq!(page(&stores, None, 10).await, [role("BUYER")]);
}

async fn names_are_paged_by_kind_and_name(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let names = [role("B"), role("a"), role("a:b"), role("b"), scope("A"), scope("z")];
    for name in names.iter().rev() {
        add(&stores, name).await;
    }
    assert_eq!(page(&stores, None, 10).await, names);
    assert_eq!(page(&stores, None, 2).await, [role("B"), role("a")]);
    assert_eq!(page(&stores, Some(&role("a")), 2).await, [role("a:b"), role("b")]);
    assert_eq!(page(&stores, Some(&role("aa")), 2).await, [role("b"), scope("A")]);
    assert_eq!(page(&stores, Some(&scope("z")), 2).await, []);
}

async fn known_names_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    add(&stores, &role("BUYER")).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert!(!add(&stores, &role("BUYER")).await);
    assert_eq!(page(&stores, None, 10).await, [role("BUYER")]);
}
