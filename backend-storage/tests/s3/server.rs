//! A real S3 server on a real port, over a folder, with signatures checked.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::{CompleteMultipartUploadInput, PutObjectInput};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Request, S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;
use tokio::task::AbortHandle;

pub const BUCKET: &str = "pictures";
pub const ACCESS_KEY_ID: &str = "storage";
pub const SECRET_ACCESS_KEY: &str = "not/to+be=shown";

/// What goes wrong at the server.
#[derive(Default)]
pub struct Faults {
    /// Answer everything with this status, if it is not 0.
    pub status: AtomicU16,
    /// Do the so-manyth write from now on and say 500; 0 is none.
    pub lose_answer_to: AtomicUsize,
    /// Take everything and answer nothing.
    pub hang: AtomicBool,
    /// Take no notice of `If-None-Match` on objects that come in one request, ...
    pub ignore_on_put: AtomicBool,
    /// ... and on those in parts.
    pub ignore_on_complete: AtomicBool,
}

/// Keeps its port as long as it lives: another test's server must not get it meanwhile.
pub struct Server {
    pub faults: Arc<Faults>,
    /// Requests that write or delete.
    pub writes: Arc<AtomicUsize>,
    address: SocketAddr,
    connections: Arc<Connections>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Connections {
    is_down: AtomicBool,
    open: Mutex<Vec<AbortHandle>>,
}

impl Server {
    pub fn start(root: PathBuf) -> Self {
        Self::start_at(root, "127.0.0.1:0")
    }

    pub fn start_at(root: PathBuf, address: impl ToSocketAddrs) -> Self {
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        let faults = Arc::<Faults>::default();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        service.set_access(Access(Arc::clone(&faults)));
        let served = Arc::new(Served {
            service: service.build(),
            faults: Arc::clone(&faults),
            writes: Arc::default(),
            lock: RwLock::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let writes = Arc::clone(&served.writes);
        let connections = Arc::<Connections>::default();
        runtime.spawn(accept(listener, served, Arc::clone(&connections)));
        Self {
            faults,
            writes,
            address,
            connections,
            _runtime: runtime,
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All connections end, and new ones do at once.
    pub fn stop(&self) {
        self.connections.is_down.store(true, Ordering::SeqCst);
        for connection in self.connections.open.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    pub fn start_again(&self) {
        self.connections.is_down.store(false, Ordering::SeqCst);
    }
}

async fn accept(listener: std::net::TcpListener, served: Arc<Served>, all: Arc<Connections>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let mut open = all.open.lock().unwrap();
        if all.is_down.load(Ordering::SeqCst) {
            continue;
        }
        let served = Arc::clone(&served);
        let answer = service_fn(move |request| {
            let served = Arc::clone(&served);
            async move { served.answer(request).await }
        });
        let connection = tokio::spawn(async move {
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(socket), answer).await;
        });
        open.push(connection.abort_handle());
    }
}

struct Served {
    service: S3Service,
    faults: Arc<Faults>,
    writes: Arc<AtomicUsize>,
    /// Its conditional writes are not atomic by themselves: one write at a time.
    lock: RwLock<()>,
}

impl Served {
    async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Body>, s3s::HttpError> {
        let faults = &self.faults;
        if faults.hang.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let status = faults.status.load(Ordering::Relaxed);
        if status != 0 {
            let mut refusal = Response::new(Body::from("<Error/>".to_owned()));
            *refusal.status_mut() = StatusCode::from_u16(status).unwrap();
            return Ok(refusal);
        }
        let request = request.map(Body::from);
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            let _reading = self.lock.read().await;
            return self.service.call(request).await;
        }
        let _writing = self.lock.write().await;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut answer = self.service.call(request).await?;
        let left = faults.lose_answer_to.load(Ordering::Relaxed);
        if left > 0 {
            faults.lose_answer_to.store(left - 1, Ordering::Relaxed);
        }
        if left == 1 {
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        Ok(answer)
    }
}

struct Access(Arc<Faults>);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        match context.credentials() {
            Some(_) => Ok(()),
            None => Err(s3_error!(AccessDenied)),
        }
    }

    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        if self.0.ignore_on_put.load(Ordering::Relaxed) {
            request.input.if_none_match = None;
        }
        Ok(())
    }

    async fn complete_multipart_upload(
        &self,
        request: &mut S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<()> {
        if self.0.ignore_on_complete.load(Ordering::Relaxed) {
            request.input.if_none_match = None;
        }
        Ok(())
    }
}
