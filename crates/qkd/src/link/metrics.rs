//! Figures of the ends of links, for Prometheus.

use std::fmt;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use super::{LinkClient, LinkServer, LinkSettings, Usage};
use crate::reserve::Reserve;

/// The figures of the links that end here, under the label `link` (`client>server`). To be registered.
pub struct LinkMetrics {
    ends: Ends,
    reserve: IntGaugeVec,
    messages: IntCounterVec,
    refused: IntCounterVec,
    shortages: IntCounterVec,
}

enum Ends {
    Server(Arc<LinkServer>),
    Client(Arc<LinkClient>),
}

impl LinkMetrics {
    /// Of the ends of a server.
    ///
    /// # Errors
    /// Never, as long as the names in this file are in order.
    pub fn of_server(server: Arc<LinkServer>) -> prometheus::Result<Self> {
        Self::of(Ends::Server(server))
    }

    /// Of a client's end.
    ///
    /// # Errors
    /// Never, as long as the names in this file are in order.
    pub fn of_client(client: Arc<LinkClient>) -> prometheus::Result<Self> {
        Self::of(Ends::Client(client))
    }

    fn of(ends: Ends) -> prometheus::Result<Self> {
        // Two clients' ends in one process have figures of the same names; this label, which never
        // changes, tells them apart for the registry.
        let (end, name) = match &ends {
            Ends::Server(_) => ("server", "all".to_owned()),
            Ends::Client(client) => ("client", label(client.settings(), true)),
        };
        let opts = |figure: &str, help: &str| {
            Opts::new(format!("darkroom_link_{figure}"), help)
                .const_label("end", end)
                .const_label("of", name.clone())
        };
        let counter = |figure: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(opts(figure, help), labels)
        };
        Ok(Self {
            reserve: IntGaugeVec::new(
                opts("keys_in_reserve", "QKD keys fetched ahead."),
                &["link"],
            )?,
            messages: counter(
                "messages_total",
                "Messages sealed and opened.",
                &["link", "direction"],
            )?,
            refused: counter(
                "refused_total",
                "Messages that were not genuine.",
                &["link"],
            )?,
            shortages: counter(
                "key_shortages_total",
                "Messages not sent or opened for lack of a QKD key.",
                &["link"],
            )?,
            ends,
        })
    }

    fn update(&self) {
        let set = |link: &str, usage: &Usage, reserve: &Reserve| {
            let level = i64::try_from(reserve.level()).unwrap_or(i64::MAX);
            self.reserve.with_label_values(&[link]).set(level);
            let raise = |counter: prometheus::IntCounter, to: u64| {
                counter.inc_by(to.saturating_sub(counter.get()));
            };
            let messages = |way: &str| self.messages.with_label_values(&[link, way]);
            raise(messages("sealed"), usage.sealed());
            raise(messages("opened"), usage.opened());
            raise(self.refused.with_label_values(&[link]), usage.refused());
            raise(self.shortages.with_label_values(&[link]), usage.shortages());
        };
        match &self.ends {
            Ends::Client(client) => set(
                &label(client.settings(), true),
                client.usage(),
                client.reserve(),
            ),
            Ends::Server(server) => {
                for end in server.ends() {
                    set(&label(end.settings(), false), end.usage(), end.reserve());
                }
            }
        }
    }

    fn figures(&self) -> [&dyn Collector; 4] {
        [
            &self.reserve,
            &self.messages,
            &self.refused,
            &self.shortages,
        ]
    }
}

impl fmt::Debug for LinkMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkMetrics")
    }
}

impl Collector for LinkMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.figures()
            .into_iter()
            .flat_map(Collector::desc)
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.update();
        self.figures()
            .into_iter()
            .flat_map(Collector::collect)
            .collect()
    }
}

fn label(settings: &LinkSettings, is_client: bool) -> String {
    let (local, remote) = (&settings.local, &settings.remote);
    match is_client {
        true => format!("{local}>{remote}"),
        false => format!("{remote}>{local}"),
    }
}
