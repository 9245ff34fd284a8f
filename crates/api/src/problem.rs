//! Problem types (RFC 9457): every way in which a request or a job can fail, once, for all services.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:literal, $title:literal;)*) => {
        /// The kinds of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemType {
            $($(#[$doc])* #[serde(rename = $slug)] $name,)*
            /// A type that this version does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl ProblemType {
            /// All known types.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type's name, the last part of its URN.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* Self::Unknown => "unknown" }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* Self::Unknown => 500 }
            }

            /// A short sentence, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* Self::Unknown => "Unknown problem" }
            }
        }
    };
}

problems! {
    /// The request is not of the form that the route takes.
    MalformedRequest = "malformed-request", 400, "The request is malformed";
    /// No token, a wrong one, or an unknown vault: these cannot be told apart.
    Unauthorized = "unauthorized", 401, "Unknown vault or wrong token";
    /// The grant was altered, or made by another storage.
    GrantInvalid = "grant-invalid", 401, "The grant is not valid";
    /// The grant's time is over.
    GrantExpired = "grant-expired", 403, "The grant has expired";
    /// The grant does not cover this object or action.
    GrantRefused = "grant-refused", 403, "The grant does not cover this";
    /// This storage opens no new vaults.
    OpeningClosed = "opening-closed", 403, "This storage opens no new vaults";
    /// This storage opens new vaults by invitation, and the request brings none.
    InvitationNeeded = "invitation-needed", 403, "A new vault needs an invitation";
    /// Unknown, used up or expired: these cannot be told apart.
    InvitationRefused = "invitation-refused", 403, "The invitation opens no vault";
    /// The token is one of this vault, but not good for this.
    TokenRefused = "token-refused", 403, "The token does not allow this";
    /// The vault has as many tokens as it may.
    TooManyTokens = "too-many-tokens", 403, "The vault has too many tokens";
    /// No such token in the vault.
    TokenNotFound = "token-not-found", 404, "No such token";
    /// The token is in use already, for something else.
    TokenExists = "token-exists", 409, "The token is in use";
    /// No such route.
    NotFound = "not-found", 404, "There is nothing here";
    /// No such object in the vault.
    ObjectNotFound = "object-not-found", 404, "No such object";
    /// No such job of this owner.
    JobNotFound = "job-not-found", 404, "No such job";
    /// No model of this name.
    ModelNotFound = "model-not-found", 404, "No such model";
    /// The route does not take this method.
    MethodNotAllowed = "method-not-allowed", 405, "The method is not allowed here";
    /// The upload took too long.
    UploadTimeout = "upload-timeout", 408, "The upload took too long";
    /// Another object has this id already.
    ObjectExists = "object-exists", 409, "Another object has this id";
    /// The idempotency key was used for another job.
    JobExists = "job-exists", 409, "The idempotency key belongs to another job";
    /// The model was there at submit and is not any more.
    ModelGone = "model-gone", 410, "The model was removed";
    /// The object, note or body is larger than allowed.
    TooLarge = "too-large", 413, "Too large";
    /// Not a Darkroom object, or of a version or kind unknown here.
    ObjectMalformed = "object-malformed", 422, "Not a valid object";
    /// The object ended early or did not end.
    LengthMismatch = "length-mismatch", 422, "The object is not as long as its header says";
    /// The digest in the header is not the payload's.
    DigestMismatch = "digest-mismatch", 422, "The object was damaged on the way";
    /// An object of another kind than this collection keeps.
    KindMismatch = "kind-mismatch", 422, "The object is of another kind";
    /// The image has not the shape that the model takes.
    ImageShape = "image-shape", 422, "The image has another shape than the model takes";
    /// The image was encrypted under another key than the job names.
    ForeignKey = "foreign-key", 422, "The image belongs to another key";
    /// The image was encrypted with other parameters than the model takes.
    WrongParameters = "wrong-parameters", 422, "The image was encrypted with other parameters";
    /// The model needs an evaluation key and the job brings none.
    EvaluationKeyNeeded = "evaluation-key-needed", 422, "The model needs an evaluation key";
    /// A part of the evaluation key is not in storage, or the grant does not cover it.
    EvaluationKeyMissing = "evaluation-key-missing", 422, "A part of the evaluation key is missing";
    /// A part of the evaluation key is not what its header says, or not a part at all.
    EvaluationKeyDamaged = "evaluation-key-damaged", 422, "The evaluation key is damaged";
    /// The evaluation key belongs to another key than the job names, or its parameters are other than
    /// the model takes.
    EvaluationKeyForeign = "evaluation-key-foreign", 422, "The evaluation key does not fit";
    /// The service answers over a sealed link only.
    LinkUnsealed = "link-unsealed", 403, "The link between the services is sealed";
    /// A message over a sealed link is not genuine, or belongs to another link.
    LinkRefused = "link-refused", 403, "A sealed message was refused";
    /// Too many jobs of this owner wait or run.
    TooManyJobs = "too-many-jobs", 429, "Too many jobs at once";
    /// This owner has submitted as many jobs today as it may.
    TooManyJobsToday = "too-many-jobs-today", 429, "Too many jobs today";
    /// Too much was asked in a short time.
    RateLimited = "rate-limited", 429, "Too much was asked at once";
    /// The vault keeps as many objects as it may.
    VaultFull = "vault-full", 403, "The vault is full";
    /// The service failed in a way that is its own fault.
    Internal = "internal", 500, "The service failed";
    /// The job was tried as often as allowed.
    AttemptsExhausted = "attempts-exhausted", 500, "The job failed too often";
    /// The gateway cannot reach the service behind it.
    UpstreamUnreachable = "upstream-unreachable", 502, "The service behind cannot be reached";
    /// Compute cannot reach storage.
    StorageUnavailable = "storage-unavailable", 503, "Storage cannot be reached";
    /// Compute cannot reach the database of its jobs.
    QueueUnavailable = "queue-unavailable", 503, "The queue of jobs cannot be reached";
    /// A message over a sealed link belongs to an earlier time of the service.
    LinkStale = "link-stale", 503, "A sealed message came too late";
    /// There is no QKD key to seal or open a message with; nothing was sent or done.
    LinkKeyShortage = "link-key-shortage", 503, "There are no keys for the sealed link";
    /// The service is stopping.
    ShuttingDown = "shutting-down", 503, "The service is stopping";
    /// The storage's disk is full.
    DiskFull = "disk-full", 507, "The storage has no space left";
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ProblemType {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        let types = Self::ALL.iter().chain([&Self::Unknown]);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The kinds of problem."))
            .enum_values(Some(types.map(|kind| kind.slug()).collect::<Vec<_>>()))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ProblemType {}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{title}: {detail}{}", RequestNote(.request_id.as_deref()))]
pub struct Problem {
    /// `urn:darkroom:problem:` and the type's name.
    #[serde(rename = "type", with = "urn")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^urn:darkroom:problem:[a-z0-9-]+$"))]
    pub kind: ProblemType,
    /// The type's sentence.
    pub title: String,
    /// The HTTP status.
    #[cfg_attr(feature = "openapi", schema(minimum = 400, maximum = 599))]
    pub status: u16,
    /// What happened this time and what to do, for people.
    pub detail: String,
    /// The limit that was met, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// How long to wait before asking again, where that is known; as in `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// The request's id, by which whoever runs the service finds it in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A limit, and how much of it is in use. It is free again when something is deleted, is revoked or has
/// ended, unless a time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quota {
    /// What is counted.
    pub unit: QuotaUnit,
    /// How much there is.
    pub used: u64,
    /// How much there may be.
    pub max: u64,
    /// When all of it is free again by itself, Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_at_ms: Option<u64>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum QuotaUnit {
    /// Objects of a vault; a note without its object counts as one.
    Objects,
    /// Bytes of a vault's objects.
    Bytes,
    /// Limited tokens of a vault that are good.
    Tokens,
    /// Jobs of an owner that wait or run.
    Jobs,
    /// Jobs that an owner submitted since midnight UTC.
    JobsToday,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

impl QuotaUnit {
    /// The unit's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Bytes => "bytes",
            Self::Tokens => "tokens",
            Self::Jobs => "jobs",
            Self::JobsToday => "jobs-today",
            Self::Other => "things",
        }
    }
}

impl Problem {
    /// A problem of this type.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail,
            quota: None,
            retry_after_s: None,
            request_id: None,
        }
    }
}

