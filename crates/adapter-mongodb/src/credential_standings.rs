use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::standing::Standing;
use ports::{CredentialStandings, StoreFailure};
use serde::Deserialize;

use crate::credential_lock::credentials::COLLECTION;
use crate::database::Database;

pub(crate) struct MongodbCredentialStandings(pub(crate) Arc<Database>);

/// What a look reads of a credential.
#[derive(Debug, Deserialize)]
struct StandingDocument {
    locked: bool,
    epoch: u64,
}

fn standing(found: Option<StandingDocument>) -> Standing {
    found.map_or_else(Standing::default, |found| Standing {
        locked: found.locked,
        epoch: found.epoch,
    })
}

#[async_trait]
impl CredentialStandings for MongodbCredentialStandings {
    async fn look(&self, user: &UserId) -> Result<Standing, StoreFailure> {
        let found = self.0.find_linearizable(COLLECTION, user.to_string());
        found.await.map(standing)
    }

    async fn look_after_write(&self, user: &UserId) -> Result<Standing, StoreFailure> {
        let found = self.0.find_after_write(COLLECTION, user.to_string());
        found.await.map(standing)
    }
}
