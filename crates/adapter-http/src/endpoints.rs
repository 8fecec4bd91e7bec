//! Routes and their descriptions, registered in one call.

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

use crate::admitted::WithAdmission;
use crate::deadline::WithDeadline;
use crate::description::{Description, NamedSchema};
use crate::observed::{ObservedOperation, Operations, Success, in_http};
use crate::problem::{Code, ErrorResponse, Problem};

/// Base path of every documented operation.
pub(crate) const BASE: &str = "/security/iam/v1";

/// The URL map of a part of the API: what answers, and how it is described.
#[derive(Default)]
pub(crate) struct Endpoints {
    resources: Vec<Resource>,
    description: Description,
}

impl Endpoints {
    /// Adds a path below the base path; `methods` are all it answers, any other is 405.
    pub(crate) fn at(mut self, path: &'static str, methods: impl FnOnce(Methods) -> Methods) -> Self {
        let template = RouteTemplate::new(BASE, path);
        let Methods {
            resource,
            allowed,
            operations,
            has_no_deadline: _,
        } = methods(Methods::new(template));
        let observed: Operations = operations
            .iter()
            .map(|(method, described)| described.observed(method))
            .collect();
        let resource = resource.app_data(observed);
        self.resources.push(only(resource, allowed.join(", ")));
        for (method, described) in operations {
            self.description
                .operations
                .push((template.to_string(), method, described.operation));
            self.description.schemas.extend(described.schemas);
        }
        self
    }

    pub(crate) fn into_parts(self) -> (Vec<Resource>, Description) {
        (self.resources, self.description)
    }
}

/// A resource that answers any other method with 405 and those it allows.
fn only(resource: Resource, allow: String) -> Resource {
    resource.default_service(web::to(move || {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let problem = Problem::new(status, Code::Malformed, "the method is not allowed here");
        let problem = problem.with(header::ALLOW, allow.clone());
        async move { Err::<&str, Problem>(problem) }
    }))
}

/// A page beside the API, not described in it.
pub(crate) fn page<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let Methods { resource, allowed, .. } = Methods::new(RouteTemplate::new("", path)).on_get(handler);
    only(resource, allowed.join(", "))
}

/// The methods of one path.
pub(crate) struct Methods {
    resource: Resource,
    allowed: Vec<&'static str>,
    operations: Vec<(HttpMethod, OperationDoc)>,
    /// Whether an answer may take as long as the caller likes.
    has_no_deadline: bool,
}

impl Methods {
    fn new(template: RouteTemplate) -> Self {
        Self {
            // Whoever observes a request of the resource finds the template there.
            resource: web::resource(template.to_string()).app_data(template),
            allowed: Vec::new(),
            operations: Vec::new(),
            has_no_deadline: false,
        }
    }

    /// For what waits until there is something to tell; given before the methods.
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
        self.on_get(handler).described(HttpMethod::Get, describe)
    }

    pub(crate) fn post<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("POST", Method::POST, handler)
            .described(HttpMethod::Post, describe)
    }

    pub(crate) fn put<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("PUT", Method::PUT, handler)
            .described(HttpMethod::Put, describe)
    }

    pub(crate) fn patch<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("PATCH", Method::PATCH, handler)
            .described(HttpMethod::Patch, describe)
    }

    pub(crate) fn delete<F, Args>(self, handler: F, describe: fn(OperationDoc) -> OperationDoc) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on("DELETE", Method::DELETE, handler)
            .described(HttpMethod::Delete, describe)
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

    fn described(mut self, method: HttpMethod, describe: fn(OperationDoc) -> OperationDoc) -> Self {
        self.operations.push((method, describe(OperationDoc::default())));
        self
    }
}

/// The description of one operation, as it is being written.
#[derive(Default)]
pub(crate) struct OperationDoc {
    operation: OperationBuilder,
    schemas: Vec<NamedSchema>,
    id: String,
    success: Success,
}

impl OperationDoc {
    pub(crate) fn operation(mut self, tag: &str, id: &str, summary: &str) -> Self {
        id.clone_into(&mut self.id);
        self.operation = self.operation.tag(tag).operation_id(Some(id)).summary(Some(summary));
        self
    }

