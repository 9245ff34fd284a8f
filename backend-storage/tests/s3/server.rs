//! A real S3 server on a real port, over a folder, with signatures checked.

use std::net::SocketAddr;
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

pub struct Server {
    pub faults: Arc<Faults>,
    /// Requests that write or delete.
    pub writes: Arc<AtomicUsize>,
    address: SocketAddr,
    service: S3Service,
    runtime: Mutex<Option<Runtime>>,
}

impl Server {
    pub fn start(root: PathBuf) -> Self {
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        let faults = Arc::<Faults>::default();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        service.set_access(Access(Arc::clone(&faults)));
        let mut server = Self {
            faults,
            writes: Arc::default(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            service: service.build(),
            runtime: Mutex::default(),
        };
        server.address = server.serve();
        server
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody listens any more, and all connections end.
    pub fn stop(&self) {
        let runtime = self.runtime.lock().unwrap().take();
        runtime.unwrap().shutdown_background();
    }

    /// Listens again, where it did before.
    pub fn start_again(&self) {
        assert_eq!(self.serve(), self.address);
    }

    fn serve(&self) -> SocketAddr {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (service, faults) = (self.service.clone(), Arc::clone(&self.faults));
        let writes = Arc::clone(&self.writes);
        let (sender, bound) = std::sync::mpsc::channel();
        let address = self.address;
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let lock = Arc::<RwLock<()>>::default();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (service, faults) = (service.clone(), Arc::clone(&faults));
                let (lock, writes) = (Arc::clone(&lock), Arc::clone(&writes));
                let answer = service_fn(move |request| {
                    let (service, faults) = (service.clone(), Arc::clone(&faults));
                    let (lock, writes) = (Arc::clone(&lock), Arc::clone(&writes));
                    async move {
                        let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
                        writes.fetch_add(usize::from(is_write), Ordering::Relaxed);
                        answer(&service, &faults, &lock, request).await
                    }
                });
                tokio::spawn(async move {
                    let connection =
                        hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = connection
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        *self.runtime.lock().unwrap() = Some(runtime);
        bound.recv().unwrap()
    }
}

/// Its conditional writes are not atomic by themselves: one write at a time.
async fn answer(
    service: &S3Service,
    faults: &Faults,
    lock: &RwLock<()>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, s3s::HttpError> {
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
        let _reading = lock.read().await;
        service.call(request).await
    } else {
        let _writing = lock.write().await;
        let mut answer = service.call(request).await?;
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
