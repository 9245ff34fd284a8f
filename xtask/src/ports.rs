//! Where the services listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};

use crate::transit::Transit;

/// Ports on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Of the gateway, where the page is.
    pub gateway: u16,
    /// Of storage.
    pub storage: u16,
    /// Of compute.
    pub compute: u16,
}

impl std::str::FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not three different ports as in 7000,7001,7002");
        let ports: Result<Vec<u16>, _> = text.split(',').map(|port| port.trim().parse()).collect();
        match ports.map_err(|_| wrong())?[..] {
            [gateway, storage, compute]
                if gateway != storage && storage != compute && compute != gateway =>
            {
                Ok(Self {
                    gateway,
                    storage,
                    compute,
                })
            }
            _ => Err(wrong()),
        }
    }
}

/// Fails with a clear message if a port is taken.
pub fn check_ports(ports: Ports, transit: &Transit) -> Result<()> {
    let mut named = vec![
        ("gateway", ports.gateway),
        ("storage", ports.storage),
        ("compute", ports.compute),
    ];
    named.extend(transit.ports()?);
    for (name, port) in named {
        if let Err(error) = TcpListener::bind(local(port)) {
            bail!(
                "port {port}, meant for {name}, cannot be used ({error}): stop what uses it, or \
                 choose others with --ports GATEWAY,STORAGE,COMPUTE and --kme-port FIRST"
            );
        }
    }
    Ok(())
}

/// A port of this machine, for this machine.
pub fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_three_different_numbers() {
        let ports = Ports {
            gateway: 7000,
            storage: 7001,
            compute: 7002,
        };
        assert_eq!("7000, 7001,7002".parse(), Ok(ports));
        for bad in [
            "",
            "7000",
            "1,2,3,4",
            "1,1,2",
            "1,2,2",
            "1,2,1",
            "1,2,70000",
            "a,b,c",
        ] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_taken_port_is_named_with_its_service() {
        let taken = TcpListener::bind(local(0)).unwrap();
        let storage = taken.local_addr().unwrap().port();
        let ports = Ports {
            gateway: 0,
            storage,
            compute: 0,
        };
        let message = check_ports(ports, &Transit::none())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(&format!("port {storage}, meant for storage")),
            "{message}"
        );
    }
}
