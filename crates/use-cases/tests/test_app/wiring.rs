use std::sync::Arc;

use adapter_crypto::{Sha256, SystemRandomness};
use ports::tokens::RefreshTokenCodec;
use use_cases::credential_lock::CredentialLockPorts;
use use_cases::factors::FactorsPorts;
use use_cases::tokens::TokensPorts;

use super::fakes::{CountingCodeDigester, NoKeys, RecordedMetrics, RecordingSigner, Records, SentCodes, SettableClock};
use super::stores::Stores;

pub(super) fn tokens_ports(
    stores: &Stores,
    clock: &Arc<SettableClock>,
    signer: &Arc<RecordingSigner>,
    metrics: &Arc<RecordedMetrics>,
    refresh_token_codec: &Arc<dyn RefreshTokenCodec>,
) -> TokensPorts {
    TokensPorts {
        clients: stores.clients.clone(),
        identities: stores.identities.clone(),
        groups: stores.groups.clone(),
        lock_statuses: stores.lock_statuses.clone(),
        validation_tokens: stores.validation_tokens.clone(),
        refresh_families: stores.refresh_families.clone(),
        signer: signer.clone(),
        key_set: Arc::new(NoKeys),
        client_secrets: Arc::new(Sha256),
        hasher: Arc::new(Sha256),
        refresh_token_codec: refresh_token_codec.clone(),
        clock: clock.clone(),
        randomness: Arc::new(SystemRandomness),
        telemetry: metrics.clone(),
        audit: Arc::<Records>::default(),
    }
}

pub(super) fn factors_ports(
    stores: &Stores,
    ports: &TokensPorts,
    sent_codes: &Arc<SentCodes>,
    codes: &Arc<CountingCodeDigester>,
) -> FactorsPorts {
    FactorsPorts {
        factor_sets: stores.factor_sets.clone(),
        send_quotas: stores.send_quotas.clone(),
        clients: stores.clients.clone(),
        code_digester: codes.clone(),
        delivery: sent_codes.clone(),
        clock: ports.clock.clone(),
        randomness: ports.randomness.clone(),
    }
}

pub(super) fn credential_lock_ports(stores: &Stores, ports: &TokensPorts) -> CredentialLockPorts {
    CredentialLockPorts {
        credential_locks: stores.credential_locks.clone(),
        identities: stores.identities.clone(),
        clock: ports.clock.clone(),
        randomness: ports.randomness.clone(),
        telemetry: ports.telemetry.clone(),
    }
}
