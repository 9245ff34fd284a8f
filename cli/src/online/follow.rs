//! A job from its submission to its end.

use std::time::Duration;

use darkroom_api::client::ClientError;
use darkroom_api::compute::Job;
use darkroom_api::ids::JobId;

use super::session::{Session, patiently};

const PAUSE: Duration = Duration::from_millis(300);

/// Tells every state of a job until it has ended. Connections may break meanwhile.
pub async fn follow(
    session: &Session,
    job: JobId,
    mut tell: impl AsyncFnMut(&Job),
) -> Result<Job, ClientError> {
    let owner = &session.compute_token;
    loop {
        let mut events = patiently(async || session.compute.events(owner, job).await).await?;
        loop {
            match events.next().await {
                Ok(Some(state)) => {
                    tell(&state).await;
                    if state.state.is_final() {
                        return Ok(state);
                    }
                }
                Ok(None) => break,
                Err(error) if error.is_transient() => break,
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Cancels a job and waits until it has stopped, but not for ever.
pub async fn stop(session: &Session, job: JobId) {
    let owner = &session.compute_token;
    let cancelled = patiently(async || session.compute.cancel(owner, job).await).await;
    let mut over = cancelled.is_ok_and(|job| job.state.is_final());
    for _ in 0..30 {
        if over {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        let state = session.compute.job(owner, job).await;
        over = state.is_ok_and(|job| job.state.is_final());
    }
}
