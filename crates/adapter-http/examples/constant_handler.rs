//! Line H of the benchmarks (docs/benchmarks.md): an actix-web handler that returns a constant. It is the upper bound
//! for every endpoint of AuthMe.
//!
//! `constant_handler ADDRESS` serves until it is killed.

use actix_web::{App, HttpResponse, HttpServer, web};

async fn constant() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"constant":true}"#)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    HttpServer::new(|| App::new().route("/constant", web::get().to(constant)))
        .bind(address)?
        .run()
        .await
}
