//! Figures for whoever runs the gateway, in Prometheus' text form.

use std::sync::Arc;

use darkroom_qkd::link::LinkMetrics;
use prometheus::{IntCounterVec, Opts, Registry};

use crate::error::{Error, Service};
use crate::proxy::Proxy;

const SERVICES: [Service; 2] = [Service::Storage, Service::Compute];

/// All figures.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    failures: IntCounterVec,
}

impl Metrics {
    /// All at zero, those of the sealed links included.
    pub(crate) fn new(proxy: &Proxy) -> Result<Self, Error> {
        let registry = Registry::new();
        for service in SERVICES {
            if let Some(link) = proxy.link(service) {
                let figures = LinkMetrics::of_client(Arc::clone(link))?;
                registry.register(Box::new(figures))?;
            }
        }
        let failures = Opts::new(
            "darkroom_gateway_upstream_failures_total",
            "Requests that the service behind did not answer.",
        );
        let failures = IntCounterVec::new(failures, &["service"])?;
        registry.register(Box::new(failures.clone()))?;
        for service in SERVICES {
            failures.with_label_values(&[name(service)]);
        }
        Ok(Self { registry, failures })
    }

    /// Counts what was not passed on because of a service behind.
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(service) = error.of_service() {
            self.failures.with_label_values(&[name(service)]).inc();
        }
    }
}

fn name(service: Service) -> &'static str {
    match service {
        Service::Storage => "storage",
        Service::Compute => "compute",
    }
}
