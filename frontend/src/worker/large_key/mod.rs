//! The large key: made by several workers, sent while it is made, taken up again where it stopped.
//!
//! | module | what it does |
//! |---|---|
//! | `plan` | which parts there are, what is missing, how long it takes |
//! | `crew` | the workers, seen from here |
//! | `maker` | such a worker, seen from inside |

mod crew;
pub mod maker;
mod plan;

use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;

use darkroom_api::compute::EvaluationKeyRef;
use darkroom_api::header::{ObjectKind, ParameterSetId};
use darkroom_api::storage::{GrantRequest, ObjectRef};
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, select_biased};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_futures::spawn_local;

use super::context::{Context, News};
use super::http::Body;
use super::scope::{self, Lock, clock_ms};
use super::services::Owned;
use crate::protocol::large_key::makers;
use crate::protocol::{Cause, LargeKey, LargeKeyState, LargeKeyTimes, Notice, Trouble};
use crew::{Crew, Made, Order};
use plan::{Plan, Stored, Tally};

/// How many parts are sent at a time.
const AT_A_TIME: usize = 3;
/// A lock that is not had by then is another tab's.
const LOCK_MS: u32 = 200;

/// Where the large key stands.
///
/// # Errors
/// The parameter set is not known here, storage refuses, or it was stopped.
pub async fn state(services: &Owned, parameters: ParameterSetId) -> Result<LargeKey, Trouble> {
    let plan = Plan::new(services.held.id(), parameters)?;
    Ok(plan.standing_as(&stored(services, &plan).await?))
}

/// Whether all of the large key is in storage.
///
/// # Errors
/// The parameter set is not known here, storage refuses, or it was stopped.
pub async fn is_stored(services: &Owned, parameters: ParameterSetId) -> Result<bool, Trouble> {
    let plan = Plan::new(services.held.id(), parameters)?;
    Ok(stored(services, &plan).await?.missing.is_empty())
}

/// Sees to it that all of the large key is in storage, and tells the page how far it is. Only one
/// tab makes it at a time. What is damaged goes first, and is made from the start.
///
/// # Errors
/// The parameter set is not known here, storage refuses, a worker fails, or it was stopped; what was
/// stored stays.
pub async fn ensure(
    context: &Rc<Context>,
    services: &Owned,
    parameters: ParameterSetId,
    cause: Cause,
) -> Result<LargeKey, Trouble> {
    let plan = Plan::new(services.held.id(), parameters)?;
    let made = async {
        let _lock = services.stop.unless(lock(context, &plan)).await?;
        if cause == Cause::Damaged {
            // Which part it is cannot be told from here.
            delete(services).await?;
        }
        // Another tab may just have made it, or a part of it.
        let stored = stored(services, &plan).await?;
        make(context, services, &plan, stored, cause).await
    };
    let made = made.await;
    context.tell(&News::LargeKey(parameters));
    if made.is_err() {
        look_again(context, services, parameters);
    }
    Ok(tell(context, plan.standing(LargeKeyState::Ready(made?))))
}

/// Waits until no other tab makes it, and says so where that takes time.
async fn lock(context: &Context, plan: &Plan) -> Lock {
    let name = format!("darkroom-large-key-{}-{}", plan.key, plan.parameters.0);
    let lock = pin!(scope::lock(&name));
    match select(lock, TimeoutFuture::new(LOCK_MS)).await {
        Either::Left((lock, _)) => lock,
        Either::Right(((), lock)) => {
            tell(context, plan.standing(LargeKeyState::Elsewhere));
            lock.await
        }
    }
}

/// Tells the page what storage has of it now, for as long as the key is here.
pub fn look_again(context: &Rc<Context>, services: &Owned, parameters: ParameterSetId) {
    let (context, services) = (context.clone(), services.under(context.background()));
    spawn_local(async move {
        let key = state(&services, parameters).await;
        let here = context.identity.held().map(|held| held.id());
        if let (Ok(key), Ok(here)) = (key, here)
            && here == services.held.id()
        {
            tell(&context, key);
        }
    });
}

/// Deletes every large key of this owner from storage.
///
/// # Errors
/// Storage refuses, or it was stopped.
pub async fn delete(services: &Owned) -> Result<(), Trouble> {
    let kind = ObjectKind::EvaluationKey;
    for part in services.list(kind).await? {
        services.delete_object(kind, part.id).await?;
    }
    Ok(())
}

