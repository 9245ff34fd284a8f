//! The worker: holds the key, encrypts, talks to the services, decrypts.

fn main() {
    frontend::worker::start();
}
