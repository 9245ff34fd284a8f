//! Everything analysed with this key, here and on the server.

use std::sync::Arc;

use darkroom_api::ids::ObjectId;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Desk, Question};
use crate::bridge;
use crate::page::format;
use crate::protocol::{Entry, EntryState, Grey, Trouble};

impl Desk {
    /// Asks for the entries: those of this browser at once, the server's as they come.
    pub fn load_history(self) {
        self.history_trouble.set(None);
        spawn_local(async move {
            match bridge::history(move |known| self.entries.set(Some(known))).await {
                Ok(entries) => self.entries.set(Some(entries)),
                Err(trouble) => {
                    self.entries.update(|entries| {
                        entries.get_or_insert_default();
                    });
                    self.history_trouble.set(Some(trouble));
                }
            }
        });
    }

    /// Puts an entry in its place: over the one with its id, or first.
    pub(super) fn take_entry(self, entry: Entry) {
        let was_pending = self.entries.with_untracked(|entries| {
            let old = entries.iter().flatten().find(|old| old.id == entry.id);
            old.is_some_and(|old| matches!(old.state, EntryState::Pending(_)))
        });
        let mine = self.runs.with_untracked(|runs| {
            runs.iter()
                .any(|run| run.entry.get_untracked() == Some(entry.id))
        });
        if let (EntryState::Done { label, probability }, true, false) =
            (&entry.state, was_pending, mine)
        {
            self.say(format!(
                "{}: {label}, {}.",
                entry.name,
                format::percent(*probability)
            ));
        }
        self.entries.update(|entries| {
            let entries = entries.get_or_insert_default();
            match entries.iter_mut().find(|old| old.id == entry.id) {
                Some(old) => *old = entry,
                None => {
                    let newer = |old: &Entry| old.created_ms > entry.created_ms;
                    let place = entries.iter().take_while(|old| newer(old)).count();
                    entries.insert(place, entry);
                }
            }
        });
    }

    pub(super) fn drop_entry(self, id: ObjectId) {
        self.entries
            .update(|entries| entries.iter_mut().for_each(|e| e.retain(|e| e.id != id)));
        self.drop_runs(|entry| entry == id);
    }

    pub(super) fn drop_entries(self) {
        self.entries.set(Some(Vec::new()));
        self.drop_runs(|_| true);
    }

    /// Puts the picture of an entry on the desk again, for another model.
    pub fn run_again(self, entry: Entry) {
        if let Some(pixels) = entry.thumbnail.clone() {
            self.add_entry(&entry, pixels);
            crate::page::show("analysis");
            return;
        }
        spawn_local(async move {
            let opened: Result<Grey, Trouble> =
                bridge::open(entry.id).await.map(|opened| opened.picture);
            match opened {
                Ok(pixels) => {
                    self.add_entry(&entry, pixels);
                    crate::page::show("analysis");
                }
                Err(trouble) => self.history_trouble.set(Some(trouble)),
            }
        });
    }

    /// Asks, then deletes an entry here and on the server; stops it first if it is under way.
    pub fn ask_delete(self, entry: Entry) {
        let pending = matches!(entry.state, EntryState::Pending(_));
        let yes = Arc::new(move || {
            spawn_local(async move {
                let gone = if pending {
                    bridge::cancel_entry(entry.id).await
                } else {
                    bridge::delete(entry.id).await
                };
                match gone {
                    Ok(()) => {
                        self.drop_entry(entry.id);
                        self.say("Deleted, here and on the server.");
                    }
                    Err(trouble) => self.history_trouble.set(Some(trouble)),
                }
            });
        });
        let title = if pending {
            "Stop and delete this?"
        } else {
            "Delete this everywhere?"
        };
        self.question.set(Some(Question {
            title: title.into(),
            text: "The encrypted picture and its result are deleted on the server, and the small \
                   picture in this browser. Your own file stays where it is."
                .into(),
            verb: "Delete".into(),
            yes,
        }));
    }

    /// Asks, then deletes everything here and on the server.
    pub fn ask_delete_all(self) {
        let yes = Arc::new(move || {
            spawn_local(async move {
                match bridge::delete_all().await {
                    Ok(()) => {
                        self.drop_entries();
                        self.look_for_large_key();
                        self.say("Everything is deleted, here and on the server.");
                    }
                    Err(trouble) => self.history_trouble.set(Some(trouble)),
                }
            });
        });
        let many = self
            .entries
            .with_untracked(|entries| entries.iter().flatten().count());
        self.question.set(Some(Question {
            title: format!(
                "Delete all of your history ({})?",
                format::count(many, "result")
            ),
            text: "Every encrypted picture and result of this key is deleted on the server, and \
                   its large key if there is one, and the small pictures in this browser. Your \
                   key and your own files stay."
                .into(),
            verb: "Delete all".into(),
            yes,
        }));
    }
}
