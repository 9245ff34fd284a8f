//! Everything that can go wrong, and the problem that it becomes at the HTTP edge.

use std::path::PathBuf;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use darkroom_api::problem::{MEDIA_TYPE, Problem, ProblemType, Quota};
use darkroom_telemetry::identify;

/// Why compute could not start, or could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be read.
    #[error("configuration: {0}")]
    Config(Box<figment::Error>),
    /// A setting makes no sense.
    #[error("setting {setting}: {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A limit on how often may be asked makes no sense.
    #[error("setting {0}")]
    Rate(#[from] darkroom_rate::RateError),
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The network, a thread or the system failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database does not answer in time.
    #[error("database: no answer in time")]
    DatabaseSilent,
    /// The database's tables are of a version that is not known here.
    #[error("database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row of the database is not what was written there.
    #[error("database: {0}")]
    Row(#[from] serde_json::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    HttpClient(#[source] reqwest::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] darkroom_tls::TlsError),
    /// A sealed link cannot be set up.
    #[error("sealed link: {0}")]
    Link(#[from] darkroom_qkd::link::SetupError),
    /// The system gives no random numbers.
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
    /// Work on another thread ended without an answer.
    #[error("the work was broken off")]
    BrokenOff,
    /// Log or traces cannot be started.
    #[error("configuration: {0}")]
    Telemetry(#[from] darkroom_telemetry::StartError),
    /// The figures cannot be kept or told.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// There is no token in the request, or it has no token's form.
    #[error("send `Authorization: Bearer` with the 64 hexadecimal digits of your token")]
    Unauthorized,
    /// The request is not of the form that the route takes.
    #[error("{detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// The body is longer than allowed.
    #[error("the request's body may have {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// No such route.
    #[error("no such path; the routes are under /v1/models and /v1/jobs")]
    NotFound,
    /// The route does not take this method.
    #[error("this path takes {allow}")]
    MethodNotAllowed {
        /// What it takes.
        allow: &'static str,
    },
    /// No model of this name.
    #[error("no model {0:?} is in the catalogue; GET /v1/models lists them")]
    ModelNotFound(String),
    /// The model needs an evaluation key and the job brings none.
    #[error(
        "the model {model} needs an evaluation key of parameter set {parameters}, of {parts} parts; \
         make it, store it and name it in the job"
    )]
    EvaluationKeyNeeded {
        /// The model.
        model: String,
        /// The key's parameter set.
        parameters: u32,
        /// How many parts it has.
        parts: u16,
    },
    /// The evaluation key has not all parts.
    #[error(
        "an evaluation key of parameter set {parameters} has {expected} parts, this job names {found}"
    )]
    EvaluationKeyMissing {
        /// Its parameter set.
        parameters: u32,
        /// How many parts it has.
        expected: u16,
        /// How many the job names.
        found: usize,
    },
    /// The evaluation key is of another parameter set than the model takes.
    #[error("the evaluation key has parameter set {found}, the model takes {expected}")]
    EvaluationKeyForeign {
        /// What the model takes.
        expected: u32,
        /// What the job names.
        found: u32,
    },
    /// No such job of this owner.
    #[error("you have no such job; finished ones are forgotten after a while")]
    JobNotFound,
    /// The idempotency key was used for another job.
    #[error("this idempotency key was used for another request; draw a new one")]
    JobExists,
    /// Too many jobs of this owner wait or run.
    #[error(
        "{} jobs of this owner wait or run, and {} may; wait for one to end or cancel one",
        .0.used, .0.max
    )]
    TooManyJobs(Quota),
    /// This owner has submitted as many jobs today as it may.
    #[error(
        "this owner has submitted {} jobs since midnight UTC, and {} are allowed on a day; the next \
         day begins in {wait_s} seconds",
        quota.used, quota.max
    )]
    TooManyToday {
        /// The limit and what is used.
        quota: Quota,
        /// How long until midnight.
        wait_s: u64,
    },
    /// Too many jobs of all owners together wait or run.
    #[error("all owners together may have {limit} jobs waiting or running; try again in a moment")]
    QueueFull {
        /// How many.
        limit: u32,
    },
    /// The service is stopping.
    #[error("the service is stopping; send the request again in a moment")]
    ShuttingDown,
}

impl From<figment::Error> for Error {
    fn from(error: figment::Error) -> Self {
        Self::Config(Box::new(error))
    }
}

