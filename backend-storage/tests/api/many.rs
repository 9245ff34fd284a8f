//! Many clients at once, each with a vault of its own.

use darkroom_api::header::ObjectKind;
use futures_util::future::join_all;

use crate::memory::peak_kib;
use crate::support::{Owner, Process, image, new_id, random_bytes};

const IMAGE: ObjectKind = ObjectKind::Image;
const CLIENTS: usize = 100;
/// The last is of more than one part.
const SIZES: [usize; 4] = [0, 2_000, 82_000, 700_000];
/// Two parts of 512 KiB, what the connection holds, and what the allocator makes of it.
const UPLOAD_KIB_MAX: u64 = 2048;

async fn client(address: String, number: usize) {
    let owner = Owner::open(&address).await;
    let mut sent = Vec::new();
    // Not all the same size at the same time.
    for turn in 0..SIZES.len() {
        let object = image(&random_bytes(SIZES[(turn + number) % SIZES.len()]));
        let id = new_id();
        assert_eq!(owner.put(IMAGE, id, object.clone()).await.status(), 201);
        sent.push((id, object));
        assert_eq!(owner.all(IMAGE).await.len(), sent.len());
    }
    for (id, object) in sent {
        assert!(owner.read(IMAGE, id).await == object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_at_once_meet_no_error_and_a_bound_on_memory() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), "");
    Owner::open(&process.address).await.put_image(b"warm").await;
    let before = peak_kib(process.id());
    let clients = (0..CLIENTS).map(|number| tokio::spawn(client(process.address.clone(), number)));
    for client in join_all(clients).await {
        client.unwrap();
    }
    let after = peak_kib(process.id());
    println!("peak KiB: {before} idle, {after} with {CLIENTS} clients");
    assert!(after < before + CLIENTS as u64 * UPLOAD_KIB_MAX);
}
