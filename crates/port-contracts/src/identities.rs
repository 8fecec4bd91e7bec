use std::sync::Arc;

use domain::contact::ContactType;
use domain::directory::events::removal_event;
use domain::event::NewEvent;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::{IdentitySaveOutcome, RemovalOutcome};

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, event_context, event_id, full_identity, identity, mobile, user, with_email, with_mobile};
use crate::race::{CALLERS, count, run_concurrently};
use ports::Stores;

pub(crate) mod removal;

contracts! { dyn Fixture:
    an_unknown_user_is_not_found,
    every_field_of_a_user_survives,
    a_user_is_found_by_every_login,
    a_user_is_created_once,
    create_rejects_a_taken_id,
    email_is_unique_ignoring_case,
    mobile_is_unique_however_it_is_split,
    create_rejects_a_taken_login,
    parallel_creates_of_an_email_have_one_winner,
    parallel_creates_of_an_id_have_one_winner,
    replace_overwrites_every_field_of_a_user,
    replacing_an_absent_user_inserts_it,
    replacing_again_changes_nothing,
    removed_login_is_free_again,
    replace_rejects_a_taken_login,
    parallel_replaces_with_an_email_have_one_winner,
    users_are_paged_in_the_order_of_their_ids,
    users_survive_reopening,
}

async fn create(stores: &Stores, identity: &Identity) -> IdentitySaveOutcome {
    stores.identities.create(identity).await.unwrap()
}

async fn replace(stores: &Stores, identity: &Identity) -> IdentitySaveOutcome {
    stores.identities.replace(identity).await.unwrap()
}

/// Returns an event for the removal of a user.
fn event_of(n: usize, number: usize) -> NewEvent {
    removal_event(event_context(event_id(number), at(1)), &user(n))
}

async fn remove(stores: &Stores, n: usize) -> RemovalOutcome {
    stores.identities.remove(&user(n), event_of(n, 1)).await.unwrap()
}

async fn find(stores: &Stores, id: &UserId) -> Option<Identity> {
    stores.identities.find(id).await.unwrap()
}

/// Returns the user with a login.
async fn owner_of(stores: &Stores, login: &str) -> Option<UserId> {
    let identity = stores.identities.find_by_login(login).await.unwrap();
    identity.map(|identity| identity.id)
}

async fn page(stores: &Stores, after: Option<usize>, limit: usize) -> Vec<UserId> {
    let after = after.map(user);
    let page = stores.identities.page(after.as_ref(), limit).await.unwrap();
    page.into_iter().map(|identity| identity.id).collect()
}

fn login_taken_by(n: usize) -> IdentitySaveOutcome {
    IdentitySaveOutcome::LoginTaken { by: user(n) }
}

async fn an_unknown_user_is_not_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(find(&stores, &user(1)).await, None);
    assert_eq!(owner_of(&stores, "user-1@example.com").await, None);
    assert_eq!(page(&stores, None, 10).await, []);
}

async fn every_field_of_a_user_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let number_only = Identity {
        email: None,
        main_contact_type: ContactType::Mobile,
        ..with_mobile(3, mobile("351", None, "912345678"))
    };
    for identity in [identity(1), full_identity(2), number_only] {
        assert_eq!(create(&stores, &identity).await, IdentitySaveOutcome::Saved);
        assert_eq!(find(&stores, &identity.id).await, Some(identity));
    }
}

async fn a_user_is_found_by_every_login(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let both = Identity {
        email: with_email(1, "Ana.Souza@BR.Example.com").email,
        ..full_identity(1)
    };
    create(&stores, &both).await;
    create(&stores, &identity(2)).await;
    for login in ["ana.souza@br.example.com", "5511911112222"] {
        let found = stores.identities.find_by_login(login).await.unwrap();
        assert_eq!(found.as_ref(), Some(&both), "{login}");
    }
    assert_eq!(owner_of(&stores, "souza@br.example.com").await, None);
}

