//! The OpenAPI document, generated from the handlers, and an index of its paths.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi as Document, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::web::ingest::{otlp, remote_write, webhook};
use crate::web::rejection::Details;
use crate::web::routes::{
    aliases, analytics, changes, connectors, dead_letters, events, health, investigation, investigations, ledger, notes, stream, topology,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "whydunit", version = "1", description = "What broke, what caused it, and who says so.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        investigations::list, investigations::create, investigations::facets, investigations::close_many,
        investigation::show, investigation::patch, investigation::close, investigation::reopen, investigation::resolve,
        investigation::assign, investigation::list_events, investigation::link_event, investigation::timeline,
        investigation::suspects, investigation::set_verdict, investigation::graph, investigation::activity,
        investigation::explain,
        notes::list, notes::add, notes::edit, notes::remove,
        events::list, events::create, events::search, events::facets, events::show, events::source_record,
        connectors::list, connectors::show, connectors::pause, connectors::resume, connectors::trip, connectors::reset,
        dead_letters::list, dead_letters::groups, dead_letters::show, dead_letters::reveal, dead_letters::discard,
        dead_letters::dry_run, dead_letters::replay, dead_letters::replay_many, dead_letters::discard_many,
        dead_letters::replay_runs, dead_letters::restore, dead_letters::restore_many, ledger::show,
        analytics::summary, changes::list, changes::show, aliases::list, aliases::set, aliases::remove, topology::topology, health::health, health::openapi, stream::stream,
        otlp::logs, otlp::metrics, otlp::traces, remote_write::write, webhook::take
    ),
    components(schemas(Details)),
    modifiers(&Common)
)]
struct Contract;

/// The document.
pub fn openapi() -> Document {
    Contract::openapi()
}

/// What holds for every operation, said once.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        if let Some(components) = document.components.as_mut() {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("Needed when web.token is set.")).build();
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
        }
        for (path, item) in &mut document.paths.paths {
            for (operation, writes) in
                [(&mut item.get, false), (&mut item.post, true), (&mut item.patch, true), (&mut item.put, true), (&mut item.delete, true)]
            {
                if let Some(operation) = operation {
                    name(operation);
                    complete(operation, writes, path.contains('{'));
                }
            }
        }
    }
}

/// Names of operations must be unique: the resource goes in front.
fn name(operation: &mut Operation) {
    let resource = operation.tags.as_ref().and_then(|tags| tags.first()).map(|tag| tag.replace(' ', "_")).unwrap_or_default();
    let own = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = Some(format!("{resource}_{own}"));
}

fn complete(operation: &mut Operation, writes: bool, of_one: bool) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = if status == "204" { "Done." } else { "As asked." }.to_owned();
        }
    }
    let problem = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    let refused = ResponseBuilder::new().description("Refused, with the reason.").content("application/problem+json", problem);
    operation.responses.responses.insert("default".to_owned(), refused.build().into());
    let parameters = operation.parameters.get_or_insert_default();
    if parameters.iter().any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "per_page")) {
        add_page_headers(operation);
        return;
    }
    // Of what brings records nobody asks who, and each record has an identity of its own.
    if writes && !operation.tags.iter().flatten().any(|tag| tag == "ingest") {
        parameters.push(header("X-Whydunit-User", "Your name, percent-encoded where it is not ASCII; `local` when absent."));
        parameters.push(header("Idempotency-Key", "The same key again gives the first answer again and does nothing twice."));
        if of_one && operation.tags.iter().flatten().any(|tag| tag == "investigation" || tag == "notes") {
            parameters.push(header("If-Match", "The ETag you read, or `*`; 412 when it was changed since."));
        }
    }
}

fn header(name: &str, about: &str) -> RefOr<Parameter> {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    RefOr::T(parameter)
}

fn add_page_headers(operation: &mut Operation) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else { return };
    for (name, about) in [
        ("X-Total-Count", "Items in all; exact up to 10,000."),
        ("X-Total-Count-Exact", "`false` when there are more."),
        ("X-Page", "Number of this page."),
        ("X-Per-Page", "Items a page."),
        ("X-Next-Cursor", "Where the next page starts; absent on the last."),
        ("Link", "The next page, `rel=\"next\"`; absent on the last."),
    ] {
        let described = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).description(Some(about)).build();
        response.headers.insert(name.to_owned(), RefOr::T(described));
    }
}

/// Which methods each documented path takes.
#[derive(Debug)]
pub struct Index(Vec<(Vec<String>, Vec<&'static str>)>);

impl Index {
    pub fn new(document: &Document) -> Self {
        let paths = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                ("GET", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
            ];
            let taken = methods.into_iter().filter(|(_, taken)| *taken).map(|(method, _)| method).collect();
            (path.split('/').map(str::to_owned).collect(), taken)
        });
        Self(paths.collect())
    }

    /// Methods of the path; none when it is unknown. A literal segment goes before a parameter.
    pub fn methods(&self, path: &str) -> Vec<&'static str> {
        let segments: Vec<_> = path.split('/').collect();
        let matching = self.0.iter().filter(|(template, _)| fits(template, &segments));
        let parameters = |template: &[String]| template.iter().filter(|segment| segment.starts_with('{')).count();
        let mut methods = matching.min_by_key(|(template, _)| parameters(template)).map(|(_, methods)| methods.clone()).unwrap_or_default();
        if methods.contains(&"GET") {
            methods.insert(1, "HEAD");
        }
        methods
    }
}

fn fits(template: &[String], segments: &[&str]) -> bool {
    template.len() == segments.len()
        && template.iter().zip(segments).all(|(wanted, given)| if wanted.starts_with('{') { !given.is_empty() } else { wanted == given })
}
