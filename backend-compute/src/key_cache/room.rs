//! Room for one more key.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::Shared;

/// Bytes that a key will take. They are given back on drop, unless they are kept.
#[derive(Debug)]
pub(super) struct Room<K: Send + Sync + 'static> {
    shared: Arc<Shared<K>>,
    bytes: u64,
}

impl<K: Send + Sync + 'static> Shared<K> {
    /// Waits for so many bytes.
    pub(super) async fn room(self: &Arc<Self>, bytes: u64) -> Room<K> {
        let _in_line = self.line.lock().await;
        loop {
            let changed = self.changed.notified();
            let ask_at = {
                let mut slots = self.slots();
                if slots.take_bytes(bytes, self.bytes_max) {
                    break;
                }
                slots.ask_to_leave(Instant::now(), self.residence)
            };
            match ask_at {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
        self.tell_changed();
        Room {
            shared: Arc::clone(self),
            bytes,
        }
    }
}

impl<K: Send + Sync + 'static> Room<K> {
    /// Leaves the bytes to whoever keeps the key.
    pub(super) fn keep(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl<K: Send + Sync + 'static> Drop for Room<K> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.shared.slots().give_bytes(self.bytes);
            self.shared.tell_changed();
        }
    }
}