async fn a_user_is_created_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let identity = full_identity(1);
    create(&stores, &identity).await;
    assert_eq!(create(&stores, &identity).await, IdentitySaveOutcome::IdTaken);
    assert_eq!(find(&stores, &user(1)).await, Some(identity));
}

async fn create_rejects_a_taken_id(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = identity(1);
    create(&stores, &first).await;
    let second = with_email(1, "other@example.com");
    assert_eq!(create(&stores, &second).await, IdentitySaveOutcome::IdTaken);
    assert_eq!(find(&stores, &user(1)).await, Some(first));
    assert_eq!(owner_of(&stores, "other@example.com").await, None);
    let third = with_email(2, "other@example.com");
    assert_eq!(create(&stores, &third).await, IdentitySaveOutcome::Saved);
}

async fn email_is_unique_ignoring_case(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &with_email(1, "Ana@Example.com")).await;
    for spelling in ["Ana@example.com", "ANA@EXAMPLE.COM", "ana@example.com"] {
        assert_eq!(create(&stores, &with_email(2, spelling)).await, login_taken_by(1));
    }
    assert_eq!(find(&stores, &user(2)).await, None);
}

async fn mobile_is_unique_however_it_is_split(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &with_mobile(1, mobile("351", None, "912345678"))).await;
    let split = with_mobile(2, mobile("351", Some("91"), "2345678"));
    assert_eq!(create(&stores, &split).await, login_taken_by(1));
    assert_eq!(find(&stores, &user(2)).await, None);
}

async fn create_rejects_a_taken_login(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    for rejected in [
        full_identity(2),
        Identity {
            main_contact_type: ContactType::Email,
            ..full_identity(2)
        },
    ] {
        assert_eq!(create(&stores, &rejected).await, login_taken_by(1));
        assert_eq!(find(&stores, &user(2)).await, None);
        assert_eq!(owner_of(&stores, "user-2@example.com").await, None);
    }
    let late = with_email(3, "user-2@example.com");
    assert_eq!(
        create(&stores, &late).await,
        IdentitySaveOutcome::Saved,
        "a rejected user keeps a login"
    );
}

async fn parallel_creates_of_an_email_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let answers = run_concurrently(|caller| {
        let identities = Arc::clone(&stores.identities);
        async move {
            let address = if caller % 2 == 0 {
                "ana@example.com"
            } else {
                "Ana@example.com"
            };
            identities.create(&with_email(caller, address)).await.unwrap()
        }
    })
    .await;
    assert_eq!(count(&answers, &IdentitySaveOutcome::Saved), 1);
    let winner = answers.iter().position(|answer| *answer == IdentitySaveOutcome::Saved);
    let winner = winner.unwrap();
    assert_eq!(count(&answers, &login_taken_by(winner)), CALLERS - 1);
    assert_eq!(owner_of(&stores, "ana@example.com").await, Some(user(winner)));
    assert_eq!(page(&stores, None, 100).await, [user(winner)]);
}

async fn parallel_creates_of_an_id_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let address = |caller: usize| format!("user-{caller}@example.com");
    let answers = run_concurrently(|caller| {
        let identities = Arc::clone(&stores.identities);
        let identity = with_email(1, &address(caller));
        async move { identities.create(&identity).await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &IdentitySaveOutcome::Saved), 1);
    assert_eq!(count(&answers, &IdentitySaveOutcome::IdTaken), CALLERS - 1);
    for (caller, answer) in answers.iter().enumerate() {
        let expected = (*answer == IdentitySaveOutcome::Saved).then(|| user(1));
        assert_eq!(owner_of(&stores, &address(caller)).await, expected);
    }
}

async fn replace_overwrites_every_field_of_a_user(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    for identity in [full_identity(1), identity(1)] {
        assert_eq!(replace(&stores, &identity).await, IdentitySaveOutcome::Saved);
        assert_eq!(find(&stores, &user(1)).await, Some(identity));
    }
    assert_eq!(page(&stores, None, 10).await, [user(1)]);
}

