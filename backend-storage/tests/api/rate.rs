//! How many small requests a second there are; run it with `--ignored --nocapture`.

use std::time::Instant;

use darkroom_api::header::ObjectKind;
use futures_util::stream::{self, StreamExt};

use crate::support::{Owner, Process, image, new_id};

const READS: usize = 4000;
const PUTS: usize = 600;
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn small_requests_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "[rate]\nowner_per_s = 0");
    let owner = &Owner::open(&process.address).await;
    let id = owner.put_image(&[7; 2000]).await;
    for _ in 0..3 {
        let began = Instant::now();
        let reads = stream::iter(0..READS).map(|_| owner.read(ObjectKind::Image, id));
        reads.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        let read = began.elapsed();
        let began = Instant::now();
        let puts = stream::iter(0..PUTS).map(|_| async {
            let put = owner.put(ObjectKind::Image, new_id(), image(&[7; 2000]));
            assert_eq!(put.await.status(), 201);
        });
        puts.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        let rate = |count: usize, took: std::time::Duration| count as f64 / took.as_secs_f64();
        println!(
            "reads/s {:.0}, puts/s {:.0}",
            rate(READS, read),
            rate(PUTS, began.elapsed())
        );
    }
}
