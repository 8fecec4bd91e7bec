//! Removes users.

mod login_eraser;
mod remove_user;

use ports::{Runtime, Stores};

pub use login_eraser::LoginEraser;
pub use remove_user::{RemoveUser, RemoveUserError};

/// The use cases of the context.
pub struct DirectoryUseCases {
    pub remove_user: RemoveUser,
}

impl DirectoryUseCases {
    pub fn new(stores: &Stores, runtime: &Runtime) -> Self {
        let (identities, groups) = (stores.identities.clone(), stores.groups.clone());
        Self {
            remove_user: RemoveUser::new(identities, groups, runtime.clock.clone(), runtime.randomness.clone()),
        }
    }
}
