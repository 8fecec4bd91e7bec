//! Limits how long a request may wait for its response, whatever the store does.

use std::pin::Pin;
use std::time::Duration;

use actix_web::{FromRequest, Handler, Responder};
use tokio::time::timeout;

use crate::problem::Problem;

/// The time limit of an endpoint. The client then gets a 503 within three seconds (docs/promises.md, C8); the other 200
/// ms are for the network. At the deadline the future of the endpoint is dropped, as when the client hangs up. It
/// decides nothing more, but a write that was already sent may still take effect (docs/protocols.md "Store rules").
const DEADLINE: Duration = Duration::from_millis(2_800);

/// A handler that answers 503 if the endpoint `F` does not finish within the deadline. The time to read the request
/// does not count.
#[derive(Clone)]
pub(crate) struct WithDeadline<F>(pub(crate) F);

impl<F, Args> Handler<Args> for WithDeadline<F>
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    F::Future: 'static,
    Args: FromRequest + 'static,
{
    type Output = Result<F::Output, Problem>;
    type Future = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn call(&self, args: Args) -> Self::Future {
        let response = self.0.call(args);
        Box::pin(async {
            timeout(DEADLINE, response)
                .await
                .map_err(|_| Problem::unavailable("the endpoint exceeded its deadline"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use actix_web::HttpResponse;

    use super::*;

    #[actix_web::test]
    async fn only_an_endpoint_that_hangs_is_unavailable() {
        tokio::time::pause();
        let hangs = WithDeadline(|| async { pending::<HttpResponse>().await });
        let problem = hangs.call(()).await.expect_err("it hangs");
        assert_eq!(actix_web::ResponseError::status_code(&problem), 503);
        let answers = WithDeadline(|| async { HttpResponse::NoContent().finish() });
        assert_eq!(answers.call(()).await.expect("it answers").status(), 204);
    }
}
