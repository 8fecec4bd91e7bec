use async_trait::async_trait;
use mongodb::bson::doc;
use ports::Readiness;

use super::Database;
use crate::connection::CALL_TIMEOUT;
use crate::error::MongodbError;

#[async_trait]
impl Readiness for Database {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    async fn is_ready(&self) -> bool {
        let connection = self.connection.clone();
        let answer = self.calls.read(async move {
            let reply = connection.run_command(doc! { "ping": 1, "maxTimeMS": 1_000 }).await;
            reply.map(drop).map_err(|error| MongodbError::read(&error))
        });
        tokio::time::timeout(CALL_TIMEOUT, answer)
            .await
            .is_ok_and(|answer| answer.is_ok())
    }
}
