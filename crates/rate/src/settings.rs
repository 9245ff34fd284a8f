//! The settings of a service's `[rate]`.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How often a service may be asked. A rate of 0 is none: no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateSettings {
    /// Networks of proxies and of Darkroom's other services. Nobody there is limited by address, but
    /// whom they ask for, if they say so.
    pub proxies: Vec<IpNet>,
    /// The header in which they do.
    pub proxies_say: ProxyHeader,
    /// Requests a second with one credential for one vault.
    pub owner_per_s: u32,
    /// So many of them at once after a pause.
    pub owner_burst: u32,
    /// Requests a second from one address.
    pub address_per_s: u32,
    /// So many of them at once after a pause.
    pub address_burst: u32,
    /// Requests a minute from one address that are refused for their credential.
    pub refused_per_min: u32,
    /// So many of them at once after a pause.
    pub refused_burst: u32,
    /// Vaults a minute that are opened from one address.
    pub opened_per_min: u32,
    /// So many of them at once after a pause.
    pub opened_burst: u32,
    /// The most credentials, and the most addresses, that are told apart.
    pub keys: usize,
}

/// The header in which a proxy says whom it asks for. One, as it passes on the other as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// This machine.
const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];
/// Networks that are nobody's on the Internet: the services are there, and a gateway's clients.
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// A setting makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rate.{setting}: {reason}")]
pub struct RateError {
    /// Its name.
    pub setting: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Default for RateSettings {
    /// Of a service behind the gateway.
    fn default() -> Self {
        Self {
            proxies: nets(&[LOOPBACK, PRIVATE].concat()),
            proxies_say: ProxyHeader::XForwardedFor,
            owner_per_s: 1000,
            owner_burst: 10_000,
            address_per_s: 3000,
            address_burst: 30_000,
            refused_per_min: 30,
            refused_burst: 200,
            opened_per_min: 10,
            opened_burst: 100,
            keys: 100_000,
        }
    }
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().filter_map(|net| net.parse().ok()).collect()
}

impl RateSettings {
    /// Those of the gateway, whose clients may be in private networks.
    pub fn in_front() -> Self {
        Self {
            proxies: nets(LOOPBACK),
            ..Self::default()
        }
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), RateError> {
        let refuse = |setting, reason| Err(RateError { setting, reason });
        for (setting, rate, burst) in [
            ("owner_burst", self.owner_per_s, self.owner_burst),
            ("address_burst", self.address_per_s, self.address_burst),
            ("refused_burst", self.refused_per_min, self.refused_burst),
            ("opened_burst", self.opened_per_min, self.opened_burst),
        ] {
            if rate > 0 && burst == 0 {
                return refuse(setting, "0 would let nothing through at all");
            }
        }
        if !(1000..=10_000_000).contains(&self.keys) {
            return refuse("keys", "not between 1000 and 10000000");
        }
        Ok(())
    }
}

/// So many in each period, and so many at once; `None` for no limit.
pub(crate) fn quota(rate: u32, period: Duration, burst: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(rate)?;
    let one = period / rate.get();
    let quota = Quota::with_period(one.max(Duration::from_nanos(1)))?;
    Some(quota.allow_burst(NonZeroU32::new(burst)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_zeros_do_not_where_nothing_would_pass() {
        let settings = RateSettings::default();
        settings.check().unwrap();
        assert_eq!(settings.proxies.len(), LOOPBACK.len() + PRIVATE.len());
        assert_eq!(RateSettings::in_front().proxies.len(), LOOPBACK.len());
        let unfit = RateSettings {
            refused_burst: 0,
            ..settings.clone()
        };
        assert_eq!(unfit.check().unwrap_err().setting, "refused_burst");
        let off = RateSettings {
            refused_per_min: 0,
            ..unfit
        };
        off.check().unwrap();
        let few = RateSettings { keys: 1, ..off };
        assert_eq!(few.check().unwrap_err().setting, "keys");
    }
}
