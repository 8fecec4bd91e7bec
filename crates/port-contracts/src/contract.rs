use std::pin::Pin;
use std::time::Duration;

use libtest_mimic::Trial;
use tokio::runtime;

use crate::{Opening, WORKERS};

/// A trial that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// One promise of a port, over a fixture of the kind it needs.
pub(crate) struct Contract<F: ?Sized> {
    /// The path of its function.
    pub(crate) name: &'static str,
    pub(crate) run: for<'f> fn(&'f F) -> Pin<Box<dyn Future<Output = ()> + 'f>>,
}

impl<F: ?Sized + 'static> Contract<F> {
    /// The contract as a trial with a runtime and a fixture of its own.
    pub(crate) fn trial(self, adapter: &str, open: fn() -> Opening<F>) -> Trial {
        let path = self.name.split_once("::").map_or(self.name, |(_, path)| path);
        Trial::test(format!("{adapter}::{path}"), move || {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let fixture = open().await;
                tokio::time::timeout(PATIENCE, (self.run)(&fixture)).await
            })?;
            Ok(())
        })
    }
}

/// Lists the contracts of a file.
macro_rules! contracts {
    ($fixture:ty: $($contract:ident),+ $(,)?) => {
        pub(crate) fn contracts() -> Vec<$crate::contract::Contract<$fixture>> {
            vec![$($crate::contract::Contract {
                name: concat!(module_path!(), "::", stringify!($contract)),
                run: |fixture| Box::pin($contract(fixture)),
            }),+]
        }
    };
}

pub(crate) use contracts;
