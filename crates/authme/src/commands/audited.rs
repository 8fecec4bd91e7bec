//! Stores that write an audit record for each change by an operator's command.

use std::sync::Arc;

use async_trait::async_trait;
use domain::client::Client;
use domain::event::{EventValue, NewEvent};
use domain::group::Group;
use domain::identity::Identity;
use domain::ids::{ClientId, UserId};
use domain::names::KnownName;
use domain::removal::{PendingRemoval, RemovalPart};
use ports::{
    AuditChange, AuditOutcome, AuditRecord, AuditTrail, ClientSaveOutcome, Clients, Clock as _, Groups, Identities,
    IdentitySaveOutcome, KnownNames, RemovalOutcome, StoreError,
};
use serde::Serialize;
use serde_json::{Map, Value};
use service_runtime::{AuditLog, SystemClock};

use super::client_line::ClientLine;
use super::group_line::GroupLine;
use super::identity_line::IdentityLine;
use super::operator;

/// The members with personal data. A record shows that they changed, but hides their values.
const PERSONAL_DATA: [&str; 3] = ["name", "email", "mobile"];

/// The audit trail of one command.
#[derive(Clone)]
pub(crate) struct CommandAudit {
    log: Arc<AuditLog>,
    command: Arc<str>,
}

impl CommandAudit {
    pub(super) fn new(log: AuditLog, command: &str) -> Self {
        Self {
            log: Arc::new(log),
            command: command.into(),
        }
    }

    /// Returns the trail for use cases, which write their own records.
    pub(super) fn trail(&self) -> Arc<dyn AuditTrail> {
        self.log.clone()
    }

    /// Records that the command was carried out on `object`, with the operator's name.
    pub(super) fn record(&self, object: &[(&'static str, &str)], reason: Option<&str>, changes: Vec<AuditChange>) {
        let record = AuditRecord::new(SystemClock.now(), &*self.command, AuditOutcome::Done);
        let object = object.iter().map(|(kind, id)| (*kind, (*id).to_owned()));
        self.log.record(&AuditRecord {
            by: operator::actor(),
            object: object.collect(),
            reason: reason.map(str::to_owned),
            changes,
            ..record
        });
    }
}

/// A store that records its successful writes.
pub(super) struct AuditedStore<T: ?Sized> {
    inner: Arc<T>,
    audit: CommandAudit,
}

impl<T: ?Sized> AuditedStore<T> {
    pub(super) fn new(inner: Arc<T>, audit: &CommandAudit) -> Arc<Self> {
        Arc::new(Self {
            inner,
            audit: audit.clone(),
        })
    }
}

/// Returns the members of the printed form, so that two states can be compared.
fn members<T: Serialize>(line: Option<T>) -> Map<String, Value> {
    match line.map(serde_json::to_value) {
        Some(Ok(Value::Object(members))) => members,
        _ => Map::new(),
    }
}

fn audit_value(name: &str, value: &Value) -> EventValue {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        _ if PERSONAL_DATA.contains(&name) => EventValue::from("hidden"),
        Value::Bool(flag) => EventValue::Flag(*flag),
        Value::Array(items) => EventValue::List(items.iter().map(text).collect()),
        value => EventValue::Text(text(value)),
    }
}

/// Returns the members whose values differ, with both values.
fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<AuditChange> {
    let added = after.keys().filter(|name| !before.contains_key(*name));
    let names = before.keys().chain(added);
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| AuditChange {
            field: name.clone(),
            before: before.get(name).map(|value| audit_value(name, value)),
            after: after.get(name).map(|value| audit_value(name, value)),
        })
        .collect()
}

