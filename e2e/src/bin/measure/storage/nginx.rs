//! nginx as Debian ships it, serving the files that storage serves.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use e2e::process::{PATIENCE, Process};

/// A running nginx.
pub struct Nginx {
    process: Process,
    pub address: SocketAddr,
}

impl Nginx {
    /// Starts it over a folder; `None` where it is not installed.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(root: &Path, own: &Path) -> Result<Option<Self>> {
        let Some(program) = program() else {
            return Ok(None);
        };
        std::fs::create_dir_all(own)?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = own.join("nginx.conf");
        std::fs::write(&file, configuration(root, own, free))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).arg("-p").arg(own);
        let mut process = Process::start(&mut command, &own.join("nginx.log"))?;
        let began = Instant::now();
        while TcpStream::connect(free).is_err() {
            if began.elapsed() > PATIENCE || !process.is_running()? {
                bail!("nginx does not start:\n{}", process.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Some(Self {
            process,
            address: free,
        }))
    }

    /// The processor time of all its processes, in seconds.
    ///
    /// # Errors
    /// It does not run.
    pub fn processor_s(&self) -> Result<f64> {
        self.process.processor_s()
    }
}

fn program() -> Option<&'static str> {
    ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|program| Path::new(program).exists())
}

/// Its defaults, save where it writes; one process, which is enough for one machine of two cores and
/// lets its processor time be read.
fn configuration(root: &Path, own: &Path, listen: SocketAddr) -> String {
    let own = own.display();
    let user = match rustix::process::geteuid().is_root() {
        // Its own user cannot read a folder that is storage's alone.
        true => "user root;",
        false => "",
    };
    format!(
        "{user}
daemon off;
master_process off;
pid {own}/nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log {own}/access.log;
  client_body_temp_path {own}/body;
  proxy_temp_path {own}/proxy;
  fastcgi_temp_path {own}/fastcgi;
  uwsgi_temp_path {own}/uwsgi;
  scgi_temp_path {own}/scgi;
  sendfile on;
  tcp_nopush on;
  server {{ listen {listen}; root {root}; }}
}}
",
        root = root.display()
    )
}
