//! A collector of traces, as the services find one at an operator's: OTLP over HTTP, protobuf.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// The collector, until it is stopped.
pub struct Collector {
    pub url: String,
    seen: web::Data<Seen>,
    handle: ServerHandle,
}

type Seen = Mutex<Vec<Kept>>;

/// A span, and the service that sent it.
#[derive(Debug, Clone)]
pub struct Kept {
    pub service: String,
    pub span: Span,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = web::Data::from(Arc::new(Seen::default()));
        let data = seen.clone();
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route("/v1/traces", web::post().to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, seen, handle }
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<Kept> {
        self.seen.lock().unwrap().clone()
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn take(body: web::Bytes, seen: web::Data<Seen>) -> HttpResponse {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut seen = seen.lock().unwrap();
    for of_service in request.resource_spans {
        let attributes = of_service.resource.unwrap().attributes;
        let name = attributes.into_iter().find(|one| one.key == "service.name");
        let Some(Value::StringValue(service)) = name.unwrap().value.unwrap().value else {
            panic!("a service's name is no text");
        };
        for span in of_service.scope_spans.into_iter().flat_map(|of| of.spans) {
            let service = service.clone();
            seen.push(Kept { service, span });
        }
    }
    HttpResponse::Ok()
        .content_type("application/x-protobuf")
        .finish()
}
