use async_trait::async_trait;
use domain::group::Group;

use crate::{Aggregate, StoreError};

/// Groups.
pub const GROUPS: Aggregate = Aggregate {
    name: "groups",
    has_outbox: false,
};

/// The store of the known groups, written by the operator.
///
/// Unknown names are left out of a result. Each call is atomic. Saving or removing again changes nothing.
///
/// An adapter in memory:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::ops::Bound::{Excluded, Unbounded};
/// use std::sync::Mutex;
///
/// use async_trait::async_trait;
/// use domain::group::Group;
/// use ports::{Groups, StoreError};
///
/// #[derive(Default)]
/// struct InMemoryGroups(Mutex<BTreeMap<String, Group>>);
///
/// #[async_trait]
/// impl Groups for InMemoryGroups {
///     async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError> {
///         let groups = self.0.lock().unwrap();
///         Ok(names.iter().filter_map(|name| groups.get(name).cloned()).collect())
///     }
///
///     async fn save(&self, group: &Group) -> Result<(), StoreError> {
///         self.0.lock().unwrap().insert(group.name.clone(), group.clone());
///         Ok(())
///     }
///
///     async fn remove(&self, name: &str) -> Result<bool, StoreError> {
///         Ok(self.0.lock().unwrap().remove(name).is_some())
///     }
///
///     async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError> {
///         let groups = self.0.lock().unwrap();
///         let start = after.map_or(Unbounded, Excluded);
///         let page = groups.range::<str, _>((start, Unbounded)).take(limit);
///         Ok(page.map(|(_, group)| group.clone()).collect())
///     }
/// }
/// # fn ready<T>(future: impl Future<Output = T>) -> T {
/// #     use std::task::{Context, Poll, Waker};
/// #     match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => panic!("a store in memory does not wait"),
/// #     }
/// # }
/// # let groups = InMemoryGroups::default();
/// # let group = |name: &str| Group { name: name.to_owned(), roles: Vec::new() };
/// # for name in ["staff", "admins"] {
/// #     ready(groups.save(&group(name))).unwrap();
/// # }
/// # let names = ["unknown".to_owned(), "staff".to_owned()];
/// # assert_eq!(ready(groups.find(&names)).unwrap(), [group("staff")]);
/// # assert_eq!(ready(groups.page(Some("admins"), 9)).unwrap(), [group("staff")]);
/// # assert!(ready(groups.remove("staff")).unwrap());
/// # assert!(!ready(groups.remove("staff")).unwrap());
/// ```
#[async_trait]
pub trait Groups: Send + Sync {
    /// Returns the groups among `names` that are known, in the order of `names`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError>;

    /// Inserts the group, or replaces the one with the same name.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn save(&self, group: &Group) -> Result<(), StoreError>;

    /// Removes the group and returns whether it existed.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn remove(&self, name: &str) -> Result<bool, StoreError>;

    /// Returns up to `limit` groups in the order of their names, beginning after `after`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError>;
}