/// How the request is named to people.
struct RequestNote<'a>(Option<&'a str>);

impl fmt::Display for RequestNote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

mod urn {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::ProblemType;

    const PREFIX: &str = "urn:darkroom:problem:";

    pub fn serialize<S: Serializer>(kind: &ProblemType, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{PREFIX}{}", kind.slug()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ProblemType, D::Error> {
        let text = String::deserialize(d)?;
        let slug = text.strip_prefix(PREFIX).unwrap_or(&text);
        let known = ProblemType::ALL.iter().find(|kind| kind.slug() == slug);
        Ok(known.copied().unwrap_or(ProblemType::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_round_trip_and_unknown_ones_are_read() {
        for &kind in ProblemType::ALL {
            let problem = Problem::new(kind, "why");
            let json = serde_json::to_string(&problem).unwrap();
            assert!(
                json.contains(&format!("urn:darkroom:problem:{}", kind.slug())),
                "{json}"
            );
            assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
        }
        let full = Problem {
            quota: Some(Quota {
                unit: QuotaUnit::Bytes,
                used: 9,
                max: 10,
                free_at_ms: None,
            }),
            ..Problem::new(ProblemType::VaultFull, "why")
        };
        let json = serde_json::to_string(&full).unwrap();
        assert!(
            json.contains(r#""quota":{"unit":"bytes","used":9,"max":10}"#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), full);
        let told = Problem {
            request_id: Some("0123abcd".to_owned()),
            ..Problem::new(ProblemType::Internal, "why")
        };
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), told);
        assert_eq!(
            told.to_string(),
            "The service failed: why (request 0123abcd)"
        );
        let newer = r#"{"type":"urn:darkroom:problem:x","title":"X","status":418,"detail":""}"#;
        let read: Problem = serde_json::from_str(newer).unwrap();
        assert_eq!((read.kind, read.status), (ProblemType::Unknown, 418));
    }
}
