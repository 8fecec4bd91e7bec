use std::sync::Arc;

use domain::client::{Client, ClientSecretDigest};
use domain::ids::ClientId;
use ports::tokens::ClientSecrets;
use ports::{Clients, Clock};

use super::TokensPorts;
use crate::sessions::{
    AccessTokenFactory, Issuance, IssuedTokens, MintGate, Minted, Subject, TokenError, WriteEffect, issue,
};

/// Logs a client in by its secret. An unknown client, a disabled client and a wrong secret get the same answer after
/// the same work, so that neither the answer nor the response time shows which client ids exist.
pub struct LogInClient {
    clients: Arc<dyn Clients>,
    secrets: Arc<dyn ClientSecrets>,
    clock: Arc<dyn Clock>,
    gate: Arc<MintGate>,
    access_tokens: Arc<AccessTokenFactory>,
}

impl LogInClient {
    pub(super) fn new(ports: &TokensPorts, issuance: &Issuance) -> Self {
        Self {
            clients: ports.stores.clients.clone(),
            secrets: ports.crypto.client_secrets.clone(),
            clock: ports.runtime.clock.clone(),
            gate: issuance.gate.clone(),
            access_tokens: issuance.access_tokens.clone(),
        }
    }

    /// Returns an access token for the client. The client is read uncached: a changed secret takes effect immediately,
    /// and the response time does not show whether the id is known.
    #[tracing::instrument(level = "debug", name = "log_in_client", skip_all, fields(client = tracing::field::Empty))]
    pub async fn run(&self, id: &str, secret: &str) -> Result<Minted<IssuedTokens>, TokenError> {
        let client = match ClientId::parse(id) {
            Ok(id) => self.clients.find_uncached(&id).await?,
            Err(_) => None,
        };
        let client = self.authenticate(client, secret).ok_or(TokenError::BadCredentials)?;
        tracing::Span::current().record("client", client.id.as_str());
        let token = self.access_tokens.for_client(&client)?;
        self.gate
            .mint(
                Subject::Client,
                async { Ok(WriteEffect::Unchanged(())) },
                |(), signer| issue(token, None, signer),
            )
            .await
    }

    /// Returns the client if one of its secrets matches. All of them are compared, or a decoy if there are none, so
    /// that the response time does not show which one matched.
    fn authenticate(&self, client: Option<Client>, secret: &str) -> Option<Client> {
        let decoy = ClientSecretDigest {
            salt: [0; 16],
            digest: [0; 32],
            valid_until: None,
        };
        let now = self.clock.now();
        let digests: Vec<&ClientSecretDigest> = client.iter().flat_map(|client| client.secrets_at(now)).collect();
        let mut is_match = false;
        for digest in if digests.is_empty() { vec![&decoy] } else { digests } {
            is_match |= self.secrets.matches(secret, digest);
        }
        client.filter(|client| is_match && client.is_enabled)
    }
}