/// The large key as a job names it, with a grant to read it.
///
/// # Errors
/// The parameter set is not known here, storage refuses, or it was stopped.
pub async fn reference(
    services: &Owned,
    parameters: ParameterSetId,
    valid_ms: u64,
) -> Result<EvaluationKeyRef, Trouble> {
    let parts = Plan::new(services.held.id(), parameters)?.ids();
    let kind = ObjectKind::EvaluationKey;
    let request = GrantRequest {
        reads: parts.iter().map(|&id| ObjectRef { kind, id }).collect(),
        writes: Vec::new(),
        valid_ms,
    };
    let grant = services.grant(&request).await?.grant;
    Ok(EvaluationKeyRef {
        parameters,
        parts,
        grant,
    })
}

async fn stored(services: &Owned, plan: &Plan) -> Result<Stored, Trouble> {
    Ok(plan.compare(&services.list(ObjectKind::EvaluationKey).await?))
}

fn tell(context: &Context, key: LargeKey) -> LargeKey {
    context.notify(Notice::LargeKey(key));
    key
}

/// Makes what is missing and sends it; what it took, unless nothing was missing.
async fn make(
    context: &Context,
    services: &Owned,
    plan: &Plan,
    stored: Stored,
    cause: Cause,
) -> Result<Option<LargeKeyTimes>, Trouble> {
    if stored.missing.is_empty() {
        return Ok(None);
    }
    for wrong in &stored.wrong {
        services
            .delete_object(ObjectKind::EvaluationKey, *wrong)
            .await?;
    }
    let making = Making::new(context, services, plan, &stored, cause);
    services
        .stop
        .unless(making.go(stored.missing))
        .await?
        .map(Some)
}

enum Step {
    Made(Made),
    /// So many bytes more are in storage.
    Sent(u64),
}

/// One try.
struct Making<'a> {
    context: &'a Context,
    services: &'a Owned,
    plan: &'a Plan,
    began_at: f64,
    tally: Tally,
}

impl<'a> Making<'a> {
    fn new(
        context: &'a Context,
        services: &'a Owned,
        plan: &'a Plan,
        stored: &Stored,
        cause: Cause,
    ) -> Self {
        let makers = makers(stored.due(), scope::cores());
        Self {
            context,
            services,
            plan,
            began_at: clock_ms(),
            tally: Tally::new(plan, stored, makers, cause),
        }
    }

    async fn go(mut self, missing: Vec<u16>) -> Result<LargeKeyTimes, Trouble> {
        self.show();
        let held = &self.services.held;
        let mut crew = Crew::hire(
            self.tally.makers,
            Order {
                secret: held.key.evaluation_secret().danger_to_bytes(),
                key: held.id(),
                parameters: self.plan.parameters,
                parts: missing.into(),
            },
        )?;
        let mut made_ms = 0.0;
        let mut ready: VecDeque<Made> = VecDeque::new();
        let mut uploads = FuturesUnordered::new();
        while self.tally.sent < self.tally.due {
            while uploads.len() < AT_A_TIME
                && let Some(made) = ready.pop_front()
            {
                uploads.push(upload(self.services, self.plan, made));
            }
            let step = select_biased! {
                made = crew.made.select_next_some() => Step::Made(made?),
                sent = uploads.select_next_some() => Step::Sent(sent?),
            };
            match step {
                Step::Made(made) => {
                    ready.push_back(made);
                    made_ms = self.elapsed_ms();
                    self.tally.made += 1;
                    self.tally.first_made_ms.get_or_insert(made_ms);
                    if self.tally.made == self.tally.due {
                        crew.dismiss();
                    }
                }
                Step::Sent(bytes) => {
                    self.tally.stored_bytes += bytes;
                    self.tally.sent += 1;
                }
            }
            self.show();
        }
        Ok(LargeKeyTimes {
            cause: self.tally.cause,
            made_ms,
            stored_ms: self.elapsed_ms(),
            parts: self.tally.due,
            makers: self.tally.makers,
        })
    }

    fn elapsed_ms(&self) -> f64 {
        clock_ms() - self.began_at
    }

    fn show(&self) {
        let progress = self.tally.progress(self.elapsed_ms());
        tell(
            self.context,
            self.plan.standing(LargeKeyState::Making(progress)),
        );
    }
}

/// Sends a part; its length, once it is in storage.
async fn upload(services: &Owned, plan: &Plan, made: Made) -> Result<u64, Trouble> {
    let Some(part) = plan.part(made.index) else {
        return Ok(0);
    };
    let kind = ObjectKind::EvaluationKey;
    let object = Body::Buffer(&made.object);
    services.put_object(kind, part.id, object).await?;
    Ok(part.bytes)
}