impl AuditedStore<dyn Clients> {
    /// Records the changed members. For a new secret, records only that it was set.
    fn record_save(&self, before: Option<&Client>, after: &Client) {
        let line = |client: &Client| {
            let mut members = members(Some(ClientLine::from(client.clone())));
            members.remove("clientId");
            members.remove("secrets");
            members
        };
        let mut changes = changes(&before.map(line).unwrap_or_default(), &line(after));
        if before.is_none_or(|before| before.secrets != after.secrets) {
            changes.push(AuditChange {
                field: "secret".to_owned(),
                before: None,
                after: Some(EventValue::from("hidden")),
            });
        }
        self.audit.record(&[("client", after.id.as_str())], None, changes);
    }
}

#[async_trait]
impl Clients for AuditedStore<dyn Clients> {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.inner.find(id).await
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let outcome = self.inner.create(client).await?;
        if outcome == ClientSaveOutcome::Saved {
            self.record_save(None, client);
        }
        Ok(outcome)
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let before = self.inner.find(&client.id).await?;
        let outcome = self.inner.replace(client).await?;
        if outcome == ClientSaveOutcome::Saved {
            self.record_save(before.as_ref(), client);
        }
        Ok(outcome)
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        self.inner.page(after, limit).await
    }
}

impl AuditedStore<dyn Identities> {
    fn record_save(&self, before: Option<&Identity>, after: &Identity) {
        let line = |identity: &Identity| {
            let mut members = members(Some(IdentityLine::new(identity, true)));
            members.remove("userId");
            members
        };
        let changes = changes(&before.map(line).unwrap_or_default(), &line(after));
        self.audit.record(&[("user", after.id.as_str())], None, changes);
    }
}

#[async_trait]
impl Identities for AuditedStore<dyn Identities> {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        self.inner.find(id).await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        self.inner.find_by_login(login).await
    }

    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        let outcome = self.inner.create(identity).await?;
        if outcome == IdentitySaveOutcome::Saved {
            self.record_save(None, identity);
        }
        Ok(outcome)
    }

    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        let before = self.inner.find(&identity.id).await?;
        let outcome = self.inner.replace(identity).await?;
        if outcome == IdentitySaveOutcome::Saved {
            self.record_save(before.as_ref(), identity);
        }
        Ok(outcome)
    }

    async fn remove(&self, id: &UserId, event: NewEvent) -> Result<RemovalOutcome, StoreError> {
        let outcome = self.inner.remove(id, event).await?;
        if outcome == RemovalOutcome::Removed {
            self.audit.record(&[("user", id.as_str())], None, Vec::new());
        }
        Ok(outcome)
    }

    async fn pending_removals(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        self.inner.pending_removals(after, limit).await
    }

    async fn release_logins(&self, id: &UserId) -> Result<(), StoreError> {
        self.inner.release_logins(id).await
    }

    async fn finish_removal(&self, id: &UserId, part: RemovalPart) -> Result<(), StoreError> {
        self.inner.finish_removal(id, part).await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[async_trait]
impl Groups for AuditedStore<dyn Groups> {
    async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError> {
        self.inner.find(names).await
    }

    async fn save(&self, group: &Group) -> Result<(), StoreError> {
        let before = self.inner.find(std::slice::from_ref(&group.name)).await?;
        self.inner.save(group).await?;
        let line = |group: Option<Group>| {
            let mut members = members(group.map(GroupLine::from));
            members.remove("name");
            members
        };
        let changes = changes(&line(before.into_iter().next()), &line(Some(group.clone())));
        self.audit.record(&[("group", &group.name)], None, changes);
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let removed = self.inner.remove(name).await?;
        if removed {
            self.audit.record(&[("group", name)], None, Vec::new());
        }
        Ok(removed)
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[async_trait]
impl KnownNames for AuditedStore<dyn KnownNames> {
    async fn add(&self, name: &KnownName) -> Result<bool, StoreError> {
        let added = self.inner.add(name).await?;
        if added {
            self.audit
                .record(&[(name.kind.as_str(), name.as_str())], None, Vec::new());
        }
        Ok(added)
    }

    async fn page(&self, after: Option<&KnownName>, limit: usize) -> Result<Vec<KnownName>, StoreError> {
        self.inner.page(after, limit).await
    }
}
