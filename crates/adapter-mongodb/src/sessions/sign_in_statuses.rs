use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::UserId;
use domain::sessions::{SignIn, SignInStatus};
use ports::sessions::SignInStatuses;
use ports::{StoreError, Versioned as _};
use stored_forms::sessions::SignInStatusForm;

use crate::database::Database;
use crate::error::MongodbError;

pub(crate) struct MongodbSignInStatuses(pub(crate) Arc<Database>);

fn status(found: Option<SignInStatusForm>, user: &UserId) -> Result<SignInStatus, MongodbError> {
    let read = found.map(SignInStatusForm::read).transpose();
    let read = read.map_err(|error| MongodbError::corrupt(SignIn::AGGREGATE.name, user.as_str(), error.0));
    Ok(read?.unwrap_or_default())
}

#[async_trait]
impl SignInStatuses for MongodbSignInStatuses {
    async fn read_linearizable(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        let found = self.0.find_linearizable(SignIn::AGGREGATE.name, user.to_string());
        Ok(status(found.await?, user)?)
    }

    async fn read_after_write(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        let found = self.0.find_after_write(SignIn::AGGREGATE.name, user.to_string());
        Ok(status(found.await?, user)?)
    }
}