impl Error {
    /// The type of problem that this is for a caller.
    pub fn kind(&self) -> ProblemType {
        match self {
            Self::DatabaseSilent => ProblemType::QueueUnavailable,
            Self::Database(error) if is_full(error) => ProblemType::DiskFull,
            Self::Database(error) if is_outage(error) => ProblemType::QueueUnavailable,
            Self::Config(_)
            | Self::Setting { .. }
            | Self::Rate(_)
            | Self::File { .. }
            | Self::Io(_)
            | Self::Database(_)
            | Self::Migrate(_)
            | Self::Row(_)
            | Self::HttpClient(_)
            | Self::Tls(_)
            | Self::Link(_)
            | Self::Randomness(_)
            | Self::Telemetry(_)
            | Self::Metrics(_)
            | Self::BrokenOff => ProblemType::Internal,
            Self::Unauthorized => ProblemType::Unauthorized,
            Self::Malformed { .. } => ProblemType::MalformedRequest,
            Self::TooLarge { .. } => ProblemType::TooLarge,
            Self::NotFound => ProblemType::NotFound,
            Self::MethodNotAllowed { .. } => ProblemType::MethodNotAllowed,
            Self::ModelNotFound(_) => ProblemType::ModelNotFound,
            Self::EvaluationKeyNeeded { .. } => ProblemType::EvaluationKeyNeeded,
            Self::EvaluationKeyMissing { .. } => ProblemType::EvaluationKeyMissing,
            Self::EvaluationKeyForeign { .. } => ProblemType::EvaluationKeyForeign,
            Self::JobNotFound => ProblemType::JobNotFound,
            Self::JobExists => ProblemType::JobExists,
            Self::TooManyJobs(_) | Self::QueueFull { .. } => ProblemType::TooManyJobs,
            Self::TooManyToday { .. } => ProblemType::TooManyJobsToday,
            Self::ShuttingDown => ProblemType::ShuttingDown,
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyToday { wait_s, .. } => Some(*wait_s),
            Self::ShuttingDown | Self::TooManyJobs(_) | Self::QueueFull { .. } => Some(5),
            error if error.is_outage() => Some(5),
            _ => None,
        }
    }

    fn quota(&self) -> Option<Quota> {
        match self {
            Self::TooManyJobs(quota) | Self::TooManyToday { quota, .. } => Some(*quota),
            _ => None,
        }
    }

    /// Whether the database is away, or cannot write now: what failed may be tried again later.
    pub fn is_outage(&self) -> bool {
        matches!(
            self.kind(),
            ProblemType::QueueUnavailable | ProblemType::DiskFull
        )
    }

    /// The problem as a caller sees it; what is internal is told to the log alone.
    pub fn problem(&self) -> Problem {
        match self.kind() {
            ProblemType::Internal => Problem::new(
                ProblemType::Internal,
                "compute could not do this; its log says why",
            ),
            ProblemType::QueueUnavailable => Problem::new(
                ProblemType::QueueUnavailable,
                "compute cannot reach the database of its jobs; send the request again in a moment",
            ),
            ProblemType::DiskFull => Problem::new(
                ProblemType::DiskFull,
                "the disk of compute's database is full: nothing was changed and no job is lost; \
                 ask the operator, then send the request again",
            ),
            kind => Problem {
                quota: self.quota(),
                retry_after_s: self.retry_after_s(),
                ..Problem::new(kind, self.to_string())
            },
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if self.kind() == ProblemType::Internal || self.is_outage() {
            tracing::error!(error = %self, "a request failed");
        }
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE);
        match self {
            Self::MethodNotAllowed { allow } => {
                response.insert_header(("Allow", *allow));
            }
            Self::Unauthorized => {
                response.insert_header(("WWW-Authenticate", "Bearer"));
            }
            _ => {}
        }
        if let Some(wait_s) = self.retry_after_s() {
            response.insert_header(("Retry-After", wait_s.to_string()));
        }
        let problem = identify(self.problem());
        let mut response = response.body(serde_json::to_string(&problem).unwrap_or_default());
        response.extensions_mut().insert(self.kind());
        response
    }
}

/// Whether the database's disk is full: SQLite's SQLITE_FULL, and SQLITE_IOERR_SHMSIZE where its index
/// of the log cannot grow; PostgreSQL's disk_full.
fn is_full(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let code = error.code();
    code.is_some_and(|code| ["13", "4874", "53100"].contains(&&*code))
}

/// Whether the database could not be asked, as opposed to what it answered.
fn is_outage(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed => true,
        // PostgreSQL's SQLSTATE: connection exceptions, too many connections, starting up or shutting
        // down, a statement that took too long; a standby that is about to take over takes no writes.
        // SQLite's codes are shorter.
        E::Database(error) => error.code().is_some_and(|code| {
            let class = ["08", "53", "57P", "57014", "25006", "25P03"];
            code.len() == 5 && class.iter().any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
