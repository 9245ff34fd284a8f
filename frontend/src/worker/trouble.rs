//! What can go wrong, in words for people: what happened, what it means for the data, what to do.

use darkroom_api::header::HeaderError;
use darkroom_api::problem::{Problem, ProblemType, Quota, QuotaUnit};

use crate::protocol::{Trouble, TroubleKind};

const NOTHING_SENT: &str = "Nothing was sent.";
const NOTHING_LOST: &str = "Nothing that was stored is lost.";
const STILL_STORED: &str = "The picture is still stored, encrypted.";
const TELL_OPERATOR: &str =
    "Load the page again. If that does not help, tell whoever runs this server.";

fn trouble(
    kind: TroubleKind,
    what: impl Into<String>,
    data: impl Into<String>,
    todo: impl Into<String>,
) -> Trouble {
    Trouble {
        kind,
        what: what.into(),
        data: data.into(),
        todo: todo.into(),
    }
}

pub(super) fn cancelled() -> Trouble {
    trouble(
        TroubleKind::Cancelled,
        "It was stopped.",
        "What had been stored for it is deleted again.",
        "Start it again whenever you like.",
    )
}

pub(super) fn no_key() -> Trouble {
    trouble(
        TroubleKind::NoKey,
        "There is no key in this browser yet.",
        NOTHING_SENT,
        "Make a key, or restore yours from a backup.",
    )
}

pub(super) fn another_key() -> Trouble {
    trouble(
        TroubleKind::AnotherKey,
        "This browser already holds another key.",
        "Replacing it would make its pictures unreadable here, unless that key is backed up.",
        "Back up the key that is here first, then replace it.",
    )
}

pub(super) fn locked() -> Trouble {
    trouble(
        TroubleKind::NoKey,
        "The key in this browser cannot be unlocked any more.",
        "The browser has lost a part of its data. What is in storage is untouched.",
        "Restore the key from your backup, or forget it and make a new one.",
    )
}

pub(super) fn backup(what: impl Into<String>, todo: impl Into<String>) -> Trouble {
    trouble(
        TroubleKind::Backup,
        what,
        "Nothing was changed in this browser.",
        todo,
    )
}

pub(super) fn picture(what: impl Into<String>) -> Trouble {
    trouble(
        TroubleKind::Picture,
        what,
        NOTHING_SENT,
        "Use a PNG, JPEG, WebP, BMP or GIF file, or an .npy file of 8-bit pixels.",
    )
}

pub(super) fn picture_too_large() -> Trouble {
    trouble(
        TroubleKind::Picture,
        "The picture is too large for this browser's memory.",
        NOTHING_SENT,
        "Save it smaller and add it again. Models look at far fewer pixels anyway.",
    )
}

pub(super) fn frame(width: u32, height: u32) -> Trouble {
    trouble(
        TroubleKind::Frame,
        format!("The picture has not the {width} by {height} pixels that this model takes."),
        "Nothing was run.",
        "Add the original picture again for this model.",
    )
}

pub(super) fn too_many_pictures(max: usize) -> Trouble {
    trouble(
        TroubleKind::Refused,
        format!("An analysis takes 1 to {max} pictures."),
        NOTHING_SENT,
        "Analyse them in several goes.",
    )
}

pub(super) fn damaged(what: impl Into<String>) -> Trouble {
    trouble(
        TroubleKind::Damaged,
        what,
        "It cannot be read. Your other pictures are not affected.",
        "Run the analysis again. If it happens again, tell whoever runs this server.",
    )
}

pub(super) fn damaged_object(error: &HeaderError) -> Trouble {
    damaged(format!(
        "What storage gave back is not what was stored: {error}."
    ))
}

pub(super) fn foreign_object() -> Trouble {
    damaged("What storage gave back was made under another key.")
}

pub(super) fn missing(what: &str) -> Trouble {
    trouble(
        TroubleKind::Missing,
        format!("{what} is not in storage any more."),
        "It was deleted, perhaps on another device.",
        "Delete this entry, or analyse the picture again.",
    )
}

