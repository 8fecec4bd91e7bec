//! Assembles the `OpenAPI` document from the descriptions of the operations.

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathsBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, RefOr, Schema};

pub(crate) type NamedSchema = (String, RefOr<Schema>);

/// The description of the API, or of one of its contexts.
#[derive(Default)]
pub struct Description {
    pub(crate) operations: Vec<(String, HttpMethod, OperationBuilder)>,
    pub(crate) schemas: Vec<NamedSchema>,
}

impl Description {
    /// Returns the path and method of every operation, for tests that compare them.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &HttpMethod)> {
        self.operations.iter().map(|(path, method, _)| (path.as_str(), method))
    }

    /// Returns the `OpenAPI` document.
    pub fn into_document(self, title: &str) -> OpenApi {
        let mut paths = PathsBuilder::new();
        for (path, method, operation) in self.operations {
            let operation: Operation = operation.build();
            paths = paths.path(path, PathItem::new(method, operation));
        }
        let mut schemas = self.schemas;
        schemas.sort_by(|(one, _), (other, _)| one.cmp(other));
        schemas.dedup_by(|(one, _), (other, _)| one == other);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        let components = ComponentsBuilder::new()
            .schemas_from_iter(schemas)
            .security_scheme("bearer", SecurityScheme::Http(bearer))
            .security_scheme("basic", SecurityScheme::Http(basic))
            .build();
        let description = "Every 4xx and 5xx response has an array of [Error](#model/error) as its body. A 500 does not name its \
                           cause: report the `x-request-id`, which every response carries, to the operator.";
        let info = InfoBuilder::new()
            .title(title)
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(description))
            .build();
        OpenApiBuilder::new()
            .info(info)
            .paths(paths.build())
            .components(Some(components))
            .build()
    }
}
