//! Registers a route and its description in one call, so that neither exists without the other.

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{FromRequest, Handler, Resource, Responder, web};
use domain::permission::{Alternative, Permission, RequiredSubject};
use ports::RouteTemplate;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, RefOr, Required, ResponseBuilder, Schema};

use crate::admission::WithAdmission;
use crate::deadline::WithDeadline;
use crate::description::{Description, NamedSchema};
use crate::problem::{Code, ErrorResponse, Problem};
use crate::request_record::{AuditedOperation, AuditedOperations, Success, http_method};

/// The base path of every documented operation.
pub(crate) const BASE: &str = "/security/iam/v1";

/// The routes of a part of the API, with their descriptions.
#[derive(Default)]
pub struct Endpoints {
    resources: Vec<Resource>,
    description: Description,
}

impl Endpoints {
    /// Adds a path below the base path with its `methods`. Any other method gets 405.
    pub(crate) fn at(mut self, path: &'static str, methods: impl FnOnce(Methods) -> Methods) -> Self {
        let template = RouteTemplate::new(BASE, path);
        let Methods {
            resource,
            allowed,
            operations,
            has_no_deadline: _,
        } = methods(Methods::new(template));
        let audited: AuditedOperations = operations
            .iter()
            .map(|(method, doc)| doc.audited_operation(method))
            .collect();
        let resource = resource.app_data(audited);
        self.resources.push(reject_other_methods(resource, allowed.join(", ")));
        for (method, doc) in operations {
            let text = format!("{} {}", doc.description, doc.requirement);
            let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            let operation = doc.operation.description(text);
            self.description
                .operations
                .push((template.to_string(), method, operation));
            self.description.schemas.extend(doc.schemas);
        }
        self
    }

    pub(crate) fn into_parts(self) -> (Vec<Resource>, Description) {
        (self.resources, self.description)
    }
}

/// Answers any method without a route with 405 and an `Allow` header.
fn reject_other_methods(resource: Resource, allow: String) -> Resource {
    resource.default_service(web::to(move || {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let problem = Problem::new(status, Code::Malformed, "the method is not allowed for this path");
        let problem = problem.with_header(header::ALLOW, allow.clone());
        async move { Err::<&str, Problem>(problem) }
    }))
}

/// Creates a resource for GET and HEAD that the API description does not contain.
pub(crate) fn page<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let Methods { resource, allowed, .. } = Methods::new(RouteTemplate::new("", path)).on_get(handler);
    reject_other_methods(resource, allowed.join(", "))
}

/// The methods of one path.
pub(crate) struct Methods {
    resource: Resource,
    allowed: Vec<&'static str>,
    operations: Vec<(HttpMethod, OperationDoc)>,
    /// True if the endpoints wait by design and have no deadline.
    has_no_deadline: bool,
}

impl Methods {
    fn new(template: RouteTemplate) -> Self {
        Self {
            // The instrumentation labels the requests of the resource with the template.
            resource: web::resource(template.to_string()).app_data(template),
            allowed: Vec::new(),
            operations: Vec::new(),
            has_no_deadline: false,
        }
    }

    /// Exempts the methods that are added after this call from the deadline, for endpoints that wait by design.
    pub(crate) fn without_deadline(mut self) -> Self {
        self.has_no_deadline = true;
        self
    }

    pub(crate) fn get<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on_get(handler).describe(HttpMethod::Get, describe)
    }

    pub(crate) fn post<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("POST", Method::POST, handler)
            .describe(HttpMethod::Post, describe)
    }

    pub(crate) fn put<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("PUT", Method::PUT, handler).describe(HttpMethod::Put, describe)
    }

    pub(crate) fn patch<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("PATCH", Method::PATCH, handler)
            .describe(HttpMethod::Patch, describe)
    }

    pub(crate) fn delete<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("DELETE", Method::DELETE, handler)
            .describe(HttpMethod::Delete, describe)
    }

    fn on_get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("GET", Method::GET, handler.clone())
            .on("HEAD", Method::HEAD, handler)
    }

    fn on<F, Args>(mut self, name: &'static str, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::method(method);
        let handler = WithAdmission(handler);
        let route = if self.has_no_deadline {
            route.to(handler)
        } else {
            route.to(WithDeadline(handler))
        };
        self.resource = self.resource.route(route);
        self.allowed.push(name);
        self
    }

    fn describe(mut self, method: HttpMethod, describe: fn(OperationDoc) -> OperationDoc) -> Self {
        self.operations.push((method, describe(OperationDoc::default())));
        self
    }
}

/// A builder for the description of one operation.
#[derive(Default)]
pub(crate) struct OperationDoc {
    operation: OperationBuilder,
    schemas: Vec<NamedSchema>,
    id: String,
    description: String,
    requirement: String,
    success: Success,
}

impl OperationDoc {
    pub(crate) fn operation(mut self, tag: &str, id: &str, summary: &str) -> Self {
        id.clone_into(&mut self.id);
        self.operation = self.operation.tag(tag).operation_id(Some(id)).summary(Some(summary));
        self
    }

    /// Sets the description of the operation, without its requirement.
    pub(crate) fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// Leaves successful requests out of the audit trail, for a POST that only reads and for use cases that write their
    /// own record.
    pub(crate) fn without_audit_of_success(mut self) -> Self {
        self.success = Success::Unrecorded;
        self
    }

