use std::sync::Arc;

use domain::client::{Client, ExpiresIn, Visibility};
use domain::ids::ClientId;
use ports::ClientSaveOutcome;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{client, client_id, client_with_aliases, full_client};
use crate::race::{count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    an_unregistered_client_is_not_found,
    every_field_of_a_client_survives,
    client_switches_are_stored_separately,
    a_client_is_not_found_by_its_alias,
    a_client_is_created_once,
    create_rejects_a_taken_name,
    parallel_creates_of_an_id_have_one_winner,
    parallel_creates_of_an_alias_have_one_winner,
    replace_overwrites_every_field_of_a_client,
    replacing_an_absent_client_inserts_it,
    replacing_again_changes_nothing,
    replace_rejects_a_taken_name,
    removed_alias_is_free_again,
    clients_are_paged_in_the_order_of_their_ids,
    clients_survive_reopening,
}

async fn create(stores: &Stores, client: &Client) -> ClientSaveOutcome {
    stores.clients.create(client).await.unwrap()
}

async fn replace(stores: &Stores, client: &Client) -> ClientSaveOutcome {
    stores.clients.replace(client).await.unwrap()
}

async fn find(stores: &Stores, id: &str) -> Option<Client> {
    stores.clients.find(&client_id(id)).await.unwrap()
}

async fn page(stores: &Stores, after: Option<&str>, limit: usize) -> Vec<String> {
    let after: Option<ClientId> = after.map(client_id);
    let page = stores.clients.page(after.as_ref(), limit).await.unwrap();
    page.iter().map(|client| client.id.to_string()).collect()
}

fn name_taken(name: &str) -> ClientSaveOutcome {
    ClientSaveOutcome::NameTaken(client_id(name))
}

async fn an_unregistered_client_is_not_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(find(&stores, "portal").await, None);
    assert_eq!(page(&stores, None, 10).await, [""; 0]);
}

async fn every_field_of_a_client_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for client in [client("plain"), full_client("full")] {
        assert_eq!(create(&stores, &client).await, ClientSaveOutcome::Saved);
        assert_eq!(find(&stores, client.id.as_str()).await, Some(client));
    }
    for expires_in in ExpiresIn::ALL {
        let client = Client {
            expires_in: Some(expires_in),
            ..client("expires-in")
        };
        assert_eq!(replace(&stores, &client).await, ClientSaveOutcome::Saved);
        assert_eq!(find(&stores, "expires-in").await, Some(client));
    }
    for visibility in Visibility::ALL {
        let client = Client {
            visibility,
            ..client("visibility")
        };
        assert_eq!(replace(&stores, &client).await, ClientSaveOutcome::Saved);
        assert_eq!(find(&stores, "visibility").await, Some(client));
    }
}

async fn client_switches_are_stored_separately(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for switch in 0..6 {
        let client = Client {
            is_enabled: switch == 0,
            accepts_saml: switch == 1,
            is_identity_provider: switch == 2,
            creates_users: switch == 3,
            requires_known_groups: switch == 4,
            allows_administration: switch == 5,
            ..client(&format!("client-{switch}"))
        };
        create(&stores, &client).await;
        assert_eq!(find(&stores, client.id.as_str()).await, Some(client));
    }
}

async fn a_client_is_not_found_by_its_alias(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &client_with_aliases("portal", ["entity"])).await;
    assert_eq!(find(&stores, "entity").await, None);
}

async fn a_client_is_created_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = full_client("portal");
    create(&stores, &first).await;
    assert_eq!(create(&stores, &first).await, name_taken("portal"));
    assert_eq!(create(&stores, &client("portal")).await, name_taken("portal"));
    assert_eq!(find(&stores, "portal").await, Some(first));
}

async fn create_rejects_a_taken_name(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &client_with_aliases("portal", ["entity"])).await;
    for (rejected, name) in [
        (client_with_aliases("entity", ["free"]), "entity"),
        (client_with_aliases("other", ["free", "portal"]), "portal"),
        (client_with_aliases("other", ["free", "entity"]), "entity"),
    ] {
        assert_eq!(create(&stores, &rejected).await, name_taken(name));
        assert_eq!(find(&stores, rejected.id.as_str()).await, None);
    }
    let late = client_with_aliases("free", ["other"]);
    assert_eq!(
        create(&stores, &late).await,
        ClientSaveOutcome::Saved,
        "a rejected client holds a name"
    );
}

