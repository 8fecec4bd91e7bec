//! A request is answered in time, whatever the store does.

use std::pin::Pin;
use std::time::Duration;

use actix_web::{FromRequest, Handler, Responder};
use tokio::time::timeout;

use crate::problem::Problem;

/// The longest a caller waits for an answer (04-promises, C8: 503 within three seconds). What an endpoint has begun then
/// may still happen: giving it up is like a caller who hangs up, which every protocol survives (02-architecture).
const DEADLINE: Duration = Duration::from_millis(2_800);

/// An endpoint that answers 503 when it is not done in time. Reading the request does not count.
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
        let answer = self.0.call(args);
        Box::pin(async {
            timeout(DEADLINE, answer)
                .await
                .map_err(|_| Problem::unavailable("the endpoint did not answer in time"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use actix_web::HttpResponse;

    use super::*;

    #[actix_web::test]
    async fn an_endpoint_that_hangs_is_unavailable_and_one_that_answers_is_not() {
        tokio::time::pause();
        let hangs = WithDeadline(|| async { pending::<HttpResponse>().await });
        let problem = hangs.call(()).await.expect_err("it hangs");
        assert_eq!(actix_web::ResponseError::status_code(&problem), 503);
        let answers = WithDeadline(|| async { HttpResponse::NoContent().finish() });
        assert_eq!(answers.call(()).await.expect("it answers").status(), 204);
    }
}