    fn audited_operation(&self, method: &HttpMethod) -> AuditedOperation {
        let is_read = matches!(method, HttpMethod::Get | HttpMethod::Head);
        AuditedOperation {
            method: http_method(method),
            id: self.id.clone(),
            records_success: !is_read && self.success == Success::Recorded,
        }
    }

    /// Describes the requirement of the operation, using the same constant that requests are checked against.
    pub(crate) fn requires<P: Permission>(mut self) -> Self {
        let alternatives: Vec<String> = P::REQUIREMENT.iter().map(describe_alternative).collect();
        let extension: Vec<Value> = P::REQUIREMENT.iter().map(alternative_json).collect();
        let extensions = utoipa::openapi::extensions::ExtensionsBuilder::new()
            .add("x-requires", extension)
            .build();
        self.requirement = format!("Requires {}.", alternatives.join("; or "));
        self.operation = self
            .operation
            .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
            .extensions(Some(extensions));
        self.error(
            401,
            "The access token is missing, expired, no longer active, or cannot be verified",
        )
        .error(
            403,
            "The caller is not permitted; `message` names the missing role or scope, or the rule",
        )
        .error(
            429,
            "The client or the user has exceeded its request limit; repeat after `Retry-After` seconds",
        )
    }

    pub(crate) fn secured_by(mut self, requirement: SecurityRequirement) -> Self {
        self.operation = self.operation.security(requirement);
        self
    }

    pub(crate) fn parameter(mut self, location: ParameterIn, name: &str, is_required: bool, about: &str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(location)
            .required(if is_required { Required::True } else { Required::False })
            .description(Some(about))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        self.operation = self.operation.parameter(parameter);
        self
    }

    pub(crate) fn json_body<T: ToSchema>(self, is_required: bool) -> Self {
        self.body::<T>(&["application/json"], is_required)
    }

    /// Describes a body whose fields may be JSON or a form.
    pub(crate) fn json_or_form_body<T: ToSchema>(self, is_required: bool) -> Self {
        self.body::<T>(&["application/json", "application/x-www-form-urlencoded"], is_required)
    }

    /// Describes a body that is a JSON merge patch (RFC 7396).
    pub(crate) fn merge_patch_body<T: ToSchema>(self) -> Self {
        self.body::<T>(&["application/merge-patch+json", "application/json"], true)
    }

    fn body<T: ToSchema>(mut self, media_types: &[&str], is_required: bool) -> Self {
        let schema = self.reference::<T>();
        let required = if is_required { Required::True } else { Required::False };
        let mut body = RequestBodyBuilder::new().required(Some(required));
        for media_type in media_types {
            let content = ContentBuilder::new().schema(Some(schema.clone())).build();
            body = body.content(*media_type, content);
        }
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    pub(crate) fn json_response<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.reference::<T>();
        self.response(status, about, Some(("application/json", schema.into())))
    }

    pub(crate) fn array_response<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let items = self.reference::<T>();
        let schema = ArrayBuilder::new().items(items).build();
        self.response(status, about, Some(("application/json", schema.into())))
    }

    pub(crate) fn ndjson_response<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.reference::<T>();
        self.response(status, about, Some(("application/x-ndjson", schema.into())))
    }

    pub(crate) fn empty_response(self, status: u16, about: &str) -> Self {
        self.response(status, about, None)
    }

    pub(crate) fn error(self, status: u16, about: &str) -> Self {
        self.array_response::<ErrorResponse>(status, about)
    }

    /// Describes the errors of every operation with a body.
    pub(crate) fn body_errors(self) -> Self {
        self.error(
            400,
            "The request is malformed or lacks a required field; `field` names it",
        )
        .error(413, "The body is larger than 64 KiB")
        .error(415, "The body has an unsupported content type")
    }

    /// Describes the errors of every operation that needs the store.
    pub(crate) fn store_errors(self) -> Self {
        self.error(500, "Unexpected error; report the `x-request-id` to the operator")
            .error(
                503,
                "A backing service is not reachable or did not answer in time; repeat the request",
            )
    }

    fn response(mut self, status: u16, about: &str, content: Option<(&str, RefOr<Schema>)>) -> Self {
        let mut response = ResponseBuilder::new().description(about);
        if let Some((media_type, schema)) = content {
            response = response.content(media_type, ContentBuilder::new().schema(Some(schema)).build());
        }
        self.operation = self.operation.response(status.to_string(), response.build());
        self
    }

    fn reference<T: ToSchema>(&mut self) -> Ref {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        Ref::from_schema_name(name)
    }
}

fn describe_alternative(alternative: &Alternative) -> String {
    let token = match alternative.carries {
        RequiredSubject::Client => "a client-only token",
        RequiredSubject::User => "a token that carries a user",
        RequiredSubject::SameUser => "a token of the user in the path",
    };
    let scopes = if alternative.scopes.is_empty() {
        String::new()
    } else {
        format!(" and the scope {}", alternative.scopes.join(", "))
    };
    format!("{token} with the roles {}{scopes}", alternative.roles.join(", "))
}

fn alternative_json(alternative: &Alternative) -> Value {
    let carries = match alternative.carries {
        RequiredSubject::Client => "client",
        RequiredSubject::User => "user",
        RequiredSubject::SameUser => "same-user",
    };
    json!({"carries": carries, "roles": alternative.roles, "scopes": alternative.scopes})
}