async fn parallel_creates_of_an_id_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let attempt = |caller: usize| Client {
        roles: vec![caller.to_string()],
        ..client("portal")
    };
    let answers = run_concurrently(|caller| {
        let clients = Arc::clone(&stores.clients);
        async move { clients.create(&attempt(caller)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &ClientSaveOutcome::Saved), 1);
    assert_eq!(count(&answers, &name_taken("portal")), answers.len() - 1);
    let winner = answers.iter().position(|answer| *answer == ClientSaveOutcome::Saved);
    assert_eq!(find(&stores, "portal").await, winner.map(attempt));
}

async fn parallel_creates_of_an_alias_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let attempt = |caller: usize| client_with_aliases(&format!("client-{caller}"), ["entity"]);
    let answers = run_concurrently(|caller| {
        let clients = Arc::clone(&stores.clients);
        async move { clients.create(&attempt(caller)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &ClientSaveOutcome::Saved), 1);
    assert_eq!(count(&answers, &name_taken("entity")), answers.len() - 1);
    assert_eq!(stores.clients.page(None, 100).await.unwrap().len(), 1);
}

async fn replace_overwrites_every_field_of_a_client(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &client("portal")).await;
    for client in [full_client("portal"), client("portal")] {
        assert_eq!(replace(&stores, &client).await, ClientSaveOutcome::Saved);
        assert_eq!(find(&stores, "portal").await, Some(client));
    }
    assert_eq!(page(&stores, None, 10).await, ["portal"]);
}

async fn replacing_an_absent_client_inserts_it(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let client = full_client("portal");
    assert_eq!(replace(&stores, &client).await, ClientSaveOutcome::Saved);
    assert_eq!(find(&stores, "portal").await, Some(client));
}

async fn replacing_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let client = full_client("portal");
    for _ in 0..2 {
        assert_eq!(replace(&stores, &client).await, ClientSaveOutcome::Saved);
        assert_eq!(find(&stores, "portal").await.as_ref(), Some(&client));
    }
}

async fn replace_rejects_a_taken_name(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &client_with_aliases("portal", ["entity"])).await;
    let other = client_with_aliases("other", ["own"]);
    create(&stores, &other).await;
    for name in ["portal", "entity"] {
        let rejected = client_with_aliases("other", ["free", name]);
        assert_eq!(replace(&stores, &rejected).await, name_taken(name));
        assert_eq!(find(&stores, "other").await.as_ref(), Some(&other));
    }
    assert_eq!(replace(&stores, &client("entity")).await, name_taken("entity"));
    assert_eq!(
        create(&stores, &client("own")).await,
        name_taken("own"),
        "a rejected client lost its alias"
    );
    assert_eq!(
        create(&stores, &client("free")).await,
        ClientSaveOutcome::Saved,
        "a rejected client holds a name"
    );
}

async fn removed_alias_is_free_again(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    create(&stores, &client_with_aliases("portal", ["old", "kept"])).await;
    replace(&stores, &client_with_aliases("portal", ["kept", "new"])).await;
    assert_eq!(create(&stores, &client("kept")).await, name_taken("kept"));
    assert_eq!(create(&stores, &client("new")).await, name_taken("new"));
    assert_eq!(
        create(&stores, &client_with_aliases("other", ["old"])).await,
        ClientSaveOutcome::Saved
    );
}

async fn clients_are_paged_in_the_order_of_their_ids(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for id in ["b", "a.b", "B", "a", "a-b", "c10", "c9"] {
        create(&stores, &client(id)).await;
    }
    let all = ["B", "a", "a-b", "a.b", "b", "c10", "c9"];
    assert_eq!(page(&stores, None, 10).await, all);
    assert_eq!(page(&stores, None, 3).await, ["B", "a", "a-b"]);
    assert_eq!(page(&stores, Some("a-b"), 3).await, ["a.b", "b", "c10"]);
    assert_eq!(page(&stores, Some("a-c"), 1).await, ["a.b"]);
    assert_eq!(page(&stores, Some("c9"), 3).await, [""; 0]);
}

async fn clients_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (plain, full) = (client("plain"), full_client("full"));
    create(&stores, &plain).await;
    create(&stores, &full).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(create(&stores, &client("full.a")).await, name_taken("full.a"));
    assert_eq!(stores.clients.page(None, 10).await.unwrap(), [full, plain]);
}
