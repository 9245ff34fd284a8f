//! How much one owner may ask for, also when much is asked for at once and of several processes.

use darkroom_api::problem::QuotaUnit;
use futures_util::future::join_all;

use super::*;

on_both![
    no_more_jobs_are_taken_on_a_day_than_allowed,
    no_more_jobs_are_taken_at_once_than_allowed,
    a_vault_has_one_day_for_all_tokens_and_a_job_counts_once,
    the_same_submit_at_once_is_one_job,
];

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Moves a queue's clock forward.
fn move_clock(queue: &mut Queue, by_ms: u64) {
    let now = &mut queue.database.dialect.now_ms;
    *now = format!("({now} + {by_ms})").leak();
}

/// So many different jobs, each pushed to one of the queues, all at the same time.
async fn push_at_once(queues: &[Queue; 2], jobs: usize) -> Vec<Result<Pushed, Error>> {
    let asked: Vec<_> = (0..jobs).map(|_| job(1)).collect();
    let pushes = asked.iter().enumerate();
    let pushes = pushes.map(|(at, job)| queues[at % 2].push(owner(1), job, "digest", 1));
    join_all(pushes).await
}

async fn no_more_jobs_are_taken_on_a_day_than_allowed(place: &Place) {
    let few = |config: &mut Config| config.limits.jobs_per_day = 10;
    let mut queues = [place.open_with(few).await, place.open_with(few).await];
    let outcomes = push_at_once(&queues, 24).await;
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (10, 14));
    for error in refused {
        let problem = error.as_ref().unwrap_err().problem();
        assert_eq!(problem.kind, ProblemType::TooManyJobsToday, "{problem}");
        let quota = problem.quota.unwrap();
        assert_eq!(
            (quota.unit, quota.used, quota.max),
            (QuotaUnit::JobsToday, 10, 10)
        );
        assert_eq!(quota.free_at_ms.unwrap() % DAY_MS, 0);
        let Err(Error::TooManyToday { wait_s, .. }) = error else {
            panic!("{error:?}");
        };
        assert!((1..=DAY_MS / 1000).contains(&wait_s), "{wait_s}");
    }

    // Cancelled and forgotten jobs count as well, and another owner's not.
    for job in queues[0].list(owner(1)).await.unwrap() {
        queues[0].cancel(owner(1), job.id).await.unwrap();
    }
    write(&queues[0], sqlx::query("UPDATE jobs SET finished_ms = 1")).await;
    assert_eq!(queues[0].sweep().await.unwrap(), 10);
    let refused = queues[1].push(owner(1), &job(1), "digest", 1).await;
    assert!(
        matches!(refused, Err(Error::TooManyToday { .. })),
        "{refused:?}"
    );
    queues[1]
        .push(owner(2), &job(1), "digest", 1)
        .await
        .unwrap();

    for queue in &mut queues {
        move_clock(queue, DAY_MS);
    }
    let outcomes = push_at_once(&queues, 12).await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        10
    );

    move_clock(&mut queues[0], DAY_MS);
    queues[0].sweep().await.unwrap();
    let rows = write(&queues[0], sqlx::query("SELECT owner FROM usage")).await;
    assert_eq!(rows.len(), 1, "the first of three days is forgotten");
}

async fn a_vault_has_one_day_for_all_tokens_and_a_job_counts_once(place: &Place) {
    let few = |config: &mut Config| config.limits.jobs_per_day = 3;
    let queues = [place.open_with(few).await, place.open_with(few).await];
    for number in 1..=5 {
        let pushed = queues[0].push(owner(number), &job(1), "digest", 1).await;
        pushed.unwrap();
    }
    let mut claimed = Vec::new();
    while let Some(job) = queues[claimed.len() % 2]
        .claim(Claimable::Any)
        .await
        .unwrap()
    {
        claimed.push(job);
    }
    assert_eq!(claimed.len(), 5);
    let charges = claimed.iter().enumerate();
    let charges = join_all(charges.map(|(at, job)| queues[at % 2].charge(job))).await;
    let charges: Vec<_> = charges.into_iter().map(Result::unwrap).collect();
    assert_eq!(charges.iter().filter(|&&charged| charged).count(), 3);
    // Again, as after a crash: the same ones, and no more.
    for (job, charged) in claimed.iter().zip(charges) {
        assert_eq!(queues[0].charge(job).await.unwrap(), charged);
    }
    let other = SubmitJob {
        vault: VaultId([7; 16]),
        ..job(1)
    };
    queues[0].push(owner(1), &other, "digest", 1).await.unwrap();
    let claimed = queues[1].claim(Claimable::Any).await.unwrap().unwrap();
    assert!(queues[1].charge(&claimed).await.unwrap());
}

async fn no_more_jobs_are_taken_at_once_than_allowed(place: &Place) {
    let few = |config: &mut Config| config.limits.jobs_per_owner = 7;
    let queues = [place.open_with(few).await, place.open_with(few).await];
    let outcomes = push_at_once(&queues, 20).await;
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (7, 13));
    for error in refused {
        let problem = error.unwrap_err().problem();
        assert_eq!(problem.kind, ProblemType::TooManyJobs, "{problem}");
        let quota = problem.quota.unwrap();
        assert_eq!((quota.unit, quota.used, quota.max), (QuotaUnit::Jobs, 7, 7));
    }
    // What was refused was not counted: one that ends makes room for one.
    let one = queues[0].list(owner(1)).await.unwrap()[0].id;
    queues[1].cancel(owner(1), one).await.unwrap();
    let outcomes = push_at_once(&queues, 4).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let sql = "SELECT jobs FROM usage";
    let jobs: i64 = write(&queues[0], sqlx::query(sql)).await[0]
        .try_get(0)
        .unwrap();
    assert_eq!(jobs, 8);
}

async fn the_same_submit_at_once_is_one_job(place: &Place) {
    // No room for a second one, so a repetition must not need any.
    let one = |config: &mut Config| {
        config.limits.jobs_per_day = 1;
        config.limits.jobs_per_owner = 1;
    };
    let queues = [place.open_with(one).await, place.open_with(one).await];
    let asked = job(2);
    let push = |at: usize| queues[at % 2].push(owner(1), &asked, "digest", 1);
    let outcomes = join_all((0..16).map(push)).await;
    let mut new = 0;
    let mut ids = HashSet::new();
    for outcome in outcomes {
        match outcome.unwrap() {
            Pushed::New(job) => {
                new += 1;
                ids.insert(job.id);
            }
            Pushed::Known(job) => drop(ids.insert(job.id)),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    let other = SubmitJob {
        key: KeyId([9; 16]),
        ..asked
    };
    let refused = queues[1].push(owner(1), &other, "digest", 1).await;
    assert!(matches!(refused, Err(Error::JobExists)), "{refused:?}");
}