    /// For what only reads though it is a POST, and for what records itself what it changed.
    pub(crate) fn without_audit_of_success(mut self) -> Self {
        self.success = Success::Unrecorded;
        self
    }

    fn observed(&self, method: &HttpMethod) -> ObservedOperation {
        let is_read = matches!(method, HttpMethod::Get | HttpMethod::Head);
        ObservedOperation {
            method: in_http(method),
            id: self.id.clone(),
            records_success: !is_read && self.success == Success::Recorded,
        }
    }

    /// What the operation requires, from the same const that is judged.
    pub(crate) fn requires<P: Permission>(mut self) -> Self {
        let text: Vec<String> = P::REQUIREMENT.iter().map(in_words).collect();
        let machine: Vec<Value> = P::REQUIREMENT.iter().map(for_machines).collect();
        let extensions = utoipa::openapi::extensions::ExtensionsBuilder::new()
            .add("x-requires", machine)
            .build();
        self.operation = self
            .operation
            .description(Some(format!("Requires {}.", text.join("; or "))))
            .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
            .extensions(Some(extensions));
        self.error(401, "The bearer token is missing or not valid")
            .error(403, "Roles or scopes are not sufficient")
            .error(429, "Too many requests of this client or this user")
    }

    pub(crate) fn secured_by(mut self, requirement: SecurityRequirement) -> Self {
        self.operation = self.operation.security(requirement);
        self
    }

    pub(crate) fn parameter(mut self, place: ParameterIn, name: &str, required: bool, about: &str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(if required { Required::True } else { Required::False })
            .description(Some(about))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        self.operation = self.operation.parameter(parameter);
        self
    }

    pub(crate) fn json_body<T: ToSchema>(self, required: bool) -> Self {
        self.body::<T>(&["application/json"], required)
    }

    /// The same fields as JSON or as a form.
    pub(crate) fn json_or_form_body<T: ToSchema>(self, required: bool) -> Self {
        self.body::<T>(&["application/json", "application/x-www-form-urlencoded"], required)
    }

    /// A JSON merge patch (RFC 7396).
    pub(crate) fn merge_patch_body<T: ToSchema>(self) -> Self {
        self.body::<T>(&["application/merge-patch+json", "application/json"], true)
    }

    fn body<T: ToSchema>(mut self, media_types: &[&str], required: bool) -> Self {
        let schema = self.reference::<T>();
        let required = if required { Required::True } else { Required::False };
        let mut body = RequestBodyBuilder::new().required(Some(required));
        for media_type in media_types {
            let content = ContentBuilder::new().schema(Some(schema.clone())).build();
            body = body.content(*media_type, content);
        }
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    pub(crate) fn answers_json<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.reference::<T>();
        self.answers(status, about, Some(("application/json", schema.into())))
    }

    pub(crate) fn answers_array<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let items = self.reference::<T>();
        let schema = ArrayBuilder::new().items(items).build();
        self.answers(status, about, Some(("application/json", schema.into())))
    }

    pub(crate) fn answers_lines<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.reference::<T>();
        self.answers(status, about, Some(("application/x-ndjson", schema.into())))
    }

    pub(crate) fn answers_empty(self, status: u16, about: &str) -> Self {
        self.answers(status, about, None)
    }

    pub(crate) fn error(self, status: u16, about: &str) -> Self {
        self.answers_array::<ErrorResponse>(status, about)
    }

    /// The errors every operation with a body may answer.
    pub(crate) fn body_errors(self) -> Self {
        self.error(400, "The request cannot be read or lacks a required field")
            .error(413, "The body is larger than 64 KiB")
            .error(415, "The body is not of a type that is read here")
    }

    /// The errors every operation that needs the store may answer.
    pub(crate) fn store_errors(self) -> Self {
        self.error(500, "Unexpected error")
            .error(503, "A backing service is not reachable")
    }

    fn answers(mut self, status: u16, about: &str, content: Option<(&str, RefOr<Schema>)>) -> Self {
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

fn in_words(alternative: &Alternative) -> String {
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

fn for_machines(alternative: &Alternative) -> Value {
    let carries = match alternative.carries {
        RequiredSubject::Client => "client",
        RequiredSubject::User => "user",
        RequiredSubject::SameUser => "same-user",
    };
    json!({"carries": carries, "roles": alternative.roles, "scopes": alternative.scopes})
}