pub(super) fn browser_full() -> Trouble {
    trouble(
        TroubleKind::Full,
        "This browser has no space left for this page.",
        NOTHING_LOST,
        "Delete entries that you no longer need, or free space on this device.",
    )
}

pub(super) fn browser(what: &str) -> Trouble {
    trouble(
        TroubleKind::Internal,
        what,
        NOTHING_LOST,
        "Load the page again, in an up-to-date browser.",
    )
}

pub(super) fn core(error: &darkroom_fhe::Error) -> Trouble {
    use darkroom_fhe::Error;
    match error {
        Error::Picture { reason } => picture(format!("This file cannot be used: {reason}.")),
        Error::Payload { .. } | Error::WrongParameters { .. } | Error::Sealed => {
            damaged(format!("What storage gave back cannot be read: {error}."))
        }
        Error::UnknownParameters { .. } => trouble(
            TroubleKind::Damaged,
            "This was encrypted by a newer release of the page.",
            STILL_STORED,
            "Load the page again to get the newest release.",
        ),
        _ => browser(&format!("The page met a fault of its own: {error}.")),
    }
}

pub(super) fn not_an_invitation() -> Trouble {
    trouble(
        TroubleKind::Refused,
        "This is not an invitation.",
        NOTHING_SENT,
        "An invitation has 64 characters, digits and the letters a to f. Copy all of it.",
    )
}

pub(super) fn rotated_out() -> Trouble {
    trouble(
        TroubleKind::Refused,
        "The token of this key was rotated as often as it can be.",
        NOTHING_LOST,
        "It goes on as it is. For a new one, delete everything and make a new key.",
    )
}

/// The server answered with something that is not a problem of ours.
pub(super) fn status(status: u16) -> Trouble {
    trouble(
        TroubleKind::Refused,
        format!(
            "The server answered in a way that the page does not understand (status {status})."
        ),
        NOTHING_LOST,
        TELL_OPERATOR,
    )
}

pub(super) fn not_understood() -> Trouble {
    trouble(
        TroubleKind::Refused,
        "The server's answer could not be read.",
        NOTHING_LOST,
        TELL_OPERATOR,
    )
}

