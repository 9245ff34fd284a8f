//! The page.

fn main() {
    frontend::page::open();
}