async fn replacing_an_absent_user_inserts_it(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let identity = full_identity(1);
    assert_eq!(replace(&stores, &identity).await, IdentitySaveOutcome::Saved);
    assert_eq!(find(&stores, &user(1)).await, Some(identity));
    assert_eq!(owner_of(&stores, "5511911112222").await, Some(user(1)));
}

async fn replacing_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let identity = full_identity(1);
    for _ in 0..2 {
        assert_eq!(replace(&stores, &identity).await, IdentitySaveOutcome::Saved);
        assert_eq!(find(&stores, &user(1)).await.as_ref(), Some(&identity));
        assert_eq!(owner_of(&stores, "user-1@example.com").await, Some(user(1)));
    }
}

async fn removed_login_is_free_again(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    let moved = with_mobile(1, mobile("55", Some("11"), "955556666"));
    assert_eq!(replace(&stores, &moved).await, IdentitySaveOutcome::Saved);
    assert_eq!(owner_of(&stores, "5511911112222").await, None);
    assert_eq!(owner_of(&stores, "5511955556666").await, Some(user(1)));
    assert_eq!(owner_of(&stores, "user-1@example.com").await, Some(user(1)));
    assert_eq!(create(&stores, &full_identity(2)).await, IdentitySaveOutcome::Saved);
    assert_eq!(owner_of(&stores, "5511911112222").await, Some(user(2)));
}

async fn replace_rejects_a_taken_login(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &full_identity(1)).await;
    let second = with_mobile(2, mobile("351", None, "912345678"));
    create(&stores, &second).await;
    let rejected = Identity {
        mobile: full_identity(2).mobile,
        ..with_email(2, "new@example.com")
    };
    assert_eq!(replace(&stores, &rejected).await, login_taken_by(1));
    assert_eq!(find(&stores, &user(2)).await, Some(second));
    for (login, by) in [
        ("5511911112222", Some(1)),
        ("351912345678", Some(2)),
        ("user-2@example.com", Some(2)),
        ("new@example.com", None),
    ] {
        assert_eq!(owner_of(&stores, login).await, by.map(user), "{login}");
    }
    assert_eq!(
        create(&stores, &with_email(3, "new@example.com")).await,
        IdentitySaveOutcome::Saved,
        "a rejected user keeps a login"
    );
}

async fn parallel_replaces_with_an_email_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for caller in 0..CALLERS {
        create(&stores, &identity(caller)).await;
    }
    let answers = run_concurrently(|caller| {
        let identities = Arc::clone(&stores.identities);
        async move {
            let moved = with_email(caller, "ana@example.com");
            identities.replace(&moved).await.unwrap()
        }
    })
    .await;
    assert_eq!(count(&answers, &IdentitySaveOutcome::Saved), 1);
    for (caller, answer) in answers.iter().enumerate() {
        let is_winner = *answer == IdentitySaveOutcome::Saved;
        let login = if is_winner {
            "ana@example.com".to_owned()
        } else {
            format!("user-{caller}@example.com")
        };
        assert_eq!(owner_of(&stores, &login).await, Some(user(caller)));
    }
}

async fn users_are_paged_in_the_order_of_their_ids(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in [30, 10, 50, 20, 40] {
        create(&stores, &identity(n)).await;
    }
    assert_eq!(page(&stores, None, 10).await, [10, 20, 30, 40, 50].map(user));
    assert_eq!(page(&stores, None, 2).await, [10, 20].map(user));
    assert_eq!(page(&stores, Some(20), 2).await, [30, 40].map(user));
    assert_eq!(page(&stores, Some(25), 1).await, [user(30)]);
    assert_eq!(page(&stores, Some(50), 2).await, []);
}

async fn users_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &identity(1)).await;
    create(&stores, &full_identity(2)).await;
    create(&stores, &identity(3)).await;
    assert_eq!(remove(&stores, 3).await, RemovalOutcome::Removed);
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(owner_of(&stores, "5511911112222").await, Some(user(2)));
    assert_eq!(owner_of(&stores, "user-3@example.com").await, None);
    assert_eq!(
        stores.identities.page(None, 10).await.unwrap(),
        [identity(1), full_identity(2)]
    );
}
