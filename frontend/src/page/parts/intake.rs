//! Ways in for pictures: dropped anywhere, pasted, or chosen.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Blob, DataTransfer, Element, File, FileList};

use crate::page::desk::Desk;

/// Takes what is dropped or pasted anywhere on the page; tells whether something hovers over it.
pub fn listen(desk: Desk) -> RwSignal<bool> {
    let over = RwSignal::new(false);
    window_event_listener(ev::dragover, move |event| {
        if event.data_transfer().is_some_and(|data| holds_files(&data)) {
            event.prevent_default();
            over.set(true);
        }
    });
    window_event_listener(ev::dragleave, move |event| {
        // Only when the pointer has left the window.
        if event.related_target().is_none() {
            over.set(false);
        }
    });
    window_event_listener(ev::drop, move |event| {
        over.set(false);
        let files = event.data_transfer().and_then(|data| data.files());
        if let Some(files) = files.filter(|files| files.length() > 0) {
            event.prevent_default();
            desk.add_files(listed(&files));
        }
    });
    window_event_listener(ev::paste, move |event| {
        let files = event.clipboard_data().and_then(|data| data.files());
        if let Some(files) = files.filter(|files| files.length() > 0 && !in_a_dialog(&event)) {
            event.prevent_default();
            desk.add_files(listed(&files));
        }
    });
    over
}

fn holds_files(data: &DataTransfer) -> bool {
    data.types()
        .iter()
        .any(|kind| kind.as_string().is_some_and(|kind| kind == "Files"))
}

fn in_a_dialog(event: &web_sys::ClipboardEvent) -> bool {
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|target| target.closest("dialog").ok().flatten().is_some())
}

/// The files of a list with their names.
pub fn listed(files: &FileList) -> Vec<(String, Blob)> {
    let files = (0..files.length()).filter_map(|i| files.get(i));
    files
        .map(|file: File| (file.name(), Blob::from(file)))
        .collect()
}