pub(super) fn problem(problem: &Problem) -> Trouble {
    use ProblemType as P;
    use TroubleKind as K;
    match problem.kind {
        P::Unauthorized => trouble(
            K::Refused,
            "Storage accepts none of the tokens that this key makes.",
            "Nothing was stored or read, and nothing is lost.",
            "Tell whoever runs this server: the place of this key was opened with another token.",
        ),
        P::GrantInvalid | P::GrantExpired | P::GrantRefused => trouble(
            K::Refused,
            "The permission that was given to compute has run out.",
            STILL_STORED,
            "Run the analysis again.",
        ),
        P::OpeningClosed => trouble(
            K::Refused,
            "This server takes in nobody new, and has no place of this key yet.",
            "Nothing was stored or read.",
            "If you have a key that has a place here, restore it. Otherwise ask whoever runs this server.",
        ),
        P::InvitationNeeded | P::InvitationRefused => trouble(
            K::Refused,
            "This server lets in only those who were invited.",
            "Nothing was stored or read.",
            "Ask whoever runs this server for an invitation.",
        ),
        P::TooManyTokens => trouble(
            K::Full,
            match problem.quota {
                Some(quota) => format!(
                    "Your place has {} tokens for others, and may have {}.",
                    quota.used, quota.max
                ),
                None => "Your place has as many tokens for others as it may.".into(),
            },
            "No token was made.",
            "Revoke one that is not needed any more, or wait until one ends.",
        ),
        P::ObjectNotFound => missing("The picture or its result"),
        P::JobNotFound => missing("The analysis"),
        P::ModelNotFound | P::ModelGone => trouble(
            K::ModelGone,
            "This model is not on the server any more.",
            "Nothing was run. Pictures that were stored are still there, encrypted.",
            "Choose another model.",
        ),
        P::UploadTimeout => trouble(
            K::Refused,
            "The picture took too long to arrive.",
            "Nothing of it was stored.",
            "Try again with a better connection.",
        ),
        P::TooLarge => trouble(
            K::Refused,
            "The server does not take pictures of this size.",
            "It was not stored.",
            "Choose a model with a smaller frame, or tell whoever runs this server.",
        ),
        P::DigestMismatch => damaged("The picture was damaged on its way to storage."),
        P::ImageShape | P::WrongParameters => trouble(
            K::Frame,
            "The stored picture does not fit this model.",
            STILL_STORED,
            "Add the original picture again for this model.",
        ),
        P::ForeignKey => foreign_object(),
        P::EvaluationKeyDamaged => trouble(
            K::Damaged,
            "Your large key is damaged on the server.",
            STILL_STORED,
            "Run the analysis again: the page makes the large key anew. If that does not help, tell whoever runs this server.",
        ),
        P::EvaluationKeyNeeded | P::EvaluationKeyMissing | P::EvaluationKeyForeign => trouble(
            K::Damaged,
            "The server did not find a large key that it can use.",
            STILL_STORED,
            "Run the analysis again: the page makes the large key anew where it is missing. If that does not help, tell whoever runs this server.",
        ),
        P::TooManyJobs => trouble(
            K::Refused,
            "Too many analyses wait or run already.",
            STILL_STORED,
            "Wait until some are finished, then try again.",
        ),
        P::TooManyJobsToday => trouble(
            K::Refused,
            "You have run as many analyses today as this server allows.",
            STILL_STORED,
            "Try again after midnight UTC.",
        ),
        P::RateLimited => trouble(
            K::Refused,
            "Too much was asked of the server in a short time.",
            NOTHING_LOST,
            "Wait a minute, then try again.",
        ),
        P::VaultFull => trouble(
            K::Full,
            match problem.quota {
                Some(quota) => format!("Your part of the storage is full: {}.", used(quota)),
                None => "Your part of the storage is full.".into(),
            },
            NOTHING_LOST,
            "Delete entries that you no longer need, then try again: their room is free at once.",
        ),
        P::DiskFull => trouble(
            K::Full,
            "The server's disk is full.",
            NOTHING_LOST,
            "Tell whoever runs this server, and try again later.",
        ),
        P::AttemptsExhausted => trouble(
            K::Refused,
            "Compute has tried this several times and failed each time.",
            STILL_STORED,
            "Try again later. If it happens again, tell whoever runs this server.",
        ),
        P::UpstreamUnreachable | P::StorageUnavailable | P::QueueUnavailable | P::ShuttingDown => {
            unreachable_server()
        }
        P::LinkKeyShortage | P::LinkStale | P::LinkRefused | P::LinkUnsealed => trouble(
            K::Refused,
            "The sealed link between the servers does not work at the moment.",
            NOTHING_LOST,
            "Nothing was sent unsealed. Try again in a moment; if it lasts, tell whoever runs this server.",
        ),
        P::Internal => trouble(
            K::Refused,
            "The server met a fault of its own.",
            NOTHING_LOST,
            "Try again. If it happens again, tell whoever runs this server.",
        ),
        P::MalformedRequest
        | P::NotFound
        | P::MethodNotAllowed
        | P::ObjectExists
        | P::JobExists
        | P::ObjectMalformed
        | P::LengthMismatch
        | P::KindMismatch
        | P::TokenRefused
        | P::TokenNotFound
        | P::TokenExists
        | P::Unknown => trouble(
            K::Refused,
            format!("The server refused: {}.", problem.title),
            NOTHING_LOST,
            TELL_OPERATOR,
        ),
    }
}

/// How much of a limit is in use.
fn used(quota: Quota) -> String {
    let Quota {
        unit, used, max, ..
    } = quota;
    match unit {
        QuotaUnit::Bytes => format!("{} of {} MB are used", used / 1_000_000, max / 1_000_000),
        unit => format!("{used} of {max} {} are used", unit.name()),
    }
}

pub(super) fn unreachable_server() -> Trouble {
    trouble(
        TroubleKind::Unreachable,
        "The server cannot be reached.",
        NOTHING_LOST,
        "Check the connection. The page tries again by itself.",
    )
}
