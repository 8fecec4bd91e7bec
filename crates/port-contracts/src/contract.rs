//! A contract, and the macro that lists the contracts of a file.

use std::pin::Pin;
use std::time::Duration;

use libtest_mimic::Trial;
use tokio::runtime;

use crate::{Opening, WORKERS};

/// The time limit of a trial: far above the slowest one, so that only a trial that hangs exceeds it.
const TRIAL_TIMEOUT: Duration = Duration::from_mins(2);

/// One promise of a port: an async function over the fixture `F` that it needs.
pub(crate) struct Contract<F: ?Sized> {
    /// The path of the function.
    pub(crate) name: String,
    pub(crate) run: for<'f> fn(&'f F) -> Pin<Box<dyn Future<Output = ()> + 'f>>,
}

impl<F: ?Sized + 'static> Contract<F> {
    /// Converts the contract to a trial, which gets a runtime and a fixture of its own.
    pub(crate) fn into_trial(self, adapter: &str, open: fn() -> Opening<F>) -> Trial {
        let path = self.name.split_once("::").map_or(self.name.as_str(), |(_, path)| path);
        Trial::test(format!("{adapter}::{path}"), move || {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let fixture = open().await;
                tokio::time::timeout(TRIAL_TIMEOUT, (self.run)(&fixture)).await
            })?;
            Ok(())
        })
    }
}

/// Defines `contracts()`, the list of the contracts of a file.
macro_rules! contracts {
    ($fixture:ty: $($contract:ident),+ $(,)?) => {
        pub(crate) fn contracts() -> Vec<$crate::contract::Contract<$fixture>> {
            vec![$($crate::contract::Contract {
                name: concat!(module_path!(), "::", stringify!($contract)).to_owned(),
                run: |fixture| Box::pin($contract(fixture)),
            }),+]
        }
    };
}

pub(crate) use contracts;
